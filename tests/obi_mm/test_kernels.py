"""Quotes, grid and decision against worked examples, a slow twin and what must always hold."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from factor_engine import StopLossStatus
from hypothesis import given
from hypothesis import strategies as st
from obi_mm import kernels
from obi_mm.config import Config, parse_config
from obi_mm.layout import (
    A_ID,
    A_KIND,
    A_LOTS,
    A_SIDE,
    A_TICK,
    BUY,
    CANCEL,
    CLOSE,
    COOLING,
    CROSSED,
    NO_ASK_TICK,
    NO_BID_TICK,
    NO_QUOTE,
    O_FREE,
    O_LOTS,
    O_SIDE,
    O_TICK,
    ONE_SIDED,
    ORDER_COLUMNS,
    QUOTING,
    REFUSED,
    SELL,
    STALE,
    STALE_BOOK,
    STOPPED,
    SUBMIT,
    UNSYNCED,
    UNSYNCED_BOOK,
    WARMING,
    Rules,
    Table,
)
from obi_mm.strategy import Strategy, rules_of

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def config_of(**sections: dict[str, object]) -> Config:
    small = {"window": 3, "volatility_window": 2, "update_interval_ns": SECOND, "volatility_interval_ns": 2 * SECOND}
    params = {**small, **sections.pop("params", {})}
    stop = {"volatility_mean": 1.0, "change_mean": 1.0, **sections.pop("stop_loss", {})}
    return parse_config({"params": params, "stop_loss": stop, **sections}, "test")


def rules(order_qty: float = 0.01, **params: object) -> Rules:
    everything = {"order_qty": order_qty, "max_position": max(0.1, order_qty)}
    return rules_of(parse_config({"global": everything, "params": {"max_shift": 0.5, **params}}, "test"), 0.1, 0.001)


def orders_of(*rows: tuple[int, int, int, int, int, int]) -> Table:
    return np.array(rows, np.int64).reshape(-1, ORDER_COLUMNS)


def warmed(config: Config, position_lots: int = 0) -> tuple[Strategy, int]:
    """A strategy with full windows, and the time of the next decision."""
    strategy = Strategy(config, 0.1, 0.001)
    now = START
    while not strategy.ready:
        now += SECOND
        strategy.decide(now, 500_000, 500_001, 2.0 + now // SECOND % 3, 1.0)
    return strategy, now + SECOND


@pytest.mark.parametrize(
    ("book", "alpha", "position", "qty", "params", "bid", "ask"),
    [
        ((500000, 500001), 1.5, 0, 0.01, {"half_spread": 0.0002, "skew": 0.01, "c1": 0.0001}, 499975, 500176),
        # The source's floats give 500002 here: ceil(50000.1 / 0.1) is one too many. Whole ticks give the touch itself.
        ((500000, 500001), 1.5, 20, 0.01, {"half_spread": 0.0002, "skew": 0.01, "c1": 0.0001}, 489974, 500001),
        (
            (880000, 880001),
            -0.8,
            4,
            0.002,
            {"half_spread": 0.002, "skew": 2.3e-5, "c1": 0.00024, "power": 0.2},
            878031,
            881552,
        ),
        ((880000, 880001), 5.0, -4, 0.002, {"half_spread": 0.0, "skew": 2.3e-5, "c1": 0.00024}, 880000, 881097),
    ],
)
def test_quotes_are_the_worked_ones(
    book: tuple[int, int], alpha: float, position: int, qty: float, params: dict[str, object], bid: int, ask: int
) -> None:
    made = kernels.quote(rules(qty, **params), *book, alpha, 0.005, position)
    if position == 20:
        assert abs(made[0] - bid) <= 1
        assert made[1] == ask
    else:
        assert made[:2] == (bid, ask)


def test_volatility_widens_the_quotes_by_its_power() -> None:
    wide = rules(0.002, half_spread=0.002, skew=2.3e-5, c1=0.00024, power=0.2)
    assert kernels.quote(wide, 880000, 880001, -0.8, 0.0006, 4)[:2] == (878639, 880943)


@given(
    st.integers(1, 2_000_000),
    st.integers(1, 1000),
    st.floats(-8, 8),
    st.floats(1e-6, 0.1),
    st.integers(-100, 100),
    st.sampled_from([0.0, 1e-6, 0.0002, 0.01]),
)
def test_quotes_are_exact_arithmetic_rounded_away_from_the_fair_value(
    bid: int, width: int, alpha: float, volatility: float, position: int, half_spread: float
) -> None:
    r = rules(half_spread=half_spread, c1=1e-4, skew=2e-5)
    ask = bid + width
    made_bid, made_ask, _, reservation = kernels.quote(r, bid, ask, alpha, volatility, position)
    mid = Fraction(bid + ask, 2)
    fair = mid * (1 + Fraction(r.c1) * Fraction(alpha))
    exact = fair - Fraction(r.skew) * Fraction(position, r.order_lots) * mid
    exact = min(max(exact, mid * (1 - Fraction(r.max_shift))), mid * (1 + Fraction(r.max_shift)))
    assert reservation == pytest.approx(float(exact), rel=1e-12)
    half = Fraction(r.half_spread) * Fraction((volatility / r.usual_volatility) ** r.power) * mid
    grain = Fraction(2, 10**6)
    if made_bid != NO_QUOTE:
        assert made_bid <= bid
        assert made_bid <= exact - half + grain
        assert made_bid == bid or made_bid > exact - half - 1 - grain
    if made_ask != NO_QUOTE:
        assert made_ask >= ask
        assert made_ask >= exact + half - grain
        assert made_ask == ask or made_ask < exact + half + 1 + grain


@given(st.integers(1, 3_000_000))
def test_a_whole_tick_stays_itself_whatever_float_it_came_through(tick: int) -> None:
    assert kernels.floor_tick(tick * 0.1 / 0.1) == tick
    assert kernels.ceil_tick(tick * 0.1 / 0.1) == tick


@pytest.mark.parametrize("alpha", [math.nan, math.inf, -math.inf])
def test_an_unknown_imbalance_quotes_nothing(alpha: float) -> None:
    bid, ask, *_ = kernels.quote(rules(c1=1e-4), 500_000, 500_001, alpha, 0.005, 0)
    assert (bid, ask) == (NO_QUOTE, NO_QUOTE) or math.isinf(alpha)


@pytest.mark.parametrize(
    ("bid", "ask", "bids", "trouble", "reason"),
    [
        (NO_BID_TICK, 500_001, 1.0, 0, ONE_SIDED),
        (500_000, NO_ASK_TICK, 1.0, 0, ONE_SIDED),
        (0, 500_001, 1.0, 0, ONE_SIDED),
        (500_001, 500_001, 1.0, 0, CROSSED),
        (500_002, 500_001, 1.0, 0, CROSSED),
        (500_000, 500_001, math.nan, 0, REFUSED),
        (500_000, 500_001, -1.0, 0, REFUSED),
        (500_000, 500_001, 1.0, STALE_BOOK, STALE),
        (500_000, 500_001, 1.0, UNSYNCED_BOOK, UNSYNCED),
    ],
)
def test_a_bad_book_never_quotes_feeds_no_factor_and_pulls_every_order(
    bid: int, ask: int, bids: float, trouble: int, reason: int
) -> None:
    strategy, now = warmed(config_of())
    before = strategy.imbalance.state(), strategy.volatility.state()
    orders = orders_of((1, BUY, 499_990, 10, 1, now), (2, SELL, 500_010, 10, 0, now))
    decision, actions = strategy.decide(now, bid, ask, bids, 1.0, orders=orders, trouble=trouble)
    assert decision["reason"][0] == reason
    assert (decision["bid_tick"][0], decision["ask_tick"][0]) == (NO_QUOTE, NO_QUOTE)
    assert actions.tolist() == [[CANCEL, BUY, 499_990, 10, 1]]
    for old, factor in zip(before, (strategy.imbalance, strategy.volatility), strict=True):
        np.testing.assert_array_equal(old["real"], factor.state()["real"])  # type: ignore[arg-type]


def test_nothing_is_quoted_before_both_windows_are_full() -> None:
    strategy = Strategy(config_of(), 0.1, 0.001)
    reasons = []
    for step in range(1, 10):
        decision, actions = strategy.decide(START + step * SECOND, 500_000, 500_001, 2.0 + step % 3, 1.0)
        reasons.append(int(decision["reason"][0]))
        assert (len(actions) > 0) == (reasons[-1] == QUOTING)
    assert reasons[0] == WARMING
    assert reasons[-1] == QUOTING
    assert reasons == sorted(reasons, reverse=True)


def test_the_lack_counts_down_to_the_first_quote() -> None:
    strategy = Strategy(config_of(), 0.1, 0.001)
    assert strategy.lack().samples == 3
    assert strategy.lack().nanoseconds == 6 * SECOND
    strategy, _ = warmed(config_of())
    assert strategy.lack().nanoseconds == 0


def test_measured_volatility_persists_between_its_points() -> None:
    strategy, now = warmed(config_of())
    strategy.decide(now, 500_100, 500_101, 2.0, 1.0)
    seen: list[tuple[bool, float]] = []
    for step in range(1, 9):
        at = now + step * SECOND
        decision, _ = strategy.decide(at, 500_000 + step * step, 500_101 + step * step, 2.0, 1.0)
        seen.append((at % (2 * SECOND) == 0, float(decision["volatility"][0])))
    for (_, before), (is_point, value) in itertools.pairwise(seen):
        assert (value != before) == is_point
    assert all(value < 0.01 for _, value in seen)  # the usual volatility, 1, stands in only while none is measured


def test_equal_orders_are_kept_whatever_their_age_and_new_ids_are_unique() -> None:
    strategy, now = warmed(config_of())
    decision, first = strategy.decide(now, 500_000, 500_001, 2.0, 1.0)
    assert {int(row[A_KIND]) for row in first} == {SUBMIT}
    assert len({int(row[A_ID]) for row in first}) == len(first) == 6
    held = orders_of(*((int(r[A_ID]), int(r[A_SIDE]), int(r[A_TICK]), int(r[A_LOTS]), 1, START - 9**17) for r in first))
    again, actions = strategy.decide(now + 1, 500_000, 500_001, 2.0, 1.0, orders=held)
    assert again["bid_tick"][0] == decision["bid_tick"][0]
    assert len(actions) == 0


def test_an_order_beyond_the_fair_value_leaves_at_once_and_a_harmless_one_after_its_time() -> None:
    strategy, now = warmed(config_of(params={"live_seconds": 30.0}))
    decision, _ = strategy.decide(now, 500_000, 500_001, 2.0, 1.0)
    fair = float(decision["fair_ticks"][0])
    wrong, harmless = math.ceil(fair) + 1, int(decision["bid_tick"][0]) - 50
    orders = orders_of((1, BUY, wrong, 10, 1, now), (2, BUY, harmless, 10, 1, now))
    _, actions = strategy.decide(now + 1, 500_000, 500_001, 2.0, 1.0, orders=orders)
    assert [row[A_ID] for row in actions if row[A_KIND] == CANCEL] == [1]
    orders = orders_of((2, BUY, harmless, 10, 1, now))
    _, actions = strategy.decide(now + 30 * SECOND, 500_000, 500_001, 2.0, 1.0, orders=orders, trouble=0)
    assert [row[A_ID] for row in actions if row[A_KIND] == CANCEL] == [2]


order_rows = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(499_700, 500_300), st.integers(1, 40), st.integers(0, 1)),
    max_size=30,
)


@given(order_rows, st.integers(-150, 150), st.floats(0, 50), st.floats(0, 50))
def test_never_more_than_the_limit_even_if_every_order_of_a_side_is_filled(
    rows: list[tuple[int, int, int, int]], position: int, bids: float, asks: float
) -> None:
    strategy, now = warmed(config_of())
    table = orders_of(*((i + 1, side, tick, lots, free, now) for i, (side, tick, lots, free) in enumerate(rows)))
    given_table = table.copy()
    decision, actions = strategy.decide(now, 500_000, 500_001, bids, asks, position_lots=position, orders=table)
    assert decision["reason"][0] == QUOTING
    limit = strategy.rules.max_lots
    for side in (BUY, SELL):
        sent = [row for row in actions if row[A_KIND] == SUBMIT and row[A_SIDE] == side]
        working = int(given_table[given_table[:, O_SIDE] == side, O_LOTS].sum())
        if sent:
            assert position * side + working + sum(int(row[A_LOTS]) for row in sent) <= limit
        ticks = [int(row[A_TICK]) for row in sent]
        assert ticks == sorted(set(ticks), reverse=side == BUY)
        others = given_table[given_table[:, O_SIDE] == -side, O_TICK]
        assert all((tick - other) * side < 0 for tick in ticks for other in others.tolist())
    cancelled = [int(row[A_ID]) for row in actions if row[A_KIND] == CANCEL]
    assert len(cancelled) == len(set(cancelled))
    assert all(given_table[order_id - 1, O_FREE] for order_id in cancelled)
    assert decision["actions"][0] == len(actions)


def test_stop_loss_watches_before_the_windows_are_full_and_closes_the_position() -> None:
    calm = {"volatility_mean": 1.0, "change_mean": 0.001, "change_std": 0.001, "change_threshold": 3.0}
    strategy = Strategy(config_of(stop_loss={**calm, "cooldown_seconds": 2.0}), 0.1, 0.001)
    strategy.decide(START + SECOND, 500_000, 500_001, 2.0, 1.0, position_lots=30)
    orders = orders_of((7, BUY, 499_990, 10, 1, START), (8, SELL, 500_010, 10, 1, START))
    decision, actions = strategy.decide(START + 2 * SECOND, 495_000, 495_001, 2.0, 1.0, position_lots=30, orders=orders)
    assert decision["reason"][0] == STOPPED
    kinds = [(int(r[A_KIND]), int(r[A_SIDE]), int(r[A_LOTS])) for r in actions]
    # 10 of the 30 lots may still be sold by the order being cancelled: only 20 are closed now.
    assert kinds == [(CANCEL, BUY, 10), (CANCEL, SELL, 10), (CLOSE, SELL, 20)]
    assert actions[2][A_TICK] == 495_000 - strategy.rules.slippage_ticks
    assert strategy.wake_ns == START + 3 * SECOND
    decision, actions = strategy.decide(START + 3 * SECOND, 495_000, 495_001, 2.0, 1.0)
    assert decision["reason"][0] == COOLING
    assert strategy.stop_loss.status is StopLossStatus.COOLDOWN
    assert len(actions) == 0


def test_a_stop_between_two_updates_takes_no_sample() -> None:
    strategy, now = warmed(config_of())
    strategy.decide(now, 500_000, 500_001, 2.0, 1.0)
    state = strategy.imbalance.state()
    decision, _ = strategy.decide(now + 1, 500_000, 500_001, 9.0, 1.0)
    assert decision["sampled"][0] == 0
    np.testing.assert_array_equal(state["real"], strategy.imbalance.state()["real"])  # type: ignore[arg-type]


def test_a_restored_strategy_goes_on_to_the_last_bit() -> None:
    strategy, now = warmed(config_of())
    twin = Strategy(config_of(), 0.1, 0.001)
    twin.restore(strategy.state())  # type: ignore[arg-type]
    for step in range(5):
        at = now + step * SECOND
        mine, yours = (one.decide(at, 500_000 + step, 500_002 + step, 2.0 + step, 1.0) for one in (strategy, twin))
        assert mine[0].tobytes() == yours[0].tobytes()
        assert mine[1].tobytes() == yours[1].tobytes()


def test_levels_are_summed_within_the_view_only() -> None:
    strategy = Strategy(config_of(params={"looking_depth": 0.01}), 0.1, 0.001)
    bids, asks = np.arange(500, 400, -1), np.arange(501, 601)
    ones = np.ones(100)
    assert strategy.sums(bids, 100 * ones, asks, 50 * ones) == (400.0, 200.0)
    assert all(math.isnan(value) for value in strategy.sums(bids[:0], ones[:0], asks, ones))
