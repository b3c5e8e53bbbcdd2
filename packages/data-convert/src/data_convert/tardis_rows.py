"""Rows of Tardis' CSV files (https://docs.tardis.dev/downloadable-csv-files), one at a time: what fusing reads and
what `to-tardis` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from data_convert.errors import BadLine, FormatError, StrictError
from data_convert.fusing import ASK, BID
from data_convert.ingest import BadCounter
from data_convert.readers import ReadStats
from data_convert.tables import fields, number, text_lines, whole

Kind = Literal["trades", "depth", "book_ticker"]

_START: Final = "exchange,symbol,timestamp,local_timestamp,"
HEADERS: Final[dict[Kind, str]] = {
    "trades": _START + "id,side,price,amount",
    "depth": _START + "is_snapshot,side,price,amount",
    "book_ticker": _START + "ask_amount,ask_price,bid_price,bid_amount",
}
_SIDES: Final = {"bid": BID, "buy": BID, "ask": ASK, "sell": ASK}
_US: Final = 1_000


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade; `side` is the aggressor's, None where Tardis does not know it."""

    line: int
    symbol: str
    exch_ns: int
    local_ns: int
    side: int | None
    price: float
    quantity: float


@dataclass(frozen=True, slots=True)
class LevelRow:
    """One level of the book."""

    line: int
    symbol: str
    exch_ns: int
    local_ns: int
    snapshot: bool
    side: int
    price: float
    quantity: float


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """The best of both sides; None where a side is empty."""

    line: int
    symbol: str
    exch_ns: int
    local_ns: int
    bid: tuple[float, float] | None
    ask: tuple[float, float] | None


def file_kind(path: Path) -> Kind:
    """Tell what a file holds by its header alone; raise FormatError for any other."""
    for _, line in text_lines(path, ReadStats(path)):
        header = line.decode("utf-8", "replace").removeprefix("\ufeff").strip()
        for kind, known in HEADERS.items():
            if header == known:
                return kind
        break
    known_kinds = "trades, incremental_book_L2 or book_ticker"
    raise FormatError(path, f"has no header of Tardis' {known_kinds}", "name such a file, with its header")


def read_rows(
    path: Path, kind: Kind, stats: ReadStats, bad: BadCounter, strict: bool
) -> Iterator[TradeRow | LevelRow | QuoteRow]:
    """Yield the rows of one file, bad ones counted; raise StrictError at the first if `strict`."""
    make = _MAKE[kind]
    for at, line in text_lines(path, stats):
        if at == 1 or not line.strip():
            continue
        try:
            found = fields(line, 8)
            row = make(at, found[1], whole(found[2], "timestamp") * _US, _local(found), found[4:])
        except BadLine as error:
            if strict:
                raise StrictError(path, at, str(error)) from error
            bad.add(path, at, error)
            continue
        yield row
    if strict and stats.damage:
        raise StrictError(path, stats.lines, stats.damage[0])


def _local(found: list[str]) -> int:
    local_ns = whole(found[3], "local_timestamp") * _US
    if local_ns >= 1 << 63 or int(found[2]) * _US >= 1 << 63:
        raise BadLine("time beyond 64 bits", f"{found[2]}, {found[3]}"[:60])
    return local_ns


def _trade(at: int, symbol: str, exch_ns: int, local_ns: int, rest: list[str]) -> TradeRow:
    if rest[1] not in ("buy", "sell", "unknown", ""):
        raise BadLine("field 'side' is neither buy nor sell", rest[1][:60])
    side = _SIDES.get(rest[1])
    price, quantity = number(rest[2], "price"), number(rest[3], "amount")
    return TradeRow(at, symbol, exch_ns, local_ns, side, price, quantity)


def _level(at: int, symbol: str, exch_ns: int, local_ns: int, rest: list[str]) -> LevelRow:
    if rest[0].lower() not in ("true", "false"):
        raise BadLine("field 'is_snapshot' is neither true nor false", rest[0][:60])
    if rest[1] not in _SIDES:
        raise BadLine("field 'side' is neither bid nor ask", rest[1][:60])
    price, quantity = number(rest[2], "price"), number(rest[3], "amount")
    return LevelRow(at, symbol, exch_ns, local_ns, rest[0].lower() == "true", _SIDES[rest[1]], price, quantity)


def _quote(at: int, symbol: str, exch_ns: int, local_ns: int, rest: list[str]) -> QuoteRow:
    ask_amount, ask_price, bid_price, bid_amount = rest
    bid = None if not bid_price else (number(bid_price, "bid_price"), number(bid_amount, "bid_amount"))
    ask = None if not ask_price else (number(ask_price, "ask_price"), number(ask_amount, "ask_amount"))
    return QuoteRow(at, symbol, exch_ns, local_ns, bid, ask)


_MAKE: Final[dict[Kind, Callable[[int, str, int, int, list[str]], TradeRow | LevelRow | QuoteRow]]] = {
    "trades": _trade,
    "depth": _level,
    "book_ticker": _quote,
}
