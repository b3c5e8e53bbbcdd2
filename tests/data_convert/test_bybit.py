"""Bybit frames: topics of several depths as one book, chains, block trades, times."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from convert_naive import play
from data_convert import convert_recording, replay_book
from data_convert.errors import BadLine
from data_convert.events import LOCAL, has_flag
from data_convert.formats.bybit import BybitDecoder
from data_convert.messages import MessagesBuilder

T0 = 1_700_000_000_000
DEPTHS = (1, 3, 8, 30)


class Market:
    """A book of 40 levels a side; topics show its best levels, each at its own pace, as Bybit's do."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.bids = {float(p): 1.0 for p in range(60, 100)}
        self.asks = {float(p): 1.0 for p in range(101, 141)}
        self.seq, self.now = 1000, T0
        self.shown = {}
        self.u = {depth: depth * 100 for depth in DEPTHS}

    def step(self):
        self.now += self.random.randint(0, 3)
        for _ in range(self.random.randint(1, 4)):
            self.seq += 1
            side, other = self.random.choice(((self.bids, self.asks), (self.asks, self.bids)))
            low, high = (60, min(other) - 1) if side is self.bids else (max(other) + 1, 140)
            price = float(self.random.randint(int(low), int(high)))
            if self.random.random() < 0.5 and len(side) > 5:
                side.pop(self.random.choice((price, max(side) if side is self.bids else min(side))), None)
            else:
                side[price] = float(self.random.randint(1, 5))

    def window(self, depth):
        bids = dict(sorted(self.bids.items(), reverse=True)[:depth])
        return bids, dict(sorted(self.asks.items())[:depth])

    def frame(self, depth, fresh=False):
        """The next frame of a topic: a snapshot at first and for depth 1, else what changed; None for nothing."""
        now, before = self.window(depth), self.shown.get(depth)
        whole = before is None or depth == 1 or fresh
        if whole:
            sides = now
        else:
            sides = [
                {p: after.get(p, 0.0) for p in {*old, *after} if old.get(p) != after.get(p)}
                for old, after in zip(before, now, strict=True)
            ]
            if not any(sides):
                return None
        self.shown[depth] = now
        self.u[depth] += 1
        pairs = [[[f"{p:.1f}", f"{q:.3f}" if q else "0"] for p, q in side.items()] for side in sides]
        data = {"s": "BTCUSDT", "b": pairs[0], "a": pairs[1], "u": self.u[depth], "seq": self.seq}
        return {"topic": f"orderbook.{depth}.BTCUSDT", "type": "snapshot" if whole else "delta", "ts": self.now + 2,
                "data": data, "cts": self.now}  # fmt: skip


def write(tmp_path, frames, step_ns=1_000_000):
    path = tmp_path / "btcusdt_20231114.gz"
    path.write_text("".join(f"{T0 * 10**6 + 10**8 + i * step_ns} {json.dumps(f)}\n" for i, f in enumerate(frames)))
    return path


def run(market, steps, late=0.0):
    """Frames of all topics; deeper ones may be handed over late, as the slower streams are."""
    frames, held = [], []
    for _ in range(steps):
        market.step()
        frames += held
        held = []
        for depth in DEPTHS:
            if market.random.random() < 2 / depth**0.5:
                frame = market.frame(depth)
                if frame is not None:
                    (held if depth > 1 and market.random.random() < late else frames).append(frame)
    for depth in reversed(DEPTHS):
        frames += [frame for frame in (market.frame(depth),) if frame is not None]
    return frames + held


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
