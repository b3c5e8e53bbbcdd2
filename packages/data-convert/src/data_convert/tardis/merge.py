"""Two streams of rows merged on both clocks while they arrive, holding only a window of time.

A row may leave once no later row can come before it. Rows are taken to be at most a window (2 s) older than the
latest of their stream. One that is later still is reported; a second pass that knows such rows from its beginning
puts them in their places. What leaves equals `timeline.order_events` of all rows of the first stream (trades) followed
by all rows of the second (depth): at equal times trades come first, then rows in the order they came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.tardis import merge_kernels as kernels
from data_convert.tardis.states import WINDOW_NS

_ROOM_ROWS: Final = 1 << 16
_MOVES_A_ROW: Final = 64
_MOVES: Final = 1 << 20
_FIRST: Final = -(1 << 63)
_NEVER: Final = (1 << 63) - 1

Words = npt.NDArray[np.int64]


class Held:
    """Rows of one stream that have not yet left on both clocks, and their two orders."""

    def __init__(self, known: Words) -> None:
        """`known`: rows to hold from the beginning, word 5 their number in the stream, ascending."""
        self.state = np.zeros(kernels.STREAM_WORDS, np.int64)
        self.state[kernels.EXCH_SEEN] = self.state[kernels.LOCAL_SEEN] = _FIRST
        self.state[kernels.EXCH_LEAST] = self.state[kernels.LOCAL_LEAST] = _NEVER
        self.known = np.ascontiguousarray(known[:, 5])
        self.finished = False
        self._allocate(max(2 * len(known), _ROOM_ROWS))
        count = len(known)
        self.words[:count] = known
        for order in (self.by_exch, self.by_local):
            order[:count] = np.arange(count)
        self.state[kernels.HELD] = count
        self._sort_all()

    def _allocate(self, rows: int) -> None:
        self.words = np.empty((rows, 8), np.int64)
        self.by_exch = np.empty(rows, np.int64)
        self.by_local = np.empty(rows, np.int64)
        self.gone = np.zeros(rows, np.uint8)

    def room(self, rows: int) -> None:
        """Make room for `rows` more."""
        state = self.state
        if state[kernels.HELD] + rows <= len(self.words):
            return
        self._compact()
        held = int(state[kernels.HELD])
        if held + rows <= len(self.words) // 2:
            return
        words, by_exch, by_local, gone = self.words, self.by_exch, self.by_local, self.gone
        self._allocate(2 * (held + rows))
        self.words[:held], self.gone[:held] = words[:held], gone[:held]
        self.by_exch[:held], self.by_local[:held] = by_exch[:held], by_local[:held]

    def _compact(self) -> None:
        """Move the rows that are still needed to the front. Orders end where the rows end."""
        state, n = self.state, int(self.state[kernels.HELD])
        kept = np.flatnonzero(self.gone[:n] != kernels.GONE)
        held = len(kept)
        places = np.empty(n, np.int64)
        places[kept] = np.arange(held)
        self.words[:held], self.gone[:held] = self.words[kept], self.gone[kept]
        for order, word in ((self.by_exch, kernels.EXCH_AT), (self.by_local, kernels.LOCAL_AT)):
            waiting = places[order[int(state[word]) : n]]
            state[word] = held - len(waiting)
            order[held - len(waiting) : held] = waiting
        state[kernels.HELD] = held

    @property
    def arrays(self) -> kernels.Stream:
        """Return what the kernel reads and writes."""
        return kernels.Stream(self.words, self.by_exch, self.by_local, self.gone, self.state)

    def add(self, rows: Words, stream: int, merge: Words) -> Words:
        """Take rows in; return those that came too late for the merge, word 5 their number.

        Rows whose number is known were put in before and are left out; rows too late are left out too.
        """
        self.room(len(rows))
        state = self.state
        new, number = int(state[kernels.HELD]), int(state[kernels.NEXT])
        state[kernels.NEXT] = number + len(rows)
        span, unsorted = self._write(rows, new, number)
        state[kernels.EXCH_LEAST] = min(int(state[kernels.EXCH_LEAST]), span[0])
        state[kernels.LOCAL_LEAST] = min(int(state[kernels.LOCAL_LEAST]), span[2])
        missed: Words = np.empty((0, 8), np.int64)  # not a view, which would keep all of `rows`
        numbers: Words = np.arange(number, number + len(rows))
        first, last = np.searchsorted(self.known, (number, number + len(rows)))
        if last > first or span[0] <= merge[kernels.LAST_EXCH] or span[2] <= merge[kernels.LAST_LOCAL]:
            unknown = np.ones(len(rows), np.bool_)
            unknown[self.known[first:last] - number] = False
            late = self._late(rows[:, 1], numbers, stream, merge[kernels.LAST_EXCH : kernels.LAST_EXCH + 3])
            late |= self._late(rows[:, 2], numbers, stream, merge[kernels.LAST_LOCAL : kernels.LAST_LOCAL + 3])
            missed = rows[late & unknown]
            missed[:, 5] = numbers[late & unknown]
            usual = unknown & ~late
            rows, numbers = rows[usual], numbers[usual]
            span, unsorted = self._write(rows, new, number)
            self.words[new : new + len(rows), 5] = numbers
        state[kernels.HELD] = new + len(rows)
        state[kernels.EXCH_SEEN] = max(int(state[kernels.EXCH_SEEN]), span[1])
        state[kernels.LOCAL_SEEN] = max(int(state[kernels.LOCAL_SEEN]), span[3])
        self._sort_new(new, unsorted)
        return missed

    def _write(self, rows: Words, new: int, number: int) -> tuple[list[int], int]:
        span = np.array([_NEVER, _FIRST, _NEVER, _FIRST])
        unsorted = kernels.append_rows(rows, self.arrays, new, number, span)
        found: list[int] = span.tolist()
        return found, unsorted

    @staticmethod
    def _late(times: Words, numbers: Words, stream: int, last: Words) -> npt.NDArray[np.bool_]:
        """Mark the rows that come before the last choice (time, stream, number)."""
        time, last_stream, last_number = (int(word) for word in last)
        late: npt.NDArray[np.bool_] = times < time
        if stream <= last_stream:
            same = times == time
            late |= same if stream < last_stream else same & (numbers < last_number)
        return late

    def _orders(self) -> Iterator[tuple[Words, int, int]]:
        yield self.by_exch, 1, int(self.state[kernels.EXCH_AT])
        yield self.by_local, 2, int(self.state[kernels.LOCAL_AT])

    def _sort_new(self, new: int, unsorted: int) -> None:
        end = int(self.state[kernels.HELD])
        budget = _MOVES_A_ROW * (end - new) + _MOVES
        for order, clock, begin in self._orders():
            if unsorted & clock and not kernels.settle(self.words, order, clock, (begin, new, end), budget):
                self._sort(order, clock, begin, end)

    def _sort_all(self) -> None:
        end = int(self.state[kernels.HELD])
        for order, clock, begin in self._orders():
            self._sort(order, clock, begin, end)

    def _sort(self, order: Words, clock: int, begin: int, end: int) -> None:
        """Order everything that waits, by time and then by number: for rows far from their places."""
        waiting = np.sort(order[begin:end])
        waiting = waiting[np.argsort(self.words[waiting, 5], kind="stable")]
        order[begin:end] = waiting[np.argsort(self.words[waiting, clock], kind="stable")]


class Merge:
    """The merge of a first stream (trades) and a second one (depth)."""

    def __init__(self, known: tuple[Words, Words], window_ns: int = WINDOW_NS) -> None:
        self.streams = (Held(known[0]), Held(known[1]))
        self.window_ns = window_ns
        self.state = np.zeros(kernels.MERGE_WORDS, np.int64)
        self.kinds = np.zeros(256, np.int64)
        self._merging = kernels.Merging(self.state, np.empty((2, 2, 2), np.int64), self.kinds)
        self.state[kernels.LAST_EXCH] = self.state[kernels.LAST_LOCAL] = _FIRST

    def add(self, stream: int, rows: Words) -> Words:
        """Take rows of a stream in; return those that came too late."""
        return self.streams[stream].add(rows, stream, self.state)

    def finish(self, stream: int) -> None:
        """No more rows of this stream will come."""
        self.streams[stream].finished = True

    @property
    def behind(self) -> int | None:
        """The unfinished stream whose latest row is oldest: the one to read on. None when both have ended."""
        open_streams = [i for i, held in enumerate(self.streams) if not held.finished]
        return min(open_streams, key=lambda i: int(self.streams[i].state[kernels.LOCAL_SEEN]), default=None)

    def merge_into(self, out: Words, start: int, shift_ns: int) -> int:
        """Write what may leave to out[start:], local times moved by `shift_ns`; return the rows in `out` then."""
        first, second = self.streams
        last = first.finished and second.finished
        until = kernels.Until(self._limit(kernels.EXCH_SEEN), self._limit(kernels.LOCAL_SEEN), last)
        target = kernels.Target(out, start, shift_ns)
        return kernels.merge_ready((first.arrays, second.arrays), self._merging, until, target)

    def spans(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Return the first and last exchange and local time of all rows, when all have left; None without rows."""
        least = [
            min(int(held.state[word]) for held in self.streams) for word in (kernels.EXCH_LEAST, kernels.LOCAL_LEAST)
        ]
        if least[0] == _NEVER:
            return None
        return (least[0], int(self.state[kernels.LAST_EXCH])), (least[1], int(self.state[kernels.LAST_LOCAL]))

    def _limit(self, seen: int) -> int:
        latest = [int(held.state[seen]) for held in self.streams if not held.finished]
        return max(min(latest, default=_NEVER) - self.window_ns, _FIRST)
