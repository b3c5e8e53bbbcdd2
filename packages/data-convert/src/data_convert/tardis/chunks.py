"""Events in chunks, in memory that does not grow: of Tardis files while they are converted, and of an `.npz`."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
import numpy.typing as npt

from data_convert.events import EVENT_DTYPE, Events
from data_convert.files.npz import CHUNK_ROWS
from data_convert.files.paths import Paths, Progress
from data_convert.report.values import Report
from data_convert.tardis.convert import PASSES, LatencyShift, Mode, TardisWork, join_known, no_rows
from data_convert.tardis.passes import TooManyLate, merge_pass, merge_steps
from data_convert.tardis.states import WINDOW_NS

Words = npt.NDArray[np.int64]


class _ChunkSink:
    """Buffers that are given away when they are full; without `keep` one that is written over."""

    def __init__(self, rows: int, keep: bool) -> None:
        self._rows, self._keep = rows, keep
        self._words: Words = np.empty((rows, 8), np.int64)
        self._length = 0
        self.ready: deque[Events] = deque()

    def room(self, done_share: float) -> tuple[Words, int]:
        """Return the buffer that is being filled and how far it is."""
        return self._words, self._length

    def take(self, end: int) -> None:
        """Rows up to `end` are written."""
        self._length = end
        if end == self._rows:
            self.flush()

    def flush(self) -> None:
        """Give away what is in the buffer."""
        if self._keep and self._length:
            self.ready.append(self._words[: self._length].reshape(-1).view(EVENT_DTYPE))
            self._words = np.empty((self._rows, 8), np.int64)
        self._length = 0


class TardisChunks(Iterator[Events]):
    """Chunks of the array that `convert_tardis` would return, one after the other; `report` is there at the end."""

    def __init__(self, work: TardisWork, rows: int) -> None:
        self.report: Report | None = None
        self._work, self._rows = work, rows
        self._chunks = self._run()

    def __next__(self) -> Events:
        """Return the next chunk, an array of its own."""
        return next(self._chunks)

    def close(self) -> None:
        """Stop reading before the end."""
        self._chunks.close()

    def _run(self) -> Generator[Events, None, None]:
        work = self._work
        at_once = work.sort_few()
        found = None if at_once else self._look()
        if found is None:
            events, merged = at_once or work.sort_everything()
            for start in range(0, len(events), self._rows):
                yield events[start : start + self._rows]
            self.report = work.report(merged, len(events))
            return
        known, smallest_ns = found
        sink, given = _ChunkSink(self._rows, True), 0
        steps = merge_steps(work.settings, known, sink, work.fixed_shift(work.shift_of(smallest_ns)), work.window_ns)
        with closing(steps):
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    merged = end.value
                    break
                while sink.ready:
                    given += len(sink.ready[0])
                    yield sink.ready.popleft()
        sink.flush()
        for chunk in sink.ready:
            given += len(chunk)
            yield chunk
        self.report = work.report(merged, given)

    def _look(self) -> tuple[tuple[Words, Words], int] | None:
        """Return the rows that come late and the smallest latency; None when too many are late for a window.

        What was given away cannot be taken back: both must be known before the first row is.
        """
        work, known = self._work, no_rows()
        for _ in range(PASSES):
            sink = _ChunkSink(self._rows, False)
            try:
                merged = merge_pass(work.settings, known, sink, work.shift_of, work.window_ns, work.progress)
            except TooManyLate:
                return None
            if not any(map(len, merged.late)):
                return known, work.smallest(merged.found)
            known = join_known(known, merged.late)
            work.late = sum(map(len, known))
        return None


def tardis_chunks(
    paths: Paths,
    *,
    rows: int = CHUNK_ROWS,
    snapshot_mode: Mode = "discard",
    base_latency_ns: int = 0,
    latency_shift: LatencyShift = "auto",
    outlier_ns: int | None = None,
    symbol: str | None = None,
    strict: bool = False,
    window_ns: int = WINDOW_NS,
    progress: Progress | None = None,
) -> TardisChunks:
    """Convert Tardis CSV files to event arrays of `rows` rows each (the last may be shorter), in flat memory.

    The files are read twice: the smallest latency of all rows must be known before the first is given away. Rows that
    come in no order at all are sorted at once, in memory, as `convert_tardis` does. Options and errors are its own;
    errors of the options and the first lines are raised here, all others by the iterator. ValueError: `rows` under 1.
    """
    if rows < 1:
        raise ValueError(f"rows of a chunk are at least 1, not {rows}")
    work = TardisWork(
        paths, snapshot_mode, base_latency_ns, latency_shift, outlier_ns, symbol, strict, window_ns, progress
    )
    return TardisChunks(work, rows)
