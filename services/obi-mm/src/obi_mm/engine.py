"""The compiled loop that carries the strategy through hftbacktest: looks, decides, sends, records.

An engine is an address and `roi`, which of its two kinds it is (`hft`).

Time moves from stop to stop: the strategy's wake-ups and the records' grid, each looked at one ns early, so that a stop
sees everything before its time and nothing at it. hftbacktest keeps orders in a hash map of random order; they are
read sorted by id, so that equal input gives equal results.
"""

from typing import NamedTuple

import numpy as np
from factor_engine import kernels as factors
from hftbacktest.order import CANCELED, EXPIRED, FILLED, GTX, IOC, LIMIT, NEW, NONE, PARTIALLY_FILLED, REJECTED

from obi_mm import hft, kernels
from obi_mm._jit import jit, jitable
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
PAUSED, ENDED, FULL, FAILED, DIFFERS = range(5)

# The cursor: what the loop remembers between stretches.
C_RECORD, C_STARTED, C_LOGGED, C_ACTIONS, C_RECORDS, C_FILLS, C_NOW, C_CODE = range(8)
C_SENT, C_CANCELS, C_CLOSES, C_REFUSED, C_BID_TOUCH, C_ASK_TOUCH, C_BOOK = range(8, 15)
C_POSITION, C_NET, C_MADE, C_TOOK, C_TRADED = range(15, 20)
"""The account in whole numbers, the same in whatever order the engine books fills of one moment, which is random: position
in lots, bought less sold in ticks * lots, traded as maker and as taker in ticks * lots, traded in lots."""
C_SCRATCH = 20
"""Room for two numbers that the engine writes."""
C_OVER = 22
"""1 once the data has ended: what was on its way has arrived then too."""
C_HELD = 23
"""Lots held before the run, which the strategy knows of and the engine's account does not."""
CURSOR = 24


class Money(NamedTuple):
    """Fees as fractions of traded value (negative: a rebate), and what that value is of: a contract's size, in the base or inverse."""

    maker: float
    taker: float
    inverse: bool
    size: float


M_NET, M_MADE, M_TOOK = range(3)
"""The account of inverse contracts, whose values are no whole numbers: bought less sold, traded as maker and as taker, in lots a tick."""
ACCOUNT = 3


BLOCK = 8
"""Ticks of an array that are looked at together: where all of them are empty, none is added up."""

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

FILL_DTYPE = np.dtype(
    [("time_ns", "i8"), ("order_id", "i8"), ("side", "i8"), ("tick", "i8"), ("lots", "i8"), ("maker", "i8")]
)


@jitable
def read_orders(hbt: int, roi: bool, lot_size: float, table: Table, fills: Log, cursor: Whole, account: Real) -> int:
    """Fill the table with working orders by id, note what was filled and forget what has ended; returns how many work.

    Without room for either it returns -1, has noted nothing and forgotten nothing.
    """
    orders, count = hft.orders_of(hbt, roi)
    if count == 0:
        return 0
    n, first_fill, ended, fits = 0, cursor[C_FILLS], 0, True
    values = hft.first_order(orders)
    for _ in range(count):
        order = hft.next_order(values)[0]
        if not fits:
            continue
        lots = round(order.leaves_qty / lot_size)
        done = order.status == FILLED or order.status == CANCELED or order.status == EXPIRED or order.status == REJECTED
        side = BUY if order.side == BUY else SELL
        if done and order.req == NONE:
            ended += 1
            filled = round(order.qty / lot_size) if order.status == FILLED else 0
            if filled > 0:
                if cursor[C_FILLS] >= len(fills):
                    fits = False
                    continue
                at = cursor[C_FILLS]
                while at > first_fill and (
                    fills[at - 1].time_ns > order.exch_timestamp
                    or (fills[at - 1].time_ns == order.exch_timestamp and fills[at - 1].order_id > order.order_id)
                ):
                    fills[at] = fills[at - 1]
                    at -= 1
                fills[at].time_ns, fills[at].order_id, fills[at].side = order.exch_timestamp, order.order_id, side
                fills[at].tick, fills[at].lots = order.exec_price_tick, filled
                fills[at].maker = 1 if order.maker else 0
                cursor[C_FILLS] += 1
            continue
        if n >= table.shape[0]:
            fits = False
            continue
        at = n
        while at > 0 and table[at - 1, O_ID] > order.order_id:
            table[at] = table[at - 1]
            at -= 1
        table[at, O_ID], table[at, O_SIDE] = order.order_id, side
        table[at, O_TICK], table[at, O_LOTS] = order.price_tick, lots
        active = order.status == NEW or order.status == PARTIALLY_FILLED
        table[at, O_FREE] = 1 if active and order.req == NONE else 0
        table[at, O_SINCE] = order.exch_timestamp if order.exch_timestamp > 0 else order.local_timestamp
        n += 1
    hft.next_order(values)
    if not fits:
        cursor[C_FILLS] = first_fill
        return -1
    if ended:
        book_fills(fills, first_fill, cursor, account)
        hft.clear_inactive(hbt, roi)
    return n


@jitable
def book_fills(fills: Log, first: int, cursor: Whole, account: Real) -> None:
    """Take the fills from `first` on into both accounts: linear contracts' in ticks * lots, inverse ones' in lots a tick."""
    for at in range(first, cursor[C_FILLS]):
        signed, value = fills[at].side * fills[at].lots, fills[at].tick * fills[at].lots
        amount = fills[at].lots / fills[at].tick
        account[M_NET] += fills[at].side * amount
        account[M_MADE if fills[at].maker else M_TOOK] += amount
        cursor[C_POSITION] += signed
        cursor[C_NET] += signed * fills[at].tick
        cursor[C_TRADED] += fills[at].lots
        cursor[C_MADE if fills[at].maker else C_TOOK] += value


@jitable
def add_up(qty: Real, first: int, end: int) -> float:
    """Add up qty[first:end] from its beginning; blocks of nothing are passed over, which changes no bit of the sum.

    The index has no sign: only so are a block's looks one wide load.
    """
    total, bits = 0.0, qty.view(np.uint64)
    i, stop, step, one = np.uint64(first), np.uint64(max(end, first)), np.uint64(BLOCK), np.uint64(1)
    while i + step <= stop:
        held = np.uint64(0)
        for k in range(step):
            held |= bits[i + k]
        if held != np.uint64(0):
            for k in range(step):
                total += qty[i + k]
        i += step
    while i < stop:
        total += qty[i]
        i += one
    return total


@jitable
def add_down(qty: Real, first: int, end: int) -> float:
    """Add up from qty[first] down to, excluding, qty[end], as `add_up` does."""
    total, bits = 0.0, qty.view(np.uint64)
    i, stop, step, one = np.uint64(first + 1), np.uint64(min(end, first) + 1), np.uint64(BLOCK), np.uint64(1)
    while i >= stop + step:
        i -= step
        held = np.uint64(0)
        for k in range(step):
            held |= bits[i + k]
        if held != np.uint64(0):
            for k in range(step):
                total += qty[i + step - one - k]
    while i > stop:
        i -= one
        total += qty[i]
    return total


@jitable
def look(
    book: int, roi: bool, bid_qty: Real, ask_qty: Real, first_tick: int, best_bid: int, best_ask: int, imbalance: Real
) -> tuple[float, float]:
    """Sum the view of a book, the best first; NaN where it can't be looked at.

    An array book's quantities by tick are `bid_qty` and `ask_qty`, from `first_tick` on. A hash map's are asked for one
    by one: the same sums in the same order.
    """
    fits, lower, upper = factors.book_view(imbalance, best_bid, best_ask, 0.0)
    if not fits:
        return np.nan, np.nan
    if not roi:
        asks = 0.0
        for tick in range(best_ask, upper):
            asks += hft.ask_qty_at(book, tick)
        bids = 0.0
        for tick in range(best_bid, lower, -1):
            bids += hft.bid_qty_at(book, tick)
        return bids, asks
    if best_bid < first_tick or best_ask >= first_tick + ask_qty.size:
        return np.nan, np.nan
    asks = add_up(ask_qty, best_ask - first_tick, min(upper - first_tick, ask_qty.size))
    bids = add_down(bid_qty, best_bid - first_tick, max(lower - first_tick, -1))
    return bids, asks


@jitable
def send(hbt: int, roi: bool, rules: Rules, actions: Table, count: int, cursor: Whole) -> None:
    """Carry out a decision's actions, waiting for none."""
    for i in range(count):
        kind, order_id = actions[i, A_KIND], actions[i, A_ID]
        if kind == CANCEL:
            code = hft.cancel(hbt, roi, order_id)
            cursor[C_CANCELS] += 1
        else:
            price, qty = actions[i, A_TICK] * rules.tick_size, actions[i, A_LOTS] * rules.lot_size
            force = GTX if kind == SUBMIT else IOC
            code = hft.submit(hbt, roi, actions[i, A_SIDE] == BUY, order_id, price, qty, force, LIMIT)
            cursor[C_SENT if kind == SUBMIT else C_CLOSES] += 1
        if code != 0:
            cursor[C_REFUSED] += 1


@jitable
def record(
    hbt: int,
    book: int,
    roi: bool,
    rules: Rules,
    money: Money,
    table: Table,
    n: int,
    record_ns: int,
    records: Log,
    cursor: Whole,
    account: Real,
) -> bool:
    """Write one record, and count whether this side's orders stand at the touch; false where the engine's account differs."""
    at = cursor[C_RECORDS]
    if money.inverse:
        unit = money.size * rules.lot_size / rules.tick_size
        net, made, took = account[M_NET], account[M_MADE], account[M_TOOK]
    else:
        unit = money.size * rules.tick_size * rules.lot_size
        net, made, took = float(cursor[C_NET]), float(cursor[C_MADE]), float(cursor[C_TOOK])
    value, fee = (made + took) * unit, (made * money.maker + took * money.taker) * unit
    records[at].timestamp = cursor[C_RECORD]
    records[at].price = hft.mid_price(book, roi)
    records[at].position, records[at].balance = cursor[C_POSITION] * rules.lot_size, 0.0 - net * unit
    records[at].fee, records[at].num_trades = fee, cursor[C_FILLS]
    records[at].trading_volume, records[at].trading_value = cursor[C_TRADED] * rules.lot_size, value
    cursor[C_RECORDS] += 1
    cursor[C_RECORD] += record_ns
    best_bid, best_ask = hft.best_ticks(book, roi)
    bid_touch, ask_touch = 0, 0
    for row in range(n):
        if table[row, O_SIDE] == BUY and table[row, O_TICK] >= best_bid:
            bid_touch = 1
        if table[row, O_SIDE] == SELL and table[row, O_TICK] <= best_ask:
            ask_touch = 1
    cursor[C_BOOK] += 1
    cursor[C_BID_TOUCH] += bid_touch
    cursor[C_ASK_TOUCH] += ask_touch
    theirs = hft.state_values(hbt, roi)[0]
    grain = 1e-6 * value + 1e-9 * unit
    return bool(
        theirs.num_trades == cursor[C_FILLS]
        and abs(theirs.position - records[at].position) < rules.lot_size / 2.0
        and abs(theirs.balance - records[at].balance) < grain
        and abs(theirs.fee - fee) < grain
    )


@jit
def run(
    hbt: int,
    roi: bool,
    bid_qty: Real,
    ask_qty: Real,
    first_tick: int,
    money: Money,
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
    account: Real,
) -> int:
    """Run until `until_ns`, the end of the data, or the end of the room; returns which.

    The last record is the first of its grid behind the data: what was on its way then is in it.
    `bid_qty`, `ask_qty` and `first_tick` are an array book's own; a hash map's are not looked at.
    """
    book = hft.book_of(hbt, roi)
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
        now_ns = hft.current_ns(hbt, roi)
        if stop_ns - 1 > now_ns and cursor[C_OVER] == 0:
            code = hft.elapse(hbt, roi, stop_ns - 1 - now_ns)
            cursor[C_NOW] = hft.current_ns(hbt, roi)
            if code == 1:
                cursor[C_OVER] = 1
            elif code != 0:
                cursor[C_CODE] = code
                return FAILED
        n = read_orders(hbt, roi, rules.lot_size, table, fills, cursor, account)
        if n < 0:
            return FULL
        if cursor[C_OVER]:  # the last record has the fills behind the one before
            fine = record(hbt, book, roi, rules, money, table, n, record_ns, records, cursor, account)
            return ENDED if fine else DIFFERS
        if stop_ns == cursor[C_RECORD] and not record(
            hbt, book, roi, rules, money, table, n, record_ns, records, cursor, account
        ):
            return DIFFERS
        if stop_ns != own[W_WAKE]:
            continue
        best_bid, best_ask = hft.best_ticks(book, roi)
        if cursor[C_STARTED] == 0:
            if best_bid == NO_BID_TICK or best_ask == NO_ASK_TICK or best_bid >= best_ask:
                own[W_WAKE] = kernels.next_boundary(stop_ns, rules.update_ns)
                continue
            cursor[C_STARTED] = 1
        bids, asks = look(book, roi, bid_qty, ask_qty, first_tick, best_bid, best_ask, imbalance)
        heard_ns = hft.feed_ns(hbt, roi, cursor[C_SCRATCH:])
        count = kernels.decide(
            rules,
            imbalance,
            volatility,
            points,
            stop,
            stop_clock,
            own,
            stop_ns,
            STALE_BOOK if stop_ns - heard_ns > rules.stale_ns else FINE,
            best_bid,
            best_ask,
            bids,
            asks,
            cursor[C_POSITION] + cursor[C_HELD],
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
            send(hbt, roi, rules, actions, count, cursor)


@jit
def run_bare(hbt: int, roi: bool, step_ns: int, until_ns: int) -> None:
    """Go through the data in equal steps and do nothing: what the strategy's cost is measured against."""
    while hft.current_ns(hbt, roi) < until_ns:
        if hft.elapse(hbt, roi, step_ns) != 0:
            return
