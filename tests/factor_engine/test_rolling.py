import math
from fractions import Fraction

import numpy as np
import pytest
from factor_engine import BadParameter, Ema, RingBuffer, RollingMoments
from factor_engine import kernels as k
from factor_engine.kernels import LARGEST
from hypothesis import given, settings
from hypothesis import strategies as st

slow = settings(deadline=None, derandomize=True, max_examples=150)

SIZES = st.sampled_from([1e-9, 1.0, 3.7, 1e5, 1e15])
ODD = st.sampled_from([math.nan, math.inf, -math.inf, 1e141, -1e308])


@st.composite
def streams(draw, most=60):
    """Runs of values: constants, steps between sizes, outliers, values huge beside their spread, and unusable ones."""
    values = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["constant", "noise", "offset", "odd", "walk"]))
        size = draw(SIZES)
        length = draw(st.integers(1, most // 6))
        if kind == "constant":
            values += [size * draw(st.sampled_from([1.0, -1.0, 0.1, 0.0]))] * length
        elif kind == "odd":
            values.append(draw(ODD))
        else:
            noise = draw(st.lists(st.floats(-1, 1, width=32), min_size=length, max_size=length))
            if kind == "noise":
                values += [size * x for x in noise]
            elif kind == "offset":
                values += [1e15 + round(8 * x) for x in noise]
            else:
                values += [100.0 + size * 1e-6 * x for x in np.cumsum(noise)]
    return values


def exact(window_values):
    """Mean and sample variance without rounding, as the nearest double."""
    values = [Fraction(v) for v in window_values]
    mean = sum(values) / len(values)
    if len(values) < 2:
        return float(mean), 0.0
    return float(mean), float(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


def is_usable(value):
    return math.isfinite(value) and abs(value) <= LARGEST


def test_ring_evicts_the_oldest_once_it_is_full():
    ring = RingBuffer(3)
    assert [ring.push(v) for v in (1, 2, 3, 4, 5)] == [None, None, None, 1.0, 2.0]
    assert list(ring) == [3.0, 4.0, 5.0]
    assert (ring.get(0), ring.get(2), ring.get(3), ring.get(-1)) == (3.0, 5.0, None, None)


def test_cleared_ring_is_empty_and_keeps_its_capacity():
    ring = RingBuffer(2)
    ring.push(1.0)
    ring.push(2.0)
    assert ring.full
    ring.clear()
    assert ring.empty
    assert (len(ring), ring.get(0), ring.capacity, ring.push(9.0)) == (0, None, 2, None)


@slow
@given(st.integers(1, 5), st.lists(st.floats(allow_nan=False), max_size=20))
def test_ring_agrees_with_a_list(capacity, values):
    ring, twin = RingBuffer(capacity), []
    for value in values:
        twin.append(value)
        assert ring.push(value) == (twin.pop(0) if len(twin) > capacity else None)
        assert list(ring) == twin


@pytest.mark.parametrize("window", [0, -1, 2.5, True, 2**60])
def test_window_must_be_a_whole_number_from_one(window):
    with pytest.raises(BadParameter) as caught:
        RollingMoments(window)
    assert caught.value.name == "window"
    with pytest.raises(BadParameter):
        RingBuffer(window)


def test_moments_follow_the_published_recurrence_to_the_last_bit():
    moments = RollingMoments(5)
    rows = []
    for value in range(1, 8):
        assert moments.update(value)
        rows.append((moments.mean, moments.m2, moments.zscore(value)))
    last = 1.2649110640673518
    assert [row[0] for row in rows] == [1, 1.5, 2, 2.5, 3, 4, 5]
    assert [row[1] for row in rows] == [0, 0.5, 2, 5, 10, 10, 10]
    assert [row[2] for row in rows] == [0, 0.70710678118654746, 1, 1.161895003862225, last, last, last]
    assert moments.variance == 2.5


def test_without_recomputation_rounding_is_the_sources_to_the_last_bit():
    moments = RollingMoments(3, recompute=False)
    rows = []
    for value in (2, 4, 9, 1, 1, 1):
        moments.update(value)
        rows.append((moments.mean, moments.m2))
    assert [row[0] for row in rows] == [2, 3, 5, 4.666666666666667, 3.666666666666667, 1.0000000000000004]
    assert [row[1] for row in rows] == [0, 2, 26, 32.666666666666664, 42.666666666666664, 7.105427357601002e-15]


def test_recomputation_turns_that_rounding_into_the_true_mean_and_no_variance():
    moments = RollingMoments(3)
    for value in (2, 4, 9, 1, 1, 1):
        moments.update(value)
    assert (moments.mean, moments.m2, moments.std, moments.zscore(1.0)) == (1.0, 0.0, 0.0, 0.0)
    assert moments.recomputed == 1


def test_variance_is_never_negative_when_calm_follows_a_storm():
    generator = np.random.default_rng(7)
    for _ in range(500):
        bare, sound = RollingMoments(5, recompute=False), RollingMoments(5)
        calm = generator.normal()
        for value in [*(generator.normal(size=20) * 1e4), *[calm] * 6]:
            for moments in (bare, sound):
                moments.update(value)
                assert moments.variance >= 0.0
                assert math.isfinite(moments.zscore(value))
        assert (sound.mean, sound.variance) == (calm, 0.0)


def test_one_unusable_value_changes_nothing_but_the_count():
    moments = RollingMoments(3)
    for value in (1.0, 2.0, 4.0):
        moments.update(value)
    before = moments.mean, moments.variance, moments.count
    for value in (math.nan, math.inf, -math.inf, 1e200):
        assert not moments.update(value)
    assert (moments.mean, moments.variance, moments.count) == before
    assert moments.rejected == 4


def test_spread_of_pure_rounding_has_no_zscore_whatever_the_unit():
    for unit in (1e-12, 1.0, 1e9, 1e15):
        moments = RollingMoments(4)
        for step in (0, 1, 0, 1):
            value = unit * (1.0 + step * 2.0**-52)
            moments.update(value)
            assert moments.zscore(value) == 0.0


def test_small_values_with_a_real_spread_keep_their_zscore():
    tiny, plain = RollingMoments(4), RollingMoments(4)
    for value in (1.0, 2.0, 4.0, 3.0):
        tiny.update(value * 2.0**-60)
        plain.update(value)
    assert tiny.zscore(4.0 * 2.0**-60) == plain.zscore(4.0) != 0.0


def test_scale_says_how_large_a_spread_counts_as_rounding():
    moments = RollingMoments(4)
    for value in (1e-10, -1e-10, 1e-10, -1e-10):
        moments.update(value)
    assert moments.zscore(1e-10) != 0.0
    assert moments.zscore(1e-10, scale=1e4) == 0.0


def test_zscore_of_nan_is_nan_and_poisons_nothing():
    moments = RollingMoments(2)
    moments.update(1.0)
    moments.update(2.0)
    assert math.isnan(moments.zscore(math.nan))
    assert moments.zscore(2.0) > 0


@slow
@given(st.integers(1, 12), streams())
def test_moments_agree_with_exact_arithmetic_over_the_window(window, values):
    moments, held, refused = RollingMoments(window), [], 0
    for value in values:
        assert moments.update(value) == is_usable(value)
        if not is_usable(value):
            refused += 1
            continue
        held = [*held, value][-window:]
        mean, variance = exact(held)
        largest = max(abs(v) for v in held)
        assert moments.variance == pytest.approx(variance, rel=2e-9, abs=(largest * 2.0**-50) ** 2)
        assert abs(moments.mean - mean) <= 4 * math.ulp(largest) + 1e-9 * math.sqrt(variance)
        assert moments.variance >= 0.0
        assert math.isfinite(moments.zscore(value))
        assert moments.count == len(held)
        assert moments.ready == (len(held) == window)
    assert moments.rejected == refused


@slow
@given(st.integers(1, 8), streams())
def test_many_values_at_once_give_the_bits_of_one_at_a_time(window, values):
    single, many = RollingMoments(window), RollingMoments(window)
    rows = []
    for value in values:
        taken = single.update(value)
        rows.append((single.mean, single.std, single.zscore(value) if taken else math.nan))
    series = many.update_many(values)
    expected = np.array(rows).reshape(-1, 3)
    assert np.array_equal(np.column_stack([series.mean, series.std, series.zscore]), expected, equal_nan=True)
    assert many.arrays[0].tobytes() == single.arrays[0].tobytes()


def test_rounding_stays_bounded_over_millions_of_updates():
    generator = np.random.default_rng(3)
    moments, window = RollingMoments(100), 100
    for _ in range(10):
        block = 60_000.0 + generator.normal(size=300_000).cumsum() * 0.1
        block[::9973] = 1e12  # a fat finger now and then
        series = moments.update_many(block)
        mean, variance = exact(block[-window:])
        assert moments.variance == pytest.approx(variance, rel=1e-9)
        assert moments.mean == pytest.approx(mean, rel=1e-14)
        assert np.isfinite(series.zscore).all()
        assert series.std.min() >= 0.0


def test_recomputation_costs_at_most_a_few_samples_an_update():
    window = 64
    outliers = np.where(np.arange(20_000) % 3 == 0, 10.0 ** (12 - (np.arange(20_000) % 13)), 1.0)
    for values in (outliers, np.where(np.arange(20_000) % 500 < 250, 1e15, 1e-3), 1e15 + np.arange(20_000) % 2):
        moments = RollingMoments(window)
        moments.update_many(values)
        assert moments.recomputed * window <= 8 * values.size + 64 * window


def test_outliers_of_falling_size_leave_one_after_the_other_without_a_trace():
    window = 3_600
    values = np.concatenate([10.0 ** np.arange(120, -4, -4), np.sin(np.arange(2 * window))])
    series = RollingMoments(window).update_many(values)
    for last in range(window + 25, window + 60):
        mean, variance = exact(values[last - window + 1 : last + 1])
        assert series.mean[last] == pytest.approx(mean, rel=1e-9, abs=1e-12)
        assert series.std[last] == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_spread_that_is_due_for_recomputation_but_unknown_has_no_zscore():
    moments = RollingMoments(50)
    moments.arrays[0][k.M_CREDIT] = -1e9  # as if every credit were spent
    for value in [1e15, *[1.0, 1.5] * 60]:
        moments.update(value)
        assert abs(moments.zscore(value)) <= 50
    assert moments.recomputed == 0


def test_window_of_one_holds_exactly_its_value():
    moments = RollingMoments(1)
    for value in (0.1, 1e15, -3.3, 1e-20):
        moments.update(value)
        assert (moments.mean, moments.variance, moments.zscore(value)) == (value, 0.0, 0.0)


def test_reset_forgets_all_but_the_parameters():
    moments, fresh = RollingMoments(3), RollingMoments(3)
    for value in (5.0, math.nan, 7.0, 9.0, 1e15):
        moments.update(value)
    moments.reset()
    assert (moments.count, moments.mean, moments.rejected, moments.ready) == (0, 0.0, 0, False)
    for value in (1.0, 4.0, 2.0, 8.0):
        moments.update(value)
        fresh.update(value)
    assert moments.arrays[0].tobytes() == fresh.arrays[0].tobytes()


def test_ema_starts_with_its_first_value():
    ema = Ema(3)
    assert (ema.ready, ema.value, ema.alpha) == (False, 0.0, 0.5)
    assert [ema.update(1.0), ema.update(2.0)] == [1.0, 1.5]
    assert ema.ready


@slow
@given(st.floats(1, 1e6), streams())
def test_ema_agrees_with_its_formula_and_refuses_what_is_unusable(span, values):
    ema, alpha, expected = Ema(span), 2.0 / (span + 1.0), None
    for value in values:
        if is_usable(value):
            expected = value if expected is None else alpha * value + (1.0 - alpha) * expected
        assert ema.update(value) == (0.0 if expected is None else expected)
    assert ema.rejected == sum(not is_usable(v) for v in values)
    assert np.array_equal(Ema(span).update_many(values)[-1:], [ema.value])


@pytest.mark.parametrize("arguments", [{}, {"span": 3, "alpha": 0.5}])
def test_ema_takes_either_span_or_alpha(arguments):
    with pytest.raises(TypeError):
        Ema(**arguments)


@pytest.mark.parametrize("arguments", [{"span": 0.5}, {"span": math.nan}, {"alpha": 0.0}, {"alpha": 1.1}])
def test_ema_parameters_out_of_range_are_named(arguments):
    with pytest.raises(BadParameter) as caught:
        Ema(**arguments)
    assert caught.value.name == next(iter(arguments))
