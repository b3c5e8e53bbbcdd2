"""Archives row by row with Python's own words: what the byte parser and the columns must equal."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import orjson
from data_convert.archives import binance as history_binance
from data_convert.archives import bybit as history_bybit
from data_convert.archives.binance import HEADERS, Kind
from data_convert.archives.bybit import seconds_to_ns
from data_convert.archives.fields import fields, number, whole
from data_convert.errors import BadLine, ClockError, FormatError, InputError, StrictError
from data_convert.events import BUY, DEPTH, DEPTH_SNAPSHOT, SELL, TRADE
from data_convert.files.lines import text_lines
from data_convert.files.paths import listed_paths
from data_convert.files.readers import ReadStats
from data_convert.messages.columns import NO_ID, Messages, MessagesBuilder, What
from data_convert.recordings.assemble import assemble, one_symbol
from data_convert.recordings.ingest import Ingested
from data_convert.recordings.venues.bybit import BybitDecoder
from data_convert.recordings.venues.decimals import stamp_to_ns
from data_convert.recordings.venues.decoder import Counts
from data_convert.recordings.venues.fusing import ASK, BID
from data_convert.recordings.venues.windows import Replace, Windows
from data_convert.report.counted import BadCounter, file_report
from data_convert.report.values import Result

Take = Callable[[tuple[int, int], bytes], None]
_REMEDY: Final = "name files of data.binance.vision or of Bybit's archives (.zip, .csv, .csv.gz, .data)"
_MAX_NS: Final = (1 << 63) - 1
_FLAGS: Final = {"true": True, "false": False, "True": True, "False": False, "TRUE": True, "FALSE": False}
_BOOK_SIDES: Final = {"b": BUY, "a": SELL}
_SIDE: Final = {BID: BUY, ASK: SELL}
_SIDES: Final = {"buy": BUY, "sell": SELL}


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


def trade_reader(
    kind: str, columns: list[str], symbol: str, builder: MessagesBuilder, counts: Counts
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


@dataclass(slots=True)
class _History:
    time: str
    strict: bool
    builder: MessagesBuilder = field(default_factory=MessagesBuilder)
    counts: Counts = field(default_factory=Counts)
    bad: BadCounter = field(default_factory=BadCounter)
    stats: list[ReadStats] = field(default_factory=list)
    kinds: dict[str, Path] = field(default_factory=dict)
    backwards: set[int] = field(default_factory=set)  # files that begin with the newest
    empty: int = 0

    def read(self, path: Path, file: int) -> None:
        """Read one file into the builder. Raises InputError, FormatError, StrictError."""
        first = next((line for _, line in text_lines(path, ReadStats(path)) if line.strip()), None)
        stats, begin = ReadStats(path), len(self.builder)
        self.stats.append(stats)
        if first is None:
            self.empty += sum(1 for _ in text_lines(path, stats))
            return
        take, finish, header = self._reader(path, first.decode("utf-8", "replace"))
        for at, line in text_lines(path, stats):
            self.empty += not line.strip()
            if not line.strip() or (header and at == 1):
                continue
            try:
                take((file, at), line)
            except BadLine as error:
                if self.strict:
                    raise StrictError(path, at, str(error)) from error
                self.bad.add(path, at, error)
        finish()
        if self.strict and stats.damage:
            raise StrictError(path, stats.lines, stats.damage[0])
        end = len(self.builder)
        if end > begin and self.builder.exch_ns(begin) > self.builder.exch_ns(end - 1):
            self.backwards.add(file)

    def _reader(self, path: Path, first: str) -> tuple[Take, Callable[[], None], bool]:
        columns = first.removeprefix("\ufeff").strip().split(",")
        bybit = history_bybit.kind_of(first)
        if bybit == "order book":
            self._once("book", path)
            return self._frames(path, first)
        if bybit is not None:
            self._once("trades", path)
            name = path.name.partition("_")[0].partition(".")[0]
            return trade_reader(bybit, columns, name, self.builder, self.counts), _nothing, True
        binance = history_binance.kind_of(first)
        if binance is None:
            known = next((text for column, text in history_binance.UNUSABLE.items() if column in columns), None)
            raise FormatError(path, known or "is of no archive known here by its first line", _REMEDY)
        kind, header = binance
        self._once({"trades": "trades", "aggTrades": "aggTrades"}.get(kind, kind), path)
        reader = BinanceHistory(self.builder, self.counts, self.time, path.name.partition("-")[0])
        return reader.reader(kind, columns if header else None), reader.finish, header

    def _frames(self, path: Path, first: str) -> tuple[Take, Callable[[], None], bool]:
        try:
            depth = int(orjson.loads(first)["topic"].split(".")[1])
        except (orjson.JSONDecodeError, KeyError, ValueError, IndexError, AttributeError, TypeError):
            raise FormatError(path, "has no topic orderbook.<levels>.<symbol> in its first line", _REMEDY) from None
        decoder = BybitDecoder(self.time, depth)
        decoder.streams, decoder.filtered = self.counts.streams, self.counts.filtered
        decoder.notes = self.counts.notes

        def take(place: tuple[int, int], line: bytes) -> None:
            decoder.take(self.builder, place, 0, line)

        return take, _nothing, False

    def _once(self, kind: str, path: Path) -> None:
        """Refuse what would tell everything twice: trades and aggTrades, or two kinds of books."""
        for one, other in (("trades", "aggTrades"), ("bookTicker", "depth"), ("bookTicker", "book"), ("depth", "book")):
            for new, old in ((one, other), (other, one)):
                if kind == new and old in self.kinds:
                    problem = f"is {new}, and {self.kinds[old]} is {old}: both tell the same"
                    raise FormatError(path, problem, "leave one out")
        self.kinds[kind] = path


def convert_history(
    paths,
    latency: object,
    *,
    symbol: str | None = None,
    time: str = "T",
    strict: bool = False,
    unanchored="drop",
) -> Result:
    """Convert archives of one symbol (trades, books, several days) to an event array.

    `latency` gives the local times; what is received never overtakes what was received before it. `time`: T
    (matching) or E, where a file has both. `symbol`: one of several. `strict`: StrictError at the first bad line.
    Raises InputError, FormatError, SymbolError, StrictError, ClockError.
    """
    if time not in ("T", "E"):
        raise ValueError(f"time is one of T, E, not {time!r}")
    listed = listed_paths(paths)
    if not listed:
        raise InputError("(no file)", "nothing to convert", _REMEDY)
    history = _History(time, strict)
    for file, path in enumerate(listed):
        history.read(path, file)
    warnings = [f"{stats.path} holds no line" for stats in history.stats if not stats.lines]
    files = tuple(file_report(stats) for stats in history.stats)
    lines = sum(stats.lines for stats in history.stats)
    source = "files"
    messages = history.builder.build(None)
    if "depth" in history.kinds and bool(np.any(messages.prev_id != NO_ID)):
        source = "binance"  # updates that name their predecessor are put in order by ids
    read = Ingested(
        history.builder, history.counts, source, files, lines, history.empty, history.bad.listed(), warnings
    )
    messages = _dated(_sorted(one_symbol(read, symbol), history.backwards), latency)
    settings = {"source": "history: " + ", ".join(sorted(history.kinds)), "local time": latency.describe()}
    return assemble(read, messages, settings, "by-id", unanchored)


def _sorted(messages: Messages, backwards: Set[int]) -> Messages:
    """Order by exchange time, trades before books at equal times, what a newest-first file has in its true order.

    The messages of a book keep their order: one dated before its predecessor is taken to be of that one's time.
    """
    sequence, exch_ns = np.arange(len(messages)), messages.exch_ns.copy()
    trade_first = np.where(messages.what == What.TRADE, 0, 1)
    for file in np.unique(messages.file).tolist():
        own = np.flatnonzero(messages.file == file)
        if file in backwards:
            sequence[own] = sequence[own][::-1]
        books = own[trade_first[own] == 1]
        exch_ns[books] = np.maximum.accumulate(exch_ns[books]) if len(books) else exch_ns[books]
    return messages.taken(np.lexsort((sequence, trade_first, exch_ns)))


def _dated(messages: Messages, latency: object) -> Messages:
    if not len(messages):
        return messages
    delay_ns = latency.at(messages.exch_ns)
    if int(messages.exch_ns.max()) > _MAX_NS - int(delay_ns.max()):
        raise ClockError(int(delay_ns.max()))
    return replace(messages, local_ns=np.maximum.accumulate(messages.exch_ns + delay_ns))


def _nothing() -> None:
    """Nothing is held."""
