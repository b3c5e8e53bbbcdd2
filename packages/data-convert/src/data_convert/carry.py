"""A day that begins with the book the day before ended with: collectors ask for snapshots only when they connect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from data_convert.book import depth_rows, walk_rows
from data_convert.events import BUY, DEPTH_CLEAR, DEPTH_SNAPSHOT, EVENT_DTYPE, SELL, Events
from data_convert.messages import Ints, Messages, What
from data_convert.plan import Action, Plan


@dataclass(frozen=True, slots=True)
class Carried:
    """Raw rows, the unit of each, and the plan, without what came before the day."""

    raw: Events
    unit_of_row: Ints
    plan: Plan


def carry_book(messages: Messages, plan: Plan, raw: Events, unit_of_row: Ints, before_files: int) -> Carried:
    """Replace what the first `before_files` files emitted by the book that it led to.

    That book is a clear and snapshot rows at the earliest times of the day, before everything else. A day without rows
    stays without.
    """
    file = messages.file
    first = next((i for i, unit in enumerate(plan.units) if file[unit.message] >= before_files), len(plan.units))
    cut = int(np.searchsorted(unit_of_row, first))
    day = raw[cut:]
    applied = Counter(
        unit.action is Action.ROWS and messages.what[unit.message] == What.UPDATE for unit in plan.units[:first]
    )[True]
    counts = plan.counts.copy()
    if applied:
        counts["updates applied"] -= applied
        counts["updates of the files before"] = applied
    if not len(day):
        return Carried(day, unit_of_row[cut:], replace(plan, gaps=(), counts=counts))
    begin_ns = int(day["local_ts"].min())
    gaps = tuple(gap for gap in plan.gaps if gap.until_local_ns is None or gap.until_local_ns >= begin_ns)
    lead = raw[:cut][depth_rows(raw[:cut])]
    book = walk_rows(lead, np.zeros(len(lead), np.int64)).book
    sides = ((DEPTH_SNAPSHOT | BUY, book.bids), (DEPTH_SNAPSHOT | SELL, book.asks))
    total = sum(len(levels) for _, levels in sides)
    rows = np.zeros(1 + total if total else 0, EVENT_DTYPE)
    if total:
        rows["ev"][0], at = DEPTH_CLEAR, 1
        for ev, levels in sides:
            part = rows[at : at + len(levels)]
            part["ev"], part["px"], part["qty"] = ev, levels[:, 0], levels[:, 1]
            at += len(levels)
    rows["exch_ts"], rows["local_ts"] = day["exch_ts"].min(), begin_ns
    units = np.concatenate((np.full(len(rows), first, np.int64), unit_of_row[cut:]))
    return Carried(np.concatenate((rows, day)), units, replace(plan, gaps=gaps, counts=counts))
