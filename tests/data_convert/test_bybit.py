"""Bybit frames: topics of several depths as one book, chains, block trades, times."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bybit_market import DEPTHS, T0, Market, run, write
from convert_naive import play
from data_convert import convert_recording, replay_book
from data_convert.errors import BadLine
from data_convert.events import LOCAL, has_flag
from data_convert.messages.columns import MessagesBuilder
from data_convert.recordings.venues.bybit import BybitDecoder
from two_ways import way  # noqa: F401


def book_of(events):
    book = {"b": {}, "a": {}}
    for row in events[has_flag(events, LOCAL)]:
        play(book, row)
    return book


@pytest.mark.parametrize("seed", range(12))
def test_the_fused_book_is_the_market_when_all_topics_have_spoken(tmp_path, seed):
    market = Market(seed)
    result = convert_recording(write(tmp_path, run(market, 80, late=0.0)))
    assert result.report.faults == ()
    assert result.report.gaps == ()
    bids, asks = market.window(max(DEPTHS))
    assert book_of(result.events) == {"b": bids, "a": asks}


@pytest.mark.parametrize("seed", range(12))
def test_topics_that_come_late_never_cross_the_fused_book(tmp_path, seed):
    result = convert_recording(write(tmp_path, run(Market(seed), 80, late=0.4)))
    assert result.report.faults == ()


@pytest.mark.parametrize("depth", DEPTHS)
def test_one_topic_alone_is_followed_exactly(tmp_path, depth):
    market = Market(depth)
    frames = run(market, 60)
    result = convert_recording(write(tmp_path, frames), levels=depth)
    bids, asks = market.window(depth)
    assert book_of(result.events) == {"b": bids, "a": asks}
    assert result.report.settings["levels"] == str(depth)
    assert result.report.kinds["depth clear"] == 1


def one(u, kind, bids, asks, depth=50, seq=None, ts=T0, cts=T0):
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": u, "seq": u if seq is None else seq}
    frame = {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, "ts": ts, "data": data}
    return frame if cts is None else {**frame, "cts": cts}


def test_a_hole_in_u_clears_the_book_until_the_next_snapshot(tmp_path):
    frames = [
        one(10, "snapshot", [["1", "1"]], [["2", "1"]]),
        one(11, "delta", [["0.9", "3"]], []),
        one(13, "delta", [["0.8", "3"]], []),
        one(14, "delta", [["0.7", "3"]], []),
        one(20, "snapshot", [["1.1", "1"]], [["2.1", "1"]]),
    ]
    result = convert_recording(write(tmp_path, frames[:4]))
    assert len(result.report.gaps) == 1
    assert "u 11, then 13" in result.report.gaps[0].reason
    assert len(replay_book(result.events).bids) == 0
    result = convert_recording(write(tmp_path, frames))
    assert replay_book(result.events).bids.tolist() == [[1.1, 1.0]]
    assert result.report.gaps[0].length_ns == 3_000_000


def test_a_recorders_gap_line_ends_the_book_until_the_next_snapshots(tmp_path):
    gap = {"e": "gap", "E": T0, "s": "BTCUSDT", "ns": T0 * 10**6, "reason": "connection lost"}
    frames = [
        gap,
        one(10, "snapshot", [["1", "1"]], [["2", "1"]]),
        one(9, "snapshot", [["1", "1"]], [["2", "1"]], depth=1, seq=10),
        gap,
        one(11, "delta", [["0.9", "3"]], []),
        one(10, "delta", [["0.9", "3"]], [], depth=1, seq=11),
        one(20, "snapshot", [["1.1", "1"]], [["2.1", "1"]]),
    ]
    report = convert_recording(write(tmp_path, frames[:6]), strict=True).report
    assert [gap.reason for gap in report.gaps] == ["connection lost"]
    assert len(replay_book(convert_recording(write(tmp_path, frames[:6])).events).bids) == 0
    result = convert_recording(write(tmp_path, frames))
    assert replay_book(result.events).bids.tolist() == [[1.1, 1.0]]
    assert result.report.gaps[0].length_ns == 5_000_000


def test_a_hole_in_one_topic_leaves_what_the_others_know(tmp_path):
    frames = [
        one(10, "snapshot", [["1", "1"], ["0.9", "1"]], [["2", "1"]], depth=50),
        one(7, "snapshot", [["1", "4"]], [["2", "4"]], depth=1, seq=11),
        one(12, "delta", [["0.8", "3"]], [], depth=50),
    ]
    result = convert_recording(write(tmp_path, frames))
    assert replay_book(result.events).bids.tolist() == [[1.0, 4.0]]


def test_u_one_is_a_reset_whatever_its_type(tmp_path):
    frames = [one(10, "snapshot", [["1", "1"]], [["2", "1"]]), one(1, "delta", [["3", "1"]], [["4", "1"]])]
    result = convert_recording(write(tmp_path, frames))
    assert result.report.gaps == ()
    assert replay_book(result.events).bids.tolist() == [[3.0, 1.0]]


def test_books_are_dated_by_cts_or_by_ts_where_it_is_missing_or_asked_for(tmp_path):
    frames = [one(10, "snapshot", [["1", "1"]], [], ts=T0 + 9, cts=T0 + 4)]
    assert convert_recording(write(tmp_path, frames)).events["exch_ts"][0] == (T0 + 4) * 10**6
    assert convert_recording(write(tmp_path, frames), time="E").events["exch_ts"][0] == (T0 + 9) * 10**6
    del frames[0]["cts"]
    result = convert_recording(write(tmp_path, frames))
    assert result.events["exch_ts"][0] == (T0 + 9) * 10**6
    assert result.report.notes["order books without cts, dated by ts"] == 1


def trade(**changes):
    return {"T": T0 + 3, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50", "i": "x", "BT": False} | changes


def test_trades_keep_their_own_time_and_block_trades_are_left_out_and_counted(tmp_path):
    data = [trade(), trade(S="Sell", T=T0 + 1), trade(BT=True), trade(v="0")]
    frame = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": T0 + 5, "data": data}
    result = convert_recording(write(tmp_path, [frame]))
    both = result.events[has_flag(result.events, LOCAL)]
    assert sorted((both["ev"] >> np.uint64(28) & np.uint64(3)).tolist()) == [1, 2]
    assert sorted(both["exch_ts"].tolist()) == [(T0 + 1) * 10**6, (T0 + 3) * 10**6]
    assert result.report.filtered == {"block trade": 1, "trade without price or quantity": 1}


@pytest.mark.parametrize(
    "frame",
    [
        {"topic": "publicTrade.X", "ts": 1, "data": [trade(), trade(S="buy")]},
        {"topic": "publicTrade.X", "ts": 1, "data": {}},
        {"topic": "orderbook.x.X", "ts": 1, "data": {}},
        one(1, "other", [], []),
        one(1, "snapshot", [["-1", "1"]], []),
        one("1", "snapshot", [], []),
        {"data": 1},
    ],
)
def test_a_bad_frame_leaves_nothing_behind(frame):
    builder, decoder = MessagesBuilder(), BybitDecoder()
    with pytest.raises(BadLine):
        decoder.take(builder, (0, 1), 1, json.dumps(frame).encode())
    assert len(builder) == len(builder.ev) == 0
    assert not decoder.streams


def test_other_topics_are_counted_only(tmp_path):
    frames = [{"topic": t, "type": "delta", "ts": T0, "data": {}} for t in ("tickers.X", "orderbook.rpi.X")]
    report = convert_recording(write(tmp_path, frames)).report
    assert (report.bad_lines, report.rows, report.streams) == (0, 0, {"tickers": 1, "orderbook": 1})


def test_a_recording_that_begins_amid_the_stream_is_kept_with_a_warning(tmp_path):
    frames = [one(u, "delta", [[f"{u}", "1"]], []) for u in (5, 6, 7)]
    result = convert_recording(write(tmp_path, frames))
    assert len(replay_book(result.events).bids) == 3
    assert any("no snapshot" in warning for warning in result.report.warnings)
