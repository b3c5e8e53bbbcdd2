"""Two clocks, one list: against the table restated with Python lists, and published unit cases."""

from __future__ import annotations

import json

import numpy as np
import pytest
from convert_naive import merged
from data_convert.errors import ClockError, OrderError
from data_convert.events import BUY, DEPTH, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE
from data_convert.timeline import check_order, correct_local_timestamp, order_events
from hypothesis import given, settings
from hypothesis import strategies as st

TIMES = st.integers(-3, 6)


def rows(*times, ev=DEPTH | BUY):
    events = np.zeros(len(times), EVENT_DTYPE)
    for i, (exch, local) in enumerate(times):
        events[i] = (ev, exch, local, i, 1.0, 0, 0, 0.0)
    return events


@settings(max_examples=300, deadline=None)
@given(times=st.lists(st.tuples(TIMES, TIMES, st.sampled_from((1.0, 0.0, float("nan")))), max_size=14))
def test_order_equals_the_table_on_every_input(times):
    events = rows(*((e, k) for e, k, _ in times))
    events["qty"] = [q for _, _, q in times]
    ordered = order_events(events)
    expected = merged(events)
    assert ordered.tobytes() == expected.tobytes()
    assert len(events) <= len(ordered) <= 2 * len(events)
    check_order(ordered)


def test_rows_with_equal_exchange_time_and_reversed_local_times_are_ordered():
    ordered = order_events(rows((1000, 1100), (1000, 1050)))
    assert [int(r["local_ts"]) for r in ordered if int(r["ev"]) & LOCAL] == [1050, 1100]
    assert [int(r["local_ts"]) for r in ordered if int(r["ev"]) & EXCH] == [1100, 1050]


def test_the_published_split_gives_three_rows():
    events = np.concatenate([rows((1000, 1100)), rows((1050, 1080), ev=TRADE | SELL)])
    assert [(hex(int(r["ev"])), int(r["exch_ts"]), int(r["local_ts"])) for r in order_events(events)] == [
        ("0xa0000001", 1000, 1100),
        ("0xd0000002", 1050, 1080),
        ("0x60000001", 1000, 1100),
    ]


def test_negative_latency_moves_every_row_by_the_smallest_and_the_base():
    events = rows((1000, 900), (1050, 1000))
    assert correct_local_timestamp(events, 10) == (-100, 110)
    assert events["local_ts"].tolist() == [1010, 1110]


def test_base_latency_is_not_used_without_negative_latency():
    events = rows((1000, 1100), (1050, 1050))
    assert correct_local_timestamp(events, 10) == (0, 0)
    assert events["local_ts"].tolist() == [1100, 1050]


def test_no_rows_have_nothing_to_correct():
    assert correct_local_timestamp(rows(), 10) == (0, 0)
    assert len(order_events(rows())) == 0


def test_correction_is_exact_at_the_size_of_real_times():
    events = rows((1_723_161_256_302_471_518, 1_723_161_256_302_471_517))
    correct_local_timestamp(events, 1000)
    assert events["local_ts"].tolist() == [1_723_161_256_302_472_518]


@pytest.mark.parametrize("base", [1000.0, True, "1"])
def test_a_base_latency_that_is_no_integer_is_refused(base):
    with pytest.raises(TypeError, match="integer"):
        correct_local_timestamp(rows((1, 1)), base)


def test_a_shift_beyond_64_bits_is_an_error():
    with pytest.raises(ClockError):
        correct_local_timestamp(rows((9 * 10**18, 0), (0, 9 * 10**18)))


def test_rows_that_go_back_on_one_clock_are_named():
    events = rows((1050, 1100), (1000, 1150))
    events["ev"] |= np.uint64(EXCH)
    with pytest.raises(OrderError, match="row 1: exchange time goes back from 1050 to 1000"):
        check_order(events)
    events = rows((1000, 1100), (1050, 1150))
    events["ev"] |= np.array([EXCH, LOCAL], np.uint64)
    check_order(events)


def test_published_latency_cases_hold(real_data):
    cases = json.loads((real_data / "facts" / "converters.json").read_text())["validation"]
    for case in (c for c in cases if isinstance(c.get("expect"), dict)):
        events = rows(*case["rows"])
        smallest, _ = correct_local_timestamp(events, case["base_latency"])
        assert (smallest, events["local_ts"].tolist()) == (case["expect"]["min_latency"], case["expect"]["local_ts"])
