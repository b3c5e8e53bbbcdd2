"""What tells the exchange's own frames from a connector's lines, and the recorder's gap lines, which stand among both."""

from __future__ import annotations

from typing import Any, Final, Literal

from data_convert.messages.columns import NO_ID, MessagesBuilder, What
from data_convert.recordings.venues.decimals import integer, millis_to_ns, text

GAP_WORD: Final = "gap"
WORDS: Final = frozenset({"depthUpdate", "depthSnapshot", "trade", "bookTicker", "depthClear", GAP_WORD, "event"})
"""Event words of a connector's lines (docs/formats.md section 2.2)."""

_LINK_ONLY: Final = frozenset({"depthSnapshot", "depthClear", "event"})


def own_dialect(data: dict[str, Any]) -> Literal["binance", "link"] | None:
    """Tell whose line a JSON object is by the marks of Binance and of a connector; None when it has neither.

    A wrapper, a REST snapshot or an exchange's own transaction time, first id or previous id is Binance. Link lines have
    an event word of their table, and none of these. A gap line is the recorder's and says nothing.
    """
    if isinstance(data.get("stream"), str) and "data" in data:
        return "binance"
    if "lastUpdateId" in data and ("bids" in data or "asks" in data):
        return "binance"
    word = data.get("e")
    if not isinstance(word, str) or word == GAP_WORD:
        return None
    if word in _LINK_ONLY or (word in WORDS and "ns" in data):
        return "link"
    if any(key in data for key in ("T", "U", "pu", "X")):
        return "binance"
    return "link" if word in WORDS and "s" in data else None


def market_of(data: dict[str, Any]) -> Literal["futures", "spot"] | None:
    """Tell the market of the data of a Binance update, trade or book ticker by its members; None where they say nothing.

    Updates of futures name their predecessor (`pu`), trades their cause (`X`), tickers their times; only spot's trades have
    an `M`.
    """
    if "U" in data and "u" in data:
        return "futures" if "pu" in data else "spot"
    if "p" in data and "q" in data:
        return "futures" if "X" in data else "spot" if "M" in data else None
    if "B" in data and "A" in data:
        if "T" in data and "E" in data:
            return "futures"
        return None if "e" in data or "E" in data else "spot"
    return None


def take_gap(
    builder: MessagesBuilder, place: tuple[int, int], local_ns: int, exch_ns: int, symbol: str, data: dict[str, Any]
) -> None:
    """Add the message of a gap line, whatever its reason; raise BadLine where it names none."""
    reason = text(data.get("reason"), "reason")
    lost = integer(data["lost"], "lost") if "lost" in data else 0
    builder.reasons[len(builder)] = f"{reason} ({lost})" if lost else reason
    builder.add(What.GAP, symbol, place, local_ns, exch_ns, (NO_ID, NO_ID, NO_ID), ((), (), ()))


def take_recorder_gap(
    builder: MessagesBuilder, place: tuple[int, int], local_ns: int, line: dict[str, Any]
) -> str | None:
    """Add the message of a recorder's gap line in a direct recording, and return its symbol; None for any other line."""
    if line.get("e") != GAP_WORD:
        return None
    symbol = text(line.get("s"), "s")
    exch_ns = integer(line["ns"], "ns") if "ns" in line else millis_to_ns(line.get("E"), "E")
    take_gap(builder, place, local_ns, exch_ns, symbol, line)
    return symbol
