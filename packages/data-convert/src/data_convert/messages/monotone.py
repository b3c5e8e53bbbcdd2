"""The nearest order without steps back: as few values changed as possible."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise


def nondecreasing(values: Sequence[int]) -> tuple[list[int], int]:
    """Return `values` made non-decreasing, and how many had to be changed.

    A longest non-decreasing subsequence stays as it is (patience sorting, O(n log n)); every other value moves to
    the nearest place between its kept neighbours. So one absurd stamp moves itself only, wherever it stands, and
    never its neighbours.
    """
    if all(a <= b for a, b in pairwise(values)):
        return list(values), 0
    tops: list[int] = []
    top_at: list[int] = []
    before: list[int] = []
    for i, value in enumerate(values):
        pile = bisect_right(tops, value)
        before.append(top_at[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(value)
            top_at.append(i)
        else:
            tops[pile], top_at[pile] = value, i
    kept = [False] * len(values)
    at = top_at[-1]
    while at >= 0:
        kept[at] = True
        at = before[at]
    return _fill(values, kept)


def _fill(values: Sequence[int], kept: list[bool]) -> tuple[list[int], int]:
    ceiling: list[int | None] = [None] * len(values)
    following: int | None = None
    for i in range(len(values) - 1, -1, -1):
        following = values[i] if kept[i] else following
        ceiling[i] = following
    fixed: list[int] = []
    last_kept: int | None = None
    for value, keep, top in zip(values, kept, ceiling, strict=True):
        if not keep:
            value = value if not fixed else max(value, fixed[-1])
            if top is not None:
                value = min(value, top)
            elif last_kept is not None:
                value = last_kept
        last_kept = value if keep else last_kept
        fixed.append(value)
    return fixed, sum(a != b for a, b in zip(values, fixed, strict=True))
