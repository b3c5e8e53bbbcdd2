"""Bybit's public market data, linear contracts (v5): what it is asked, and what its answers mean (docs/venues/bybit.md).

A symbol's book comes in four streams of different depth, each with whole books in it and with ids of its own; `seq` orders their messages
among each other. Fields are found by their names: their order differs by category and may change.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from marketlink.book.rules import ByNextId, DepthUpdate, Rule, Snapshot
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, LOCAL, SELL, TRADE, empty_events
from marketlink.venues.base import (
    BASE,
    Answer,
    Beat,
    Book,
    Depth,
    ExchangeInfo,
    Get,
    Heading,
    NotUsed,
    PublicVenue,
    Refusal,
    ShuttingDown,
    Ticks,
    VenueMessage,
    WeightLimit,
)
from marketlink.venues.bybit.info import read_info
from marketlink.venues.bybit.words import LINEAR, result_of, rows_of, word
from marketlink.venues.fields import (
    MAX_MS,
    MS_NS,
    Unusable,
    best_first,
    check_sides,
    decimals,
    depth_events,
    json_object,
    level_numbers,
    text,
    whole,
)
from marketlink.venues.scan import ScannedBook, scan_book

DEPTHS: Final = (1, 50, 200, 1000)
"""The levels a side that a stream of the book can show, the quickest first: every 10, 20, 100 and 200 ms."""
DEEPEST: Final = DEPTHS[-1]
KNOWN_UNUSED: Final = frozenset(
    ("tickers", "kline", "liquidation", "allLiquidation", "priceLimit", "insurance", "adlAlert", "system", "rpi")
)
CONFIG_NAMES: Final = {
    "public_url": "stream_url",
    "private_url": "user_stream_url",
    "trade_url": "trade_ws_url",
    "rest_url": "api_url",
}
RESTARTED: Final = 1
"""The update id of the whole book that follows a restart of the exchange's service, whatever the frame's type says."""

_TOPIC: Final = re.compile(rb'"topic"\s*:\s*"([^"\\]{1,80})"')
_LOOK: Final = 120  # bytes: where the exchange puts the topic
_CONTROL_HEADS: Final = (b'{"topic":"', b'{"type":"', b'{"ts":', b'{"data":{"s"')  # of data, in the orders seen
_ROOT_ENDS: Final = re.compile(r"/v5(?:/(?:public/[a-z]+|private|trade))?/*$")
BookScan = Callable[[bytes, int], ScannedBook | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Topic:
    """A message of a topic that is used; `depth` of a book, 0 of trades."""

    depth: int
    symbol: str
    message: Mapping[str, object]


def reduced_root(url: str) -> str | None:
    """Return the root below a URL that names one of the v5 websockets, as the source's configuration does; None when it is a root."""
    root = _ROOT_ENDS.sub("", url, count=1).rstrip("/")
    return None if root == url.rstrip("/") else root


def window_of(depth: int) -> int:
    """The window that a depth is: the deepest stream is the book itself."""
    return BASE if depth == DEEPEST else depth


@dataclass(frozen=True)
class BybitLinear:
    """The linear row: constants and pure functions. Errors: MalformedMessage only."""

    name: str = "bybit"
    category: str = LINEAR
    rule: Rule = field(default_factory=ByNextId)
    config_names: Mapping[str, str] = field(default_factory=lambda: CONFIG_NAMES)
    config_values: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"category": (LINEAR,)})
    max_streams: int = 400  # with their names below the 21,000 characters of one connection
    max_batch: int = 10
    max_messages_per_s: int = 10
    beat: tuple[float, bytes] | None = (20.0, b'{"req_id":"ping","op":"ping"}')
    snapshot_in_stream: bool = True
    windows: Sequence[int] = DEPTHS[:-1]
    used_weight_header: str = ""  # the limit of an address is nowhere counted for the client
    weight_limit: WeightLimit = field(default_factory=lambda: WeightLimit(600, 5))  # requests; each counts one
    hold_s: Mapping[int, float] = field(default_factory=lambda: {403: 600.0})
    stream_root: str = "wss://stream.bybit.com"
    rest_root: str = "https://api.bybit.com"
    test_stream_root: str = "wss://stream-testnet.bybit.com"
    test_rest_root: str = "https://api-testnet.bybit.com"
    demo_private_root: str = "wss://stream-demo.bybit.com"  # demo trading has production's market data
    demo_rest_root: str = "https://api-demo.bybit.com"
    page_limit: int = 1000
    depth_limit: int = 500
    scan: BookScan | None = None  # what it leaves goes through the JSON

    def normal_symbol(self, symbol: str) -> str:
        """Upper case."""
        return symbol.strip().upper()

    def stream_url(self, root: str) -> str:
        """Return `{root}/v5/public/linear`; a URL of one of the v5 websockets is reduced to its root first."""
        return f"{(reduced_root(root) or root).rstrip('/')}/v5/public/{self.category}"

    def reduced_root(self, url: str) -> str | None:
        """See the function of this name."""
        return reduced_root(url)

    def warm_up(self) -> None:
        """Load the scanner's kernels."""
        if self.scan is not None:
            self.scan(b'{"topic":"orderbook.1.X"}', 0)

    def depth_stream(self, symbol: str, window: int = BASE) -> str:
        """The topic of a symbol's book of so many levels."""
        return f"orderbook.{window or DEEPEST}.{symbol}"

    def stream_key(self, frame: bytes) -> bytes:
        """The topic."""
        found = _TOPIC.search(frame, 0, _LOOK) or _TOPIC.search(frame)
        return found[1] if found else b""

    def live_streams(self, symbol: str) -> Sequence[str]:
        """Trades, and the book in every depth: the deepest is the book, the others know its best levels sooner."""
        return (f"publicTrade.{symbol}", *(f"orderbook.{depth}.{symbol}" for depth in DEPTHS))

    def recorded_streams(self, symbol: str) -> Sequence[str]:
        """The same, so that a recording serves a connector."""
        return self.live_streams(symbol)

    def subscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """Return the subscribe message."""
        return orjson.dumps({"req_id": str(request_id), "op": "subscribe", "args": list(streams)})

    def unsubscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """Return the unsubscribe message."""
        return orjson.dumps({"req_id": str(request_id), "op": "unsubscribe", "args": list(streams)})

    def control(self, frame: bytes) -> Answer | Beat | ShuttingDown | None:
        """Read an answer to a subscription or to a beat; None for data and for what can't be read."""
        if frame.startswith(_CONTROL_HEADS) and b'"op"' not in frame[:_LOOK]:
            return None
        try:
            opened = self._open(frame)
        except MalformedMessage:
            return None
        return opened if isinstance(opened, (Answer, Beat)) else None

    def decode(self, frame: bytes, recv_ns: int) -> VenueMessage:
        """Decode a frame; an ordinary one of the book without a parser's help."""
        if self.scan is not None and (scanned := self.scan(frame, recv_ns)) is not None:
            message = _scanned(scanned)
            if message is not None:
                return message
        return self.decode_json(frame, recv_ns)

    def decode_json(self, frame: bytes, recv_ns: int) -> VenueMessage:
        """Decode by parsing the JSON: the slow twin of any quicker way that `decode` may take first."""
        opened = self._open(frame)
        if not isinstance(opened, _Topic):
            return opened
        try:
            if opened.depth:
                return _book(opened, recv_ns)
            return _trades(opened, recv_ns)
        except Unusable as error:
            raise self._malformed(error, frame, opened.symbol, "depth" if opened.depth else "trade") from error

    def heading(self, frame: bytes) -> Heading | Answer | Beat | ShuttingDown | NotUsed:
        """Read whose frame it is and, of the book, its id; levels and prices are not looked at."""
        opened = self._open(frame)
        if not isinstance(opened, _Topic):
            return opened
        if not opened.depth:
            return Heading(opened.symbol, "trade")
        try:
            last_id, is_whole = _head(opened)
        except Unusable as error:
            raise self._malformed(error, frame, opened.symbol, "depth") from error
        window = window_of(opened.depth)
        return Heading(opened.symbol, "depth", last_id, last_id, window=window, whole=is_whole)

    def snapshot_request(self, symbol: str) -> Get:
        """Ask for a whole book by REST: to compare with, the streams bring their own."""
        query = {"category": self.category, "symbol": symbol, "limit": str(self.depth_limit)}
        return Get("/v5/market/orderbook", query, 1)

    def decode_snapshot(self, symbol: str, body: bytes, recv_ns: int) -> Snapshot:
        """Decode it; its `u` is of the deepest stream. Exchange time is `cts`, else `ts`."""
        try:
            return _whole_book(result_of(body), None, recv_ns)
        except Unusable as error:
            raise self._malformed(error, body, symbol, "snapshot") from error

    def refusal(self, body: bytes) -> Refusal | None:
        """Read `{"retCode":..,"retMsg":..}` with a code that is not 0; errors come with HTTP 200."""
        try:
            data = json_object(body)
        except Unusable:
            return None
        code = data.get("retCode")
        if type(code) is not int or code == 0:
            return None
        return Refusal(code, word(data, "retMsg"))

    def info_request(self, page: str = "") -> Get:
        """Ask for a page of the instruments."""
        query = {"category": self.category, "limit": str(self.page_limit)}
        return Get("/v5/market/instruments-info", {**query, "cursor": page} if page else query, 1)

    def decode_info(self, body: bytes) -> ExchangeInfo:
        """Decode it; see `read_info`."""
        try:
            return read_info(body, self.weight_limit)
        except Unusable as error:
            raise self._malformed(error, body, None, "info") from error

    def _malformed(self, error: Unusable, frame: bytes, symbol: str | None, stream: str | None) -> MalformedMessage:
        return MalformedMessage(self.name, str(error), frame, symbol=symbol, stream=stream)

    def _open(self, frame: bytes) -> _Topic | Answer | Beat | NotUsed:
        try:
            return _route(json_object(frame))
        except Unusable as error:
            kind, _, rest = self.stream_key(frame).decode(errors="replace").partition(".")
            stream = {"orderbook": "depth", "publicTrade": "trade"}.get(kind)
            raise self._malformed(error, frame, rest.rpartition(".")[2] or None, stream) from error


def _route(message: Mapping[str, object]) -> _Topic | Answer | Beat | NotUsed:
    """Find out what a frame is. A topic's symbol and that in its data must agree."""
    if "topic" not in message:
        return _answer(message)
    topic = text(message, "topic")
    kind, _, rest = topic.partition(".")
    if kind == "publicTrade" and rest:
        return _Topic(0, rest, message)
    if kind != "orderbook":
        return NotUsed(kind, kind in KNOWN_UNUSED)
    depth, _, symbol = rest.partition(".")
    if not depth.isdecimal():  # orders for retail only, `orderbook.rpi.SYMBOL`, are no part of the book
        return NotUsed(f"orderbook.{depth}", depth in KNOWN_UNUSED)
    if int(depth) not in DEPTHS or not symbol:
        return NotUsed(f"orderbook.{depth}", known=True)
    return _Topic(int(depth), symbol, message)


def _answer(message: Mapping[str, object]) -> Answer | Beat | NotUsed:
    """Read `{"success":true,"ret_msg":"","req_id":"1","op":"subscribe"}`.

    A pong says `"op":"ping"` and `"ret_msg":"pong"`, or `"op":"pong"`. Options answer without a number, by the topics.
    """
    op = word(message, "op")
    if op == "pong" or (op == "ping" and word(message, "ret_msg") == "pong"):
        return Beat()
    success = message.get("success")
    if type(success) is not bool:
        return NotUsed("?", known=False)
    request_id = word(message, "req_id") or None
    if success:
        data = message.get("data")
        named = data.get("successTopics") if type(data) is dict else None
        streams = tuple(str(topic) for topic in named) if type(named) is list else ()
        return Answer(request_id, None, streams)
    return Answer(request_id, word(message, "ret_msg") or "refused without a reason")


def _head(topic: _Topic) -> tuple[int, bool]:
    """The update id of a book's message, and whether it is a whole book."""
    message = topic.message
    data = message.get("data")
    if type(data) is not dict:
        raise Unusable("data")
    if data.get("s") != topic.symbol:
        raise Unusable("s")
    if message.get("type") not in ("snapshot", "delta"):
        raise Unusable("type")
    last_id = whole(data, "u")
    return last_id, message["type"] == "snapshot" or last_id == RESTARTED


def _book(topic: _Topic, recv_ns: int) -> VenueMessage:
    last_id, is_whole = _head(topic)
    data = topic.message["data"]
    assert isinstance(data, dict)
    window = window_of(topic.depth)
    if is_whole:
        return Book(topic.symbol, _whole_book(data, topic.message, recv_ns), window)
    exch_ns, version = _dates(data, topic.message)
    bids, asks = level_numbers(data, "b"), level_numbers(data, "a")
    events = depth_events(bids, asks, exch_ns, recv_ns, last_id)
    return Depth(topic.symbol, DepthUpdate(last_id, last_id, None, events, version), window)


def _dates(data: Mapping[str, object], around: Mapping[str, object] | None) -> tuple[int, int]:
    """Exchange time, ns, and version: `cts` is the matching engine's time, `seq` its order; where they are absent `ts` stands for both."""
    told = data if around is None else around
    whole(told, "ts", MAX_MS)
    name = "cts" if told.get("cts") is not None else "ts"
    exch_ms = whole(told, name, MAX_MS)
    return exch_ms * MS_NS, whole(data, "seq") if data.get("seq") is not None else exch_ms


def _whole_book(data: Mapping[str, object], around: Mapping[str, object] | None, recv_ns: int) -> Snapshot:
    """A whole book; it may be empty, as before trading begins, but never crossed."""
    last_id = whole(data, "u")
    exch_ns, version = _dates(data, around)
    bids = best_first(level_numbers(data, "b"), descending=True)
    asks = best_first(level_numbers(data, "a"), descending=False)
    if bids or asks:
        check_sides(bids, asks)
    return Snapshot(last_id, depth_events(bids, asks, exch_ns, recv_ns, last_id), version)


def _scanned(scanned: ScannedBook) -> VenueMessage | None:
    """What a scanned frame is; None for all that the JSON's reader is to judge: whatever is well-formed and makes no sense, too."""
    kind, _, rest = scanned.topic.partition(".")
    depth, _, symbol = rest.partition(".")
    if (
        kind != "orderbook"
        or not depth.isdecimal()
        or int(depth) not in DEPTHS
        or symbol != scanned.symbol
        or not symbol
    ):
        return None
    events, last_id, window = scanned.events, scanned.last_id, window_of(int(depth))
    prices = events["px"]
    if not prices.all():
        return None
    if not (scanned.whole or last_id == RESTARTED):
        return Depth(symbol, DepthUpdate(last_id, last_id, None, events, scanned.sequence), window)
    bids, asks = prices[: scanned.bids], prices[scanned.bids :]
    in_order = (bids[1:] <= bids[:-1]).all() and (asks[1:] >= asks[:-1]).all()
    if not in_order or (bids.size and asks.size and bids[0] >= asks[0]):
        return None
    return Book(symbol, Snapshot(last_id, events, scanned.sequence), window)


def _trades(topic: _Topic, recv_ns: int) -> Ticks:
    """Trades of one symbol, oldest first; options' topics name its coin only.

    Block trades are none of the book's. The ids are no numbers: `ival` is `seq`, where it is told.
    """
    rows = rows_of(topic.message, "data")
    symbol = text(rows[0], "s") if rows else topic.symbol
    found: list[tuple[object, ...]] = []
    for row in rows:
        if text(row, "s") != symbol or not symbol.startswith(topic.symbol):
            raise Unusable("s")
        side = {"Buy": BUY, "Sell": SELL}.get(text(row, "S"))
        if side is None:
            raise Unusable("S")
        price, quantity = decimals([text(row, "p"), text(row, "v")], "p and v")
        exch_ns = whole(row, "T", MAX_MS) * MS_NS
        if not price:
            raise Unusable("p")
        sequence = whole(row, "seq") if row.get("seq") is not None else 0
        if row.get("BT") is not True and quantity:
            found.append((LOCAL | TRADE | side, exch_ns, recv_ns, price, quantity, 0, sequence, 0.0))
    events = empty_events(len(found))
    for at, record in enumerate(found):
        events[at] = record
    return Ticks(symbol, events)


LINEAR_PUBLIC: Final = BybitLinear(scan=scan_book)
_CONFORMS: PublicVenue = LINEAR_PUBLIC  # checked by mypy
