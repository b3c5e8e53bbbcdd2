"""A day that begins with the book the day before ended with: collectors ask for snapshots only when they connect."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from data_convert.arrays.book import number_levels, walk_units
from data_convert.arrays.units import UnitRows
from data_convert.events import BUY, DEPTH_CLEAR, DEPTH_SNAPSHOT, SELL
from data_convert.messages.columns import Messages, What
from data_convert.messages.plan import Action, Plan


@dataclass(frozen=True, slots=True)
class Carried:
    """The rows of units and the plan, without what came before the day."""

    rows: UnitRows
    plan: Plan


def carry_book(messages: Messages, plan: Plan, rows: UnitRows, before_files: int) -> Carried:
    """Replace what the first `before_files` files emitted by the book that it led to.

    That book is a clear and snapshot rows at the earliest times of the day, before everything else. A day without rows
    stays without.
    """
    units = plan.units
    of_day = np.flatnonzero(messages.file[units.message] >= before_files)
    first = int(of_day[0]) if len(of_day) else len(units)
    cut = int(np.searchsorted(rows.unit, first))
    before, day = rows.taken(slice(cut)), rows.taken(slice(cut, None))
    led = (units.action[:first] == Action.ROWS) & (messages.what[units.message[:first]] == What.UPDATE)
    applied = int(np.count_nonzero(led))
    counts = plan.counts.copy()
    if applied:
        counts["updates applied"] -= applied
        counts["updates of the files before"] = applied
    if not len(day):
        return Carried(day, replace(plan, gaps=(), counts=counts))
    begin_ns = int(day.local_ns.min())
    gaps = tuple(gap for gap in plan.gaps if gap.until_local_ns is None or gap.until_local_ns >= begin_ns)
    levels = number_levels(rows.px)
    lead = np.arange(len(before))
    book = walk_units(lead, np.zeros_like(lead), before.begin, before.end, rows.ev, rows.qty, levels).book
    both = np.concatenate((book.bids, book.asks))
    if len(both):
        sides = (DEPTH_SNAPSHOT | BUY, DEPTH_SNAPSHOT | SELL)
        ev = np.repeat(np.array([DEPTH_CLEAR, *sides], np.uint32), (1, len(book.bids), len(book.asks)))
        begin = len(rows.ev)
        day = UnitRows(
            np.insert(day.unit, 0, first),
            np.insert(day.exch_ns, 0, day.exch_ns.min()),
            np.insert(day.local_ns, 0, begin_ns),
            np.insert(day.begin, 0, begin),
            np.insert(day.end, 0, begin + len(ev)),
            np.concatenate((rows.ev, ev)),
            np.concatenate((rows.px, [0.0], both[:, 0])),
            np.concatenate((rows.qty, [0.0], both[:, 1])),
            rows.extras,
        )
    return Carried(day, replace(plan, gaps=gaps, counts=counts))
