"""Two clocks, one list: rows of raw events put into the order that a backtest of both sides needs.

The exchange side reads rows flagged EXCH by `exch_ts`, the local side rows flagged LOCAL by `local_ts`. A row that
is at the same place in both orders appears once with both flags, any other twice (HftBacktest's
`correct_event_order`, restated so that it never reads beyond an end).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.arrays import plain
from data_convert.arrays.units import UnitRows
from data_convert.choice import few
from data_convert.errors import ClockError, OrderError
from data_convert.events import EVENT_DTYPE, EXCH, KIND_MASK, KIND_NAMES, LOCAL, Events, Ints, has_flag

_INT64_MAX: Final = (1 << 63) - 1
_NS_A_ROW: Final = 400
_NS_A_WRITTEN_ROW: Final = 100


def correct_local_timestamp(events: Events, base_latency_ns: int = 0) -> tuple[int, int]:
    """Move `local_ts` of all rows in place so that no latency is negative; return (smallest latency, shift) in ns.

    Rule: m = min(local_ts - exch_ts). If m < 0 every local_ts grows by base_latency_ns - m, otherwise nothing changes
    and base_latency_ns is not used (HftBacktest's rule, in integers). Empty events: (0, 0). Raises ClockError when
    the result does not fit 64 bits.
    """
    smallest, shift = smallest_and_shift(events["exch_ts"], events["local_ts"], base_latency_ns)
    if shift:
        events["local_ts"] += shift
    return smallest, shift


def smallest_and_shift(exch_ns: Ints, local_ns: Ints, base_latency_ns: int) -> tuple[int, int]:
    """Return the smallest latency and by how much local times must grow, by `correct_local_timestamp`'s rule."""
    if isinstance(base_latency_ns, bool) or not isinstance(base_latency_ns, int | np.integer):
        raise TypeError(f"base_latency_ns must be an integer number of nanoseconds, not {base_latency_ns!r}")
    if not len(local_ns):
        return 0, 0
    smallest = int(np.min(local_ns - exch_ns))
    if smallest >= 0:
        return smallest, 0
    shift = int(base_latency_ns) - smallest
    if int(local_ns.max()) + shift > _INT64_MAX or int(local_ns.min()) + shift < -_INT64_MAX:
        raise ClockError(shift)
    return smallest, shift


@dataclass(frozen=True, slots=True)
class Ordered:
    """Units in both orders merged: the unit at each place and its flags, EXCH, LOCAL or both.

    `as_is`: all of them are in both orders as they stand.
    """

    source: Ints
    flags: npt.NDArray[np.uint32]
    as_is: bool = False

    def of(self, flag: int) -> Ints:
        """Return the units of one clock, in its order."""
        if self.as_is:
            return self.source
        units: Ints = self.source[(self.flags & np.uint32(flag)) != 0]
        return units


def order_times(exch_ns: Ints, local_ns: Ints) -> Ordered:
    """Merge both orders of what has these times; n to 2n places."""
    total = len(exch_ns)
    if not total:
        return Ordered(np.empty(0, np.int64), np.empty(0, np.uint32))
    if all(bool(np.all(times[1:] >= times[:-1])) for times in (exch_ns, local_ns)):
        return Ordered(np.arange(total), np.full(total, EXCH | LOCAL, np.uint32), True)
    by_exch, by_local = np.argsort(exch_ns, kind="stable"), np.argsort(local_ns, kind="stable")
    if few(total, _NS_A_ROW):
        return Ordered(*plain.merge_orders(exch_ns, local_ns, by_exch, by_local))
    from data_convert.arrays.kernels import merge_orders

    source = np.empty(2 * total, np.int64)
    flags = np.empty(2 * total, np.uint32)
    length = merge_orders(exch_ns, local_ns, by_exch, by_local, source, flags)
    return Ordered(source[:length], flags[:length])


def write_events(rows: UnitRows, ordered: Ordered) -> tuple[Events, dict[str, int]]:
    """Make records of units' rows in the order given; return them and how many there are of each kind.

    Rows of one unit share both times, so ordering units is ordering rows.
    """
    source, flags = ordered.source, ordered.flags
    total = int(rows.end[source].sum() - rows.begin[source].sum())
    events = np.empty(total, EVENT_DTYPE)
    kinds = np.zeros(256, np.int64)
    if few(total, _NS_A_WRITTEN_ROW):
        row, counts = _rows_at(rows, ordered), rows.counts[source]
        ev = rows.ev[row]
        events["ev"] = ev | np.repeat(flags, counts)
        events["exch_ts"] = np.repeat(rows.exch_ns[source], counts)
        events["local_ts"] = np.repeat(rows.local_ns[source], counts)
        events["px"], events["qty"] = rows.px[row], rows.qty[row]
        events["order_id"], events["ival"], events["fval"] = 0, 0, 0.0
        kinds += np.bincount(ev & np.uint32(KIND_MASK), minlength=256)
    else:
        from data_convert.arrays.kernels import Emitted, write_rows

        columns = Emitted(rows.begin, rows.end, rows.exch_ns, rows.local_ns, rows.ev, rows.px, rows.qty)
        write_rows(source, flags, columns, events.view(np.int64).reshape(-1, 8), kinds)
    if rows.extras:
        row = _rows_at(rows, ordered)
        for at in np.flatnonzero(np.isin(row, list(rows.extras))).tolist():
            events["order_id"][at], events["ival"][at], events["fval"][at] = rows.extras[int(row[at])]
    return events, {KIND_NAMES.get(kind, f"kind {kind}"): int(kinds[kind]) for kind in np.flatnonzero(kinds).tolist()}


def check_places(rows: UnitRows, ordered: Ordered) -> None:
    """Raise OrderError where the rows of units would go back in time on a clock: `check_order` before they are written."""
    for side, flag, times_ns in (("exchange", EXCH, rows.exch_ns), ("local", LOCAL, rows.local_ns)):
        if ordered.as_is:
            return
        places = np.flatnonzero(ordered.flags & np.uint32(flag))
        times = times_ns[ordered.source[places]]
        back = np.flatnonzero(times[1:] < times[:-1])
        if len(back):
            first = int(back[0])
            row = int(rows.counts[ordered.source[: places[first + 1]]].sum())
            raise OrderError(side, row, int(times[first]), int(times[first + 1]))


def _rows_at(rows: UnitRows, ordered: Ordered) -> Ints:
    counts = rows.counts[ordered.source]
    starts = np.cumsum(counts) - counts
    row: Ints = np.repeat(rows.begin[ordered.source] - starts, counts) + np.arange(int(counts.sum()))
    return row


def order_events(events: Events) -> Events:
    """Return the rows in both orders merged, EXCH and LOCAL added to their flags; n to 2n rows."""
    merged = order_times(np.ascontiguousarray(events["exch_ts"]), np.ascontiguousarray(events["local_ts"]))
    ordered = events[merged.source]
    ordered["ev"] |= merged.flags.astype(np.uint64)
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
