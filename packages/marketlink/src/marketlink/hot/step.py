"""The typed face of the step: one symbol's book, rule and names, and the scratch memory that all symbols of a process share."""

import ctypes
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketlink.book.fused import FusedBook
from marketlink.events import EVENT_DTYPE, Events
from marketlink.hot import entry, kernels
from marketlink.link.block import feed_head
from marketlink.link.port import LoanedSamples
from marketlink.venues import kernels as venue
from marketlink.venues.grammar import DepthGrammar

BODY_BYTES: Final = 69 + 16
"""What a row takes behind the symbol at most: five integers of nine bytes, three doubles, the trailer."""
_EVENTS: Final = 1024
_OUT: Final = 2048

_Call = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_char_p, *[ctypes.c_int64] * 4, ctypes.c_void_p)
_call = _Call(entry.ADDRESS) if entry.ADDRESS else None


class Scratch:
    """What a step writes to while it runs, and afterwards to say what it did."""

    def __init__(self) -> None:
        self.found = np.zeros(venue.FOUND_SIZE, np.int64)
        self.events: Events = np.zeros(_EVENTS, EVENT_DTYPE)
        self.out: Events = np.zeros(_OUT, EVENT_DTYPE)
        self.out_bits = self.out.view(np.uint64).reshape(_OUT, 8)
        self.told = np.zeros(kernels.TOLD_SIZE, np.int64)


class DepthStep:
    """One symbol's way from frame to samples."""

    def __init__(
        self,
        grammar: DepthGrammar,
        symbol: str,
        book: FusedBook,
        samples: LoanedSamples,
        session: int,
        most_rows: int,
        scratch: Scratch,
    ) -> None:
        """`most_rows` go out in one piece. Raises ValueError for a symbol whose rows don't fit the samples."""
        head = feed_head(symbol)
        if len(head) + BODY_BYTES > samples.size:
            raise ValueError(f"samples of {samples.size} bytes are too short for the rows of {symbol!r}")
        self._scratch, self._samples, self._session = scratch, samples, np.uint64(session)
        self._rule = np.array([grammar.fields, grammar.unit_ns, grammar.by_previous, most_rows], np.int64)
        self._symbol, self._head = np.frombuffer(symbol.encode(), np.uint8), head
        self._context = np.zeros(entry.CONTEXT_SIZE, np.int64)
        self._address = int(self._context.ctypes.data)
        self._context[entry.SESSION] = session
        self._name(entry.RULE, self._rule)
        self._name(entry.SYMBOL, self._symbol, entry.SYMBOL_SIZE)
        self._name(entry.HEAD, self._head, entry.HEAD_SIZE)
        self._name(entry.FOUND, scratch.found)
        self._name(entry.EVENTS, scratch.events, entry.EVENTS_SIZE)
        self._name(entry.OUT, scratch.out, entry.OUT_SIZE)
        self._name(entry.TOLD, scratch.told)
        self._bind(book)
        self._bind_samples()

    def _name(self, slot: int, array: NDArray[np.generic], size_slot: int | None = None) -> None:
        self._context[slot] = array.ctypes.data
        if size_slot is not None:
            self._context[size_slot] = array.size

    def _bind(self, book: FusedBook) -> None:
        self._book, self._arrays = book, book.arrays
        self._sizes = np.array([book.tick_size, book.lot_size])
        keys_times, px_qty, state = self._arrays
        self._keys_times = keys_times
        self._name(entry.SIZES, self._sizes)
        self._name(entry.LEVELS_INTS, keys_times)
        self._name(entry.LEVELS_FLOATS, px_qty)
        self._context[entry.ROOM] = keys_times.shape[2]
        self._name(entry.STATE, state)

    def _bind_samples(self) -> None:
        self._memory = self._samples.memory
        self._name(entry.MEMORY, self._memory, entry.MEMORY_SIZE)
        self._name(entry.PLACES, self._samples.places, entry.PLACES_SIZE)

    def run(self, frame: bytes, recv_ns: int, book: FusedBook, last_id: int, seq: int) -> int:
        """Take a frame into the book whose last id is given, its batch numbered from `seq` into the samples; return how many.

        A negative number: the frame is left to the general way, and nothing has changed.
        """
        if book is not self._book or book.arrays[0] is not self._keys_times:
            self._bind(book)
        if self._samples.memory is not self._memory:
            self._bind_samples()
        made = self._run(frame, recv_ns, last_id, seq)
        while made == kernels.NO_LEVELS:
            book.make_room()
            self._bind(book)
            made = self._run(frame, recv_ns, last_id, seq)
        if made == kernels.BROKEN:
            raise RuntimeError("a book had no room that it was known to have")
        return made

    def _run(self, frame: bytes, recv_ns: int, last_id: int, seq: int) -> int:
        if _call is not None:
            return int(_call(frame, len(frame), recv_ns, last_id, seq, self._address))
        return self._run_plain(frame, recv_ns, last_id, seq)

    def _run_plain(self, frame: bytes, recv_ns: int, last_id: int, seq: int) -> int:
        """The same through the kernel's own arguments."""
        scratch = self._scratch
        return kernels.frame_to_samples(
            np.frombuffer(frame, np.uint8),
            recv_ns,
            last_id,
            self._session,
            np.uint64(seq),
            self._rule,
            self._symbol,
            self._head,
            self._sizes,
            *self._arrays,
            scratch.found,
            scratch.events,
            scratch.out,
            scratch.out_bits,
            self._memory,
            self._samples.places,
            scratch.told,
        )

    @property
    def last_id(self) -> int:
        """The book's last id after the last frame that was taken."""
        return int(self._scratch.told[kernels.LAST_ID])

    @property
    def exch_ts(self) -> int:
        """That frame's exchange time."""
        return int(self._scratch.told[kernels.EXCH_TS])
