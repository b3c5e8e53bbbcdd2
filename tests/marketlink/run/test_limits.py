"""The weight budget against a model that remembers everything."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketlink.run.limits import SECOND_NS, OrderBudget, WeightBudget
from marketlink.venues.base import WeightLimit
from marketlink.venues.trading import OrderLimit

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
LIMIT = WeightLimit(2400, 60)


def most_in_any_window(sent: list[tuple[int, int]], window_ns: int) -> int:
    return max((sum(w for when, w in sent if start <= when < start + window_ns) for start, _ in sent), default=0)


@UNTIMED
@given(
    st.integers(1, 60),
    st.integers(1, 5),
    st.floats(0, 0.9),
    st.lists(
        st.tuples(st.integers(0, 4 * SECOND_NS), st.integers(0, 30), st.booleans(), st.integers(0, 2 * SECOND_NS)),
        max_size=60,
    ),
)
def test_no_period_holds_more_than_the_limit_even_when_requests_travel_up_to_the_slack(
    weight: int, per_s: int, reserve: float, steps: list[tuple[int, int, bool, int]]
) -> None:
    budget = WeightBudget(WeightLimit(weight, per_s), reserve, slack_s=2.0)
    now, arrived = 0, []
    for pause, cost, urgent, travel in steps:
        now += pause
        now += budget.wait_ns(cost, now, urgent=urgent)
        if cost > weight:
            assert budget.used(now) == 0, "what is more than the limit goes alone"
            continue
        assert budget.wait_ns(cost, now, urgent=urgent) == 0
        budget.spend(cost, now)
        arrived.append((now + travel, cost))
    assert most_in_any_window(arrived, per_s * SECOND_NS) <= weight


@UNTIMED
@given(st.lists(st.tuples(st.integers(0, 20 * SECOND_NS), st.integers(1, 40)), max_size=40), st.integers(1, 40))
def test_the_wait_is_the_shortest_that_a_naive_search_finds(spent: list[tuple[int, int]], cost: int) -> None:
    budget = WeightBudget(WeightLimit(100, 10), 0.0, slack_s=1.0)
    now, log = 0, []
    for pause, weight in spent:
        now += pause
        if budget.wait_ns(weight, now) == 0:
            budget.spend(weight, now)
            log.append((now, weight))
    keep = 11 * SECOND_NS
    times = sorted({now} | {when + keep for when, _ in log if when + keep > now})
    free = (t for t in times if sum(w for when, w in log if when + keep > t) + cost <= 100)
    assert now + budget.wait_ns(cost, now) == next(free)


def test_only_urgent_requests_use_the_reserve() -> None:
    budget = WeightBudget(LIMIT, reserve=0.1)
    for _ in range(108):
        assert budget.wait_ns(20, 0) == 0
        budget.spend(20, 0)
    assert budget.wait_ns(20, 0) == 62 * SECOND_NS
    assert budget.wait_ns(20, 0, urgent=True) == 0


def test_a_higher_count_of_the_venues_wins_and_a_lower_one_changes_nothing() -> None:
    budget = WeightBudget(LIMIT)
    budget.spend(100, 0)
    budget.observe(40, SECOND_NS)
    assert budget.used(SECOND_NS) == 100
    budget.observe(2300, SECOND_NS)
    assert budget.used(SECOND_NS) == 2300
    assert budget.wait_ns(20, SECOND_NS) > 0
    assert budget.used(64 * SECOND_NS) == 0


def test_after_a_429_nothing_goes_until_the_venue_allows_it() -> None:
    budget = WeightBudget(LIMIT)
    budget.on_limited(30, 0)
    budget.on_limited(5, 0)
    assert budget.wait_ns(1, 10 * SECOND_NS, urgent=True) == 20 * SECOND_NS
    assert budget.wait_ns(1, 30 * SECOND_NS) == 0
    assert budget.banned_for_ns(0) == 0


def test_a_ban_is_known_until_it_is_over() -> None:
    budget = WeightBudget(LIMIT)
    budget.on_banned(120, 0)
    assert budget.banned_for_ns(100 * SECOND_NS) == 20 * SECOND_NS
    assert budget.banned_for_ns(121 * SECOND_NS) == 0
    assert budget.wait_ns(1, 119 * SECOND_NS) == SECOND_NS


def test_a_request_that_weighs_more_than_the_limit_goes_as_soon_as_nothing_else_counts() -> None:
    budget = WeightBudget(WeightLimit(10, 60), reserve=0.5)
    assert budget.wait_ns(20, 0) == 0
    budget.spend(20, 0)
    assert budget.wait_ns(20, SECOND_NS) == 61 * SECOND_NS
    assert budget.wait_ns(1, SECOND_NS, urgent=True) == 61 * SECOND_NS
    budget.observe(25, SECOND_NS)  # of this address: also what others spent
    assert budget.wait_ns(20, SECOND_NS) == 62 * SECOND_NS
    assert budget.wait_ns(20, 63 * SECOND_NS) == 0


def test_what_makes_no_budget_is_refused() -> None:
    budget = WeightBudget(LIMIT)
    with pytest.raises(ValueError, match="reserve"):
        WeightBudget(LIMIT, reserve=1.0)
    with pytest.raises(ValueError, match="allow something"):
        budget.set_limit(WeightLimit(0, 60))


def test_a_lower_limit_learnt_later_counts_what_was_spent_before() -> None:
    budget = WeightBudget(LIMIT, reserve=0.0)
    budget.spend(50, 0)
    budget.set_limit(WeightLimit(60, 60))
    assert budget.wait_ns(10, 0) == 0
    assert budget.wait_ns(11, 0) > 0


def test_what_weighs_nothing_waits_only_while_everything_is_held() -> None:
    budget = WeightBudget(LIMIT)
    budget.spend(2400, 0)
    assert budget.wait_ns(0, 0) == 0
    budget.on_limited(5, 0)
    assert budget.wait_ns(0, 0) == 5 * SECOND_NS


@UNTIMED
@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.sampled_from([1, 10, 60])), min_size=1, max_size=3, unique_by=lambda x: x[1]
    ),
    st.lists(st.tuples(st.integers(0, 3 * SECOND_NS), st.integers(0, SECOND_NS)), max_size=60),
)
def test_no_period_of_any_limit_holds_more_orders_than_it_allows(
    limits: list[tuple[int, int]], steps: list[tuple[int, int]]
) -> None:
    budget = OrderBudget([OrderLimit(*limit) for limit in limits], slack_s=1.0)
    now, arrived = 0, []
    for pause, travel in steps:
        now += pause
        now += budget.wait_ns(1, now)
        assert budget.wait_ns(1, now) == 0
        budget.spend(1, now)
        arrived.append((now + travel, 1))
    for most, per_s in limits:
        assert most_in_any_window(arrived, per_s * SECOND_NS) <= most


def test_order_limits_may_change_and_what_was_sent_goes_on_counting() -> None:
    budget = OrderBudget([OrderLimit(2, 10), OrderLimit(9, 60)], slack_s=0.0)
    budget.spend(2, 0)
    assert budget.wait_ns(1, 0) == 10 * SECOND_NS
    assert budget.wait_ns(0, 0) == 0, "a cancel is no order"
    budget.set_limits([OrderLimit(3, 10)])
    assert budget.wait_ns(1, 0) == 0
    assert budget.wait_ns(2, 0) == 10 * SECOND_NS
    budget.observe(OrderLimit(3, 10), 3, 0)
    assert budget.wait_ns(1, 0) == 10 * SECOND_NS
    budget.on_limited(20, 0)
    assert budget.wait_ns(1, 0) == 20 * SECOND_NS
    with pytest.raises(ValueError, match="allow something"):
        budget.set_limits([OrderLimit(0, 10)])
