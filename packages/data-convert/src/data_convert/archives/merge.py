"""Trades and books of archives in one order by exchange time, dated by a latency model, as an event array.

Trades are event rows from the begin and stay where they are; only books need a plan of what is emitted when.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.archives.columns import Words
from data_convert.archives.latency import FeedLatency
from data_convert.arrays.book import count_sides, depth_rows, span, walk_rows
from data_convert.arrays.timeline import Ordered, check_order, correct_local_timestamp, order_events, write_events
from data_convert.errors import ClockError
from data_convert.events import EVENT_DTYPE, EXCH, LOCAL, Events, count_kinds, has_flag
from data_convert.messages.columns import Messages, What
from data_convert.messages.plan import Plan
from data_convert.messages.snapshot import make_plan
from data_convert.messages.unit_rows import build_rows
from data_convert.recordings.assemble import report_of, told_lost_updates
from data_convert.recordings.ingest import Ingested
from data_convert.report.measure import Figures, quantiles, walk_clock
from data_convert.report.values import Latency, Result
from data_convert.words import Unanchored

Bools = npt.NDArray[np.bool_]

_MAX_NS: Final = (1 << 63) - 1
_EV, _EXCH, _LOCAL, _PX, _QTY, _LINE, _FILE = 0, 1, 2, 3, 4, 5, 7


def in_time(trades: Words) -> Words:
    """Return trade rows in the order of their exchange times, equal ones as they stand."""
    exch = trades[:, _EXCH]
    return trades if bool(np.all(exch[1:] >= exch[:-1])) else trades[np.argsort(exch, kind="stable")]


def books_in_time(messages: Messages, backwards: Set[int]) -> tuple[Messages, Words]:
    """Return books' messages in the order of exchange time, and that time as it orders them.

    Messages of a file keep their order: one dated before its predecessor is taken to be of that one's time. `backwards`
    names the files that begin with the newest.
    """
    sequence, exch_ns = np.arange(len(messages)), messages.exch_ns.copy()
    for file in np.unique(messages.file).tolist():
        own = np.flatnonzero(messages.file == file)
        if file in backwards:
            sequence[own] = sequence[own][::-1]
        exch_ns[own] = np.maximum.accumulate(exch_ns[own])
    order = np.lexsort((sequence, exch_ns))
    return messages.taken(order), exch_ns[order]


def merge_history(
    read: Ingested,
    trades: Words,
    books: Messages,
    book_ns: Words,
    latency: FeedLatency,
    settings: dict[str, str],
    unanchored: Unanchored,
) -> Result:
    """Make the event array and its report of trades (`rows.TradeRows`, in time) and books (`books_in_time`).

    What is received never overtakes what was received before it. Raises ClockError.
    """
    behind = np.searchsorted(np.ascontiguousarray(trades[:, _EXCH]), book_ns, side="right") if len(books) else book_ns
    before = np.searchsorted(book_ns, trades[:, _EXCH], side="left") if len(books) else None
    local_ns = _date(trades, books, latency, behind, before)
    books = replace(books, local_ns=local_ns)
    streamed = books.what == What.UPDATE
    latency_ns = np.concatenate((trades[:, _LOCAL] - trades[:, _EXCH], (local_ns - books.exch_ns)[streamed]))
    plan, rows, slot, unit = _book_rows(read, books, unanchored)
    raw, group = _merged(trades, rows, slot, unit, before)
    del trades, rows
    smallest_at = ""
    if len(raw):
        decisive = int(np.argmin(raw[:, _LOCAL] - raw[:, _EXCH]))
        smallest_at = f"{read.files[int(raw[decisive, _FILE])].path}:{int(raw[decisive, _LINE])}"
    raw[:, _LINE], raw[:, _FILE] = 0, 0
    unordered: Events = raw.view(EVENT_DTYPE).reshape(len(raw))
    smallest_ns, shift_ns = correct_local_timestamp(unordered)
    events = _ordered(unordered)
    found = None
    if len(raw):
        first = quantiles(latency_ns)
        after = quantiles(latency_ns + shift_ns) if shift_ns else first
        found = Latency(first, after, shift_ns, smallest_ns, smallest_at)
    figures = _figures(unordered, group, events)
    losses = [told_lost_updates(books, plan)]
    return Result(events, report_of(read, plan, figures, count_kinds(events), found, settings, latency_ns, losses))


def _date(trades: Words, books: Messages, latency: FeedLatency, behind: Words, before: Words | None) -> Words:
    """Write the local times of trades into their rows and return those of books.

    `behind`: how many trades stand before each book message, `before`: how many of these before each trade.
    """
    delays = [latency.at(np.ascontiguousarray(ns)) for ns in (trades[:, _EXCH], books.exch_ns)]
    newest = max((int(ns.max()) for ns in (trades[:, _EXCH], books.exch_ns) if len(ns)), default=0)
    longest = max((int(delay.max()) for delay in delays if len(delay)), default=0)
    if newest > _MAX_NS - longest:
        raise ClockError(longest)
    of_trades, of_books = delays[0] + trades[:, _EXCH], delays[1] + books.exch_ns
    for of_one in (of_trades, of_books):
        np.maximum.accumulate(of_one, out=of_one)
    local_ns = of_books
    if before is not None and len(of_trades):
        local_ns = np.where(behind > 0, np.maximum(of_books, of_trades[behind - 1]), of_books)
        of_trades = np.where(before > 0, np.maximum(of_trades, of_books[before - 1]), of_trades)
    trades[:, _LOCAL] = of_trades
    return local_ns


def _book_rows(read: Ingested, books: Messages, unanchored: Unanchored) -> tuple[Plan, Words, Words, Words]:
    """Return the plan of books, their rows with line and file in them, the message during which each is emitted, its unit."""
    plan = make_plan(books, "link" if read.in_order else "direct", "by-id", unanchored)
    made = build_rows(books, plan)
    as_planned = Ordered(np.arange(len(made)), np.zeros(len(made), np.uint32))
    rows = write_events(made, as_planned)[0].view(np.int64).reshape(-1, 8)
    unit = np.repeat(made.unit, made.counts)
    message = plan.units.message[unit]
    rows[:, _LINE], rows[:, _FILE] = books.line[message], books.file[message]
    return plan, rows, plan.units.slot[unit], unit


def _merged(trades: Words, rows: Words, slot: Words, unit: Words, before: Words | None) -> tuple[Words, Words]:
    """Put trades between rows of books; return all, and the number of the unit that each row of a book is of."""
    if before is None or not len(rows):
        return trades, np.zeros(len(trades), np.int64)
    if not len(trades):
        return rows, unit
    at = np.arange(len(trades)) + np.searchsorted(slot, before, side="left")
    total = len(trades) + len(rows)
    book: Bools = np.ones(total, np.bool_)
    book[at] = False
    out, group = np.empty((total, 8), np.int64), np.zeros(total, np.int64)
    out[at], out[book], group[book] = trades, rows, unit
    return out, group


def _figures(raw: Events, unit: Words, events: Events) -> Figures:
    """Walk the books: `raw` in the order of the plan with the unit of every row, `events` in both clocks' order."""
    depth = depth_rows(raw)
    rows, unit = raw[depth], unit[depth]
    if np.any(rows["local_ts"][1:] < rows["local_ts"][:-1]):
        order = np.argsort(rows["local_ts"], kind="stable")
        rows, unit = rows[order], unit[order]
    local = walk_rows(rows, unit)
    walked_ns, walked_unit = rows["local_ts"][local.last], unit[local.last]
    del rows, unit  # as large as the events
    return Figures(
        sides=count_sides(events),
        local_span_ns=span(events, "local"),
        exch_span_ns=span(events, "exchange"),
        local=local,
        walked_ns=walked_ns,
        walked_unit=walked_unit,
        exchange=walk_clock(events, "exchange"),
        local_ns=events["local_ts"][has_flag(events, LOCAL)],
        counts=None,
    )


def _ordered(events: Events) -> Events:
    """Return rows in both orders merged; rows that are in both as they stand are flagged in place."""
    if all(bool(np.all(events[name][1:] >= events[name][:-1])) for name in ("exch_ts", "local_ts")):
        events["ev"] |= np.uint64(EXCH | LOCAL)
        return events
    merged = order_events(events)
    check_order(merged)
    return merged
