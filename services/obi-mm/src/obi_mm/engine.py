"""The compiled loop that carries the strategy through hftbacktest: looks, decides, sends, records.

Time moves from stop to stop: the strategy's wake-ups and the records' grid, each looked at one ns early, so that a stop
sees everything before its time and nothing at it. hftbacktest keeps orders in a hash map of random order; they are
read sorted by id, so that equal input gives equal results.
"""

from typing import Any

import numpy as np
from factor_engine import kernels as factors
from hftbacktest.order import CANCELED, EXPIRED, FILLED, GTX, IOC, LIMIT, NONE, REJECTED

from obi_mm import kernels
from obi_mm._jit import jit_engine
from obi_mm.layout import (
    A_ID,
    A_KIND,
    A_LOTS,
    A_SIDE,
    A_TICK,
    BUY,
    CANCEL,
    FINE,
    NO_ASK_TICK,
    NO_BID_TICK,
    O_FREE,
    O_ID,
    O_LOTS,
    O_SIDE,
    O_SINCE,
    O_TICK,
    SELL,
    STALE_BOOK,
    SUBMIT,
    W_WAKE,
    Log,
    Real,
    Rules,
    Table,
    Whole,
)

# How a stretch of the run ended.
PAUSED, ENDED, FULL, FAILED = 0, 1, 2, 3

# The cursor: what the loop remembers between stretches.
C_RECORD, C_STARTED, C_LOGGED, C_ACTIONS, C_RECORDS, C_FILLS, C_NOW, C_CODE = range(8)
C_SENT, C_CANCELS, C_CLOSES, C_REFUSED, C_BID_TOUCH, C_ASK_TOUCH, C_BOOK = range(8, 15)
CURSOR = 15

RECORD_DTYPE = np.dtype(
    [
        ("timestamp", "i8"),
        ("price", "f8"),
        ("position", "f8"),
        ("balance", "f8"),
        ("fee", "f8"),
        ("num_trades", "i8"),
        ("trading_volume", "f8"),
        ("trading_value", "f8"),
    ]
)
"""hftbacktest's own record, so that its statistics take the file."""

FILL_DTYPE = np.dtype([("time_ns", "i8"), ("order_id", "i8"), ("side", "i8"), ("tick", "i8"), ("lots", "i8")])


@jit_engine
def read_orders(hbt: Any, lot_size: float, table: Table, fills: Log, cursor: Whole) -> int:
    """Fill the table with working orders by id, and note what was filled; returns how many there are, -1 without room."""
    n = 0
    values = hbt.orders(0).values()
    while values.has_next():
        order = values.get()
        lots = round(order.leaves_qty / lot_size)
        done = order.status == FILLED or order.status == CANCELED or order.status == EXPIRED or order.status == REJECTED
        side = BUY if order.side == BUY else SELL
        if done and order.req == NONE:
            filled = round(order.qty / lot_size) - (0 if order.status == FILLED else lots)
            if order.status == REJECTED:
                filled = 0
            if order.status == EXPIRED and order.exec_qty == 0.0:
                filled = 0
            if filled > 0:
                if cursor[C_FILLS] >= len(fills):
                    return -1
                at = cursor[C_FILLS]
                while at > 0 and (
                    fills[at - 1].time_ns > order.exch_timestamp
                    or (fills[at - 1].time_ns == order.exch_timestamp and fills[at - 1].order_id > order.order_id)
                ):
                    fills[at] = fills[at - 1]
                    at -= 1
                fills[at].time_ns, fills[at].order_id, fills[at].side = order.exch_timestamp, order.order_id, side
                fills[at].tick, fills[at].lots = order.exec_price_tick, filled
                cursor[C_FILLS] += 1
            continue
        if n >= table.shape[0]:
            return -1
        at = n
        while at > 0 and table[at - 1, O_ID] > order.order_id:
            table[at] = table[at - 1]
            at -= 1
        table[at, O_ID], table[at, O_SIDE] = order.order_id, side
        table[at, O_TICK], table[at, O_LOTS] = order.price_tick, lots
        table[at, O_FREE] = 1 if order.cancellable else 0
        table[at, O_SINCE] = order.exch_timestamp if order.exch_timestamp > 0 else order.local_timestamp
        n += 1
    return n


@jit_engine
def view_sums(depth: Any, imbalance: Real) -> tuple[float, float]:
    """Sum the view of a book tick by tick, the best first; NaN where it can't be looked at."""
    best_bid, best_ask = depth.best_bid_tick, depth.best_ask_tick
    fits, lower, upper = factors.book_view(imbalance, best_bid, best_ask, 0.0)
    if not fits:
        return np.nan, np.nan
    asks = 0.0
    for tick in range(best_ask, upper):
        asks += depth.ask_qty_at_tick(tick)
    bids = 0.0
    for tick in range(best_bid, lower, -1):
        bids += depth.bid_qty_at_tick(tick)
    return bids, asks


@jit_engine
def send(hbt: Any, rules: Rules, actions: Table, count: int, cursor: Whole) -> None:
    """Carry out a decision's actions, waiting for none."""
    for i in range(count):
        kind, order_id = actions[i, A_KIND], actions[i, A_ID]
        if kind == CANCEL:
            code = hbt.cancel(0, order_id, False)
            cursor[C_CANCELS] += 1
        else:
            price, qty = actions[i, A_TICK] * rules.tick_size, actions[i, A_LOTS] * rules.lot_size
            force = GTX if kind == SUBMIT else IOC
            if actions[i, A_SIDE] == BUY:
                code = hbt.submit_buy_order(0, order_id, price, qty, force, LIMIT, False)
            else:
                code = hbt.submit_sell_order(0, order_id, price, qty, force, LIMIT, False)
            cursor[C_SENT if kind == SUBMIT else C_CLOSES] += 1
        if code != 0:
            cursor[C_REFUSED] += 1


@jit_engine
def feed_time(hbt: Any) -> int:
    """Return when market data was last received, 0 before any."""
    latency = hbt.feed_latency(0)
    if latency is None:
        return 0
    _, local_ns = latency
    return int(local_ns)


@jit_engine
def record(hbt: Any, depth: Any, table: Table, n: int, record_ns: int, records: Log, cursor: Whole) -> None:
    """Write one record, and count whether this side's orders stand at the touch."""
    at = cursor[C_RECORDS]
    state = hbt.state_values(0)
    records[at].timestamp = cursor[C_RECORD]
    records[at].price = (depth.best_bid + depth.best_ask) / 2.0
    records[at].position, records[at].balance, records[at].fee = state.position, state.balance, state.fee
    records[at].num_trades = state.num_trades
    records[at].trading_volume, records[at].trading_value = state.trading_volume, state.trading_value
    cursor[C_RECORDS] += 1
    cursor[C_RECORD] += record_ns
    bid_touch, ask_touch = 0, 0
    for row in range(n):
        if table[row, O_SIDE] == BUY and table[row, O_TICK] >= depth.best_bid_tick:
            bid_touch = 1
        if table[row, O_SIDE] == SELL and table[row, O_TICK] <= depth.best_ask_tick:
            ask_touch = 1
    cursor[C_BOOK] += 1
    cursor[C_BID_TOUCH] += bid_touch
    cursor[C_ASK_TOUCH] += ask_touch


@jit_engine
def run(
    hbt: Any,
    rules: Rules,
    imbalance: Real,
    volatility: Real,
    points: Whole,
    stop: Real,
    stop_clock: Whole,
    own: Whole,
    dry: bool,
    record_ns: int,
    until_ns: int,
    table: Table,
    actions: Table,
    log: Log,
    log_actions: Table,
    records: Log,
    fills: Log,
    cursor: Whole,
) -> int:
    """Run until `until_ns`, the end of the data, or the end of the room; returns which."""
    while True:
        stop_ns = min(cursor[C_RECORD], own[W_WAKE])
        if stop_ns > until_ns:
            return PAUSED
        if (
            cursor[C_LOGGED] >= len(log)
            or cursor[C_RECORDS] >= len(records)
            or cursor[C_ACTIONS] + actions.shape[0] > len(log_actions)
        ):
            return FULL
        if stop_ns - 1 > hbt.current_timestamp:
            code = hbt.elapse(stop_ns - 1 - hbt.current_timestamp)
            cursor[C_NOW] = hbt.current_timestamp
            if code == 1:
                return ENDED
            if code != 0:
                cursor[C_CODE] = code
                return FAILED
        depth = hbt.depth(0)
        n = read_orders(hbt, rules.lot_size, table, fills, cursor)
        if n < 0:
            return FULL
        hbt.clear_inactive_orders(0)
        if stop_ns == cursor[C_RECORD]:
            record(hbt, depth, table, n, record_ns, records, cursor)
        if stop_ns != own[W_WAKE]:
            continue
        best_bid, best_ask = depth.best_bid_tick, depth.best_ask_tick
        if cursor[C_STARTED] == 0:
            if best_bid == NO_BID_TICK or best_ask == NO_ASK_TICK or best_bid >= best_ask:
                own[W_WAKE] = kernels.next_boundary(stop_ns, rules.update_ns)
                continue
            cursor[C_STARTED] = 1
        bids, asks = view_sums(depth, imbalance)
        trouble = STALE_BOOK if stop_ns - feed_time(hbt) > rules.stale_ns else FINE
        position_lots = round(hbt.position(0) / rules.lot_size)
        count = kernels.decide(
            rules,
            imbalance,
            volatility,
            points,
            stop,
            stop_clock,
            own,
            stop_ns,
            trouble,
            best_bid,
            best_ask,
            bids,
            asks,
            position_lots,
            table,
            n,
            actions,
            log,
            cursor[C_LOGGED],
        )
        cursor[C_LOGGED] += 1
        for i in range(count):
            log_actions[cursor[C_ACTIONS] + i] = actions[i]
        cursor[C_ACTIONS] += count
        if not dry:
            send(hbt, rules, actions, count, cursor)


@jit_engine
def run_bare(hbt: Any, step_ns: int, until_ns: int) -> None:
    """Go through the data in equal steps and do nothing: what the strategy's cost is measured against."""
    while hbt.current_timestamp < until_ns:
        if hbt.elapse(step_ns) != 0:
            return
