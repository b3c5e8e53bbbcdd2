"""What was seen in a file (data_convert.inspection.look) as text, as JSON and as sections of a page."""

from __future__ import annotations

import dataclasses
from itertools import zip_longest
from typing import Final

import orjson

from data_convert.inspection.look import BookLook, EventRow, EventsLook, RecordingLook
from data_convert.report.html import Section
from data_convert.report.json import finite
from data_convert.report.values import Histogram, Quantiles
from data_convert.report.wording import duration, milliseconds, size, when

_BAR: Final = 40
_LINE: Final = 160
_LETTERS: Final = (("e", "exchange"), ("l", "local"), ("b", "buy"), ("s", "sell"))


def look_text(look: EventsLook | RecordingLook) -> str:
    """Write what was seen for a terminal."""
    return _events_text(look) if isinstance(look, EventsLook) else _recording_text(look)


def look_json(look: EventsLook | RecordingLook) -> str:
    """Write every field by its name; NaN becomes null."""
    return orjson.dumps(finite(dataclasses.asdict(look)), option=orjson.OPT_INDENT_2).decode() + "\n"


def look_sections(look: EventsLook) -> list[Section]:
    """Return the first rows and the book as tables for the page that `render_html` makes."""
    columns = ("kind", "flags", "exchange time", "local time", "price", "quantity")
    rows = [
        (row.kind, ", ".join(row.flags), str(row.exch_ts), str(row.local_ts), repr(row.px), repr(row.qty))
        for row in look.head
    ]
    out = [Section("First rows", columns, rows)] if rows else []
    if look.book is not None:
        levels = zip_longest(look.book.bids, look.book.asks, fillvalue=None)
        table = [(*_shown(bid)[::-1], *_shown(ask)) for bid, ask in levels]
        out.append(Section(_book_title(look.book), ("bid quantity", "bid", "ask", "ask quantity"), table))
    return out


def _shown(level: tuple[float, float] | None) -> tuple[str, str]:
    return ("", "") if level is None else (f"{level[0]:.12g}", f"{level[1]:.12g}")


def _events_text(look: EventsLook) -> str:
    out = [f"{look.file}: {look.rows:,} rows, {size(look.size_bytes)}"]
    for name, span in (("exch_ts", look.exch_span_ns), ("local_ts", look.local_span_ns)):
        if span:
            out.append(f"{name:>9}: {when(span[0])} to {when(span[1])} UTC ({duration(span[1] - span[0])})")
    out += [f"{count:>12,} {name}" for name, count in look.kinds.items()]
    if look.latency and look.latency_ms:
        out += _latencies(look.latency, look.latency_ms)
    out += [_row_text(row) for row in look.head]
    return "\n".join(out) + "\n" + (_book_text(look.book) if look.book else "")


def _row_text(row: EventRow) -> str:
    flags = "".join(letter if name in row.flags else "-" for letter, name in _LETTERS)
    return f"  {flags} {row.kind:<15} {row.exch_ts} {row.local_ts} {row.px} x {row.qty}"


def _latencies(found: Quantiles, bars: Histogram) -> list[str]:
    figures = (("min", found.min), ("p50", found.p50), ("p99", found.p99), ("max", found.max))
    out = ["latency in ms: " + ", ".join(f"{name} {milliseconds(ns)}" for name, ns in figures)]
    most = max(bars.counts)
    for low, high, count in zip(bars.edges, bars.edges[1:], bars.counts, strict=False):
        out.append(
            f"  {low:>12,.3f} to {high:>12,.3f} {count:>12,} {'#' * round(_BAR * count / max(most, 1))}".rstrip()
        )
    return out


def _book_title(book: BookLook) -> str:
    return (
        f"book at {when(book.at_ns)} UTC ({book.at_ns}) on the {book.clock} clock: "
        f"{book.bid_levels:,} bids, {book.ask_levels:,} asks"
    )


def _book_text(book: BookLook) -> str:
    out = [_book_title(book)]
    if book.bids and book.asks:
        bid, ask = book.bids[0][0], book.asks[0][0]
        out.append(f"  spread {ask - bid:.12g}, mid {(ask + bid) / 2:.12g}")
    out.append(f"  {'bid quantity':>16} {'bid':>14}   {'ask':<14} {'ask quantity':<16}")
    for left, right in zip_longest(book.bids, book.asks):
        of_bid = f"{left[1]:>16.12g} {left[0]:>14.12g}" if left else " " * 31
        of_ask = f"{right[0]:<14.12g} {right[1]:<16.12g}" if right else ""
        out.append(f"  {of_bid}   {of_ask}".rstrip())
    return "\n".join(out) + "\n"


def _recording_text(look: RecordingLook) -> str:
    kind = f"gzip of {look.members} members" if look.compressed else "plain text"
    out = [f"{look.file}: {look.lines:,} lines, {size(look.size_bytes)} ({kind}, {size(look.text_bytes)} of text)"]
    if look.format:
        how = f"; convert it with: data-convert {look.command}" if look.command else ""
        out.append(f"   format: {look.format}{how}")
    if look.local_span_ns is not None:
        first, last = look.local_span_ns
        out.append(f"    local: {when(first)} to {when(last)} UTC ({duration(last - first)})")
    if look.command in ("", "collector"):
        out += [f"  dialect: {name} ({count:,} of the lines looked at)" for name, count in look.dialects.items()]
    out += [f"   damage: {damage}" for damage in look.damage]
    out += ["  " + (line if len(line) <= _LINE else line[: _LINE - 3] + "...") for line in look.head]
    return "\n".join(out) + "\n"
