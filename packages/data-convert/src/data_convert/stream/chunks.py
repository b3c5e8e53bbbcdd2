"""Events in chunks, in memory that does not grow: of Tardis files while they are converted, and of an `.npz`."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from io import BufferedIOBase
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from data_convert.errors import InputError
from data_convert.events import EVENT_DTYPE, Events
from data_convert.ingest import Paths, Progress
from data_convert.report.values import Report
from data_convert.stream.merge import WINDOW_NS
from data_convert.stream.passes import TooManyLate, merge_pass, merge_steps
from data_convert.stream.tardis import PASSES, LatencyShift, Mode, TardisWork, join_known, no_rows

CHUNK_ROWS: Final = 1 << 16

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
        found = self._look()
        if found is None:
            events, merged = work.sort_everything()
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


def npz_chunks(path: str | os.PathLike[str], *, rows: int = CHUNK_ROWS) -> Iterator[Events]:
    """Yield the event array of an `.npz` (key `data`) in chunks of `rows` rows, never holding more.

    Raises InputError when the file has no such array or ends early; ValueError for `rows` under 1.
    """
    if rows < 1:
        raise ValueError(f"rows of a chunk are at least 1, not {rows}")
    target = Path(path)
    try:
        with zipfile.ZipFile(target) as archive, archive.open("data.npy") as member:
            version = npy.read_magic(member)  # type: ignore[no-untyped-call]
            if version != (1, 0):
                raise InputError(target, f"is of npy version {version}", "save it with data_convert.save")
            shape, _, dtype = npy.read_array_header_1_0(member)  # type: ignore[no-untyped-call]
            if dtype != EVENT_DTYPE or len(shape) != 1:
                raise InputError(target, f"holds {dtype}, no event records", "name an event file")
            for start in range(0, shape[0], rows):
                wanted = min(rows, shape[0] - start)
                chunk = np.empty(wanted, EVENT_DTYPE)
                if cast(BufferedIOBase, member).readinto(chunk.view(np.uint8).data) != chunk.nbytes:
                    raise InputError(target, f"ends before row {start + wanted}", "convert the recording again")
                yield chunk
    except FileNotFoundError:
        raise InputError(target, "does not exist", "check the name") from None
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(target, f"is no readable .npz ({error})", "convert the recording again") from error
