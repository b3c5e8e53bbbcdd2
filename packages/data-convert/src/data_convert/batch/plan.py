"""Which files of a directory are one symbol and day, and what becomes of each: the plan of a batch, from names alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Final, Literal

Kind = Literal["recording", "tardis", "history"]

_DAY: Final = r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_TARDIS: Final = r"trades|incremental_book_L2|book_ticker|quotes|book_snapshot_(?:5|25)|derivative_ticker"
_PATTERNS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("recording", re.compile(r"(?P<symbol>[^/]+)_(?P<day>[0-9]{8})\.(?:gz|jsonl|jsonl\.gz|json|txt)")),
    (
        "tardis",
        re.compile(rf"(?P<venue>[a-z0-9-]+)_(?P<what>{_TARDIS})_{_DAY}_(?P<symbol>[^./]+)\.csv(?:\.gz)?"),
    ),
    (
        "history",
        re.compile(rf"(?P<symbol>[A-Z0-9_]+)-(?P<what>trades|aggTrades|bookTicker)-{_DAY}\.(?:zip|csv|csv\.gz)"),
    ),
    ("history", re.compile(rf"(?P<symbol>[A-Z0-9]+)_?{_DAY}\.csv(?:\.gz)?")),
    ("history", re.compile(rf"{_DAY}_(?P<symbol>[A-Z0-9]+)_ob[0-9]+\.data(?:\.zip)?")),
)


_FINER: Final[dict[str, frozenset[str]]] = {
    "aggTrades": frozenset({"trades"}),
    "quotes": frozenset({"book_ticker"}),
    "book_snapshot_25": frozenset({"incremental_book_L2"}),
    "book_snapshot_5": frozenset({"incremental_book_L2", "book_snapshot_25"}),
}
"""What is left out where one of these tells the same more finely."""


class State(Enum):
    """What is to be done about a job."""

    TO_DO = "to do"
    DONE = "done already"
    OLDER = "older than its input"
    INCOMPLETE = "incomplete, to do again"


@dataclass(frozen=True, slots=True)
class Job:
    """One symbol and day: what goes in and where it goes."""

    name: str
    kind: Kind
    inputs: tuple[Path, ...]
    output: Path
    before: tuple[Path, ...] = ()
    """The recording of the day before, whose last book this one begins with."""

    @property
    def incomplete(self) -> Path:
        """Where the result goes while it is no success: empty, or too much of it lost."""
        return self.output.with_suffix(".incomplete.npz")


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """All jobs of a directory in order of symbol and day, and the files that belong to none."""

    jobs: tuple[Job, ...]
    unknown: tuple[Path, ...]


def make_plan(
    paths: Iterable[Path],
    root: Path,
    target: Path,
    symbols: frozenset[str] = frozenset(),
    first_day: str = "",
    last_day: str = "",
) -> BatchPlan:
    """Group files by name into jobs; days are YYYYMMDD, inclusive, "" for no limit; `symbols` in any case, or all.

    Outputs lie in `target` as the inputs do in `root`. Of files of one day that tell the same the finest is
    taken (trades before aggTrades, incremental_book_L2 before book_snapshot_25 before book_snapshot_5).
    """
    wanted = {symbol.lower() for symbol in symbols}
    groups: dict[tuple[str, str, str, Kind], dict[Path, str]] = {}
    every: dict[tuple[str, str, str], list[Path]] = {}
    unknown: list[Path] = []
    for path in sorted(paths):
        found = _match(path.name)
        if found is None:
            unknown.append(path)
            continue
        kind, venue, symbol, day, what = found
        place = path.parent.relative_to(root).as_posix()
        if kind == "recording":
            every.setdefault((place, symbol.lower(), day), []).append(path)
        if (wanted and symbol.lower() not in wanted) or day < first_day or (last_day and day > last_day):
            continue
        groups.setdefault((place, venue + symbol.lower(), day, kind), {})[path] = what
    jobs, taken = [], set[Path]()
    for (place, name, day, kind), files in sorted(groups.items()):
        held = set(files.values())
        inputs = tuple(path for path, what in files.items() if not held & _FINER.get(what, frozenset()))
        output = target / place / f"{name}_{day}.npz"
        if output in taken:  # the same symbol and day from two kinds of source in one directory
            output = target / place / f"{name}_{day}.{kind}.npz"
        taken.add(output)
        before = tuple(every.get((place, name, _day_before(day)), ())) if kind == "recording" else ()
        jobs.append(Job(output.relative_to(target).as_posix().removesuffix(".npz"), kind, inputs, output, before))
    return BatchPlan(tuple(jobs), tuple(unknown))


def _day_before(day: str) -> str:
    try:
        return f"{datetime.strptime(day, '%Y%m%d') - timedelta(days=1):%Y%m%d}"
    except (ValueError, OverflowError):
        return ""  # eight digits that are no day


def _match(name: str) -> tuple[Kind, str, str, str, str] | None:
    """Return (kind, venue and an underscore where the name has one, symbol, YYYYMMDD, what the file holds)."""
    for kind, pattern in _PATTERNS:
        found = pattern.fullmatch(name)
        if found is not None:
            groups = found.groupdict()
            venue = f"{groups['venue']}_" if "venue" in groups else ""
            return kind, venue, groups["symbol"], groups["day"].replace("-", ""), groups.get("what") or ""
    return None
