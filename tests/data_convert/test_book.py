"""The book that rows lead to, against dictionaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from convert_naive import freeze, play, states
from data_convert import replay_book
from data_convert.arrays.book import number_levels, walk_rows
from data_convert.events import BUY, EVENT_DTYPE, EXCH, LOCAL, SELL
from hypothesis import given, settings
from hypothesis import strategies as st
from two_ways import way  # noqa: F401

PRICES = st.sampled_from((0.1, 0.2, 0.30000000000000004, 0.3, 1.0, 7.0, float("nan"), float("inf")))
SIDES = st.sampled_from((0, BUY, SELL))
ROWS = st.lists(st.tuples(st.sampled_from((1, 1, 1, 4, 3, 2, 5)), SIDES, PRICES, st.sampled_from((0.0, 1.0, 2.5))))


def make(rows):
    events = np.zeros(len(rows), EVENT_DTYPE)
    for i, (kind, side, price, quantity) in enumerate(rows):
        if kind != 3 and not math.isfinite(price):
            price = 2.0
        events[i] = (kind | side | EXCH | LOCAL, i, i + 5, price, quantity, 0, 0, 0.0)
    return events


@settings(max_examples=300, deadline=None)
@given(rows=ROWS)
def test_replayed_book_equals_the_slow_one_after_every_row(rows):
    events = make(rows)
    depth = events[np.isin(events["ev"] & 0xFF, (1, 3, 4))]
    walk = walk_rows(depth, np.arange(len(depth)))
    book, crossed = {"b": {}, "a": {}}, 0
    for i, row in enumerate(depth):
        play(book, row)
        best_bid, best_ask = max(book["b"], default=float("nan")), min(book["a"], default=float("nan"))
        np.testing.assert_equal((walk.best_bid[i], walk.best_ask[i]), (best_bid, best_ask))
        crossed += best_bid >= best_ask
    assert walk.crossed == crossed
    found = walk.book
    shown = {"b": dict(map(tuple, found.bids.tolist())), "a": dict(map(tuple, found.asks.tolist()))}
    assert freeze(shown) == freeze(book)
    assert list(found.bids[:, 0]) == sorted(found.bids[:, 0], reverse=True)
    assert list(found.asks[:, 0]) == sorted(found.asks[:, 0])


@settings(max_examples=200, deadline=None)
@given(st.lists(PRICES | st.sampled_from((-0.0, 0.0, -1.0, float("-inf"))) | st.floats(), max_size=40))
def test_levels_are_numbered_by_their_exact_prices(prices):
    levels = number_levels(np.array(prices, np.float64))
    assert levels.prices.tolist() == sorted({price + 0.0 for price in prices if math.isfinite(price)})
    for price, level in zip(prices, levels.level.tolist(), strict=True):
        assert (levels.prices[level] == price) if math.isfinite(price) else level == -1


def test_more_prices_than_the_first_table_holds_are_numbered():
    prices = np.random.default_rng(1).permutation(200_000) / 7
    levels = number_levels(prices)
    assert np.array_equal(levels.prices, np.sort(prices))
    assert np.array_equal(levels.prices[levels.level], prices)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS.filter(bool), until=st.integers(-1, 40))
def test_replay_stops_behind_the_last_row_of_the_time_asked_for(rows, until):
    events = make(rows)
    book = replay_book(events, "exchange", until)
    shown = {"b": dict(map(tuple, book.bids.tolist())), "a": dict(map(tuple, book.asks.tolist()))}
    expected = [state for time, state in states(events, "exchange") if time <= until]
    assert freeze(shown) == (expected[-1] if expected else frozenset())


def test_an_empty_book_has_no_best_prices():
    book = replay_book(np.zeros(0, EVENT_DTYPE))
    assert math.isnan(book.best_bid)
    assert math.isnan(book.best_ask)


def test_an_unknown_side_is_refused():
    with pytest.raises(ValueError, match="'local' or 'exchange'"):
        replay_book(np.zeros(0, EVENT_DTYPE), "bid")
