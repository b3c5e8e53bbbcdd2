"""Many symbols and days through an executor: one failing day stops no other, what is done is not done again."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_convert.batch.plan import Job, State
from data_convert.batch.workers import process_pool
from data_convert.errors import BatchError, ConvertError
from data_convert.exits import MAX_LOST
from data_convert.files.remote import any_url, check_free, is_url, put, remove, staged, stat
from data_convert.words import Compress, Policy, Time

if TYPE_CHECKING:
    from data_convert.report import Report

_AHEAD: Final = 2
"""Jobs handed to the executor per worker, so that none waits for the next one to be sent."""

_CONNECT_S: Final = 10
_CHANGES: Final = re.compile(r"_(?:trades|incremental_book_L2)_")
"""Names of the Tardis files that need no fusing."""

Opener = Callable[[], Any]

__all__ = ["Options", "Outcome", "cluster", "process_pool", "run_job", "run_jobs", "state_of"]


@dataclass(frozen=True, slots=True)
class Options:
    """How every job is converted; `latency_ns` is for archives, which have no local times.

    `carry`: a recording begins with the last book of the day before, where that is there.
    """

    snapshots: Policy = "by-id"
    time: Time = "T"
    venue: str = "auto"
    levels: int | None = None
    base_latency_ns: int = 0
    latency_ns: int | None = None
    strict: bool = False
    force: bool = False
    compress: Compress = "default"
    carry: bool = True
    allow_empty: bool = False
    max_lost: float = MAX_LOST


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job; `error` is empty when its output was written.

    `incomplete` says why it is no success all the same; it stands under `Job.incomplete` then, and is made again.
    """

    name: str
    rows: int = 0
    output_bytes: int = 0
    seconds: float = 0.0
    bad_lines: int = 0
    gaps: int = 0
    faults: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""
    incomplete: tuple[str, ...] = ()


def state_of(job: Job, force: bool) -> State:
    """Tell what is to be done about a job. An output appears whole or not at all, so one that exists is done."""
    written_ns = None if force else _modified_ns(job.output)
    if written_ns is None:
        return State.TO_DO if _modified_ns(job.incomplete) is None else State.INCOMPLETE
    changed_ns = max((_modified_ns(path) or 0 for path in job.inputs), default=0)
    return State.OLDER if changed_ns > written_ns else State.DONE


def _modified_ns(path: Path) -> int | None:
    if is_url(path):
        found = stat(path)
        return None if found is None else found.modified_ns
    return path.stat().st_mtime_ns if path.exists() else None


def _convert_where_it_is(job: Job, options: Options) -> tuple[Report, tuple[str, ...], int]:
    """Convert a day whose files may be in an object store; return as `_convert_here`."""
    if not any_url((*job.inputs, *job.before, job.output)):
        return _convert_here(job, options)
    with staged() as stage:

        def local(paths: tuple[Path, ...]) -> tuple[Path, ...]:
            return tuple(stage.input(path) if is_url(path) else path for path in paths)

        away = is_url(job.output)
        if away:
            check_free(job.output, options.force)
        output = stage.folder / job.output.name if away else job.output
        before = local(job.before) if options.carry else ()
        here = replace(job, inputs=local(job.inputs), before=before, output=output)
        report, lacks, size = _convert_here(here, options)
        if away and lacks:
            put(here.incomplete, job.incomplete, True)
            remove(job.output)
        elif away:
            put(here.output, job.output, options.force)
            remove(job.incomplete)
        return report, tuple(map(stage.named, lacks)), size


def _convert_here(job: Job, options: Options) -> tuple[Report, tuple[str, ...], int]:
    """Convert a day of local files; return its report, why it is no success, and the size of what was written."""
    from data_convert.files.writer import check_target

    job.output.parent.mkdir(parents=True, exist_ok=True)
    check_target(job.output, options.force, ".npz")
    report = _convert(job, options)
    lacks = report.incomplete(options.max_lost, options.allow_empty)
    size = job.incomplete.stat().st_size
    if lacks:
        job.output.unlink(missing_ok=True)  # --force was given: it was made of the same input
    else:
        os.replace(job.incomplete, job.output)
    return report, lacks, size


def run_job(job: Job, options: Options) -> Outcome:
    """Convert one day and tell what became of it; nothing is raised, so that no failure travels to the other days."""
    began = time.perf_counter()
    try:
        report, lacks, size = _convert_where_it_is(job, options)
    except ConvertError as error:
        return Outcome(job.name, seconds=time.perf_counter() - began, error=str(error))
    except Exception as error:  # noqa: BLE001  the edge of a worker: a defect met by one day must not stop the others
        return Outcome(job.name, seconds=time.perf_counter() - began, error=f"{type(error).__name__}: {error}")
    return Outcome(
        job.name,
        report.rows,
        size,
        time.perf_counter() - began,
        report.bad_lines,
        len(report.gaps),
        len(report.faults),
        tuple(report.warnings),
        incomplete=lacks,
    )


def _convert(job: Job, options: Options) -> Report:
    """Write a job's result under `Job.incomplete`; whoever calls knows whether it may bear its name."""
    from data_convert.files.writer import save

    inputs = list(job.inputs)
    if job.kind == "recording":
        from data_convert.recordings.convert import convert_recording

        result = convert_recording(
            inputs,
            time=options.time,
            snapshots=options.snapshots,
            venue=options.venue,
            levels=options.levels,
            base_latency_ns=options.base_latency_ns,
            strict=options.strict,
            before=list(job.before) if options.carry else (),
        )
    elif job.kind == "history":
        from data_convert.archives.convert import convert_history
        from data_convert.archives.latency import ConstantLatency

        if options.latency_ns is None:
            raise BatchError("archives have no local times", "give --latency-ns")
        latency = ConstantLatency(options.latency_ns)
        result = convert_history(inputs, latency, time=options.time, strict=options.strict)
    else:
        from data_convert.tardis.convert import convert_tardis_file
        from data_convert.tardis.fuse import fuse_tardis_file

        plain = all(_CHANGES.search(path.name) for path in inputs)
        return (convert_tardis_file if plain else fuse_tardis_file)(
            inputs,
            job.incomplete,
            base_latency_ns=options.base_latency_ns,
            strict=options.strict,
            force=True,
            compress=options.compress,
        )
    save(result.events, job.incomplete, force=True, compress=options.compress)
    return result.report


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Open a Dask cluster as an executor; its workers need this package and the same paths. Raises BatchError."""
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise BatchError("--cluster needs the package distributed", "pip install 'data-convert[dask]'") from None
    try:
        client = distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError, TypeError) as error:
        raise BatchError(f"no Dask scheduler answers at {address} ({error})", "check the address") from error
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said here, once
    with client:
        executor: Executor = client.get_executor(pure=False)
        try:
            yield executor
        except CancelledError:
            problem = f"the Dask scheduler at {address} is gone, and with it the answers of what was under way"
            raise BatchError(problem, "start it again; the same command goes on with what is left") from None
        except BaseException:
            executor.shutdown(wait=False)
            raise
        executor.shutdown()


def run_jobs(
    jobs: Sequence[Job], options: Options, open_executor: Opener, workers: int
) -> Generator[Outcome, None, None]:
    """Yield the outcome of every job as it is known, at most a few jobs ahead of the workers.

    When a worker dies the jobs that were under way are tried again one by one, each in an executor of its own: the
    one that kills its worker fails, the others come through.
    """
    waiting = list(jobs)
    while waiting:
        under_way: dict[Future[Outcome], Job] = {}
        try:
            with open_executor() as executor:
                while waiting or under_way:
                    while waiting and len(under_way) < workers * _AHEAD:
                        job = waiting.pop(0)
                        try:
                            under_way[executor.submit(run_job, job, options)] = job
                        except BrokenExecutor:
                            waiting.insert(0, job)
                            raise
                    finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in finished:
                        outcome = _outcome(future, under_way[future])
                        del under_way[future]
                        yield outcome
        except BrokenExecutor:
            for future, job in under_way.items():
                try:
                    outcome = _outcome(future, job) if future.done() else _alone(job, options, open_executor)
                except BrokenExecutor:
                    outcome = _alone(job, options, open_executor)
                yield outcome


def _outcome(future: Future[Outcome], job: Job) -> Outcome:
    """Return what a job told, or what its executor says became of it.

    Raises BrokenExecutor when that is broken, CancelledError when it is gone.
    """
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        raise
    except Exception as error:  # noqa: BLE001  jobs raise nothing: this is the executor's own trouble with one of them
        return Outcome(job.name, error=f"{type(error).__name__}: {error}")


def _alone(job: Job, options: Options, open_executor: Opener) -> Outcome:
    # Its output may be there already, written before another one's worker died and the answer was lost.
    options = replace(options, force=True)
    try:
        with open_executor() as executor:
            return _outcome(executor.submit(run_job, job, options), job)
    except BrokenExecutor:
        return Outcome(job.name, error="its worker process died: killed, or out of memory")
