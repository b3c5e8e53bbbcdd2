"""What is there, by symbol and day, and what is missing: manifests in, rows and pages out. Pure."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from collector.rotation import DAY_NS, EPOCH, Day
from collector.tally import Tally, goes_on

NO_FILE: Final = "no recording"
BEFORE: Final = "not yet recording"
AFTER: Final = "no longer recording"
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Missing:
    """A stretch of a day that is not in the recording, and why. ns since the epoch."""

    from_ns: int
    to_ns: int
    cause: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """One symbol's day in one folder. `share` of the day, or of what is over of today, is recorded. `file` is empty where there is none."""

    folder: str
    symbol: str
    day: Day
    file: str
    file_bytes: int
    lines: int
    gaps: int
    share: float
    missing: tuple[Missing, ...]

    @property
    def date(self) -> str:
        """The day, as 2026-11-22."""
        return date.fromordinal(EPOCH + self.day).isoformat()

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "date": self.date}


def rows(files: Mapping[tuple[str, str, Day], tuple[str, Tally]], now_ns: int) -> list[DayRow]:
    """Return a row for each symbol (of a folder) and day from its first to its last one, by symbol.

    `files` are by folder, symbol and day: file name and what it holds.
    """
    spans: dict[tuple[str, str], list[Day]] = {}
    for folder, symbol, day in files:
        spans.setdefault((folder, symbol), []).append(day)
    found: list[DayRow] = []
    for (folder, symbol), days in sorted(spans.items()):
        for number in range(min(days), max(days) + 1):
            day = Day(number)
            name, tally = files.get((folder, symbol, day), ("", None))
            _, after = files.get((folder, symbol, Day(number + 1)), ("", None))
            _, before = files.get((folder, symbol, Day(number - 1)), ("", None))
            came_on = tally is not None and goes_on(before, tally)
            missing = _missing(day, tally, came_on, after is not None and goes_on(tally, after), now_ns)
            whole = max(1, min(now_ns, (day + 1) * DAY_NS) - day * DAY_NS)
            share = 1 - sum(each.to_ns - each.from_ns for each in missing) / whole
            sizes = (0, 0, 0) if tally is None else (tally.file_bytes, tally.lines, len(tally.gaps))
            found.append(DayRow(folder, symbol, day, name, *sizes, max(0.0, share), tuple(missing)))
    return found


def _missing(day: Day, tally: Tally | None, came_on: bool, is_gone_on: bool, now_ns: int) -> list[Missing]:
    start, end = day * DAY_NS, min(now_ns, (day + 1) * DAY_NS)
    if tally is None or tally.first_ns is None or tally.last_ns is None:
        return [Missing(start, max(start, end), NO_FILE)]
    found: list[Missing] = []
    if not came_on:
        first_ns = tally.gaps[0].to_ns if tally.gaps and tally.gaps[0].from_ns is None else tally.first_ns
        found.append(Missing(start, end if first_ns is None else first_ns, BEFORE))
    for hole in tally.gaps:
        if hole.from_ns is not None and (hole.to_ns is None or hole.to_ns > hole.from_ns):
            found.append(Missing(hole.from_ns, hole.to_ns or hole.at_ns, hole.cause))
    if not is_gone_on and now_ns >= (day + 1) * DAY_NS:
        found.append(Missing(tally.last_ns, end, AFTER))
    inside = [Missing(max(start, each.from_ns), min(end, each.to_ns), each.cause) for each in found]
    return [each for each in inside if each.to_ns > each.from_ns]


def table(found: Sequence[DayRow]) -> str:
    """Return rows as text: a line a day, and each longer hole (a second or more) below it."""
    lines = [f"{'symbol':<16} {'day':<10} {'MB':>9} {'lines':>12} {'gaps':>5} {'recorded':>9}  file"]
    for row in found:
        size = f"{row.file_bytes / 1e6:,.1f}" if row.file else "-"
        lines.append(
            f"{row.symbol:<16} {row.date} {size:>9} {row.lines:>12,} {row.gaps:>5} {_percent(row.share):>9}  "
            f"{'/'.join(part for part in (row.folder, row.file) if part) or NO_FILE}"
        )
        for hole in row.missing:
            if row.file and hole.to_ns - hole.from_ns >= _SECOND_NS:
                lines.append(f"{'':<27} {_clock(hole.from_ns)} to {_clock(hole.to_ns)}, {_length(hole)}: {hole.cause}")
    return "\n".join(lines)


def calendar(found: Sequence[DayRow]) -> str:
    """Return rows as an HTML page: a table a symbol and year, a row a month, a field a day; each says more when pointed at."""
    groups: dict[tuple[str, str, str], dict[str, dict[int, DayRow]]] = {}
    for row in found:
        year, month, number = row.date.split("-")
        groups.setdefault((row.folder, row.symbol, year), {}).setdefault(month, {})[int(number)] = row
    parts = [_HEAD]
    for (folder, symbol, year), months in groups.items():
        place = f" <small>{html.escape(folder)}</small>" if folder else ""
        parts.append(f"<h2>{html.escape(symbol)} {year}{place}</h2><table><tr><th></th>")
        parts += [f"<th>{number}</th>" for number in range(1, 32)]
        parts.append("</tr>")
        for month, days in sorted(months.items()):
            fields = "".join(_field(days.get(number)) for number in range(1, 32))
            parts.append(f"<tr><th>{month}</th>{fields}</tr>")
        parts.append("</table>")
    return "".join([*parts, "</body></html>\n"])


def _field(row: DayRow | None) -> str:
    if row is None:
        return "<td></td>"
    holes = [f"{_clock(each.from_ns)} to {_clock(each.to_ns)}: {each.cause}" for each in row.missing[:20]]
    more = [f"and {len(row.missing) - 20} more"] if len(row.missing) > 20 else []
    title = html.escape("\n".join([f"{row.date}: {_percent(row.share)} recorded, {row.lines:,} lines", *holes, *more]))
    kind = (
        "none"
        if not row.file
        else "full"
        if row.share > 0.9999 and not row.gaps
        else "most"
        if row.share > 0.99
        else "part"
    )
    return f'<td class="{kind}" title="{title}">{_percent(row.share).removesuffix("%") if row.file else "&ndash;"}</td>'


def _percent(share: float) -> str:
    """Never 100% of a day of which something is missing."""
    if share >= 1:
        return "100%"
    return f"{min(99.99, int(share * 10_000) / 100):g}%"


def _clock(at_ns: int) -> str:
    if at_ns % DAY_NS == 0:
        return f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%H:%M:%S}"
    return f"{datetime.fromtimestamp(at_ns // _SECOND_NS, UTC):%H:%M:%S}.{at_ns % _SECOND_NS // 1_000_000:03d}"


def _length(hole: Missing) -> str:
    seconds = (hole.to_ns - hole.from_ns) / 1e9
    return (
        f"{seconds:.1f} s"
        if seconds < 120
        else f"{seconds / 60:.1f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


_HEAD: Final = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Recordings</title><style>
body{font:14px system-ui,sans-serif;margin:2em;background:#fff;color:#222} table{border-collapse:collapse}
td,th{width:2.6em;height:1.9em;text-align:center;font-size:11px;border:1px solid #fff} td{background:#f2f2f2}
td.full{background:#7bc47f} td.most{background:#cfe8a9} td.part{background:#f6c667} td.none{background:#e8918b}
</style></head><body><h1>Recordings</h1>
<p>Percent of each UTC day that is recorded: green all, light green more than 99, yellow less, red nothing. Point at a day for more.</p>
"""
