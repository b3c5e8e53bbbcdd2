"""Streams beside books and trades that become rows when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from data_convert import convert_recording, load
from data_convert.errors import FormatError

T = 1_700_000_000_000
LOCAL_NS = T * 1_000_000
DEPTH = (
    '{"stream":"x@depth@0ms","data":{"e":"depthUpdate","E":%d,"T":%d,"s":"X","U":5,"u":6,"pu":4,'
    '"b":[["9","1"]],"a":[["11","1"]]}}'
)
SPOT_DEPTH = (
    '{"stream":"x@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"X","U":5,"u":6,"b":[["9","1"]],"a":[["11","1"]]}}'
)
TICKER = (
    '{"stream":"x@bookTicker","data":{"e":"bookTicker","u":7,"s":"X","b":"9","B":"1","a":"11","A":"2","T":%d,"E":%d}}'
)
MARK = (
    '{"stream":"x@markPrice@1s","data":{"e":"markPriceUpdate","E":%d,"s":"X","p":"10.1","i":"10.2","P":"10.3",'
    '"r":"%s","T":1700028800000}}'
)
BOTH = ("book-ticker", "mark-price")


def write(tmp_path, *payloads):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(f"{LOCAL_NS + 5_000_000 + i} {text}\n" for i, text in enumerate(payloads)))
    return path


def rows(events):
    return [(int(r["ev"]) & 0xFF, int(r["exch_ts"]), float(r["px"]), float(r["qty"])) for r in events]


def test_they_are_only_counted_unless_asked_for(tmp_path):
    path = write(tmp_path, TICKER % (T, T), MARK % (T, "0.1"))
    result = convert_recording(path)
    assert not len(result.events)
    assert result.report.streams == {"bookTicker": 1, "markPrice@1s": 1}


@pytest.mark.parametrize("policy", ["by-id", "as-recorded", "ignore"])
def test_rows_carry_both_clocks_and_no_side_under_every_policy(tmp_path, policy):
    path = write(tmp_path, TICKER % (T, T + 1), MARK % (T + 2, "-0.0001"))
    events = convert_recording(path, snapshots=policy, also=BOTH).events
    assert rows(events) == [
        (103, T * 10**6, 9.0, 1.0),
        (104, T * 10**6, 11.0, 2.0),
        (100, (T + 2) * 10**6, 10.2, 0.0),
        (101, (T + 2) * 10**6, 10.1, 0.0),
        (102, (T + 2) * 10**6, -0.0001, 0.0),
    ]
    assert set((events["ev"] >> np.uint64(28)).tolist()) == {0b1100}


def test_a_mark_price_is_dated_by_e_because_its_t_is_the_next_funding(tmp_path):
    for time in ("T", "E"):
        events = convert_recording(write(tmp_path, MARK % (T, "0.1")), time=time, also=["mark-price"]).events
        assert set(events["exch_ts"].tolist()) == {T * 10**6}


def test_a_contract_without_funding_or_index_has_no_rows_of_them(tmp_path):
    path = write(tmp_path, (MARK % (T, "")).replace('"i":"10.2",', ""))
    assert rows(convert_recording(path, also=["mark-price"]).events) == [(101, T * 10**6, 10.1, 0.0)]


def test_spots_tickers_without_times_are_dated_by_the_newest_before_them(tmp_path):
    spot = TICKER.replace('"e":"bookTicker",', "").replace(',"T":%d,"E":%d', "")
    result = convert_recording(write(tmp_path, spot, SPOT_DEPTH % T, spot), also=["book-ticker"], unanchored="keep")
    assert [exch for kind, exch, *_ in rows(result.events) if kind > 100] == [T * 10**6] * 4
    assert result.report.notes["book tickers without E and T, dated by the newest exchange time before them"] == 2


@pytest.mark.parametrize(
    "frame",
    [(TICKER % (T, T)).replace('"B":"1"', '"B":"one"'), (MARK % (T, "x")), (MARK % (T, "0")).replace('"p"', '"q"')],
)
def test_a_frame_with_a_bad_field_is_counted_and_gives_no_row(tmp_path, frame):
    result = convert_recording(write(tmp_path, DEPTH % (T, T), frame), also=BOTH, unanchored="keep")
    assert {kind for kind, *_ in rows(result.events)} <= {1}
    (bad,) = result.report.bad
    assert "x.jsonl:2" in bad.examples[0]


def test_others_than_binance_and_unknown_names_are_refused(tmp_path):
    bybit = '{"topic":"publicTrade.X","type":"snapshot","ts":1700000000000,"data":[]}'
    with pytest.raises(FormatError, match="leave out --also"):
        convert_recording(write(tmp_path, bybit), venue="bybit", also=["book-ticker"])
    with pytest.raises(ValueError, match="book-ticker, mark-price"):
        convert_recording(write(tmp_path, DEPTH % (T, T)), also=["ticker"])


def test_the_command_takes_both(tmp_path):
    path = write(tmp_path, TICKER % (T, T), MARK % (T, "0.1"))
    command = [sys.executable, "-m", "data_convert", "collector", str(path), str(tmp_path / "x.npz")]
    subprocess.run([*command, "--also", "book-ticker", "--also", "mark-price"], check=True, capture_output=True)
    assert sorted(kind for kind, *_ in rows(load(tmp_path / "x.npz"))) == [100, 101, 102, 103, 104]
