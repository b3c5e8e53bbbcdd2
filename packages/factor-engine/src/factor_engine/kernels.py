"""Every factor's arithmetic: numbers and caller-owned arrays in, numbers out; no allocation, no objects.

A factor's memory is `real` (float64: a header, then the ring) and, where it keeps time, `whole` (int64, likewise).
`factor.arrays` hands both out, so that compiled code elsewhere steps the very factor a Python object shows.
Step functions take one sample; `*_sweep` functions take an array of them through the same step, hence the same bits.

Kept in one file although it passes 400 lines: numba's disk cache notices edits only in the file of the function it
cached, so a step in another file than its callers would leave stale machine code behind.
"""

import math

import numpy as np
from numpy.typing import NDArray

from factor_engine._jit import jit, jitable
from factor_engine.depth import Depth

Real = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.int8]

ULP_HALF = 2.0**-53
LARGEST = 1e140
"""Values beyond this are refused like NaN: their squares, summed over any window, must stay finite."""
DRIFT = 1e-9
"""Rolling moments are recomputed before rounding can have moved the variance by this fraction of itself."""
PERIOD = 65_536
"""... and at the latest after this many updates (or one window, if longer)."""
SPARE, BURST = 8, 64
"""What keeps recomputing O(1) amortised: an update earns SPARE samples, n samples must be earned to go over n of them,
and at most BURST whole rings, which a new factor starts with, can be saved up (one needs several when outliers of
falling size leave a window one after the other)."""

NORMAL, TRIGGERED, COOLDOWN = 0, 1, 2
BY_VOLATILITY, BY_CHANGE = 1, 2


@jit
def usable(value: float) -> bool:
    """Say whether a value is a number whose square can be summed (false for NaN)."""
    return abs(value) <= LARGEST


@jit
def two_sum(a: float, b: float) -> tuple[float, float]:
    """Return a + b rounded, and the rounding error exactly (Knuth, TAOCP vol. 2, 4.2.2 theorem B)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


# -- ring: real = header RING, then `capacity` values ------------------------------------------------------------------
R_COUNT, R_HEAD, R_EVICTED = range(3)
RING = 3


@jit
def ring_push(real: Real, value: float) -> bool:
    """Store a value; true if the oldest was pushed out, which is then in `real[R_EVICTED]`."""
    capacity = real.size - RING
    head = int(real[R_HEAD])
    full = real[R_COUNT] == capacity
    if full:
        real[R_EVICTED] = real[RING + head]
    else:
        real[R_COUNT] += 1.0
    real[RING + head] = value
    real[R_HEAD] = 0.0 if head + 1 == capacity else head + 1.0
    return bool(full)


# -- rolling moments: real = header MOMENTS, then `window` values ------------------------------------------------------
M_COUNT, M_HEAD, M_ANCHOR, M_MEAN, M_M2, M_MEAN_ERROR, M_M2_ERROR, M_SINCE, M_REJECTED, M_RECOMPUTED = range(10)
M_RECOMPUTE, M_ZERO, M_CREDIT = 10, 11, 12
MOMENTS = 13


@jit
def moments_push(real: Real, value: float) -> bool:
    """Take one value into the window; false (and counted) if it is not usable.

    Welford's recurrence in the source's order of operations (docs/factor-engine.md §2), over x = value - anchor. The
    anchor is 0, and so the bits are the source's, until a running bound on the rounding error passes DRIFT of m2: then
    mean and m2 are recomputed from the window (`moments_recompute`) and the anchor moves to the mean.
    """
    if not usable(value):
        real[M_REJECTED] += 1.0
        return False
    window = real.size - MOMENTS
    head = int(real[M_HEAD])
    count = real[M_COUNT]
    mean = real[M_MEAN]
    x = value - real[M_ANCHOR]
    if count < window:
        count += 1.0
        real[M_COUNT] = count
        step = x - mean
        reach = abs(x) + abs(mean)
        new_mean = mean + step / count
        real[M_M2] += step * (x - new_mean)
    else:
        old = real[MOMENTS + head] - real[M_ANCHOR]
        step = x - old
        reach = abs(x) + abs(old) + abs(mean)
        new_mean = mean + step / window
        real[M_M2] += step * ((x - new_mean) + (old - mean))
    real[M_MEAN] = new_mean
    real[MOMENTS + head] = value
    real[M_HEAD] = 0.0 if head + 1 == window else head + 1.0
    if count == 1.0:  # also every update of a window of 1: nothing is left of the past
        real[M_MEAN] = x
        real[M_M2] = 0.0
        return True
    real[M_MEAN_ERROR] += ULP_HALF * (abs(new_mean) + abs(step))
    real[M_M2_ERROR] += ULP_HALF * 3.0 * abs(real[M_M2]) + abs(step) * (
        2.0 * real[M_MEAN_ERROR] + ULP_HALF * 3.0 * reach
    )
    real[M_SINCE] += 1.0
    real[M_CREDIT] = min(real[M_CREDIT] + SPARE, float(BURST * window))
    if real[M_RECOMPUTE] != 0.0:
        due = real[M_M2_ERROR] > DRIFT * real[M_M2] or real[M_SINCE] >= max(window, PERIOD)
        if due and real[M_CREDIT] >= count:
            real[M_CREDIT] -= count
            moments_recompute(real)
    return True


@jit
def moments_recompute(real: Real) -> None:
    """Compute mean and m2 afresh from the window: two passes, compensated sums, O(count).

    Chan, Golub, LeVeque 1983 (corrected two-pass). The shift is the newest value, so a constant window gives its value
    and 0 exactly.
    """
    count = int(real[M_COUNT])
    if count == 0:
        return
    window = real.size - MOMENTS
    newest = int(real[M_HEAD]) - 1
    shift = real[MOMENTS + (newest if newest >= 0 else window - 1)]
    total, low = 0.0, 0.0
    for i in range(MOMENTS, MOMENTS + count):
        total, error = two_sum(total, real[i] - shift)
        low += error
    anchor = shift + (total + low) / count
    total, low, squares, squares_low = 0.0, 0.0, 0.0, 0.0
    for i in range(MOMENTS, MOMENTS + count):
        x = real[i] - anchor
        total, error = two_sum(total, x)
        low += error
        squares, error = two_sum(squares, x * x)
        squares_low += error
    mean = (total + low) / count
    m2 = max((squares + squares_low) - count * mean * mean, 0.0)
    real[M_ANCHOR] = anchor
    real[M_MEAN] = mean
    real[M_M2] = m2
    real[M_MEAN_ERROR] = ULP_HALF * 2.0 * math.sqrt(m2 / count)
    real[M_M2_ERROR] = ULP_HALF * 8.0 * m2
    real[M_SINCE] = 0.0
    real[M_RECOMPUTED] += 1.0


@jit
def moments_mean(real: Real) -> float:
    """Return the window's mean; 0 while empty."""
    return float(real[M_ANCHOR] + real[M_MEAN])


@jit
def moments_variance(real: Real) -> float:
    """Return the sample variance (ddof 1), never negative; 0 for fewer than two values."""
    if real[M_COUNT] < 2.0:
        return 0.0
    return float(max(real[M_M2], 0.0) / (real[M_COUNT] - 1.0))


@jit
def moments_std(real: Real) -> float:
    """Return the sample standard deviation (ddof 1)."""
    return math.sqrt(moments_variance(real))


@jit
def moments_zscore(real: Real, value: float, scale: float) -> float:
    """Return (value - mean) / std; 0 where the spread is rounding only, NaN only for a NaN value.

    The spread counts as zero up to `real[M_ZERO]` times the larger of |mean| and `scale`, the size of the numbers the
    values were computed from (0 if unknown). The source's limit was 1e-10 whatever the unit. Nor is there a spread
    to speak of while a recomputation is due, not yet earned, and rounding may be all of m2.
    """
    if math.isnan(value):
        return value
    std = moments_std(real)
    if std <= real[M_ZERO] * max(abs(moments_mean(real)), scale):
        return 0.0
    if real[M_RECOMPUTE] != 0.0 and real[M_M2_ERROR] > real[M_M2]:
        return 0.0
    return float((value - real[M_ANCHOR] - real[M_MEAN]) / std)


@jit
def moments_sweep(real: Real, values: Real, mean: Real, std: Real, zscore: Real) -> None:
    """Push all values; out[i] is what stands after values[i] (z of a refused value: NaN)."""
    for i in range(values.size):
        taken = moments_push(real, values[i])
        mean[i] = moments_mean(real)
        std[i] = moments_std(real)
        zscore[i] = moments_zscore(real, values[i], 0.0) if taken else math.nan


# -- exponential moving average: real = header EMA ---------------------------------------------------------------------
E_ALPHA, E_VALUE, E_COUNT, E_REJECTED = range(4)
EMA = 4


@jit
def ema_push(real: Real, value: float) -> float:
    """Take one value and return alpha * value + (1 - alpha) * previous; the first value stands for itself."""
    if not usable(value):
        real[E_REJECTED] += 1.0
    else:
        alpha = real[E_ALPHA]
        real[E_VALUE] = value if real[E_COUNT] == 0.0 else alpha * value + (1.0 - alpha) * real[E_VALUE]
        real[E_COUNT] += 1.0
    return float(real[E_VALUE])


@jit
def ema_sweep(real: Real, values: Real, out: Real) -> None:
    """Push all values; out[i] is the average after values[i]."""
    for i in range(values.size):
        out[i] = ema_push(real, values[i])


# -- sum over a span of time: real = header WINDOW, values; whole = header CLOCK, stamps -------------------------------
W_SUM, W_SUM_LOW, W_SIZE, W_SIZE_LOW, W_ERROR, W_SINCE, W_CREDIT = range(7)
WINDOW = 7
C_SPAN, C_NEWEST, C_FIRST, C_HEAD, C_COUNT, C_REJECTED, C_LATE, C_DROPPED, C_DROPPED_AT = range(9)
CLOCK = 9


@jit
def window_add(real: Real, value: float) -> None:
    """Add to (or, negated, take from) both running sums, held as unevaluated pairs of doubles."""
    total, error = two_sum(real[W_SUM], value)
    real[W_SUM], real[W_SUM_LOW] = two_sum(total, error + real[W_SUM_LOW])


@jit
def window_add_size(real: Real, size: float) -> None:
    """Add to the running sum of absolute values, and to the bound on both sums' error."""
    total, error = two_sum(real[W_SIZE], size)
    real[W_SIZE], real[W_SIZE_LOW] = two_sum(total, error + real[W_SIZE_LOW])
    real[W_ERROR] += 4.0 * ULP_HALF * ULP_HALF * (abs(real[W_SIZE]) + abs(size))


@jit
def window_drop_oldest(real: Real, whole: Whole) -> None:
    """Remove the oldest entry from the ring and the sums; an empty window sums to exactly 0."""
    head = whole[C_HEAD]
    whole[C_COUNT] -= 1
    whole[C_HEAD] = 0 if head + 1 == whole.size - CLOCK else head + 1
    if whole[C_COUNT] == 0:
        real[: W_SINCE + 1] = 0.0
    else:
        value = real[WINDOW + head]
        window_add(real, -value)
        window_add_size(real, -abs(value))


@jit
def window_settle(real: Real, whole: Whole) -> None:
    """Sum the window afresh where the running sums' error bound shows, or periodically."""
    count = whole[C_COUNT]
    due = real[W_ERROR] > ULP_HALF * real[W_SIZE] or real[W_SINCE] >= max(count, PERIOD)
    if not due or real[W_CREDIT] < count:
        return
    capacity = whole.size - CLOCK
    real[: W_SINCE + 1] = 0.0
    real[W_CREDIT] -= count
    for i in range(count):
        value = real[WINDOW + (whole[C_HEAD] + i) % capacity]
        window_add(real, value)
        window_add_size(real, abs(value))
    real[W_ERROR] = 0.0


@jit
def window_advance(real: Real, whole: Whole, now_ns: int) -> None:
    """Let time pass: drop entries older than the span (one exactly as old stays). Going back changes nothing."""
    if now_ns <= whole[C_NEWEST]:
        return
    whole[C_NEWEST] = now_ns
    capacity = whole.size - CLOCK
    while whole[C_COUNT] > 0 and now_ns - whole[CLOCK + whole[C_HEAD] % capacity] > whole[C_SPAN]:
        window_drop_oldest(real, whole)
    window_settle(real, whole)


@jit
def window_push(real: Real, whole: Whole, ts_ns: int, value: float) -> bool:
    """Take one value at its time; false (and counted) if unusable, before 1970 or already out of the window.

    A stamp behind the newest is moved up to it and counted as late: the sum keeps the value, for that much longer. In
    a full ring the oldest entry gives way and is counted as dropped.
    """
    newest = whole[C_NEWEST]
    if not usable(value) or ts_ns < 0 or newest - ts_ns > whole[C_SPAN]:
        whole[C_REJECTED] += 1
        return False
    if ts_ns < newest:
        whole[C_LATE] += 1
        ts_ns = newest
    if whole[C_FIRST] < 0:
        whole[C_FIRST] = ts_ns
    window_advance(real, whole, ts_ns)
    capacity = whole.size - CLOCK
    if whole[C_COUNT] == capacity:
        whole[C_DROPPED] += 1
        whole[C_DROPPED_AT] = whole[CLOCK + whole[C_HEAD]]
        window_drop_oldest(real, whole)
    slot = (whole[C_HEAD] + whole[C_COUNT]) % capacity
    real[WINDOW + slot] = value
    whole[CLOCK + slot] = ts_ns
    whole[C_COUNT] += 1
    window_add(real, value)
    window_add_size(real, abs(value))
    real[W_SINCE] += 1.0
    real[W_CREDIT] = min(real[W_CREDIT] + SPARE, float(BURST * capacity))
    window_settle(real, whole)
    return True


@jit
def window_share(real: Real) -> float:
    """Return the sum over the sum of absolute values, in [-1, 1]; 0 for an empty window."""
    if real[W_SIZE] <= 0.0:
        return 0.0
    return float(min(max(real[W_SUM] / real[W_SIZE], -1.0), 1.0))


@jit
def window_sweep(real: Real, whole: Whole, ts_ns: Whole, values: Real, out: Real) -> None:
    """Push all values; out[i] is the sum after values[i]."""
    for i in range(values.size):
        window_push(real, whole, ts_ns[i], values[i])
        out[i] = real[W_SUM]


@jit
def trades_push(real: Real, whole: Whole, ts_ns: int, side: int, qty: float) -> float:
    """Take one trade (side 1: the buyer took, -1: the seller) and return (bought - sold) / (bought + sold)."""
    if (side != 1 and side != -1) or not qty > 0.0:
        whole[C_REJECTED] += 1
    else:
        window_push(real, whole, ts_ns, side * qty)
    return window_share(real)


@jit
def trades_sweep(real: Real, whole: Whole, ts_ns: Whole, sides: Whole, qtys: Real, out: Real) -> None:
    """Push all trades; out[i] is the imbalance after trade i."""
    for i in range(qtys.size):
        out[i] = trades_push(real, whole, ts_ns[i], sides[i], qtys[i])


# -- order book imbalance: real = header BOOK, then rolling moments ----------------------------------------------------
O_DEPTH, O_TICK, O_LOWER, O_UPPER, O_OUTER, O_RAW, O_ZSCORE, O_BIDS, O_ASKS, O_REJECTED = range(10)
BOOK = 10


@jit
def book_view(real: Real, best_bid_tick: int, best_ask_tick: int, mid: float) -> tuple[bool, int, int]:
    """Return whether the book can be looked at, and the first ticks below and above the view.

    Asks count below `upper` = floor(mid*(1+depth)/tick), bids above `lower` = ceil(mid*(1-depth)/tick), both cut to the
    region of interest, one further out where the outer tick is asked for. A side missing, at or below 0,
    outside the region, a crossed or locked book, a mid that is no positive number: nothing to look at. A mid of
    exactly 0 asks for the one half way between the bests.
    """
    first, last = int(real[O_LOWER]), int(real[O_UPPER])
    if best_bid_tick < max(first, 1) or best_ask_tick > last or best_bid_tick >= best_ask_tick:
        return False, 0, 0
    if mid == 0.0:
        mid = (best_bid_tick * real[O_TICK] + best_ask_tick * real[O_TICK]) / 2.0
    if not (mid > 0.0 and mid <= LARGEST):
        return False, 0, 0
    outer = int(real[O_OUTER])
    upper = math.floor(min(mid * (1.0 + real[O_DEPTH]) / real[O_TICK], float(last)))
    lower = math.ceil(min(max(mid * (1.0 - real[O_DEPTH]) / real[O_TICK], float(first)), float(last)))
    return True, int(lower) - outer, int(upper) + outer


@jit
def book_reject(real: Real) -> float:
    """Count a book that cannot be used and return the z-score that still stands."""
    real[O_REJECTED] += 1.0
    return float(real[O_ZSCORE])


@jit
def book_take(real: Real, bids: float, asks: float) -> float:
    """Take the two sums of quantity; return the z-score of bids - asks in a window that includes it."""
    raw = bids - asks
    moments = real[BOOK:]
    if not (bids >= 0.0 and asks >= 0.0 and moments_push(moments, raw)):
        return book_reject(real)
    real[O_BIDS], real[O_ASKS], real[O_RAW] = bids, asks, raw
    real[O_ZSCORE] = moments_zscore(moments, raw, bids + asks)
    return float(real[O_ZSCORE])


@jit
def book_take_raw(real: Real, raw: float) -> float:
    """Take a difference somebody else computed; the sides are then unknown (NaN)."""
    moments = real[BOOK:]
    if not moments_push(moments, raw):
        return book_reject(real)
    real[O_BIDS], real[O_ASKS], real[O_RAW] = math.nan, math.nan, raw
    real[O_ZSCORE] = moments_zscore(moments, raw, 0.0)
    return float(real[O_ZSCORE])


@jit
def book_update_vectors(
    real: Real, bid_qty: Real, ask_qty: Real, first_tick: int, best_bid_tick: int, best_ask_tick: int, mid: float
) -> float:
    """Look at a book kept as quantity per tick (index: tick - first_tick); ticks beyond the vectors hold nothing."""
    fits, lower, upper = book_view(real, best_bid_tick, best_ask_tick, mid)
    if not fits:
        return book_reject(real)
    sound = True
    asks = 0.0
    for i in range(max(best_ask_tick - first_tick, 0), min(upper - first_tick, ask_qty.size)):
        sound &= ask_qty[i] >= 0.0
        asks += ask_qty[i]
    bids = 0.0
    for i in range(min(best_bid_tick - first_tick, bid_qty.size - 1), max(lower - first_tick, -1), -1):
        sound &= bid_qty[i] >= 0.0
        bids += bid_qty[i]
    return book_take(real, bids, asks) if sound else book_reject(real)


@jit
def side_sum(ticks: Whole, qtys: Real, direction: int, limit: int, last: int) -> float:
    """Sum one side from its best until `limit`, or NaN if a level is out of order or no quantity.

    `direction` is 1 for asks, -1 for bids. A tick of 0 or less ends the side early (padding).
    """
    total = 0.0
    for i in range(ticks.size):
        tick = ticks[i]
        if tick <= 0 or (tick - limit) * direction >= 0:
            break
        if (i > 0 and (tick - ticks[i - 1]) * direction <= 0) or not qtys[i] >= 0.0:
            return math.nan
        if tick <= last:
            total += qtys[i]
    return total


@jit
def book_update_levels(
    real: Real, bid_ticks: Whole, bid_qtys: Real, ask_ticks: Whole, ask_qtys: Real, mid: float
) -> float:
    """Look at a book given as levels, each side best first."""
    if bid_ticks.size == 0 or ask_ticks.size == 0:
        return book_reject(real)
    fits, lower, upper = book_view(real, bid_ticks[0], ask_ticks[0], mid)
    if not fits:
        return book_reject(real)
    last = int(real[O_UPPER])
    asks = side_sum(ask_ticks, ask_qtys, 1, upper, last)
    return book_take(real, side_sum(bid_ticks, bid_qtys, -1, lower, last), asks)


@jitable
def book_update_depth(real: Real, depth: Depth, mid: float) -> float:
    """Look at a book object with `best_bid_tick`, `best_ask_tick`, `bid_qty_at_tick(t)`, `ask_qty_at_tick(t)`.

    Such as hftbacktest's market depths, from compiled code or Python. One call for every tick in the view.
    """
    fits, lower, upper = book_view(real, depth.best_bid_tick, depth.best_ask_tick, mid)
    if not fits:
        return book_reject(real)
    asks = 0.0
    for tick in range(depth.best_ask_tick, upper):
        qty = depth.ask_qty_at_tick(tick)
        if not qty >= 0.0:
            return book_reject(real)
        asks += qty
    bids = 0.0
    for tick in range(depth.best_bid_tick, lower, -1):
        qty = depth.bid_qty_at_tick(tick)
        if not qty >= 0.0:
            return book_reject(real)
        bids += qty
    return book_take(real, bids, asks)


@jit
def book_sums_sweep(real: Real, bids: Real, asks: Real, raw: Real, zscore: Real) -> None:
    """Take all pairs of sums; out[i] is what stands after pair i."""
    for i in range(bids.size):
        zscore[i] = book_take(real, bids[i], asks[i])
        raw[i] = real[O_RAW]


@jit
def book_levels_sweep(
    real: Real, bid_ticks: Whole, bid_qtys: Real, ask_ticks: Whole, ask_qtys: Real, mids: Real, raw: Real, zscore: Real
) -> None:
    """Look at all books (one a row, ticks padded with 0); out[i] is what stands after book i."""
    for i in range(bid_ticks.shape[0]):
        zscore[i] = book_update_levels(real, bid_ticks[i], bid_qtys[i], ask_ticks[i], ask_qtys[i], mids[i])
        raw[i] = real[O_RAW]


# -- volatility: real = header VOLATILITY, then rolling moments; whole = header POINTS ---------------------------------
V_PRICE, V_VALUE = range(2)
VOLATILITY = 2
P_INTERVAL, P_LAST, P_RETURNS, P_SKIPPED, P_REJECTED, P_LONGEST, P_ANCHORED = range(7)
POINTS = 7


@jit
def volatility_update(real: Real, whole: Whole, ts_ns: int, price: float) -> float:
    """Take a price if it is the next interval's; return the std of the window's returns (0 before two of them).

    Anchored: the point of an interval is the first price at or after its boundary, k * interval since the epoch. The
    return between two points counts as their distance rounded to whole intervals: none (a start just before a boundary)
    gives no return, several are divided by their square root, more than `whole[P_LONGEST]` are a gap and give none.
    Not anchored (the source's rule): a point is due once an interval has passed since the last one.
    """
    if not (price > 0.0 and price <= LARGEST) or ts_ns < 0 or ts_ns < whole[P_LAST]:
        whole[P_REJECTED] += 1
        return float(real[V_VALUE])
    last, interval = whole[P_LAST], whole[P_INTERVAL]
    if last < 0:
        real[V_PRICE] = price
        whole[P_LAST] = ts_ns
        return float(real[V_VALUE])
    elapsed = ts_ns - last
    anchored = whole[P_ANCHORED] != 0
    due = ts_ns // interval > last // interval if anchored else elapsed >= interval
    if not due:
        return float(real[V_VALUE])
    intervals = elapsed // interval + (1 if elapsed % interval >= interval - interval // 2 else 0) if anchored else 1
    if intervals > whole[P_LONGEST]:
        whole[P_SKIPPED] += 1
    elif intervals > 0:
        change = price / real[V_PRICE] - 1.0
        if intervals > 1:
            change /= math.sqrt(intervals)
        moments = real[VOLATILITY:]
        if moments_push(moments, change):
            whole[P_RETURNS] += 1
            real[V_VALUE] = moments_std(moments)
        else:
            whole[P_REJECTED] += 1
    real[V_PRICE] = price
    whole[P_LAST] = ts_ns
    return float(real[V_VALUE])


@jit
def volatility_sweep(real: Real, whole: Whole, ts_ns: Whole, prices: Real, out: Real) -> None:
    """Take all prices; out[i] is the volatility after price i."""
    for i in range(prices.size):
        out[i] = volatility_update(real, whole, ts_ns[i], prices[i])


# -- stop loss: real = header STOP, whole = header STOP_CLOCK ----------------------------------------------------------
S_VOLATILITY_MEAN, S_VOLATILITY_STD, S_CHANGE_MEAN, S_CHANGE_STD, S_VOLATILITY_LIMIT, S_CHANGE_LIMIT, S_RELEASE = range(
    7
)
S_VOLATILITY_Z, S_CHANGE_Z = 7, 8
STOP = 9
L_STATUS, L_CAUSE, L_COOLDOWN, L_HOT_AT, L_REJECTED = range(5)
STOP_CLOCK = 5


@jit
def stop_loss_check(real: Real, whole: Whole, volatility: float, change: float, now_ns: int) -> int:
    """Judge a volatility and a price change; return the status (the machine is drawn in `stop_loss`).

    A NaN triggers nothing and releases nothing; the other number still counts.
    """
    volatility_z, change_z = 0.0, 0.0
    if real[S_VOLATILITY_STD] > 1e-10:
        volatility_z = (volatility - real[S_VOLATILITY_MEAN]) / real[S_VOLATILITY_STD]
    if real[S_CHANGE_STD] > 1e-10:
        change_z = (abs(change) - real[S_CHANGE_MEAN]) / real[S_CHANGE_STD]
    factor = real[S_RELEASE] if whole[L_STATUS] == TRIGGERED else 1.0
    cause = 0
    if volatility_z > real[S_VOLATILITY_LIMIT] * factor:
        cause |= BY_VOLATILITY
    if change_z > real[S_CHANGE_LIMIT] * factor:
        cause |= BY_CHANGE
    blind = math.isnan(volatility) or math.isnan(change)
    if blind:
        whole[L_REJECTED] += 1
    real[S_VOLATILITY_Z], real[S_CHANGE_Z] = volatility_z, change_z
    if cause != 0:
        whole[L_STATUS], whole[L_CAUSE], whole[L_HOT_AT] = TRIGGERED, cause, now_ns
    elif not blind and whole[L_STATUS] != NORMAL:
        cooling = now_ns - whole[L_HOT_AT] < whole[L_COOLDOWN]
        whole[L_STATUS] = COOLDOWN if cooling else NORMAL
        whole[L_CAUSE] = whole[L_CAUSE] if cooling else 0
    return int(whole[L_STATUS])


@jit
def stop_loss_sweep(real: Real, whole: Whole, volatilities: Real, changes: Real, now_ns: Whole, out: Flags) -> None:
    """Judge all pairs; out[i] is the status after pair i."""
    for i in range(volatilities.size):
        out[i] = stop_loss_check(real, whole, volatilities[i], changes[i], now_ns[i])


# -- linear combination: real = header COMBINE, then the weights -------------------------------------------------------
K_VALUE, K_COUNT, K_REJECTED = range(3)
COMBINE = 3


@jit
def combine_push(real: Real, factors: Real) -> float:
    """Return the sum of weight * factor, added in order; the last good one if any factor is not usable."""
    total = 0.0
    for i in range(real.size - COMBINE):
        if not usable(factors[i]):
            real[K_REJECTED] += 1.0
            return float(real[K_VALUE])
        total += real[COMBINE + i] * factors[i]
    real[K_VALUE] = total
    real[K_COUNT] += 1.0
    return total


@jit
def combine_sweep(real: Real, rows: Real, out: Real) -> None:
    """Combine every row; out[i] is the value after row i."""
    for i in range(rows.shape[0]):
        out[i] = combine_push(real, rows[i])
