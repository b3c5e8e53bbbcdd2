import math

import numpy as np
import pytest
from factor_engine import BadParameter, LengthMismatch, OrderBookImbalance, RollingMoments
from hypothesis import given, settings
from hypothesis import strategies as st

slow = settings(deadline=None, derandomize=True, max_examples=200)

NO_BID, NO_ASK = -(2**63), 2**63 - 1  # hftbacktest's ticks of an empty side


def make(**changes):
    parameters = {"looking_depth": 0.01, "tick_size": 0.1, "roi_lb_tick": 0, "roi_ub_tick": 1000, "window": 5}
    return OrderBookImbalance(**(parameters | changes))


def flat_book(ticks=1001, bid=100.0, ask=50.0):
    return np.full(ticks, bid), np.full(ticks, ask)


class SlowBook:
    """Quantities in dictionaries, and the rule read out loud."""

    def __init__(self, bids, asks):
        self.bids, self.asks = bids, asks
        self.best_bid_tick = max(bids, default=NO_BID)
        self.best_ask_tick = min(asks, default=NO_ASK)

    def bid_qty_at_tick(self, tick):
        return self.bids.get(tick, 0.0)

    def ask_qty_at_tick(self, tick):
        return self.asks.get(tick, 0.0)

    def raw(self, depth, tick_size, first, last):
        if not (max(first, 1) <= self.best_bid_tick < self.best_ask_tick <= last):
            return None
        if not all(0.0 <= qty < math.inf for qty in [*self.bids.values(), *self.asks.values()]):
            return None
        mid = (self.best_bid_tick * tick_size + self.best_ask_tick * tick_size) / 2
        below = min(math.floor(mid * (1 + depth) / tick_size), last)
        above = max(math.ceil(mid * (1 - depth) / tick_size), first)
        asks = bids = 0.0
        for tick in sorted(t for t in self.asks if t < below):
            asks += self.asks[tick]
        for tick in sorted((t for t in self.bids if t > above), reverse=True):
            bids += self.bids[tick]
        return bids - asks


@st.composite
def books(draw):
    """Books of few levels around tick 500: gaps, a side missing, crossed, and now and then a bad quantity."""
    qty = st.one_of(st.floats(0, 1e6), st.sampled_from([0.0, 1e15]))
    if draw(st.integers(0, 9)) == 0:
        qty = st.sampled_from([1.0, math.nan, math.inf, -1.0])
    bid = draw(st.integers(480, 510))
    ask = bid + draw(st.integers(1, 8)) if draw(st.integers(0, 9)) else bid - draw(st.integers(0, 3))
    bids = {bid - step: draw(qty) for step in draw(st.sets(st.integers(0, 20), max_size=8))}
    asks = {ask + step: draw(qty) for step in draw(st.sets(st.integers(0, 20), max_size=8))}
    return SlowBook(bids, asks)


def test_view_reaches_to_the_depth_fraction_and_leaves_its_outer_tick_out():
    bids, asks = flat_book()
    factor = make()
    assert factor.update(bids, asks, 500, 501, 50.05) == 0.0  # a first sample has no spread to be scored against
    assert (factor.raw, factor.bids, factor.asks) == (200.0, 400.0, 200.0)
    factor.update(bids, asks, 500, 501, 50.0)
    assert factor.raw == 300.0
    factor = make(looking_depth=0.02)
    factor.update(bids, asks, 500, 501, 50.0)
    assert factor.raw == 550.0


def test_outer_tick_counts_when_asked_for():
    bids, asks = flat_book()
    factor = make(outer_tick=True)
    factor.update(bids, asks, 500, 501, 50.05)
    assert (factor.bids, factor.asks) == (500.0, 250.0)


def test_depth_narrower_than_a_tick_sees_nothing_which_is_why_the_sources_test_fails():
    """The source's test gives 0.001 for the depth and 0.1 for the tick: both views are empty and raw is 0.

    With the arguments the other way round, as it seems meant, there are more bids than asks and raw is not 0.
    """
    bids, asks = flat_book()
    as_given = make(looking_depth=0.001, tick_size=0.1)
    as_given.update(bids, asks, 500, 501, 50.0)
    assert (as_given.raw, as_given.rejected, as_given.count) == (0.0, 0, 1)
    as_meant = make(looking_depth=0.1, tick_size=0.001)
    zscore = as_meant.update(bids, asks, 500, 501, 0.5)
    assert as_meant.raw > 0.0
    assert math.isfinite(zscore)


def test_arguments_are_keywords_so_that_depth_and_tick_cannot_be_swapped_unseen():
    with pytest.raises(TypeError):
        OrderBookImbalance(0.001, 0.1, 0, 1000, 10)


@slow
@given(
    st.lists(books(), max_size=12), st.sampled_from([0.0005, 0.01, 0.02, 0.9]), st.sampled_from([(0, 1000), (490, 505)])
)
def test_all_forms_agree_with_the_rule_to_the_last_bit(sequence, depth, roi):
    first, last = roi
    changes = {"looking_depth": depth, "roi_lb_tick": first, "roi_ub_tick": last}
    by_tick, by_level, by_depth, by_call = (make(**changes) for _ in range(4))
    twin, expected_raw, expected_z, refused = RollingMoments(5), 0.0, 0.0, 0
    for book in sequence:
        bid_levels = sorted(book.bids.items(), reverse=True)
        ask_levels = sorted(book.asks.items())
        in_view = SlowBook(
            {t: q for t, q in book.bids.items() if sees_bid(book, t, depth, first)},
            {t: q for t, q in book.asks.items() if sees_ask(book, t, depth, last)},
        )
        in_view.best_bid_tick, in_view.best_ask_tick = book.best_bid_tick, book.best_ask_tick
        raw = in_view.raw(depth, 0.1, first, last)
        if raw is None:
            refused += 1
        else:
            twin.update(raw)
            expected_raw = raw
            total = sum(in_view.bids.values()) + sum(in_view.asks.values())
            expected_z = twin.zscore(raw, total)
        vectors = [np.array([side.get(t, 0.0) for t in range(first, last + 1)]) for side in (book.bids, book.asks)]
        bests = book.best_bid_tick, book.best_ask_tick
        scores = [
            by_tick.update(*vectors, *bests),
            by_level.update_levels(*columns(bid_levels), *columns(ask_levels)),
            by_depth.update_depth(book),
            by_call.update_with(book.bid_qty_at_tick, book.ask_qty_at_tick, *bests),
        ]
        for factor, score in zip((by_tick, by_level, by_depth, by_call), scores, strict=True):
            assert factor.raw == expected_raw
            assert score == factor.value == pytest.approx(expected_z, rel=1e-12)
            assert factor.rejected == refused
            assert math.isfinite(score)
        assert len(set(scores)) == 1


def limits(book, depth):
    mid = (book.best_bid_tick * 0.1 + book.best_ask_tick * 0.1) / 2
    return mid * (1 - depth) / 0.1, mid * (1 + depth) / 0.1


def sees_bid(book, tick, depth, first):
    if not (book.bids and book.asks):
        return True
    return tick > max(math.ceil(limits(book, depth)[0]), first)


def sees_ask(book, tick, depth, last):
    if not (book.bids and book.asks):
        return True
    return tick < min(math.floor(limits(book, depth)[1]), last)


def columns(levels):
    return np.array([t for t, _ in levels], dtype=np.int64), np.array([q for _, q in levels])


@pytest.mark.parametrize(
    ("best_bid", "best_ask", "mid"),
    [
        (NO_BID, 501, math.nan),
        (500, NO_ASK, math.nan),
        (NO_BID, NO_ASK, None),
        (0, 501, None),
        (501, 500, None),
        (500, 500, None),
        (500, 501, math.nan),
        (500, 501, math.inf),
        (500, 501, 0.0),
        (500, 501, -50.0),
        (500, 1001, None),
    ],
)
def test_book_that_cannot_be_used_is_refused_and_not_walked(best_bid, best_ask, mid):
    asked = []
    factor = make()
    factor.update(*flat_book(), 500, 501)
    before = factor.raw, factor.value, factor.count

    def quantity(tick):
        asked.append(tick)
        return 1.0

    assert factor.update(*flat_book(), best_bid, best_ask, mid) == before[1]
    factor.update_with(quantity, quantity, best_bid, best_ask, mid)
    assert (factor.raw, factor.value, factor.count) == before
    assert (factor.rejected, asked) == (2, [])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("side", [0, 1])
def test_bad_quantity_in_view_refuses_the_book_and_one_out_of_view_does_not_matter(bad, side):
    factor = make()
    book = flat_book()
    book[side][[500, 501]] = bad
    factor.update(*book, 500, 501)
    assert (factor.rejected, factor.count) == (1, 0)
    book = flat_book()
    book[side][[100, 900]] = bad
    factor.update(*book, 500, 501)
    assert (factor.rejected, factor.count) == (1, 1)


def test_levels_out_of_order_refuse_the_book():
    factor = make()
    factor.update_levels([500, 499], [1, 1], [502, 501], [1, 1])
    factor.update_levels([500, 500], [1, 1], [501, 502], [1, 1])
    assert (factor.rejected, factor.count) == (2, 0)


def test_empty_side_given_as_levels_is_refused():
    factor = make()
    factor.update_levels([], [], [501], [1.0])
    factor.update_levels([0, 0], [0.0, 0.0], [501, 0], [1.0, 0.0])
    assert (factor.rejected, factor.count) == (2, 0)


def test_region_of_interest_cuts_the_view_on_both_sides():
    factor = make(looking_depth=0.02, roi_lb_tick=495, roi_ub_tick=505)
    bids, asks = flat_book(11)
    factor.update(bids, asks, 500, 501, 50.0)
    assert (factor.bids, factor.asks) == (5 * 100.0, 4 * 50.0)


def test_vectors_of_another_base_are_read_where_they_are_and_end_where_they_end():
    bids, asks = flat_book(4)
    factor = make(looking_depth=0.02)
    factor.update(bids, asks, 500, 501, 50.0, first_tick=499)
    assert (factor.bids, factor.asks) == (2 * 100.0, 2 * 50.0)  # ticks 500, 499 and 501, 502


def test_balanced_book_full_of_rounding_has_no_zscore():
    factor = make(window=4)
    for step in (0, 1, -1, 1):
        assert factor.update_sums(1e9 + step * 2.0**-23, 1e9) == 0.0


def test_difference_alone_can_be_given():
    by_sums, by_raw = make(), make()
    for bids, asks in ((5.0, 3.0), (9.0, 1.0), (4.0, 6.0)):
        assert by_raw.update_raw(bids - asks) == by_sums.update_sums(bids, asks)
    assert math.isnan(by_raw.bids)
    assert by_raw.update_raw(math.nan) == by_raw.value
    assert by_raw.rejected == 1


def test_factor_is_ready_when_its_window_is_full_and_reports_its_moments():
    factor = make(window=3)
    for bids in (1.0, 2.0, 4.0):
        assert not factor.ready
        factor.update_sums(bids, 0.0)
    assert factor.ready
    assert factor.mean == pytest.approx(7 / 3)
    assert factor.std == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert factor.value == pytest.approx((4 - 7 / 3) / np.std([1, 2, 4], ddof=1))


def test_many_books_at_once_give_the_bits_of_one_at_a_time():
    generator = np.random.default_rng(11)
    best = 500 + generator.integers(-3, 4, size=200).cumsum() % 50
    steps = np.arange(6)
    bid_ticks, ask_ticks = best[:, None] - steps, best[:, None] + 1 + steps
    bid_ticks[::7, 4:] = 0
    bid_qtys, ask_qtys = generator.random((2, 200, 6)) * 10
    ask_qtys[33, 0] = math.nan
    single, many = make(), make()
    rows = [
        (single.update_levels(*book), single.raw) for book in zip(bid_ticks, bid_qtys, ask_ticks, ask_qtys, strict=True)
    ]
    series = many.update_many_levels(bid_ticks, bid_qtys, ask_ticks, ask_qtys)
    assert np.array_equal(np.column_stack([series.zscore, series.raw]), rows)
    assert many.arrays[0].tobytes() == single.arrays[0].tobytes()
    assert many.rejected == 1


def test_many_sums_at_once_give_the_bits_of_one_at_a_time():
    generator = np.random.default_rng(12)
    bids, asks = generator.random((2, 100)) * 1e3
    bids[5] = math.nan
    single, many = make(), make()
    rows = [(single.update_sums(b, a), single.raw) for b, a in zip(bids, asks, strict=True)]
    series = many.update_many_sums(bids, asks)
    assert np.array_equal(np.column_stack([series.zscore, series.raw]), rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"looking_depth": 0.0},
        {"looking_depth": 1.5},
        {"looking_depth": math.nan},
        {"tick_size": 0.0},
        {"roi_lb_tick": -1},
        {"roi_ub_tick": 0},
        {"roi_ub_tick": 2**60},
        {"window": 0},
    ],
)
def test_parameters_out_of_range_are_named(changes):
    with pytest.raises(BadParameter) as caught:
        make(**changes)
    assert caught.value.name in changes


def test_sides_of_unequal_length_are_an_error():
    with pytest.raises(LengthMismatch):
        make().update_levels([500], [1.0, 2.0], [501], [1.0])
    with pytest.raises(LengthMismatch):
        make().update_many_levels([[500]], [[1.0, 2.0]], [[501]], [[1.0]])
