"""Checks of a finished event array: order on both clocks, crossed books, latencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from data_convert.arrays.book import count_sides
from data_convert.events import EVENT_DTYPE, EXCH, KIND_MASK, KIND_NAMES, LOCAL, Events, has_flag
from data_convert.report.measure import make_series
from data_convert.report.values import Latency, Report, Series
from data_convert.report.windowed import ClockBook, Extent, Order, Rate, Sampled, count_low_bytes


def validate(events: Events) -> Report:
    """Check an event array for use in a backtest; faults are in `Report.faults`, nothing is raised for them.

    Books are checked at the end of every run of equal times, latencies row by row over rows flagged LOCAL. Raises
    TypeError if `events` is no one-dimensional array of EVENT_DTYPE.
    """
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE or events.ndim != 1:
        found = getattr(events, "dtype", type(events).__name__)
        raise TypeError(f"events must be a one-dimensional array of EVENT_DTYPE, not {found}")
    return validate_chunks([events])


def validate_chunks(chunks: Iterable[Events]) -> Report:
    """Check an event array that comes in chunks, in memory that does not grow with it.

    Beyond `windowed.SAMPLED` rows the quantiles of latencies are of every n-th; all else is as of `validate`.
    """
    books = {side: ClockBook(side, curve=side == "local") for side in ("local", "exchange")}
    orders = [Order("exchange"), Order("local")]
    latency, rate, rows = Sampled(), Rate(), 0
    local, exch = Extent(), Extent()
    kinds, sides = np.zeros(KIND_MASK + 1, np.int64), Counter[str]()
    for events in chunks:
        rows += len(events)
        kinds += count_low_bytes(events)
        sides.update(count_sides(events))
        for order in orders:
            order.add(events)
        for book in books.values():
            book.add(events)
        exch.add(events["exch_ts"][has_flag(events, EXCH)])
        local_rows = events[has_flag(events, LOCAL)]
        local.add(local_rows["local_ts"])
        rate.add(local_rows["local_ts"])
        latency.add(local_rows["local_ts"] - local_rows["exch_ts"])
    for book in books.values():
        book.finish()
    error = next((order.error for order in orders if order.error is not None), None)
    found_ns = latency.quantiles()
    warnings = []
    if found_ns and found_ns.min < 0:
        warnings.append("negative latency: rows are received before they happen")
    if sides["neither"]:
        warnings.append("rows flagged for neither clock are invisible to a backtest")
    series = Series()
    if error is None and rows:
        first, last = local.ends or (0, 0)
        times = np.concatenate((np.array([first, last]), np.maximum(rate.times * rate.width_ns, first)))
        counts = np.concatenate((np.zeros(2, np.int64), rate.counts * int(local.ends is not None)))
        walked = books["local"].points()[0]
        series = make_series(times, counts, books["local"].walk(), walked, latency.sample())
    return Report(
        title="Validation",
        rows=rows,
        kinds={KIND_NAMES.get(k, f"kind {k}"): n for k, n in enumerate(kinds.tolist()) if n},
        sides={name: sides[name] for name in ("both clocks", "exchange only", "local only", "neither")},
        local_span_ns=local.ends,
        exch_span_ns=exch.ends,
        latency=Latency(None, found_ns, 0, found_ns.min, "") if found_ns else None,
        books={side: book.check() for side, book in books.items()},
        order_error=None if error is None else str(error),
        warnings=tuple(warnings),
        series=series,
    )
