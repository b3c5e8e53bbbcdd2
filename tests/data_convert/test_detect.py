"""Sources are told by the lines; none is ever taken for another."""

from __future__ import annotations

import json

import orjson
import pytest
from data_convert import convert_recording
from data_convert.errors import FormatError
from data_convert.recordings.detect import detect_line
from hypothesis import given
from hypothesis import strategies as st

LINES = {
    "binance": [
        {"stream": "btcusdt@trade", "data": {"e": "trade"}},
        {"lastUpdateId": 1, "bids": [], "asks": []},
        {"e": "depthUpdate", "E": 1, "s": "X", "U": 1, "u": 2, "b": [], "a": []},
        {"e": "trade", "E": 1, "T": 1, "s": "X", "p": "1", "q": "1", "m": True},
    ],
    "link": [
        {"e": "depthUpdate", "E": 1, "s": "X", "b": [["1", "1"]], "a": []},
        {"e": "trade", "E": 1, "s": "X", "p": "1", "q": "1", "m": True, "ns": 1, "t": 5},
    ],
    "bybit": [
        {"topic": "orderbook.50.BTCUSDT", "type": "delta", "ts": 1, "data": {}, "cts": 1},
        {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": []},
    ],
    "mexc": [
        {"c": "spot@public.deals.v3.api@X", "d": {"deals": []}, "s": "X", "t": 1},
        {"c": "spot@public.increase.depth.v3.api@X", "d": {"asks": [], "r": "1"}, "s": "X", "t": 1},
    ],
    "hyperliquid": [
        {"channel": "l2Book", "data": {"coin": "BTC"}},
        {"channel": "trades", "data": []},
        {"channel": "bbo", "data": {}},
    ],
}
NEUTRAL = [
    {"success": True, "op": "subscribe"},
    {"channel": "subscriptionResponse", "data": {}},
    {"result": None, "id": 1},
    {"code": -1, "msg": ""},
    {"e": "gap", "E": 1, "s": "X", "reason": "a recorder's word, in either dialect"},
    {},
]


@pytest.mark.parametrize(("source", "line"), [(s, line) for s, lines in LINES.items() for line in lines])
def test_every_source_is_told_by_its_lines(source, line):
    assert detect_line(orjson.dumps(line)) == source


@pytest.mark.parametrize("line", NEUTRAL)
def test_replies_tell_nothing(line):
    assert detect_line(orjson.dumps(line)) is None


EXTRA = st.dictionaries(
    st.sampled_from(["ts", "id", "req_id", "conn_id", "st", "ps", "time", "n", "zz"]),
    st.one_of(st.integers(-(2**63), 2**63), st.text(max_size=5), st.none(), st.lists(st.integers(-5, 5), max_size=2)),
)


@given(st.sampled_from([(s, line) for s, lines in LINES.items() for line in lines]), EXTRA, st.randoms())
def test_unknown_keys_and_their_order_change_nothing(case, extra, random):
    source, line = case
    items = [*line.items(), *((key, value) for key, value in extra.items() if key not in line)]
    random.shuffle(items)
    assert detect_line(orjson.dumps(dict(items))) == source


@given(st.recursive(st.none() | st.integers(-5, 5) | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)))
def test_any_values_under_any_known_keys_are_told_or_not_but_never_an_error(value):
    keys = ("stream", "data", "topic", "channel", "e", "s", "lastUpdateId", "bids", "ns")
    for key in keys:
        detect_line(json.dumps({key: value, "data": value, "e": value}).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_told_or_not_but_never_an_error(payload):
    assert detect_line(payload) in (None, *LINES)


@given(st.permutations([line for lines in LINES.values() for line in lines]))
def test_a_line_with_the_marks_of_two_sources_tells_nothing(lines):
    both = [(a, b) for a in lines[:3] for b in lines[3:6]]
    for a, b in both:
        sources = {s for s, known in LINES.items() for line in (a, b) if line in known}
        found = detect_line(orjson.dumps({**a, **b}))
        assert found is None or found in sources


def test_the_venue_can_be_named_where_no_line_tells(tmp_path):
    (tmp_path / "a.gz").write_text('1700000000000000000 {"success":true,"op":"subscribe"}\n')
    with pytest.raises(FormatError, match="--venue"):
        convert_recording(tmp_path / "a.gz")
    assert convert_recording(tmp_path / "a.gz", venue="bybit").report.filtered
