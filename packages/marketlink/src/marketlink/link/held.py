"""Samples read where they lie, many in one call: a reader holds what it received, and lets go of it when this is done."""

import ctypes
from array import array
from typing import Any, Final

import numpy as np
from numba import types
from numpy.typing import NDArray

from marketlink._jit import array_at, native, pointer
from marketlink.events import EVENT_DTYPE, Events
from marketlink.link import kernels

MOST_HELD: Final = 64
"""Samples that are read in one call."""
_BASE: Final = 4096  # below all memory; an address of 0 is none
_HEAD_SIZE: Final = 128
_SPACE: Final = (1 << 47) - _BASE


@native(types.int64(types.voidptr, types.int64, types.int64, types.voidptr), kernels)
def _ADDRESS(addresses: Any, count: Any, base: Any, context: Any) -> Any:
    """`read_samples` of the samples at so many addresses; `context` has the addresses of its other arrays."""
    places = array_at(addresses, (count,), np.int64)
    for index in range(count):
        places[index] -= base
    c = array_at(context, (4,), np.int64)
    return kernels.read_samples(
        array_at(pointer(base), (_SPACE,), np.uint8),
        places,
        array_at(pointer(c[0]), (kernels.STATE_SIZE,), np.uint64),
        array_at(pointer(c[1]), (MOST_HELD, 8), np.uint64),
        array_at(pointer(c[2]), (MOST_HELD, kernels.THING_SIZE), np.int64),
        array_at(pointer(c[3]), (MOST_HELD, _HEAD_SIZE), np.uint8),
    )


_Call = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_call = _Call(_ADDRESS) if _ADDRESS else None


class HeldReader:
    """Reads samples by their addresses; what it found holds until it reads again."""

    def __init__(self) -> None:
        self.events: Events = np.zeros(MOST_HELD, EVENT_DTYPE)
        self.things = np.zeros((MOST_HELD, kernels.THING_SIZE), np.int64)
        self.heads = np.zeros((MOST_HELD, _HEAD_SIZE), np.uint8)
        self.state = np.zeros(kernels.STATE_SIZE, np.uint64)
        self._rows = self.events.view(np.uint64).reshape(MOST_HELD, 8)
        arrays: list[NDArray[Any]] = [self.state, self._rows, self.things, self.heads]
        self._context = np.array([one.ctypes.data for one in arrays], np.int64)
        self._address = int(self._context.ctypes.data)

    def read(self, addresses: list[int], session: int, next_seq: int, mine: int) -> int:
        """Read samples whose headers lie at these addresses, MOST_HELD at most; return how many were ordinary, from the first on."""
        self.state[: kernels.THINGS] = session, next_seq, mine
        places = array("q", addresses)
        address, count = places.buffer_info()
        if _call is not None:
            return int(_call(address, count, _BASE, self._address))
        low = min(addresses)
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * (max(addresses) - low + 1024)).from_address(low))
        return self.read_at(memory, np.array(addresses, np.int64) - low)

    def read_at(self, memory: NDArray[np.uint8], places: NDArray[np.int64]) -> int:
        """The same of places in an array."""
        return kernels.read_samples(memory, places, self.state, self._rows, self.things, self.heads)

    @property
    def next_seq(self) -> int:
        """The number that the next sample must have."""
        return int(self.state[kernels.NEXT_SEQ])

    def found(self) -> list[list[int]]:
        """The things found, as `kernels` describes them."""
        things: list[list[int]] = self.things[: int(self.state[kernels.THINGS])].tolist()
        return things
