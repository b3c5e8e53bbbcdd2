"""Vendor archives into event arrays: Binance's and Bybit's public data, Databento's market by order.

Every public file is told by its first line. Messages of all files are put in order by exchange time, trades before books at
equal times, and get their local times from a stated latency model (data_convert.feed_latency).
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from data_convert.convert import Result, assemble, one_symbol
from data_convert.detect import Source
from data_convert.errors import BadLine, ClockError, FormatError, InputError, StrictError, SymbolError
from data_convert.events import EVENT_DTYPE
from data_convert.feed_latency import FeedLatency
from data_convert.formats import Counts, history_binance, history_bybit
from data_convert.formats.bybit import BybitDecoder
from data_convert.formats.databento import load_records, records_to_rows
from data_convert.formats.history_binance import BinanceHistory
from data_convert.ingest import BadCounter, Ingested, Paths, file_report, listed_paths
from data_convert.messages import NO_ID, Messages, MessagesBuilder, What
from data_convert.readers import ReadStats
from data_convert.snapshot import Unanchored
from data_convert.tables import text_lines
from data_convert.timeline import check_order, correct_local_timestamp, order_events
from data_convert.validation import validate

Take = Callable[[tuple[int, int], bytes], None]

_REMEDY: Final = "name files of data.binance.vision or of Bybit's archives (.zip, .csv, .csv.gz, .data)"
_MAX_NS: Final = (1 << 63) - 1


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

    def read(self, path: Path, file: int) -> None:
        """Read one file into the builder. Raises InputError, FormatError, StrictError."""
        first = next((line for _, line in text_lines(path, ReadStats(path)) if line.strip()), None)
        stats, begin = ReadStats(path), len(self.builder)
        self.stats.append(stats)
        if first is None:
            for _ in text_lines(path, stats):
                pass  # nothing but empty lines: their number stands in the report
            return
        take, finish, header = self._reader(path, first.decode("utf-8", "replace"))
        for at, line in text_lines(path, stats):
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
            return history_bybit.trade_reader(bybit, columns, name, self.builder, self.counts), _nothing, True
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
    paths: Paths,
    latency: FeedLatency,
    *,
    symbol: str | None = None,
    time: str = "T",
    strict: bool = False,
    unanchored: Unanchored = "drop",
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
    source: Source = "files"
    messages = history.builder.build(None)
    if "depth" in history.kinds and bool(np.any(messages.prev_id != NO_ID)):
        source = "binance"  # updates that name their predecessor are put in order by ids
    read = Ingested(history.builder, history.counts, source, files, lines, 0, history.bad.listed(), warnings)
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


def _dated(messages: Messages, latency: FeedLatency) -> Messages:
    if not len(messages):
        return messages
    delay_ns = latency.at(messages.exch_ns)
    if int(messages.exch_ns.max()) > _MAX_NS - int(delay_ns.max()):
        raise ClockError(int(delay_ns.max()))
    return replace(messages, local_ns=np.maximum.accumulate(messages.exch_ns + delay_ns))


def convert_mbo(paths: list[Path], symbol: str | None = None, base_latency_ns: int = 0) -> Result:
    """Convert DBN files (schema mbo) of one symbol. Raises InputError, FormatError, SymbolError, ClockError."""
    parts, left_out, counts = [], 0, dict[str, int]()
    for path in paths:
        records, names = load_records(path)
        for instrument in np.unique(records["instrument_id"]).tolist():
            name = names.get(instrument, str(instrument))
            own = records[records["instrument_id"] == instrument]
            counts[name] = counts.get(name, 0) + len(own)
            if symbol in (None, name, str(instrument)):
                rows, without = records_to_rows(own, path)
                parts.append(rows)
                left_out += without
    if (symbol is None and len(counts) > 1) or (symbol is not None and not parts):
        raise SymbolError(symbol, counts)
    raw = np.concatenate(parts) if parts else np.zeros(0, EVENT_DTYPE)
    smallest_ns, shift_ns = correct_local_timestamp(raw, base_latency_ns)
    events = order_events(raw)
    check_order(events)
    found = validate(events)
    settings = {"source": "databento, market by order", "base latency": f"{base_latency_ns} ns"}
    latency = None if found.latency is None else replace(found.latency, shift_ns=shift_ns, smallest_ns=smallest_ns)
    filtered = {"record without an action": left_out} if left_out else {}
    title = "Conversion of " + (symbol or next(iter(counts), "nothing"))
    report = replace(found, title=title, settings=settings, latency=latency, filtered=filtered, symbols=counts)
    return Result(events, report)


def _nothing() -> None:
    """Nothing is held."""
