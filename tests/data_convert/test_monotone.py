"""The nearest order without steps back."""

from __future__ import annotations

from itertools import combinations, pairwise

from data_convert.messages.monotone import nondecreasing
from hypothesis import given, settings
from hypothesis import strategies as st


def fewest_changes(values):
    for size in range(len(values), 0, -1):
        for kept in combinations(values, size):
            if all(a <= b for a, b in pairwise(kept)):
                return len(values) - size
    return 0


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=9))
def test_result_never_steps_back_and_changes_as_few_values_as_possible(values):
    fixed, changed = nondecreasing(values)
    assert all(a <= b for a, b in pairwise(fixed))
    assert len(fixed) == len(values)
    assert changed == sum(a != b for a, b in zip(values, fixed, strict=True)) == fewest_changes(values)


def test_an_outlier_moves_to_its_nearest_neighbour():
    assert nondecreasing([1, 2, 900, 3, 4]) == ([1, 2, 3, 3, 4], 1)
    assert nondecreasing([5, 6, 0, 7]) == ([5, 6, 6, 7], 1)
    assert nondecreasing([900, 1, 2]) == ([1, 1, 2], 1)
