"""Tardis' trades, incremental_book_L2 and book_ticker into one fused event array.

Depth and quotes are merged by local time, a quote first only when it is strictly earlier, and go through
`data_convert.fusing`; a quote is taken ask first. Snapshot blocks clear each side out to the block's far edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import Final, Literal, cast

import numpy as np

from data_convert.convert import Result, assemble, one_symbol
from data_convert.errors import FormatError, InputError
from data_convert.events import BUY, DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, SELL, TRADE
from data_convert.formats import Counts
from data_convert.fusing import ASK, BID, FusedBook, Row, worst
from data_convert.ingest import BadCounter, Ingested, Paths, file_report, listed_paths
from data_convert.messages import NO_ID, MessagesBuilder, What
from data_convert.readers import ReadStats
from data_convert.sizes import check_size
from data_convert.tardis_rows import Kind, LevelRow, QuoteRow, TradeRow, file_kind, read_rows

Mode = Literal["process", "ignore_sod", "ignore"]
MODES: Final = ("process", "ignore_sod", "ignore")

_SIDE: Final = {BID: BUY, ASK: SELL}
_IDS: Final = (NO_ID, NO_ID, NO_ID)


@dataclass(slots=True)
class _Input:
    kinds: dict[Path, Kind]
    strict: bool
    stats: list[ReadStats] = field(default_factory=list)
    bad: BadCounter = field(default_factory=BadCounter)
    counts: Counts = field(default_factory=Counts)

    def rows(self, kind: Kind) -> Iterator[tuple[int, TradeRow | LevelRow | QuoteRow]]:
        """Yield (number of the file, row) of all files of a kind, file after file."""
        for path, found in self.kinds.items():
            if found == kind:
                stats = ReadStats(path)
                self.stats.append(stats)
                file = len(self.stats) - 1
                for row in read_rows(path, kind, stats, self.bad, self.strict):
                    self.counts.streams[kind] += 1
                    yield file, row


def fuse_tardis(
    paths: Paths,
    *,
    tick_size: float | None = None,
    lot_size: float | None = None,
    snapshot_mode: Mode = "process",
    base_latency_ns: int = 0,
    strict: bool = False,
) -> Result:
    """Fuse Tardis files of one symbol; their kinds are told by their headers, files of a kind go in the order given.

    `tick_size`, `lot_size`: prices of one tick are one level, quantities of no lot are none; None compares exactly.
    `snapshot_mode`: process, ignore_sod (not the one that begins a file) or ignore; ignored blocks still move the book.
    Raises InputError, FormatError, SymbolError, StrictError, ClockError; ValueError for an unknown mode or a size
    that is none.
    """
    if snapshot_mode not in MODES:
        raise ValueError(f"snapshot_mode is one of {', '.join(MODES)}, not {snapshot_mode!r}")
    check_size(tick_size, "tick size")
    check_size(lot_size, "lot size")
    listed = listed_paths(paths)
    if not listed:
        raise InputError("(no file)", "nothing to fuse", "name trades, incremental_book_L2 and book_ticker files")
    source = _Input({path: file_kind(path) for path in listed}, strict)
    if "depth" not in source.kinds.values():
        raise FormatError(listed[0], "and the others are no incremental_book_L2", "name one: there is no book without")
    builder = MessagesBuilder()
    for file, row in source.rows("trades"):
        _add_trade(builder, file, cast(TradeRow, row), source.counts)
    _Fuser(builder, FusedBook(tick_size, lot_size), snapshot_mode).run(source)
    files = tuple(file_report(stats) for stats in source.stats)
    lines = sum(stats.lines for stats in source.stats)
    read = Ingested(builder, source.counts, "files", files, lines, 0, source.bad.listed(), [])
    messages = one_symbol(read, None)
    trade_first = np.where(messages.what == What.TRADE, 0, 1)
    order = np.lexsort((np.arange(len(messages)), trade_first, messages.local_ns))
    settings = {"source": "tardis, fused", "snapshot mode": snapshot_mode, "base latency": f"{base_latency_ns} ns"}
    for name, size in (("tick size", tick_size), ("lot size", lot_size)):
        settings[name] = "exact" if size is None else f"{size}"
    return assemble(read, messages.taken(order), settings, "by-id", "keep", base_latency_ns)


def _add_trade(builder: MessagesBuilder, file: int, row: TradeRow, counts: Counts) -> None:
    if not row.price > 0 or not row.quantity > 0:
        counts.filtered["trade without price or quantity"] += 1
        return
    if row.side is None:
        counts.notes["trades of unknown side"] += 1
    ev = TRADE | (0 if row.side is None else _SIDE[row.side])
    rows = ((ev,), (row.price,), (row.quantity,))
    builder.add(What.TRADE, row.symbol, (file, row.line), row.local_ns, row.exch_ns, _IDS, rows)


class _Fuser:
    """Runs of depth rows of one time, and quotes, into messages."""

    def __init__(self, builder: MessagesBuilder, book: FusedBook, mode: Mode) -> None:
        self._builder, self._book, self._mode = builder, book, mode
        self._file = 0
        self._pending: list[LevelRow] = []  # levels of one message
        self._waiting: list[tuple[int, QuoteRow]] = []
        self._begun: set[int] = set()  # files that had a row that is no snapshot: the start of their day is over

    def run(self, source: _Input) -> None:
        """Take all depth and quote rows of the input."""
        depth, quotes = source.rows("depth"), source.rows("book_ticker")
        # At equal times depth comes first: the quote is the finer statement and has the last word.
        for file, row in merge(depth, quotes, key=lambda item: (item[1].local_ns, isinstance(item[1], QuoteRow))):
            if isinstance(row, LevelRow):
                if not self._continues(file, row):
                    self._flush()
                self._file = file
                self._pending.append(row)
            elif self._pending and self._pending[0].snapshot:
                self._waiting.append((file, cast(QuoteRow, row)))  # a block is one message, whatever its times
            else:
                self._flush()
                self._quote(file, cast(QuoteRow, row))
        self._flush()

    def _continues(self, file: int, row: LevelRow) -> bool:
        if not self._pending or file != self._file or row.snapshot != self._pending[0].snapshot:
            return False
        before = self._pending[-1]
        return row.snapshot or (row.local_ns, row.exch_ns) == (before.local_ns, before.exch_ns)

    def _flush(self) -> None:
        rows, self._pending = self._pending, []
        if rows:
            (self._block if rows[0].snapshot else self._levels)(self._file, rows)
        waiting, self._waiting = self._waiting, []
        for file, row in waiting:
            self._quote(file, row)

    def _levels(self, file: int, rows: list[LevelRow]) -> None:
        self._begun.add(file)
        out: list[Row] = []
        for row in rows:
            if row.price > 0:
                out += self._book.update(row.side, row.price, row.quantity, row.exch_ns)
        self._add(What.UPDATE, file, rows[0], [(DEPTH | _SIDE[s], p, q) for s, p, q in out])

    def _quote(self, file: int, row: QuoteRow) -> None:
        out: list[Row] = []
        for side, level in ((ASK, row.ask), (BID, row.bid)):
            if level is not None and level[0] > 0:
                out += self._book.quote(side, *level, row.exch_ns)
        self._add(What.UPDATE, file, row, [(DEPTH | _SIDE[s], p, q) for s, p, q in out])

    def _block(self, file: int, rows: list[LevelRow]) -> None:
        out: list[tuple[int, float, float]] = []
        for side in (BID, ASK):
            own = [row for row in rows if row.side == side and row.price > 0]
            if not own:
                continue
            edge = worst({row.price: row.quantity for row in own}, side)
            self._book.clear(side, edge)
            out.append((DEPTH_CLEAR | _SIDE[side], edge, 0.0))
            for row in own:
                found = self._book.update(side, row.price, row.quantity, row.exch_ns)
                out += [((DEPTH_SNAPSHOT if q else DEPTH) | _SIDE[s], p, q) for s, p, q in found]
        if self._mode == "process" or (self._mode == "ignore_sod" and file in self._begun):
            self._add(What.SNAPSHOT, file, rows[0], out)

    def _add(self, what: What, file: int, row: LevelRow | QuoteRow, out: list[tuple[int, float, float]]) -> None:
        if out:
            columns = ([ev for ev, _, _ in out], [p for _, p, _ in out], [q for _, _, q in out])
            self._builder.add(what, row.symbol, (file, row.line), row.local_ns, row.exch_ns, _IDS, columns)
