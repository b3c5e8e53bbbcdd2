import numpy as np
import pytest
from factor_engine import (
    Ema,
    LinearCombiner,
    OrderBookImbalance,
    RollingMoments,
    StopLossChecker,
    TimeWindowSum,
    TradeImbalance,
    Volatility,
    batch,
)

GENERATOR = np.random.default_rng(21)
VALUES = GENERATOR.normal(size=400) * 10.0 ** GENERATOR.integers(-3, 15, size=400)
VALUES[::37] = np.nan
STAMPS = np.cumsum(GENERATOR.integers(0, 40, size=400))
PRICES = 100.0 * np.exp(GENERATOR.normal(size=400).cumsum() * 1e-3)


def test_whole_array_moments_are_the_streaming_ones():
    moments = RollingMoments(20)
    rows = []
    for value in VALUES:
        taken = moments.update(value)
        rows.append((moments.mean, moments.std, moments.zscore(value) if taken else np.nan))
    series = batch.rolling_moments(VALUES, 20)
    assert np.array_equal(np.column_stack([series.mean, series.std, series.zscore]), rows, equal_nan=True)


def test_whole_array_moments_agree_with_numpy_over_every_full_window():
    values = VALUES[~np.isnan(VALUES)]
    series = batch.rolling_moments(values, 20)
    windows = np.lib.stride_tricks.sliding_window_view(values, 20)
    assert np.allclose(series.mean[19:], windows.mean(axis=1), rtol=1e-9, atol=1e-3)
    assert np.allclose(series.std[19:], windows.std(axis=1, ddof=1), rtol=1e-8)


def test_whole_array_ema_is_the_streaming_one():
    for arguments in ({"span": 9}, {"alpha": 0.3}):
        ema = Ema(**arguments)
        assert np.array_equal(batch.ema(VALUES, **arguments), [ema.update(v) for v in VALUES])


def test_whole_array_sums_are_the_streaming_ones_and_need_no_capacity():
    window = TimeWindowSum(300, 400)
    expected = [window.update(t, v) for t, v in zip(STAMPS, VALUES, strict=True)]
    assert np.array_equal(batch.time_window_sum(STAMPS, VALUES, 300), expected)
    crowd = np.zeros(70_000, dtype=np.int64)
    assert batch.time_window_sum(crowd, np.ones(70_000), 10)[-1] == 70_000.0


def test_whole_array_trade_imbalance_is_the_streaming_one():
    factor, sides = TradeImbalance(300, 400), np.where(VALUES > 0, 1, -1)
    expected = [factor.update(t, s, abs(v)) for t, s, v in zip(STAMPS, sides, VALUES, strict=True)]
    assert np.array_equal(batch.trade_imbalance(STAMPS, sides, abs(VALUES), 300), expected)


def test_whole_array_volatility_is_the_streaming_one():
    factor = Volatility(50, 10, longest_gap=3)
    expected = [factor.update(t, p) for t, p in zip(STAMPS, PRICES, strict=True)]
    assert np.array_equal(batch.volatility(STAMPS, PRICES, 50, 10, longest_gap=3), expected)


def test_whole_array_imbalance_is_the_streaming_one():
    parameters = {"looking_depth": 0.005, "tick_size": 0.1, "roi_lb_tick": 0, "roi_ub_tick": 10_000, "window": 15}
    factor = OrderBookImbalance(**parameters)
    best = (PRICES * 10).astype(np.int64)
    bid_ticks, ask_ticks = best[:, None] - np.arange(8), best[:, None] + 1 + np.arange(8)
    bid_qtys, ask_qtys = GENERATOR.random((2, 400, 8))
    mids = (best + 0.5) * 0.1
    mids[7] = 0.0
    expected = []
    for i in range(400):
        zscore = factor.update_levels(bid_ticks[i], bid_qtys[i], ask_ticks[i], ask_qtys[i], mids[i])
        expected.append((factor.raw, zscore))
    series = batch.order_book_imbalance(bid_ticks, bid_qtys, ask_ticks, ask_qtys, mids, **parameters)
    assert np.array_equal(np.column_stack([series.raw, series.zscore]), expected)
    assert factor.rejected == 1


def test_whole_array_stop_loss_starts_from_normal_and_is_the_streaming_one():
    checker, fresh = (StopLossChecker(cooldown_ns=100) for _ in range(2))
    checker.check(1.0, 1.0, 0)
    volatilities, changes = abs(GENERATOR.normal(size=(2, 400))) * 0.006
    expected = [fresh.check(v, c, t) for v, c, t in zip(volatilities, changes, STAMPS, strict=True)]
    got = batch.stop_loss(checker, volatilities, changes, STAMPS)
    assert got.tolist() == expected
    assert set(expected) == {0, 1, 2}


def test_whole_array_combination_is_the_streaming_one():
    rows, combiner = VALUES.reshape(-1, 4), LinearCombiner([1, -2, 0.5, 3])
    expected = [combiner.update(row) for row in rows]
    assert np.array_equal(batch.linear_combination([1, -2, 0.5, 3], rows), expected)


@pytest.mark.parametrize("values", [[], np.zeros(0)])
def test_nothing_in_gives_nothing_out(values):
    assert batch.rolling_moments(values, 3).mean.size == 0
    assert batch.ema(values, 3).size == 0
    assert batch.time_window_sum(values, values, 3).size == 0
    assert batch.volatility(values, values, 3, 3).size == 0
