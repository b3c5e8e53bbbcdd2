"""Days that stay in their files: a run reads them as it comes near and gives the memory back behind it.

The engine knows its rows by address only. So it is given one array over all files whose memory is reserved and not there: rows are read
into it up to a little ahead of the run (`reach`), and the pages of rows that both of the engine's clocks have left are given back
(`leave`). A file is read twice: first all of them are looked over, which counts the rows, then each in its turn.
"""

import mmap
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from data_convert import ConvertError, npz_chunks
from marketlink.events import EVENT_DTYPE, EXCH, LOCAL, Events

from obi_mm.days import Day, prices_of
from obi_mm.errors import DataError
from obi_mm.inputs import Inputs, Repair, check_names, raised
from obi_mm.rows import ClearsSpelledOut, on_exchange_clock, spliced
from obi_mm.sizes import check_sizes

CHUNK_ROWS: Final = 1 << 17
"""Rows that are read at once, 8 MB."""
AHEAD_ROWS: Final = 1 << 19
"""Rows that a step of the run may have in front of it; fewer steps cost less, more rows cost memory."""
NEVER: Final = (1 << 63) - 1
_NO_RESERVE: Final = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


@dataclass(frozen=True, slots=True)
class StoredDay:
    """A file that was looked over: how many rows the engine gets of it, its times on the local clock, its prices.

    `clears` are the deletions that stand for each clear, by its place in the file's rows of that clock.
    """

    path: str
    clock: str
    floors: tuple[int, int]
    clears: tuple[tuple[int, Events], ...]
    count: int
    first_ns: int
    last_ns: int
    low: float
    high: float

    def load(self) -> Day:
        """Read the file again, into memory; raises DataError as `chunks` does."""
        rows: Events = np.empty(self.count, EVENT_DTYPE)
        at = 0
        for chunk in self.chunks():
            rows[at : at + len(chunk)] = chunk
            at += len(chunk)
        return Day(rows, self.first_ns, self.last_ns, self.low, self.high)

    def start(self) -> Day:
        """Return the file's first row as a day of its own, to try a run with."""
        rows = next(iter(self.chunks()))[:1].copy()
        return Day(rows, self.first_ns, self.first_ns, self.low, self.high)

    def chunks(self) -> Iterator[Events]:
        """Yield the rows as the engine takes them; raises DataError where the file has changed or can't be read."""
        row, at, made = 0, 0, 0
        for events in _chunks(self.path):
            rows = _on_clock(raised(events, self.floors), self.clock)
            here = []
            while at < len(self.clears) and self.clears[at][0] < row + len(rows):
                here.append((self.clears[at][0] - row, self.clears[at][1]))
                at += 1
            row += len(rows)
            taken = spliced(rows, here)
            made += len(taken)
            if made > self.count:
                break
            yield taken
        if made != self.count:
            raise DataError(self.path, "has changed since it was looked over")


def look_over_day(
    path: str | Path, inputs: Inputs, spelled: ClearsSpelledOut, clock: str, sizes: tuple[float, float]
) -> StoredDay:
    """Read a file through once, check it and count what the engine gets of it; raises DataError."""
    inputs.begin(path)
    clears: list[tuple[int, Events]] = []
    count, row, start, first_ns, last_ns, low, high, exchange = 0, 0, 0, 0, 0, np.inf, 0.0, False
    for events in _chunks(path):
        checked = inputs.take(events)
        check_sizes(checked, *sizes, path, start)
        start += len(events)
        rows = _on_clock(checked, clock)
        here = spelled.clears(rows)
        clears.extend((row + at, deletions) for at, deletions in here)
        row += len(rows)
        count += len(rows) + sum(len(deletions) - 1 for _, deletions in here)
        local = rows["local_ts"][(rows["ev"] & LOCAL) != 0]
        if len(local):
            first_ns, last_ns = first_ns or int(local[0]), max(last_ns, int(local.max()))
        exchange = exchange or bool(((rows["ev"] & EXCH) != 0).any())
        least, most = prices_of(rows)
        if most:
            low, high = min(low, least), max(high, most)
    inputs.end()
    if not first_ns or not exchange:
        raise DataError(path, "has no rows for the exchange's and the local clock")
    return StoredDay(
        str(path), clock, inputs.floors, tuple(clears), count, first_ns, last_ns, 0.0 if low == np.inf else low, high
    )


class Passing:
    """The rows of stored days as one array, of which only the part around the run is in memory."""

    def __init__(self, days: Sequence[StoredDay]) -> None:
        count = sum(day.count for day in days)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
        self._memory = mmap.mmap(-1, max(count * EVENT_DTYPE.itemsize, mmap.PAGESIZE), flags=flags)
        self.rows: Events = np.frombuffer(self._memory, EVENT_DTYPE, count)
        self._chunks = (chunk for day in days for chunk in day.chunks())
        self._filled, self._left = 0, 0
        self._last_ns = [0, 0]  # of the exchange's and the local clock
        self._whole = False
        self._parts: deque[tuple[int, int]] = deque()  # the row behind each part, and when both clocks have left it

    def reach(self, until_ns: int) -> int:
        """Read on, and return up to which time, excluded, the engine may go; at least beyond what it was, at most a step of rows at once.

        The last row of either clock is never passed: behind it the engine would look at rows that are not there yet.
        """
        most = self._filled + AHEAD_ROWS
        before = min(self._last_ns)
        while not self._whole and min(self._last_ns) <= until_ns:
            if self._filled >= most and min(self._last_ns) > before:
                break
            self._read()
        return NEVER if self._whole else min(self._last_ns)

    def _read(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._whole = True
            return
        self.rows[self._filled : self._filled + len(chunk)] = chunk
        self._filled += len(chunk)
        for clock, (flag, name) in enumerate(((EXCH, "exch_ts"), (LOCAL, "local_ts"))):
            mine = chunk[name][(chunk["ev"] & flag) != 0]
            if len(mine):
                self._last_ns[clock] = max(self._last_ns[clock], int(mine[-1]))
        self._parts.append((self._filled, max(self._last_ns)))

    def leave(self, now_ns: int) -> None:
        """Give the memory of rows back that are not after `now_ns`, the engine's time."""
        behind = 0
        while self._parts and self._parts[0][1] <= now_ns:
            behind = self._parts.popleft()[0]
        end = behind * EVENT_DTYPE.itemsize // mmap.PAGESIZE * mmap.PAGESIZE
        if end > self._left and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED, self._left, end - self._left)
            self._left = end


def look_over(
    paths: Sequence[str | Path], tick_size: float, lot_size: float, clock: str
) -> tuple[list[StoredDay], list[Repair]]:
    """Look event files over, in order of time; returns them and what of them will be put right. Raises DataError."""
    check_names(paths)
    spelled, inputs = ClearsSpelledOut(tick_size, lot_size), Inputs(tick_size, lot_size)
    days = [look_over_day(path, inputs, spelled, clock, (tick_size, lot_size)) for path in paths]
    return days, inputs.repairs


def _on_clock(events: Events, clock: str) -> Events:
    return on_exchange_clock(events) if clock == "exchange" else events


def _chunks(path: str | Path) -> Iterator[Events]:
    try:
        yield from npz_chunks(path, rows=CHUNK_ROWS)
    except ConvertError as error:
        raise DataError(path, str(error)) from error
