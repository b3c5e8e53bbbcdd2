"""Binance frames into messages: spec vectors, filters, and everything that must not pass."""

from __future__ import annotations

import json

import numpy as np
import pytest
from data_convert import convert_recording
from data_convert.errors import BadLine
from data_convert.messages.columns import MessagesBuilder
from data_convert.recordings.venues.binance import DirectDecoder
from data_convert.recordings.venues.decimals import decimal, levels
from hypothesis import given
from hypothesis import strategies as st

TRADE = {"e": "trade", "E": 1700000000000, "T": 1699999999990, "s": "BTCUSDT", "t": 1, "p": "50000.5", "q": "0.001",
         "X": "MARKET", "m": False}  # fmt: skip
DEPTH = {"e": "depthUpdate", "E": 1700000000995, "T": 1700000000990, "s": "BTCUSDT", "U": 1, "u": 2, "pu": 0,
         "b": [["50000.00", "1.5"]], "a": [["50001.00", "2.0"]]}  # fmt: skip
SNAPSHOT = {"lastUpdateId": 1000, "E": 1700000001995, "T": 1700000001990, "bids": [["49999.00", "10"]],
            "asks": [["50002.00", "5"]]}  # fmt: skip


def wrap(data, stream=None):
    names = {"trade": "trade", "depthUpdate": "depth@0ms", "bookTicker": "bookTicker"}
    return {"stream": stream or f"btcusdt@{names[data['e']]}", "data": data}


def recording(tmp_path, *lines, name="btcusdt_20231114.jsonl"):
    path = tmp_path / name
    path.write_text(
        "".join(f"{stamp} {value if isinstance(value, str) else json.dumps(value)}\n" for stamp, value in lines)
    )
    return path


FOUR = [
    (1700000000000000000, wrap(TRADE)),
    (1700000001000000000, wrap(DEPTH)),
    (1700000002000000000, SNAPSHOT),
    (1700000002500000000, wrap({**TRADE, "E": 1700000002400, "T": 1700000002390, "p": "0", "q": "0", "X": "NA"})),
]


def plain(events):
    return [(hex(int(r["ev"])), int(r["exch_ts"]), int(r["local_ts"]), float(r["px"]), float(r["qty"])) for r in events]


def test_the_four_line_file_gives_the_seven_rows_of_hftbacktest(tmp_path):
    result = convert_recording(recording(tmp_path, *FOUR), snapshots="as-recorded")
    snapshot, local = 1700000001990000000, 1700000002000000000
    assert plain(result.events) == [
        ("0xe0000002", 1699999999990000000, 1700000000000000000, 50000.5, 0.001),
        ("0xe0000001", 1700000000990000000, 1700000001000000000, 50000.0, 1.5),
        ("0xd0000001", 1700000000990000000, 1700000001000000000, 50001.0, 2.0),
        ("0xe0000003", snapshot, local, 49999.0, 0.0),
        ("0xe0000004", snapshot, local, 49999.0, 10.0),
        ("0xd0000003", snapshot, local, 50002.0, 0.0),
        ("0xd0000004", snapshot, local, 50002.0, 5.0),
    ]
    assert result.report.filtered == {"trade with X NA": 1}


def test_event_time_is_used_on_request(tmp_path):
    result = convert_recording(recording(tmp_path, *FOUR), time="E", snapshots="ignore")
    assert result.events["exch_ts"].tolist() == [1700000000000000000, 1700000000995000000, 1700000000995000000]
    assert result.report.snapshots["snapshots ignored"] == 1


def test_bare_frames_give_the_same_rows_as_wrapped_ones(tmp_path):
    wrapped = convert_recording(recording(tmp_path, *FOUR)).events
    bare = [(stamp, value.get("data", value)) for stamp, value in FOUR]
    assert convert_recording(recording(tmp_path, *bare, name="bare")).events.tobytes() == wrapped.tobytes()


def test_the_published_three_lines_without_ids_and_transaction_times_convert(tmp_path, real_data):
    cases = json.loads((real_data / "facts" / "converters.json").read_text())["collector"]
    path = tmp_path / "btcusdt.jsonl"
    path.write_text("\n".join(cases[0]["lines"]) + "\n")
    result = convert_recording(path)
    kinds = result.report.kinds
    assert (kinds["trade"], kinds["depth"], kinds["depth snapshot"]) == (1, 2, 2)
    assert result.report.notes["trade_without_X"] == 1
    assert any("without ids" in warning for warning in result.report.warnings)


def test_a_single_update_without_ids_is_left_out_and_counted(tmp_path):
    nameless = {key: value for key, value in DEPTH.items() if key not in ("U", "u", "pu")}
    lines = [(1700000000000000000, wrap(DEPTH)), (1700000000000000001, wrap(nameless))]
    result = convert_recording(recording(tmp_path, *lines))
    assert result.report.snapshots["updates without ids"] == 1
    assert len(result.events) == 2


def test_partial_books_are_counted_and_not_taken_for_changes(tmp_path):
    lines = [(1700000000000000000, wrap(DEPTH, "btcusdt@depth5@100ms")), (1700000000000000001, wrap(DEPTH))]
    result = convert_recording(recording(tmp_path, *lines))
    assert result.report.streams == {"depth5@100ms": 1, "depth@0ms": 1}
    assert len(result.events) == 2


@pytest.mark.parametrize(("maker", "ev"), [(True, 0xD0000002), (False, 0xE0000002)])
def test_a_trade_is_a_sale_if_and_only_if_the_buyer_is_the_maker(tmp_path, maker, ev):
    path = recording(tmp_path, (1700000000000000000, wrap({**TRADE, "m": maker})))
    assert convert_recording(path).events["ev"].tolist() == [ev]


@pytest.mark.parametrize("cause", ["INSURANCE_FUND", "ADL", "NA"])
def test_trades_outside_the_book_are_counted_by_cause(tmp_path, cause):
    path = recording(tmp_path, (1700000000000000000, wrap({**TRADE, "X": cause})), (1700000000000000001, wrap(TRADE)))
    result = convert_recording(path)
    assert len(result.events) == 1
    assert result.report.filtered == {f"trade with X {cause}": 1}


def test_other_streams_are_counted_and_not_converted(tmp_path):
    mark = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "1"}
    path = recording(
        tmp_path, (1700000000000000000, wrap(mark, "btcusdt@markPrice")), (1700000000000000001, wrap(TRADE))
    )
    result = convert_recording(path)
    assert result.report.streams == {"markPrice": 1, "trade": 1}
    assert len(result.events) == 1


BAD = {
    "not JSON": "{",
    "not a JSON object": "[1]",
    "field 'b' is no list of levels": wrap({**DEPTH, "b": None}),
    "field 'a' holds a level that is no pair of decimal texts": wrap({**DEPTH, "a": [["1", "2", "3"]]}),
    "field 'b' holds a level that is no pair of decimal texts": wrap({**DEPTH, "b": [["-5", "1"]]}),
    "field 'b' holds a price that is not positive and finite": wrap({**DEPTH, "b": [["0.0", "1"]]}),
    "field 'p' is no decimal text": wrap({**TRADE, "p": "nan"}),
    "field 'm' is neither true nor false": wrap({**TRADE, "m": "false"}),
    "field 'u' is no integer": wrap({**DEPTH, "u": "2"}),
    "field 'T' is no time in milliseconds": wrap({**TRADE, "T": 1.5}),
    "field 's' is no text": wrap({**TRADE, "s": ""}),
    "field 'lastUpdateId' is no integer": {"bids": [], "asks": [], "E": 1, "T": 1},
    "field 'data' is no object": {"stream": "btcusdt@trade", "data": None},
    "neither a frame nor a snapshot": {"hello": 1},
}


@pytest.mark.parametrize(("reason", "value"), BAD.items())
def test_a_bad_line_is_counted_by_reason_with_its_place(tmp_path, reason, value):
    path = recording(tmp_path, (1700000000000000000, wrap(TRADE)), (1700000000000000001, value))
    result = convert_recording(path)
    assert [bad.reason for bad in result.report.bad] == [reason]
    assert result.report.bad[0].examples[0].startswith(f"{path}:2")
    assert len(result.events) == 1, "nothing of the bad line stays"


@pytest.mark.parametrize("text", ["1_0", " 1", "1e5", "-1", "+1", "", ".", "1.2.3", "٣", "nan", "inf", "0x1"])
def test_nothing_but_digits_and_a_point_is_a_decimal(text):
    with pytest.raises(BadLine):
        decimal(text, "p")
    with pytest.raises(BadLine):
        levels([["1", "1"], [text, "1"]], "b")


@given(st.decimals(min_value="0.0000001", max_value="9999999999", allow_nan=False, places=8))
def test_a_decimal_is_its_nearest_float(value):
    assert decimal(f"{value:f}", "p") == float(f"{value:f}")
    assert levels([[f"{value:f}", "1"]], "b")[0] == [float(f"{value:f}")]


def test_replies_of_the_exchange_are_no_bad_lines(tmp_path):
    path = recording(tmp_path, (1700000000000000000, {"code": -1003, "msg": "x"}), (1700000000000000001, wrap(TRADE)))
    report = convert_recording(path).report
    assert report.bad_lines == 0
    assert sum(report.filtered.values()) == 1


SPOT_DEPTH = {key: value for key, value in DEPTH.items() if key not in ("pu", "T")}
SPOT_SNAPSHOT = {key: value for key, value in SNAPSHOT.items() if key not in ("E", "T")} | {"lastUpdateId": 2}
T = 1700000000000000000


def test_spot_updates_continue_by_the_next_id_and_are_dated_by_e(tmp_path):
    lines = [SPOT_DEPTH, SPOT_SNAPSHOT, {**SPOT_DEPTH, "U": 3, "u": 5, "b": [["49000.00", "7"]], "a": []}]
    path = recording(tmp_path, *((T + i, value if "bids" in value else wrap(value)) for i, value in enumerate(lines)))
    result = convert_recording(path)
    assert result.report.snapshots == {"snapshots used": 1, "updates applied": 1, "updates stale": 1}
    assert result.report.gaps == ()
    assert set(result.events["exch_ts"].tolist()) == {1700000000995000000}
    assert result.report.notes["messages without T, dated by E"] == 2
    assert result.report.notes["snapshots without E and T, dated by the newest exchange time before them"] == 1


def test_a_spot_hole_of_one_id_is_a_gap(tmp_path):
    later = {**SPOT_DEPTH, "U": 4, "u": 5}
    path = recording(tmp_path, (T, wrap({**SPOT_DEPTH, "U": 1, "u": 3})), (T + 1, SPOT_SNAPSHOT), (T + 2, wrap(later)))
    assert convert_recording(path).report.gaps == ()
    later["U"] = 5
    path = recording(tmp_path, (T, wrap({**SPOT_DEPTH, "U": 1, "u": 3})), (T + 1, SPOT_SNAPSHOT), (T + 2, wrap(later)))
    (gap,) = convert_recording(path).report.gaps
    assert (gap.after_id, gap.first_id) == (3, 5)


def test_a_spot_snapshot_before_everything_takes_the_first_exchange_time_that_comes(tmp_path):
    path = recording(tmp_path, (T, SPOT_SNAPSHOT), (T + 1, wrap({**SPOT_DEPTH, "U": 3, "u": 3})))
    assert set(convert_recording(path).events["exch_ts"].tolist()) == {1700000000995000000}


def test_spot_microseconds_are_told_by_their_width(tmp_path):
    trade = {key: value for key, value in TRADE.items() if key != "X"} | {"T": 1699999999990123, "M": True}
    result = convert_recording(recording(tmp_path, (T, wrap(trade))))
    assert result.events["exch_ts"].tolist() == [1699999999990123000]
    assert result.report.notes["trade_without_X"] == 1


def test_updates_of_another_market_are_bad_lines(tmp_path):
    path = recording(tmp_path, (T, wrap(DEPTH)), (T + 1, wrap({**SPOT_DEPTH, "U": 3, "u": 4})))
    assert "another market" in convert_recording(path).report.bad[0].reason
    assert convert_recording(path, venue="binance-spot").report.bad_lines == 1


def test_decoder_leaves_nothing_of_a_bad_message_behind():
    builder, decoder = MessagesBuilder(), DirectDecoder()
    payload = json.dumps(wrap({**DEPTH, "a": [["x", "1"]]})).encode()
    with pytest.raises(BadLine):
        decoder.take(builder, (0, 1), 1, payload)
    assert len(builder) == len(builder.ev) == len(builder.px) == 0
    assert np.array_equal(builder.build(None).begin, [])
