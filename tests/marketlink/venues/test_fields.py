"""Which levels can be a whole book."""

import pytest
from marketlink.venues.fields import DEEP, Unusable, check_sides


def side(count: int, first: float, step: float) -> list[float]:
    return [number for at in range(count) for number in (first + at * step, 1.0)]


@pytest.mark.parametrize(("bids", "asks"), [(1, 1), (1, 0), (0, DEEP - 1), (1_000, 1)])
def test_a_thin_side_may_be_empty(bids: int, asks: int) -> None:
    check_sides(side(bids, 100.0, -1.0), side(asks, 101.0, 1.0))


@pytest.mark.parametrize(
    ("bids", "asks", "what"),
    [(0, 0, "both empty"), (DEEP, 0, "asks: empty"), (0, 1_000, "bids: empty, with 1000 levels")],
)
def test_an_empty_side_beside_a_deep_one_is_no_book(bids: int, asks: int, what: str) -> None:
    with pytest.raises(Unusable, match=what):
        check_sides(side(bids, 100.0, -1.0), side(asks, 101.0, 1.0))


def test_a_crossed_book_is_none() -> None:
    with pytest.raises(Unusable, match="crossed"):
        check_sides([100.0, 1.0], [100.0, 1.0])
