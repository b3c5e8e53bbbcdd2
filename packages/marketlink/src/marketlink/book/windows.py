"""One book out of several streams of it, each a window of so many of the best levels a side, with ids and a pace of its own.

Each window is exact as of its own last message; which of two is newer, the exchange's `version` says. So at every price the newest
window that sees it has the word: from the best level down to its own worst one, and beyond that the next newest. The deepest, BASE, sees
everything. A merged book is made anew with each message, a few microseconds for a thousand levels, and what differs from the book that
was shown is what is published: there is no state in which a window's word could be lost.

    newest    |== 1 ==|
    older     |====== 50 ======|
    oldest    |=================== BASE ==================
    merged    |== 1 ==|== 50 ==|========== BASE ==========
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from marketlink.book.fused import FusedBook
from marketlink.events import EVENT_DTYPE, Events

BASE: Final = 0
_UNORDERED: Final = -1


class _Window:
    """One stream's book; `version` is None while it is not known."""

    def __init__(self, tick_size: float, lot_size: float) -> None:
        self.book = FusedBook(tick_size, lot_size)
        self.version: int | None = None


class Windows:
    """The streams of one symbol's book."""

    def __init__(self, tick_size: float, lot_size: float, windows: Sequence[int]) -> None:
        """`windows` are the levels a side of each stream but the deepest one. Raises ValueError when sizes are not positive."""
        from marketlink.book import kernels  # here, because it imports numba

        self._add, self._differ, self._far = kernels.add_window, kernels.differences, np.iinfo(np.int64).max
        self._windows = {window: _Window(tick_size, lot_size) for window in (BASE, *windows)}
        self.differences(FusedBook(tick_size, lot_size))  # compile or load now, not at the first message

    def replace(self, window: int, events: Events, version: int) -> None:
        """Take a stream's whole book: depth rows."""
        one = self._windows[window]
        one.book.clear()
        one.book.apply(events)
        self._date(one, version)

    def apply(self, window: int, events: Events, version: int) -> None:
        """Take a stream's next message: depth rows, quantity 0 for levels that are gone or have left the window."""
        one = self._windows[window]
        one.book.apply(events)
        self._date(one, version)

    def lose(self, window: int) -> None:
        """Forget a stream that missed something, until its next whole book."""
        self._windows[window].version = None

    @property
    def newest(self) -> int:
        """The newest version of the streams that are known: what the merged book is as of. 0 while none is."""
        return max((one.version for one in self._windows.values() if one.version is not None), default=0)

    def differences(self, shown: FusedBook) -> Events:
        """Return the rows that make `shown` the merged book: LOCAL|side|DEPTH with price and quantity, deletions first."""
        known = [(one.version, window) for window, one in self._windows.items() if one.version is not None]
        known.sort(key=lambda pair: (-pair[0], pair[1] != BASE, -pair[1]))  # of equal ones the deeper: they agree
        room = max(1, sum(max(self._windows[w].book.bid_count, self._windows[w].book.ask_count) for _, w in known))
        keys, levels = np.empty((2, room), np.int64), np.empty((2, 2, room), np.float64)
        edges, counts = np.full(2, self._far, np.int64), np.zeros(2, np.int64)
        for _, window in known:
            self._add(*self._windows[window].book.arrays, window != BASE, edges, counts, keys, levels)
        rows: Events = np.zeros(shown.bid_count + shown.ask_count + int(counts.sum()), EVENT_DTYPE)
        return rows[: self._differ(*shown.arrays, counts, keys, levels, rows)]

    def _date(self, window: _Window, version: int) -> None:
        """Note a stream's version. One that went back counts anew, and says nothing of how new the others are: they are taken for older."""
        if window.version is not None and version < window.version:
            for other in self._windows.values():
                if other.version is not None:
                    other.version = _UNORDERED
        window.version = version
