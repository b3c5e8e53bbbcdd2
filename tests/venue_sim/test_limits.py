from __future__ import annotations

from venue_sim.limits import OrderCounts, OrderPool, SlidingLimit, WeightLimit


def test_weight_is_counted_by_the_minute_and_refused_beyond_it() -> None:
    limit = WeightLimit(100)
    assert [limit.charge(10.0, 40).status for _ in range(3)] == [200, 200, 429]
    assert limit.charge(12.5, 20).used == 100, "what still fits passes, and refused requests cost nothing"
    assert limit.charge(30.0, 1).retry_after_s == 30
    again = limit.charge(60.0, 40)
    assert (again.status, again.used) == (200, 40)
    assert limit.peak == 100


def test_asking_on_through_429_bans_and_every_ban_is_longer() -> None:
    limit = WeightLimit(10, patience=2, first_ban_s=100)
    limit.charge(0.0, 10)
    assert [limit.charge(1.0, 1).status for _ in range(3)] == [429, 429, 418]
    assert limit.charge(61.0, 1) == limit.charge(61.0, 1)
    verdict = limit.charge(61.0, 1)
    assert (verdict.status, verdict.retry_after_s) == (418, 40)
    assert limit.charge(120.0, 10).status == 200, "the ban is over"
    for _ in range(3):
        verdict = limit.charge(121.0, 1)
    assert (verdict.status, verdict.retry_after_s) == (418, 200)


def test_a_sliding_limit_forgets_what_is_older_than_its_window() -> None:
    limit = SlidingLimit(2, 1.0)
    assert [limit.allow(at) for at in (0.0, 0.5, 0.9, 1.6)] == [True, True, False, True]


def test_a_limit_of_nothing_allows_everything() -> None:
    limit = SlidingLimit(0, 1.0)
    assert all(limit.allow(0.0) for _ in range(100))


def test_orders_are_counted_in_every_pool_and_a_refused_one_in_none() -> None:
    counts = OrderCounts((OrderPool(10, 3), OrderPool(60, 4)))
    assert [counts.charge(at) for at in (0.0, 1.0, 9.9)] == [None, None, None]
    full = counts.charge(9.95)
    assert full == OrderPool(10, 3)
    assert counts.charge(10.0) is None
    assert counts.charge(11.0) == OrderPool(60, 4)
    assert [used for _, used in counts.used(11.0)] == [1, 4]
    assert counts.charge(60.0) is None
    assert counts.peaks == [3, 4]
