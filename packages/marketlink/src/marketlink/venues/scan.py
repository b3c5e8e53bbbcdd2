"""The fast way to read a depth frame: its bytes straight into event records, or None for the slow way to judge."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np

from marketlink.book.rules import DepthUpdate
from marketlink.events import EVENT_DTYPE, Events
from marketlink.venues.fields import MS_NS, US_NS


@cache
def _kernels() -> ModuleType:
    from marketlink.venues import kernels  # here, because it imports numba

    return kernels


def scan_depth(frame: bytes, recv_ns: int) -> tuple[str, DepthUpdate] | None:
    """Read a Binance futures depth update, bare or as `{"stream":..,"data":{..}}`; its symbol in lower case, and the update.

    The n levels are event records LOCAL|DEPTH|side, bids then asks: `exch_ts` is the transaction time `T`, `local_ts` is `recv_ns` (both
    ns), `ival` the update's last id. What is returned is what a JSON parser and float() would read. None, and never an exception, for
    anything else: another kind of message (spot's depth too, which has no `T`), a field missing or twice, text that is not ASCII, a price
    of more digits than a float holds exactly, JSON that is not valid.
    """
    return _scan(frame, recv_ns, _kernels().FUTURES_FIELDS, MS_NS)


def scan_spot_depth(frame: bytes, recv_ns: int) -> tuple[str, DepthUpdate] | None:
    """Read one of Binance spot: `exch_ts` is the event time `E`, in ms; without an id of the update before. Else as `scan_depth`."""
    return _scan(frame, recv_ns, _kernels().SPOT_FIELDS, MS_NS)


def scan_spot_depth_us(frame: bytes, recv_ns: int) -> tuple[str, DepthUpdate] | None:
    """The same of a stream with `E` in microseconds."""
    return _scan(frame, recv_ns, _kernels().SPOT_FIELDS, US_NS)


def _scan(frame: bytes, recv_ns: int, fields: int, unit_ns: int) -> tuple[str, DepthUpdate] | None:
    if b'"depthUpdate"' not in frame:  # most of what is not depth need not reach the kernel
        return None
    kernels = _kernels()
    read = _run(kernels.scan, kernels.FOUND_SIZE, frame, recv_ns, fields, unit_ns)
    if read is None:
        return None
    events, (first_id, last_id, prev_id, symbol_from, symbol_to, *_) = read
    symbol = frame[symbol_from:symbol_to].decode("ascii").lower()
    return symbol, DepthUpdate(first_id, last_id, prev_id if fields == kernels.FUTURES_FIELDS else None, events)


@dataclass(frozen=True, slots=True, eq=False)
class ScannedBook:
    """A frame of Bybit's order book: its topic and symbol, whether it says to be a whole book, ids, and levels."""

    topic: str
    symbol: str
    whole: bool
    last_id: int
    sequence: int
    events: Events
    bids: int  # how many of the levels are bids


def scan_book(frame: bytes, recv_ns: int) -> ScannedBook | None:
    """Read a frame of Bybit's order book. Levels as of `scan_depth`, dated by `cts`, else by `ts`; None for anything else."""
    kernels = _kernels()
    read = _run(kernels.scan_book, kernels.BOOK_FOUND_SIZE, frame, recv_ns)
    if read is None:
        return None
    events, found = read
    topic = frame[found[kernels.TOPIC_FROM] : found[kernels.TOPIC_TO]].decode("ascii")
    symbol = frame[found[kernels.SYMBOL_FROM] : found[kernels.SYMBOL_TO]].decode("ascii")
    whole, bids = bool(found[kernels.WHOLE]), found[kernels.BIDS]
    return ScannedBook(topic, symbol, whole, found[kernels.LAST_ID], found[kernels.SEQUENCE], events, bids)


def _run(scan: Callable[..., int], size: int, frame: bytes, recv_ns: int, *how: int) -> tuple[Events, list[int]] | None:
    """Run a kernel over a frame; its levels, bids first, and what it found."""
    kernels = _kernels()
    text = np.frombuffer(frame, np.uint8)
    found = np.zeros(size, np.int64)
    events: Events = np.empty(frame.count(b'["'), EVENT_DTYPE)  # one for each level as venues write it
    read = scan(text, recv_ns, *how, found, events)
    if read == kernels.MORE_OUT:  # as one might write it: no level takes less than nine bytes
        events = np.empty(len(frame) // 9, EVENT_DTYPE)
        read = scan(text, recv_ns, *how, found, events)
    if read != kernels.READ:
        return None
    bids, asks, asks_first = found[kernels.BIDS : kernels.ASKS_FIRST + 1].tolist()
    if bids + asks < events.size:
        events = events[: bids + asks].copy()
    if asks_first and bids:
        in_order: Events = np.empty(events.size, EVENT_DTYPE)
        in_order[:bids], in_order[bids:] = events[asks:], events[:asks]
        events = in_order
    return events, found.tolist()
