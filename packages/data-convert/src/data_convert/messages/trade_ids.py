"""The ids of trades: which are missing, which came twice; a trade is kept once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.events import Ints
from data_convert.messages.columns import NO_ID, Messages, What


@dataclass(frozen=True, slots=True)
class TradeIds:
    """How many ids are missing between those seen, in how many holes, before which message the first; repeated trades."""

    seen: int = 0
    missing: int = 0
    holes: int = 0
    first_hole: int = -1
    repeated: int = 0


def check_trades(messages: Messages, others: Ints, first_file: int = 0) -> tuple[npt.NDArray[np.bool_], TradeIds]:
    """Mark the messages that are no repetition of a trade, and count its ids; `others` are ids of trades left out by rule.

    The same id, exchange time, side, price and quantity is the same trade. Ids of an exchange that began them anew are counted
    by themselves: a hole is between neighbours that grow. Holes of files before `first_file` are not counted.
    """
    first: npt.NDArray[np.bool_] = np.ones(len(messages), np.bool_)
    trades = np.flatnonzero((messages.what == What.TRADE) & (messages.last_id != NO_ID))
    if not len(trades):
        return first, TradeIds()
    ids = messages.last_id[trades]
    if not bool(np.all(ids[1:] > ids[:-1])):
        row = messages.begin[trades]
        keys = (messages.ev[row], messages.qty[row], messages.px[row], messages.exch_ns[trades], ids)
        order = np.lexsort(keys)  # stable: of the same trades the first stays
        same = np.ones(len(order), np.bool_)
        same[:1] = False
        for key in keys:
            same[1:] &= key[order][1:] == key[order][:-1]
        first[trades[order[same]]] = False
    own = trades[first[trades]]
    of_day = messages.file[own] >= first_file
    holes = [(at, count) for at, count in _holes(messages.last_id[own], others) if of_day[at]]
    missing = int(sum(count for _, count in holes))
    place = int(own[holes[0][0]]) if holes else -1
    return first, TradeIds(int(of_day.sum()), missing, len(holes), place, len(trades) - len(own))


def _holes(ids: Ints, others: Ints) -> list[tuple[int, int]]:
    """Return (place of the id behind it, ids missing) of every hole, in the order received."""
    found = []
    taken = np.unique(others)
    # Late trades of one run are put in order; a run of lower ids is one of its own.
    for run in np.split(np.arange(len(ids)), np.flatnonzero(ids[1:] < ids[:-1] - _LATE) + 1):
        order = run[np.argsort(ids[run], kind="stable")]
        own = ids[order]
        for at in np.flatnonzero(own[1:] - own[:-1] > 1).tolist():
            low, high = int(own[at]), int(own[at + 1])
            between = np.searchsorted(taken, [low + 1, high])
            missing = high - low - 1 - int(between[1] - between[0])
            if missing:
                found.append((int(order[at + 1]), missing))
    return sorted(found)


_LATE: Final = 1000
"""A trade whose id is lower by at most this was overtaken; by more, the exchange began its ids anew."""
