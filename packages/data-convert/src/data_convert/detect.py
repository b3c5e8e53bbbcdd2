"""Which source a line was recorded from."""

from __future__ import annotations

from typing import Final, Literal

from data_convert.errors import BadLine
from data_convert.formats.decimals import load_object
from data_convert.formats.link import WORDS
from data_convert.formats.mexc import PREFIX as MEXC

Dialect = Literal["direct", "link"]
Source = Literal["binance", "link", "bybit", "hyperliquid", "mexc", "files"]
"""`files`: vendor files, which are no recordings and never told by a line."""

VENUES: Final = ("binance", "binance-futures", "binance-spot", "bybit", "hyperliquid", "mexc")

_BYBIT_TOPICS: Final = frozenset(
    {"orderbook", "publicTrade", "tickers", "kline", "liquidation", "allLiquidation", "priceLimit", "insurance"}
)
_HYPERLIQUID_CHANNELS: Final = frozenset({"l2Book", "trades", "bbo", "activeAssetCtx", "allMids", "candle"})


def detect_line(payload: bytes) -> Source | None:
    """Tell the source of one line's JSON; None when this line does not say.

    A `topic` of a known kind with `data` is Bybit, a known `channel` with `data` Hyperliquid, a
    public spot channel `c` with `d` MEXC. A wrapper, a REST
    snapshot or an exchange's own transaction time, first id or previous id is Binance. Link lines have an event
    word of their table, and none of these. A line with the marks of two sources says nothing.
    """
    try:
        data = load_object(payload)
    except BadLine:
        return None
    topic, channel = data.get("topic"), data.get("channel")
    found: list[Source] = []
    if isinstance(topic, str) and "data" in data and topic.partition(".")[0] in _BYBIT_TOPICS:
        found.append("bybit")
    if channel in _HYPERLIQUID_CHANNELS if isinstance(channel, str) else False:
        found += ["hyperliquid"] if "data" in data else []
    place = data.get("c")
    if isinstance(place, str) and place.startswith(MEXC) and "d" in data:
        found.append("mexc")
    own = _binance_or_link(data)
    if own is not None:
        found.append(own)
    return found[0] if len(found) == 1 else None


def _binance_or_link(data: dict[str, object]) -> Literal["binance", "link"] | None:
    if isinstance(data.get("stream"), str) and "data" in data:
        return "binance"
    if "lastUpdateId" in data and ("bids" in data or "asks" in data):
        return "binance"
    word = data.get("e")
    if not isinstance(word, str):
        return None
    if word in ("gap", "depthSnapshot", "depthClear", "event") or (word in WORDS and "ns" in data):
        return "link"
    if any(key in data for key in ("T", "U", "pu", "X")):
        return "binance"
    return "link" if word in WORDS and "s" in data else None
