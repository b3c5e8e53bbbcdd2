"""Bybit's public archives (https://public.bybit.com, order books from the data download page).

Trades are `timestamp,symbol,side,size,price,...` with seconds and a fraction (futures, newest first in old files) or
`id,timestamp,price,volume,side` with ms (spot). Order books are the frames of a websocket topic, one a line, without
receive times.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from data_convert.errors import BadLine
from data_convert.events import BUY, SELL, TRADE
from data_convert.formats import Counts
from data_convert.formats.decimals import stamp_to_ns
from data_convert.messages import NO_ID, MessagesBuilder, What
from data_convert.tables import fields, number, whole

Kind = Literal["futures trades", "spot trades", "order book"]

_SECONDS: Final = re.compile(r"([0-9]{1,10})(?:\.([0-9]*))?")
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
    return int(found[1]) * 1_000_000_000 + int((found[2] or "").ljust(9, "0")[:9])


def trade_reader(
    kind: Kind, columns: list[str], symbol: str, builder: MessagesBuilder, counts: Counts
) -> Callable[[tuple[int, int], bytes], None]:
    """Return what takes (place, line) of a trades file; `symbol` is the file's where rows name none."""
    index = {name: at for at, name in enumerate(columns)}
    quantity_name = "size" if kind == "futures trades" else "volume"

    def take_line(place: tuple[int, int], line: bytes) -> None:
        row = fields(line, len(columns))
        time = row[index["timestamp"]]
        exch_ns = (
            seconds_to_ns(time) if kind == "futures trades" else stamp_to_ns(whole(time, "timestamp"), "timestamp")
        )
        side = row[index["side"]].lower()
        if side not in _SIDES:
            raise BadLine("field 'side' is neither buy nor sell", row[index["side"]][:60])
        price, quantity = number(row[index["price"]], "price"), number(row[index[quantity_name]], quantity_name)
        counts.streams[kind] += 1
        if not price > 0 or not quantity > 0:
            counts.filtered["trade without price or quantity"] += 1
            return
        name = row[index["symbol"]] if "symbol" in index else symbol
        rows = ((TRADE | _SIDES[side],), (price,), (quantity,))
        builder.add(What.TRADE, name, place, 0, exch_ns, (NO_ID, NO_ID, NO_ID), rows)

    return take_line
