"""The strategy's arithmetic: quotes, the grid, the decision; numbers and caller-owned arrays in, numbers and rows out.

One file, because numba's disk cache notices edits only in the file of the function it cached. Every rule stands in
docs/obi-mm.md, beside the source's and why it differs.
"""

import math

from factor_engine import kernels as factors

from obi_mm._jit import jit
from obi_mm.layout import (
    A_ID,
    A_KIND,
    A_LOTS,
    A_SIDE,
    A_TICK,
    BUY,
    CANCEL,
    CLOSE,
    COOLING,
    CROSSED,
    FINE,
    NO_ASK_TICK,
    NO_BID_TICK,
    NO_QUOTE,
    O_FREE,
    O_ID,
    O_LOTS,
    O_SIDE,
    O_SINCE,
    O_TICK,
    ONE_SIDED,
    QUOTING,
    REFUSED,
    SELL,
    STALE,
    STALE_BOOK,
    STOPPED,
    SUBMIT,
    UNSYNCED,
    W_NEXT_ID,
    W_WAKE,
    WARMING,
    Log,
    Real,
    Rules,
    Table,
    Whole,
)

GRAIN = 1e-6
"""Ticks: what a computed price may miss a whole tick by and still be that tick. Rounding is some 1e-9 at most."""

LEAST_VOLATILITY = 1e-9
"""Less is rounding of equal prices (one tick in a million over any window gives more), and no measure of a spread."""

# -- quoting -----------------------------------------------------------------------------------------------------------


@jit
def floor_tick(ticks: float) -> int:
    """Round down to a whole tick; a whole tick that was missed by rounding stays itself."""
    return math.floor(ticks + GRAIN)


@jit
def ceil_tick(ticks: float) -> int:
    """Round up to a whole tick; a whole tick that was missed by rounding stays itself."""
    return math.ceil(ticks - GRAIN)


@jit
def spread_factor(rules: Rules, volatility: float) -> float:
    """Return (volatility / usual) ** power; 1 while none is measured."""
    if not volatility > LEAST_VOLATILITY:
        return 1.0
    return float((volatility / rules.usual_volatility) ** rules.power)


@jit
def quote(
    rules: Rules, best_bid_tick: int, best_ask_tick: int, alpha: float, volatility: float, position_lots: int
) -> tuple[int, int, float, float]:
    """Return bid tick, ask tick, fair value and reservation price in ticks; NO_QUOTE for a side that can't be quoted.

    fair = mid * (1 + c1*alpha); reservation = fair - skew * (position/order_qty) * mid, kept within max_shift of mid;
    quotes half_spread * (volatility/usual)**power * mid around it, never better than the best prices.
    """
    mid = (best_bid_tick + best_ask_tick) / 2.0
    fair = mid + rules.c1 * alpha * mid
    reservation = fair - rules.skew * (position_lots / rules.order_lots) * mid
    reach = rules.max_shift * mid
    reservation = min(max(reservation, mid - reach), mid + reach)
    half = rules.half_spread * spread_factor(rules, volatility) * mid
    if not (abs(fair) < 1e15 and abs(reservation) < 1e15 and half < 1e15):  # NaN too
        return NO_QUOTE, NO_QUOTE, fair, reservation
    bid = min(floor_tick(reservation - half), best_bid_tick)
    ask = max(ceil_tick(reservation + half), best_ask_tick)
    if bid < max(rules.low_tick, 1) or bid > rules.high_tick:
        bid = NO_QUOTE
    if ask > rules.high_tick or ask < rules.low_tick:
        ask = NO_QUOTE
    return bid, ask, fair, reservation


# -- grid --------------------------------------------------------------------------------------------------------------


@jit
def level_of(rules: Rules, side: int, best: int, tick: int) -> int:
    """Return which level of a side's grid a tick is, -1 if none."""
    if best == NO_QUOTE:
        return -1
    distance = (best - tick) * side
    if distance < 0 or distance % rules.interval_ticks:
        return -1
    level = distance // rules.interval_ticks
    return level if level < rules.grid_num else -1


@jit
def act(actions: Table, count: int, kind: int, side: int, tick: int, lots: int, order_id: int) -> int:
    """Write one action if there is room; return how many there are."""
    if count >= actions.shape[0]:
        return count
    actions[count, A_KIND], actions[count, A_SIDE] = kind, side
    actions[count, A_TICK], actions[count, A_LOTS], actions[count, A_ID] = tick, lots, order_id
    return count + 1


@jit
def cancel(orders: Table, row: int, actions: Table, count: int) -> int:
    """Cancel the order of a row, and mark it as no longer free."""
    orders[row, O_FREE] = 0
    return act(actions, count, CANCEL, orders[row, O_SIDE], orders[row, O_TICK], orders[row, O_LOTS], orders[row, O_ID])


@jit
def cancel_all(orders: Table, n: int, actions: Table, count: int) -> int:
    """Cancel every order that is free to be."""
    for row in range(n):
        if orders[row, O_FREE]:
            count = cancel(orders, row, actions, count)
    return count


@jit
def working_lots(orders: Table, n: int, side: int) -> int:
    """Return the lots that a side's orders may still fill, those being cancelled included."""
    total = 0
    for row in range(n):
        if orders[row, O_SIDE] == side:
            total += orders[row, O_LOTS]
    return total


@jit
def place_side(
    rules: Rules,
    own: Whole,
    side: int,
    best: int,
    fair: float,
    now_ns: int,
    position_lots: int,
    orders: Table,
    n: int,
    actions: Table,
    count: int,
) -> int:
    """Bring one side's orders to its grid: cancels first, then new orders from the best price on.

    An order in the grid stays, whatever its age. Others leave at once when they are beyond the fair value or their side
    is not quoted, and else after live_ns. New orders go where no order of this side works and none of the other would
    be met, as long as position and everything working, filled together, stay within max_lots; where that stops one, the
    order farthest from the grid's best that is not in the grid makes room.
    """
    for row in range(n):
        if orders[row, O_SIDE] != side or not orders[row, O_FREE]:
            continue
        tick = orders[row, O_TICK]
        if level_of(rules, side, best, tick) >= 0:
            continue
        wrong = best == NO_QUOTE or (tick - fair) * side > 0
        if wrong or now_ns - orders[row, O_SINCE] >= rules.live_ns:
            count = cancel(orders, row, actions, count)
    if best == NO_QUOTE:
        return count
    exposed = position_lots * side + working_lots(orders, n, side)
    for level in range(rules.grid_num):
        tick = best - side * level * rules.interval_ticks
        if tick < max(rules.low_tick, 1) or tick > rules.high_tick:
            break
        blocked = False
        for row in range(n):
            same = orders[row, O_SIDE] == side
            if (same and orders[row, O_TICK] == tick) or (not same and (tick - orders[row, O_TICK]) * side >= 0):
                blocked = True
        if blocked:
            continue
        if exposed + rules.order_lots > rules.max_lots:
            worst, distance = -1, 0
            for row in range(n):
                if orders[row, O_SIDE] == side and orders[row, O_FREE]:
                    away = abs(best - orders[row, O_TICK])
                    if level_of(rules, side, best, orders[row, O_TICK]) < 0 and away > distance:
                        worst, distance = row, away
            if worst < 0:
                break
            count = cancel(orders, worst, actions, count)
            continue
        before = count
        count = act(actions, count, SUBMIT, side, tick, rules.order_lots, own[W_NEXT_ID])
        if count > before:
            own[W_NEXT_ID] += 1
            exposed += rules.order_lots
    return count


@jit
def close_position(
    rules: Rules,
    own: Whole,
    best_bid_tick: int,
    best_ask_tick: int,
    position_lots: int,
    orders: Table,
    n: int,
    actions: Table,
    count: int,
) -> int:
    """Close the position at once, but never more of it than orders still working on that side leave open."""
    if position_lots == 0:
        return count
    side = SELL if position_lots > 0 else BUY
    lots = abs(position_lots) - working_lots(orders, n, side)
    best = best_bid_tick if side == SELL else best_ask_tick
    tick = max(best + side * rules.slippage_ticks, 1)
    if lots > 0:
        count = act(actions, count, CLOSE, side, tick, lots, own[W_NEXT_ID])
        own[W_NEXT_ID] += 1
    return count


# -- the decision ------------------------------------------------------------------------------------------------------


@jit
def book_reason(best_bid_tick: int, best_ask_tick: int, trouble: int, sums_known: bool) -> int:
    """Say what is wrong with a book, QUOTING if nothing."""
    if trouble != FINE:
        return STALE if trouble == STALE_BOOK else UNSYNCED
    if best_bid_tick == NO_BID_TICK or best_ask_tick == NO_ASK_TICK or best_bid_tick <= 0:
        return ONE_SIDED
    if best_bid_tick >= best_ask_tick:
        return CROSSED
    return QUOTING if sums_known else REFUSED


@jit
def window_full(real: Real, header: int) -> bool:
    """Whether the rolling moments behind a factor's header have filled their window."""
    return bool(real[header + factors.M_COUNT] == real.size - header - factors.MOMENTS)


@jit
def observe(
    rules: Rules,
    imbalance: Real,
    volatility: Real,
    points: Whole,
    now_ns: int,
    best_bid_tick: int,
    best_ask_tick: int,
    bids: float,
    asks: float,
) -> float:
    """Feed the factors one good sample; return the change of price since the last volatility point (0 before one)."""
    mid = (best_bid_tick * rules.tick_size + best_ask_tick * rules.tick_size) / 2.0
    known = points[factors.P_LAST] >= 0 and volatility[factors.V_PRICE] > 0.0
    change = mid / volatility[factors.V_PRICE] - 1.0 if known else 0.0
    factors.volatility_update(volatility, points, now_ns, mid)
    factors.book_take(imbalance, bids, asks)
    return change


@jit
def next_boundary(now_ns: int, interval_ns: int) -> int:
    """Return the first multiple of an interval after a time."""
    return (now_ns // interval_ns + 1) * interval_ns


@jit
def decide(
    rules: Rules,
    imbalance: Real,
    volatility: Real,
    points: Whole,
    stop: Real,
    stop_clock: Whole,
    own: Whole,
    now_ns: int,
    trouble: int,
    best_bid_tick: int,
    best_ask_tick: int,
    bids: float,
    asks: float,
    position_lots: int,
    orders: Table,
    n: int,
    actions: Table,
    log: Log,
    at: int,
) -> int:
    """Make one decision: write it to `log[at]`, its actions to `actions`, when to be asked next to `own[W_WAKE]`.

    Factors take a sample at multiples of update_ns only; between them the stop loss goes on with the last ones. `bids`
    and `asks` are the quantities in view, NaN if they could not be summed. Rows of `orders` that are cancelled lose
    their O_FREE. Returns the number of actions.
    """
    log[at].fair_ticks, log[at].reservation_ticks = 0.0, 0.0
    log[at].bid_tick, log[at].ask_tick, log[at].change = NO_QUOTE, NO_QUOTE, 0.0
    log[at].sampled, log[at].missed, log[at].symbol = 0, 0, 0
    reason = book_reason(best_bid_tick, best_ask_tick, trouble, bids >= 0.0 and asks >= 0.0)
    sound = reason == QUOTING
    if sound:
        if now_ns % rules.update_ns == 0:
            log[at].sampled = 1
            log[at].change = observe(
                rules, imbalance, volatility, points, now_ns, best_bid_tick, best_ask_tick, bids, asks
            )
        elif points[factors.P_LAST] >= 0:
            mid = (best_bid_tick * rules.tick_size + best_ask_tick * rules.tick_size) / 2.0
            log[at].change = mid / volatility[factors.V_PRICE] - 1.0
    measured = volatility[factors.V_VALUE]
    if not measured > LEAST_VOLATILITY:
        measured = rules.usual_volatility
    status = stop_clock[factors.L_STATUS]
    if sound:
        status = factors.stop_loss_check(stop, stop_clock, measured, log[at].change, now_ns)
        if status == factors.TRIGGERED:
            reason = STOPPED
        elif status == factors.COOLDOWN:
            reason = COOLING
        elif not (window_full(imbalance, factors.BOOK) and window_full(volatility, factors.VOLATILITY)):
            reason = WARMING
    alpha = imbalance[factors.O_ZSCORE]
    count = 0
    if reason == QUOTING:
        bid, ask, fair, reservation = quote(rules, best_bid_tick, best_ask_tick, alpha, measured, position_lots)
        if position_lots >= rules.max_lots:
            bid = NO_QUOTE
        if position_lots <= -rules.max_lots:
            ask = NO_QUOTE
        log[at].bid_tick, log[at].ask_tick = bid, ask
        log[at].fair_ticks, log[at].reservation_ticks = fair, reservation
        count = place_side(rules, own, BUY, bid, fair, now_ns, position_lots, orders, n, actions, count)
        count = place_side(rules, own, SELL, ask, fair, now_ns, position_lots, orders, n, actions, count)
    else:
        count = cancel_all(orders, n, actions, count)
        if reason == STOPPED:
            count = close_position(rules, own, best_bid_tick, best_ask_tick, position_lots, orders, n, actions, count)
    own[W_WAKE] = next_boundary(now_ns, rules.update_ns)
    if reason == STOPPED and (position_lots != 0 or n > 0):
        own[W_WAKE] = min(own[W_WAKE], now_ns + rules.retry_ns)
    log[at].time_ns, log[at].position_lots = now_ns, position_lots
    log[at].best_bid_tick, log[at].best_ask_tick = best_bid_tick, best_ask_tick
    log[at].bids, log[at].asks = bids, asks
    log[at].alpha, log[at].volatility = alpha, measured
    log[at].samples = int(imbalance[factors.BOOK + factors.M_COUNT])
    log[at].returns = int(volatility[factors.VOLATILITY + factors.M_COUNT])
    log[at].reason, log[at].stop_loss, log[at].actions = reason, status, count
    return count


@jit
def level_sums(
    imbalance: Real, bid_ticks: Whole, bid_qtys: Real, ask_ticks: Whole, ask_qtys: Real
) -> tuple[float, float]:
    """Sum the view of a book given as levels, each side best first; NaN where it can't be looked at."""
    if bid_ticks.size == 0 or ask_ticks.size == 0:
        return math.nan, math.nan
    fits, lower, upper = factors.book_view(imbalance, bid_ticks[0], ask_ticks[0], 0.0)
    if not fits:
        return math.nan, math.nan
    return (
        factors.side_sum(bid_ticks, bid_qtys, -1, lower),
        factors.side_sum(ask_ticks, ask_qtys, 1, upper),
    )
