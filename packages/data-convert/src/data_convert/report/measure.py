"""Figures for a report out of arrays: latency quantiles, book checks, thinned curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.arrays.book import Walk, number_levels, walk_units
from data_convert.arrays.timeline import Ordered
from data_convert.arrays.units import UnitRows
from data_convert.events import DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EXCH, KIND_MASK, LOCAL, Ints
from data_convert.report.values import SERIES_GAPS, SERIES_POINTS, BookCheck, Histogram, Quantiles, Series

_BINS: Final = 60
_SIDES: Final = (EXCH | LOCAL, EXCH, LOCAL)


def quantiles(latency_ns: Ints) -> Quantiles | None:
    """Summarise latencies; every figure is an observed value (the one at or below the quantile)."""
    if not len(latency_ns):
        return None
    found = np.quantile(latency_ns, [0.0, 0.01, 0.5, 0.99, 0.999, 1.0], method="lower")
    return Quantiles(len(latency_ns), *(int(value) for value in found))


def check_book(walk: Walk) -> BookCheck:
    """Turn a walk over a book into the figures a report shows."""
    book = walk.book
    return BookCheck(len(walk.last), walk.crossed, book.best_bid, book.best_ask, len(book.bids), len(book.asks))


@dataclass(frozen=True, slots=True)
class Figures:
    """What a report tells of the rows of a conversion.

    `walked_ns` and `walked_unit` are the local times and units (of the plan, if there is one) of the groups of the local
    walk; `local_ns` are the times of all rows, or of units that have `counts` rows each.
    """

    sides: dict[str, int]
    local_span_ns: tuple[int, int] | None
    exch_span_ns: tuple[int, int] | None
    local: Walk
    walked_ns: Ints
    walked_unit: Ints
    exchange: Walk
    local_ns: Ints
    counts: Ints | None


def figures_of(rows: UnitRows, ordered: Ordered) -> Figures:
    """Walk the books of both clocks and count the records of units' rows.

    On the local clock the rows of one unit of a plan are one message, on the exchange's the rows of one time.
    """
    counts = rows.counts
    deep = _changes_book(rows.ev[rows.begin])
    for unit in np.flatnonzero(~deep & (counts > 1)).tolist():
        deep[unit] = bool(_changes_book(rows.ev[rows.begin[unit] : rows.end[unit]]).any())
    levels = number_levels(rows.px if deep.any() else rows.px[:0])
    walks = []
    for flag, group in ((LOCAL, rows.unit), (EXCH, rows.exch_ns)):
        order = ordered.of(flag)
        order = order[deep[order]]
        walks.append((walk_units(order, group[order], rows.begin, rows.end, rows.ev, rows.qty, levels), order))
    (local, order), (exchange, _) = walks
    both, exch_only, local_only = int(counts.sum()), 0, 0
    if not ordered.as_is:
        both, exch_only, local_only = (int(counts[ordered.source[ordered.flags == flags]].sum()) for flags in _SIDES)
    return Figures(
        sides={"both clocks": both, "exchange only": exch_only, "local only": local_only, "neither": 0},
        local_span_ns=_span(rows.local_ns),
        exch_span_ns=_span(rows.exch_ns),
        local=local,
        walked_ns=rows.local_ns[order[local.last]],
        walked_unit=rows.unit[order[local.last]],
        exchange=exchange,
        local_ns=rows.local_ns,
        counts=counts,
    )


def _changes_book(ev: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    changes = np.zeros(KIND_MASK + 1, np.bool_)
    changes[[DEPTH, DEPTH_SNAPSHOT, DEPTH_CLEAR]] = True
    marked: npt.NDArray[np.bool_] = changes[ev & np.uint32(KIND_MASK)]
    return marked


def _span(times_ns: Ints) -> tuple[int, int] | None:
    return (int(times_ns.min()), int(times_ns.max())) if len(times_ns) else None


def make_series(local_ns: Ints, counts: Ints | None, walk: Walk, walked_ns: Ints, latency_ns: Ints) -> Series:
    """Thin the curves of a report: `walked_ns` are the local times of the walk's groups, `latency_ns` corrected.

    `local_ns` are the local times of all rows, or of units of `counts` rows each.
    """
    if not len(local_ns):
        return Series()
    first, last = int(local_ns.min()), int(local_ns.max())
    span_s = max((last - first) / 1e9, 1e-9)
    picked = np.unique(np.linspace(0, len(walked_ns) - 1, min(SERIES_POINTS, len(walked_ns))).astype(np.int64))
    gaps = _longest_gaps(walk, walked_ns, last)
    # Thinning must not pass over a hole: the last point before it, one inside and the first one behind it stay.
    edges_of_gaps = (gaps[:, :1] + np.array([-1, 0])).ravel(), gaps[:, 1]
    kept = np.concatenate((picked, *edges_of_gaps))
    picked = np.unique(kept[(kept >= 0) & (kept < len(walked_ns))])
    bid, ask = walk.best_bid[picked], walk.best_ask[picked]
    bins = min(300, max(30, round(span_s)))
    rows, edges = np.histogram((local_ns - first) / 1e9, bins=bins, range=(0.0, span_s), weights=counts)
    return Series(
        seconds=tuple(((walked_ns[picked] - first) / 1e9).round(6).tolist()),
        mid=_or_none((bid + ask) / 2),
        spread=_or_none(ask - bid),
        rate_seconds=tuple(edges[:-1].tolist()),
        rate=tuple((rows / np.diff(edges)).tolist()),
        latency_ms=histogram(latency_ns),
        gaps=tuple(
            (round((int(begin) - first) / 1e9, 6), round((int(end) - first) / 1e9, 6)) for begin, end in gaps[:, 2:]
        ),
    )


def _longest_gaps(walk: Walk, walked_ns: Ints, last_ns: int) -> Ints:
    """Return the longest runs of groups without a book of two sides: first group, the one behind, and their times."""
    missing = ~(np.isfinite(walk.best_bid) & np.isfinite(walk.best_ask))
    steps = np.diff(np.concatenate(([False], missing, [False])).astype(np.int8))
    begin, end = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    times = np.append(walked_ns, last_ns)
    gaps = np.column_stack((begin, end, times[begin], times[end])).astype(np.int64)
    longest = np.argsort(gaps[:, 2] - gaps[:, 3], kind="stable")[:SERIES_GAPS]
    found: Ints = gaps[np.sort(longest)]
    return found


def histogram(latency_ns: Ints, bins: int = _BINS) -> Histogram | None:
    """Count latencies in ms between their minimum and their 99.9th percentile, in bins of equal width."""
    if not len(latency_ns):
        return None
    # From the smallest on: between latencies of years, as an absurd stamp has them, there are no floats for narrow bins.
    low = int(latency_ns.min())
    above = (latency_ns - low).astype(np.uint64)  # a span of 64 bits may not fit its sign
    width_ns = max(float(np.quantile(above, 0.999)), 1e3)
    counts, edges = np.histogram(above / 1e6, bins=bins, range=(0.0, width_ns / 1e6))
    return Histogram(tuple((edges + low / 1e6).tolist()), tuple(counts.tolist()))


def _or_none(values: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(value if np.isfinite(value) else None for value in values.round(12).tolist())
