"""Messages to an event array and its report: what is emitted when, both clocks, the book beside its own quotes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import numpy as np

from data_convert.arrays.timeline import check_places, order_times, smallest_and_shift, write_events
from data_convert.errors import MarketError, SymbolError
from data_convert.events import Ints
from data_convert.messages.carry import carry_book
from data_convert.messages.columns import Messages, What
from data_convert.messages.judging import judge
from data_convert.messages.plan import Plan
from data_convert.messages.snapshot import make_plan
from data_convert.messages.trade_ids import check_trades
from data_convert.messages.unit_rows import build_rows
from data_convert.recordings.ingest import Ingested
from data_convert.report.measure import Figures, check_book, figures_of, make_series, quantiles
from data_convert.report.values import OUTLIER_NS, Latency, Loss, Report, Result
from data_convert.words import Duplicates, Policy, Unanchored

_UNANCHORED: Final = (
    "no snapshot joins them, so the book is unknown there; --before takes the book of the day before, --unanchored keep "
    "emits a partial book"
)


def assemble(
    read: Ingested,
    messages: Messages,
    settings: dict[str, str],
    snapshots: Policy = "by-id",
    unanchored: Unanchored = "drop",
    base_latency_ns: int = 0,
    before_files: int = 0,
    losses: Sequence[Loss] = (),
    judged: bool = True,
) -> Result:
    """Make the event array and the report of decoded messages; `settings` are shown in it. Raises ClockError.

    Of the first `before_files` files only the book is used that they lead to. `judged`: the book is compared with its quotes.
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
        before = quantiles(latency_ns)
        after = quantiles(latency_ns + shift_ns) if shift_ns else before
        latency = Latency(before, after, shift_ns, smallest_ns, smallest_at)
    if shift_ns:
        rows = replace(rows, local_ns=rows.local_ns + shift_ns)
    ordered = order_times(rows.exch_ns, rows.local_ns)
    check_places(rows, ordered)
    with ThreadPoolExecutor(1, "records") as beside:  # its kernel lets other threads run
        written = beside.submit(write_events, rows, ordered)
        figures = figures_of(rows, ordered)
        events, kinds = written.result()
    losses = [told_lost_updates(messages, plan, before_files), *losses]
    report = report_of(read, plan, figures, kinds, latency, settings, latency_ns, losses)
    if judged and snapshots != "ignore":  # without snapshots the book is partial, as it was asked to be
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


def told_lost_updates(messages: Messages, plan: Plan, before_files: int = 0) -> Loss:
    """Count the updates of a day that were left out, and add that to the plan's warnings, whatever their share."""
    loss = lost_updates(messages, plan, before_files)
    if loss.lost:
        plan.warnings.append(f"{loss.lost:,} of {loss.of:,} {loss.what} are left out: {loss.remedy}")
    return loss


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
    streamed &= messages.file >= before_files
    latency: Ints = messages.local_ns - messages.exch_ns
    return latency if bool(streamed.all()) else latency[streamed]


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
