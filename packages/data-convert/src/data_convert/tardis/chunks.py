"""Events of Tardis files in chunks while they are converted, in memory that does not grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Unpack

import numpy as np

from data_convert.events import EVENT_DTYPE, Events
from data_convert.files.npz import CHUNK_ROWS
from data_convert.files.paths import Paths
from data_convert.report.values import Report
from data_convert.tardis.convert import Known, Options, TardisWork
from data_convert.tardis.passes import Merged, merge_steps
from data_convert.tardis.sinks import BlockSink, Words


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
        work, given = self._work, 0
        at_once = work.sort_few()
        # What was given away cannot be taken back: late rows and the smallest latency must be known before the first is.
        found = None if at_once else work.in_passes(self._look)
        if found is None:
            events, merged = at_once or work.sort_everything()
            for start in range(0, len(events), self._rows):
                yield events[start : start + self._rows]
            self.report = work.report(merged, len(events))
            return
        known, looked, _ = found
        ready: deque[Events] = deque()

        def give(rows: Words) -> Words:
            ready.append(rows.reshape(-1).view(EVENT_DTYPE))
            return np.empty((self._rows, 8), np.int64)

        sink, shift = BlockSink(self._rows, give), work.fixed_shift(work.shift_of(work.smallest(looked.found)))
        with closing(merge_steps(work.settings, known, sink, shift, work.window_ns)) as steps:
            whole: Merged | None = None
            while whole is None:
                try:
                    next(steps)
                except StopIteration as end:
                    whole = end.value
                    sink.flush()
                while ready:
                    given += len(ready[0])
                    yield ready.popleft()
        self.report = work.report(whole, given)

    def _look(self, known: Known, shift_ns: int) -> tuple[Merged, None]:
        sink = BlockSink(self._rows, lambda rows: rows)
        return self._work.merge(known, sink, self._work.shift_of), None


def tardis_chunks(paths: Paths, *, rows: int = CHUNK_ROWS, **options: Unpack[Options]) -> TardisChunks:
    """Convert Tardis CSV files to event arrays of `rows` rows each (the last may be shorter), in flat memory.

    The files are read twice: the smallest latency of all rows must be known before the first is given away. Rows that
    come in no order at all are sorted at once, in memory, as `convert_tardis` does. Options and errors are its own;
    errors of the options and the first lines are raised here, all others by the iterator. ValueError: `rows` under 1.
    """
    if rows < 1:
        raise ValueError(f"rows of a chunk are at least 1, not {rows}")
    return TardisChunks(TardisWork(paths, **options), rows)
