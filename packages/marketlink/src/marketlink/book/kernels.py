"""The loops of `book.fused` and `book.windows`: rows of events into sorted levels, and the rows to publish out.

A side's levels lie in ascending order of a key, the tick of a bid and the negated tick of an ask, so that both sides have their best level
at the end and one code serves both. Work near the touch then moves little memory, and taking all levels better than some price is
only a smaller count. `keys_times` is int64[2 sides, KEY or TIME, room], `px_qty` float64[2 sides, PX or QTY, room].

Before a row changes anything, the room it needs is known; without it the kernel returns and is called again from that row.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketlink._jit import jit
from marketlink.events import Events

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KEY: Final = 0
TIME: Final = 1
PX: Final = 0
QTY: Final = 1

# What `state` (int64) holds. COUNT and BEST_TIME have one place for each side.
COUNT: Final = 0
BEST_TIME: Final = 2
ROW: Final = 4  # the row to go on from
MADE: Final = 5  # rows written to `out`
REFUSED: Final = 6
STALE: Final = 7
LAST_TIME: Final = 8
STATE_SIZE: Final = 9

MORE_OUT: Final = -1
MORE_LEVELS: Final = -2

# The flags of marketlink.events, unsigned as the `ev` field is.
_KIND: Final = np.uint64(0xFF)
_LOCAL: Final = np.uint64(1 << 30)
_BUY: Final = np.uint64(1 << 29)
_SELL: Final = np.uint64(1 << 28)
_NONE: Final = np.uint64(0)
_DEPTH: Final = np.uint64(1)
_CLEAR: Final = np.uint64(3)
_SNAPSHOT: Final = np.uint64(4)
_BBO: Final = np.uint64(5)

_MOST: Final = float(1 << 62)
_FAR: Final = (1 << 63) - 1


@jit
def _whole(value: float) -> int:
    """Round to a whole number, a half away from zero."""
    size = abs(value)
    whole = math.floor(size)
    if size - whole >= 0.5:
        whole += 1
    return -whole if value < 0.0 else whole


@jit
def _position(keys: Ints, count: int, key: int) -> int:
    """Where the first of `count` ascending keys that is not below `key` lies."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def _side(ev: np.uint64) -> int:
    """0 for a bid, 1 for an ask, -1 for neither or both."""
    buy, sell = (ev & _BUY) != _NONE, (ev & _SELL) != _NONE
    if buy == sell:
        return -1
    return 0 if buy else 1


@jit
def _write(
    keys_times: Ints, px_qty: Floats, state: Ints, side: int, at: int, key: int, time: int, px: float, qty: float
) -> None:
    """Replace the level of `key` at `at`, or make room for it there."""
    keys, times, pxs, qtys = keys_times[side, KEY], keys_times[side, TIME], px_qty[side, PX], px_qty[side, QTY]
    count = state[COUNT + side]
    if at == count or keys[at] != key:
        for level in range(count, at, -1):
            keys[level] = keys[level - 1]
            times[level] = times[level - 1]
            pxs[level] = pxs[level - 1]
            qtys[level] = qtys[level - 1]
        state[COUNT + side] = count + 1
        keys[at] = key
    times[at], pxs[at], qtys[at] = time, px, qty


@jit
def _drop(keys_times: Ints, px_qty: Floats, state: Ints, side: int, at: int) -> None:
    """Take out the level at `at`."""
    keys, times, pxs, qtys = keys_times[side, KEY], keys_times[side, TIME], px_qty[side, PX], px_qty[side, QTY]
    last = state[COUNT + side] - 1
    for level in range(at, last):
        keys[level] = keys[level + 1]
        times[level] = times[level + 1]
        pxs[level] = pxs[level + 1]
        qtys[level] = qtys[level + 1]
    state[COUNT + side] = last


@jit
def _clear(keys_times: Ints, state: Ints, side: int, px: float, tick_size: float, time: int) -> None:
    """Clear both sides (`side` -1), a side (px not finite), or a side from its best out to px, px included.

    A whole side forgets its time too: what follows is a new book, whatever its times. Out to a price is a deletion of the best.
    """
    for each in range(2):
        if side >= 0 and side != each:
            continue
        count = state[COUNT + each]
        if side < 0 or not math.isfinite(px):
            state[COUNT + each] = 0
            state[BEST_TIME + each] = 0
            continue
        edge = -px if each == 1 else px
        left = count
        if edge <= -_MOST * tick_size:
            left = 0
        elif edge < _MOST * tick_size:
            left = _position(keys_times[each, KEY], count, _whole(edge / tick_size))
        if left < count:
            state[COUNT + each] = left
            state[BEST_TIME + each] = time


@jit
def _tell_deleted(
    px_qty: Floats, side: int, first: int, count: int, events: Events, row: int, out: Events, made: int
) -> int:
    """Write a deletion of each level from the best to the one at `first`, caused by a row; return the rows then made.

    They carry LOCAL: without it bots take no notice of them (spec of the source, its defect C5).
    """
    for level in range(count - 1, first - 1, -1):
        deletion = out[made]
        deletion["ev"] = _LOCAL | _DEPTH | (_BUY if side == 0 else _SELL)
        deletion["exch_ts"] = events[row]["exch_ts"]
        deletion["local_ts"] = events[row]["local_ts"]
        deletion["px"] = px_qty[side, PX, level]
        deletion["qty"] = 0.0
        deletion["order_id"] = 0
        deletion["ival"] = events[row]["ival"]
        deletion["fval"] = 0.0
        made += 1
    return made


@jit
def fuse_rows(
    events: Events,
    keys_times: Ints,
    px_qty: Floats,
    state: Ints,
    tick_size: float,
    lot_size: float,
    sequenced: bool,
    out: Events,
) -> int:
    """Fuse the rows and write what to publish to `out`; return how many rows that is.

    Return MORE_OUT or MORE_LEVELS when room is lacking: given it, with the levels and the rows written so far kept, call again with the
    same rows. `state` knows where to go on.
    """
    made: int = state[MADE]
    for row in range(state[ROW], events.size):
        state[ROW], state[MADE] = row, made
        event = events[row]
        ev, px, qty, time = event["ev"], event["px"], event["qty"], event["exch_ts"]
        kind, side = ev & _KIND, _side(ev)
        if made == out.size:
            return MORE_OUT
        if kind == _CLEAR:
            _clear(keys_times, state, side, px, tick_size, time)
            state[LAST_TIME] = max(state[LAST_TIME], time)
        if kind != _DEPTH and kind != _BBO and kind != _SNAPSHOT:
            out[made] = event
            made += 1
            continue
        if side < 0 or not abs(px) < _MOST * tick_size or not 0.0 <= qty < _MOST * lot_size:
            state[REFUSED] += 1
            continue

        tick, lot, other = _whole(px / tick_size), _whole(qty / lot_size), 1 - side
        key = tick if side == 0 else -tick
        keys, count, others = keys_times[side, KEY], state[COUNT + side], state[COUNT + other]
        at = _position(keys, count, key)
        known = at < count and keys[at] == key
        best = at >= count - 1 if known else at == count  # at the own best, or better
        crosses = others > 0 and keys_times[other, KEY, others - 1] >= -key

        if not sequenced:
            stale = (best or kind == _BBO) and time < state[BEST_TIME + side]
            stale = stale or (crosses and time < state[BEST_TIME + other])
            stale = stale or (known and kind != _BBO and time < keys_times[side, TIME, at])
            if stale:
                state[STALE] += 1
                continue

        kept, others_kept = count, others  # what is left of each side once the levels this row disproves are gone
        if kind == _BBO:
            if lot == 0:
                kept = at
            elif known and at == count - 1 and px_qty[side, QTY, at] == qty:
                state[BEST_TIME + side] = time
                continue
            else:
                kept = at + 1 if known else at
        if crosses and lot > 0:
            others_kept = _position(keys_times[other, KEY], others, -key)
        if made + 1 + (count - kept) + (others - others_kept) > out.size:
            return MORE_OUT
        if lot > 0 and not known and count == keys.size:
            return MORE_LEVELS

        if lot > 0:
            out[made] = event
            made = _tell_deleted(px_qty, other, others_kept, others, events, row, out, made + 1)
            made = _tell_deleted(px_qty, side, kept, count, events, row, out, made)
            state[COUNT + side], state[COUNT + other] = kept, others_kept
            _write(keys_times, px_qty, state, side, at, key, time, px, qty)
            if best or kind == _BBO:
                state[BEST_TIME + side] = time
            if crosses:
                state[BEST_TIME + other] = time
        elif kind == _BBO:  # no best quote here: neither is one at a better price
            made = _tell_deleted(px_qty, side, kept, count, events, row, out, made)
            if kept < count:
                state[COUNT + side] = kept
                state[BEST_TIME + side] = time
        elif known:
            out[made] = event
            made += 1
            _drop(keys_times, px_qty, state, side, at)
            if best:
                state[BEST_TIME + side] = time
        state[LAST_TIME] = max(state[LAST_TIME], time)
    state[ROW], state[MADE] = 0, 0
    return made


@jit
def apply_rows(events: Events, keys_times: Ints, px_qty: Floats, state: Ints, tick_size: float, lot_size: float) -> int:
    """Set the levels as the rows tell, in order; return 0, or MORE_LEVELS as in `fuse_rows`."""
    for row in range(state[ROW], events.size):
        state[ROW] = row
        event = events[row]
        ev, px, qty, time = event["ev"], event["px"], event["qty"], event["exch_ts"]
        kind, side = ev & _KIND, _side(ev)
        if kind == _CLEAR:
            _clear(keys_times, state, side, px, tick_size, time)
            state[LAST_TIME] = max(state[LAST_TIME], time)
            continue
        if side < 0 or (kind != _DEPTH and kind != _BBO and kind != _SNAPSHOT):
            continue
        if not abs(px) < _MOST * tick_size or not 0.0 <= qty < _MOST * lot_size:
            state[REFUSED] += 1
            continue

        tick, lot, other = _whole(px / tick_size), _whole(qty / lot_size), 1 - side
        key = tick if side == 0 else -tick
        keys, count, others = keys_times[side, KEY], state[COUNT + side], state[COUNT + other]
        at = _position(keys, count, key)
        known = at < count and keys[at] == key
        if lot > 0 and not known and count == keys.size:
            return MORE_LEVELS
        if kind == _BBO:
            state[COUNT + side] = at + 1 if known and lot > 0 else at
            if lot > 0:
                state[COUNT + other] = _position(keys_times[other, KEY], others, -key)
        if lot > 0:
            _write(keys_times, px_qty, state, side, at, key, time, px, qty)
        elif known and kind != _BBO:
            _drop(keys_times, px_qty, state, side, at)
        state[LAST_TIME] = max(state[LAST_TIME], time)
    state[ROW] = 0
    return 0


@jit
def add_window(
    keys_times: Ints, px_qty: Floats, state: Ints, bounded: bool, edges: Ints, counts: Ints, keys: Ints, levels: Floats
) -> None:
    """Add what a window sees and nothing before it did to a merged book, whose two sides lie best first.

    `edges` are the keys down to which all is known, and `counts` how many levels there are; both are moved on. A `bounded` window knows
    nothing beyond its worst level, but for a side without any: that is empty. `keys` and `levels` must have room for it.
    """
    for side in range(2):
        count, own = state[COUNT + side], keys_times[side, KEY]
        for at in range(_position(own, count, edges[side]) - 1, -1, -1):
            made = counts[side]
            keys[side, made] = own[at]
            levels[side, PX, made], levels[side, QTY, made] = px_qty[side, PX, at], px_qty[side, QTY, at]
            counts[side] = made + 1
        if not bounded or count == 0:
            edges[side] = -_FAR
        else:
            edges[side] = min(edges[side], own[0])


@jit
def differences(
    keys_times: Ints, px_qty: Floats, state: Ints, counts: Ints, keys: Ints, levels: Floats, out: Events
) -> int:
    """Write the rows that make a book the merged one, and return how many: first what goes, so that no row crosses a level that stays.

    Of a row only `ev`, `px` and `qty` are written. `out` must have room for all levels of both.
    """
    made = 0
    for side in range(2):
        ev, at = (_LOCAL | _BUY | _DEPTH) if side == 0 else (_LOCAL | _SELL | _DEPTH), 0
        for own in range(state[COUNT + side] - 1, -1, -1):
            key = keys_times[side, KEY, own]
            while at < counts[side] and keys[side, at] > key:
                at += 1
            if at == counts[side] or keys[side, at] != key:
                row = out[made]
                row["ev"], row["px"], row["qty"] = ev, px_qty[side, PX, own], 0.0
                made += 1
    for side in range(2):
        ev, own = (_LOCAL | _BUY | _DEPTH) if side == 0 else (_LOCAL | _SELL | _DEPTH), state[COUNT + side] - 1
        for at in range(counts[side]):
            key = keys[side, at]
            while own >= 0 and keys_times[side, KEY, own] > key:
                own -= 1
            if own < 0 or keys_times[side, KEY, own] != key or px_qty[side, QTY, own] != levels[side, QTY, at]:
                row = out[made]
                row["ev"], row["px"], row["qty"] = ev, levels[side, PX, at], levels[side, QTY, at]
                made += 1
    return made
