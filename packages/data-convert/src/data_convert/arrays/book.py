"""The book that rows lead to, on either clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.arrays import plain
from data_convert.choice import few
from data_convert.events import (
    BUY,
    DEPTH,
    DEPTH_CLEAR,
    DEPTH_SNAPSHOT,
    EVENT_DTYPE,
    EXCH,
    LOCAL,
    SELL,
    Events,
    Ints,
    has_flag,
    is_kind,
)
from data_convert.words import Side

Floats = npt.NDArray[np.float64]

_NS_A_ROW: Final = 600
_NS_A_PRICE: Final = 150


@dataclass(frozen=True, slots=True)
class Book:
    """Levels as (n, 2) arrays of price and quantity, the best first on either side."""

    bids: Floats
    asks: Floats

    @property
    def best_bid(self) -> float:
        """Highest bid price, NaN without bids."""
        return float(self.bids[0, 0]) if len(self.bids) else float("nan")

    @property
    def best_ask(self) -> float:
        """Lowest ask price, NaN without asks."""
        return float(self.asks[0, 0]) if len(self.asks) else float("nan")


@dataclass(frozen=True, slots=True)
class Walk:
    """The best prices at the end of each group of rows, the last of each group, and the book at the end of all."""

    best_bid: Floats
    best_ask: Floats
    last: Ints
    crossed: int
    book: Book


def depth_rows(events: Events) -> npt.NDArray[np.bool_]:
    """Mark the rows that change the book: depth, depth snapshot and depth clear."""
    return is_kind(events, DEPTH) | is_kind(events, DEPTH_SNAPSHOT) | is_kind(events, DEPTH_CLEAR)


@dataclass(frozen=True, slots=True)
class Levels:
    """The finite prices of rows in ascending order, and for each row the number of its own, -1 if it has none."""

    prices: Floats
    level: npt.NDArray[np.int32]


def number_levels(px: Floats) -> Levels:
    """Number the prices of rows; equal decimals are equal floats, so that prices are compared exactly."""
    finite = np.isfinite(px)
    level: npt.NDArray[np.int32] = np.full(len(px), -1, np.int32)
    if few(len(px), _NS_A_PRICE):
        prices, level[finite] = np.unique(px[finite], return_inverse=True)
        return Levels(prices, level)
    from data_convert.arrays.kernels import number_prices

    whole = bool(finite.all())
    # Adding 0 makes a negative zero a positive one.
    words = ((px if whole else px[finite]) + 0.0).view(np.int64)
    slots_wide, found = 1 << 14, -1
    own = np.empty(len(words), np.int32)
    while found < 0:
        slots_wide *= 4
        keys = np.empty(slots_wide // 2, np.int64)
        found = number_prices(words, np.full(slots_wide, -1, np.int32), keys, own)
    prices = keys[:found].view(np.float64)
    order = np.argsort(prices)
    rank = np.empty(found, np.int32)
    rank[order] = np.arange(found, dtype=np.int32)
    if whole:
        level = rank[own]
    else:
        level[finite] = rank[own]
    return Levels(prices[order], level)


def walk_units(
    order: Ints, group: Ints, begin: Ints, end: Ints, ev: npt.NDArray[np.uint32], qty: Floats, levels: Levels
) -> Walk:
    """Play the rows begin[u]:end[u] of units in their order; `group` numbers what they belong to, in runs.

    A clear with a price that is not finite wipes its whole side (as HftBacktest's books do). `Walk.last` are places in
    `order`.
    """
    prices, count = levels.prices, len(levels.prices)
    ends = np.flatnonzero(np.append(group[1:] != group[:-1], True)) if len(group) else np.empty(0, np.int64)
    bid, ask, best_bid, best_ask = np.zeros(count), np.zeros(count), np.empty(len(ends)), np.empty(len(ends))
    columns = begin, end, ev, levels.level, qty
    if few(len(ev), _NS_A_ROW):
        crossed = plain.walk_units(order, group, columns, prices, bid, ask, best_bid, best_ask)
    else:
        from data_convert.arrays import kernels

        played, book = kernels.Played(*columns), kernels.Sides(prices, bid, ask)
        crossed = kernels.walk_units(order, group, played, book, best_bid, best_ask)
    levels_of = [np.column_stack((prices, quantity))[quantity > 0] for quantity in (bid, ask)]
    return Walk(best_bid, best_ask, ends, crossed, Book(levels_of[0][::-1], levels_of[1]))


def walk_rows(rows: Events, group: Ints) -> Walk:
    """Play depth rows in their order; `group` numbers the messages they belong to, each a run of equal numbers.

    Prices are compared exactly, clears are as in `walk_units`. `Walk.last` are the last rows of the groups.
    """
    every = np.arange(len(rows))
    ev, qty = rows["ev"].astype(np.uint32), np.ascontiguousarray(rows["qty"])
    if not len(rows):
        none = np.empty(0)
        return Walk(none, none, np.empty(0, np.int64), 0, Book(np.empty((0, 2)), np.empty((0, 2))))
    return walk_units(every, group, every, every + 1, ev, qty, number_levels(np.ascontiguousarray(rows["px"])))


def replay_book(events: Events, side: Side = "local", until_ts: int | None = None) -> Book:
    """Play an event array on one clock; `until_ts` (ns of that clock, inclusive) stops earlier.

    Returns the book HftBacktest's exact (hash map) books hold after the same rows. Rows without that clock's flag
    are skipped.
    """
    if side not in ("local", "exchange"):
        raise ValueError(f"side is 'local' or 'exchange', not {side!r}")
    flag, name = (LOCAL, "local_ts") if side == "local" else (EXCH, "exch_ts")
    rows = events[has_flag(events, flag) & depth_rows(events)]
    if until_ts is not None:
        rows = rows[: int(np.searchsorted(rows[name], until_ts, side="right"))]
    return walk_rows(rows, np.zeros(len(rows), np.int64)).book


def rows_of(book: Book) -> Events:
    """Return a book as rows: bids from the best down, asks from the best up, times 0."""
    rows = np.zeros(len(book.bids) + len(book.asks), EVENT_DTYPE)
    both = DEPTH_SNAPSHOT | EXCH | LOCAL
    rows["ev"] = np.repeat(np.array([both | BUY, both | SELL], np.uint64), (len(book.bids), len(book.asks)))
    levels = np.concatenate((book.bids, book.asks))
    rows["px"], rows["qty"] = levels[:, 0], levels[:, 1]
    return rows


def end_book(chunks: Iterable[Events], side: Side, begin: Events | None = None) -> Book:
    """Play an array that comes in chunks on one clock, on the book that the rows of `begin` make; return the last book."""
    flag = LOCAL if side == "local" else EXCH
    book: Events = np.empty(0, EVENT_DTYPE) if begin is None else begin
    for events in chunks:
        rows = np.concatenate((book, events[has_flag(events, flag) & depth_rows(events)]))
        book = rows_of(walk_rows(rows, np.zeros(len(rows), np.int64)).book)
    return walk_rows(book, np.zeros(len(book), np.int64)).book


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
