"""Hyperliquid frames: whole books as differences, quotes, trades."""

from __future__ import annotations

import gzip
import json

import pytest
from convert_naive import play
from data_convert import convert_recording
from data_convert.errors import BadLine, FormatError
from data_convert.events import LOCAL, has_flag
from data_convert.messages.columns import MessagesBuilder
from data_convert.recordings.venues.hyperliquid import HyperliquidDecoder
from hypothesis import given, settings
from hypothesis import strategies as st

T0 = 1_700_000_000_000
T = T0 * 10**6 + 10**8


def book(time, bids, asks):
    sides = [[{"px": str(p), "sz": str(q), "n": 1} for p, q in side] for side in (bids, asks)]
    return {"channel": "l2Book", "data": {"coin": "BTC", "time": time, "levels": sides}}


def bbo(time, bid, ask):
    quotes = [None if q is None else {"px": str(q[0]), "sz": str(q[1]), "n": 1} for q in (bid, ask)]
    return {"channel": "bbo", "data": {"coin": "BTC", "time": time, "bbo": quotes}}


def write(path, frames):
    path.write_text("".join(f"{T + i * 10**6} {json.dumps(f)}\n" for i, f in enumerate(frames)))
    return path


def states(events):
    """The local book after each local time."""
    rows, played, out = events[has_flag(events, LOCAL)], {"b": {}, "a": {}}, {}
    for row in rows:
        play(played, row)
        out[int(row["local_ts"])] = {side: dict(levels) for side, levels in played.items()}
    return out


def test_a_recorders_gap_line_ends_the_book_until_the_next_one(tmp_path):
    gap = {"e": "gap", "E": T0, "s": "BTC", "ns": T0 * 10**6, "reason": "recorder started"}
    frames = [gap, book(T0, [(100, 1)], [(101, 1)]), gap, bbo(T0 + 1, None, None), book(T0 + 2, [(90, 1)], [(91, 1)])]
    result = convert_recording(write(tmp_path / "x.jsonl", frames), strict=True)
    assert [one.reason for one in result.report.gaps] == ["recorder started"]
    after = list(states(result.events).values())
    assert {"b": {}, "a": {}} in after
    assert after[-1] == {"b": {90.0: 1.0}, "a": {91.0: 1.0}}


SIDE = st.integers(0, 5)
BOOKS = st.lists(st.tuples(SIDE, SIDE, st.integers(0, 3)), min_size=1, max_size=8)


@settings(deadline=None)
@given(BOOKS)
def test_after_every_book_exactly_its_levels_stand_however_their_number_changes(tmp_path_factory, shapes):
    frames = []
    for i, (bids, asks, shift) in enumerate(shapes):
        frames.append(
            book(
                T0 + i,
                [(100 - shift - k, 1 + (i + k) % 3) for k in range(bids)],
                [(110 - shift + k, 1 + k) for k in range(asks)],
            )
        )
    path = write(tmp_path_factory.mktemp("hl") / "btc.gz", frames)
    found = states(convert_recording(path).events)
    last = {"b": {}, "a": {}}
    for i, frame in enumerate(frames):
        expected = {
            name: {float(x["px"]): float(x["sz"]) for x in side}
            for name, side in zip("ba", frame["data"]["levels"], strict=True)
        }
        last = found.get(T + i * 10**6, last)
        assert last == expected


def test_the_real_capture_shows_every_book_as_sent(real_data):
    path = real_data / "captures" / "hyperliquid_btcusd_20250126.gz"
    result = convert_recording(path)
    found, last = states(result.events), None
    with gzip.open(path, "rt") as file:
        for text in file:
            stamp, payload = text.split(" ", 1)
            last = found.get(int(stamp), last)
            frame = json.loads(payload)
            if frame["channel"] == "l2Book":
                sides = [{float(x["px"]): float(x["sz"]) for x in side} for side in frame["data"]["levels"]]
                assert [last["b"], last["a"]] == sides
    assert result.report.faults == ()
    assert result.report.kinds["trade"] > 62
    assert result.report.streams == {"l2Book": 46, "trades": 9}


def test_quotes_move_the_best_between_books_and_old_books_do_not_move_it_back(tmp_path):
    frames = [
        book(T0, [(100, 1), (99, 1)], [(101, 1), (102, 1)]),
        bbo(T0 + 5, (101, 2), (102, 1)),
        book(T0 + 3, [(100, 7), (99, 1)], [(101, 1), (102, 1)]),
    ]
    found = list(states(convert_recording(write(tmp_path / "a.gz", frames)).events).values())
    assert found[1] == {"b": {101.0: 2.0, 100.0: 1.0, 99.0: 1.0}, "a": {102.0: 1.0}}
    assert found[2] == {"b": {101.0: 2.0, 100.0: 7.0, 99.0: 1.0}, "a": {102.0: 1.0}}


def test_one_stream_can_be_chosen_and_no_other_number_of_levels(tmp_path):
    path = write(tmp_path / "a.gz", [book(T0, [(100, 1)], []), bbo(T0 + 1, (101, 1), None)])
    assert list(states(convert_recording(path, levels=20).events).values())[-1]["b"] == {100.0: 1.0}
    assert list(states(convert_recording(path, levels=1).events).values())[-1]["b"] == {101.0: 1.0}
    with pytest.raises(FormatError, match="--levels 20"):
        convert_recording(path, levels=50)


def test_side_a_is_a_sale_and_side_b_a_purchase(tmp_path):
    trades = [{"coin": "BTC", "side": side, "px": "1", "sz": "2", "time": T0, "tid": 1} for side in "AB"]
    result = convert_recording(write(tmp_path / "a.gz", [{"channel": "trades", "data": trades}]))
    assert [hex(int(ev) >> 28 & 3) for ev in result.events["ev"]] == ["0x1", "0x2"]


@pytest.mark.parametrize(
    "frame",
    [
        {"channel": "trades", "data": [{"coin": "BTC", "side": "C", "px": "1", "sz": "1", "time": 1}]},
        {"channel": "l2Book", "data": {"coin": "BTC", "time": 1, "levels": [[]]}},
        {"channel": "l2Book", "data": {"coin": "BTC", "time": "1", "levels": [[], []]}},
        {"channel": "l2Book", "data": {"coin": "BTC", "time": 1, "levels": [[{"px": "0", "sz": "1"}], []]}},
        {"channel": "bbo", "data": []},
        {"channel": 5},
    ],
)
def test_a_bad_frame_leaves_nothing_behind(frame):
    builder, decoder = MessagesBuilder(), HyperliquidDecoder()
    with pytest.raises(BadLine):
        decoder.take(builder, (0, 1), 1, json.dumps(frame).encode())
    assert len(builder) == len(builder.ev) == 0
