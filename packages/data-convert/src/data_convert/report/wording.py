"""How figures of a report are written, the same in text and HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from data_convert.messages.judging import Contradiction
from data_convert.messages.plan import Gap


def when(ns: int) -> str:
    """Write a time in ns since the epoch as UTC, to the microsecond."""
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{rest // 1000:06d}"
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns"


def duration(ns: int | None) -> str:
    """Write a length of time in the unit that suits it."""
    if ns is None:
        return "to the end"
    for unit, size in (("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)):
        if abs(ns) >= size:
            return f"{ns / size:,.3f} {unit}"
    return f"{ns / 1000:,.3f} µs"


def unknown_for(gap: Gap) -> str:
    """Say how long the book was unknown, and what became of it meanwhile."""
    return duration(gap.length_ns) + (" (emitted)" if gap.emitted else "")


EMITTED: Final = (
    "emitted: no clear stands at these gaps; the book is not unknown but may be wrong until the next snapshot"
)


def milliseconds(ns: int) -> str:
    """Write a latency in ms to the microsecond."""
    return f"{ns / 1e6:,.3f}"


def size(count: int) -> str:
    """Write a number of bytes."""
    for unit, unit_size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= unit_size:
            return f"{count / unit_size:,.1f} {unit}"
    return f"{count} B"


def gap_ids(gap: Gap) -> str:
    """Name the ids around a hole, nothing for link recordings."""
    if gap.after_id < 0:
        return ""
    return f"u {gap.after_id} → U {gap.first_id} u {gap.last_id} pu {gap.prev_id}"


def contradiction(found: Contradiction, path: str) -> str:
    """Say in words when the book cannot be the exchange's, and what shows it."""
    span = f"from {when(found.begin_ns)} to {when(found.end_ns)} UTC ({duration(found.end_ns - found.begin_ns)})"
    return f"{path}:{found.line}: the book is {found.kind} {span}, shown {found.count:,} times: {found.detail}"


def spell(text: str) -> str:
    """Write a key of a count as words."""
    return text.replace("_", " ")
