import math
from fractions import Fraction

import numpy as np
import pytest
from factor_engine import BadParameter, LengthMismatch, TimeWindowSum, TradeImbalance
from hypothesis import given, settings
from hypothesis import strategies as st

slow = settings(deadline=None, derandomize=True, max_examples=200)

VALUES = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, 1e141, 0.0, 0.1, 1e15, -1e15, 1e100, 1e-9]),
    st.floats(-1e6, 1e6),
)
ENTRIES = st.lists(st.tuples(st.integers(-40, 60), VALUES), max_size=60)


class SlowWindow:
    """A list of entries and sums without rounding."""

    def __init__(self, span):
        self.span, self.entries, self.newest, self.rejected, self.late = span, [], -1, 0, 0

    def push(self, ts, value):
        if not (abs(value) <= 1e140) or ts < 0 or self.newest - ts > self.span:
            self.rejected += 1
            return
        self.late += ts < self.newest
        self.newest = max(ts, self.newest)
        self.entries.append((self.newest, Fraction(value)))
        self.advance(self.newest)

    def advance(self, now):
        self.newest = max(now, self.newest)
        self.entries = [(ts, value) for ts, value in self.entries if self.newest - ts <= self.span]

    def sum(self, of=lambda value: value):
        return sum((of(value) for _, value in self.entries), Fraction(0))


def test_entry_exactly_as_old_as_the_window_still_counts():
    window = TimeWindowSum(100)
    assert [window.update(ts, v) for ts, v in ((0, 1.0), (50, 2.0), (150, 3.0))] == [1.0, 3.0, 5.0]
    assert (window.count, window.mean) == (2, 2.5)
    assert window.advance(151) == 3.0


def test_cleared_window_is_empty_and_its_mean_is_zero():
    window = TimeWindowSum(100)
    window.update(5, 2.0)
    window.clear()
    assert (window.sum, window.count, window.mean, window.ready) == (0.0, 0, 0.0, False)
    assert window.update(0, 4.0) == 4.0


@slow
@given(st.integers(1, 50), ENTRIES)
def test_sum_agrees_with_exact_arithmetic_over_the_window(span, entries):
    window, twin, ts = TimeWindowSum(span, 64), SlowWindow(span), 0
    for step, value in entries:
        ts += step
        window.update(ts, value)
        twin.push(ts, value)
        size = float(twin.sum(abs))
        assert abs(Fraction(window.sum) - twin.sum()) <= Fraction(size) * Fraction(2, 2**53)
        assert window.count == len(twin.entries)
    assert (window.rejected, window.late) == (twin.rejected, twin.late)
    assert window.advance(10**6) == 0.0


@slow
@given(st.integers(1, 50), ENTRIES)
def test_many_entries_at_once_give_the_bits_of_one_at_a_time(span, entries):
    stamps = np.cumsum([step for step, _ in entries], dtype=np.int64)
    values = [value for _, value in entries]
    single, many = TimeWindowSum(span, 8), TimeWindowSum(span, 8)
    sums = [single.update(ts, value) for ts, value in zip(stamps, values, strict=True)]
    assert np.array_equal(many.update_many(stamps, values), sums)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(many.arrays, single.arrays, strict=True))


def test_sum_does_not_drift_over_millions_of_updates():
    generator = np.random.default_rng(5)
    window = TimeWindowSum(1_000, 4_096)
    stamps = np.arange(2_000_000, dtype=np.int64)
    values = generator.normal(size=stamps.size) * 1e3
    values[::50_001] = 1e17
    window.update_many(stamps, values)
    assert window.sum == pytest.approx(math.fsum(values[-1_001:]), rel=1e-14)


def test_huge_entry_leaves_nothing_behind():
    window = TimeWindowSum(10)
    for ts, value in ((0, 1e130), (5, 0.1), (6, 0.2), (12, 0.4)):
        window.update(ts, value)
    assert window.sum == pytest.approx(0.7, rel=1e-15)


def test_late_entry_is_kept_as_of_the_newest_time_and_counted():
    window = TimeWindowSum(100)
    window.update(200, 1.0)
    assert window.update(150, 2.0) == 3.0
    assert window.late == 1
    assert window.advance(300) == 3.0
    assert window.advance(301) == 0.0


def test_entry_older_than_the_window_is_refused():
    window = TimeWindowSum(100)
    window.update(200, 1.0)
    assert window.update(99, 2.0) == 1.0
    assert window.update(-1, 2.0) == 1.0
    assert window.rejected == 2


def test_full_ring_drops_the_oldest_and_says_so_while_it_matters():
    window = TimeWindowSum(100, capacity=2)
    for ts in (0, 1, 2):
        window.update(ts, 1.0)
    assert (window.sum, window.dropped, window.complete) == (2.0, 1, False)
    window.advance(100)
    assert not window.complete
    window.advance(101)
    assert window.complete


def test_window_is_ready_once_its_span_has_passed():
    window = TimeWindowSum(100)
    window.update(50, 1.0)
    window.advance(149)
    assert not window.ready
    window.advance(150)
    assert window.ready


@pytest.mark.parametrize("arguments", [(0,), (-5,), (1.5,), (10, 0), (2**63,)])
def test_window_and_capacity_must_be_positive_whole_numbers(arguments):
    with pytest.raises(BadParameter):
        TimeWindowSum(*arguments)


def test_floating_point_times_and_unequal_lengths_are_errors():
    with pytest.raises(BadParameter):
        TimeWindowSum(10).update_many([1.5, 2.5], [1.0, 1.0])
    with pytest.raises(LengthMismatch) as caught:
        TimeWindowSum(10).update_many([1, 2], [1.0])
    assert (caught.value.expected, caught.value.got) == (2, 1)


def test_trade_imbalance_is_the_share_of_buying_less_that_of_selling():
    factor = TradeImbalance(100)
    assert factor.value == 0.0
    assert factor.update(0, 1, 3.0) == 1.0
    assert factor.update(50, -1, 1.0) == 0.5
    assert (factor.bought, factor.sold) == (3.0, 1.0)
    assert factor.update(150, -1, 1.0) == -1.0
    assert factor.advance(251) == 0.0


@pytest.mark.parametrize(("side", "qty"), [(0, 1.0), (2, 1.0), (1, 0.0), (-1, -2.0), (1, math.nan), (1, math.inf)])
def test_trade_without_a_side_or_a_quantity_is_refused(side, qty):
    factor = TradeImbalance(100)
    factor.update(0, -1, 1.0)
    assert factor.update(1, side, qty) == -1.0
    assert (factor.rejected, factor.count) == (1, 1)


@slow
@given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 20), st.sampled_from([1, -1]), st.floats(1e-8, 1e15))))
def test_trade_imbalance_agrees_with_exact_arithmetic(span, trades):
    factor, twin, ts = TradeImbalance(span, 128), SlowWindow(span), 0
    stamps, values = [], []
    for step, side, qty in trades:
        ts += step
        twin.push(ts, side * qty)
        value = factor.update(ts, side, qty)
        assert value == pytest.approx(float(twin.sum() / twin.sum(abs)), abs=1e-15)
        assert -1.0 <= value <= 1.0
        stamps.append(ts)
        values.append(value)
    sides, qtys = [side for _, side, _ in trades], [qty for *_, qty in trades]
    assert np.array_equal(TradeImbalance(span, 128).update_many(stamps, sides, qtys), values)
