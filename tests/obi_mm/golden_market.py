"""The synthetic market of the golden run: a seeded walk of a book of ten levels a side, with trades."""

import functools

import numpy as np
from marketlink.events import BUY, DEPTH, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE, Events

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000


@functools.cache
def golden_market(steps: int = 72_000) -> Events:
    """Rows of the walk: trades of all steps and depth of all steps, sorted by exchange time."""
    state = 42
    bid = 500_000
    trades: list[tuple[int, int, int, int, float]] = []
    depth: list[tuple[int, int, int, int, float]] = []
    both = EXCH | LOCAL
    old_bids: set[int] = set()
    old_asks: set[int] = set()
    for k in range(steps):
        exch = START_NS + k * STEP_NS
        local = exch + 5_000_000 + (k % 7) * 1_000_000
        draws = []
        for _ in range(22):
            state = (1103515245 * state + 12345) & 0x7FFFFFFF
            draws.append(state >> 16)
        bid += draws[0] % 3 - 1
        r = draws[1]
        side, tick = (BUY, bid + 1) if r % 2 == 0 else (SELL, bid)
        trades.append((both | side | TRADE, exch, local, tick, (1 + (r // 2) % 20) / 1000))
        bids, asks = range(bid, bid - 10, -1), range(bid + 1, bid + 11)
        for tick in sorted(old_bids - set(bids), reverse=True):
            depth.append((both | BUY | DEPTH, exch, local, tick, 0.0))
        for tick in sorted(old_asks - set(asks)):
            depth.append((both | SELL | DEPTH, exch, local, tick, 0.0))
        for i, tick in enumerate(bids):
            depth.append((both | BUY | DEPTH, exch, local, tick, (1 + draws[2 + i] % 50) / 100))
        for i, tick in enumerate(asks):
            depth.append((both | SELL | DEPTH, exch, local, tick, (1 + draws[12 + i] % 50) / 100))
        old_bids, old_asks = set(bids), set(asks)
    rows = trades + depth
    columns = list(zip(*rows, strict=True))
    events: Events = np.zeros(len(rows), EVENT_DTYPE)
    events["ev"] = np.array(columns[0], np.uint64)
    events["exch_ts"], events["local_ts"] = columns[1], columns[2]
    events["px"] = np.array(columns[3]) / 10
    events["qty"] = columns[4]
    return events[np.argsort(events["exch_ts"], kind="stable")]


GOLDEN_CONFIG: dict[str, dict[str, float]] = {
    "global": {
        "order_qty": 0.01,
        "max_position": 0.05,
        "grid_num": 2,
        "grid_interval": 0.2,
        "roi_lb": 0.0,
        "roi_ub": 200_000.0,
    },
    "params": {
        "looking_depth": 0.00002,
        "window": 30,
        "volatility_window": 5,
        "half_spread": 4e-6,
        "skew": 2e-6,
        "c1": 2e-6,
        "power": 1.0,
        "live_seconds": 25.0,
        "update_interval_ns": 10_000_000_000,
        "volatility_interval_ns": 60_000_000_000,
    },
    "stop_loss": {
        "volatility_mean": 4e-5,
        "volatility_std": 2e-5,
        "change_mean": 2e-5,
        "change_std": 3e-5,
        "volatility_threshold": 2.0,
        "change_threshold": 2.0,
    },
    "fees": {"maker": -0.00005, "taker": 0.0007},
}
"""Of the source's run, its fees among them."""
