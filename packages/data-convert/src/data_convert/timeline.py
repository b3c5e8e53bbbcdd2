"""Two clocks, one list: rows of raw events put into the order that a backtest of both sides needs.

The exchange side reads rows flagged EXCH by `exch_ts`, the local side rows flagged LOCAL by `local_ts`. A row that
is at the same place in both orders appears once with both flags, any other twice (HftBacktest's
`correct_event_order`, restated so that it never reads beyond an end).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from data_convert.errors import ClockError, OrderError
from data_convert.events import EXCH, LOCAL, Events, has_flag

_INT64_MAX: Final = (1 << 63) - 1


def correct_local_timestamp(events: Events, base_latency_ns: int = 0) -> tuple[int, int]:
    """Move `local_ts` of all rows in place so that no latency is negative; return (smallest latency, shift) in ns.

    Rule: m = min(local_ts - exch_ts). If m < 0 every local_ts grows by base_latency_ns - m, otherwise nothing changes
    and base_latency_ns is not used (HftBacktest's rule, in integers). Empty events: (0, 0). Raises ClockError when
    the result does not fit 64 bits.
    """
    if isinstance(base_latency_ns, bool) or not isinstance(base_latency_ns, int | np.integer):
        raise TypeError(f"base_latency_ns must be an integer number of nanoseconds, not {base_latency_ns!r}")
    if not len(events):
        return 0, 0
    smallest = int(np.min(events["local_ts"] - events["exch_ts"]))
    if smallest >= 0:
        return smallest, 0
    shift = int(base_latency_ns) - smallest
    if int(events["local_ts"].max()) + shift > _INT64_MAX or int(events["local_ts"].min()) + shift < -_INT64_MAX:
        raise ClockError(shift)
    events["local_ts"] += shift
    return smallest, shift


def order_events(events: Events) -> Events:
    """Return the rows in both orders merged, EXCH and LOCAL added to their flags; n to 2n rows."""
    from data_convert.kernels import merge_orders

    rows = len(events)
    if not rows:
        return events.copy()
    exch = np.ascontiguousarray(events["exch_ts"])
    local = np.ascontiguousarray(events["local_ts"])
    source = np.empty(2 * rows, np.int64)
    flags = np.empty(2 * rows, np.uint32)
    by_exch, by_local = np.argsort(exch, kind="stable"), np.argsort(local, kind="stable")
    length = merge_orders(exch, local, by_exch, by_local, source, flags)
    ordered = events[source[:length]]
    ordered["ev"] |= flags[:length].astype(np.uint64)
    return ordered


def check_order(events: Events) -> None:
    """Raise OrderError at the first row that goes back in time on its clock; equal times are fine."""
    for side, flag, name in (("exchange", EXCH, "exch_ts"), ("local", LOCAL, "local_ts")):
        rows = np.flatnonzero(has_flag(events, flag))
        times = events[name][rows]
        back = np.flatnonzero(times[1:] < times[:-1])
        if len(back):
            first = int(back[0])
            raise OrderError(side, int(rows[first + 1]), int(times[first]), int(times[first + 1]))
