"""What becomes of snapshots: three policies, each from messages to a plan of what is emitted when.

`by-id` (data_convert.chain) puts snapshots where their ids say, `as-recorded` where they stand in the file, as
hftbacktest's own converter does, and `ignore` leaves them out.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import Final, Literal

import numpy as np

from data_convert.chain import IdChain, LinkOrder
from data_convert.events import BUY, DEPTH_CLEAR, EVENT_DTYPE, SELL, Events
from data_convert.messages import NO_ID, Ints, Messages, What
from data_convert.monotone import nondecreasing
from data_convert.plan import Action, Plan, Unit

Policy = Literal["by-id", "as-recorded", "ignore"]
Unanchored = Literal["drop", "keep"]
POLICIES: Final = ("by-id", "as-recorded", "ignore")

_DEPTH_WHATS: Final = (What.UPDATE, What.SNAPSHOT, What.GAP)


def make_plan(messages: Messages, dialect: str, policy: Policy, unanchored: Unanchored = "drop") -> Plan:
    """Decide which message is emitted when, by `policy`; see docs/data-convert.md for the rules."""
    if policy == "by-id":
        if dialect == "link":
            return _by_id(messages, LinkOrder(messages, unanchored == "keep"))
        if has_ids(messages):
            return _by_id(messages, IdChain(messages, unanchored == "keep"))
        plan = _in_file_order(messages, dialect, "as-recorded")
        plan.warnings.append("depth updates without ids: snapshots stay where they stand in the file")
        return plan
    return _in_file_order(messages, dialect, policy)


def has_ids(messages: Messages) -> bool:
    """Tell whether updates can be placed by id: some name theirs, or there are none."""
    ids = messages.last_id[messages.what == What.UPDATE]
    return not len(ids) or bool(np.any(ids != NO_ID))


def _by_id(messages: Messages, machine: IdChain | LinkOrder) -> Plan:
    units: list[Unit] = []
    for message in np.flatnonzero(np.isin(messages.what, _DEPTH_WHATS)).tolist():
        units += machine.on_message(message)
    units += machine.finish()
    slots = list(accumulate((unit.slot for unit in units), max))
    exch_ns, moved_exch = nondecreasing([unit.exch_ns for unit in units])
    local_ns, moved_local = nondecreasing([unit.local_ns for unit in units])
    units = [
        unit if (unit.exch_ns, unit.local_ns, unit.slot) == place else unit.at(*place)
        for unit, place in zip(units, zip(exch_ns, local_ns, slots, strict=True), strict=True)
    ]
    counts = machine.counts
    counts["updates applied"] = sum(
        unit.action is Action.ROWS and int(messages.what[unit.message]) == What.UPDATE for unit in units
    )
    counts["depth messages moved in exchange time to keep the order of ids"] += moved_exch
    counts["depth messages moved in local time to keep the order of ids"] += moved_local
    return Plan(_with_others(messages, units), tuple(machine.gaps), +counts, list(machine.warnings))


def _with_others(messages: Messages, units: list[Unit]) -> list[Unit]:
    """Put trades and other messages between the depth units, where they stand in the file."""
    others = [
        Unit(Action.ROWS, i, int(messages.exch_ns[i]), int(messages.local_ns[i]), i)
        for i in np.flatnonzero(~np.isin(messages.what, _DEPTH_WHATS)).tolist()
    ]
    return sorted([*units, *others], key=lambda unit: unit.slot)


def _in_file_order(messages: Messages, dialect: str, policy: Policy) -> Plan:
    units: list[Unit] = []
    counts: Counter[str] = Counter()
    exch, local = messages.exch_ns.tolist(), messages.local_ns.tolist()
    depth_exch_ns = 0
    for i, what in enumerate(messages.what.tolist()):
        action = Action.ROWS
        if what in (What.UPDATE, What.SNAPSHOT):
            depth_exch_ns = exch[i]
        if what == What.SNAPSHOT:
            if policy == "ignore":
                counts["snapshots ignored"] += 1
                continue
            counts["snapshots used"] += 1
            if dialect == "direct":
                action = Action.REPLACE_TO_FAR_EDGE
            elif not messages.brings_clear(i):
                action = Action.REPLACE
        elif what == What.GAP:
            counts["gap lines"] += 1
            if policy == "ignore":
                continue
            # A gap is the recorder's event and has no exchange time of its own.
            units.append(Unit(Action.CLEAR, i, depth_exch_ns or exch[i], local[i], i))
            continue
        units.append(Unit(action, i, exch[i], local[i], i))
    # The ids still tell where messages are missing; only the report uses that here.
    analyst: IdChain | LinkOrder
    if dialect == "link":
        analyst = LinkOrder(messages, keep_unanchored=False)
    elif has_ids(messages):
        analyst = IdChain(messages, keep_unanchored=False)
    else:
        return Plan(units, (), counts, [])
    for message in np.flatnonzero(np.isin(messages.what, _DEPTH_WHATS)).tolist():
        analyst.on_message(message)
    analyst.finish()
    return Plan(units, tuple(analyst.gaps), counts, [])


def build_rows(messages: Messages, plan: Plan) -> tuple[Events, Ints]:
    """Build the raw rows of a plan: (events without EXCH and LOCAL, number of the unit each row belongs to)."""
    units, total = plan.units, len(plan.units)
    message = np.fromiter((unit.message for unit in units), np.int64, total)
    plain = np.fromiter((unit.action is Action.ROWS for unit in units), np.bool_, total)
    begin = messages.begin[message]
    counts = np.where(plain, messages.end[message] - begin, 0)
    special: dict[int, Ints] = {}
    clears_of: dict[int, list[tuple[int, int, float]]] = {}
    for number in np.flatnonzero(~plain).tolist():
        special[number], clears_of[number] = _special_rows(messages, units[number])
        counts[number] = len(special[number])
    starts = np.cumsum(counts) - counts
    unit_of_row = np.repeat(np.arange(total), counts)
    source = begin[unit_of_row] + np.arange(len(unit_of_row)) - starts[unit_of_row]
    for number, rows in special.items():
        source[starts[number] : starts[number] + len(rows)] = rows
    clears = [(int(starts[n]) + at, ev, px) for n, own in clears_of.items() for at, ev, px in own]
    events = np.zeros(len(source), EVENT_DTYPE)
    taken = source >= 0
    for name, column in (("ev", messages.ev), ("px", messages.px), ("qty", messages.qty)):
        events[name][taken] = column[source[taken]]
    events["exch_ts"] = np.fromiter((unit.exch_ns for unit in units), np.int64, total)[unit_of_row]
    events["local_ts"] = np.fromiter((unit.local_ns for unit in units), np.int64, total)[unit_of_row]
    for at, ev, px in clears:
        events["ev"][at], events["px"][at] = ev, px
    if messages.extras:
        for at in np.flatnonzero(np.isin(source, list(messages.extras))).tolist():
            events["order_id"][at], events["ival"][at], events["fval"][at] = messages.extras[int(source[at])]
    return events, unit_of_row


def _special_rows(messages: Messages, unit: Unit) -> tuple[Ints, list[tuple[int, int, float]]]:
    """Return the rows of a unit that emits other than its message's, -1 for clears, and these as (at, ev, px)."""
    rows = np.arange(messages.begin[unit.message], messages.end[unit.message])
    match unit.action:
        case Action.CLEAR:
            return np.array([-1]), [(0, DEPTH_CLEAR, 0.0)]
        case Action.REPLACE:
            return np.concatenate((np.array([-1]), rows)), [(0, DEPTH_CLEAR, 0.0)]
        case Action.REPLACE_TO_FAR_EDGE:
            return _to_far_edge(messages, rows)
        case _:
            return np.asarray(unit.rows, np.int64), []


def _to_far_edge(messages: Messages, rows: Ints) -> tuple[Ints, list[tuple[int, int, float]]]:
    """Put before each side's rows a clear from the touch to the price that side ends with."""
    parts: list[Ints] = []
    clears: list[tuple[int, int, float]] = []
    at = 0
    for side in (BUY, SELL):
        own = rows[(messages.ev[rows] & np.uint32(side)) != 0]
        if len(own):
            clears.append((at, DEPTH_CLEAR | side, float(messages.px[own[-1]])))
            parts += [np.array([-1]), own]
            at += 1 + len(own)
    return (np.concatenate(parts) if parts else np.empty(0, np.int64)), clears
