"""Where merged rows go: one array that is rarely moved, or blocks that are given away."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.events import EVENT_DTYPE, Events
from data_convert.files.deflate import IN_FLIGHT
from data_convert.files.writer import BLOCK_ROWS, NpzWriter

Words = npt.NDArray[np.int64]

_FIRST_ROWS: Final = 1 << 17
_SLACK: Final = (2.0, 1.1, 0.0)


class ArraySink:
    """Rows of one array. Room is taken by a guess at the whole; pages that are not written to cost nothing.

    The shift of local times is final only when the last row is read; rows that left with a smaller one are moved by
    the rest at the end.
    """

    def __init__(self, shift_of: Callable[[int], int]) -> None:
        self._shift_of = shift_of
        self._words: Words = np.empty((_FIRST_ROWS, 8), np.int64)
        self._length = 0
        self._shifts: list[tuple[int, int]] = [(0, 0)]

    def shift(self, smallest_ns: int) -> int:
        """Return the shift from here on."""
        shift = self._shift_of(smallest_ns)
        self._shifts.append((self._length, shift))
        return shift

    def room(self, done_share: float) -> tuple[Words, int]:
        """Return the array and its length, with room for a block of rows at least."""
        least = self._length + BLOCK_ROWS
        if least > len(self._words):
            grown = self._grown(least, int(self._length / done_share) if done_share > 0 else 0)
            grown[: self._length] = self._words[: self._length]
            self._words = grown
        return self._words, self._length

    def _grown(self, least: int, guess: int) -> Words:
        for slack in _SLACK:
            try:
                return np.empty((max(int(guess * slack), least + self._length // 2 * bool(slack)), 8), np.int64)
            except MemoryError:
                if not slack:
                    raise
        raise AssertionError("unreachable")

    def take(self, end: int) -> None:
        """Rows up to `end` are written."""
        self._length = end

    def finish(self) -> Events:
        """Return the events, every local time moved by the last shift."""
        final = self._shifts[-1][1]
        ends = [start for start, _ in self._shifts[1:]] + [self._length]
        for (start, shift), end in zip(self._shifts, ends, strict=True):
            if shift != final and end > start:
                self._words[start:end, 2] += final - shift
        return self._words[: self._length].reshape(-1).view(EVENT_DTYPE)


class BlockSink:
    """Blocks of `rows` rows, the last may be shorter: each is given away, and filled anew is what `give` returns."""

    def __init__(self, rows: int, give: Callable[[Words], Words]) -> None:
        self._rows, self._give = rows, give
        self._words: Words = np.empty((rows, 8), np.int64)
        self._length = 0

    def room(self, done_share: float) -> tuple[Words, int]:
        """Return the buffer that is being filled and how far it is."""
        return self._words, self._length

    def take(self, end: int) -> None:
        """Rows up to `end` are written; a full buffer is given away."""
        self._length = end
        if end == self._rows:
            self.flush()

    def flush(self) -> None:
        """Give away what is in the buffer."""
        if self._length:
            self._words, self._length = self._give(self._words[: self._length]), 0


def file_sink(writer: NpzWriter) -> BlockSink:
    """Return the sink of a writer: a ring of buffers, longer than what the writer holds at a time."""
    ring = cycle([np.empty((BLOCK_ROWS, 8), np.int64) for _ in range(IN_FLIGHT + 2)])

    def give(rows: Words) -> Words:
        writer.write(rows.reshape(-1).view(EVENT_DTYPE))
        return next(ring)

    return BlockSink(BLOCK_ROWS, give)
