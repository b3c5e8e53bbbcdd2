"""Two clocks, one list: against the table restated with Python lists, and published unit cases."""

from __future__ import annotations

import json

import numpy as np
import pytest
from convert_naive import merged
from data_convert.arrays.timeline import (
    Ordered,
    check_order,
    check_places,
    correct_local_timestamp,
    order_events,
    order_times,
    write_events,
)
from data_convert.arrays.units import UnitRows
from data_convert.errors import ClockError, OrderError
from data_convert.events import BUY, DEPTH, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE, count_kinds
from hypothesis import given, settings
from hypothesis import strategies as st
from two_ways import way  # noqa: F401

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


def units(times, widths):
    ends = np.cumsum([0, *widths])
    exch, local = (np.array([t[i] for t in times], np.int64) for i in (0, 1))
    total = int(ends[-1])
    columns = np.arange(total, dtype=np.uint32) % 5 + 1, np.arange(total) + 0.5, np.arange(total) * 2.0
    extras = {row: (row, -row, row / 2) for row in range(0, total, 3)}
    return UnitRows(np.arange(len(times)), exch, local, ends[:-1], ends[1:], *columns, extras)


@settings(max_examples=200, deadline=None)
@given(times=st.lists(st.tuples(TIMES, TIMES, st.integers(1, 3)), min_size=1, max_size=10))
def test_units_in_both_orders_are_their_rows_in_both_orders(times):
    made = units(times, [width for *_, width in times])
    raw = np.zeros(int(made.end[-1]), EVENT_DTYPE)
    raw["ev"], raw["px"], raw["qty"] = made.ev, made.px, made.qty
    raw["exch_ts"], raw["local_ts"] = np.repeat(made.exch_ns, made.counts), np.repeat(made.local_ns, made.counts)
    for row, extra in made.extras.items():
        raw["order_id"][row], raw["ival"][row], raw["fval"][row] = extra
    ordered = order_times(made.exch_ns, made.local_ns)
    check_places(made, ordered)
    events, kinds = write_events(made, ordered)
    assert events.tobytes() == merged(raw).tobytes()
    assert kinds == count_kinds(events)
    assert list(kinds) == list(count_kinds(events))


@pytest.mark.parametrize(("flag", "side"), [(EXCH, "exchange"), (LOCAL, "local")])
def test_a_place_that_goes_back_is_told_by_its_row(flag, side):
    made = units([(5, 5), (6, 6), (4, 4)], [2, 3, 1])
    other = EXCH | LOCAL if flag == EXCH else LOCAL
    ordered = Ordered(np.array([0, 1, 2]), np.array([other, flag, flag], np.uint32))
    with pytest.raises(OrderError) as raised:
        check_places(made, ordered)
    events, _ = write_events(made, ordered)
    with pytest.raises(OrderError) as expected:
        check_order(events)
    assert str(raised.value) == str(expected.value)
    assert side in str(raised.value)
