"""Spot's messages: depth updates without the time of the transaction and without the id before, trades that do not say
whose they are, best quotes without kind and time; and their form in recordings."""

from __future__ import annotations

import re
from functools import lru_cache

import orjson

from venue_sim.face import Packet, Slower, Stencil, StreamName
from venue_sim.market import DEPTH, QUOTE, TRADE, Message, Quote, Trade, Update
from venue_sim.venues.usdm.messages import read_event_ms, read_line, read_quote_id, render_shown, stencil_of, window

__all__ = [
    "read_event_ms",
    "read_ids",
    "read_line",
    "read_message",
    "read_quote_id",
    "read_stream",
    "read_update",
    "render",
    "render_shown",
    "slower",
    "stencil",
    "stream_of",
    "window",
]

_NAMES = {DEPTH: "depth@100ms", TRADE: "trade", QUOTE: "bookTicker"}
_KINDS = {"depth": DEPTH, "trade": TRADE, "bookTicker": QUOTE}
_SPEEDS = {"100ms": 0, "": 1}
_DEPTH_IDS = re.compile(rb'"U":(\d+),"u":(\d+)')


def stream_of(symbol: str, kind: str) -> str:
    """Name the fastest stream of a symbol's updates, trades or quotes."""
    return f"{symbol}@{_NAMES[kind]}"


@lru_cache(maxsize=4096)
def read_stream(stream: str) -> StreamName:
    """Read a stream's name: `btcusdt@depth@100ms`."""
    symbol, _, name = stream.partition("@")
    word, _, speed = name.partition("@")
    if stream.startswith("!"):
        symbol = ""
    ranked = 0 if word in ("trade", "bookTicker") else _SPEEDS.get(speed, 9)
    return StreamName(symbol.lower(), _KINDS.get(word, word), (word, stream, name), ranked)


def slower(stream: str) -> Slower | None:
    """`@depth` (1000 ms) is made of `@depth@100ms`."""
    symbol, _, name = stream.partition("@")
    return Slower(symbol, stream_of(symbol, DEPTH), 1000) if name == "depth" else None


def render(symbol: str, message: Message, stream: str | None = None) -> Packet:
    """Write a message in the exchange's own key order. The ids of updates leave no room between them."""
    name = symbol.upper()
    match message:
        case Update():
            kind, last_id = DEPTH, message.last_id
            bids, asks = (
                ",".join([f'["{price}","{quantity}"]' for price, quantity in side])
                for side in (message.bids, message.asks)
            )
            text = (
                f'{{"e":"depthUpdate","E":{message.event_ms},"s":"{name}","U":{message.prev_id + 1},'
                f'"u":{message.last_id},"b":[{bids}],"a":[{asks}]}}'
            )
        case Trade():
            kind, last_id = TRADE, 0
            text = (
                f'{{"e":"trade","E":{message.event_ms},"s":"{name}","t":{message.trade_id},"p":"{message.price}",'
                f'"q":"{message.quantity}","T":{message.transact_ms},'
                f'"m":{"true" if message.buyer_is_maker else "false"},"M":true}}'
            )
        case Quote():
            kind, last_id = QUOTE, message.last_id
            (bid, bid_quantity), (ask, ask_quantity) = message.bid, message.ask
            text = f'{{"u":{message.last_id},"s":"{name}","b":"{bid}","B":"{bid_quantity}","a":"{ask}","A":"{ask_quantity}"}}'
    where, data = stream_of(symbol, kind) if stream is None else stream, text.encode()
    wrapped = b'{"stream":"%b","data":%b}' % (where.encode(), data)
    return Packet(symbol, where, read_stream(where).words, wrapped, data, last_id)


def stencil(symbol: str, message: Message) -> Stencil:
    """Write a message with holes for its ids and times."""
    return stencil_of(render(symbol, message))


def read_update(data: bytes) -> Update:
    """Read a `depthUpdate`. Raises `KeyError` or `orjson.JSONDecodeError` when it is none."""
    raw = orjson.loads(data)
    return Update(raw["U"], raw["u"], raw["U"] - 1, raw["E"], raw["E"], raw["b"], raw["a"])


def read_message(kind: str, data: bytes) -> Message | None:
    """Read a depth update, trade or best quotes (without a time: 0); None when a key is missing."""
    try:
        if kind == DEPTH:
            return read_update(data)
        raw = orjson.loads(data)
        if kind == TRADE:
            return Trade(raw["t"], raw["E"], raw["T"], raw["p"], raw["q"], raw["m"])
        return Quote(raw["u"], 0, 0, (raw["b"], raw["B"]), (raw["a"], raw["A"]))
    except (KeyError, TypeError):
        return None


def read_ids(data: bytes) -> tuple[int, int, int] | None:
    """Read `U` and `u` of a depth update without parsing its levels; the id before is that before `U`."""
    match = _DEPTH_IDS.search(data)
    if match:
        return int(match[1]), int(match[2]), int(match[1]) - 1
    value = orjson.loads(data)
    try:
        return int(value["U"]), int(value["u"]), int(value["U"]) - 1
    except (KeyError, TypeError):
        return None
