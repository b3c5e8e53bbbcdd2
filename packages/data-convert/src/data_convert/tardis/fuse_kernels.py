"""The fused book over arrays: statements in, rows out. Slow twin: `data_convert.recordings.venues.fusing.FusedBook`.

A side is sorted with its best level last (position: `-price` of bids, `price` of asks, or ticks), so that what changes near
the touch moves little. Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from math import floor
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit

_I64 = npt.NDArray[np.int64]
_F64 = npt.NDArray[np.float64]

AT, OUT, COUNT, VERSION, LAST_EXCH, MOVED = 0, 1, 2, 4, 6, 7
"""Places in `state`: statement, rows written, levels of both sides, versions of both bests, latest exchange time, moves."""
STATE_WORDS: Final = 8
POSITION, PRICE, QUANTITY, RANK = range(4)
"""Columns of a level; RANK holds its version, as an integer over the same memory (`versions`)."""
_BUY = np.int64(1) << 29
_SELL = np.int64(1) << 28
_SPARE = 4


class Fused(NamedTuple):
    """Levels of both sides and, over the same memory, their versions; the rows that are given out; the state."""

    levels: _F64
    versions: _I64
    words: _I64
    floats: _F64
    state: _I64


@inner
def _find(levels: _F64, side: int, count: np.int64, at: float) -> np.int64:
    """Return the first place whose position is not above `at`; positions descend."""
    low, high = np.int64(0), count
    while low < high:
        middle = (low + high) >> 1
        if levels[side, middle, POSITION] > at:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _emit(book: Fused, ev: np.int64, price: float, quantity: float, given: _I64) -> None:
    """Write a row with the times and the line of the statement."""
    _, _, words, floats, state = book
    out = state[OUT]
    words[out, 0] = ev
    words[out, 1] = state[LAST_EXCH]
    words[out, 2] = given[2]
    floats[out, 3] = price
    floats[out, 4] = quantity
    words[out, 5] = given[5]
    words[out, 6] = 0
    words[out, 7] = 0
    state[OUT] = out + 1


@inner
def _remove_while(book: Fused, side: int, at: float, equal: bool, loud: bool, given: _I64) -> None:
    """Remove levels from the best out to `at` (and including it if `equal`)."""
    levels, state = book.levels, book.state
    count = state[COUNT + side]
    while count > 0:
        position = levels[side, count - 1, POSITION]
        if not (position < at or (equal and position == at)):
            break
        count -= 1
        if loud:
            _emit(book, 1 | (_SELL if side else _BUY), levels[side, count, PRICE], 0.0, given)
    state[COUNT + side] = count


@inner
def _set(book: Fused, side: int, at: float, price: float, quantity: float, version: np.int64) -> None:
    levels, versions, state = book.levels, book.versions, book.state
    count = state[COUNT + side]
    place = _find(levels, side, count, at)
    if place == count or levels[side, place, POSITION] != at:
        for i in range(count, place, -1):
            for column in range(4):
                levels[side, i, column] = levels[side, i - 1, column]
        state[COUNT + side] = count + 1
        levels[side, place, POSITION] = at
    levels[side, place, PRICE] = price
    levels[side, place, QUANTITY] = quantity
    versions[side, place, RANK] = version


@inner
def _update(
    book: Fused,
    side: int,
    at: float,
    price: float,
    quantity: float,
    none: bool,
    snapshot: bool,
    loud: bool,
    given: _I64,
) -> None:
    levels, versions, state = book.levels, book.versions, book.state
    version = given[1]
    count, others = state[COUNT + side], state[COUNT + 1 - side]
    touches = count == 0 or at <= levels[side, count - 1, POSITION]
    crosses = others > 0 and levels[1 - side, others - 1, POSITION] <= -at
    if (touches and version < state[VERSION + side]) or (crosses and version < state[VERSION + 1 - side]):
        return
    place = _find(levels, side, count, at)
    known = place < count and levels[side, place, POSITION] == at
    if known and version < versions[side, place, RANK]:
        return
    flag = _SELL if side else _BUY
    if none:
        if not known:
            return
        if place == count - 1:
            state[VERSION + side] = version
        gone = levels[side, place, PRICE]
        for i in range(place, count - 1):
            for column in range(4):
                levels[side, i, column] = levels[side, i + 1, column]
        state[COUNT + side] = count - 1
        if loud:
            _emit(book, 1 | flag, gone, 0.0, given)
        return
    if touches:
        state[VERSION + side] = version
        if crosses:
            _remove_while(book, 1 - side, -at, True, loud, given)
            state[VERSION + 1 - side] = version
    _set(book, side, at, price, quantity, version)
    if loud:
        _emit(book, (4 if snapshot and quantity != 0.0 else 1) | flag, price, quantity, given)


@inner
def _quote(book: Fused, side: int, at: float, price: float, quantity: float, none: bool, given: _I64) -> None:
    levels, state = book.levels, book.state
    if none:
        return
    version = given[1]
    count, others = state[COUNT + side], state[COUNT + 1 - side]
    crosses = others > 0 and levels[1 - side, others - 1, POSITION] <= -at
    if version < state[VERSION + side] or (crosses and version < state[VERSION + 1 - side]):
        return
    state[VERSION + side] = version
    if count > 0 and levels[side, count - 1, POSITION] == at and levels[side, count - 1, QUANTITY] == quantity:
        return
    if crosses:
        _remove_while(book, 1 - side, -at, True, True, given)
        state[VERSION + 1 - side] = version
    _remove_while(book, side, at, False, True, given)
    _set(book, side, at, price, quantity, version)
    _emit(book, 1 | (_SELL if side else _BUY), price, quantity, given)


@jit
def fuse(given: _I64, levels: _F64, tick: float, lot: float, step_back_ns: int, words: _I64, state: _I64) -> None:
    """Take statements from state[AT] on until `words` or `levels` may be too short for the next one.

    A statement has eight words: event (kinds 1, 3, 4: a level or a clear as in an event record; 5: best quotes, bid in
    words 3 and 4, ask in 6 and 7, NaN where there is none; 100 and more: passed on), exchange and local time, price,
    quantity, line, and in word 6 whether it is silent. `tick`, `lot` 0: exact. Exchange times that go back by up to
    `step_back_ns` are moved to the latest one, so that the book is the same on both clocks.
    """
    given_floats = given.view(np.float64)
    book = Fused(levels, levels.view(np.int64), words, words.view(np.float64), state)
    for i in range(state[AT], len(given)):
        state[AT] = i
        if state[OUT] + state[COUNT] + state[COUNT + 1] + _SPARE > len(words):
            return
        if max(state[COUNT], state[COUNT + 1]) + _SPARE > levels.shape[1]:
            return
        row = given[i]
        exch = row[1]
        if exch < state[LAST_EXCH] and state[LAST_EXCH] - exch <= step_back_ns:
            state[MOVED] += 1
        else:
            state[LAST_EXCH] = exch
        kind = row[0] & 0xFF
        if kind >= 100:
            _emit(book, row[0], given_floats[i, 3], given_floats[i, 4], row)
        elif kind == 5:
            for side in (1, 0):
                price, quantity = given_floats[i, 3 + 3 * side], given_floats[i, 4 + 3 * side]
                if not price > 0.0:
                    continue
                key = price if tick == 0.0 else floor(price / tick + 0.5)
                none = quantity == 0.0 if lot == 0.0 else floor(quantity / lot + 0.5) == 0.0
                at = key if side else -key
                _quote(book, side, at, price, quantity, none, row)
        else:
            loud = row[6] == 0
            price, quantity = given_floats[i, 3], given_floats[i, 4]
            if kind == 3 and not row[0] & (_BUY | _SELL):
                for side in range(2):
                    state[COUNT + side] = 0
                    state[VERSION + side] = 0
                if loud:
                    _emit(book, row[0], 0.0, 0.0, row)
                continue
            side = 1 if row[0] & _SELL else 0
            key = price if tick == 0.0 else floor(price / tick + 0.5)
            at = key if side else -key
            if kind == 3:
                _remove_while(book, side, at, True, False, row)
                if loud:
                    _emit(book, row[0], price, 0.0, row)
                continue
            none = quantity == 0.0 if lot == 0.0 else floor(quantity / lot + 0.5) == 0.0
            _update(book, side, at, price, quantity, none, kind == 4, loud, row)
    state[AT] = len(given)


@jit
def level_changes(columns: _I64, begin: int, held: _F64, words: _I64, state: _I64) -> None:
    """Turn whole books of few levels into statements: a clear and levels first, then what changes.

    `columns`: rows (exchange ns, local ns, line, then ask price, ask amount, bid price, bid amount of every
    level, the best first, NaN where there is none). `held`: price and quantity of the levels of
    both sides before, NaN in the first place if there was no book. state[0]: the row to begin with; state[1]: statements.
    """
    numbers, floats = columns.view(np.float64), words.view(np.float64)
    depth = held.shape[2]
    for i in range(state[0], len(columns)):
        state[0] = i
        out = state[1]
        if out + 4 * depth + 1 > len(words):
            return
        first = i == 0 and begin == 1
        if first:
            words[out, 0] = 3
            floats[out, 3] = 0.0
            floats[out, 4] = 0.0
            out += 1
            held[:] = np.nan
        for side in range(2):
            flag = _SELL if side else _BUY
            offset = 3 if side else 5
            for old in range(depth):
                price = held[side, 0, old]
                if not price > 0.0:
                    continue
                gone = True
                for new in range(depth):
                    if numbers[i, offset + 4 * new] == price and numbers[i, offset + 4 * new + 1] > 0.0:
                        gone = False
                        break
                if gone:
                    words[out, 0] = 1 | flag
                    floats[out, 3] = price
                    floats[out, 4] = 0.0
                    out += 1
        for side in range(2):
            flag = _SELL if side else _BUY
            offset = 3 if side else 5
            for new in range(depth):
                price = numbers[i, offset + 4 * new]
                quantity = numbers[i, offset + 4 * new + 1]
                if not (price > 0.0 and quantity > 0.0):
                    continue
                same = False
                for old in range(depth):
                    if held[side, 0, old] == price:
                        same = held[side, 1, old] == quantity
                        break
                if not same:
                    words[out, 0] = (4 if first else 1) | flag
                    floats[out, 3] = price
                    floats[out, 4] = quantity
                    out += 1
            for level in range(depth):
                held[side, 0, level] = numbers[i, offset + 4 * level]
                held[side, 1, level] = numbers[i, offset + 4 * level + 1]
        for row in range(state[1], out):
            words[row, 1] = columns[i, 0]
            words[row, 2] = columns[i, 1]
            words[row, 5] = columns[i, 2]
            words[row, 6] = 0
            words[row, 7] = 0
        state[1] = out
    state[0] = len(columns)
