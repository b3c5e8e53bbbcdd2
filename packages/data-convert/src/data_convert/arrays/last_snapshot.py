"""The book at the end of event arrays, as a snapshot that the next day's backtest begins with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from data_convert.arrays.book import end_book, rows_of
from data_convert.events import Events
from data_convert.sizes import check_size
from data_convert.words import Side


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
    book = rows_of(end_book(arrays, side, initial))
    return book if tick_size is None else _on_ticks(book, tick_size)


def _on_ticks(rows: Events, tick_size: float) -> Events:
    rows["px"] = np.floor(rows["px"] / tick_size + 0.5) * tick_size
    return rows
