"""Binance's public market data (https://data.binance.vision): trades, aggTrades, bookTicker, and T_DEPTH order books.

What a file holds is told by its header, or by the shape of its first row where it has none (spot). Times are ms, in spot
files since 2025 µs. `is_buyer_maker` true means that the seller was the aggressor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from data_convert.archives import ops as op
from data_convert.archives.columns import Row, Table
from data_convert.archives.fields import number, whole
from data_convert.errors import BadLine
from data_convert.events import BUY, DEPTH, DEPTH_SNAPSHOT, SELL, TRADE
from data_convert.messages.columns import NO_ID
from data_convert.recordings.venues.decimals import stamp_to_ns

Kind = Literal["trades", "aggTrades", "bookTicker", "depth"]

HEADERS: Final[dict[Kind, tuple[str, ...]]] = {
    "trades": ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker"),
    "aggTrades": (
        *("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time"),
        "is_buyer_maker",
    ),
    "bookTicker": (
        *("update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty", "transaction_time"),
        "event_time",
    ),
    "depth": ("symbol", "timestamp", "first_update_id", "last_update_id", "side", "update_type", "price", "qty", "pu"),
}
UNUSABLE: Final = {
    "percentage": "is bookDepth, sums of quantity within percents of the mid: no order book can be made of it",
    "open_time": "holds candles: there are no events in it",
}
_FLAGS: Final = {"true": True, "false": False, "True": True, "False": False, "TRUE": True, "FALSE": False}
_BOOK_SIDES: Final = {"b": BUY, "a": SELL}


def kind_of(first_line: str) -> tuple[Kind, bool] | None:
    """Tell what a file holds by its first line, and whether that is a header; None when it is nothing known."""
    found = first_line.removeprefix("\ufeff").strip().split(",")
    for kind, header in HEADERS.items():
        if found[0] == header[0] and set(found) >= set(header[: 8 if kind == "depth" else len(header)]):
            return kind, True
    flags = [i for i, value in enumerate(found) if value in _FLAGS]
    if not flags or not all(_numeric(value) for value in found[: flags[0]]):
        return None
    # Spot ends with is_best_match: trades `id,price,qty,quote,time,flag,flag`, aggTrades one more id. Futures do not.
    if len(found) - flags[0] > 2:
        return None
    return {5: ("trades", False), 6: ("aggTrades", False)}.get(flags[0])  # type: ignore[return-value]


def _numeric(value: str) -> bool:
    return value.replace(".", "", 1).isdecimal()


def table(kind: Kind, columns: list[str] | None, width: int, time: str) -> Table:
    """Return how a file's rows of `width` fields are read; `columns` is its header, if any; `time` is T or E.

    Words of trades: those of an event, the symbol as local_ts, line and id as the spare ones. Of quotes: `QUOTE`. Of
    order books: `LEVEL`.
    """
    names = list(HEADERS[kind]) if columns is None else columns
    if kind == "bookTicker":
        return _quotes(names, width, time)
    return _levels(names, width) if kind == "depth" else _trades(names, width)


def _trades(names: list[str], width: int) -> Table:
    time = "time" if "time" in names else "transact_time"
    quantity_name = "qty" if "qty" in names else "quantity"
    number_name = "id" if "id" in names else "agg_trade_id"

    def parse(row: Mapping[str, str], out: Row) -> str:
        out.ints[1] = stamp_to_ns(whole(row[time], time), time)
        price, quantity = number(row["price"], "price"), number(row[quantity_name], quantity_name)
        if row["is_buyer_maker"] not in _FLAGS:
            raise BadLine("field 'is_buyer_maker' is neither true nor false", row["is_buyer_maker"][:60])
        out.ints[0] = TRADE | (SELL if _FLAGS[row["is_buyer_maker"]] else BUY)
        out.floats[3], out.floats[4] = price, quantity
        if price > 0 and quantity > 0:
            out.ints[6] = whole(row[number_name], "id")
        return ""

    columns = {
        time: (op.STAMP, 1),
        "price": (op.NUMBER, 3),
        quantity_name: (op.NUMBER, 4),
        "is_buyer_maker": (op.MAKER, 0),
        number_name: (op.WHOLE, 6),
    }
    return Table(names, width, columns, (TRADE, *[0] * 7), 5, 2, parse)


def _quotes(names: list[str], width: int, time: str) -> Table:
    time = "event_time" if time == "E" else "transaction_time"
    used = ("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty")

    def parse(row: Mapping[str, str], out: Row) -> str:
        out.ints[0] = stamp_to_ns(whole(row[time], time), time)
        out.ints[1] = whole(row["update_id"], "update_id")
        out.floats[3:7] = [number(row[name], name) for name in used]
        return ""

    columns = {time: (op.STAMP, 0), "update_id": (op.WHOLE, 1)}
    columns |= {name: (op.NUMBER, 3 + at) for at, name in enumerate(used)}
    return Table(names, width, columns, (0,) * 8, 7, 2, parse)


def _levels(names: list[str], width: int) -> Table:
    def parse(row: Mapping[str, str], out: Row) -> str:
        exch_ns = stamp_to_ns(whole(row["timestamp"], "timestamp"), "timestamp")
        first, last = whole(row["first_update_id"], "first_update_id"), whole(row["last_update_id"], "last_update_id")
        before = whole(row["pu"], "pu") if row.get("pu", "-1") not in ("", "-1") else NO_ID
        side, change = row["side"], row["update_type"]
        if side not in _BOOK_SIDES or change not in ("snap", "set", "update", "delete"):
            raise BadLine("field 'side' or 'update_type' is unknown", f"{side}, {change}"[:60])
        price, quantity = number(row["price"], "price"), number(row["qty"], "qty")
        if not price > 0:
            raise BadLine("field 'price' is not positive", row["price"][:60])
        kind = DEPTH_SNAPSHOT if change == "snap" else DEPTH
        out.ints[:5] = (
            exch_ns,
            first,
            last,
            before,
            kind | _BOOK_SIDES[side] | (op.DELETES if change == "delete" else 0),
        )
        out.floats[5], out.floats[6] = price, quantity
        return row["symbol"]

    columns = {
        "symbol": (op.NAME, 8),
        "timestamp": (op.STAMP, 0),
        "first_update_id": (op.WHOLE, 1),
        "last_update_id": (op.WHOLE, 2),
        "side": (op.LEVEL_SIDE, 4),
        "update_type": (op.LEVEL_TYPE, 4),
        "price": (op.POSITIVE, 5),
        "qty": (op.NUMBER, 6),
        "pu": (op.OPTIONAL, 3),
    }
    return Table(names, width, columns, (0, 0, 0, NO_ID, 0, 0, 0, 0, 0), 7, 8, parse)
