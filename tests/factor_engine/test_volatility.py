import math

import numpy as np
import pytest
from factor_engine import BadParameter, Volatility
from hypothesis import given, settings
from hypothesis import strategies as st

slow = settings(deadline=None, derandomize=True, max_examples=200)

SECOND = 1_000_000_000
PRICES = [100, 101, 99, 102, 98, 103]
PUBLISHED = [0, 0, 0.02107318229080703, 0.025202126697692506, 0.030879889429587946, 0.03654658528376304]


class SlowVolatility:
    """The rule with lists."""

    def __init__(self, interval, window, longest_gap):
        self.interval, self.window, self.longest_gap = interval, window, longest_gap
        self.points, self.returns, self.value = [], [], 0.0

    def update(self, ts, price):
        if not 0 < price <= 1e140 or ts < 0 or (self.points and ts < self.points[-1][0]):
            return self.value
        if not self.points:
            self.points.append((ts, price))
        elif ts // self.interval > self.points[-1][0] // self.interval:
            last_ts, last_price = self.points[-1]
            whole, rest = divmod(ts - last_ts, self.interval)
            intervals = whole + (2 * rest >= self.interval)
            if 1 <= intervals <= self.longest_gap:
                self.returns.append((price / last_price - 1) / math.sqrt(intervals))
                self.value = (
                    float(np.std(self.returns[-self.window :], ddof=1))
                    if min(len(self.returns), self.window) > 1
                    else 0.0
                )
            self.points.append((ts, price))
        return self.value


@pytest.mark.parametrize("anchored", [True, False])
def test_returns_one_interval_apart_give_the_published_numbers_to_the_last_bit(anchored):
    factor = Volatility(SECOND, 5, anchored=anchored)
    assert [factor.update(i * SECOND, p) for i, p in enumerate(PRICES, start=1)] == PUBLISHED
    assert (factor.count, factor.returns, factor.ready) == (5, 5, True)


def test_time_zero_is_a_time_like_any_other():
    """The source takes 0 for "no point yet" and so starts twice."""
    factor = Volatility(SECOND, 5)
    assert [factor.update(i * SECOND, p) for i, p in enumerate(PRICES)] == PUBLISHED


def test_value_stands_between_points():
    factor = Volatility(SECOND, 5)
    for i, price in enumerate(PRICES):
        factor.update(i * SECOND, price)
    assert factor.update(5 * SECOND + SECOND // 2, 500.0) == PUBLISHED[-1]
    assert factor.update(6 * SECOND - 1, 1.0) == PUBLISHED[-1]


def test_poll_that_comes_a_little_early_still_gets_its_interval():
    """Under the source's rule the third point comes 59.999 s after the second, waits, and covers two minutes."""
    stamps = [s * 1_000_000 for s in (60_000, 120_005, 180_004, 240_003)]
    factor, source = Volatility(60 * SECOND, 3), Volatility(60 * SECOND, 3, anchored=False)
    for ts in stamps:
        factor.update(ts, 100.0)
        source.update(ts, 100.0)
    assert (factor.returns, source.returns) == (3, 2)


def test_start_just_before_a_boundary_gives_no_return():
    factor = Volatility(60 * SECOND, 3)
    factor.update(59_900_000_000, 100.0)
    factor.update(60_000_000_000, 200.0)
    assert factor.returns == 0
    assert factor.last_price == 200.0
    factor.update(120_000_000_000, 202.0)
    assert factor.returns == 1


def test_return_across_an_outage_is_left_out():
    factor = Volatility(SECOND, 5)
    for ts, price in ((1, 100.0), (2, 101.0), (3, 102.0), (10, 500.0), (11, 501.0), (12, 503.0)):
        factor.update(ts * SECOND, price)
    returns = [0.01, 102 / 101 - 1, 501 / 500 - 1, 503 / 501 - 1]
    assert factor.value == pytest.approx(np.std(returns, ddof=1), rel=1e-12)
    assert (factor.returns, factor.skipped) == (4, 1)


def test_return_across_a_permitted_gap_is_scaled_to_one_interval():
    factor = Volatility(SECOND, 5, longest_gap=4)
    for ts, price in ((1, 100.0), (2, 101.0), (6, 105.0)):
        factor.update(ts * SECOND, price)
    assert factor.value == pytest.approx(np.std([0.01, (105 / 101 - 1) / 2], ddof=1), rel=1e-12)
    assert (factor.returns, factor.skipped) == (2, 0)


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -1.0, 1e200])
def test_price_that_is_no_positive_number_is_refused(price):
    factor = Volatility(SECOND, 5)
    for i, good in enumerate(PRICES):
        factor.update(i * SECOND, good)
    assert factor.update(6 * SECOND, price) == PUBLISHED[-1]
    assert (factor.rejected, factor.last_price, factor.last_ts_ns) == (1, 103.0, 5 * SECOND)


def test_time_running_back_is_refused():
    factor = Volatility(SECOND, 5)
    assert factor.last_ts_ns is None
    factor.update(5 * SECOND, 100.0)
    factor.update(3 * SECOND, 200.0)
    factor.update(-1, 200.0)
    assert (factor.rejected, factor.last_ts_ns) == (2, 5 * SECOND)


def test_return_too_large_to_square_is_refused_and_the_next_one_counts():
    factor = Volatility(SECOND, 3)
    for i, price in enumerate([1e-10, 1e139, 1e139, 1e139]):
        factor.update(i * SECOND, price)
    assert (factor.rejected, factor.returns, factor.value) == (1, 2, 0.0)


STREAMS = st.lists(
    st.tuples(
        st.integers(-2, 40),
        st.one_of(st.floats(90, 110), st.sampled_from([100.0, math.nan, 0.0, math.inf, 1e15])),
    ),
    max_size=60,
)


@slow
@given(st.integers(1, 15), st.integers(1, 8), st.integers(1, 3), STREAMS)
def test_volatility_agrees_with_lists_and_with_its_whole_array_form(interval, window, longest_gap, stream):
    factor, twin = (kind(interval, window, longest_gap=longest_gap) for kind in (Volatility, SlowVolatility))
    stamps = np.cumsum([step for step, _ in stream], dtype=np.int64)
    prices = [price for _, price in stream]
    values = []
    for ts, price in zip(stamps, prices, strict=True):
        values.append(factor.update(ts, price))
        largest = max((abs(r) for r in twin.returns[-window:]), default=0.0)
        assert values[-1] == pytest.approx(twin.update(ts, price), rel=1e-8, abs=max(largest, 1e-3) * 1e-9)
    assert factor.returns == len(twin.returns)
    many = Volatility(interval, window, longest_gap=longest_gap)
    assert np.array_equal(many.update_many(stamps, prices), values)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(many.arrays, factor.arrays, strict=True))


@pytest.mark.parametrize("arguments", [(0, 5), (SECOND, 0), (1.5, 5), (SECOND, 5, 0)])
def test_interval_window_and_gap_must_be_positive_whole_numbers(arguments):
    interval, window, *gap = arguments
    with pytest.raises(BadParameter):
        Volatility(interval, window, longest_gap=gap[0] if gap else 1)
