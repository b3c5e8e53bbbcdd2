import os
import subprocess
import sys
from fractions import Fraction
from textwrap import dedent

import numba
import numpy as np
import pytest
from factor_engine import OrderBookImbalance, StopLossChecker, Volatility
from factor_engine import kernels as k
from hypothesis import given, settings
from hypothesis import strategies as st

slow = settings(deadline=None, derandomize=True, max_examples=200)


@slow
@given(st.floats(-1e140, 1e140), st.floats(-1e140, 1e140))
def test_two_sum_loses_nothing(a, b):
    total, error = k.two_sum(a, b)
    assert Fraction(total) + Fraction(error) == Fraction(a) + Fraction(b)
    assert total == a + b


EVERY_FACTOR = dedent("""
    import hashlib
    import numpy as np
    from factor_engine import *

    generator = np.random.default_rng(1)
    values = generator.normal(size=600) * 10.0 ** generator.integers(-3, 15, size=600)
    values[::29] = np.nan
    values[300:330] = 5.0
    stamps = np.cumsum(generator.integers(0, 30, size=600))
    sides = np.where(values > 0, 1, -1)
    best = 500 + generator.integers(-3, 4, size=600).cumsum() % 50
    ladder = np.arange(6)
    bids, asks = best[:, None] - ladder, best[:, None] + 1 + ladder
    qtys = generator.random((2, 600, 6))
    book = dict(looking_depth=0.01, tick_size=0.1, roi_lb_tick=0, roi_ub_tick=1000, window=20)
    by_level, by_tick, by_sums = (OrderBookImbalance(**book) for _ in range(3))
    by_level.update_many_levels(bids, qtys[0], asks, qtys[1])
    flat = np.arange(1001.0)
    for tick in best:
        by_tick.update(flat, flat[::-1].copy(), tick, tick + 1)
    by_sums.update_many_sums(abs(values), 1.0 + abs(values[::-1]))
    ring, moments, ema = RingBuffer(7), RollingMoments(20), Ema(9)
    for value in values:
        ring.push(value)
    moments.update_many(values)
    ema.update_many(values)
    total, trades = TimeWindowSum(200, 16), TradeImbalance(200, 16)
    total.update_many(stamps, values)
    trades.update_many(stamps, sides, abs(values))
    volatility = Volatility(50, 10, longest_gap=2)
    volatility.update_many(stamps, 100 + values % 7)
    stop = StopLossChecker(cooldown_ns=60)
    stop.check_many(abs(values) % 0.02, values % 0.01, stamps)
    combiner = LinearCombiner([1, -2, 0.5])
    combiner.update_many(values.reshape(-1, 3))
    factors = [by_level, by_tick, by_sums, ring, moments, ema, total, trades, volatility, stop, combiner]
    digest = hashlib.sha256()
    for factor in factors:
        for array in factor.arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
    print(digest.hexdigest(), moments.recomputed > 0, by_level.count, trades.dropped > 0, volatility.returns > 5)
""")


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_compiled_kernels_give_the_bits_of_the_python_they_are_written_in():
    compiled, interpreted = run(EVERY_FACTOR), run(EVERY_FACTOR, NUMBA_DISABLE_JIT="1")
    assert compiled == interpreted
    assert compiled[1:] == ["True", "20", "True", "True"]


@numba.njit
def compiled_strategy(book, volatility, points, stop, stop_clock, bid_qty, ask_qty, stamps, bids, out):
    """What a strategy does: no Python object in sight."""
    for i in range(stamps.size):
        mid = (bids[i] + 0.5) * 0.1
        out[i, 0] = k.book_update_vectors(book, bid_qty, ask_qty, 0, bids[i], bids[i] + 1, mid)
        out[i, 1] = k.volatility_update(volatility, points, stamps[i], mid)
        out[i, 2] = k.stop_loss_check(stop, stop_clock, out[i, 1], 0.0, stamps[i])


def make_factors():
    book = OrderBookImbalance(looking_depth=0.02, tick_size=0.1, roi_lb_tick=0, roi_ub_tick=1000, window=10)
    return book, Volatility(100, 5), StopLossChecker(cooldown_ns=300)


def test_compiled_caller_steps_the_very_factors_python_shows():
    generator = np.random.default_rng(2)
    bid_qty, ask_qty = generator.random((2, 1001))
    stamps = np.cumsum(generator.integers(1, 80, size=300))
    bids = 500 + generator.integers(-4, 5, size=300).cumsum() % 90
    book, volatility, stop = make_factors()
    rows = []
    for ts, bid in zip(stamps, bids, strict=True):
        mid = (bid + 0.5) * 0.1
        zscore = book.update(bid_qty, ask_qty, bid, bid + 1, mid)
        spread = volatility.update(ts, mid)
        rows.append((zscore, spread, stop.check(spread, 0.0, ts)))
    compiled = make_factors()
    out = np.empty((300, 3))
    compiled_strategy(
        compiled[0].arrays[0], *compiled[1].arrays, *compiled[2].arrays, bid_qty, ask_qty, stamps, bids, out
    )
    assert np.array_equal(out, rows)
    assert (compiled[0].value, compiled[1].value, compiled[2].status) == (book.value, volatility.value, stop.status)
    assert len(set(out[:, 2])) == 3


@numba.njit
def look_at_depth(book, depth, mid):
    return k.book_update_depth(book, depth, mid)


@pytest.mark.parametrize("roi", [False, True])
def test_hftbacktests_own_depths_can_be_looked_at_from_compiled_code(roi):
    hftbacktest = pytest.importorskip("hftbacktest")
    kind = hftbacktest.ROIVectorMarketDepthBacktest if roi else hftbacktest.HashMapMarketDepthBacktest
    events = np.zeros(8, hftbacktest.types.event_dtype)
    both = hftbacktest.EXCH_EVENT | hftbacktest.LOCAL_EVENT | hftbacktest.DEPTH_EVENT
    for i, event in enumerate(events):
        bid = i % 2 == 0
        event["ev"] = both | (hftbacktest.BUY_EVENT if bid else hftbacktest.SELL_EVENT)
        event["exch_ts"] = event["local_ts"] = 1_000_000 + i
        event["px"] = (500 - i // 2 if bid else 501 + i // 2) * 0.1
        event["qty"] = 4.0 if bid else 1.5
    asset = hftbacktest.BacktestAsset().data(events).linear_asset(1.0).tick_size(0.1).lot_size(0.001)
    if roi:
        asset = asset.roi_lb(0.0).roi_ub(100.0)
    backtest = kind([asset])
    compiled, python = make_factors()[0], make_factors()[0]
    before = look_at_depth(compiled.arrays[0], backtest.depth(0), 0.0)
    assert (before, compiled.rejected) == (0.0, 1)  # no book yet
    backtest.elapse(1_000_000)
    depth = backtest.depth(0)
    look_at_depth(compiled.arrays[0], depth, 0.0)
    python.update_depth(depth)
    backtest.close()
    for factor in (compiled, python):
        assert (factor.bids, factor.asks, factor.raw) == (16.0, 6.0, 10.0)
