"""Checks of a finished event array: order on both clocks, crossed books, latencies."""

from __future__ import annotations

import numpy as np

from data_convert.book import depth_rows
from data_convert.errors import OrderError
from data_convert.events import EVENT_DTYPE, EXCH, LOCAL, Events, count_kinds, has_flag
from data_convert.report.measure import check_book, make_series, quantiles, walk_clock
from data_convert.report.values import Latency, Report, Series
from data_convert.timeline import check_order


def count_sides(events: Events) -> dict[str, int]:
    """Count rows by the clocks they are flagged for."""
    exch, local = has_flag(events, EXCH), has_flag(events, LOCAL)
    return {
        "both clocks": int((exch & local).sum()),
        "exchange only": int((exch & ~local).sum()),
        "local only": int((local & ~exch).sum()),
        "neither": int((~exch & ~local).sum()),
    }


def span(events: Events, side: str) -> tuple[int, int] | None:
    """Return the first and last time (ns) of one clock's rows, None if it has none."""
    flag, name = (LOCAL, "local_ts") if side == "local" else (EXCH, "exch_ts")
    times = events[name][has_flag(events, flag)]
    return (int(times.min()), int(times.max())) if len(times) else None


def validate(events: Events) -> Report:
    """Check an event array for use in a backtest; faults are in `Report.faults`, nothing is raised for them.

    Books are checked at the end of every run of equal times, latencies row by row over rows flagged LOCAL. Raises
    TypeError if `events` is no one-dimensional array of EVENT_DTYPE.
    """
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE or events.ndim != 1:
        found = getattr(events, "dtype", type(events).__name__)
        raise TypeError(f"events must be a one-dimensional array of EVENT_DTYPE, not {found}")
    order_error = None
    try:
        check_order(events)
    except OrderError as error:
        order_error = str(error)
    walks = {side: walk_clock(events, side) for side in ("local", "exchange")}
    local_rows = events[has_flag(events, LOCAL)]
    latency_ns = local_rows["local_ts"] - local_rows["exch_ts"]
    found_ns = quantiles(latency_ns)
    warnings = []
    if found_ns and found_ns.min < 0:
        warnings.append("negative latency: rows are received before they happen")
    sides = count_sides(events)
    if sides["neither"]:
        warnings.append("rows flagged for neither clock are invisible to a backtest")
    walked = np.unique(local_rows["local_ts"][depth_rows(local_rows)]) if order_error is None else np.empty(0, np.int64)
    series = Series()
    if order_error is None and len(events):
        times = local_rows["local_ts"] if len(local_rows) else np.zeros(1, np.int64)
        series = make_series(times, None, walks["local"], walked, latency_ns)
    smallest = found_ns.min if found_ns else 0
    return Report(
        title="Validation",
        rows=len(events),
        kinds=count_kinds(events),
        sides=sides,
        local_span_ns=span(events, "local"),
        exch_span_ns=span(events, "exchange"),
        latency=Latency(None, found_ns, 0, smallest, "") if found_ns else None,
        books={side: check_book(walk) for side, walk in walks.items()},
        order_error=order_error,
        warnings=tuple(warnings),
        series=series,
    )
