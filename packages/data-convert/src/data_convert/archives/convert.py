"""Vendor archives into event arrays: Binance's and Bybit's public data, Databento's market by order.

Every public file is told by its first line. Messages of all files are put in order by exchange time, trades before books at
equal times, and get their local times from a stated latency model (data_convert.archives.latency).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from data_convert.archives import binance as history_binance
from data_convert.archives import bybit as history_bybit
from data_convert.archives.columns import TableReader
from data_convert.archives.databento import load_records, records_to_rows
from data_convert.archives.latency import FeedLatency
from data_convert.archives.rows import LevelSink, QuoteSink, Sink, TradeSink
from data_convert.arrays.timeline import check_order, correct_local_timestamp, order_events
from data_convert.errors import BadLine, ClockError, FormatError, InputError, StrictError, SymbolError
from data_convert.events import EVENT_DTYPE
from data_convert.files.lines import text_lines
from data_convert.files.paths import Paths, listed_paths
from data_convert.files.readers import ReadStats
from data_convert.messages.columns import NO_ID, Messages, MessagesBuilder, What
from data_convert.recordings.assemble import assemble, one_symbol
from data_convert.recordings.detect import Source
from data_convert.recordings.ingest import Ingested
from data_convert.recordings.venues.bybit import BybitDecoder
from data_convert.recordings.venues.decoder import Counts
from data_convert.report.counted import BadCounter, file_report
from data_convert.report.validation import validate
from data_convert.report.values import Result
from data_convert.words import Time, Unanchored, check_word

_MAX_NS: Final = (1 << 63) - 1
_REMEDY: Final = "name files of data.binance.vision or of Bybit's archives (.zip, .csv, .csv.gz, .data)"


@dataclass(slots=True)
class _History:
    time: str
    strict: bool
    empty: int = 0
    builder: MessagesBuilder = field(default_factory=MessagesBuilder)
    counts: Counts = field(default_factory=Counts)
    bad: BadCounter = field(default_factory=BadCounter)
    stats: list[ReadStats] = field(default_factory=list)
    kinds: dict[str, Path] = field(default_factory=dict)
    backwards: set[int] = field(default_factory=set)  # files that begin with the newest

    def read(self, path: Path, file: int) -> None:
        """Read one file. Raises InputError, FormatError, StrictError."""
        first = next((line for _, line in text_lines(path, ReadStats(path)) if line.strip()), None)
        begin = len(self.builder)
        if first is None:
            stats = ReadStats(path)
            self.empty += sum(1 for _ in text_lines(path, stats))  # nothing but blank lines
        elif history_bybit.kind_of(text := first.decode("utf-8", "replace")) == "order book":
            self._once("book", path)
            stats = self._read_frames(path, file, text)
        else:
            stats = self._read_table(path, file, text)
        self.stats.append(stats)
        if self.strict and stats.damage:
            raise StrictError(path, stats.lines, stats.damage[0])
        end = len(self.builder)
        if end > begin and self.builder.exch_ns(begin) > self.builder.exch_ns(end - 1):
            self.backwards.add(file)

    def _read_table(self, path: Path, file: int, first: str) -> ReadStats:
        columns = first.removeprefix("\ufeff").strip().split(",")
        builder, streams = self.builder, self.counts.streams
        bybit = history_bybit.kind_of(first)
        sink: Sink
        if bybit is not None:
            self._once("trades", path)
            symbol, header = path.name.partition("_")[0].partition(".")[0], True
            table = history_bybit.table(bybit, columns)
            sink = TradeSink(builder, self.counts, bybit, file)
        else:
            binance = history_binance.kind_of(first)
            if binance is None:
                known = next((text for column, text in history_binance.UNUSABLE.items() if column in columns), None)
                raise FormatError(path, known or "is of no archive known here by its first line", _REMEDY)
            kind, header = binance
            self._once(kind, path)
            symbol = path.name.partition("-")[0]
            table = history_binance.table(kind, columns if header else None, len(columns), self.time)
            match kind:
                case "bookTicker":
                    sink = QuoteSink(builder, streams, file, symbol)
                case "depth":
                    sink = LevelSink(builder, streams, file)
                case _:
                    sink = TradeSink(builder, self.counts, kind, file)
        reader = TableReader(path, table, header, symbol, builder.symbols, self.bad, self.strict)
        for words in reader:
            sink.take(words)
        sink.finish()
        self.empty += reader.empty
        return reader.stats

    def _read_frames(self, path: Path, file: int, first: str) -> ReadStats:
        decoder, stats = self._frame_decoder(path, first), ReadStats(path)
        for at, line in text_lines(path, stats):
            if not line.strip():
                self.empty += 1
                continue
            try:
                decoder.take(self.builder, (file, at), 0, line)
            except BadLine as error:
                if self.strict:
                    raise StrictError(path, at, str(error)) from error
                self.bad.add(path, at, error)
        return stats

    def _frame_decoder(self, path: Path, first: str) -> BybitDecoder:
        try:
            depth = int(orjson.loads(first)["topic"].split(".")[1])
        except (orjson.JSONDecodeError, KeyError, ValueError, IndexError, AttributeError, TypeError):
            raise FormatError(path, "has no topic orderbook.<levels>.<symbol> in its first line", _REMEDY) from None
        decoder = BybitDecoder(self.time, depth)
        decoder.streams, decoder.filtered = self.counts.streams, self.counts.filtered
        decoder.notes = self.counts.notes
        return decoder

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
    check_word("time", time, Time)
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
    if "depth" in history.kinds and bool(np.any(history.builder.build(None).prev_id != NO_ID)):
        source = "binance"  # updates that name their predecessor are put in order by ids
    read = Ingested(
        history.builder, history.counts, source, files, lines, history.empty, history.bad.listed(), warnings
    )
    messages = _dated(_in_time(one_symbol(read, symbol), history.backwards), latency)
    settings = {"source": "history: " + ", ".join(sorted(history.kinds)), "local time": latency.describe()}
    return assemble(read, messages, settings, "by-id", unanchored, judged=False)


def _in_time(messages: Messages, backwards: Set[int]) -> Messages:
    """Put messages in the order of exchange time, trades before books at equal times, equal ones as they stand.

    Books keep the order of their file: a message dated before its predecessor is taken to be of that one's time. Files that
    begin with the newest (`backwards`) are turned.
    """
    exch_ns, trade = messages.exch_ns, messages.what == What.TRADE
    if not backwards and (trade.all() or not trade.any()) and bool(np.all(exch_ns[1:] >= exch_ns[:-1])):
        return messages
    sequence = np.arange(len(messages))
    for file in np.unique(messages.file).tolist():
        own = np.flatnonzero(messages.file == file)
        if file in backwards:
            sequence[own] = own[::-1]
        books = own[~trade[own]]
        if bool(np.any(exch_ns[books[1:]] < exch_ns[books[:-1]])):
            exch_ns = exch_ns.copy()
            exch_ns[books] = np.maximum.accumulate(exch_ns[books])
    if trade.any() and not trade.all():
        sequence = np.concatenate((sequence[trade[sequence]], sequence[~trade[sequence]]))
    order = sequence[np.argsort(exch_ns[sequence], kind="stable")]
    return messages if bool(np.all(order[1:] > order[:-1])) else messages.taken(order)


def _dated(messages: Messages, latency: FeedLatency) -> Messages:
    """Give messages their local times; what is received never overtakes what was received before it."""
    if not len(messages):
        return messages
    delay_ns = latency.at(messages.exch_ns)
    if int(messages.exch_ns.max()) > _MAX_NS - int(delay_ns.max()):
        raise ClockError(int(delay_ns.max()))
    local_ns = messages.exch_ns + delay_ns
    return replace(messages, local_ns=np.maximum.accumulate(local_ns, out=local_ns))


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
