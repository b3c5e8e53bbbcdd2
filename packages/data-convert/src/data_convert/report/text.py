"""A report as text for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_convert.report.values import Report
from data_convert.report.wording import EMITTED, duration, gap_ids, size, spell, unknown_for, when

GAPS_SHOWN: Final = 20


def render_text(report: Report, width: int = 110, colour: bool = False) -> str:
    """Render a report as plain text; `colour` adds terminal colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=colour, color_system="auto" if colour else None)
    console.rule(f"[bold]{escape(report.title)}")
    for warning in report.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
    for file in report.files:
        kind = f"gzip, {file.members} members" if file.compressed else "plain"
        console.print(f"{escape(file.path)}: {size(file.size_bytes)} ({kind}), {file.lines:,} lines", highlight=False)
        for damage in file.damage:
            console.print(f"  [yellow]damage:[/] {escape(damage)}", highlight=False)
    if report.settings:
        console.print(escape(", ".join(f"{key}: {value}" for key, value in report.settings.items())), highlight=False)
    for name, times in (("local", report.local_span_ns), ("exchange", report.exch_span_ns)):
        if times:
            length = duration(times[1] - times[0])
            console.print(f"{name}: {when(times[0])} to {when(times[1])} UTC ({length})", highlight=False)
    _counts(console, "rows", {**report.kinds, "total": report.rows})
    _counts(console, "rows by clock", report.sides)
    _counts(console, "lines by stream", report.streams)
    _counts(console, "left out by rule", report.filtered)
    _counts(console, "notes", report.notes)
    _counts(console, "book messages", report.snapshots)
    _bad(console, report)
    _gaps(console, report)
    _latency(console, report)
    if report.compared:
        console.print(_judged(report), highlight=False)
    for name, book in report.books.items():
        state = f"[red]crossed {book.crossed:,} times[/]" if book.crossed else "never crossed"
        console.print(
            f"{name} book: {state} in {book.checked:,} checks; ends {book.best_bid} / {book.best_ask} "
            f"with {book.bids:,} bids, {book.asks:,} asks",
            highlight=False,
        )
    console.print(
        f"order: [red]{escape(report.order_error)}[/]" if report.order_error else "order: right on both clocks"
    )
    for fault in report.faults:
        console.print(f"[red]fault:[/] {escape(fault)}", highlight=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _counts(console: Console, title: str, counts: Mapping[str, int]) -> None:
    if not counts:
        return
    listed = ", ".join(f"{spell(name)} {count:,}" for name, count in counts.items())
    console.print(f"[bold]{title}:[/] {escape(listed)}", highlight=False)


def _bad(console: Console, report: Report) -> None:
    if not report.bad:
        return
    table = _table("lines that could not be used", ("reason", "lines", "first at"))
    for bad in report.bad:
        table.add_row(escape(bad.reason), f"{bad.count:,}", escape(bad.examples[0]) if bad.examples else "")
    console.print(table)


def _gaps(console: Console, report: Report) -> None:
    if not report.gaps:
        return
    table = _table(f"gaps: {len(report.gaps)}", ("found at line", "local time", "book unknown for", "reason", "ids"))
    for gap in report.gaps[:GAPS_SHOWN]:
        line = str(gap.found_line) if len(report.files) < 2 else f"{gap.found_file + 1}:{gap.found_line}"
        table.add_row(line, when(gap.found_local_ns), unknown_for(gap), escape(gap.reason), gap_ids(gap))
    console.print(table)
    if any(gap.emitted for gap in report.gaps):
        console.print(EMITTED, highlight=False)
    if len(report.gaps) > GAPS_SHOWN:
        console.print(f"... and {len(report.gaps) - GAPS_SHOWN} more (all are in --json)")


def _latency(console: Console, report: Report) -> None:
    latency = report.latency
    if latency is None:
        return
    table = _table("latency in ms", ("", "min", "p1", "p50", "p99", "p99.9", "max", "of"))
    for name, found in (("as recorded", latency.before), ("corrected" if latency.before else "", latency.after)):
        if found is not None:
            table.add_row(name, *found.in_ms(), f"{found.count:,}")
    console.print(table)
    if latency.smallest_at:
        console.print(
            f"local times moved by {duration(latency.shift_ns) if latency.shift_ns else 'nothing'}; smallest latency "
            f"{latency.smallest_ns} ns at {escape(latency.smallest_at)}",
            highlight=False,
        )


def _judged(report: Report) -> str:
    against = sum(found.kind in ("half", "wrong") for found in report.contradictions)
    agree = f"[red]they contradict it in {against:,} stretches[/]" if against else "all agree"
    return f"book: {report.compared:,} comparisons with book tickers, {agree}"
