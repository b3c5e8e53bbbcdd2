"""Names of everything that kernels and shells hand each other: rules, columns, codes, the record of one decision."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Whole = NDArray[np.int64]
Table = NDArray[np.int64]
Log = NDArray[np.void]

NO_BID_TICK = -(1 << 63)
NO_ASK_TICK = (1 << 63) - 1
NO_QUOTE = 0
"""The tick of a quote that is not wanted; real ones are positive."""

BUY, SELL = 1, -1

# Columns of the table of working orders.
O_ID, O_SIDE, O_TICK, O_LOTS, O_FREE, O_SINCE = range(6)
"""`O_FREE` is 1 where a cancel may be asked for (nothing else is asked); `O_SINCE` is when the order was sent or accepted, ns."""
ORDER_COLUMNS = 6

# Columns of the table of actions.
A_KIND, A_SIDE, A_TICK, A_LOTS, A_ID = range(5)
ACTION_COLUMNS = 5
CANCEL, SUBMIT, CLOSE = 1, 2, 3
"""SUBMIT is a post-only limit order; CLOSE a limit order that fills at once or expires, against the position."""

# What the shell knows of the book beyond its levels.
FINE, STALE_BOOK, UNSYNCED_BOOK = 0, 1, 2

# Why quotes are wanted or not.
QUOTING, ONE_SIDED, CROSSED, STALE, UNSYNCED, REFUSED, WARMING, STOPPED, COOLING = range(9)
REASONS = ("quoting", "one-sided", "crossed", "stale", "unsynced", "refused", "warming", "stopped", "cooling")

# The strategy's own memory.
W_NEXT_ID, W_WAKE = 0, 1
OWN_WHOLE = 2


class Rules(NamedTuple):
    """A configuration in ticks, lots and ns, as the kernels take it."""

    tick_size: float
    lot_size: float
    order_lots: int
    max_lots: int
    grid_num: int
    interval_ticks: int
    low_tick: int
    high_tick: int
    half_spread: float
    skew: float
    max_shift: float
    c1: float
    power: float
    usual_volatility: float
    live_ns: int
    update_ns: int
    retry_ns: int
    slippage_ticks: int
    stale_ns: int


DECISION_DTYPE = np.dtype(
    [
        ("time_ns", "<i8"),
        ("best_bid_tick", "<i8"),
        ("best_ask_tick", "<i8"),
        ("bids", "<f8"),
        ("asks", "<f8"),
        ("alpha", "<f8"),
        ("volatility", "<f8"),
        ("change", "<f8"),
        ("fair_ticks", "<f8"),
        ("reservation_ticks", "<f8"),
        ("bid_tick", "<i8"),
        ("ask_tick", "<i8"),
        ("position_lots", "<i8"),
        ("samples", "<i4"),
        ("returns", "<i4"),
        ("reason", "u1"),
        ("stop_loss", "u1"),
        ("sampled", "u1"),
        ("missed", "u1"),
        ("actions", "<u4"),
        ("symbol", "<i8"),
    ]
)
"""One decision: 128 bytes. `bids` and `asks` are the quantities in view, `symbol` is the number in the log's header.

`missed` is 1 where it was due before a newer one that was known already: it was decided, and its actions were not carried out.
"""

ACTION_DTYPE = np.dtype([("kind", "<i8"), ("side", "<i8"), ("tick", "<i8"), ("lots", "<i8"), ("order_id", "<i8")])
"""One action: 40 bytes, `ACTION_COLUMNS` whole numbers; a decision's follow it."""

# What happened to orders, beside the decisions.
ASK_SUBMIT, ASK_CANCEL, HELD, ANSWER, FILL, PROBLEM, POSITION, PULL, DECIDED = range(1, 10)
EVENT_NAMES = {
    ASK_SUBMIT: "submit",
    ASK_CANCEL: "cancel",
    HELD: "held back",
    ANSWER: "answer",
    FILL: "fill",
    PROBLEM: "problem",
    POSITION: "position",
    PULL: "pull",
    DECIDED: "decided",
}

EVENT_DTYPE = np.dtype(
    [
        ("time_ns", "<i8"),
        ("exch_ns", "<i8"),
        ("symbol", "<i4"),
        ("what", "u1"),
        ("side", "i1"),
        ("status", "u1"),
        ("maker", "u1"),
        ("order_id", "<u8"),
        ("tick", "<i8"),
        ("lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("position_lots", "<i8"),
        ("code", "<i4"),
        ("text", "S92"),
    ]
)
"""Something that happened to an order: 160 bytes. `time_ns` is the clock here, `exch_ns` the exchange's (0: none).

`lots` are those of a request or a fill, `position_lots` is what the strategy holds after it; `status` is the order's (marketlink.orders).
Of `decided`, `exch_ns` is the boundary.
"""
