"""What becomes of snapshots: three policies, each from messages to a plan of what is emitted when.

`by-id` (data_convert.messages.chain) puts snapshots where their ids say, `as-recorded` where they stand in the file, as
hftbacktest's own converter does, and `ignore` leaves them out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

import numpy as np

from data_convert.events import Ints
from data_convert.messages.chain import IdChain, joined_to_previous
from data_convert.messages.columns import NO_ID, Messages, What
from data_convert.messages.link_order import LinkOrder
from data_convert.messages.monotone import nondecreasing
from data_convert.messages.plan import Action, Plan, Units, UnitsBuilder
from data_convert.words import Policy, Unanchored

_DEPTH_WHATS: Final = (What.UPDATE, What.SNAPSHOT, What.GAP)


def make_plan(messages: Messages, dialect: str, policy: Policy, unanchored: Unanchored = "drop") -> Plan:
    """Decide which message is emitted when, by `policy`; see docs/data-convert.md for the rules."""
    if policy == "by-id":
        if dialect == "link":
            return _by_id(messages, LinkOrder(messages, unanchored == "keep"), unanchored)
        if has_ids(messages):
            return _by_id(messages, IdChain(messages, unanchored == "keep"), unanchored)
        plan = _in_file_order(messages, dialect, "as-recorded")
        plan.warnings.append("depth updates without ids: snapshots stay where they stand in the file")
        return plan
    return _in_file_order(messages, dialect, policy)


def has_ids(messages: Messages) -> bool:
    """Tell whether updates can be placed by id: some name theirs, or there are none."""
    ids = messages.last_id[messages.what == What.UPDATE]
    return not len(ids) or bool(np.any(ids != NO_ID))


def _by_id(messages: Messages, machine: IdChain | LinkOrder, unanchored: Unanchored) -> Plan:
    depth = _depth_of(messages)
    emitted = UnitsBuilder()
    _feed(messages, machine, depth, emitted)
    emitted.add(machine.finish())
    units = emitted.build()
    exch_ns, moved_exch = _nondecreasing(units.exch_ns)
    local_ns, moved_local = _nondecreasing(units.local_ns)
    slot = np.maximum.accumulate(units.slot)
    counts = machine.counts
    applied = (units.action == Action.ROWS) & (messages.what[units.message] == What.UPDATE)
    counts["updates applied"] = int(np.count_nonzero(applied))
    counts["depth messages moved in exchange time to keep the order of ids"] += moved_exch
    counts["depth messages moved in local time to keep the order of ids"] += moved_local
    # Trades and other messages stand between the depth units, where they are in the file.
    others = np.flatnonzero(~np.isin(messages.what, _DEPTH_WHATS))
    both = Units(
        _joined(units.action, np.broadcast_to(np.int64(Action.ROWS), len(others))),
        _joined(units.message, others),
        _joined(exch_ns, _at(messages.exch_ns, others)),
        _joined(local_ns, _at(messages.local_ns, others)),
        _joined(slot, others),
        units.rows,
    )
    gaps = tuple(replace(gap, emitted=unanchored == "keep") for gap in machine.gaps)
    return Plan(both.sorted(), gaps, +counts, list(machine.warnings), np.array(machine.lost, np.int64))


def _joined(first: Ints, second: Ints) -> Ints:
    return np.concatenate((first, second)) if len(first) and len(second) else first if len(first) else second


def _at(column: Ints, places: Ints) -> Ints:
    """Return the column at ascending places, itself where these are all."""
    return column if len(places) == len(column) else column[places]


def _depth_of(messages: Messages) -> Ints:
    depth: Ints = np.flatnonzero(np.isin(messages.what, _DEPTH_WHATS))
    return depth


def _feed(messages: Messages, machine: IdChain | LinkOrder, depth: Ints, emitted: UnitsBuilder) -> None:
    """Give a machine all depth messages: one by one, but unbroken runs of updates at once."""
    numbers = depth.tolist()
    ordered = isinstance(machine, LinkOrder)
    goes_on = messages.what[depth] == What.UPDATE if ordered else joined_to_previous(messages, depth)
    breaks = np.append(np.flatnonzero(~goes_on), len(depth))
    at = 0
    while at < len(numbers):
        emitted.add(machine.on_message(numbers[at]))
        at += 1
        if at < len(numbers) and machine.awaits_next(numbers[at - 1]):
            end = int(breaks[np.searchsorted(breaks, at)])
            if end > at:
                run = depth[at:end]
                machine.on_run(run)
                emitted.add_messages(run, _at(messages.exch_ns, run), _at(messages.local_ns, run))
                at = end


def _nondecreasing(values: Ints) -> tuple[Ints, int]:
    if bool(np.all(values[1:] >= values[:-1])):
        return values, 0
    fixed, moved = nondecreasing(values.tolist())
    return np.array(fixed, np.int64), moved


def _in_file_order(messages: Messages, dialect: str, policy: Policy) -> Plan:
    what = messages.what
    counts: Counter[str] = Counter()
    snapshots, gaps = np.flatnonzero(what == What.SNAPSHOT), np.flatnonzero(what == What.GAP)
    action = np.full(len(what), Action.ROWS, np.int64)
    if dialect == "direct":
        action[snapshots] = Action.REPLACE_TO_FAR_EDGE
    else:
        action[[i for i in snapshots.tolist() if not messages.brings_clear(i)]] = Action.REPLACE
    action[gaps] = Action.CLEAR
    exch_ns = messages.exch_ns.copy()
    if len(gaps):
        # A gap is the recorder's event and has no exchange time of its own.
        depth = (what == What.UPDATE) | (what == What.SNAPSHOT)
        before = np.maximum.accumulate(np.where(depth, np.arange(len(what)), -1))[gaps]
        known = np.where(before >= 0, messages.exch_ns[before], 0)
        exch_ns[gaps] = np.where(known != 0, known, exch_ns[gaps])
        counts["gap lines"] = len(gaps)
    if len(snapshots):
        counts["snapshots ignored" if policy == "ignore" else "snapshots used"] = len(snapshots)
    keep: Ints = np.arange(len(what))
    if policy == "ignore":
        keep = np.flatnonzero((what != What.SNAPSHOT) & (what != What.GAP))
    units = Units(action[keep], keep, exch_ns[keep], messages.local_ns[keep], keep, {})
    # The ids still tell where messages are missing; only the report uses that here.
    analyst: IdChain | LinkOrder
    if dialect == "link":
        analyst = LinkOrder(messages, keep_unanchored=False)
    elif has_ids(messages):
        analyst = IdChain(messages, keep_unanchored=False)
    else:
        return Plan(units, (), counts, [])
    _feed(messages, analyst, _depth_of(messages), UnitsBuilder())
    analyst.finish()
    return Plan(units, tuple(replace(gap, emitted=True) for gap in analyst.gaps), counts, [])
