"""The same step for C to call: its arrays are named by one block of addresses, because unpacking twenty of them costs more than the work.

`context` (int64) holds addresses and sizes; who makes it keeps what it points at alive (`hot.step`).
"""

from typing import Any, Final

import numpy as np
from numba import types

from marketlink._jit import array_at, native, pointer
from marketlink.book import kernels as book
from marketlink.events import EVENT_DTYPE
from marketlink.hot import kernels as hot
from marketlink.link import kernels as link
from marketlink.venues import kernels as venue

(RULE, SYMBOL, SYMBOL_SIZE, HEAD, HEAD_SIZE, SIZES, LEVELS_INTS, LEVELS_FLOATS, ROOM, STATE) = range(10)
(FOUND, EVENTS, EVENTS_SIZE, OUT, OUT_SIZE, MEMORY, MEMORY_SIZE, PLACES, PLACES_SIZE, TOLD, SESSION) = range(10, 21)
CONTEXT_SIZE: Final = 21


@native(
    types.int64(types.voidptr, types.int64, types.int64, types.int64, types.int64, types.voidptr),
    *(hot, venue, book, link),
)
def ADDRESS(frame: Any, size: Any, recv_ns: Any, last_id: Any, seq: Any, context: Any) -> Any:
    """`frame_to_samples` of a frame of so many bytes."""
    c = array_at(context, (CONTEXT_SIZE,), np.int64)
    room = c[ROOM]
    return hot.frame_to_samples(
        array_at(frame, (size,), np.uint8),
        recv_ns,
        last_id,
        np.uint64(c[SESSION]),
        np.uint64(seq),
        array_at(pointer(c[RULE]), (hot.RULE_SIZE,), np.int64),
        array_at(pointer(c[SYMBOL]), (c[SYMBOL_SIZE],), np.uint8),
        array_at(pointer(c[HEAD]), (c[HEAD_SIZE],), np.uint8),
        array_at(pointer(c[SIZES]), (2,), np.float64),
        array_at(pointer(c[LEVELS_INTS]), (2, 2, room), np.int64),
        array_at(pointer(c[LEVELS_FLOATS]), (2, 2, room), np.float64),
        array_at(pointer(c[STATE]), (book.STATE_SIZE,), np.int64),
        array_at(pointer(c[FOUND]), (venue.FOUND_SIZE,), np.int64),
        array_at(pointer(c[EVENTS]), (c[EVENTS_SIZE],), EVENT_DTYPE),
        array_at(pointer(c[OUT]), (c[OUT_SIZE],), EVENT_DTYPE),
        array_at(pointer(c[OUT]), (c[OUT_SIZE], 8), np.uint64),
        array_at(pointer(c[MEMORY]), (c[MEMORY_SIZE],), np.uint8),
        array_at(pointer(c[PLACES]), (c[PLACES_SIZE],), np.int64),
        array_at(pointer(c[TOLD]), (hot.TOLD_SIZE,), np.int64),
    )
