"""A quick look at a file without converting it: head, counts, span, latencies, the book at an instant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Final

from data_convert.book import Side, replay_book
from data_convert.errors import BadLine
from data_convert.events import BUY, EXCH, KIND_MASK, KIND_NAMES, LOCAL, SELL, Events, count_kinds, has_flag
from data_convert.report.measure import histogram, quantiles
from data_convert.report.wording import duration, milliseconds, size, when

_BAR: Final = 40
_BINS: Final = 15


def describe(path: Path, rows: int) -> str:
    """Describe an `.npz` or a recording: span, counts, latencies, the first `rows` rows or lines. Raises InputError."""
    if path.suffix == ".npz":
        from data_convert.writer import load

        return _describe_events(path, load(path), rows)
    return _describe_recording(path, rows)


def describe_book(events: Events, at_ns: int, side: Side, levels: int) -> str:
    """Show the best `levels` of the book that one clock knows at `at_ns`, rows of that instant included."""
    book = replay_book(events, side, at_ns)
    out = [f"book at {when(at_ns)} UTC ({at_ns}) on the {side} clock: {len(book.bids):,} bids, {len(book.asks):,} asks"]
    if len(book.bids) and len(book.asks):
        out.append(f"  spread {book.best_ask - book.best_bid:.12g}, mid {(book.best_ask + book.best_bid) / 2:.12g}")
    out.append(f"  {'bid quantity':>16} {'bid':>14}   {'ask':<14} {'ask quantity':<16}")
    for bid, ask in zip_longest(book.bids[:levels].tolist(), book.asks[:levels].tolist()):
        left = f"{bid[1]:>16.12g} {bid[0]:>14.12g}" if bid else " " * 31
        right = f"{ask[0]:<14.12g} {ask[1]:<16.12g}" if ask else ""
        out.append(f"  {left}   {right}".rstrip())
    return "\n".join(out) + "\n"


def parse_instant(text: str) -> int:
    """Read a time as ns since the epoch: digits, or ISO 8601 (UTC where it names no zone). Raises ValueError."""
    if text.isascii() and text.isdecimal():
        return int(text)
    found = datetime.fromisoformat(text)
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _describe_events(path: Path, events: Events, rows: int) -> str:
    out = [f"{path}: {len(events):,} rows, {size(path.stat().st_size)}"]
    for name in ("exch_ts", "local_ts"):
        if len(events):
            first, last = int(events[name].min()), int(events[name].max())
            out.append(f"{name:>9}: {when(first)} to {when(last)} UTC ({duration(last - first)})")
    out += [f"{count:>12,} {name}" for name, count in count_kinds(events).items()]
    out += _latencies(events)
    for row in events[:rows]:
        ev = int(row["ev"])
        bits = zip("elbs", (EXCH, LOCAL, BUY, SELL), strict=True)
        flags = "".join(letter if ev & bit else "-" for letter, bit in bits)
        kind = KIND_NAMES.get(ev & KIND_MASK, f"kind {ev & KIND_MASK}")
        out.append(f"  {flags} {kind:<15} {int(row['exch_ts'])} {int(row['local_ts'])} {row['px']} x {row['qty']}")
    return "\n".join(out) + "\n"


def _latencies(events: Events) -> list[str]:
    rows = events[has_flag(events, LOCAL)]
    latency_ns = rows["local_ts"] - rows["exch_ts"]
    found, bars = quantiles(latency_ns), histogram(latency_ns, _BINS)
    if found is None or bars is None:
        return []
    figures = (("min", found.min), ("p50", found.p50), ("p99", found.p99), ("max", found.max))
    out = ["latency in ms: " + ", ".join(f"{name} {milliseconds(ns)}" for name, ns in figures)]
    most = max(bars.counts)
    for low, high, count in zip(bars.edges, bars.edges[1:], bars.counts, strict=False):
        out.append(
            f"  {low:>12,.3f} to {high:>12,.3f} {count:>12,} {'#' * round(_BAR * count / max(most, 1))}".rstrip()
        )
    return out


def _describe_recording(path: Path, rows: int) -> str:
    from data_convert.detect import detect_line
    from data_convert.ingest import split_stamp
    from data_convert.readers import ReadStats, read_lines

    stats, dialects, head = ReadStats(path), Counter[str](), []
    first = last = None
    for number, line, _ in read_lines(path, stats):
        if number <= rows:
            text = line.decode("utf-8", "replace")
            head.append("  " + (text if len(text) <= 160 else text[:157] + "..."))
        try:
            last, payload = split_stamp(line)
        except BadLine:
            dialects["no recording line"] += 1
            continue
        first = last if first is None else first
        if number <= 1000:
            source = detect_line(payload)
            dialects["unknown" if source is None else "link" if source == "link" else f"direct, {source}"] += 1
    kind = f"gzip of {stats.members} members" if stats.compressed else "plain text"
    out = [f"{path}: {stats.lines:,} lines, {size(stats.size_bytes)} ({kind}, {size(stats.text_bytes)} of text)"]
    if first is not None and last is not None:
        out.append(f"    local: {when(first)} to {when(last)} UTC ({duration(last - first)})")
    out += [f"  dialect: {name} ({count:,} of the lines looked at)" for name, count in dialects.most_common()]
    out += [f"   damage: {damage}" for damage in stats.damage]
    return "\n".join([*out, *head]) + "\n"
