"""Seeded markets with what a well-behaved one lacks: one-sided and crossed books, clears, far levels, several fills at a moment."""

import numpy as np
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE, Events

START_NS = 1_700_000_000_000_000_000


def wild_market(seed: int, count: int = 3_000) -> Events:
    """Rows of one market, some 30 ms apart, prices around 50,000 in ticks of 0.1."""
    rng = np.random.default_rng(seed)
    times = START_NS + np.cumsum(rng.integers(1, 60_000_000, count))
    middle = 500_000 + np.cumsum(rng.integers(-3, 4, count))
    side = np.where(rng.random(count) < 0.5, BUY, SELL)
    kind = np.where(rng.random(count) < 0.2, TRADE, DEPTH)
    away = np.where(rng.random(count) < 0.02, rng.integers(0, 400_000, count), rng.integers(-2, 60, count))
    ticks = np.where(kind == TRADE, middle + rng.integers(-3, 4, count), middle + np.where(side == BUY, -away, away))
    events: Events = np.zeros(count, EVENT_DTYPE)
    events["ev"] = EXCH | LOCAL | side | kind
    events["exch_ts"], events["local_ts"] = times, times + int(rng.integers(1, 5)) * 1000
    events["px"] = np.maximum(ticks, 1) * 0.1
    gone = (kind == DEPTH) & (rng.random(count) < 0.45)
    events["qty"] = np.where(gone, 0.0, rng.integers(1, 30, count) / 1000)
    clears = rng.random(count) < 0.004
    events["ev"][clears] = EXCH | LOCAL | DEPTH_CLEAR | side[clears]
    return events
