"""Loops over rows: arrays and numbers in, arrays and numbers out. Each has a slow twin in tests/data_convert.

Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit

_I64 = npt.NDArray[np.int64]
_I32 = npt.NDArray[np.int32]
_U32 = npt.NDArray[np.uint32]
_F64 = npt.NDArray[np.float64]

_EXCH = np.uint32(1 << 31)
_LOCAL = np.uint32(1 << 30)
_BUY = np.uint32(1 << 29)
_SELL = np.uint32(1 << 28)


@jit
def merge_orders(exch: _I64, local: _I64, by_exch: _I64, by_local: _I64, source: _I64, flags: _U32) -> int:
    """Merge the two orders of n rows into one list; return its length, between n and 2n.

    `by_exch`, `by_local`: stable argsorts. `source` (row number) and `flags` (EXCH, LOCAL or both) have 2n places.
    """
    n = len(exch)
    e = 0
    k = 0
    out = 0
    while e < n or k < n:
        both = False
        take_exch = k >= n
        if e < n and k < n:
            row_e = by_exch[e]
            row_l = by_local[k]
            if exch[row_e] == exch[row_l]:
                both = local[row_e] == local[row_l]
                take_exch = local[row_e] < local[row_l]
            else:
                take_exch = exch[row_e] < exch[row_l]
        if both:
            source[out] = by_exch[e]
            flags[out] = _EXCH | _LOCAL
            e += 1
            k += 1
        elif take_exch:
            source[out] = by_exch[e]
            flags[out] = _EXCH
            e += 1
        else:
            source[out] = by_local[k]
            flags[out] = _LOCAL
            k += 1
        out += 1
    return out


class Emitted(NamedTuple):
    """Rows begin[u]:end[u] of units u, which share both times; in `ev` are kind and side."""

    begin: _I64
    end: _I64
    exch: _I64
    local: _I64
    ev: _U32
    px: _F64
    qty: _F64


class Played(NamedTuple):
    """Rows begin[u]:end[u] of units u; `level` numbers a row's price in ascending order, -1 for one that is not finite."""

    begin: _I64
    end: _I64
    ev: _U32
    level: _I32
    qty: _F64


@jit
def write_rows(source: _I64, flags: _U32, rows: Emitted, words: _I64, kinds: _I64) -> None:
    """Write the rows of the units source[0], source[1], ... as records of eight words, `flags` added to each.

    `kinds` counts the records by the low byte of `ev`.
    """
    begin, end, exch, local, ev, px, qty = rows
    floats = words.view(np.float64)
    at = 0
    for i in range(len(source)):
        unit = source[i]
        for row in range(begin[unit], end[unit]):
            words[at, 0] = np.int64(ev[row] | flags[i])
            words[at, 1] = exch[unit]
            words[at, 2] = local[unit]
            floats[at, 3] = px[row]
            floats[at, 4] = qty[row]
            words[at, 5] = 0
            words[at, 6] = 0
            words[at, 7] = 0
            kinds[ev[row] & np.uint32(0xFF)] += 1
            at += 1


@jit
def number_prices(words: _I64, slots: _I32, keys: _I64, level: _I32) -> int:
    """Number distinct words in the order in which they come; return how many, -1 if they fill half of `slots`.

    `words` are the bits of floats. `slots` is a hash table, a power of two long and -1 throughout; `keys[n]` becomes
    the word of number n, `level[i]` the number of place i.
    """
    mask = len(slots) - 1
    room = len(slots) // 2
    found = 0
    for i in range(len(words)):
        word = words[i]
        mixed = (word ^ (word >> 29)) * np.int64(0x1F58476D1CE4E5B9)
        slot = (mixed ^ (mixed >> 32)) & mask
        number = slots[slot]
        while number >= 0 and keys[number] != word:
            slot = (slot + 1) & mask
            number = slots[slot]
        if number < 0:
            if found >= room:
                return -1
            number = found
            slots[slot] = number
            keys[number] = word
            found += 1
        level[i] = number
    return found


class Sides(NamedTuple):
    """A book of numbered prices, ascending: the quantity of each on either side, before and after."""

    prices: _F64
    bid: _F64
    ask: _F64


@jit
def walk_units(order: _I64, group: _I64, rows: Played, book: Sides, best_bid_of: _F64, best_ask_of: _F64) -> int:
    """Play depth rows onto a book; return how many groups ended crossed (bid at or above ask).

    The units order[0], order[1], ...; those of equal `group[i]` in a row are one group. A clear without a price wipes its
    whole side, any other row without one is skipped. `best_bid_of[g]`, `best_ask_of[g]` become the best prices at the end
    of the group of number g, NaN for an empty side.
    """
    begin, end, ev, level, qty = rows
    prices, bid, ask = book
    levels = len(bid)
    number = 0
    best_bid = -1
    best_ask = levels
    for i in range(levels):
        if bid[i] > 0.0:
            best_bid = i
    for i in range(levels - 1, -1, -1):
        if ask[i] > 0.0:
            best_ask = i
    crossed = 0
    for i in range(len(order)):
        for row in range(begin[order[i]], end[order[i]]):
            kind = ev[row] & np.uint32(0xFF)
            is_bid = (ev[row] & _BUY) != 0
            is_ask = (ev[row] & _SELL) != 0
            at = level[row]
            if kind == 3:
                if is_bid or not is_ask:
                    low = at if is_bid and at >= 0 else 0
                    while best_bid >= low and best_bid >= 0:
                        bid[best_bid] = 0.0
                        best_bid -= 1
                    while best_bid >= 0 and not bid[best_bid] > 0.0:
                        best_bid -= 1
                if is_ask or not is_bid:
                    high = at if is_ask and at >= 0 else levels - 1
                    while best_ask <= high and best_ask < levels:
                        ask[best_ask] = 0.0
                        best_ask += 1
                    while best_ask < levels and not ask[best_ask] > 0.0:
                        best_ask += 1
            elif (kind == 1 or kind == 4) and at >= 0:
                if is_bid:
                    bid[at] = qty[row]
                    if qty[row] > 0.0:
                        best_bid = max(best_bid, at)
                    else:
                        while best_bid >= 0 and not bid[best_bid] > 0.0:
                            best_bid -= 1
                elif is_ask:
                    ask[at] = qty[row]
                    if qty[row] > 0.0:
                        best_ask = min(best_ask, at)
                    else:
                        while best_ask < levels and not ask[best_ask] > 0.0:
                            best_ask += 1
        if i + 1 == len(order) or group[i + 1] != group[i]:
            best_bid_of[number] = prices[best_bid] if best_bid >= 0 else np.nan
            best_ask_of[number] = prices[best_ask] if best_ask < levels else np.nan
            number += 1
            if best_bid >= best_ask:
                crossed += 1
    return crossed
