"""Whole-array forms: a fresh factor fed an array, through the kernels the streaming forms use, equal to the last bit.

Keyword arguments are those of the factor's class. To go on streaming behind an array, make the factor and call its
`update_many`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine.combine import LinearCombiner
from factor_engine.imbalance import ImbalanceSeries, OrderBookImbalance
from factor_engine.rolling import ZERO_SPREAD, Ema, MomentsSeries, RollingMoments
from factor_engine.stop_loss import StopLossChecker
from factor_engine.volatility import Volatility
from factor_engine.window import TimeWindowSum, TradeImbalance


def rolling_moments(values: ArrayLike, window: int, *, zero_spread: float = ZERO_SPREAD) -> MomentsSeries:
    """Return mean, std (ddof 1) and z-score after each of n values, shape (n,) each."""
    return RollingMoments(window, zero_spread=zero_spread).update_many(values)


def ema(values: ArrayLike, span: float | None = None, *, alpha: float | None = None) -> NDArray[np.float64]:
    """Return the exponential moving average after each of n values."""
    return Ema(span, alpha=alpha).update_many(values)


def time_window_sum(ts_ns: ArrayLike, values: ArrayLike, window_ns: int) -> NDArray[np.float64]:
    """Return the sum of the last `window_ns` after each of n values; nothing is ever dropped for want of room."""
    capacity = max(np.asarray(ts_ns).size, 1)
    return TimeWindowSum(window_ns, capacity).update_many(ts_ns, values)


def trade_imbalance(ts_ns: ArrayLike, sides: ArrayLike, qtys: ArrayLike, window_ns: int) -> NDArray[np.float64]:
    """Return (bought - sold) / (bought + sold) of the last `window_ns` after each of n trades."""
    capacity = max(np.asarray(ts_ns).size, 1)
    return TradeImbalance(window_ns, capacity).update_many(ts_ns, sides, qtys)


def order_book_imbalance(
    bid_ticks: ArrayLike,
    bid_qtys: ArrayLike,
    ask_ticks: ArrayLike,
    ask_qtys: ArrayLike,
    mids: ArrayLike | None = None,
    *,
    looking_depth: float,
    tick_size: float,
    roi_lb_tick: int,
    roi_ub_tick: int,
    window: int,
) -> ImbalanceSeries:
    """Return raw imbalance and z-score after each of n books, shape (n, levels) a side, padded with tick 0."""
    factor = OrderBookImbalance(
        looking_depth=looking_depth,
        tick_size=tick_size,
        roi_lb_tick=roi_lb_tick,
        roi_ub_tick=roi_ub_tick,
        window=window,
    )
    return factor.update_many_levels(bid_ticks, bid_qtys, ask_ticks, ask_qtys, mids)


def volatility(
    ts_ns: ArrayLike, prices: ArrayLike, interval_ns: int, window: int, *, longest_gap: int = 1, anchored: bool = True
) -> NDArray[np.float64]:
    """Return the volatility after each of n prices."""
    return Volatility(interval_ns, window, longest_gap=longest_gap, anchored=anchored).update_many(ts_ns, prices)


def stop_loss(
    checker: StopLossChecker, volatilities: ArrayLike, changes: ArrayLike, now_ns: ArrayLike | None = None
) -> NDArray[np.int8]:
    """Return the status after each of n pairs, for a checker reset first."""
    checker.reset()
    return checker.check_many(volatilities, changes, now_ns)


def linear_combination(weights: ArrayLike, rows: ArrayLike) -> NDArray[np.float64]:
    """Return the weighted sum of each row of shape (n, factors)."""
    return LinearCombiner(weights).update_many(rows)
