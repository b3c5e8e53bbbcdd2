"""Hyperliquid's messages: whole books of twenty levels, the best of each side, trades (exchange.md section 5). None has an id of a book.

What is shown of a book is always whole, so its ids are not told; a market's update, which this exchange has not, is written as a book.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import orjson

from venue_sim.face import FrameLine, Packet, Shown, Slower, SnapshotLine, Stencil, StreamName, Window
from venue_sim.market import DEPTH, QUOTE, TRADE, BookState, Level, Message, Quote, Trade, Update

LEVELS = 20
_TYPES = {DEPTH: "l2Book", TRADE: "trades", QUOTE: "bbo"}
_KINDS = {name: kind for kind, name in _TYPES.items()}
_NUMBERS = re.compile(rb'"(time|tid)":(\d+)')
_FIELDS = {"time": "transact_ms", "tid": "trade_id"}


def stream_of(symbol: str, kind: str) -> str:
    """Name the stream of a symbol's books, trades or best levels."""
    return f"{_TYPES[kind]}:{symbol.upper()}"


@lru_cache(maxsize=4096)
def read_stream(stream: str) -> StreamName:
    """Read a stream's name."""
    word, _, coin = stream.partition(":")
    kind = _KINDS.get(word, word)
    return StreamName(coin.lower(), kind, (kind, stream, word))


def slower(stream: str) -> Slower | None:
    """None."""
    return None


def window(stream: str) -> Window | None:
    """Books twice a second, and the best of each side with every block in which it changes."""
    word, _, coin = stream.partition(":")
    if word == "l2Book":
        return Window(coin.lower(), LEVELS, 500, True, 500)
    return Window(coin.lower(), 1, 70, True) if word == "bbo" else None


def render_shown(symbol: str, stream: str, shown: Shown) -> Packet:
    """Write a book, or the best of each side."""
    sides, coin = (shown.bids, shown.asks), stream.partition(":")[2]
    best = stream.startswith("bbo:")
    return _packet(
        symbol,
        stream,
        _quotes(coin, shown.book.transact_ms, sides) if best else _levels(coin, shown.book.transact_ms, sides),
    )


def render(symbol: str, message: Message, stream: str | None = None) -> Packet:
    """Write a message; an update as the book of its levels."""
    coin = symbol.upper()
    match message:
        case Update():
            text = _levels(coin, message.transact_ms, (message.bids, message.asks))
            return _packet(symbol, stream or stream_of(symbol, DEPTH), text)
        case Quote():
            text = _quotes(coin, message.transact_ms, ((message.bid,), (message.ask,)))
            return _packet(symbol, stream or stream_of(symbol, QUOTE), text)
        case Trade():
            row = {
                "coin": coin,
                "side": "A" if message.buyer_is_maker else "B",
                "px": message.price,
                "sz": message.quantity,
                "time": message.transact_ms,
                "hash": "0x0",
                "tid": message.trade_id,
                "users": ["0x0", "0x1"],
            }
            return _packet(symbol, stream or stream_of(symbol, TRADE), {"channel": "trades", "data": [row]})


def _packet(symbol: str, stream: str, message: object) -> Packet:
    data = orjson.dumps(message)
    return Packet(symbol, stream, read_stream(stream).words, data, data, 0)


def _row(level: Sequence[str]) -> dict[str, object]:
    return {"px": level[0], "sz": level[1], "n": 1}


def _levels(coin: str, time_ms: int, sides: tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]) -> object:
    levels = [[_row(level) for level in side] for side in sides]
    return {"channel": "l2Book", "data": {"coin": coin, "time": time_ms, "levels": levels}}


def _quotes(coin: str, time_ms: int, sides: tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]) -> object:
    best = [_row(side[0]) if side else None for side in sides]
    return {"channel": "bbo", "data": {"coin": coin, "time": time_ms, "bbo": best}}


def stencil(symbol: str, message: Message) -> Stencil:
    """Write a message with holes for its times and a trade's id."""
    packet = render(symbol, message)
    found = [(_FIELDS[match[1].decode()], int(match[2])) for match in _NUMBERS.finditer(packet.data)]
    data = _NUMBERS.sub(rb'"\1":%d', packet.data)
    return Stencil(packet.stream, b"", data, b"", tuple(name for name, _ in found), tuple(value for _, value in found))


def read_update(data: bytes) -> Update:
    """Read a book. Raises `KeyError`, `TypeError` or `ValueError` when it is none."""
    book = orjson.loads(data)["data"]
    bids, asks = ([(row["px"], row["sz"]) for row in side] for side in book["levels"])
    return Update(0, 0, 0, book["time"], book["time"], bids, asks)


def read_message(kind: str, data: bytes) -> Message | None:
    """Read a book, trade or the best of each side; None when a key is missing."""
    try:
        if kind == DEPTH:
            return read_update(data)
        content = orjson.loads(data)["data"]
        if kind == TRADE:
            row = content[0]
            return Trade(row["tid"], row["time"], row["time"], row["px"], row["sz"], row["side"] == "A")
        bid, ask = ((row["px"], row["sz"]) for row in content["bbo"])
        return Quote(0, content["time"], content["time"], bid, ask)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def read_ids(data: bytes) -> tuple[int, int, int] | None:
    """None: books have no ids."""
    return None


def read_quote_id(data: bytes) -> int:
    """0: they have none."""
    return 0


def read_event_ms(data: bytes) -> int | None:
    """Read the time of any message."""
    value = orjson.loads(data)
    content = value.get("data") if isinstance(value, dict) else None
    first = content[0] if isinstance(content, list) and content else content
    event_ms = first.get("time") if isinstance(first, dict) else None
    return event_ms if isinstance(event_ms, int) else None


def read_line(recv_ns: int, body: bytes) -> FrameLine | SnapshotLine | None:
    """Read a recorded text: a channel's message, or the same book as REST answers it."""
    value = orjson.loads(body)
    if not isinstance(value, dict):
        return None
    channel, content = value.get("channel"), value.get("data")
    if channel in _KINDS and content:
        first = content[0] if isinstance(content, list) else content
        return FrameLine(recv_ns, f"{channel}:{first['coin']}", body, body)
    if "levels" in value and "time" in value:
        bids, asks = ([(row["px"], row["sz"]) for row in side] for side in value["levels"])
        sides: tuple[list[Level], list[Level]] = (bids, asks)
        return SnapshotLine(recv_ns, BookState(0, value["time"], value["time"], *sides))
    return None
