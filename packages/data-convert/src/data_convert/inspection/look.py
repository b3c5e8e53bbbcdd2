"""A quick look at a file without converting it: head, counts, span, latencies, the book at an instant.

What is seen are values; `inspection_text` writes them for people, as JSON and as sections of a page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from data_convert.arrays.book import end_book
from data_convert.errors import BadLine
from data_convert.events import BUY, EXCH, KIND_MASK, KIND_NAMES, LOCAL, SELL, Events, has_flag
from data_convert.report.measure import histogram
from data_convert.report.values import Histogram, Quantiles
from data_convert.report.windowed import Extent, Sampled, count_low_bytes
from data_convert.words import Side

BINS: Final = 15
_LOOKED_AT: Final = 1000
_FLAGS: Final = (("exchange", EXCH), ("local", LOCAL), ("buy", BUY), ("sell", SELL))

Span = tuple[int, int]
Level = tuple[float, float]


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row in words; `flags` of exchange, local, buy, sell."""

    kind: str
    flags: tuple[str, ...]
    exch_ts: int
    local_ts: int
    px: float
    qty: float


@dataclass(frozen=True, slots=True)
class BookLook:
    """The best levels (price, quantity) that one clock knows at an instant, and how many there are at all."""

    at_ns: int
    clock: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    bid_levels: int
    ask_levels: int


@dataclass(frozen=True, slots=True)
class EventsLook:
    """An event file: first and last time on either clock (ns), rows by kind, latencies of rows flagged LOCAL."""

    file: str
    size_bytes: int
    rows: int
    exch_span_ns: Span | None
    local_span_ns: Span | None
    kinds: dict[str, int]
    latency: Quantiles | None
    latency_ms: Histogram | None
    head: tuple[EventRow, ...]
    book: BookLook | None = None


@dataclass(frozen=True, slots=True)
class RecordingLook:
    """A recording: first and last receive time (ns), `dialects` of the lines looked at, the first lines.

    `format` in words of any file that can be converted, and the `command` that does it.
    """

    file: str
    size_bytes: int
    compressed: bool
    members: int
    text_bytes: int
    lines: int
    local_span_ns: Span | None
    dialects: dict[str, int]
    damage: tuple[str, ...]
    head: tuple[str, ...]
    format: str = ""
    command: str = ""


def look_at(path: Path, rows: int) -> EventsLook | RecordingLook:
    """Look at an `.npz` or a recording, `rows` rows or lines of it, in memory that does not grow. Raises InputError."""
    if path.suffix == ".npz":
        from data_convert.files.npz import npz_chunks

        return look_at_events(path, npz_chunks(path), rows)
    return _look_at_recording(path, rows)


def look_at_events(path: Path, chunks: Iterable[Events], rows: int) -> EventsLook:
    """Look at the events that an `.npz` holds; they come in chunks."""
    latency, total = Sampled(), 0
    kinds = np.zeros(KIND_MASK + 1, np.int64)
    head: list[EventRow] = []
    exch, local = Extent(), Extent()
    for events in chunks:
        head += [_row(row) for row in events[: max(rows - len(head), 0)]]
        total += len(events)
        kinds += count_low_bytes(events)
        exch.add(events["exch_ts"])
        local.add(events["local_ts"])
        own = events[has_flag(events, LOCAL)]
        latency.add(own["local_ts"] - own["exch_ts"])
    return EventsLook(
        file=str(path),
        size_bytes=path.stat().st_size,
        rows=total,
        exch_span_ns=exch.ends,
        local_span_ns=local.ends,
        kinds={KIND_NAMES.get(k, f"kind {k}"): n for k, n in enumerate(kinds.tolist()) if n},
        latency=latency.quantiles(),
        latency_ms=histogram(latency.sample(), BINS),
        head=tuple(head),
    )


def look_at_book(chunks: Iterable[Events], at_ns: int, side: Side, levels: int) -> BookLook:
    """Return the best `levels` of the book that one clock knows at `at_ns`, rows of that instant included."""
    name = "local_ts" if side == "local" else "exch_ts"
    flag = LOCAL if side == "local" else EXCH

    def until() -> Iterator[Events]:
        for events in chunks:
            later = np.flatnonzero(has_flag(events, flag) & (events[name] > at_ns))
            yield events[: int(later[0])] if len(later) else events
            if len(later):
                return

    book = end_book(until(), side)
    bids, asks = (tuple((price, qty) for price, qty in own[:levels].tolist()) for own in (book.bids, book.asks))
    return BookLook(at_ns, side, bids, asks, len(book.bids), len(book.asks))


def parse_instant(text: str) -> int:
    """Read a time as ns since the epoch: digits, or ISO 8601 (UTC where it names no zone). Raises ValueError."""
    if text.isascii() and text.isdecimal():
        return int(text)
    found = datetime.fromisoformat(text)
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _row(row: np.void) -> EventRow:
    ev = int(row["ev"])
    kind = KIND_NAMES.get(ev & KIND_MASK, f"kind {ev & KIND_MASK}")
    flags = tuple(name for name, bit in _FLAGS if ev & bit)
    return EventRow(kind, flags, int(row["exch_ts"]), int(row["local_ts"]), float(row["px"]), float(row["qty"]))


def _look_at_recording(path: Path, rows: int) -> RecordingLook:
    from data_convert.files.lines import read_lines, text_lines
    from data_convert.files.readers import ReadStats, open_check
    from data_convert.files.zipped import is_zip
    from data_convert.inspection.naming import name_file
    from data_convert.recordings.detect import detect_line
    from data_convert.recordings.ingest import split_stamp

    open_check(path)
    named = name_file(path)
    if named.what == "Databento file":
        return RecordingLook(
            str(path), path.stat().st_size, False, 0, 0, 0, None, {}, (), (), named.what, named.command
        )
    stats, dialects, head = ReadStats(path), Counter[str](), []
    first = last = None
    zipped = ((number, line, True) for number, line in text_lines(path, stats)) if is_zip(path) else None
    for number, line, _ in zipped or read_lines(path, stats):
        if number <= rows:
            head.append(line.decode("utf-8", "replace"))
        try:
            last, payload = split_stamp(line)
        except BadLine:
            dialects["no recording line"] += 1
            continue
        first = last if first is None else first
        if number <= _LOOKED_AT:
            source = detect_line(payload)
            dialects["unknown" if source is None else "link" if source == "link" else f"direct, {source}"] += 1
    return RecordingLook(
        file=str(path),
        size_bytes=stats.size_bytes,
        compressed=stats.compressed,
        members=stats.members,
        text_bytes=stats.text_bytes,
        lines=stats.lines,
        local_span_ns=None if first is None or last is None else (first, last),
        dialects=dict(dialects.most_common()),
        damage=tuple(stats.damage),
        head=tuple(head),
        format=named.what,
        command=named.command,
    )
