"""The book that rows lead to, on either clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from data_convert.events import BUY, DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EXCH, LOCAL, SELL, Events, has_flag, is_kind

Side = Literal["local", "exchange"]
Floats = npt.NDArray[np.float64]


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
    """The best prices at the end of each group of rows, and the book at the end of all."""

    best_bid: Floats
    best_ask: Floats
    last_row: npt.NDArray[np.int64]
    crossed: int
    book: Book


def depth_rows(events: Events) -> npt.NDArray[np.bool_]:
    """Mark the rows that change the book: depth, depth snapshot and depth clear."""
    return is_kind(events, DEPTH) | is_kind(events, DEPTH_SNAPSHOT) | is_kind(events, DEPTH_CLEAR)


def walk_rows(rows: Events, group: npt.NDArray[np.int64]) -> Walk:
    """Play depth rows in their order; `group` numbers the messages they belong to, each a run of equal numbers.

    Prices are compared as the floats nearest to their decimals, which is exact: equal decimals are equal floats.
    A clear with a non-finite price wipes its whole side (as HftBacktest's books do).
    """
    from data_convert.kernels import walk_book

    if not len(rows):
        none = np.empty(0)
        return Walk(none, none, np.empty(0, np.int64), 0, Book(np.empty((0, 2)), np.empty((0, 2))))
    ev = rows["ev"].astype(np.uint32)
    clear = is_kind(rows, DEPTH_CLEAR)
    known = np.isfinite(rows["px"])
    ev[~known & ~clear] = 0
    prices, level = np.unique(np.where(known, rows["px"], np.nan), return_inverse=True)
    finite = np.isfinite(prices)
    count = int(finite.sum())
    edge = np.zeros(len(rows), np.int64)
    edge[clear] = level[clear]
    whole = clear & ~known
    edge[whole & has_flag(rows, SELL)] = len(prices) - 1
    edge[whole & has_flag(rows, BUY)] = 0
    ends = np.flatnonzero(np.append(group[1:] != group[:-1], True))
    number = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
    bid, ask = np.zeros(len(prices)), np.zeros(len(prices))
    bests = np.zeros((len(ends), 2), np.int64)
    crossed = walk_book(ev, level.astype(np.int64), edge, np.ascontiguousarray(rows["qty"]), number, bid, ask, bests)
    with_edges = np.append(prices[:count] if count else prices[:0], [np.nan] * (len(prices) - count + 1))
    book = Book(
        np.column_stack((prices, bid))[::-1][bid[::-1] > 0],
        np.column_stack((prices, ask))[ask > 0],
    )
    best_bid = np.where(bests[:, 0] >= 0, with_edges[bests[:, 0]], np.nan)
    return Walk(best_bid, with_edges[bests[:, 1]], ends, crossed, book)


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
