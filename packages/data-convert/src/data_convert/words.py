"""The words that options are given in: stated once, for the commands and the functions."""

from __future__ import annotations

from typing import Any, Literal, get_args

Compress = Literal["fast", "default", "small", "none"]
Side = Literal["local", "exchange"]
Time = Literal["T", "E"]
Dialect = Literal["auto", "direct", "link"]
Venue = Literal["auto", "binance", "binance-futures", "binance-spot", "bybit", "hyperliquid", "mexc"]
Policy = Literal["by-id", "as-recorded", "ignore"]
Unanchored = Literal["drop", "keep"]
Duplicates = Literal["drop", "keep"]
Also = Literal["book-ticker", "mark-price"]
Mode = Literal["discard", "process", "ignore_sod", "ignore"]
"""What becomes of Tardis' blocks of snapshot rows: the first is Tardis' own rule, the others are the peer's, by its names."""
LatencyShift = Literal["auto", "always"]


def check_word(name: str, value: object, words: Any) -> None:
    """Raise ValueError, naming the option `name`, unless its value is one of `words` (a Literal)."""
    if value not in get_args(words):
        raise ValueError(f"{name} is one of {', '.join(get_args(words))}, not {value!r}")
