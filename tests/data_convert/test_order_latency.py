"""Order latencies: windows, factors, integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from data_convert.arrays.order_latency import last_of_windows, order_latencies
from data_convert.events import EVENT_DTYPE
from hypothesis import given
from hypothesis import strategies as st

BOTH, EXCH_ONLY = 0xE0000001, 0xA0000001


def feed(*rows):
    events = np.zeros(len(rows), EVENT_DTYPE)
    for i, (ev, exch, local) in enumerate(rows):
        events[i]["ev"], events[i]["exch_ts"], events[i]["local_ts"] = ev, exch, local
    return events


def test_the_last_row_of_both_clocks_in_each_window_counts():
    events = feed((BOTH, 90, 100), (BOTH, 150, 190), (EXCH_ONLY, 151, 199), (BOTH, 395, 400))
    found = order_latencies(events, every_ns=100)
    assert found.tolist() == [(190, 230, 270, 0), (400, 405, 410, 0)]


def test_factors_and_offsets_apply_in_turn():
    found = order_latencies(
        feed((BOTH, 0, 101)), entry_factor=Fraction("1.5"), entry_offset_ns=7, response_factor=Fraction(1, 3)
    )
    assert found.tolist() == [(101, 101 + 152 + 7, 101 + 152 + 7 + 34, 0)]


@given(st.integers(0, 10**12), st.fractions(min_value=0, max_value=5, max_denominator=999))
def test_products_are_rounded_to_the_nearest_ns_at_any_size(latency, factor):
    now = 1_700_000_000_000_000_000
    found = order_latencies(feed((BOTH, now - latency, now)), entry_factor=factor)
    assert int(found["exch_ts"][0]) - now == int(latency * factor + Fraction(1, 2))


def test_an_order_that_arrives_before_it_was_sent_is_refused():
    with pytest.raises(ValueError, match="before it was sent"):
        order_latencies(feed((BOTH, 200, 100)))
    with pytest.raises(ValueError, match="positive"):
        order_latencies(feed(), every_ns=0)


def test_no_rows_give_no_latencies():
    assert len(order_latencies(feed())) == 0


@pytest.mark.parametrize("every_ns", [0, -1, 1 << 63, 10**30])
def test_a_window_that_is_none_is_refused_before_an_array_in_chunks_is_read(every_ns):
    with pytest.raises(ValueError, match=r"window must be positive|every_ns is at most"):
        last_of_windows(iter([feed((BOTH, 90, 100))]), every_ns)
