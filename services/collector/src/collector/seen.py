"""What a recording's lines say of themselves: stream, times and ids, without their prices. A line in, a value out.

Two microseconds a line, most of them the JSON itself: patterns for ordinary lines were no faster.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

SNAPSHOT: Final = "snapshot"
DEPTH: Final = "depth"
_MS: Final = 1_000_000
_STREAMS: Final = {"depthUpdate": DEPTH, "depthSnapshot": DEPTH, "depthClear": DEPTH}


class Seen(NamedTuple):
    """One line: `exch_ns` 0 where it has no exchange time, ids 0 where it has none.

    `first_id` is 0 also where ids need not be contiguous. `prev_id` is what a depth update says it follows (futures). `whole`: a whole book
    as of `last_id`. `events`: how many event records it is.
    `more`: how many lines of its batch are still to come (recorded from a connector).
    """

    stream: str
    exch_ns: int
    first_id: int
    last_id: int
    prev_id: int | None
    whole: bool
    events: int
    more: int = 0


class Gap(NamedTuple):
    """A gap line: the reason and how much was lost, where that was counted."""

    reason: str
    lost: int


def see(body: bytes) -> Seen | Gap | None:
    """Read a line's body; None for what is not JSON or says nothing of a stream."""
    try:
        data = orjson.loads(body)
        if not isinstance(data, dict):
            return None
        if "stream" in data:
            return _binance(data["data"], str(data["stream"]))
        if "lastUpdateId" in data:
            return _snapshot(data)
        if "topic" in data:
            return _bybit(data)
        if "channel" in data:
            return _hyperliquid(data)
        if data.get("e") == "gap":
            return Gap(str(data.get("reason", "")), int(data.get("lost", 0)))
        return _link(data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def _binance(data: Mapping[str, object], stream: str) -> Seen:
    kind = data.get("e", "bookTicker" if "u" in data and "B" in data else None)  # spot's best quotes name no kind
    exch_ns = _number(data.get("E", 0)) * _MS
    if kind == "depthUpdate":
        prev = data.get("pu")
        ids = _number(data["U"]), _number(data["u"]), None if prev is None else _number(prev)
        return Seen(DEPTH, exch_ns, *ids, False, _length(data["b"]) + _length(data["a"]))
    if kind == "bookTicker":
        update_id = _number(data["u"])
        return Seen("bookTicker", exch_ns, update_id, update_id, None, False, 2)
    if kind == "trade":
        trade_id = _number(data["t"])
        return Seen("trade", exch_ns, trade_id, trade_id, None, False, 1)
    return Seen(str(kind or stream), exch_ns, 0, 0, None, False, 1)


def _snapshot(data: Mapping[str, object]) -> Seen:
    last_id = _number(data["lastUpdateId"])
    events = _length(data["bids"]) + _length(data["asks"])
    return Seen(SNAPSHOT, _number(data.get("E", 0)) * _MS, last_id, last_id, None, True, events)


def _bybit(message: Mapping[str, object]) -> Seen:
    """`orderbook.50.BTCUSDT`: each depth is a stream of its own, with ids of its own (docs/venues/bybit.md)."""
    kind, _, _ = str(message["topic"]).rpartition(".")
    exch_ns = _number(message.get("ts", 0)) * _MS
    data = message["data"]
    if isinstance(data, list):
        return Seen(kind, exch_ns, 0, 0, None, False, len(data))
    if not isinstance(data, dict) or "u" not in data:
        return Seen(kind, exch_ns, 0, 0, None, False, 1)
    last_id = _number(data["u"])
    is_whole = message.get("type") == "snapshot" or last_id == 1
    return Seen(kind, exch_ns, last_id, last_id, None, is_whole, _length(data["b"]) + _length(data["a"]))


def _hyperliquid(message: Mapping[str, object]) -> Seen:
    kind, data = str(message["channel"]), message["data"]
    if isinstance(data, list):
        exch_ns = max((_number(each["time"]) for each in data), default=0) * _MS
        return Seen(kind, exch_ns, 0, 0, None, False, len(data))
    assert isinstance(data, dict)
    exch_ns = _number(data["time"]) * _MS
    if "levels" in data:
        return Seen(kind, exch_ns, 0, 0, None, True, sum(map(len, data["levels"])))
    return Seen(kind, exch_ns, 0, 0, None, False, sum(side is not None for side in data.get("bbo", [0])))


def _link(data: Mapping[str, object]) -> Seen | None:
    word = data.get("e")
    if not isinstance(word, str):
        return None
    exch_ns = _number(data.get("ns", _number(data.get("E", 0)) * _MS))
    ident = _number(data.get("u", data.get("t", 0)))
    is_whole = word == "depthSnapshot" or (word == "depthClear" and "side" not in data)
    return Seen(_STREAMS.get(word, word), exch_ns, 0, ident, None, is_whole, 1, _number(data.get("more", 0)))


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError(value)
    return value


def _length(value: object) -> int:
    if not isinstance(value, list):
        raise TypeError(value)
    return len(value)
