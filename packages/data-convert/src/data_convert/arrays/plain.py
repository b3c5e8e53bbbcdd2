"""What `kernels` does, in Python, for rows that are too few to load it (data_convert.choice)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from data_convert.events import BUY, DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EXCH, KIND_MASK, LOCAL, SELL, Ints

_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.uint32]
_BOTH = EXCH | LOCAL


def merge_orders(exch: Ints, local: Ints, by_exch: Ints, by_local: Ints) -> tuple[Ints, _Flags]:
    """Merge the two orders of n rows into one list: the row at each place and its flags, as `kernels.merge_orders`."""
    begin = 0
    sources: list[Ints] = []
    flags: list[_Flags] = []
    for first, last in _tangles(exch, local, by_exch, by_local):
        sources.append(by_exch[begin:first])
        flags.append(np.full(first - begin, _BOTH, np.uint32))
        source, flag = _merge(exch, local, by_exch[first:last].tolist(), by_local[first:last].tolist())
        sources.append(np.array(source, np.int64))
        flags.append(np.array(flag, np.uint32))
        begin = last
    sources.append(by_exch[begin:])
    flags.append(np.full(len(by_exch) - begin, _BOTH, np.uint32))
    return np.concatenate(sources), np.concatenate(flags)


def _tangles(exch: Ints, local: Ints, by_exch: Ints, by_local: Ints) -> Iterator[tuple[int, int]]:
    """Yield the stretches in which the orders differ; between them each row is at one place in both.

    A stretch ends where the same rows came in both orders and none of them has both times of the row behind it.
    """
    every = np.arange(len(exch))
    rank = np.empty_like(every)
    rank[by_local] = every
    place = rank[by_exch]
    closed: _Bools = np.maximum.accumulate(place) == every
    later: _Bools = np.ones(len(every), np.bool_)
    later[:-1] = exch[by_exch[1:]] > exch[by_exch[:-1]]
    later[:-1] |= local[by_local[1:]] > local[by_local[:-1]]
    # A row alone at its place ends a stretch wherever the row before it does.
    follows = closed & (place == every) & ~later
    known = np.maximum.accumulate(np.where(follows, -1, every))
    cut = closed & np.where(known >= 0, later[known] & closed[known], True)
    ends = np.flatnonzero(cut) + 1
    begins = np.concatenate(([0], ends[:-1])) if len(ends) else ends
    long = ends - begins > 1
    yield from zip(begins[long].tolist(), ends[long].tolist(), strict=True)


def _merge(exch: Ints, local: Ints, by_exch: list[int], by_local: list[int]) -> tuple[list[int], list[int]]:
    times = {row: (int(exch[row]), int(local[row])) for row in by_exch}
    source, flags = [], []
    e = k = 0
    n = len(by_exch)
    while e < n or k < n:
        first = times[by_exch[e]] if e < n else None
        other = times[by_local[k]] if k < n else None
        if first is not None and first == other:
            source.append(by_exch[e])
            flags.append(_BOTH)
            e, k = e + 1, k + 1
        elif other is None or (first is not None and first < other):
            source.append(by_exch[e])
            flags.append(EXCH)
            e += 1
        else:
            source.append(by_local[k])
            flags.append(LOCAL)
            k += 1
    return source, flags


def walk_units(
    order: Ints,
    group: Ints,
    rows: tuple[Ints, Ints, _Flags, npt.NDArray[np.int32], _Floats],
    prices: _Floats,
    bid: _Floats,
    ask: _Floats,
    best_bid_of: _Floats,
    best_ask_of: _Floats,
) -> int:
    """Play depth rows onto a book of numbered prices, as `kernels.walk_units`; `rows` are those of `kernels.Played`."""
    begin, end, ev, level, qty = (column.tolist() for column in rows)
    bids, asks = bid.tolist(), ask.tolist()
    levels = len(bids)
    best_bid = max((at for at in range(levels) if bids[at] > 0), default=-1)
    best_ask = next((at for at in range(levels) if asks[at] > 0), levels)
    found: list[tuple[int, int]] = []
    groups = [*group.tolist(), None]
    for i, unit in enumerate(order.tolist()):
        for row in range(begin[unit], end[unit]):
            event, at, quantity = ev[row], level[row], qty[row]
            kind = event & KIND_MASK
            if kind == DEPTH_CLEAR:
                if event & BUY or not event & SELL:
                    low = at if event & BUY and at >= 0 else 0
                    bids[low : best_bid + 1] = [0.0] * (best_bid + 1 - low)
                    best_bid = _below(bids, min(best_bid, low - 1)) if best_bid >= low else best_bid
                if event & SELL or not event & BUY:
                    high = at if event & SELL and at >= 0 else levels - 1
                    asks[best_ask : high + 1] = [0.0] * (high + 1 - best_ask)
                    best_ask = _above(asks, max(best_ask, high + 1)) if best_ask <= high else best_ask
            elif (kind in (DEPTH, DEPTH_SNAPSHOT)) and at >= 0:
                if event & BUY:
                    bids[at] = quantity
                    best_bid = max(best_bid, at) if quantity > 0 else _below(bids, best_bid)
                elif event & SELL:
                    asks[at] = quantity
                    best_ask = min(best_ask, at) if quantity > 0 else _above(asks, best_ask)
        if groups[i + 1] != groups[i]:
            found.append((best_bid, best_ask))
    bid[:], ask[:] = bids, asks
    if found:
        bests, edged = np.array(found), np.append(prices, np.nan)
        best_bid_of[:], best_ask_of[:] = np.append(np.nan, prices)[bests[:, 0] + 1], edged[bests[:, 1]]
    return sum(best_bid >= best_ask for best_bid, best_ask in found)


def _below(quantities: list[float], at: int) -> int:
    while at >= 0 and not quantities[at] > 0:
        at -= 1
    return at


def _above(quantities: list[float], at: int) -> int:
    while at < len(quantities) and not quantities[at] > 0:
        at += 1
    return at
