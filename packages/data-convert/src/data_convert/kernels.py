"""Loops over rows: arrays and numbers in, arrays and numbers out. Each has a slow twin in tests/data_convert.

Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit

_I64 = npt.NDArray[np.int64]
_U32 = npt.NDArray[np.uint32]
_F64 = npt.NDArray[np.float64]
_U8 = npt.NDArray[np.uint8]

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


@jit
def walk_book(ev: _U32, level: _I64, edge: _I64, qty: _F64, group: _I64, bid: _F64, ask: _F64, bests: _I64) -> int:
    """Play depth rows onto a book of numbered prices; return how many groups ended crossed (bid at or above ask).

    `level[i]` numbers row i's price in ascending order, for clears `edge[i]` the outermost level that is wiped
    (bids: the lowest, asks: the highest). `bid`, `ask`: quantity a level, the book before and after. `bests[g]`
    becomes (best bid, best ask) at the end of group g, -1 and len(bid) for an empty side. Groups ascend from 0.
    """
    levels = len(bid)
    best_bid = -1
    best_ask = levels
    for i in range(levels):
        if bid[i] > 0.0:
            best_bid = i
    for i in range(levels - 1, -1, -1):
        if ask[i] > 0.0:
            best_ask = i
    crossed = 0
    rows = len(ev)
    for i in range(rows):
        kind = ev[i] & np.uint32(0xFF)
        is_bid = (ev[i] & _BUY) != 0
        is_ask = (ev[i] & _SELL) != 0
        at = level[i]
        if kind == 3:
            if is_bid or not is_ask:
                low = edge[i] if is_bid else 0
                while best_bid >= low and best_bid >= 0:
                    bid[best_bid] = 0.0
                    best_bid -= 1
                while best_bid >= 0 and not bid[best_bid] > 0.0:
                    best_bid -= 1
            if is_ask or not is_bid:
                high = edge[i] if is_ask else levels - 1
                while best_ask <= high and best_ask < levels:
                    ask[best_ask] = 0.0
                    best_ask += 1
                while best_ask < levels and not ask[best_ask] > 0.0:
                    best_ask += 1
        elif kind == 1 or kind == 4:
            if is_bid:
                bid[at] = qty[i]
                if qty[i] > 0.0:
                    best_bid = max(best_bid, at)
                else:
                    while best_bid >= 0 and not bid[best_bid] > 0.0:
                        best_bid -= 1
            elif is_ask:
                ask[at] = qty[i]
                if qty[i] > 0.0:
                    best_ask = min(best_ask, at)
                else:
                    while best_ask < levels and not ask[best_ask] > 0.0:
                        best_ask += 1
        if i + 1 == rows or group[i + 1] != group[i]:
            bests[group[i], 0] = best_bid
            bests[group[i], 1] = best_ask
            if best_bid >= best_ask:
                crossed += 1
    return crossed
