"""The fused book of `windows` in arrays: the same rules as `windows.Windows` and `fusing.FusedBook`, which are the slow twins.

A side is a slot of positions (a bid's price negated, an ask's price), the farthest first and the best last, so that what
changes most lies where little has to be moved. Slots of a symbol: its book's bids and asks, then those of every window.
Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner
from data_convert.recordings.venues.scan_states import (
    ANCHORED,
    BEST_BID,
    DEEPEST,
    DEPTH,
    MOST_WINDOWS,
    SLOTS,
    VERSION,
    WINDOWS,
)

_I64 = npt.NDArray[np.int64]
_U32 = npt.NDArray[np.uint32]
_F64 = npt.NDArray[np.float64]

_BUY = np.uint32(1 << 29)
_SELL = np.uint32(1 << 28)
_DEPTH = np.uint32(1)


class Books(NamedTuple):
    """Books of symbols and their windows: a row of slots each, how many `levels` are in each slot, and their words."""

    position: _F64
    quantity: _F64
    version: _I64
    levels: _I64
    book: _I64
    window: _I64


class Rows(NamedTuple):
    """Where rows go."""

    ev: _U32
    px: _F64
    qty: _F64


class Said(NamedTuple):
    """Levels of one statement: bids first, then asks from place `asks` on, up to `end`."""

    px: _F64
    qty: _F64
    asks: int
    end: int


@inner
def find_window(books: Books, symbol: int, depth: int) -> int:
    """Return the place of a symbol's window of so many levels, -1 if it has none."""
    for at in range(MOST_WINDOWS):
        if books.window[symbol, at, DEPTH] == depth:
            return at
    return -1


@inner
def has_room(books: Books, symbol: int, window: int, said: Said, rows: Rows, row: int) -> bool:
    """Tell whether a statement fits into the slots and its rows behind `row`, whatever it brings about."""
    room = books.position.shape[1]
    first = symbol * SLOTS
    most = row + 2 * said.end + books.levels[first] + books.levels[first + 1]
    own = first + 2 + 2 * window
    fits = most <= len(rows.ev)
    for side in range(2):
        new = said.asks if side == 0 else said.end - said.asks
        fits = fits and books.levels[first + side] + new <= room and books.levels[own + side] + new <= room
    return bool(fits)


@inner
def _place(books: Books, slot: int, position: float) -> int:
    """Return the place of the first level of a slot that is at `position` or nearer to the best."""
    # Without branches: which half is taken cannot be foreseen.
    positions = books.position
    left = books.levels[slot]
    place = 0
    while left > 1:
        half = left >> 1
        place += half if positions[slot, place + half - 1] > position else 0
        left -= half
    if left > 0 and positions[slot, place] > position:
        place += 1
    return place


@inner
def _remove_at(books: Books, slot: int, place: int) -> None:
    count = books.levels[slot] - 1
    for i in range(place, count):
        books.position[slot, i] = books.position[slot, i + 1]
        books.quantity[slot, i] = books.quantity[slot, i + 1]
        books.version[slot, i] = books.version[slot, i + 1]
    books.levels[slot] = count


@inner
def _set_at(books: Books, slot: int, place: int, position: float, quantity: float, version: np.int64) -> None:
    """Set the level at a place, which `_place` gave for its position."""
    count = books.levels[slot]
    if place >= count or books.position[slot, place] != position:
        for i in range(count, place, -1):
            books.position[slot, i] = books.position[slot, i - 1]
            books.quantity[slot, i] = books.quantity[slot, i - 1]
            books.version[slot, i] = books.version[slot, i - 1]
        books.levels[slot] = count + 1
        books.position[slot, place] = position
    books.quantity[slot, place] = quantity
    books.version[slot, place] = version


@inner
def _emit(rows: Rows, row: int, side: int, position: float, quantity: float) -> int:
    rows.ev[row] = _DEPTH | (_BUY if side == 0 else _SELL)
    rows.px[row] = -position if side == 0 else position
    rows.qty[row] = quantity
    return row + 1


@inner
def _remove_best(books: Books, first: int, side: int, position: float, with_it: bool, rows: Rows, row: int) -> int:
    """Remove the levels that are better than a position (or at it), the best first; return the next row."""
    slot = first + side
    count = books.levels[slot]
    while count > 0:
        best = books.position[slot, count - 1]
        if best > position or (best == position and not with_it):
            break
        row = _emit(rows, row, side, best, 0.0)
        count -= 1
    books.levels[slot] = count
    return row


@inner
def _update(
    books: Books, symbol: int, side: int, position: float, quantity: float, version: np.int64, rows: Rows, row: int
) -> int:
    """`FusedBook.update`, quiet; return the next row."""
    first = symbol * SLOTS
    slot = first + side
    other = first + 1 - side
    bests = books.book
    count = books.levels[slot]
    others = books.levels[other]
    touches = count == 0 or position <= books.position[slot, count - 1]
    crosses = others > 0 and books.position[other, others - 1] <= -position
    if (touches and version < bests[symbol, BEST_BID + side]) or (
        crosses and version < bests[symbol, BEST_BID + 1 - side]
    ):
        return row
    place = _place(books, slot, position)
    known = place < count and books.position[slot, place] == position
    if known and version < books.version[slot, place]:
        return row
    if quantity == 0.0:
        if not known:
            return row
        if place == count - 1:
            bests[symbol, BEST_BID + side] = version
        _remove_at(books, slot, place)
        return _emit(rows, row, side, position, 0.0)
    if touches:
        bests[symbol, BEST_BID + side] = version
        if crosses:
            row = _remove_best(books, first, 1 - side, -position, True, rows, row)
            bests[symbol, BEST_BID + 1 - side] = version
    same = known and books.quantity[slot, place] == quantity
    _set_at(books, slot, place, position, quantity, version)
    return row if same else _emit(rows, row, side, position, quantity)


@inner
def _quote(
    books: Books, symbol: int, side: int, position: float, quantity: float, version: np.int64, rows: Rows, row: int
) -> int:
    """`FusedBook.quote` of a quantity that is not 0; return the next row."""
    first = symbol * SLOTS
    slot = first + side
    other = first + 1 - side
    bests = books.book
    count = books.levels[slot]
    others = books.levels[other]
    crosses = others > 0 and books.position[other, others - 1] <= -position
    if version < bests[symbol, BEST_BID + side] or (crosses and version < bests[symbol, BEST_BID + 1 - side]):
        return row
    bests[symbol, BEST_BID + side] = version
    if count > 0 and books.position[slot, count - 1] == position and books.quantity[slot, count - 1] == quantity:
        return row
    if crosses:
        row = _remove_best(books, first, 1 - side, -position, True, rows, row)
        bests[symbol, BEST_BID + 1 - side] = version
    row = _remove_best(books, first, side, position, False, rows, row)
    _set_at(books, slot, _place(books, slot, position), position, quantity, version)
    return _emit(rows, row, side, position, quantity)


@inner
def state_window(books: Books, symbol: int, window: int, said: Said, version: np.int64, rows: Rows, row: int) -> int:
    """`Windows.snapshot` of a window that is known and does not begin anew; return the next row.

    Each side's levels are in order, the best first, and none has a quantity of 0.
    """
    first = symbol * SLOTS
    own = first + 2 + 2 * window
    depth = books.window[symbol, window, DEPTH]
    books.window[symbol, window, VERSION] = version
    for side in range(2):
        begin = 0 if side == 0 else said.asks
        end = said.asks if side == 0 else said.end
        count = end - begin
        for i in range(count):
            place = count - 1 - i
            books.position[own + side, place] = -said.px[begin + i] if side == 0 else said.px[begin + i]
            books.quantity[own + side, place] = said.qty[begin + i]
        books.levels[own + side] = count
    if depth == 1 and books.book[symbol, WINDOWS] > 1:
        for side in range(2):
            begin = 0 if side == 0 else said.asks
            end = said.asks if side == 0 else said.end
            if end > begin:
                position = -said.px[begin] if side == 0 else said.px[begin]
                row = _quote(books, symbol, side, position, said.qty[begin], version, rows, row)
        return row
    for side in range(2):
        slot = first + side
        count = books.levels[own + side]
        # A full window that is not the deepest says nothing of what lies behind its edge.
        bounded = depth != books.book[symbol, DEEPEST] and count >= depth
        at = count - 1
        place = books.levels[slot] - 1
        while place >= 0:
            position = books.position[slot, place]
            while at >= 0 and books.position[own + side, at] < position:
                at -= 1
            if at < 0 and bounded:
                break
            there = at >= 0 and books.position[own + side, at] == position
            if not there and books.version[slot, place] <= version:
                row = _update(books, symbol, side, position, 0.0, version, rows, row)
            place -= 1
    for side in range(2):
        slot = first + side
        other = first + 1 - side
        place = books.levels[slot] - 1
        for at in range(books.levels[own + side] - 1, -1, -1):
            position = books.position[own + side, at]
            quantity = books.quantity[own + side, at]
            while place >= 0 and books.position[slot, place] < position:
                place -= 1
            others = books.levels[other]
            inside = 0 <= place < books.levels[slot] - 1 and books.position[slot, place] == position
            if inside and not (others > 0 and books.position[other, others - 1] <= -position):
                # A level that is known, behind the best and crosses nothing: only its own age counts.
                if version >= books.version[slot, place]:
                    books.version[slot, place] = version
                    if books.quantity[slot, place] != quantity:
                        books.quantity[slot, place] = quantity
                        row = _emit(rows, row, side, position, quantity)
            else:
                before = books.levels[slot]
                row = _update(books, symbol, side, position, quantity, version, rows, row)
                place = min(place + books.levels[slot] - before + 1, books.levels[slot] - 1)
    return row


@inner
def change_window(books: Books, symbol: int, window: int, said: Said, version: np.int64, rows: Rows, row: int) -> int:
    """`Windows.delta` of a window that is known; return the next row."""
    first = symbol * SLOTS
    own = first + 2 + 2 * window
    depth = books.window[symbol, window, DEPTH]
    books.window[symbol, window, VERSION] = version
    deepest = books.book[symbol, DEEPEST] == 0 or books.book[symbol, DEEPEST] == depth
    if not books.window[symbol, window, ANCHORED] and not deepest:
        return row
    for side in range(2):
        begin = 0 if side == 0 else said.asks
        end = said.asks if side == 0 else said.end
        slot = own + side
        for i in range(begin, end):
            position = -said.px[i] if side == 0 else said.px[i]
            place = _place(books, slot, position)
            if said.qty[i] != 0.0:
                _set_at(books, slot, place, position, said.qty[i], np.int64(0))
            elif place < books.levels[slot] and books.position[slot, place] == position:
                _remove_at(books, slot, place)
        full = not deepest and books.levels[slot] >= depth
        edge = books.position[slot, 0] if full else 0.0
        for gone in range(2):
            for i in range(begin, end):
                quantity = said.qty[i]
                position = -said.px[i] if side == 0 else said.px[i]
                if (quantity != 0.0) != (gone == 1) or (full and quantity == 0.0 and position > edge):
                    continue
                row = _update(books, symbol, side, position, quantity, version, rows, row)
    return row
