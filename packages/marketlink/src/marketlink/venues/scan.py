"""The fast way to read a futures depth frame: its bytes straight into event records, or None for the slow way to judge."""

from functools import cache
from types import ModuleType

import numpy as np

from marketlink.book.rules import DepthUpdate
from marketlink.events import EVENT_DTYPE, Events


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
    if b'"depthUpdate"' not in frame:  # most of what is not depth need not reach the kernel
        return None
    kernels = _kernels()
    text = np.frombuffer(frame, np.uint8)
    found = np.zeros(kernels.FOUND_SIZE, np.int64)
    events: Events = np.empty(frame.count(b'["'), EVENT_DTYPE)  # one for each level as venues write it
    read = kernels.scan(text, recv_ns, found, events)
    if read == kernels.MORE_OUT:  # as one might write it: no level takes less than nine bytes
        events = np.empty(len(frame) // 9, EVENT_DTYPE)
        read = kernels.scan(text, recv_ns, found, events)
    if read != kernels.READ:
        return None
    first_id, last_id, prev_id, symbol_from, symbol_to, bids, asks, asks_first = found.tolist()
    if bids + asks < events.size:
        events = events[: bids + asks].copy()
    if asks_first and bids:
        in_order: Events = np.empty(events.size, EVENT_DTYPE)
        in_order[:bids], in_order[bids:] = events[asks:], events[:asks]
        events = in_order
    symbol = frame[symbol_from:symbol_to].decode("ascii").lower()
    return symbol, DepthUpdate(first_id, last_id, prev_id, events)
