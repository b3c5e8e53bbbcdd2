"""A quick look at a file without converting it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from data_convert.errors import BadLine
from data_convert.events import BUY, EXCH, KIND_MASK, KIND_NAMES, LOCAL, SELL, Events, count_kinds
from data_convert.report.wording import duration, size, when


def describe(path: Path, rows: int) -> str:
    """Describe an `.npz` or a recording: span, counts, the first `rows` rows or lines. Raises InputError."""
    if path.suffix == ".npz":
        from data_convert.writer import load

        return _describe_events(path, load(path), rows)
    return _describe_recording(path, rows)


def _describe_events(path: Path, events: Events, rows: int) -> str:
    out = [f"{path}: {len(events):,} rows, {size(path.stat().st_size)}"]
    for name in ("exch_ts", "local_ts"):
        if len(events):
            first, last = int(events[name].min()), int(events[name].max())
            out.append(f"{name:>9}: {when(first)} to {when(last)} UTC ({duration(last - first)})")
    out += [f"{count:>12,} {name}" for name, count in count_kinds(events).items()]
    for row in events[:rows]:
        ev = int(row["ev"])
        bits = zip("elbs", (EXCH, LOCAL, BUY, SELL), strict=True)
        flags = "".join(letter if ev & bit else "-" for letter, bit in bits)
        kind = KIND_NAMES.get(ev & KIND_MASK, f"kind {ev & KIND_MASK}")
        out.append(f"  {flags} {kind:<15} {int(row['exch_ts'])} {int(row['local_ts'])} {row['px']} x {row['qty']}")
    return "\n".join(out) + "\n"


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
