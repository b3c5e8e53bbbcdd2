"""A report as one self-contained HTML page: no scripts, no outside files, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Final

from data_convert import svg
from data_convert.report.values import Report
from data_convert.report.wording import EMITTED, duration, gap_ids, milliseconds, size, spell, unknown_for, when

GAPS_SHOWN: Final = 500

_STYLE: Final = """
:root { color-scheme: light dark; --bg: #fbfbfa; --card: #ffffff; --text: #1d2126; --muted: #6a727c; --grid: #e7e8ea;
  --line: #2563a8; --fill: #4c86c6; --bad: #b3261e; --good: #1a7f4b; --warn: #8a5a00; --warn-bg: #fff6e0; }
@media (prefers-color-scheme: dark) { :root { --bg: #14171a; --card: #1c2024; --text: #e4e7ea; --muted: #98a1ab;
  --grid: #2e343a; --line: #6fb1f5; --fill: #4a86c4; --bad: #ff8a80; --good: #62d394; --warn: #f2c063;
  --warn-bg: #2e2612; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 26px; font-weight: 650; letter-spacing: -0.01em; margin: 0 0 4px; }
h2 { font-size: 14px; font-weight: 600; margin: 0 0 10px; }
p.sub { color: var(--muted); margin: 0 0 24px; }
p.note { color: var(--muted); margin: 12px 0 0; font-size: 13px; }
section { background: var(--card); border: 1px solid var(--grid); border-radius: 10px; padding: 18px 20px;
  margin: 0 0 16px; overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 0 0 16px; }
.tile { background: var(--card); border: 1px solid var(--grid); border-radius: 10px; padding: 14px 16px; }
.tile b { display: block; font-size: 20px; font-weight: 620; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tile span { color: var(--muted); font-size: 13px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px; }
.columns section { margin: 0; } .columns { margin: 0 0 16px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th { text-align: right; color: var(--muted); font-weight: 500; padding: 4px 0 6px 14px;
  border-bottom: 1px solid var(--grid); white-space: nowrap; }
td { text-align: right; padding: 5px 0 5px 14px; border-bottom: 1px solid var(--grid); vertical-align: top; }
tr:last-child td { border-bottom: 0; } th:first-child, td:first-child { text-align: left; padding-left: 0;
  overflow-wrap: anywhere; }
.warning { background: var(--warn-bg); color: var(--warn); border-radius: 10px; padding: 12px 16px; margin: 0 0 16px;
  overflow-wrap: anywhere; }
.bad { color: var(--bad); } .good { color: var(--good); } svg { width: 100%; height: auto; display: block; }
@media (max-width: 560px) { main { padding: 24px 12px; } }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A table that is shown on a page beside what the report says."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def render_html(report: Report, more: Sequence[Section] = ()) -> str:
    """Render a report as a complete page, `more` tables behind its plots; the same report gives the same page."""
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title>',
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>',
        f'<body><main><h1>{escape(report.title)}</h1><p class="sub">{_subtitle(report)}</p>',
        *(f'<div class="warning">{escape(warning)}</div>' for warning in report.warnings),
        *(f'<div class="warning bad">{escape(fault)}</div>' for fault in report.faults),
        f'<div class="tiles">{"".join(_tiles(report))}</div>',
        *_plots(report),
        _latency(report),
        *(_section(table.title, _table(table.columns, table.rows)) for table in more),
        _gaps(report),
        '<div class="columns">',
        _counts("Rows", report.kinds),
        _counts("Rows by clock", report.sides),
        _counts("Lines by stream", report.streams),
        _counts("Book messages", report.snapshots),
        _counts("Left out by rule", report.filtered),
        _counts("Notes", report.notes),
        "</div>",
        _bad(report),
        _files(report),
        _books(report),
        _settings(report),
        "</main></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _subtitle(report: Report) -> str:
    if not report.local_span_ns:
        return "no rows"
    first, last = report.local_span_ns
    return f"{escape(when(first))} to {escape(when(last))} UTC, {escape(duration(last - first))} by the local clock"


def _tiles(report: Report) -> Iterable[str]:
    crossed = sum(book.crossed for book in report.books.values())
    yield _tile(f"{report.rows:,}", "rows")
    yield _tile(f"{len(report.gaps):,}", "gaps", "bad" if report.gaps else "good")
    yield _tile(f"{crossed:,}", "crossed books", "bad" if crossed else "good")
    order, style = ("wrong", "bad") if report.order_error else ("right", "good")
    yield _tile(order, "order on both clocks", style)
    if report.files:
        yield _tile(f"{report.bad_lines:,}", f"bad of {report.lines:,} lines", "bad" if report.bad_lines else "good")
    if report.latency and report.latency.after:
        yield _tile(f"{milliseconds(report.latency.after.p50)} ms", "median latency")


def _tile(figure: str, name: str, style: str = "") -> str:
    return f'<div class="tile"><b class="{style}">{escape(figure)}</b><span>{escape(name)}</span></div>'


def _plots(report: Report) -> Iterable[str]:
    series = report.series
    if series.seconds:
        dark, doubts = _dark(report), _joined(_gap_spans(report, emitted=True))
        curve = partial(svg.line, series.seconds, gaps=dark, doubts=doubts)
        mid = curve(series.mid, label="mid price over time")
        spread = curve(series.spread, label="spread over time", steps=True)
        note = '<p class="note">Shaded: no book was known.</p>' if dark else ""
        if doubts:
            note += '<p class="note">Shaded under a curve: the book may be wrong there.</p>'
        yield _section("Mid price", mid + note)
        yield _section("Spread", spread + note)
    if series.rate:
        plot = svg.line(series.rate_seconds, series.rate, label="rows a second over time", steps=True, zero=True)
        yield _section("Rows a second", plot)
    if series.latency_ms:
        bins = series.latency_ms
        plot = svg.histogram(bins.edges, bins.counts, label="latency histogram", unit="ms")
        yield _section("Latency, corrected, up to the 99.9th percentile", plot)


def _dark(report: Report) -> list[tuple[float, float]]:
    """Return when no book was known, in seconds: where the rows have none, and where updates are missing."""
    return _joined([*report.series.gaps, *_gap_spans(report, emitted=False)])


def _gap_spans(report: Report, emitted: bool) -> list[tuple[float, float]]:
    """Return the spans of the first gaps, in seconds: of those whose updates were emitted all the same, or of the others."""
    if not report.local_span_ns:
        return []
    first, last = report.local_span_ns
    shift = report.latency.shift_ns if report.latency else 0
    spans = []
    for gap in report.gaps[:GAPS_SHOWN]:
        if gap.emitted is emitted:
            until = last if gap.until_local_ns is None else min(gap.until_local_ns + shift, last)
            spans.append(((gap.after_local_ns + shift - first) / 1e9, (until - first) / 1e9))
    return spans


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inside}</section>"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _counts(title: str, counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    return _section(title, _table(("", "count"), ((spell(name), f"{count:,}") for name, count in counts.items())))


def _latency(report: Report) -> str:
    latency = report.latency
    if latency is None:
        return ""
    rows = [
        (name, *found.in_ms(), f"{found.count:,}")
        for name, found in (("as recorded", latency.before), ("corrected", latency.after))
        if found is not None
    ]
    note = ""
    if latency.smallest_at:
        moved = f"Local times moved by {duration(latency.shift_ns)}" if latency.shift_ns else "No local time moved"
        note = f'<p class="note">{escape(moved)}; the smallest latency is at {escape(latency.smallest_at)}.</p>'
    return _section("Latency in ms", _table(("", "min", "p1", "p50", "p99", "p99.9", "max", "messages"), rows) + note)


def _gaps(report: Report) -> str:
    if not report.gaps:
        return ""
    rows = (
        (
            f"{gap.found_file + 1}:{gap.found_line}",
            when(gap.found_local_ns),
            unknown_for(gap),
            gap.reason,
            gap_ids(gap),
        )
        for gap in report.gaps[:GAPS_SHOWN]
    )
    table = _table(("file:line", "local time", "book unknown for", "reason", "ids"), rows)
    if any(gap.emitted for gap in report.gaps):
        table += f'<p class="note">{escape(EMITTED)}.</p>'
    more = len(report.gaps) - GAPS_SHOWN
    return _section(f"Gaps: {len(report.gaps)}", table + (f"<p>and {more} more</p>" if more > 0 else ""))


def _bad(report: Report) -> str:
    if not report.bad:
        return ""
    rows = ((bad.reason, f"{bad.count:,}", "; ".join(bad.examples)) for bad in report.bad)
    return _section("Lines that could not be used", _table(("reason", "lines", "first at"), rows))


def _files(report: Report) -> str:
    if not report.files:
        return ""
    rows = (
        (
            file.path,
            size(file.size_bytes),
            f"{file.members:,}" if file.compressed else "plain",
            f"{file.lines:,}",
            "; ".join(file.damage) or "none",
        )
        for file in report.files
    )
    return _section("Files", _table(("path", "size", "members", "lines", "damage"), rows))


def _books(report: Report) -> str:
    if not report.books:
        return ""
    rows = (
        (name, f"{b.checked:,}", f"{b.crossed:,}", f"{b.best_bid} / {b.best_ask}", f"{b.bids:,} / {b.asks:,}")
        for name, b in report.books.items()
    )
    return _section("Book at the end", _table(("clock", "checks", "crossed", "best bid / ask", "levels"), rows))


def _settings(report: Report) -> str:
    if not report.settings:
        return ""
    return _section("Settings", _table(("", ""), report.settings.items()))
