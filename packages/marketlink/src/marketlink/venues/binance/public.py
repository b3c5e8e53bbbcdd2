"""Binance's public market data, futures and spot: what it is asked, and what its answers mean (docs/venues).

The exchange's one-letter fields end here. `decode` is the whole and exact reading of a frame; `heading` and `control` read only
what a recorder and a feed need, by a pattern for the layout that the exchange sends today, else by the same way as `decode`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import orjson

from marketlink.book.rules import ByPreviousId, DepthUpdate, Rule, Snapshot
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, DEPTH_BBO, LOCAL, SELL, TRADE, Events, empty_events
from marketlink.venues.base import (
    BASE,
    Answer,
    Depth,
    ExchangeInfo,
    Get,
    Heading,
    NotUsed,
    Refusal,
    ShuttingDown,
    Ticks,
    VenueMessage,
    WeightLimit,
)
from marketlink.venues.binance.info import read_info
from marketlink.venues.binance.layout import (
    DEPTH_START,
    FUTURES,
    QUOTE_FIELDS,
    Layout,
)
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
    time_ns,
    whole,
)
from marketlink.venues.grammar import DepthGrammar

STREAM_OF: Final = {"depthUpdate": "depth", "trade": "trade", "bookTicker": "bookTicker"}
KIND_OF: Final = {stream: kind for kind, stream in STREAM_OF.items()}
KNOWN_UNUSED: Final = frozenset(
    re.findall(
        r"\w+",
        "aggTrade markPriceUpdate indexPriceUpdate forceOrder kline continuous_kline 24hrTicker 24hrMiniTicker contractInfo "
        "compositeIndex assetIndexUpdate tradingSession rpiDepth depth5 depth10 depth20",
    )
)

_NAME_AT: Final = len('{"stream":"')
_ROOT_ENDS: Final = re.compile(r"(?:/(?:public|market|private|pm))?(?:/(?:ws|stream))?/*(?:\?.*)?$")
_BANNED_UNTIL: Final = re.compile(r"banned until ([0-9]{13})")
_STREAM: Final = re.compile(rb'"stream"\s*:\s*"([^"@!\\]+)@([A-Za-z0-9]+)')
_SYMBOL: Final = re.compile(rb'"s"\s*:\s*"([^"\\]+)"')
_KIND: Final = re.compile(rb'"e"\s*:\s*"([A-Za-z0-9]+)"')


DepthScan = Callable[[bytes, int], tuple[str, DepthUpdate] | None]
"""Reads a depth frame received at a time into symbol and update; None for whatever it does not surely read as the JSON says."""


@dataclass(frozen=True, slots=True, eq=False)
class _Payload:
    """A message of a kind that is used."""

    kind: str
    symbol: str
    data: Mapping[str, object]


def _request_id(message: Mapping[str, object]) -> int | str | None:
    value = message.get("id")
    return value if type(value) is int or type(value) is str else None


def _answer(message: Mapping[str, object]) -> Answer | None:
    error = message.get("error")
    if error is None and "code" in message and "msg" in message:
        error = message
    if isinstance(error, Mapping):
        return Answer(_request_id(message), f"{error.get('code')}: {error.get('msg')}")
    if error is not None:
        return Answer(_request_id(message), str(error))
    return Answer(_request_id(message), None) if "result" in message and "id" in message else None


@lru_cache(maxsize=4096)
def _lower(symbol: bytes) -> str:
    return symbol.decode(errors="replace").lower()


@lru_cache(maxsize=8192)
def _tick_heading(symbol: bytes, stream: bytes) -> Heading:
    return Heading(_lower(symbol), stream.decode())


def reduced_root(url: str) -> str | None:
    """Return the root below a URL that names a route (`/ws`, `/stream`, `/public/ws?...`); None when it is a root already.

    The routes without a category are the exchange's older form, which since 2026-04-23 leaves part of the data out in silence.
    """
    root = _ROOT_ENDS.sub("", url, count=1)
    return None if root == url.rstrip("/") else root


@dataclass(frozen=True)
class BinancePublic:
    """One product's row: constants and pure functions; its own values are USD-M's. Errors: MalformedMessage only."""

    name: str = "binancefutures"
    rule: Rule = field(default_factory=ByPreviousId)
    max_streams: int = 200
    config_names: Mapping[str, str] = field(default_factory=dict)
    config_values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_batch: int = 50
    max_messages_per_s: int = 10
    beat: tuple[float, bytes] | None = None
    snapshot_in_stream: bool = False
    windows: Sequence[int] = ()
    hold_s: Mapping[int, float] = field(default_factory=dict)
    used_weight_header: str = "X-MBX-USED-WEIGHT-1M"
    weight_limit: WeightLimit = field(default_factory=lambda: WeightLimit(2400, 60))
    stream_root: str = "wss://fstream.binance.com"
    rest_root: str = "https://fapi.binance.com"
    test_stream_root: str = "wss://fstream.binancefuture.com"
    test_rest_root: str = "https://demo-fapi.binance.com"
    api: str = "/fapi/v1"
    route: str = "/public/stream"
    depth_speed: str = "0ms"
    depth_limit: int = 1000
    depth_weight: int = 20
    info_query: Mapping[str, str] = field(default_factory=dict)
    info_weight: int = 1
    product: int | None = 1  # of the field `st`: 1 USD-M, 2 COIN-M; None: it is not looked at
    layout: Layout = FUTURES
    scan: DepthScan | None = None  # what it leaves goes through the JSON

    def normal_symbol(self, symbol: str) -> str:
        """Lower case, as in stream names."""
        return symbol.strip().lower()

    def stream_url(self, root: str) -> str:
        """Return the root with the route; a URL in the older style is reduced to its root first (see `reduced_root`)."""
        return f"{(reduced_root(root) or root).rstrip('/')}{self.route}"

    def warm_up(self) -> None:
        """Load the scanner's kernels."""
        if self.scan is not None:
            self.scan(b'{"e":"depthUpdate"}', 0)

    def reduced_root(self, url: str) -> str | None:
        """See the function of this name."""
        return reduced_root(url)

    @property
    def depth_grammar(self) -> DepthGrammar | None:
        """How its depth frames are written, for the compiled step; None without a scanner."""
        if self.scan is None:
            return None
        from marketlink.venues import kernels  # here, because it imports numba

        layout = self.layout
        fields = kernels.FUTURES_FIELDS if layout.names_previous else kernels.SPOT_FIELDS
        return DepthGrammar(fields, layout.unit_ns, layout.names_previous, self._depth_start, self._is_foreign)

    def _depth_start(self, symbol: str) -> bytes | None:
        start = b'{"stream":"%b"' % self.depth_stream(symbol).encode()
        return start if DEPTH_START.fullmatch(start) else None

    def depth_stream(self, symbol: str, window: int = BASE) -> str:
        """Depth at the highest speed there is."""
        return f"{symbol}@depth@{self.depth_speed}"

    def stream_key(self, frame: bytes) -> bytes:
        """What stands in `{"stream":"NAME","data":{...}}`; a bare frame has none."""
        return frame[_NAME_AT : frame.find(b'"', _NAME_AT)]

    def live_streams(self, symbol: str) -> Sequence[str]:
        """Trades and depth."""
        return (f"{symbol}@trade", self.depth_stream(symbol))

    def recorded_streams(self, symbol: str) -> Sequence[str]:
        """Trades, best quotes and depth."""
        return (f"{symbol}@trade", f"{symbol}@bookTicker", self.depth_stream(symbol))

    def subscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """Return the SUBSCRIBE message."""
        return orjson.dumps({"method": "SUBSCRIBE", "params": list(streams), "id": request_id})

    def unsubscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """Return the UNSUBSCRIBE message."""
        return orjson.dumps({"method": "UNSUBSCRIBE", "params": list(streams), "id": request_id})

    def control(self, frame: bytes) -> Answer | ShuttingDown | None:
        """Read an answer or a notice of shutdown; None for data and for what can't be read."""
        if frame.startswith((b'{"stream":"', b'{"e":"')) and frame.find(b'"serverShutdown"', 0, 200) < 0:
            return None
        try:
            opened = self._open(frame)
        except MalformedMessage:
            return None
        return opened if isinstance(opened, (Answer, ShuttingDown)) else None

    def decode(self, frame: bytes, recv_ns: int) -> VenueMessage:
        """Decode a combined (`/stream`) or bare (`/ws`) frame; an ordinary depth update without a parser's help."""
        if self.scan is not None and DEPTH_START.match(frame) and not self._is_foreign(frame):
            scanned = self.scan(frame, recv_ns)
            if scanned is not None and _is_sound(scanned[1]):
                return Depth(*scanned)
        return self.decode_json(frame, recv_ns)

    def decode_json(self, frame: bytes, recv_ns: int) -> VenueMessage:
        """Decode by parsing the JSON: the slow twin of any quicker way that `decode` may take first."""
        opened = self._open(frame)
        if not isinstance(opened, _Payload):
            return opened
        data, symbol = opened.data, opened.symbol
        try:
            match opened.kind:
                case "depthUpdate":
                    return Depth(symbol, self._depth(data, recv_ns))
                case "trade":
                    return Ticks(symbol, self._trade(data, recv_ns))
                case _:
                    return Ticks(symbol, self._quotes(data, recv_ns))
        except Unusable as error:
            raise MalformedMessage(
                self.name, str(error), frame, symbol=symbol, stream=STREAM_OF[opened.kind]
            ) from error

    def heading(self, frame: bytes) -> Heading | Answer | ShuttingDown | NotUsed:
        """Read whose frame it is and, of depth, its ids; levels and prices are not looked at."""
        if frame.endswith(b"}}") and not self._is_foreign(frame):
            if found := self.layout.tick_head.match(frame):
                return _tick_heading(found[3], found[1] or found[2])
            if found := self.layout.depth_head.match(frame):
                first, last = int(found[2]), int(found[3])
                prev = int(found[4]) if self.layout.names_previous else None
                if first <= last:
                    return Heading(_lower(found[1]), "depth", first, last, prev)
        opened = self._open(frame)
        if not isinstance(opened, _Payload):
            return opened
        if opened.kind != "depthUpdate":
            return Heading(opened.symbol, STREAM_OF[opened.kind])
        try:
            first, last, prev = self._ids(opened.data)
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), frame, symbol=opened.symbol, stream="depth") from error
        return Heading(opened.symbol, "depth", first, last, prev)

    def snapshot_request(self, symbol: str) -> Get:
        """Ask for as many of the best levels as the exchange gives."""
        return Get(f"{self.api}/depth", {"symbol": symbol.upper(), "limit": str(self.depth_limit)}, self.depth_weight)

    def decode_snapshot(self, symbol: str, body: bytes, recv_ns: int) -> Snapshot:
        """Decode a whole book. Exchange time is `T`, else `E`, else the time of receipt (spot's form has neither)."""
        try:
            data = json_object(body)
            last_id = whole(data, "lastUpdateId")
            times = [whole(data, name, MAX_MS) * MS_NS for name in ("T", "E") if data.get(name) is not None]
            bids = best_first(level_numbers(data, "bids"), descending=True)
            asks = best_first(level_numbers(data, "asks"), descending=False)
            check_sides(bids, asks)
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), body, symbol=symbol, stream="snapshot") from error
        return Snapshot(last_id, depth_events(bids, asks, times[0] if times else recv_ns, recv_ns, last_id))

    def refusal(self, body: bytes) -> Refusal | None:
        """Read `{"code":..,"msg":..}`; the text of -1003 may name the end of a ban in milliseconds."""
        try:
            data = json_object(body)
        except Unusable:
            return None
        code, words = data.get("code"), data.get("msg")
        if type(code) is not int or code == 200 or type(words) is not str:
            return None
        until = _BANNED_UNTIL.search(words)
        return Refusal(code, words, int(until[1]) * MS_NS if until else None)

    def info_request(self, page: str = "") -> Get:
        """Ask for instruments and limits: one page."""
        return Get(f"{self.api}/exchangeInfo", self.info_query, self.info_weight)

    def decode_info(self, body: bytes) -> ExchangeInfo:
        """Decode them; see `read_info`."""
        try:
            return read_info(body, self.weight_limit)
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), body, stream="info") from error

    def _is_foreign(self, frame: bytes) -> bool:
        """Whether a frame in the exchange's compact layout is of another product, or may be."""
        if self.product is None:
            return False
        at = frame.find(b'"st":')
        return at >= 0 and frame[at + 5 : at + 7] not in (b"%d," % self.product, b"%d}" % self.product)

    def _open(self, frame: bytes) -> _Payload | Answer | ShuttingDown | NotUsed:
        try:
            return self._route(frame)
        except Unusable as error:
            symbol, stream = _told(frame)
            raise MalformedMessage(self.name, str(error), frame, symbol=symbol, stream=stream) from error

    def _route(self, frame: bytes) -> _Payload | Answer | ShuttingDown | NotUsed:
        """Find the payload of a frame. A stream's name and its payload must agree on the kind; the symbol is the payload's."""
        try:
            message = orjson.loads(frame)
        except orjson.JSONDecodeError as error:
            raise Unusable("json") from error
        symbol, stream, data = "", "", message
        if type(message) is dict and "stream" in message:
            if type(message["stream"]) is not str:
                raise Unusable("stream")
            symbol, _, rest = message["stream"].partition("@")
            stream, data = rest.partition("@")[0], message.get("data")
        elif type(message) is dict and type(message.get("event")) is dict:
            data = message["event"]
        if type(data) is list and data and type(data[0]) is dict:  # all symbols at once: `!ticker@arr`
            kind = str(data[0].get("e", symbol))
            return NotUsed(kind, kind in KNOWN_UNUSED)
        if type(data) is not dict:
            raise Unusable("data" if data is not message else "json object")
        kind = self._kind(stream, data)
        if data is message and kind == "?" and "e" not in data:
            answer = _answer(data)
            return answer or NotUsed("?", known=False)
        if kind == "serverShutdown":
            return ShuttingDown()
        if stream in KIND_OF and kind != KIND_OF[stream]:
            raise Unusable("e")
        if kind not in STREAM_OF:
            return NotUsed(kind, kind in KNOWN_UNUSED)
        if stream and stream != STREAM_OF[kind]:  # partial depth and rpiDepth call themselves depthUpdate as well
            return NotUsed(stream, stream in KNOWN_UNUSED)
        product = data.get("st", self.product)
        if self.product is not None and product != self.product:  # streams may carry both products since 2026-06-30
            return NotUsed(f"{kind} st={product}", known=product in (1, 2))
        return _Payload(kind, text(data, "s").lower(), data)

    def _kind(self, stream: str, data: Mapping[str, object]) -> str:
        """What a message calls itself. Spot's best quotes say nothing; they are known by their stream, or by their fields."""
        named = data.get("e")
        if type(named) is str:
            return named
        untold = named is None and not self.layout.quotes_timed
        return "bookTicker" if untold and (stream == "bookTicker" or data.keys() >= QUOTE_FIELDS) else "?"

    def _ids(self, data: Mapping[str, object]) -> tuple[int, int, int | None]:
        first, last = whole(data, "U"), whole(data, "u")
        prev = whole(data, "pu") if self.layout.names_previous else None
        if first > last:
            raise Unusable("u")
        return first, last, prev

    def _depth(self, data: Mapping[str, object], recv_ns: int) -> DepthUpdate:
        first, last, prev = self._ids(data)
        bids, asks = level_numbers(data, "b"), level_numbers(data, "a")
        exch_ns = time_ns(data, self.layout.depth_time, self.layout.unit_ns)
        return DepthUpdate(first, last, prev, depth_events(bids, asks, exch_ns, recv_ns, last))

    def _trade(self, data: Mapping[str, object], recv_ns: int) -> Events:
        """Only `X == "MARKET"` is a trade of the book; insurance fund and ADL are not, and a placeholder has the price zero.

        Spot has no `X`; its `M` means nothing.
        """
        if self.layout.says_market and text(data, "X") != "MARKET":
            return empty_events()
        buyer_is_maker = data.get("m")
        if type(buyer_is_maker) is not bool:
            raise Unusable("m")
        price, quantity = decimals([text(data, "p")], "p")[0], decimals([text(data, "q")], "q")[0]
        if price == 0:
            raise Unusable("p")
        events = empty_events(1)
        side = SELL if buyer_is_maker else BUY
        exch_ns = time_ns(data, "T", self.layout.unit_ns)
        events[0] = (LOCAL | TRADE | side, exch_ns, recv_ns, price, quantity, 0, whole(data, "t"), 0.0)
        return events

    def _quotes(self, data: Mapping[str, object], recv_ns: int) -> Events:
        """Best bid and best ask; an empty side is price and quantity zero. Without a time of the exchange's: that of receipt."""
        bid, bid_qty, ask, ask_qty = (decimals([text(data, name)], name)[0] for name in "bBaA")
        exch_ns = time_ns(data, "T") if self.layout.quotes_timed else recv_ns
        last_id = whole(data, "u")
        events = empty_events(2)
        events[0] = (LOCAL | DEPTH_BBO | BUY, exch_ns, recv_ns, bid, bid_qty, 0, last_id, 0.0)
        events[1] = (LOCAL | DEPTH_BBO | SELL, exch_ns, recv_ns, ask, ask_qty, 0, last_id, 0.0)
        return events


def _is_sound(update: DepthUpdate) -> bool:
    """Whether a scanned update is one that the JSON's reader would accept: it also refuses what is well-formed and makes no sense."""
    return update.first_id <= update.last_id and bool(update.events["px"].all())


def _told(frame: bytes) -> tuple[str | None, str | None]:
    """Tell the symbol and the stream of a frame that can't be read otherwise, as far as its bytes show them."""
    if found := _STREAM.search(frame, 0, 200):
        return _lower(found[1]), found[2].decode()
    symbol, kind = _SYMBOL.search(frame, 0, 400), _KIND.search(frame, 0, 400)
    return (_lower(symbol[1]) if symbol else None, STREAM_OF.get(kind[1].decode()) if kind else None)
