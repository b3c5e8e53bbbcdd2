"""A book of two hashed sides: rows in, quantities by price out. Slow twin: `data_convert.arrays.book.walk_rows`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit

_I64 = npt.NDArray[np.int64]
_F64 = npt.NDArray[np.float64]
_BUY = np.int64(1) << 29
_SELL = np.int64(1) << 28
_LAST = np.int64((1 << 63) - 1)


@inner
def _slot(key: np.int64, keys: _I64) -> np.int64:
    """Return where a price (the bits of a positive float) is, or may be put."""
    mask = len(keys) - 1
    mixed = (key ^ (key >> 29)) * np.int64(0x1F58476D1CE4E5B9)
    slot = (mixed ^ (mixed >> 32)) & mask
    while keys[slot] >= 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@jit
def put(from_keys: _I64, from_quantities: _F64, keys: _I64, quantities: _F64, state: _I64) -> None:
    """Fill an empty table; `state[0]` becomes the number of its prices."""
    for i in range(len(from_keys)):
        slot = _slot(from_keys[i], keys)
        keys[slot] = from_keys[i]
        quantities[slot, 0] = from_quantities[i, 0]
        quantities[slot, 1] = from_quantities[i, 1]
    state[0] = len(from_keys)


@jit
def play(words: _I64, at: int, keys: _I64, quantities: _F64, state: _I64) -> int:
    """Play rows from `at` on; return the first one not played, because the table is half full."""
    floats = words.view(np.float64)
    used = state[0]
    room = len(keys) // 2
    for row in range(at, len(words)):
        ev = words[row, 0]
        kind = ev & 0xFF
        if kind == 3:
            # The bits of positive floats are in the order of the floats.
            bids, asks = ev & _BUY or not ev & _SELL, ev & _SELL or not ev & _BUY
            lowest = words[row, 3] if ev & _BUY else np.int64(0)
            highest = words[row, 3] if ev & _SELL else _LAST
            for slot in range(len(keys)):
                if bids and keys[slot] >= lowest:
                    quantities[slot, 0] = 0.0
                if asks and keys[slot] <= highest:
                    quantities[slot, 1] = 0.0
        elif kind == 1 or kind == 4:
            key = words[row, 3]
            side = 0 if ev & _BUY else 1
            place = _slot(key, keys)
            if keys[place] < 0:
                if not floats[row, 4] > 0.0:
                    continue
                if used >= room:
                    state[0] = used
                    return row
                keys[place] = key
                used += 1
            quantities[place, side] = floats[row, 4]
    state[0] = used
    return len(words)
