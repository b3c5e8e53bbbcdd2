"""Which source a line was recorded from."""

from __future__ import annotations

from typing import Final, Literal

from data_convert.errors import BadLine
from data_convert.recordings.venues.decimals import load_object
from data_convert.recordings.venues.dialects import GAP_WORD, own_dialect
from data_convert.recordings.venues.mexc import PREFIX as MEXC

Dialect = Literal["direct", "link"]
Source = Literal["binance", "link", "bybit", "hyperliquid", "mexc", "files"]
"""`files`: vendor files, which are no recordings and never told by a line."""

_GAP_HEAD: Final = 64
"""Bytes in which a gap line names itself."""

_BYBIT_TOPICS: Final = frozenset(
    {"orderbook", "publicTrade", "tickers", "kline", "liquidation", "allLiquidation", "priceLimit", "insurance"}
)
_HYPERLIQUID_CHANNELS: Final = frozenset({"l2Book", "trades", "bbo", "activeAssetCtx", "allMids", "candle"})


def is_gap_line(payload: bytes) -> bool:
    """Tell whether a line is a recorder's gap line, which stands in recordings of any dialect."""
    if GAP_WORD.encode() not in payload[:_GAP_HEAD]:
        return False
    try:
        return load_object(payload).get("e") == GAP_WORD
    except BadLine:
        return False


def detect_line(payload: bytes) -> Source | None:
    """Tell the source of one line's JSON; None when this line does not say.

    A `topic` of a known kind with `data` is Bybit, a known `channel` with `data` Hyperliquid, a public spot channel `c`
    with `d` MEXC; Binance and a connector have the marks of `own_dialect`. A line with the marks of two sources says
    nothing.
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
    own = own_dialect(data)
    if own is not None:
        found.append(own)
    return found[0] if len(found) == 1 else None
