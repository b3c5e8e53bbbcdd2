"""From recordings to an event array: reads, orders by snapshot policy and by both clocks, measures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from data_convert.carry import carry_book
from data_convert.detect import VENUES
from data_convert.errors import InputError, MarketError, SymbolError
from data_convert.events import Events
from data_convert.formats.binance import ALSO
from data_convert.ingest import Ingested, Paths, Progress, first_stamp, ingest, listed_paths
from data_convert.judging import judge
from data_convert.messages import Ints, Messages, What
from data_convert.plan import Plan
from data_convert.report.measure import Figures, check_book, figures_of, make_series, quantiles
from data_convert.report.values import Latency, Loss, Report
from data_convert.snapshot import POLICIES, Policy, Unanchored, make_plan
from data_convert.timeline import check_places, order_times, smallest_and_shift, write_events
from data_convert.trade_ids import DUPLICATES, Duplicates, check_trades
from data_convert.unit_rows import build_rows

_UNANCHORED: Final = (
    "no snapshot joins them, so the book is unknown there; --before takes the book of the day before, --unanchored keep "
    "emits a partial book"
)
OUTLIER_NS: Final = 1_000_000_000
"""A smallest latency this far below the first percentile is called out as a single wrong stamp."""


@dataclass(frozen=True, slots=True)
class Result:
    """A converted recording: rows of EVENT_DTYPE in backtest order, and what was found on the way."""

    events: Events
    report: Report


def convert_recording(
    paths: Paths,
    *,
    dialect: str = "auto",
    time: str = "T",
    snapshots: Policy = "by-id",
    base_latency_ns: int = 0,
    symbol: str | None = None,
    strict: bool = False,
    unanchored: Unanchored = "drop",
    progress: Progress | None = None,
    venue: str = "auto",
    levels: int | None = None,
    before: Paths = (),
    also: Collection[str] = (),
    duplicate_trades: Duplicates = "drop",
) -> Result:
    """Convert recordings of one symbol (docs/formats.md section 2) to an event array.

    `paths`: one file or several (days). `dialect`: auto, direct or link; `venue`: auto or one of `detect.VENUES`, for
    direct recordings. `levels`: Bybit and Hyperliquid only, the one book stream to take; None fuses all. `time`: T
    (transaction) or E (event time), direct recordings only. `before`: the recording of the day before, whose last book
    is the first of this one. `snapshots`, `unanchored`: docs/data-convert.md.
    `base_latency_ns`: added to the shift where one is needed. `strict`: StrictError at the first bad line or damage.
    `also`: of Binance, streams beside books and trades to take: book-ticker (rows of kind 103 best bid, 104 best ask),
    mark-price (100 index price, 101 mark price, 102 funding rate, all dated by E).
    `duplicate_trades`: drop keeps a trade that came twice once, keep all of them.
    `progress(done, total)` gets input bytes. Raises InputError, FormatError, SymbolError, StrictError, ClockError;
    ValueError for unknown options.
    """
    for name, value, allowed in (
        ("dialect", dialect, ("auto", "direct", "link")),
        ("time", time, ("T", "E")),
        ("snapshots", snapshots, POLICIES),
        ("unanchored", unanchored, ("drop", "keep")),
        ("venue", venue, ("auto", *VENUES)),
        ("duplicate_trades", duplicate_trades, DUPLICATES),
    ):
        if value not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
    if unknown := [name for name in also if name not in ALSO]:
        raise ValueError(f"also is of {', '.join(ALSO)}, not {unknown[0]!r}")
    earlier = [path for path in listed_paths(before) if first_stamp(path) is not None]
    read = ingest([*earlier, *listed_paths(paths)], dialect, time, strict, progress, venue, levels, also, earlier)
    for path, file in zip(earlier, read.files, strict=False):
        if Path(file.path) not in earlier:
            raise InputError(path, f"does not begin before {file.path}", "name the recording of the day before")
    messages, trades = trades_once(read, one_symbol(read, symbol), symbol, duplicate_trades, len(earlier))
    settings = {
        "dialect": "link" if read.source == "link" else "direct",
        "source": read.source,
        "exchange time": "ns of the connector" if read.source == "link" else time,
        "snapshots": snapshots,
        "unanchored": unanchored,
        "base latency": f"{base_latency_ns} ns",
    }
    if also:
        settings["also"] = ", ".join(also)
    if levels:
        settings["levels"] = str(levels)
        if not np.any((messages.what == What.UPDATE) | (messages.what == What.SNAPSHOT)):
            there = ", ".join(name for name in read.decoder.filtered if "not the" in name) or "none"
            read.broken.append(f"no book of {levels} levels is in the recording; left out: {there}")
    if symbol:
        settings["symbol"] = symbol
    if earlier:
        settings["book at the begin"] = "of " + ", ".join(map(str, earlier))
    return assemble(read, messages, settings, snapshots, unanchored, base_latency_ns, len(earlier), trades)


def assemble(
    read: Ingested,
    messages: Messages,
    settings: dict[str, str],
    snapshots: Policy = "by-id",
    unanchored: Unanchored = "drop",
    base_latency_ns: int = 0,
    before_files: int = 0,
    losses: Sequence[Loss] = (),
) -> Result:
    """Make the event array and the report of decoded messages; `settings` are shown in it. Raises ClockError.

    Of the first `before_files` files only the book is used that they lead to.
    """
    plan = make_plan(messages, "link" if read.in_order else "direct", snapshots, unanchored)
    rows = build_rows(messages, plan)
    if before_files:
        carried = carry_book(messages, plan, rows, before_files)
        rows, plan = carried.rows, carried.plan
    latency_ns = _message_latency(messages, before_files)
    smallest_ns, shift_ns = smallest_and_shift(rows.exch_ns, rows.local_ns, base_latency_ns)
    latency = None
    if len(rows):
        decisive = int(np.argmin(rows.local_ns - rows.exch_ns))
        smallest_at = _place(read, messages, int(plan.units.message[rows.unit[decisive]]))
        before, after = quantiles(latency_ns), quantiles(latency_ns + shift_ns)
        latency = Latency(before, after, shift_ns, smallest_ns, smallest_at)
    rows = replace(rows, local_ns=rows.local_ns + shift_ns)
    ordered = order_times(rows.exch_ns, rows.local_ns)
    check_places(rows, ordered)
    with ThreadPoolExecutor(1, "records") as beside:  # its kernel lets other threads run
        written = beside.submit(write_events, rows, ordered)
        figures = figures_of(rows, ordered)
        events, kinds = written.result()
    unanchored_updates = lost_updates(messages, plan, before_files)
    plan.warnings += _left_out(unanchored_updates)
    losses = [unanchored_updates, *losses]
    report = report_of(read, plan, figures, kinds, latency, settings, latency_ns, losses)
    if snapshots != "ignore":  # without snapshots the book is partial, as it was asked to be
        as_recorded_ns = figures.walked_ns - shift_ns
        found = judge(messages, plan, figures.walked_unit, figures.local, as_recorded_ns, before_files)
        report = replace(report, compared=found.compared, contradictions=found.contradictions)
    return Result(events, report)


def trades_once(
    read: Ingested, messages: Messages, symbol: str | None, duplicates: Duplicates = "drop", before_files: int = 0
) -> tuple[Messages, list[Loss]]:
    """Leave out trades that came twice, and count them and those whose ids are missing."""
    every = read.builder.other_trades
    wanted = every if symbol is None else {symbol, symbol.upper()}
    others = [number for name, ids in every.items() if name in wanted for number in ids]
    first, found = check_trades(messages, np.array(others, np.int64), before_files)
    if found.repeated:
        kept = "kept" if duplicates == "keep" else "left out"
        read.warnings.append(f"{found.repeated:,} trades came twice (same id, time, price, quantity) and are {kept}")
        if duplicates == "drop":
            messages = messages.taken(np.flatnonzero(first))
    if not found.missing or read.source not in ("binance", "link"):
        return messages, []
    place = _place(
        read, messages, int(np.count_nonzero(first[: found.first_hole])) if duplicates == "drop" else found.first_hole
    )
    words = f"{found.missing:,} trade ids are missing in {found.holes:,} holes, the first before {place}"
    if read.source == "link":  # a connector hands on the trades of the book only; others have ids of the same count
        read.decoder.notes[f"{words} (trades lost, or none of the book)"] += found.missing
        return messages, []
    read.warnings.append(words)
    return messages, [
        Loss("trades", found.missing, found.seen + found.missing, "their ids are missing in the recording")
    ]


def lost_updates(messages: Messages, plan: Plan, before_files: int = 0) -> Loss:
    """Count the updates of a day that were left out because no snapshot joins them."""
    updates = (messages.what == What.UPDATE) & (messages.file >= before_files)
    lost = int(np.count_nonzero(updates[plan.lost]))
    return Loss("updates", lost, int(np.count_nonzero(updates)), _UNANCHORED)


def _left_out(loss: Loss) -> list[str]:
    """Say in words that something was left out, whatever its share."""
    return [f"{loss.lost:,} of {loss.of:,} {loss.what} are left out: {loss.remedy}"] if loss.lost else []


def one_symbol(read: Ingested, symbol: str | None) -> Messages:
    """Return the messages of one symbol of one market; raise SymbolError when that leaves none or several, MarketError."""
    if len(read.markets) > 1:
        raise MarketError(read.markets)
    counts = read.builder.symbol_counts
    if symbol is not None and symbol not in counts:
        symbol = symbol.upper()  # Hyperliquid's coins are as they are (kPEPE), all others upper case
    if (symbol is None and len(counts) > 1) or (symbol is not None and counts and symbol not in counts):
        raise SymbolError(symbol, counts)
    messages = read.builder.build(symbol)
    if len(counts) > 1 and read.builder.nameless:
        read.warnings.append("the recording holds several symbols and its snapshots name none: they are left out")
        messages = read.builder.build(symbol, nameless=False)
    return messages


def _message_latency(messages: Messages, before_files: int) -> Ints:
    """Latency of every update and trade as recorded; snapshots were asked for and tell nothing of the stream."""
    streamed = (messages.what == What.UPDATE) | (messages.what == What.TRADE)
    latency: Ints = (messages.local_ns - messages.exch_ns)[streamed & (messages.file >= before_files)]
    return latency


def _place(read: Ingested, messages: Messages, message: int) -> str:
    return f"{read.files[int(messages.file[message])].path}:{int(messages.line[message])}"


def report_of(
    read: Ingested,
    plan: Plan,
    figures: Figures,
    kinds: dict[str, int],
    latency: Latency | None,
    settings: dict[str, str],
    latency_ns: Ints,
    losses: Sequence[Loss] = (),
) -> Report:
    """Describe a conversion: what was read, what was planned, what the rows came to and of which kinds they are."""
    warnings = [*read.warnings, *plan.warnings]
    if latency and latency.before and latency.smallest_ns < latency.before.p1 - OUTLIER_NS:
        warnings.append(
            f"one stamp decides the correction: the smallest latency {latency.smallest_ns} ns at {latency.smallest_at} "
            f"is {(latency.before.p1 - latency.smallest_ns) / 1e9:.3f} s below the first percentile"
        )
    corrected_ns = latency_ns + (latency.shift_ns if latency else 0)
    return Report(
        title="Conversion" + (f" of {next(iter(read.builder.symbol_counts))}" if read.builder.symbol_counts else ""),
        files=read.files,
        settings=settings,
        lines=read.lines,
        empty_lines=read.empty_lines,
        bad=read.bad,
        streams=dict(read.decoder.streams.most_common()),
        symbols=dict(read.builder.symbol_counts),
        filtered=dict(read.decoder.filtered),
        notes=dict(read.decoder.notes),
        rows=sum(figures.sides.values()),
        kinds=kinds,
        sides=figures.sides,
        local_span_ns=figures.local_span_ns,
        exch_span_ns=figures.exch_span_ns,
        snapshots=dict(sorted(plan.counts.items())),
        gaps=plan.gaps,
        latency=latency,
        books={"local": check_book(figures.local), "exchange": check_book(figures.exchange)},
        warnings=tuple(warnings),
        losses=tuple(losses),
        broken=tuple(read.broken),
        series=make_series(figures.local_ns, figures.counts, figures.local, figures.walked_ns, corrected_ns),
    )
