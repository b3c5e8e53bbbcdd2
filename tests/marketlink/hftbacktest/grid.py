"""A grid of quotes around the mid price, written for hftbacktest's backtester with what its strategies use.

The test runs this file as it stands, and with the next line's package changed.
"""

import numpy as np
from hftbacktest import BUY, GTX, LIMIT, SELL
from numba import njit, uint64
from numba.typed import Dict


@njit
def wanted(price, step, number, tick_size):
    prices = Dict.empty(np.uint64, np.float64)
    for at in range(number):
        if np.isfinite(price):
            prices[uint64(round((price + at * step) / tick_size))] = price + at * step
    return prices


@njit
def trade(hbt, recorder, qty, number, most):
    tick_size = hbt.depth(0).tick_size
    while hbt.elapse(100_000_000) == 0:
        hbt.clear_inactive_orders(0)
        depth, position, orders = hbt.depth(0), hbt.position(0), hbt.orders(0)
        mid = (depth.best_bid + depth.best_ask) / 2.0
        step = 2 * tick_size
        bids = wanted(np.floor((mid - step) / step) * step, -step, number if position < most else 0, tick_size)
        asks = wanted(np.ceil((mid + step) / step) * step, step, number if position > -most else 0, tick_size)
        values = orders.values()
        while values.has_next():
            order = values.get()
            misplaced = (order.side == BUY and order.order_id not in bids) or (
                order.side == SELL and order.order_id not in asks
            )
            if order.cancellable and misplaced:
                hbt.cancel(0, order.order_id, False)
        for order_id, price in bids.items():
            if order_id not in orders:
                hbt.submit_buy_order(0, order_id, price, qty, GTX, LIMIT, False)
        for order_id, price in asks.items():
            if order_id not in orders:
                hbt.submit_sell_order(0, order_id, price, qty, GTX, LIMIT, False)
        recorder.record(hbt)
    return True
