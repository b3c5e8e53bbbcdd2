"""Bybit's public archives (https://public.bybit.com, order books from the data download page).

Trades are `timestamp,symbol,side,size,price,...` with seconds and a fraction (futures, newest first in old files) or
`id,timestamp,price,volume,side` with ms (spot). Order books are the frames of a websocket topic, one a line, without
receive times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from data_convert.archives import ops as op
from data_convert.archives.columns import Row, Table
from data_convert.archives.fields import number, whole
from data_convert.errors import BadLine
from data_convert.events import BUY, SELL, TRADE
from data_convert.recordings.venues.decimals import stamp_to_ns

Kind = Literal["futures trades", "spot trades", "order book"]

_SECONDS: Final = re.compile(r"([0-9]{1,10})(?:\.([0-9]*))?")
_MAX_NS: Final = (1 << 63) - 1
_SIDES: Final = {"buy": BUY, "sell": SELL}
_FUTURES: Final = ("timestamp", "symbol", "side", "size", "price")
_SPOT: Final = ("id", "timestamp", "price", "volume", "side")


def kind_of(first_line: str) -> Kind | None:
    """Tell what a file holds by its first line; None when it is nothing known."""
    text = first_line.removeprefix("\ufeff").strip()
    if text.startswith("{") and '"topic"' in text and '"orderbook.' in text:
        return "order book"
    columns = set(text.split(","))
    if columns >= set(_FUTURES):
        return "futures trades"
    return "spot trades" if columns >= set(_SPOT) else None


def seconds_to_ns(text: str) -> int:
    """Convert decimal seconds to ns without a float in between; digits beyond the ninth are cut."""
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise BadLine("field 'timestamp' is no number of seconds", text[:60])
    ns = int(found[1]) * 1_000_000_000 + int((found[2] or "").ljust(9, "0")[:9])
    if ns > _MAX_NS:
        raise BadLine("field 'timestamp' is no number of seconds", text[:60])
    return ns


def table(kind: Kind, columns: list[str]) -> Table:
    """Return how the rows of a trades file are read; `columns` is its header. Words as of `archives.binance.table`."""
    quantity_name = "size" if kind == "futures trades" else "volume"
    seconds = kind == "futures trades"

    def parse(row: Mapping[str, str], out: Row) -> str:
        time = row["timestamp"]
        out.ints[1] = seconds_to_ns(time) if seconds else stamp_to_ns(whole(time, "timestamp"), "timestamp")
        side = row["side"].lower()
        if side not in _SIDES:
            raise BadLine("field 'side' is neither buy nor sell", row["side"][:60])
        out.ints[0] = TRADE | _SIDES[side]
        out.floats[3], out.floats[4] = number(row["price"], "price"), number(row[quantity_name], quantity_name)
        return row.get("symbol", "")

    found = {
        "timestamp": (op.SECONDS if seconds else op.STAMP, 1),
        "side": (op.SIDE, 0),
        "price": (op.NUMBER, 3),
        quantity_name: (op.NUMBER, 4),
    }
    if "symbol" in columns:
        found["symbol"] = (op.NAME, 2)
    return Table(columns, len(columns), found, (TRADE, *[0] * 7), 5, 2, parse)
