"""Figures of an event array that comes in chunks: what a report says, in memory that does not grow with the array.

Counts, spans, order, books and gaps are exact. Latencies are exact up to SAMPLED of them and a sample beyond; curves are
thinned while they arrive.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.arrays.book import Book, Walk, depth_rows, rows_of, walk_rows
from data_convert.errors import OrderError
from data_convert.events import EVENT_DTYPE, EXCH, KIND_MASK, LOCAL, Events, Ints, has_flag
from data_convert.report.measure import check_book, quantiles
from data_convert.report.values import SERIES_GAPS, SERIES_POINTS, BookCheck, Quantiles

SAMPLED: Final = 1 << 21
_POINTS: Final = 8 * SERIES_POINTS
_BUCKETS: Final = 1 << 16

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Sampled:
    """Every n-th value, n doubling whenever too many are held; smallest and largest are of all."""

    values: list[Ints] = field(default_factory=list)
    held: int = 0
    stride: int = 1
    skip: int = 0
    count: int = 0
    smallest: int = 0
    largest: int = 0

    def add(self, values: Ints) -> None:
        """Take values in."""
        if not len(values):
            return
        low, high = int(values.min()), int(values.max())
        self.smallest = min(self.smallest, low) if self.count else low
        self.largest = max(self.largest, high) if self.count else high
        self.count += len(values)
        picked = values[self.skip :: self.stride].copy()
        self.skip = (self.skip - len(values)) % self.stride
        self.values.append(picked)
        self.held += len(picked)
        while self.held > SAMPLED:
            self.skip += self.stride * (self.held % 2)
            self.values = [np.concatenate(self.values)[::2].copy()]
            self.held = len(self.values[0])
            self.stride *= 2

    def sample(self) -> Ints:
        """Return what is held."""
        return np.concatenate([np.empty(0, np.int64), *self.values])

    def quantiles(self) -> Quantiles | None:
        """Summarise: count, minimum and maximum of all, the rest of the sample."""
        found = quantiles(self.sample())
        return found and replace(found, count=self.count, min=self.smallest, max=self.largest)


@dataclass(slots=True)
class Rate:
    """Rows counted by local time, in buckets that grow so that there are never many."""

    width_ns: int = 1_000
    times: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    counts: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def add(self, local_ns: Ints) -> None:
        """Count rows of these times."""
        times, counts = np.unique(local_ns // self.width_ns, return_counts=True)
        self._merge(np.concatenate((self.times, times)), np.concatenate((self.counts, counts)))
        while len(self.times) > _BUCKETS:
            self.width_ns *= 8
            self._merge(self.times // 8, self.counts)

    def _merge(self, times: Ints, counts: Ints) -> None:
        self.times, place = np.unique(times, return_inverse=True)
        self.counts = np.bincount(place, counts, len(self.times)).astype(np.int64)


class ClockBook:
    """The book of one clock, played in chunks; rows of one time are one message wherever a chunk is cut."""

    def __init__(self, side: str, curve: bool) -> None:
        self._flag, self._name = (LOCAL, "local_ts") if side == "local" else (EXCH, "exch_ts")
        self._held: Events = np.empty(0, EVENT_DTYPE)
        self._curve = curve
        self._stride, self._skip = 1, 0
        self._missing_since: int | None = None
        self._points: list[tuple[Ints, Floats, Floats]] = []
        self.book = Book(np.empty((0, 2)), np.empty((0, 2)))
        self.checked = self.crossed = 0
        self.gaps: list[tuple[int, int]] = []
        self.last_ns: int | None = None

    def add(self, events: Events) -> None:
        """Take rows of any kind and clock in."""
        rows = events[has_flag(events, self._flag) & depth_rows(events)]
        rows = np.concatenate((self._held, rows)) if len(self._held) else rows
        if not len(rows):
            return
        changes = np.flatnonzero(rows[self._name][1:] != rows[self._name][:-1])
        cut = int(changes[-1]) + 1 if len(changes) else 0
        self._held = rows[cut:].copy()
        if cut:
            self._play(rows[:cut])

    def finish(self) -> None:
        """Play what was held back: the rows of the last time."""
        if len(self._held):
            self._play(self._held)
        self._held = np.empty(0, EVENT_DTYPE)
        if self._missing_since is not None and self.last_ns is not None:
            self.gaps.append((self._missing_since, self.last_ns))

    def _play(self, rows: Events) -> None:
        known = rows_of(self.book)
        group = np.cumsum(np.diff(rows[self._name], prepend=rows[self._name][:1]) != 0) + 1
        walk = walk_rows(np.concatenate((known, rows)), np.concatenate((np.zeros(len(known), np.int64), group)))
        begin = int(bool(len(known)))
        crossed_before = begin and bool(walk.best_bid[0] >= walk.best_ask[0])
        self.book = walk.book
        self.checked += len(walk.last) - begin
        self.crossed += walk.crossed - int(crossed_before)
        times = rows[self._name][walk.last[begin:] - len(known)]
        self.last_ns = int(times[-1])
        if self._curve:
            self._draw(times, walk.best_bid[begin:], walk.best_ask[begin:])

    def _draw(self, times: Ints, bid: Floats, ask: Floats) -> None:
        missing = ~(np.isfinite(bid) & np.isfinite(ask))
        was = self._missing_since is not None
        steps = np.diff(np.concatenate(([was], missing)).astype(np.int8))
        kept = np.zeros(len(times), np.bool_)
        for at in np.flatnonzero(steps).tolist():
            # What begins and ends a hole is never thinned away.
            kept[max(at - 1, 0) : at + 1] = True
            if steps[at] > 0:
                self._missing_since = int(times[at])
            elif self._missing_since is not None:
                self.gaps.append((self._missing_since, int(times[at])))
                self._missing_since = None
        if len(self.gaps) > 2 * SERIES_GAPS:
            self.gaps = sorted(sorted(self.gaps, key=lambda gap: gap[0] - gap[1])[:SERIES_GAPS])
        kept[self._skip :: self._stride] = True
        self._skip = (self._skip - len(times)) % self._stride
        kept[-1:] |= not self._points
        self._points.append((times[kept], bid[kept], ask[kept]))
        if sum(len(part[0]) for part in self._points) > _POINTS:
            joined = self.points()
            whole = joined[0]
            edge = ~(np.isfinite(joined[1]) & np.isfinite(joined[2]))
            edge[:-1] |= edge[1:]
            edge[1:] |= edge[:-1]
            thin = np.arange(len(whole)) % 2 == 0
            if edge.sum() < _POINTS // 2:
                thin |= edge
            self._points = [(joined[0][thin], joined[1][thin], joined[2][thin])]
            self._stride *= 2

    def points(self) -> tuple[Ints, Floats, Floats]:
        """Return the times, best bids and best asks that are kept."""
        if not self._points:
            return np.empty(0, np.int64), np.empty(0), np.empty(0)
        times, bid, ask = (np.concatenate(parts) for parts in zip(*self._points, strict=True))
        return times, bid, ask

    def walk(self) -> Walk:
        """Return the walk over the points that are kept."""
        _, bid, ask = self.points()
        return Walk(bid, ask, np.arange(len(bid)), self.crossed, self.book)

    def check(self) -> BookCheck:
        """Return the figures that a report shows."""
        return replace(check_book(self.walk()), checked=self.checked)


class Order:
    """The first row of one clock that goes back in time."""

    def __init__(self, side: str) -> None:
        self._side = side
        self._flag, self._name = (LOCAL, "local_ts") if side == "local" else (EXCH, "exch_ts")
        self._latest: int | None = None
        self._seen = 0
        self.error: OrderError | None = None

    def add(self, events: Events) -> None:
        """Take rows in."""
        rows = np.flatnonzero(has_flag(events, self._flag))
        times = events[self._name][rows]
        if self.error is None and len(rows):
            before = times[0] if self._latest is None else self._latest
            back = np.flatnonzero(np.diff(times, prepend=before) < 0)
            if len(back):
                first = int(back[0])
                earlier = int(times[first - 1]) if first else int(before)
                self.error = OrderError(self._side, self._seen + int(rows[first]), earlier, int(times[first]))
        if len(rows):
            self._latest = int(times[-1])
        self._seen += len(events)


class Extent:
    """The smallest and the largest of what is taken in."""

    def __init__(self) -> None:
        self.ends: tuple[int, int] | None = None

    def add(self, values: Ints) -> None:
        """Take values in."""
        if len(values):
            low, high = int(values.min()), int(values.max())
            self.ends = (low, high) if self.ends is None else (min(self.ends[0], low), max(self.ends[1], high))


def count_low_bytes(events: Events) -> npt.NDArray[np.int64]:
    """Count rows by kind."""
    counted: npt.NDArray[np.int64] = np.bincount(
        (events["ev"] & np.uint64(KIND_MASK)).astype(np.int64), minlength=KIND_MASK + 1
    )
    return counted
