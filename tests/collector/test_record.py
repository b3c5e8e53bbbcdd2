"""The line formats against a slow twin that follows docs/formats.md word by word."""

import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from collector.record import RECORDER_STARTED, LinkLines, decimal_text, frame_line, gap_line
from collector.rotation import DAY_NS, day_of
from hypothesis import given
from hypothesis import strategies as st
from marketlink.events import (
    ADD_ORDER,
    BUY,
    DEPTH,
    DEPTH_BBO,
    DEPTH_CLEAR,
    DEPTH_SNAPSHOT,
    EVENT_DTYPE,
    EXCH,
    KIND_MASK,
    LOCAL,
    SELL,
    TRADE,
    Events,
)

RECV_NS = 1_723_100_000_123_456_789


def rows(*records: tuple[Any, ...]) -> Events:
    return np.array([record + (0,) * (8 - len(record)) for record in records], EVENT_DTYPE)


def lines_of(events: Events, framed: bool = True, symbol: str = "btcusdt") -> list[str]:
    return "".join(part.text.decode() for part in LinkLines(symbol).events([events], RECV_NS, framed)).splitlines()


def slow_number(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    if number == 0:
        return "0"
    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def slow_lines(events: Events, framed: bool) -> list[str]:
    """The table of docs/formats.md 2.2, one row at a time, with json.dumps."""
    kinds = [int(event["ev"]) & KIND_MASK for event in events]
    found = []
    for at, event in enumerate(events):
        ev, kind, ival = int(event["ev"]), kinds[at], int(event["ival"])
        stamp = int(event["local_ts"]) if event["local_ts"] > 0 else RECV_NS
        exch = int(event["exch_ts"])
        p, q = slow_number(float(event["px"])), slow_number(float(event["qty"]))
        buy = bool(ev & BUY)
        side = BUY if buy else SELL
        line: dict[str, Any] = {"e": "", "E": exch // 10**6, "s": "BTCUSDT"}
        tail: dict[str, Any] = {"ns": exch}
        if kind in (DEPTH, DEPTH_SNAPSHOT):
            line["e"] = "depthUpdate" if kind == DEPTH else "depthSnapshot"
            line |= {"b": [[p, q]] if buy else [], "a": [] if buy else [[p, q]]}
            tail |= {"u": ival} if ival else {}
        elif kind == TRADE:
            line |= {"e": "trade", "p": p, "q": q, "m": not buy}
            tail |= {"t": ival} if ival else {}
        elif kind == DEPTH_BBO:
            zero = {"b": "0", "B": "0"} if not buy else {"a": "0", "A": "0"}
            best = {"b": p, "B": q} if buy else {"a": p, "A": q}
            both = zero | best
            line = {"e": "bookTicker", "s": "BTCUSDT"} | {key: both[key] for key in "bBaA"} | {"E": exch // 10**6}
            tail |= {"u": ival} if ival else {}
        elif kind == DEPTH_CLEAR:
            line["e"] = "depthClear"
            tail |= {"u": ival} if ival else {}
            if bool(ev & BUY) != bool(ev & SELL):
                tail |= {"side": "b" if buy else "a", "p": p}
            else:
                side = 0
        else:
            line["e"] = "event"
            tail |= {"ev": ev, "p": p, "q": q, "id": int(event["order_id"]), "i": ival}
            tail["f"] = slow_number(float(event["fval"]))
        if framed and kind in (DEPTH, DEPTH_SNAPSHOT, DEPTH_CLEAR):
            tail["more"] = sum(later in (DEPTH, DEPTH_SNAPSHOT, DEPTH_CLEAR) for later in kinds[at + 1 :])
        if line["e"] != "event" and ev != LOCAL | kind | side:
            tail["ev"] = ev
        found.append(f"{stamp} {json.dumps(line | tail, separators=(',', ':'))}")
    return found


KINDS = st.sampled_from([DEPTH, DEPTH, DEPTH, TRADE, DEPTH_CLEAR, DEPTH_SNAPSHOT, DEPTH_BBO, ADD_ORDER, 13, 77])
EVS = st.builds(
    lambda kind, flags: kind | flags,
    KINDS,
    st.sampled_from([LOCAL | BUY, LOCAL | SELL, BUY, SELL, LOCAL, 0, LOCAL | EXCH | BUY, LOCAL | BUY | SELL]),
)
STAMPS = st.sampled_from([0, RECV_NS, RECV_NS + 1, (day_of(RECV_NS) + 1) * DAY_NS - 1, (day_of(RECV_NS) + 1) * DAY_NS])
NUMBERS = st.one_of(st.sampled_from([0.0, -0.0, 87500.0, 1e-7, 0.1]), st.floats())
RECORDS = st.tuples(
    EVS,
    st.sampled_from([0, 1, 999_999, RECV_NS, RECV_NS + 7]),
    STAMPS,
    NUMBERS,
    NUMBERS,
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 5, 2**62]),
    NUMBERS,
)


@given(st.lists(RECORDS, max_size=20), st.booleans())
def test_lines_are_those_of_the_slow_twin(records: list[tuple[Any, ...]], framed: bool) -> None:
    events = np.array(records, EVENT_DTYPE)
    assert lines_of(events, framed) == slow_lines(events, framed)


@given(st.lists(RECORDS, max_size=20))
def test_every_line_belongs_to_the_day_it_is_handed_out_for(records: list[tuple[Any, ...]]) -> None:
    for part in LinkLines("btcusdt").events([np.array(records, EVENT_DTYPE)], RECV_NS, True):
        each = part.text.splitlines()
        assert len(each) == part.count > 0
        assert {day_of(int(line.split()[0])) for line in each} == {part.day}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (87500.0, "87500"),
        (1e-7, "0.0000001"),
        (0.1, "0.1"),
        (0.0, "0"),
        (-0.0, "0"),
        (1e16, "10000000000000000"),
        (1.5e-10, "0.00000000015"),
        (123456789.123, "123456789.123"),
        (-2.5, "-2.5"),
        (float("inf"), "inf"),
        (float("nan"), "NaN"),
    ],
)
def test_number_is_spelt_as_the_source_does(number: float, text: str) -> None:
    assert decimal_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_back_and_has_no_exponent(number: float) -> None:
    text = decimal_text(number)
    assert float(text) == number
    assert not set(text) & set("eE")
    assert not text.endswith(".0")


def test_lines_of_the_source_come_first_to_the_byte() -> None:
    events = rows(
        (LOCAL | BUY | DEPTH, 1_723_100_000_111_000_000, RECV_NS, 60000.1, 0.5, 0, 77),
        (LOCAL | SELL | DEPTH, 1_723_100_000_111_000_000, RECV_NS, 60000.2, 0.0, 0, 77),
        (LOCAL | SELL | TRADE, 1_723_100_000_111_000_000, RECV_NS, 60000.0, 1.0, 0, 9),
    )
    assert lines_of(events) == [
        '1723100000123456789 {"e":"depthUpdate","E":1723100000111,"s":"BTCUSDT","b":[["60000.1","0.5"]],"a":[],'
        '"ns":1723100000111000000,"u":77,"more":1}',
        '1723100000123456789 {"e":"depthUpdate","E":1723100000111,"s":"BTCUSDT","b":[],"a":[["60000.2","0"]],'
        '"ns":1723100000111000000,"u":77,"more":0}',
        '1723100000123456789 {"e":"trade","E":1723100000111,"s":"BTCUSDT","p":"60000","q":"1","m":true,'
        '"ns":1723100000111000000,"t":9}',
    ]


def test_more_counts_on_across_the_arrays_of_one_batch() -> None:
    level = (LOCAL | BUY | DEPTH, 1, RECV_NS, 1.0, 1.0)
    parts = LinkLines("x").events([rows(level, level), rows(level)], RECV_NS, True)
    assert [json.loads(line.split(b" ", 1)[1])["more"] for part in parts for line in part.text.splitlines()] == [
        2,
        1,
        0,
    ]


def test_gap_line_counts_samples_only_when_samples_were_lost() -> None:
    lines = LinkLines("btcusdt")
    assert lines.gap(1_500_000, "samples lost", 3).text == (
        b'1500000 {"e":"gap","E":1,"s":"BTCUSDT","ns":1500000,"reason":"samples lost","lost":3}\n'
    )
    assert b"lost" not in lines.gap(1_500_000, "connector silent", 0).text


def test_gap_line_is_the_same_in_both_dialects() -> None:
    line = gap_line("btcusdt", RECV_NS, RECORDER_STARTED)
    assert line == LinkLines("btcusdt").gap(RECV_NS, RECORDER_STARTED)
    assert line.text == (
        b'1723100000123456789 {"e":"gap","E":1723100000123,"s":"BTCUSDT","ns":1723100000123456789,"reason":"recorder started"}\n'
    )
    assert (line.day, line.count) == (day_of(RECV_NS), 1)


def test_frame_is_written_as_it_is() -> None:
    assert frame_line(17, b'{"stream":"x"}') == b'17 {"stream":"x"}\n'


def test_line_feed_between_tokens_does_not_end_a_line() -> None:
    assert frame_line(17, b'{\n"a":1}\n') == b'17 { "a":1} \n'


def test_name_outside_ascii_stays_readable_json() -> None:
    (part,) = LinkLines("币安人生usdt").events([rows((LOCAL | BUY | TRADE, 1, 2, 3.0, 4.0))], RECV_NS, False)
    assert json.loads(part.text.split(b" ", 1)[1])["s"] == "币安人生USDT"
