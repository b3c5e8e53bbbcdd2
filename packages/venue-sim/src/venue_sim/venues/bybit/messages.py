"""Bybit's public messages: order books of each depth and trades as bytes and back (exchange.md section 4).

A message carries one id, `u`; first and previous ids are not told. `cts` is the transaction time, `ts` the event time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import orjson

from venue_sim.face import FrameLine, Packet, Shown, Slower, SnapshotLine, Stencil, StreamName, Window
from venue_sim.market import DEPTH, QUOTE, TRADE, BookState, Level, Message, Quote, Trade, Update

WIDTH_MS = {1: 10, 50: 20, 200: 100, 1000: 200}
DEEPEST = max(WIDTH_MS)
REPEAT_MS = 3_000
_NUMBERS = re.compile(rb'"(ts|cts|u|seq|T)":(\d+)')
_FIELDS = {"ts": "event_ms", "cts": "transact_ms", "u": "last_id", "seq": "last_id", "T": "transact_ms"}


def stream_of(symbol: str, kind: str) -> str:
    """Name the stream of a symbol's updates (the deepest book), trades or quotes (the best levels)."""
    if kind == TRADE:
        return f"publicTrade.{symbol.upper()}"
    return f"orderbook.{1 if kind == QUOTE else DEEPEST}.{symbol.upper()}"


@lru_cache(maxsize=4096)
def read_stream(stream: str) -> StreamName:
    """Read a topic. The deepest book is the market's depth, the best levels are its quotes, others are words of their own."""
    head, _, symbol = stream.rpartition(".")
    kinds = {f"orderbook.{DEEPEST}": (DEPTH, 0), "orderbook.1": (QUOTE, 0), "publicTrade": (TRADE, 0)}
    kind, speed = kinds.get(head, (head, 1))
    return StreamName(symbol.lower(), kind, (kind, stream, head), speed)


def slower(stream: str) -> Slower | None:
    """None: depths are windows, not merged updates."""
    return None


def window(stream: str) -> Window | None:
    """Every order book is one; level 1 sends whole books only, and the last one again after three seconds."""
    head, _, symbol = stream.rpartition(".")
    word, _, depth = head.partition(".")
    if word != "orderbook" or not depth.isdecimal() or int(depth) not in WIDTH_MS:
        return None
    levels = int(depth)
    return Window(symbol.lower(), levels, WIDTH_MS[levels], levels == 1, REPEAT_MS if levels == 1 else None)


def render_shown(symbol: str, stream: str, shown: Shown) -> Packet:
    """Write a book's message, whole or its differences."""
    book, kind = shown.book, "snapshot" if shown.whole else "delta"
    times = (shown.now_ms, book.transact_ms)
    return _book(symbol, stream, kind, times, (shown.number, book.last_id), (shown.bids, shown.asks))


def render(symbol: str, message: Message, stream: str | None = None) -> Packet:
    """Write a message: an update as a difference of the deepest book, a quote as a whole book of the best levels."""
    match message:
        case Update():
            name, sides = stream_of(symbol, DEPTH), (message.bids, message.asks)
        case Quote():
            name, sides = stream_of(symbol, QUOTE), ((message.bid,), (message.ask,))
        case Trade():
            return _trade(symbol, message, stream or stream_of(symbol, TRADE))
    kind = "delta" if isinstance(message, Update) else "snapshot"
    times, ids = (message.event_ms, message.transact_ms), (message.last_id, message.last_id)
    return _book(symbol, stream or name, kind, times, ids, sides)


def _book(
    symbol: str,
    stream: str,
    kind: str,
    times: tuple[int, int],
    ids: tuple[int, int],
    sides: tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]],
) -> Packet:
    bids, asks = (",".join([f'["{price}","{quantity}"]' for price, quantity in side]) for side in sides)
    text = (
        f'{{"topic":"{stream}","type":"{kind}","ts":{times[0]},"data":{{"s":"{symbol.upper()}","b":[{bids}],"a":[{asks}],'
        f'"u":{ids[0]},"seq":{ids[1]}}},"cts":{times[1]}}}'
    )
    data = text.encode()
    return Packet(symbol, stream, read_stream(stream).words, data, data, ids[0])


def _trade(symbol: str, trade: Trade, stream: str) -> Packet:
    side = "Sell" if trade.buyer_is_maker else "Buy"
    text = (
        f'{{"topic":"{stream}","type":"snapshot","ts":{trade.event_ms},"data":[{{"T":{trade.transact_ms},'
        f'"s":"{symbol.upper()}","S":"{side}","v":"{trade.quantity}","p":"{trade.price}","L":"PlusTick",'
        f'"i":"{UUID(int=trade.trade_id)}","BT":{"true" if trade.insurance else "false"}}}]}}'
    )
    data = text.encode()
    return Packet(symbol, stream, read_stream(stream).words, data, data, 0)


def stencil(symbol: str, message: Message) -> Stencil:
    """Write a message with holes for its ids and times; a trade's id is no number and stays."""
    packet = render(symbol, message)
    found = [(_FIELDS[match[1].decode()], int(match[2])) for match in _NUMBERS.finditer(packet.data)]
    data = _NUMBERS.sub(rb'"\1":%d', packet.data)
    return Stencil(packet.stream, b"", data, b"", tuple(name for name, _ in found), tuple(value for _, value in found))


def read_update(data: bytes) -> Update:
    """Read a book's message. Raises `KeyError`, `TypeError` or `ValueError` when it is none."""
    raw = orjson.loads(data)
    book = raw["data"]
    return Update(book["u"], book["u"], book["u"] - 1, raw["ts"], raw.get("cts", raw["ts"]), book["b"], book["a"])


def read_message(kind: str, data: bytes) -> Message | None:
    """Read a book's message, trade or best levels; None when a key is missing."""
    try:
        if kind == TRADE:
            raw = orjson.loads(data)
            row = raw["data"][0]
            side, trade_id = row["S"] == "Sell", UUID(row["i"]).int
            return Trade(trade_id, raw["ts"], row["T"], row["p"], row["v"], side, row["BT"])
        update = read_update(data)
        if kind == DEPTH:
            return update
        bid, ask = update.bids[0], update.asks[0]
        return Quote(update.last_id, update.event_ms, update.transact_ms, (bid[0], bid[1]), (ask[0], ask[1]))
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def read_ids(data: bytes) -> tuple[int, int, int] | None:
    """Read the one id that a book's message has."""
    try:
        return read_update(data)[:3]
    except (KeyError, TypeError, ValueError):
        return None


def read_quote_id(data: bytes) -> int:
    """Read `u`, 0 when there is none."""
    ids = read_ids(data)
    return 0 if ids is None else ids[1]


def read_event_ms(data: bytes) -> int | None:
    """Read the event time `ts`."""
    value = orjson.loads(data)
    event_ms = value.get("ts") if isinstance(value, dict) else None
    return event_ms if isinstance(event_ms, int) else None


def read_line(recv_ns: int, body: bytes) -> FrameLine | SnapshotLine | None:
    """Read a recorded text: a topic's message or a REST order book."""
    value = orjson.loads(body)
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("topic"), str) and "data" in value:
        return FrameLine(recv_ns, value["topic"], body, body)
    result = value.get("result")
    if isinstance(result, dict) and "b" in result and "a" in result:
        bids, asks = (_levels(result[side]) for side in ("b", "a"))
        event_ms = int(result["ts"])
        return SnapshotLine(
            recv_ns, BookState(int(result["u"]), event_ms, int(result.get("cts", event_ms)), bids, asks)
        )
    return None


def _levels(rows: list[list[str]]) -> list[Level]:
    return [(price, quantity) for price, quantity, *_ in rows]
