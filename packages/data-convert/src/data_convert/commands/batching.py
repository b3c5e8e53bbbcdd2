"""The command `batch`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_convert.commands.options import (
    AllowEmpty,
    BaseLatency,
    Compress,
    CompressOption,
    Force,
    Json,
    Levels,
    MaxLost,
    SnapshotOption,
    TimeOption,
    Venue,
    VenueOption,
    depth_of,
)
from data_convert.exits import MAX_LOST, Exit
from data_convert.sizes import MOST_NS

if TYPE_CHECKING:
    from data_convert.batch.plan import Job
    from data_convert.batch.run import Outcome


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(batch)


def batch(
    root: Annotated[Path, typer.Argument(metavar="IN_DIR", show_default=False)],
    target: Annotated[Path | None, typer.Argument(metavar="[OUT_DIR]", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT_DIR", help="Where the results go.")
    ] = None,
    symbols: Annotated[str, typer.Option(metavar="A,B", help="Only these symbols.")] = "",
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First day.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day.")] = "",
    plan_only: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 takes one for each core.")] = 0,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler to use instead (data-convert[dask]).")
    ] = None,
    latency_ns: Annotated[int | None, typer.Option(min=0, max=MOST_NS, help="As for `history`, for archives.")] = None,
    time: Annotated[TimeOption, typer.Option(help="As for `collector`.")] = TimeOption.TRANSACTION,
    snapshots: Annotated[SnapshotOption, typer.Option(help="As for `collector`.")] = SnapshotOption.BY_ID,
    venue: Venue = VenueOption.AUTO,
    levels: Levels = "fused",
    base_latency_ns: BaseLatency = 0,
    carry: Annotated[
        bool, typer.Option("--carry/--no-carry", help="Begin recordings with the last book of the day before.")
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="A day fails at its first bad line or damage.")] = False,
    allow_empty: AllowEmpty = False,
    max_lost: MaxLost = MAX_LOST,
    force: Force = False,
    json: Json = False,
    compress: Compress = CompressOption.DEFAULT,
) -> None:
    """Convert all symbols and days of a directory; what is done already is left, failing days stop no other."""
    from data_convert.batch.plan import State, make_plan
    from data_convert.batch.run import Options, process_pool, run_jobs, state_of
    from data_convert.batch.run import cluster as open_cluster
    from data_convert.errors import BatchError, InputError, OutputError
    from data_convert.files.leftovers import remove_leftovers
    from data_convert.files.remote import is_url

    target = output or target
    if target is None:
        raise typer.BadParameter("name the directory of the results: -o OUT_DIR")
    if not is_url(root) and not root.is_dir():
        raise InputError(root, "is no directory", "name the directory with the files")
    if not is_url(target) and target.exists() and not target.is_dir():
        raise OutputError(target, "is no directory", "name another place")
    days = [_day(first, "--from"), _day(last, "--to")]
    size_of = _files_below(root, target)
    wanted = frozenset(symbol.strip() for symbol in symbols.split(",") if symbol.strip())
    plan = make_plan(size_of, root, target, wanted, *days)
    states = {job: state_of(job, force) for job in plan.jobs}
    to_do = [job for job, state in states.items() if state in (State.TO_DO, State.INCOMPLETE)]
    unknown = [path for path in plan.unknown if path.suffix != ".npz" and not path.name.endswith(".manifest.json")]
    if plan_only:
        _show_plan({job: state.value for job, state in states.items()}, unknown, json)
        return
    options = Options(
        snapshots=snapshots.value,
        time=time.value,
        venue=venue.value,
        levels=depth_of(levels),
        base_latency_ns=base_latency_ns,
        latency_ns=latency_ns,
        strict=strict,
        force=force,
        compress=compress.value,
        carry=carry,
        allow_empty=allow_empty,
        max_lost=max_lost,
    )
    count = workers or os.cpu_count() or 1
    places = tuple(sorted({job.output.parent for job in plan.jobs if not is_url(job.output)}))
    for leftover in [path for place in places for path in remove_leftovers(place)]:
        typer.echo(f"{leftover}: left by a run that was killed, removed", err=True)
    pool_size = min(count, max(len(to_do), 1))
    opener = partial(open_cluster, cluster) if cluster else partial(process_pool, pool_size, places)
    sizes = {job.name: sum(size_of[path] for path in job.inputs) for job in to_do}
    outcomes: list[Outcome] = []
    left = {job.name: state.value for job, state in states.items() if job not in to_do}
    try:
        with (
            _progress(len(to_do), sum(sizes.values())) as tell,
            closing(run_jobs(to_do, options, opener, count)) as run,
        ):
            for outcome in run:
                outcomes.append(outcome)
                tell(outcome, sizes[outcome.name])
    except (KeyboardInterrupt, SystemExit, BatchError) as stop:
        _show_stop(stop, outcomes, to_do, left, unknown, json)
        if isinstance(stop, KeyboardInterrupt):
            raise typer.Exit(Exit.INTERRUPTED) from None
        raise
    _show_outcomes(sorted(outcomes, key=lambda o: o.name), left, unknown, json)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(Exit.ERROR)
    if any(outcome.incomplete for outcome in outcomes):
        raise typer.Exit(Exit.INCOMPLETE)
    if any(outcome.faults for outcome in outcomes):
        raise typer.Exit(Exit.FAULTS)


def _files_below(root: Path, target: Path) -> dict[Path, int]:
    """Return the files of a directory or below a URL and their sizes, without hidden ones and those of the target."""
    from data_convert.files.remote import is_url, listing

    if is_url(root):
        below = [entry for entry in listing(root) if not entry.path.name.startswith(".")]
        return {entry.path: entry.size_bytes for entry in below if target == root or target not in entry.path.parents}
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    inside = target.resolve()
    whole = inside == root.resolve()
    return {path: path.stat().st_size for path in files if whole or inside not in path.resolve().parents}


def _day(text: str, option: str) -> str:
    if text and not re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", text):
        raise typer.BadParameter(f"{option} is a day as 2024-08-08, not {text!r}")
    return text.replace("-", "")


@contextmanager
def _progress(count: int, size: int) -> Iterator[Callable[[Outcome, int], None]]:
    """Tell every finished day on stderr, and on a terminal how much is left."""
    done = 0

    def line(outcome: Outcome) -> str:
        what = outcome.error or f"{outcome.rows:,} rows" + "".join(f"; {lack}" for lack in outcome.incomplete)
        return f"{done}/{count} {outcome.name}: {what} ({outcome.seconds:.1f} s)"

    if not sys.stderr.isatty():

        def tell(outcome: Outcome, input_bytes: int) -> None:
            nonlocal done
            done += 1
            typer.echo(line(outcome), err=True)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"0/{count} days", total=max(size, 1))

        def tell_bar(outcome: Outcome, input_bytes: int) -> None:
            nonlocal done
            done += 1
            bar.console.print(line(outcome), highlight=False, markup=False)
            bar.update(task, advance=input_bytes, description=f"{done}/{count} days")

        yield tell_bar


def _show_stop(
    stop: BaseException,
    outcomes: list[Outcome],
    to_do: list[Job],
    left: dict[str, str],
    unknown: list[Path],
    json: bool,
) -> None:
    """Close a batch that does not come to its end: what is done, and what is not."""
    known = {outcome.name for outcome in outcomes}
    failed = sum(bool(outcome.error) for outcome in outcomes)
    incomplete = sum(bool(outcome.incomplete) for outcome in outcomes)
    undone = [job.name for job in to_do if job.name not in known]
    by = {KeyboardInterrupt: "by Ctrl-C", SystemExit: "by SIGTERM"}.get(type(stop), "")
    if json:
        _show_outcomes(outcomes, left | dict.fromkeys(undone, "stopped"), unknown, json)
    typer.echo(
        f"stopped{' ' * bool(by)}{by}: {len(outcomes) - failed - incomplete} of {len(to_do)} days written, "
        f"{failed} failed, {f'{incomplete} incomplete, ' * bool(incomplete)}{len(undone)} left; the same command goes on with them",
        err=True,
    )


def _show_plan(states: dict[Job, str], unknown: list[Path], json: bool) -> None:
    if json:
        jobs = [
            {"name": job.name, "kind": job.kind, "state": state, "inputs": [str(path) for path in job.inputs]}
            for job, state in states.items()
        ]
        _echo_json({"jobs": jobs, "unknown": [str(path) for path in unknown]})
        return
    for job, state in states.items():
        typer.echo(f"{job.name}: {state}, {job.kind} from {len(job.inputs)} file(s)")
    _tell_unknown(unknown)


def _show_outcomes(outcomes: list[Outcome], left: dict[str, str], unknown: list[Path], json: bool) -> None:
    from dataclasses import asdict

    failed = sum(bool(outcome.error) for outcome in outcomes)
    incomplete = sum(bool(outcome.incomplete) for outcome in outcomes)
    if json:
        _echo_json(
            {
                "outcomes": [asdict(outcome) for outcome in outcomes],
                "left": left,
                "unknown": [str(path) for path in unknown],
                "failed": failed,
                "incomplete": incomplete,
            }
        )
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(("day", "rows", "MB", "s", "bad lines", "gaps", "faults", "result")):
        table.add_column(column, justify="left" if number in (0, 7) else "right", overflow="fold")
    for o in outcomes:
        figures = (f"{o.rows:,}", f"{o.output_bytes / 1e6:,.1f}", f"{o.seconds:,.1f}")
        counts = (f"{o.bad_lines:,}", f"{o.gaps:,}", f"{o.faults:,}")
        table.add_row(escape(o.name), *figures, *counts, escape(_result(o)))
    for name, state in left.items():
        table.add_row(escape(name), *[""] * 6, state)
    Console(width=None if sys.stdout.isatty() else 140, highlight=False).print(table)
    written = len(outcomes) - failed - incomplete
    typer.echo(f"{written} written, {failed} failed, {incomplete} incomplete, {len(left)} left as they are")
    if incomplete:
        typer.echo("incomplete days are written as NAME.incomplete.npz and made again by the next run")
    if any("older" in state for state in left.values()):
        typer.echo("outputs older than their inputs are kept: convert them again with --force")
    _tell_unknown(unknown)


def _result(outcome: Outcome) -> str:
    if outcome.error:
        return f"failed: {outcome.error}"
    return f"incomplete: {'; '.join(outcome.incomplete)}" if outcome.incomplete else "written"


def _tell_unknown(unknown: list[Path]) -> None:
    if unknown:
        names = ", ".join(path.name for path in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        typer.echo(f"{len(unknown)} file(s) of no known name left out: {names}")


def _echo_json(value: dict[str, Any]) -> None:
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
