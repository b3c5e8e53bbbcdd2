"""Two streams of rows merged on both clocks while they arrive, holding only a window of time.

A row may leave once no later row can come before it. Rows are taken to be at most a window (5 s) older than the
latest of their stream. One that is later still is reported; a second pass that knows such rows from its beginning
puts them in their places. What leaves equals `timeline.order_events` of all rows of the first stream (trades) followed
by all rows of the second (depth): at equal times trades come first, then rows in the order they came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.stream import merge_kernels as kernels

WINDOW_NS: Final = 5_000_000_000
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
        kernels.compact(self.words, self.by_exch, self.by_local, self.gone, state, np.empty(len(self.words), np.int64))
        held = int(state[kernels.HELD])
        if held + rows <= len(self.words) // 2:
            return
        words, by_exch, by_local, gone = self.words, self.by_exch, self.by_local, self.gone
        self._allocate(2 * (held + rows))
        self.words[:held], self.gone[:held] = words[:held], gone[:held]
        self.by_exch[:held], self.by_local[:held] = by_exch[:held], by_local[:held]

    def add(self, rows: Words, stream: int, merge: Words) -> Words:
        """Take rows in; return those that came too late for the merge, word 5 their number."""
        self.room(len(rows))
        late = np.empty(len(rows), np.int64)
        new, number = int(self.state[kernels.HELD]), int(self.state[kernels.NEXT])
        count = kernels.append_rows(
            rows,
            self.words,
            self.by_exch,
            self.by_local,
            self.gone,
            self.state,
            self.known,
            int(np.searchsorted(self.known, number)),
            late,
            stream,
            merge,
        )
        self._sort_new(new)
        missed = rows[late[:count]]
        missed[:, 5] = late[:count] + number
        return missed

    def _orders(self) -> Iterator[tuple[Words, int, int]]:
        yield self.by_exch, 1, int(self.state[kernels.EXCH_AT])
        yield self.by_local, 2, int(self.state[kernels.LOCAL_AT])

    def _sort_new(self, new: int) -> None:
        end = int(self.state[kernels.HELD])
        budget = _MOVES_A_ROW * (end - new) + _MOVES
        for order, clock, begin in self._orders():
            if not kernels.settle(self.words, order, clock, begin, new, end, budget):
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
        return kernels.merge_ready(
            first.words,
            first.by_exch,
            first.by_local,
            first.gone,
            first.state,
            second.words,
            second.by_exch,
            second.by_local,
            second.gone,
            second.state,
            self.state,
            self._limit(kernels.EXCH_SEEN),
            self._limit(kernels.LOCAL_SEEN),
            first.finished and second.finished,
            shift_ns,
            out,
            start,
        )

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
