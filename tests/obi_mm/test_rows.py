"""Clears spelled out give, on either clock, the book that the clears gave."""

import numpy as np
from data_convert import replay_book
from hypothesis import given
from hypothesis import strategies as st
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EVENT_DTYPE, EXCH, LOCAL, SELL, Events
from obi_mm.rows import ClearsSpelledOut, on_exchange_clock

sides = st.sampled_from([BUY, SELL])
clocks = st.sampled_from([EXCH, LOCAL, EXCH | LOCAL])
levels = st.tuples(st.sampled_from([DEPTH, DEPTH_SNAPSHOT]), sides, clocks, st.integers(1, 12), st.integers(0, 3))
clears = st.tuples(st.just(DEPTH_CLEAR), st.sampled_from([BUY, SELL, 0]), clocks, st.integers(0, 13), st.just(0))


def rows_of(made: list[tuple[int, int, int, int, int]]) -> Events:
    events: Events = np.zeros(len(made), EVENT_DTYPE)
    for i, (kind, side, clock, tick, qty) in enumerate(made):
        events["ev"][i] = kind | side | clock
        events["px"][i] = tick * 0.5 if tick or not side else np.nan
        events["qty"][i], events["exch_ts"][i], events["local_ts"][i] = qty, i + 1, i + 2
    return events


@given(st.lists(st.one_of(levels, levels, clears), max_size=40), st.integers(0, 40))
def test_the_book_is_the_same_without_clears_on_both_clocks(
    made: list[tuple[int, int, int, int, int]], cut: int
) -> None:
    events = rows_of(made)
    spelled = ClearsSpelledOut(0.5, 1.0)
    rows = np.concatenate([spelled.take(events[:cut]), spelled.take(events[cut:])])
    assert not ((rows["ev"] & 0xFF) == DEPTH_CLEAR).any()
    for side in ("exchange", "local"):
        mine, theirs = replay_book(rows, side), replay_book(events, side)
        np.testing.assert_array_equal(mine.bids, theirs.bids)
        np.testing.assert_array_equal(mine.asks, theirs.asks)


def test_an_array_without_clears_is_passed_on_as_it_is() -> None:
    events = rows_of([(DEPTH, BUY, EXCH | LOCAL, 3, 1)])
    assert ClearsSpelledOut(0.5, 1.0).take(events) is events


def test_the_exchange_clock_is_that_of_both_and_keeps_the_order_of_equal_times() -> None:
    events = rows_of([(DEPTH, BUY, EXCH, 3, 1), (DEPTH, BUY, LOCAL, 4, 1), (DEPTH, SELL, EXCH | LOCAL, 5, 1)])
    events["exch_ts"] = [9, 1, 9]
    rows = on_exchange_clock(events)
    assert rows["px"].tolist() == [1.5, 2.5]
    assert (rows["local_ts"] == rows["exch_ts"]).all()
    assert ((rows["ev"] & (EXCH | LOCAL)) == (EXCH | LOCAL)).all()
    assert events["local_ts"].tolist() == [2, 3, 4]
