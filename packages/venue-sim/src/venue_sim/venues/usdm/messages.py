"""USD-M's messages: depth updates, trades and book tickers as bytes and back, and their form in recordings in the
direct dialect (docs/formats.md section 2).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

import orjson

from venue_sim.face import FrameLine, Packet, Shown, Slower, SnapshotLine, Stencil, StreamName, Window
from venue_sim.market import DEPTH, QUOTE, TRADE, BookState, Level, Message, Quote, Trade, Update

_NAMES = {DEPTH: "depth@0ms", TRADE: "trade", QUOTE: "bookTicker"}
_KINDS = {"depth": DEPTH, "trade": TRADE, "bookTicker": QUOTE}
_WIDTH_MS = {"depth": 250, "depth@100ms": 100, "depth@250ms": 250, "depth@500ms": 500}
_SPEEDS = {"0ms": 0, "100ms": 1, "": 2, "250ms": 2, "500ms": 3}
_WRAPPER = re.compile(rb'\s*\{\s*"stream"\s*:\s*"([^"\\]*)"\s*,\s*"data"\s*:\s*')
_DEPTH_IDS = re.compile(rb'"U":(\d+),"u":(\d+),"pu":(\d+)')
_LAST_ID = re.compile(rb'"u":(\d+)')
_NUMBERS = re.compile(rb'"(E|T|U|u|pu|t)":(\d+)')
_FIELDS = {"E": "event_ms", "T": "transact_ms", "U": "first_id", "u": "last_id", "pu": "prev_id", "t": "trade_id"}


def stream_of(symbol: str, kind: str) -> str:
    """Name the fastest stream of a symbol's updates, trades or quotes."""
    return f"{symbol}@{_NAMES[kind]}"


@lru_cache(maxsize=4096)
def read_stream(stream: str) -> StreamName:
    """Read a stream's name: `btcusdt@depth@0ms`; `!bookTicker` is of the whole market."""
    symbol, _, name = stream.partition("@")
    word, _, speed = name.partition("@")
    if stream.startswith("!"):
        symbol = ""
    return StreamName(symbol.lower(), _KINDS.get(word, word), (word, stream, name), _SPEEDS.get(speed, 9))


def slower(stream: str) -> Slower | None:
    """`@depth@100ms`, `@depth` (250 ms), `@depth@250ms` and `@depth@500ms` are made of `@depth@0ms`."""
    symbol, _, name = stream.partition("@")
    width_ms = _WIDTH_MS.get(name)
    return None if width_ms is None else Slower(symbol, stream_of(symbol, DEPTH), width_ms)


def window(stream: str) -> Window | None:
    """None: `depth5` and the like are not made here."""
    return None


def render_shown(symbol: str, stream: str, shown: Shown) -> Packet:
    """Nothing is shown so: `window` says so of every stream. Raises ValueError."""
    raise ValueError(f"{stream} shows no best levels")


def render(symbol: str, message: Message, stream: str | None = None) -> Packet:
    """Write a message in the exchange's own key order."""
    match message:
        case Update():
            kind, last_id = DEPTH, message.last_id
            text = _depth_text(symbol, message)
        case Trade():
            kind, last_id = TRADE, 0
            text = (
                f'{{"e":"trade","E":{message.event_ms},"T":{message.transact_ms},"s":"{symbol.upper()}",'
                f'"t":{message.trade_id},"p":"{message.price}","q":"{message.quantity}",'
                f'"X":"{"INSURANCE_FUND" if message.insurance else "MARKET"}",'
                f'"m":{"true" if message.buyer_is_maker else "false"}}}'
            )
        case Quote():
            kind, last_id = QUOTE, message.last_id
            (bid, bid_quantity), (ask, ask_quantity) = message.bid, message.ask
            text = (
                f'{{"e":"bookTicker","u":{message.last_id},"s":"{symbol.upper()}","b":"{bid}","B":"{bid_quantity}",'
                f'"a":"{ask}","A":"{ask_quantity}","T":{message.transact_ms},"E":{message.event_ms}}}'
            )
    name = stream_of(symbol, kind) if stream is None else stream
    data = text.encode()
    wrapped = b'{"stream":"%b","data":%b}' % (name.encode(), data)
    return Packet(symbol, name, read_stream(name).words, wrapped, data, last_id)


def _depth_text(symbol: str, update: Update) -> str:
    bids, asks = (
        ",".join([f'["{price}","{quantity}"]' for price, quantity in side]) for side in (update.bids, update.asks)
    )
    return (
        f'{{"e":"depthUpdate","E":{update.event_ms},"T":{update.transact_ms},"s":"{symbol.upper()}",'
        f'"U":{update.first_id},"u":{update.last_id},"pu":{update.prev_id},"b":[{bids}],"a":[{asks}]}}'
    )


def stencil(symbol: str, message: Message) -> Stencil:
    """Write a message with holes for its ids and times."""
    return stencil_of(render(symbol, message))


def stencil_of(packet: Packet) -> Stencil:
    """Put holes where a written message has its ids and times."""
    found = [(_FIELDS[match[1].decode()], int(match[2])) for match in _NUMBERS.finditer(packet.data)]
    prefix = b'{"stream":"%b","data":' % packet.stream.encode()
    data = _NUMBERS.sub(rb'"\1":%d', packet.data)
    names, values = tuple(name for name, _ in found), tuple(value for _, value in found)
    return Stencil(packet.stream, prefix, data, b"}", names, values)


def read_update(data: bytes) -> Update:
    """Read a `depthUpdate`. Raises `KeyError` or `orjson.JSONDecodeError` when it is none."""
    raw = orjson.loads(data)
    return Update(raw["U"], raw["u"], raw["pu"], raw["E"], raw.get("T", raw["E"]), raw["b"], raw["a"])


def read_message(kind: str, data: bytes) -> Message | None:
    """Read a depth update, trade or book ticker; None when a key is missing."""
    try:
        if kind == DEPTH:
            return read_update(data)
        raw = orjson.loads(data)
        if kind == TRADE:
            insurance = raw.get("X", "MARKET") != "MARKET"
            return Trade(raw["t"], raw["E"], raw["T"], raw["p"], raw["q"], raw["m"], insurance)
        return Quote(raw["u"], raw["E"], raw["T"], (raw["b"], raw["B"]), (raw["a"], raw["A"]))
    except (KeyError, TypeError):
        return None


def read_ids(data: bytes) -> tuple[int, int, int] | None:
    """Read `U`, `u`, `pu` of a depth update without parsing its levels; None when it is no futures depth update."""
    match = _DEPTH_IDS.search(data)
    if match:
        return int(match[1]), int(match[2]), int(match[3])
    value = orjson.loads(data)
    try:
        return int(value["U"]), int(value["u"]), int(value["pu"])
    except (KeyError, TypeError):
        return None


def read_quote_id(data: bytes) -> int:
    """Read the update id `u` of a bookTicker, 0 when there is none."""
    match = _LAST_ID.search(data)
    return int(match[1]) if match else 0


def read_event_ms(data: bytes) -> int | None:
    """Read the event time `E`."""
    value = orjson.loads(data)
    event_ms = value.get("E") if isinstance(value, dict) else None
    return event_ms if isinstance(event_ms, int) else None


def read_line(recv_ns: int, body: bytes) -> FrameLine | SnapshotLine | None:
    """Read a recorded text: `{"stream":...,"data":...}` or a depth body."""
    match = _WRAPPER.match(body)
    if match and body.endswith(b"}"):
        data = body[match.end() : -1].rstrip()
        # a flat object ends at its first brace; after anything else another member may follow
        if data.find(b"}") == len(data) - 1 or _is_one_value(data):
            return FrameLine(recv_ns, match[1].decode(), body, data)
    value = orjson.loads(body)
    if not isinstance(value, dict):
        return None
    if "lastUpdateId" in value and "bids" in value and "asks" in value:
        event_ms = int(value.get("E") or 0)
        bids, asks = (_levels(value[side]) for side in ("bids", "asks"))
        state = BookState(int(value["lastUpdateId"]), event_ms, int(value.get("T") or event_ms), bids, asks)
        return SnapshotLine(recv_ns, state)
    if isinstance(value.get("stream"), str) and "data" in value:
        return FrameLine(recv_ns, value["stream"], body, _exact_member(body, "data"))
    return None


def _levels(rows: list[list[str]]) -> list[Level]:
    return [(price, quantity) for price, quantity, *_ in rows]


def _is_one_value(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _exact_member(body: bytes, name: str) -> bytes:
    """Cut the bytes of one member's value out of an object whose layout is not the usual one."""
    text = body.decode()
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,:]*")
    at = text.index("{") + 1
    while True:
        at = space.match(text, at).end()  # type: ignore[union-attr]
        key, at = decoder.raw_decode(text, at)
        start = space.match(text, at).end()  # type: ignore[union-attr]
        _, at = decoder.raw_decode(text, start)
        if key == name:
            return text[start:at].encode()
