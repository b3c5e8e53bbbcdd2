"""The book at the end of event arrays, as a snapshot that the next day's backtest begins with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from data_convert.book import Book, Side, depth_rows, walk_rows
from data_convert.events import BUY, DEPTH_SNAPSHOT, EVENT_DTYPE, EXCH, LOCAL, SELL, Events, has_flag
from data_convert.sizes import check_size

_BOTH: Final = DEPTH_SNAPSHOT | EXCH | LOCAL


def end_snapshot(
    arrays: Iterable[Events], *, initial: Events | None = None, tick_size: float | None = None, side: Side = "local"
) -> Events:
    """Play arrays one after the other (days in order) and return the last book as snapshot rows.

    Bids from the best down, then asks from the best up, times 0, as HftBacktest's `create_last_snapshot` gives them.
    `initial` is a snapshot to begin with. `tick_size` None keeps the prices as they are; given, they are rounded to
    ticks and multiplied back, which is what HftBacktest writes (616597 * 0.1 = 61659.700000000004).
    Raises ValueError for a tick size that is none.
    """
    check_size(tick_size, "tick size")
    book = _rows_of(Book(np.empty((0, 2)), np.empty((0, 2)))) if initial is None else initial
    for events in arrays:
        flag = LOCAL if side == "local" else EXCH
        rows = np.concatenate((book, events[has_flag(events, flag) & depth_rows(events)]))
        book = _rows_of(walk_rows(rows, np.zeros(len(rows), np.int64)).book)
    return book if tick_size is None else _on_ticks(book, tick_size)


def _rows_of(book: Book) -> Events:
    rows = np.zeros(len(book.bids) + len(book.asks), EVENT_DTYPE)
    rows["ev"] = np.repeat(np.array([_BOTH | BUY, _BOTH | SELL], np.uint64), (len(book.bids), len(book.asks)))
    levels = np.concatenate((book.bids, book.asks))
    rows["px"], rows["qty"] = levels[:, 0], levels[:, 1]
    return rows


def _on_ticks(rows: Events, tick_size: float) -> Events:
    rows["px"] = np.floor(rows["px"] / tick_size + 0.5) * tick_size
    return rows
