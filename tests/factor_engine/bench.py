"""What an update costs, in ns, beside a straightforward numpy version: `python -m tests.bench --only factors`.

Three figures a factor: inside compiled code, one call from Python, and numpy over the window at every update. CPU time,
the best of a few rounds.
"""

from collections.abc import Callable
from time import process_time_ns

import numpy as np
from factor_engine import (
    Ema,
    LinearCombiner,
    OrderBookImbalance,
    RingBuffer,
    RollingMoments,
    StopLossChecker,
    TimeWindowSum,
    TradeImbalance,
    Volatility,
)

from tests.bench.rows import Row

WINDOW = 3_600
COMPILED, CALLS, NAIVE = 1_000_000, 50_000, 1_000
GENERATOR = np.random.default_rng(1)
VALUES = GENERATOR.normal(size=COMPILED)
STAMPS = np.arange(COMPILED, dtype=np.int64)
SIDES = np.where(VALUES > 0, 1, -1)
PRICES = 60_000.0 * np.exp(VALUES.cumsum() * 1e-6)


def best_ns(work: Callable[[], object], updates: int, rounds: int = 3) -> float:
    """Return ns an update in the best of a few rounds, after one to warm up."""
    work()
    taken = []
    for _ in range(rounds):
        start = process_time_ns()
        work()
        taken.append(process_time_ns() - start)
    return min(taken) / updates


def each(step: Callable[[int], object], count: int) -> Callable[[], None]:
    """Return a loop over a step."""

    def loop() -> None:
        for i in range(count):
            step(i)

    return loop


def zscore_by_numpy(i: int) -> float:
    """Score a value against its window with numpy's own mean and std."""
    window = VALUES[i : i + WINDOW]
    return float((window[-1] - window.mean()) / window.std(ddof=1))


def volatility_by_numpy(i: int) -> float:
    """Compute the returns of a window of prices and their spread."""
    prices = PRICES[i : i + WINDOW + 1]
    return float((prices[1:] / prices[:-1] - 1.0).std(ddof=1))


def trades_by_numpy(i: int) -> float:
    """Compute the imbalance of a window of trades."""
    sizes, sides = np.abs(VALUES[i : i + WINDOW]), SIDES[i : i + WINDOW]
    return float((sizes * sides).sum() / sizes.sum())


def ring_by_numpy(window: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """Move a window by one, as an array without a cursor must."""
    window[:-1] = window[1:]
    window[-1] = 1.0


def ema_by_numpy(i: int, weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Weigh a window exponentially."""
    return float(np.dot(VALUES[i : i + WINDOW], weights))


def score_of(raw: float, i: int) -> float:
    """Score a difference against the window it ends."""
    window = VALUES[i : i + WINDOW]
    return float((raw - window.mean()) / window.std(ddof=1))


def stop_loss_by_python(volatility: float, change: float) -> bool:
    """Compare both z-scores."""
    return (volatility - 0.005) / 0.002 > 3.0 or (abs(change) - 0.001) / 0.003 > 3.0


def measure() -> list[tuple[str, float | None, float, float]]:
    """Return (factor, compiled, from Python, numpy) in ns an update; None where there is no such form. A stop loss
    has no numpy in it, only Python."""
    moments, ema, ring = RollingMoments(WINDOW), Ema(WINDOW), RingBuffer(WINDOW)
    total, trades = TimeWindowSum(WINDOW), TradeImbalance(WINDOW)
    volatility, stop = Volatility(1, WINDOW), StopLossChecker()
    combiner, rows = LinearCombiner.equal_weights(4), VALUES.reshape(-1, 4)
    sizes = np.abs(VALUES)
    book = OrderBookImbalance(looking_depth=0.01, tick_size=0.1, roi_lb_tick=0, roi_ub_tick=200_000, window=WINDOW)
    wide = OrderBookImbalance(looking_depth=0.001, tick_size=0.1, roi_lb_tick=0, roi_ub_tick=999_999, window=WINDOW)
    bid_qty, ask_qty = GENERATOR.random((2, 1_000_000))
    levels = np.arange(20)
    bids, asks = np.tile(50_000 - levels, (100_000, 1)), np.tile(50_001 + levels, (100_000, 1))
    sides = GENERATOR.random((2, 100_000, 20))
    one_book = bids[0], sides[0, 0], asks[0], sides[1, 0]
    held, weights = np.zeros(WINDOW), (1 - 2 / (WINDOW + 1)) ** np.arange(WINDOW)[::-1]

    def levels_by_numpy(i: int) -> float:
        bid_ticks, bid_qtys, ask_ticks, ask_qtys = one_book
        raw = bid_qtys[bid_ticks > 49_500].sum() - ask_qtys[ask_ticks < 50_500].sum()
        return score_of(raw, i)

    def ticks_by_numpy(i: int) -> float:
        raw = bid_qty[899_101:900_001].sum() - ask_qty[900_001:900_900].sum()
        return score_of(raw, i)

    def fresh_times(factor: TimeWindowSum | TradeImbalance | Volatility) -> None:
        factor.reset()

    def sums() -> None:
        fresh_times(total)
        total.update_many(STAMPS, VALUES)

    def flow() -> None:
        fresh_times(trades)
        trades.update_many(STAMPS, SIDES, sizes)

    def returns() -> None:
        fresh_times(volatility)
        volatility.update_many(STAMPS, PRICES)

    def timed(factor: TimeWindowSum | TradeImbalance | Volatility, step: Callable[[int], object]) -> float:
        def loop() -> None:
            fresh_times(factor)
            each(step, CALLS)()

        return best_ns(loop, CALLS)

    zscore = best_ns(each(zscore_by_numpy, NAIVE), NAIVE)
    return [
        (
            "ring buffer",
            None,
            best_ns(each(lambda i: ring.push(1.0), CALLS), CALLS),
            best_ns(each(lambda i: ring_by_numpy(held), CALLS), CALLS),
        ),
        (
            "rolling moments",
            best_ns(lambda: moments.update_many(VALUES), COMPILED),
            best_ns(each(lambda i: moments.update(1.0 + i % 7), CALLS), CALLS),
            zscore,
        ),
        (
            "ema",
            best_ns(lambda: ema.update_many(VALUES), COMPILED),
            best_ns(each(lambda i: ema.update(1.0), CALLS), CALLS),
            best_ns(each(lambda i: ema_by_numpy(i, weights), NAIVE), NAIVE),
        ),
        (
            "time window sum",
            best_ns(sums, COMPILED),
            timed(total, lambda i: total.update(i, 1.0)),
            best_ns(each(lambda i: VALUES[i : i + WINDOW].sum(), NAIVE), NAIVE),
        ),
        (
            "trade imbalance",
            best_ns(flow, COMPILED),
            timed(trades, lambda i: trades.update(i, 1, 1.0)),
            best_ns(each(trades_by_numpy, NAIVE), NAIVE),
        ),
        (
            "volatility",
            best_ns(returns, COMPILED),
            timed(volatility, lambda i: volatility.update(i, 100.0 + i % 7)),
            best_ns(each(volatility_by_numpy, NAIVE), NAIVE),
        ),
        (
            "book imbalance, sums given",
            best_ns(lambda: book.update_many_sums(sizes, sizes[::-1]), COMPILED),
            best_ns(each(lambda i: book.update_sums(5.0 + i % 7, 4.0), CALLS), CALLS),
            zscore,
        ),
        (
            "book imbalance, 20 levels a side",
            best_ns(lambda: book.update_many_levels(bids, sides[0], asks, sides[1]), 100_000),
            best_ns(each(lambda i: book.update_levels(*one_book), CALLS), CALLS),
            best_ns(each(levels_by_numpy, NAIVE), NAIVE),
        ),
        (
            "book imbalance, 2 x 899 ticks",
            None,
            best_ns(each(lambda i: wide.update(bid_qty, ask_qty, 900_000, 900_001), CALLS), CALLS),
            best_ns(each(ticks_by_numpy, NAIVE), NAIVE),
        ),
        (
            "stop loss",
            best_ns(lambda: stop.check_many(sizes, VALUES, STAMPS), COMPILED),
            best_ns(each(lambda i: stop.check(0.005, 0.001), CALLS), CALLS),
            best_ns(each(lambda i: stop_loss_by_python(0.005, 0.001), CALLS), CALLS),
        ),
        (
            "combination of 4",
            best_ns(lambda: combiner.update_many(rows), COMPILED // 4),
            best_ns(each(lambda i: combiner.update(rows[0]), CALLS), CALLS),
            best_ns(each(lambda i: np.dot(rows[i], rows[0]), CALLS), CALLS),
        ),
    ]


def factors() -> list[Row]:
    """Return a row a factor; the goal is a compiled update, or where there is none one from Python, in less than numpy's time."""
    rows: list[Row] = []
    for name, compiled, called, naive in measure():
        ours = called if compiled is None else compiled
        inside = "-" if compiled is None else f"{compiled:,.1f}"
        rows.append(
            (
                f"{name}, window {WINDOW:,}",
                f"compiled {inside}, from Python {called:,.0f}, numpy {naive:,.0f}: {naive / ours:,.0f} times",
                "less than numpy",
                ours < naive,
            )
        )
    return rows
