import math

import numpy as np
import pytest
from factor_engine import BadParameter, LengthMismatch, LinearCombiner, weighted_sum
from hypothesis import given, settings
from hypothesis import strategies as st

slow = settings(deadline=None, derandomize=True, max_examples=100)


def test_combination_is_the_weighted_sum():
    combiner = LinearCombiner([0.5, 0.3, 0.2])
    assert not combiner.ready
    assert combiner.update([1, 2, 3]) == pytest.approx(1.7)
    assert combiner.value == weighted_sum([0.5, 0.3, 0.2], [1, 2, 3])
    assert combiner.ready


def test_equal_weights_average():
    assert LinearCombiner.equal_weights(3).update([1, 2, 3]) == 2.0


def test_normalized_weights_have_a_sum_of_sizes_of_one():
    combiner = LinearCombiner([2, -1, 1])
    combiner.normalize()
    assert np.array_equal(combiner.weights, [0.5, -0.25, 0.25])
    nothing = LinearCombiner([1e-11, -1e-12])
    nothing.normalize()
    assert np.array_equal(nothing.weights, [1e-11, -1e-12])


def test_weights_can_be_changed_one_or_all():
    combiner = LinearCombiner([1, 1])
    combiner.set_weight(1, 3.0)
    assert combiner.update([1, 1]) == 4.0
    combiner.set_weights([5, 6])
    assert combiner.update([1, 1]) == 11.0
    combiner.weights[0] = 99.0
    assert combiner.update([1, 1]) == 11.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e141])
def test_one_unusable_factor_leaves_the_last_value(bad):
    combiner = LinearCombiner([1, 0])
    combiner.update([2, 5])
    assert combiner.update([3, bad]) == 2.0
    assert combiner.rejected == 1
    assert math.isnan(weighted_sum([1, 0], [3, bad]))


def test_lengths_that_differ_are_an_error_and_not_cut_short():
    combiner = LinearCombiner([1, 2])
    for call in (
        lambda: combiner.update([1]),
        lambda: combiner.update([1, 2, 3]),
        lambda: combiner.update_many([[1, 2, 3]]),
        lambda: combiner.set_weights([1]),
        lambda: weighted_sum([1], [1, 2]),
    ):
        with pytest.raises(LengthMismatch):
            call()


@pytest.mark.parametrize("weights", [[], [math.nan], [1, math.inf], [[1, 2]]])
def test_weights_must_be_finite_numbers_in_a_row(weights):
    with pytest.raises(BadParameter):
        LinearCombiner(weights)


def test_weight_index_out_of_range_is_named():
    for index in (-1, 2):
        with pytest.raises(BadParameter):
            LinearCombiner([1, 2]).set_weight(index, 1.0)


FLOATS = st.one_of(st.floats(-1e15, 1e15), st.sampled_from([math.nan, math.inf]))


@slow
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=4), st.data())
def test_many_rows_at_once_give_the_bits_of_one_at_a_time(weights, data):
    row = st.lists(FLOATS, min_size=len(weights), max_size=len(weights))
    rows = np.array(data.draw(st.lists(row, max_size=10)), dtype=float).reshape(-1, len(weights))
    single, expected = LinearCombiner(weights), 0.0
    values = []
    for factors in rows:
        if np.isfinite(factors).all():
            expected = 0.0
            for weight, factor in zip(weights, factors, strict=True):
                expected += weight * factor
        values.append(single.update(factors))
        assert values[-1] == expected
    assert np.array_equal(LinearCombiner(weights).update_many(rows), values)
