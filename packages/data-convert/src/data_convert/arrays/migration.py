"""Event arrays of HftBacktest 1 (six columns of floats) as arrays of today's records.

Columns: event (1 depth, 2 trade, 3 clear, 4 snapshot), exchange and local time (µs as a rule, -1 where the row is not for
that clock), side (1 buy, -1 sell, 0 none), price, quantity. A row whose two orders disagreed stands twice there, each time
without the other clock's time; both halves get it back from each other, the first from the first that is otherwise equal.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.events import BUY, EVENT_DTYPE, EXCH, LOCAL, SELL, Events

_MOST: Final = (1 << 63) - 1


def migrate(columns: npt.NDArray[np.float64], unit_ns: int = 1_000) -> tuple[Events, int]:
    """Return the rows as EVENT_DTYPE, times in units of `unit_ns`, and how many had no other half to get a time from.

    `columns`: n rows of six. A row without its other half has its own time on both clocks. Raises ValueError for times
    or events that are no integers of 64 bits.
    """
    kinds, exch, local, sides = columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3]
    whole = columns[:, :3]
    if not np.isfinite(whole).all() or (whole != np.floor(whole)).any() or (whole * unit_ns >= _MOST).any():
        raise ValueError("events and times must be integers that fit 64 bits")
    if ((exch <= 0) & (local <= 0)).any():
        raise ValueError(f"row {int(np.argmax((exch <= 0) & (local <= 0)))} is for neither clock")
    events = np.zeros(len(columns), EVENT_DTYPE)
    flags = np.where(sides == 1, BUY, np.where(sides == -1, SELL, 0)).astype(np.uint64)
    flags |= np.where(exch > 0, EXCH, 0).astype(np.uint64) | np.where(local > 0, LOCAL, 0).astype(np.uint64)
    events["ev"] = kinds.astype(np.uint64) | flags
    events["exch_ts"], events["local_ts"] = exch.astype(np.int64) * unit_ns, local.astype(np.int64) * unit_ns
    events["px"], events["qty"] = columns[:, 4], columns[:, 5]
    return events, _join_halves(events, columns)


def _join_halves(events: Events, columns: npt.NDArray[np.float64]) -> int:
    halves = [
        np.flatnonzero(columns[:, own] <= 0) for own in (1, 2)
    ]  # for the local clock alone, for the exchange alone
    keys = [_numbered(columns[rows][:, [0, 3, 4, 5]]) for rows in halves]
    both = sorted(keys[0].keys() & keys[1].keys())
    left = [halves[0][[keys[0][key] for key in both]], halves[1][[keys[1][key] for key in both]]]
    events["exch_ts"][left[0]] = events["exch_ts"][left[1]]
    events["local_ts"][left[1]] = events["local_ts"][left[0]]
    alone = [np.setdiff1d(rows, joined) for rows, joined in zip(halves, left, strict=True)]
    events["exch_ts"][alone[0]] = events["local_ts"][alone[0]]
    events["local_ts"][alone[1]] = events["exch_ts"][alone[1]]
    return sum(map(len, alone))


def _numbered(rows: npt.NDArray[np.float64]) -> dict[tuple[bytes, int], int]:
    """Number equal rows in their order: (row, number) to its place."""
    seen: dict[bytes, int] = {}
    out = {}
    for place, row in enumerate(rows):
        key = row.tobytes()
        seen[key] = seen.get(key, -1) + 1
        out[key, seen[key]] = place
    return out
