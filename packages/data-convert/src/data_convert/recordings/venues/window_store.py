"""Books of windows in arrays for `window_kernels`, taken from decoders and given back to them, symbol by symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from data_convert.events import Ints
from data_convert.recordings.venues import scan_states as at
from data_convert.recordings.venues.fusing import ASK, BID
from data_convert.recordings.venues.windows import HeldBook, Levels, Window

if TYPE_CHECKING:
    from data_convert.recordings.venues.window_kernels import Books

_ROOM: Final = 1 << 11
_MOST_SYMBOLS: Final = 64


class WindowStore:
    """A row of slots a symbol. Loads numba."""

    def __init__(self) -> None:
        from data_convert.recordings.venues import window_kernels

        self._made = window_kernels.Books
        self._numbers: dict[str, int] = {}
        self._held: dict[str, HeldBook] = {}
        self._room = _ROOM
        self.books = self._allocate(1)

    def take(self, name: str, book: HeldBook | None) -> int:
        """Take a symbol's book from its decoder unless it is here; return its number, -1 for one that cannot be held."""
        if name in self._held:
            return self._numbers[name]
        if book is None or (name not in self._numbers and len(self._numbers) >= _MOST_SYMBOLS):
            return -1
        windows: dict[int, Window | None] = {**dict.fromkeys(book.lost), **book.windows.windows}
        # The best quotes of a book alone are one level a side, or what is first of them is not told by their order.
        wide = any(depth == 1 and max(map(len, w.sides)) > 1 for depth, w in book.windows.windows.items())
        if len(windows) > at.MOST_WINDOWS or wide or book.has_seq is None:
            return -1
        number = self._numbers.setdefault(name, len(self._numbers))
        most = max(
            [len(side) for w in book.windows.windows.values() for side in w.sides]
            + [len(book.windows.book.levels(side)) for side in (BID, ASK)]
        )
        while number >= len(self.books.book) or 2 * most > self._room:
            self._widen(2 if number >= len(self.books.book) else 1, 2 if 2 * most > self._room else 1)
        self._held[name] = book
        words, bests = self.books.book[number], book.windows.book.best_version
        words[:] = len(book.windows.windows), book.windows.deepest(), book.has_seq, *bests
        self.books.window[number] = 0
        first = number * at.SLOTS
        for side in (BID, ASK):
            self._put(first + side, side, *book.windows.book.dump(side))
        for place, (depth, window) in enumerate(windows.items()):
            own = self.books.window[number, place]
            own[at.DEPTH], own[at.LAST_U] = depth, book.last_u.get(depth, -1)
            if window is None:
                own[at.LOST] = 1
                continue
            own[at.VERSION], own[at.ANCHORED] = window.version, window.anchored
            for side in (BID, ASK):
                prices, quantities = list(window.sides[side]), list(window.sides[side].values())
                self._put(first + 2 + 2 * place + side, side, prices, quantities, [0] * len(prices))
        return number

    def give_back(self, name: str) -> None:
        """Give a symbol's book to its decoder, if it is here."""
        book = self._held.pop(name, None)
        if book is None:
            return
        number = self._numbers[name]
        first = number * at.SLOTS
        versions = self.books.book[number, at.BEST_BID : at.BEST_ASK + 1].tolist()
        for side in (BID, ASK):
            levels, ages = self._got(first + side, side)
            book.windows.book.load(side, levels, ages, versions[side])
        for place, own in enumerate(self.books.window[number].tolist()):
            depth = own[at.DEPTH]
            if not depth or own[at.LOST]:
                continue
            window = book.windows.windows[depth]
            window.version = own[at.VERSION]
            window.sides = (
                dict(self._got(first + 2 + 2 * place, BID)[0]),
                dict(self._got(first + 3 + 2 * place, ASK)[0]),
            )
            if own[at.LAST_U] >= 0:
                book.last_u[depth] = own[at.LAST_U]

    def give_all_back(self) -> None:
        """Give every book to its decoder."""
        for name in list(self._held):
            self.give_back(name)

    def grow(self) -> None:
        """Make room for twice as many levels."""
        self._widen(1, 2)

    def _widen(self, symbols: int, room: int) -> None:
        old, self._room = self.books, room * self._room
        self.books = self._allocate(symbols * len(old.book))
        for wide, narrow in zip(self.books, old, strict=True):
            wide[tuple(map(slice, narrow.shape))] = narrow

    def _allocate(self, symbols: int) -> Books:
        slots = symbols * at.SLOTS
        shape = slots, self._room
        return self._made(
            np.empty(shape),
            np.empty(shape),
            np.empty(shape, np.int64),
            np.zeros(slots, np.int64),
            np.zeros((symbols, at.BOOK_WORDS), np.int64),
            np.zeros((symbols, at.MOST_WINDOWS, at.WINDOW_WORDS), np.int64),
        )

    def _put(self, slot: int, side: int, prices: list[float], quantities: list[float], versions: list[int]) -> None:
        count = len(prices)
        position = np.array(prices, np.float64) * (-1 if side == BID else 1)
        order: Ints = np.argsort(-position)
        books = self.books
        books.levels[slot] = count
        books.position[slot, :count] = position[order]
        books.quantity[slot, :count] = np.array(quantities, np.float64)[order]
        books.version[slot, :count] = np.array(versions, np.int64)[order]

    def _got(self, slot: int, side: int) -> tuple[Levels, list[int]]:
        """Return the levels of a slot, the best first, and their versions."""
        books, count = self.books, int(self.books.levels[slot])
        position = books.position[slot, :count][::-1] * (-1 if side == BID else 1)
        levels = zip(position.tolist(), books.quantity[slot, :count][::-1].tolist(), strict=True)
        return list(levels), books.version[slot, :count][::-1].tolist()
