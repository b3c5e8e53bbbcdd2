"""Hyperliquid's public market data: what it is asked, and what its answers mean (docs/venues/hyperliquid.md).

Every `l2Book` is the whole book of twenty levels a side, without an id; `bbo` knows the best of each side sooner. A stream is called
`type:COIN` here, and coins are spelt as the exchange does: `kPEPE` is not `KPEPE`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from marketlink.book.rules import ByNextId, Rule, Snapshot
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, LOCAL, SELL, TRADE, empty_events
from marketlink.venues.base import (
    BASE,
    Answer,
    Beat,
    Book,
    ExchangeInfo,
    Get,
    Heading,
    Instrument,
    NotUsed,
    PublicVenue,
    Refusal,
    ShuttingDown,
    Ticks,
    VenueMessage,
    WeightLimit,
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
    text,
    whole,
)

BEST: Final = 1
"""The window of `bbo`: one level a side."""
MOST_DECIMALS: Final = 6
"""A price has at most so many decimals, less those of the coin's quantities."""
KNOWN_UNUSED: Final = frozenset(
    ("allMids", "candle", "activeAssetCtx", "activeSpotAssetCtx", "notification", "webData2", "user", "userEvents")
)
STREAMS: Final = {"l2Book": "depth", "bbo": "bbo", "trades": "trade"}

_LOOK: Final = 200  # bytes: where the exchange puts channel and coin
_CHANNEL: Final = re.compile(rb'"channel"\s*:\s*"([A-Za-z0-9]{1,40})"')
_COIN: Final = re.compile(rb'"coin"\s*:\s*"([^"\\]{1,60})"')
_NAMED: Final = re.compile(r'"type"\s*:\s*"(\w+)"')
_NAMED_COIN: Final = re.compile(r'"coin"\s*:\s*"([^"\\]+)"')
_ROOT_ENDS: Final = re.compile(r"/(?:ws|info)/*$")


@dataclass(frozen=True)
class Hyperliquid:
    """Constants and pure functions. Errors: MalformedMessage only."""

    name: str = "hyperliquid"
    rule: Rule = field(default_factory=ByNextId)  # nothing follows anything: every book is whole
    config_names: Mapping[str, str] = field(default_factory=dict)
    config_values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_streams: int = 1000
    max_batch: int = 1
    max_messages_per_s: int = 20
    beat: tuple[float, bytes] | None = (30.0, b'{"method":"ping"}')
    snapshot_in_stream: bool = True
    windows: Sequence[int] = (BEST,)
    used_weight_header: str = ""
    weight_limit: WeightLimit = field(default_factory=lambda: WeightLimit(1200, 60))
    hold_s: Mapping[int, float] = field(default_factory=dict)
    stream_root: str = "wss://api.hyperliquid.xyz"
    rest_root: str = "https://api.hyperliquid.xyz"
    test_stream_root: str = "wss://api.hyperliquid-testnet.xyz"
    test_rest_root: str = "https://api.hyperliquid-testnet.xyz"

    def normal_symbol(self, symbol: str) -> str:
        """As it is: letters of either case are different."""
        return symbol.strip()

    def stream_url(self, root: str) -> str:
        """Return `{root}/ws`."""
        return f"{(self.reduced_root(root) or root).rstrip('/')}/ws"

    def reduced_root(self, url: str) -> str | None:
        """The root below an address with its route; None when it is a root."""
        root = _ROOT_ENDS.sub("", url, count=1).rstrip("/")
        return None if root == url.rstrip("/") else root

    def warm_up(self) -> None:
        """Nothing is to be loaded."""

    def depth_stream(self, symbol: str, window: int = BASE) -> str:
        """The book, or the best of each side."""
        return f"{'l2Book' if window == BASE else 'bbo'}:{symbol}"

    def stream_key(self, frame: bytes) -> bytes:
        """Channel and coin, which both stand among the first bytes."""
        channel, coin = _CHANNEL.search(frame, 0, _LOOK), _COIN.search(frame, 0, _LOOK)
        if channel is None or coin is None:
            channel, coin = _CHANNEL.search(frame), _COIN.search(frame)
        return b"%b:%b" % (channel[1], coin[1]) if channel and coin else b""

    def live_streams(self, symbol: str) -> Sequence[str]:
        """Trades, books, the best of each side."""
        return (f"trades:{symbol}", f"l2Book:{symbol}", f"bbo:{symbol}")

    def recorded_streams(self, symbol: str) -> Sequence[str]:
        """The same."""
        return self.live_streams(symbol)

    def subscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """Return the message for one stream; it has no number."""
        return _request("subscribe", streams)

    def unsubscribe(self, streams: Sequence[str], request_id: int) -> bytes:
        """Return the message that ends one."""
        return _request("unsubscribe", streams)

    def control(self, frame: bytes) -> Answer | Beat | ShuttingDown | None:
        """Read an answer to a subscription or to a beat; None for data and for what can't be read."""
        found = _CHANNEL.search(frame, 0, _LOOK)
        if found is not None and found[1].decode() in STREAMS:
            return None
        try:
            opened = self._open(frame)
        except MalformedMessage:
            return None
        return opened if isinstance(opened, (Answer, Beat)) else None

    def decode(self, frame: bytes, recv_ns: int) -> VenueMessage:
        """Decode a frame."""
        opened = self._open(frame)
        if not isinstance(opened, tuple):
            return opened
        channel, coin, data = opened
        try:
            if channel == "trades":
                return _trades(coin, data, recv_ns)
            return Book(coin, _book(_object(data), recv_ns), BASE if channel == "l2Book" else BEST)
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), frame, symbol=coin, stream=STREAMS[channel]) from error

    def heading(self, frame: bytes) -> Heading | Answer | Beat | ShuttingDown | NotUsed:
        """Read whose frame it is; every `l2Book` is a whole book."""
        opened = self._open(frame)
        if not isinstance(opened, tuple):
            return opened
        channel, coin, _ = opened
        is_book = channel == "l2Book"
        return Heading(coin, STREAMS[channel], window=BASE, whole=is_book)

    def snapshot_request(self, symbol: str) -> Get:
        """Ask for the book by REST: to compare with, the stream brings its own."""
        return Get("/info", {}, 2, orjson.dumps({"type": "l2Book", "coin": symbol}))

    def decode_snapshot(self, symbol: str, body: bytes, recv_ns: int) -> Snapshot:
        """Decode it."""
        try:
            return _book(json_object(body), recv_ns)
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), body, symbol=symbol, stream="snapshot") from error

    def refusal(self, body: bytes) -> Refusal | None:
        """Read `{"status":"err","response":".."}`; most errors are an HTTP status with a bare text."""
        try:
            data = json_object(body)
        except Unusable:
            return None
        words = data.get("response")
        return Refusal(None, str(words)) if data.get("status") == "err" else None

    def info_request(self, page: str = "") -> Get:
        """Ask for the coins."""
        return Get("/info", {}, 20, b'{"type":"meta"}')

    def decode_info(self, body: bytes) -> ExchangeInfo:
        """Decode them. A price's step depends on the price; stated is the smallest, a quantity's is the coin's own."""
        try:
            rows = json_object(body).get("universe")
            if type(rows) is not list:
                raise Unusable("universe")
            listed = [_instrument(_object(row)) for row in rows]
        except Unusable as error:
            raise MalformedMessage(self.name, str(error), body, stream="info") from error
        return ExchangeInfo({one.symbol: one for one in listed}, self.weight_limit)

    def _open(self, frame: bytes) -> tuple[str, str, object] | Answer | Beat | NotUsed:
        try:
            return _route(json_object(frame))
        except Unusable as error:
            channel, _, coin = self.stream_key(frame).decode(errors="replace").partition(":")
            stream = STREAMS.get(channel)
            raise MalformedMessage(self.name, str(error), frame, symbol=coin or None, stream=stream) from error


def _request(method: str, streams: Sequence[str]) -> bytes:
    if len(streams) != 1:
        raise ValueError(f"one stream a message, not {len(streams)}")
    kind, _, coin = streams[0].partition(":")
    return orjson.dumps({"method": method, "subscription": {"type": kind, "coin": coin}})


def _route(message: Mapping[str, object]) -> tuple[str, str, object] | Answer | Beat | NotUsed:
    """Find out what a frame is: channel, coin and data of one that is used. Trades of no coin are none."""
    channel, data = text(message, "channel"), message.get("data")
    if channel == "pong":
        return Beat()
    if channel == "subscriptionResponse":
        wanted = _object(data).get("subscription")
        return Answer(None, None, (_named(orjson.dumps(wanted).decode()),))
    if channel == "error":
        return _error(str(data))
    if channel not in STREAMS:
        return NotUsed(channel, channel in KNOWN_UNUSED)
    if type(data) is list:
        if not data:
            return NotUsed(f"{channel} of nothing", known=True)
        return channel, text(_object(data[0]), "coin"), data
    return channel, text(_object(data), "coin"), data


def _error(words: str) -> Answer:
    """An error names the subscription in its text; one that is there already is as good as granted."""
    named = _named(words)
    granted = words.startswith("Already subscribed")
    return Answer(None, None if granted else words, (named,) if named != ":" else ())


def _named(words: str) -> str:
    kind, coin = _NAMED.search(words), _NAMED_COIN.search(words)
    return f"{kind[1] if kind else ''}:{coin[1] if coin else ''}"


def _object(data: object) -> Mapping[str, object]:
    if type(data) is not dict:
        raise Unusable("data")
    return data


def _side(rows: object) -> list[float]:
    """Price, quantity, price, quantity, ... of one side."""
    if type(rows) is not list:
        raise Unusable("levels")
    levels = [_object(row) for row in rows]
    numbers = decimals([each for row in levels for each in (text(row, "px"), text(row, "sz"))], "levels")
    if not all(numbers[0::2]):
        raise Unusable("px")
    return numbers


def _book(data: Mapping[str, object], recv_ns: int) -> Snapshot:
    """A book or the best of each side, null where that is empty; its time is what orders it."""
    sides, best = data.get("levels"), data.get("bbo")
    if type(best) is list:
        sides = [[] if quote is None else [quote] for quote in best]
    if type(sides) is not list or len(sides) != 2:
        raise Unusable("levels")
    time_ms = whole(data, "time", MAX_MS)
    bids = best_first(_side(sides[0]), descending=True)
    asks = best_first(_side(sides[1]), descending=False)
    if bids or asks:
        check_sides(bids, asks)
    return Snapshot(0, depth_events(bids, asks, time_ms * MS_NS, recv_ns, time_ms), time_ms)


def _trades(coin: str, data: object, recv_ns: int) -> Ticks:
    """Trades in the order given; those first on a connection are of before it."""
    if type(data) is not list:
        raise Unusable("data")
    events = empty_events(len(data))
    for at, one in enumerate(data):
        row = _object(one)
        side = {"B": BUY, "A": SELL}.get(text(row, "side"))
        if side is None or text(row, "coin") != coin:
            raise Unusable("side or coin")
        price, quantity = decimals([text(row, "px"), text(row, "sz")], "px and sz")
        if not price:
            raise Unusable("px")
        trade_id = whole(row, "tid") if row.get("tid") is not None else 0
        events[at] = (
            LOCAL | TRADE | side,
            whole(row, "time", MAX_MS) * MS_NS,
            recv_ns,
            price,
            quantity,
            0,
            trade_id,
            0.0,
        )
    return Ticks(coin, events)


def _instrument(row: Mapping[str, object]) -> Instrument:
    digits = whole(row, "szDecimals", MOST_DECIMALS)
    tick_text, lot_text = _step(MOST_DECIMALS - digits), _step(digits)
    return Instrument(
        text(row, "name"), float(tick_text), float(lot_text), tick_text, lot_text, row.get("isDelisted") is not True
    )


def _step(digits: int) -> str:
    return f"0.{'0' * (digits - 1)}1" if digits else "1"


PERPETUALS: Final = Hyperliquid()
_CONFORMS: PublicVenue = PERPETUALS  # checked by mypy
