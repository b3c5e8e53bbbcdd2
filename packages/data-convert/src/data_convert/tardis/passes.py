"""One pass over Tardis files: parse both kinds while others inflate, merge, hand rows to a sink."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from data_convert.errors import ClockError
from data_convert.events import KIND_NAMES
from data_convert.files.paths import Progress
from data_convert.tardis.end_book import EndBook, crossed
from data_convert.tardis.fused import Fuse, fused_rows
from data_convert.tardis.rows import Counts, Parsed, Probe, TardisRows

Words = npt.NDArray[np.int64]

LATE_LIMIT: Final = 200_000
NOT_MET: Final = (1 << 63) - 1
_SAMPLE: Final = 1 << 15
_EXAMPLES: Final = 5


class TooManyLate(Exception):
    """So many rows come later than the window that only sorting all of them at once helps."""


@dataclass(slots=True)
class Sample:
    """Every n-th latency of updates and trades, n doubling whenever the sample is full; `count` is of all."""

    values: list[npt.NDArray[np.int64]] = field(default_factory=list)
    held: int = 0
    stride: int = 1
    skip: int = 0
    count: int = 0

    def add(self, rows: Words) -> None:
        """Take the latencies of rows that are updates or trades."""
        picked = rows[self.skip :: self.stride]
        self.skip = (self.skip - len(rows)) % self.stride
        self.count += len(rows)
        # A snapshot was asked for and tells nothing of the stream.
        picked = picked[(picked[:, 0] & 0xFF) < 3]
        self.values.append(picked[:, 2] - picked[:, 1])
        self.held += len(picked)
        if self.held > _SAMPLE:
            self.values = [np.concatenate(self.values)[::2]]
            self.held = len(self.values[0])
            self.stride *= 2


@dataclass(frozen=True, slots=True)
class Repair:
    """Rows with a latency under `floor_ns` get `latency_ns`: their clock that left the others is set by the other."""

    floor_ns: int
    latency_ns: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What every pass over the files has in common."""

    files: tuple[tuple[Probe, ...], tuple[Probe, ...]]
    prefix: bytes
    mode: str
    symbol: str | None
    strict: bool
    repair: Repair | None = None
    fuse: Fuse | None = None
    in_python: bool = False
    """The files are so small that Python reads them."""


@dataclass(slots=True)
class Found:
    """What a pass found in the files of one kind."""

    files: list[Counts] = field(default_factory=list)
    sample: Sample = field(default_factory=Sample)
    repaired: int = 0
    repaired_at: list[str] = field(default_factory=list)
    smallest_ns: int = NOT_MET
    smallest_at: str = ""
    rows: int = 0


class Sink(Protocol):
    """Where merged rows go."""

    def room(self, done_share: float) -> tuple[Words, int]:
        """Return an array with room, and from which row on; `done_share` (0 to 1) of the input is read."""

    def take(self, end: int) -> None:
        """Rows up to `end` of that array are written."""


def read_kind_rows(
    settings: Settings, which: int, found: Found, book: EndBook | None = None
) -> Generator[Parsed, None, None]:
    """Yield the rows of all files of one kind, one file after the other; fills `found` (and `book`) on the way."""
    latest: tuple[int, int] | None = None
    with closing(_read(settings, which, found.files)) as blocks:
        for probe, parsed in blocks:
            rows, smallest_ns, line = parsed.rows, parsed.smallest_ns, parsed.smallest_line
            if settings.repair is not None:
                smallest_ns, line, latest = _repair(rows, settings.repair, latest, probe, found)
            if smallest_ns < found.smallest_ns:
                found.smallest_ns, found.smallest_at = smallest_ns, f"{probe.path}:{line}"
            if book is not None:
                book.take(rows)
            found.sample.add(rows)
            found.rows += len(rows)
            yield Parsed(rows, found.smallest_ns, line)


def _read(settings: Settings, which: int, counts: list[Counts]) -> Generator[tuple[Probe, Parsed], None, None]:
    """Yield (file, rows), each file's counts in `counts` as it is begun."""
    files, prefix, mode, strict = settings.files[which], settings.prefix, settings.mode, settings.strict
    if settings.fuse is not None and which == 1:
        yield from fused_rows(files, prefix, mode, settings.symbol, strict, settings.fuse, counts)
        return
    for probe in files:
        reader = TardisRows(
            probe.path, prefix, mode, symbol=settings.symbol, strict=strict, in_python=settings.in_python
        )
        counts.append(reader.counts)
        for parsed in reader:
            yield probe, parsed


def _repair(
    rows: Words, repair: Repair, latest: tuple[int, int] | None, probe: Probe, found: Found
) -> tuple[int, int, tuple[int, int]]:
    """Mend absurd stamps in place; return the smallest latency of these rows, its line and the last row's times.

    Of the two clocks the one that is farther from the row before is wrong.
    """
    latency = rows[:, 2] - rows[:, 1]
    for row in np.flatnonzero(latency < repair.floor_ns).tolist():
        exch, local = int(rows[row, 1]), int(rows[row, 2])
        if row:
            latest = int(rows[row - 1, 1]), int(rows[row - 1, 2])
        clock = "local" if latest is not None and latest[1] - local > exch - latest[0] else "exchange"
        if clock == "local":
            rows[row, 2] = exch + repair.latency_ns
        else:
            rows[row, 1] = local - repair.latency_ns
        found.repaired += 1
        if len(found.repaired_at) < _EXAMPLES:
            found.repaired_at.append(f"{probe.path}:{int(rows[row, 5])} ({clock} time, latency {int(latency[row])} ns)")
    latency = rows[:, 2] - rows[:, 1]
    at = int(np.argmin(latency))
    return int(latency[at]), int(rows[at, 5]), (int(rows[-1, 1]), int(rows[-1, 2]))


def scan(settings: Settings, progress: Progress | None = None) -> tuple[Found, Found]:
    """Read all rows without merging them: for the smallest latency, which must be known before anything is written."""
    both = (Found(), Found())
    for which, found in enumerate(both):
        with closing(read_kind_rows(settings, which, found)) as blocks:
            for _ in blocks:
                _tell(progress, both, settings, 0.5)
    return both


@dataclass(slots=True)
class Merged:
    """What a merging pass found."""

    found: tuple[Found, Found]
    late: tuple[Words, Words]
    kinds: dict[str, int]
    sides: dict[str, int]
    spans_ns: tuple[tuple[int, int], tuple[int, int]] | None
    """First and last exchange time, first and last local time as recorded."""
    crossed: str = ""
    """How the book that the rows lead to, in the order of the files, ends crossed; empty if it does not."""


def merge_pass(steps: Generator[None, None, Merged]) -> Merged:
    """Take all steps of `merge_steps` at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            merged: Merged = end.value
            return merged


def merge_steps(
    settings: Settings,
    known: tuple[Words, Words],
    sink: Sink,
    shift_ns: Callable[[int], int],
    window_ns: int,
    progress: Progress | None = None,
) -> Generator[None, None, Merged]:
    """Merge all rows into `sink`, and pause whenever it has taken some.

    `shift_ns(smallest)` is asked for the shift whenever a smaller latency is met. `known` are rows that came too late
    in an earlier pass; rows that do so now are in the result, and what went to the sink is then not the right array.
    Raises TooManyLate.
    """
    from data_convert.tardis import merge_kernels as kernels
    from data_convert.tardis.merge import Merge

    merge = Merge(known, window_ns)
    both = (Found(), Found())
    late: tuple[list[Words], list[Words]] = ([], [])
    smallest, shift, total = NOT_MET, 0, total_bytes(settings)
    with ExitStack() as stack:
        books = None, EndBook()
        blocks = [stack.enter_context(closing(read_kind_rows(settings, i, both[i], books[i]))) for i in range(2)]
        while True:
            which = merge.behind
            if which is not None:
                parsed = next(blocks[which], None)
                if parsed is None:
                    merge.finish(which)
                else:
                    missed = merge.add(which, parsed.rows)
                    if len(missed):
                        late[which].append(missed)
                    if parsed.smallest_ns < smallest:
                        smallest = parsed.smallest_ns
                        shift = shift_ns(smallest)
                    if len(missed) and sum(map(len, late[0])) + sum(map(len, late[1])) > LATE_LIMIT:
                        raise TooManyLate
                _tell(progress, both, settings, 1.0)
            full = True
            while full:
                out, start = sink.room(done_bytes(both) / max(total, 1))
                end = merge.merge_into(out, start, shift)
                full = end == len(out)
                sink.take(end)
                yield
            if which is None:
                break
    spans = merge.spans()
    if spans is not None and spans[1][1] + shift > NOT_MET:
        raise ClockError(shift)
    state = merge.state
    assert not state[kernels.WRONG_WAY], "rows left the merge out of order"
    kinds = {KIND_NAMES.get(k, f"kind {k}"): int(n) for k, n in enumerate(merge.kinds.tolist()) if n}
    sides = {
        "both clocks": int(state[kernels.BOTH]),
        "exchange only": int(state[kernels.EXCH_ONLY]),
        "local only": int(state[kernels.LOCAL_ONLY]),
        "neither": 0,
    }
    joined = tuple(np.concatenate([np.empty((0, 8), np.int64), *rows]) for rows in late)
    return Merged(both, (joined[0], joined[1]), kinds, sides, spans, crossed(*books[1].best()))


def done_bytes(both: tuple[Found, Found]) -> int:
    """Return how many bytes of input are read."""
    return sum(counts.stats.done_bytes for found in both for counts in found.files)


def total_bytes(settings: Settings) -> int:
    """Return the size of the input."""
    return sum(probe.path.stat().st_size for files in settings.files for probe in files)


def _tell(progress: Progress | None, both: tuple[Found, Found], settings: Settings, share: float) -> None:
    if progress is not None:
        progress(int(done_bytes(both) * share), total_bytes(settings))


def join_samples(samples: Sequence[Sample]) -> npt.NDArray[np.int64]:
    """Return the sampled latencies of both kinds at one stride."""
    stride = max(sample.stride for sample in samples)
    empty = np.empty(0, np.int64)
    return np.concatenate([np.concatenate([empty, *s.values])[:: stride // s.stride] for s in samples])
