"""What a conversion or a validation found, as one frozen value; text, JSON and HTML are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from data_convert.events import Events
from data_convert.exits import MAX_LOST
from data_convert.messages.judging import Contradiction
from data_convert.messages.plan import Gap
from data_convert.report.wording import contradiction, milliseconds

SERIES_POINTS: Final = 1200
SERIES_GAPS: Final = 200
FAULTS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class FileReport:
    """One input file: sizes, lines, and what of it could not be read."""

    path: str
    compressed: bool
    size_bytes: int
    text_bytes: int
    members: int
    lines: int
    lost_bytes: int
    lost_lines: int
    damage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadLines:
    """Lines left out for one reason, and where the first of them stand (`file:line: detail`)."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of latencies in ns: local time minus exchange time, one observation a message (a row where rows are all)."""

    count: int
    min: int
    p1: int
    p50: int
    p99: int
    p999: int
    max: int

    def in_ms(self) -> tuple[str, ...]:
        """Write the smallest, the quantiles and the largest in ms."""
        return tuple(map(milliseconds, (self.min, self.p1, self.p50, self.p99, self.p999, self.max)))


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency as recorded and as corrected; `shift_ns` was added to every local time."""

    before: Quantiles | None
    after: Quantiles | None
    shift_ns: int
    smallest_ns: int
    smallest_at: str


@dataclass(frozen=True, slots=True)
class BookCheck:
    """The book after every message: how many left it crossed, and what it ends with."""

    checked: int
    crossed: int
    best_bid: float
    best_ask: float
    bids: int
    asks: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges (one more than counts)."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Curves thinned for plotting: seconds since the first row, mid, spread, rows a second.

    `gaps`: from and to when (seconds) there was no book of two sides; the longest ones, in order.
    """

    seconds: tuple[float, ...] = ()
    mid: tuple[float | None, ...] = ()
    spread: tuple[float | None, ...] = ()
    rate_seconds: tuple[float, ...] = ()
    rate: tuple[float, ...] = ()
    latency_ms: Histogram | None = None
    gaps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """How much of something was lost, of how much, and what may be done about it."""

    what: str
    lost: int
    of: int
    remedy: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything found; fields that do not apply (a validation has no input lines) are empty."""

    title: str
    files: tuple[FileReport, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    lines: int = 0
    empty_lines: int = 0
    bad: tuple[BadLines, ...] = ()
    streams: Mapping[str, int] = field(default_factory=dict)
    symbols: Mapping[str, int] = field(default_factory=dict)
    filtered: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)
    sides: Mapping[str, int] = field(default_factory=dict)
    local_span_ns: tuple[int, int] | None = None
    exch_span_ns: tuple[int, int] | None = None
    snapshots: Mapping[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    latency: Latency | None = None
    books: Mapping[str, BookCheck] = field(default_factory=dict)
    order_error: str | None = None
    compared: int = 0
    contradictions: tuple[Contradiction, ...] = ()
    losses: tuple[Loss, ...] = ()
    broken: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    series: Series = field(default_factory=Series)

    @property
    def bad_lines(self) -> int:
        """Lines left out because they are not what their dialect says."""
        return sum(bad.count for bad in self.bad)

    def incomplete(self, max_lost: float = MAX_LOST, allow_empty: bool = False) -> tuple[str, ...]:
        """Say why this is no success, if it is none: no row, more lost than the share `max_lost`, a broken part.

        The first two are accepted by `allow_empty` and a `max_lost` of 1.
        """
        lines = Loss(
            "lines",
            self.bad_lines + sum(file.lost_lines for file in self.files),
            self.lines - self.empty_lines,
            "look at the lines named, or name their --venue or --dialect",
        )
        found = list(self.broken)
        if not self.rows and not allow_empty:
            found.append("the result is empty: no row was made of the input; --allow-empty accepts that")
        for loss in (lines, *self.losses):
            if loss.of and loss.lost / loss.of > max_lost:
                share = f"{loss.lost:,} of {loss.of:,} {loss.what} ({loss.lost / loss.of:.1%})"
                found.append(
                    f"{share} are lost, more than {max_lost:.3g} of them: {loss.remedy}; --max-lost accepts more"
                )
        return tuple(found)

    @property
    def faults(self) -> tuple[str, ...]:
        """What makes an event array unfit for a backtest: rows out of order, books that are crossed or contradicted."""
        crossed = [f"{name} book crossed {b.crossed} times" for name, b in self.books.items() if b.crossed]
        contradicted = [contradiction(found, self.files_of(found)) for found in self.contradictions[:FAULTS_SHOWN]]
        if len(self.contradictions) > FAULTS_SHOWN:
            contradicted.append(f"and {len(self.contradictions) - FAULTS_SHOWN} more such stretches")
        return tuple(([self.order_error] if self.order_error else []) + crossed + contradicted)

    def files_of(self, found: Contradiction) -> str:
        """Name the file of a contradiction."""
        return self.files[found.file].path if found.file < len(self.files) else ""


OUTLIER_NS: Final = 1_000_000_000
"""A smallest latency this far below the first percentile is called out as a single wrong stamp."""


@dataclass(frozen=True, slots=True)
class Result:
    """A converted recording: rows of EVENT_DTYPE in backtest order, and what was found on the way."""

    events: Events
    report: Report
