"""Binance's public market data (https://data.binance.vision): trades, aggTrades, bookTicker, and T_DEPTH order books.

What a file holds is told by its header, or by the shape of its first row where it has none (spot). Times are ms, in spot
files since 2025 µs. `is_buyer_maker` true means that the seller was the aggressor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from data_convert.errors import BadLine
from data_convert.events import BUY, DEPTH, DEPTH_SNAPSHOT, SELL, TRADE
from data_convert.formats import Counts
from data_convert.formats.decimals import stamp_to_ns
from data_convert.fusing import ASK, BID
from data_convert.messages import NO_ID, MessagesBuilder, What
from data_convert.tables import fields, number, whole
from data_convert.windows import Replace, Windows

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
_SIDE: Final = {BID: BUY, ASK: SELL}


def kind_of(first_line: str) -> tuple[Kind, bool] | None:
    """Tell what a file holds by its first line, and whether that is a header; None when it is nothing known."""
    found = first_line.removeprefix("\ufeff").strip().split(",")
    for kind, header in HEADERS.items():
        if found[0] == header[0] and set(found) >= set(header[: 8 if kind == "depth" else len(header)]):
            return kind, True
    flags = [i for i, value in enumerate(found) if value in _FLAGS]
    if not flags or not all(_numeric(value) for value in found[: flags[0]]):
        return None
    # Spot ends with is_best_match: trades `id,price,qty,quote,time,flag,flag`, aggTrades one more id.
    return {5: ("trades", False), 6: ("aggTrades", False)}.get(flags[0])  # type: ignore[return-value]


def _numeric(value: str) -> bool:
    return value.replace(".", "", 1).isdecimal()


@dataclass(slots=True)
class BinanceHistory:
    """Rows of one kind of file into messages; the caller adds the local times."""

    builder: MessagesBuilder
    counts: Counts
    time: str
    symbol: str
    _windows: Windows = field(default_factory=Windows)
    _group: list[tuple[int, float, float]] = field(default_factory=list)
    _key: tuple[str, int, int, int, int, bool] | None = None
    _place: tuple[int, int] = (0, 0)

    def reader(self, kind: Kind, columns: list[str] | None) -> Callable[[tuple[int, int], bytes], None]:
        """Return what takes (place, line) of a file; `columns` is its header, None where it has none."""
        names = list(HEADERS[kind]) if columns is None else columns
        extra = 1 if columns is None else 0  # files without a header are spot's and end with is_best_match
        index = {name: at for at, name in enumerate(names)}
        width = len(names) + extra
        take = {"trades": self._trade, "aggTrades": self._trade, "bookTicker": self._quote, "depth": self._level}[kind]

        def take_line(place: tuple[int, int], line: bytes) -> None:
            found = fields(line, width)
            take(place, {name: found[at] for name, at in index.items()})
            self.counts.streams[kind] += 1

        return take_line

    def finish(self) -> None:
        """Hand over the last book message."""
        self._flush()

    def _trade(self, place: tuple[int, int], row: dict[str, str]) -> None:
        name = "time" if "time" in row else "transact_time"
        exch_ns = stamp_to_ns(whole(row[name], name), name)
        quantity_name = "qty" if "qty" in row else "quantity"
        price, quantity = number(row["price"], "price"), number(row[quantity_name], quantity_name)
        if row["is_buyer_maker"] not in _FLAGS:
            raise BadLine("field 'is_buyer_maker' is neither true nor false", row["is_buyer_maker"][:60])
        if not price > 0 or not quantity > 0:
            self.counts.filtered["trade without price or quantity"] += 1
            return
        side = SELL if _FLAGS[row["is_buyer_maker"]] else BUY
        last = whole(row["id"] if "id" in row else row["agg_trade_id"], "id")
        rows = ((TRADE | side,), (price,), (quantity,))
        self.builder.add(What.TRADE, self.symbol, place, 0, exch_ns, (NO_ID, last, NO_ID), rows)

    def _quote(self, place: tuple[int, int], row: dict[str, str]) -> None:
        name = "event_time" if self.time == "E" else "transaction_time"
        exch_ns = stamp_to_ns(whole(row[name], name), name)
        last = whole(row["update_id"], "update_id")
        bid = (number(row["best_bid_price"], "best_bid_price"), number(row["best_bid_qty"], "best_bid_qty"))
        ask = (number(row["best_ask_price"], "best_ask_price"), number(row["best_ask_qty"], "best_ask_qty"))
        bids, asks = ([level] if level[0] > 0 and level[1] > 0 else [] for level in (bid, ask))
        result = self._windows.snapshot(1, bids, asks, last, restart=False)
        if result.rows:
            what, kind = (What.SNAPSHOT, DEPTH_SNAPSHOT) if isinstance(result, Replace) else (What.UPDATE, DEPTH)
            columns = (
                [kind | _SIDE[s] for s, _, _ in result.rows],
                [p for _, p, _ in result.rows],
                [q for _, _, q in result.rows],
            )
            self.builder.add(what, self.symbol, place, 0, exch_ns, (NO_ID, last, NO_ID), columns)

    def _level(self, place: tuple[int, int], row: dict[str, str]) -> None:
        exch_ns = stamp_to_ns(whole(row["timestamp"], "timestamp"), "timestamp")
        first, last = whole(row["first_update_id"], "first_update_id"), whole(row["last_update_id"], "last_update_id")
        before = whole(row["pu"], "pu") if row.get("pu", "-1") not in ("", "-1") else NO_ID
        if row["side"] not in _BOOK_SIDES or row["update_type"] not in ("snap", "set", "update", "delete"):
            raise BadLine("field 'side' or 'update_type' is unknown", f"{row['side']}, {row['update_type']}"[:60])
        price, quantity = number(row["price"], "price"), number(row["qty"], "qty")
        if not price > 0:
            raise BadLine("field 'price' is not positive", row["price"][:60])
        snapshot = row["update_type"] == "snap"
        key = (row["symbol"], exch_ns, first, last, before, snapshot)
        if key != self._key:
            self._flush()
            self._key, self._place = key, place
        kind = DEPTH_SNAPSHOT if snapshot else DEPTH
        self._group.append(
            (kind | _BOOK_SIDES[row["side"]], price, 0.0 if row["update_type"] == "delete" else quantity)
        )

    def _flush(self) -> None:
        if self._key is None:
            return
        symbol, exch_ns, first, last, before, snapshot = self._key
        rows = self._group
        columns = ([ev for ev, _, _ in rows], [p for _, p, _ in rows], [q for _, _, q in rows])
        ids = (NO_ID, last, NO_ID) if snapshot else (first, last, before)
        self.builder.add(What.SNAPSHOT if snapshot else What.UPDATE, symbol, self._place, 0, exch_ns, ids, columns)
        self._group, self._key = [], None
