"""Merging recordings: every message once, at its earliest time, whatever either one lost."""

from __future__ import annotations

import gzip
import json

import pytest
from convert_feed import Exchange
from data_convert import convert_recording
from data_convert.files.members import MEMBER_BYTES, pack
from data_convert.recordings.merging import MergeCounts, merge_lines
from hypothesis import given
from hypothesis import strategies as st

T = 1_700_000_000_000_000_000


def feed(count, seed=1):
    exchange, messages = Exchange(seed), []
    for number in range(count):
        messages.append(exchange.update())
        messages.append({**exchange.trade(), "t": number})
        if number == 2:
            messages.append(exchange.snapshot())
    return [json.dumps(message).encode() for message in messages]


def merged(*recordings):
    counts = MergeCounts()
    return list(merge_lines(map(iter, recordings), counts)), counts


@given(st.lists(st.sampled_from("abx"), min_size=27, max_size=27))
def test_what_either_recording_has_is_there_once_at_its_earliest_time(kept_by):
    messages = feed(13)
    one = [(T + i * 1000, m) for i, (m, by) in enumerate(zip(messages, kept_by, strict=True)) if by in "ax"]
    two = [(T + i * 1000 + 300, m) for i, (m, by) in enumerate(zip(messages, kept_by, strict=True)) if by in "bx"]
    lines, counts = merged(one, two)
    expected = [(T + i * 1000 + (300 if by == "b" else 0), m) for i, (m, by) in enumerate(zip(messages, kept_by))]  # noqa: B905
    assert lines == expected
    assert counts.taken.total() == len(messages)
    assert counts.dropped[1] == kept_by.count("x")


def test_two_recordings_with_holes_convert_without_a_gap(tmp_path):
    messages = feed(60)
    one = [(T + i * 10**6, m) for i, m in enumerate(messages) if not 40 <= i < 50]
    two = [(T + i * 10**6 + 5, m) for i, m in enumerate(messages) if not 80 <= i < 90]
    for name, lines in (("one", one), ("two", two), ("whole", merged(one, two)[0])):
        (tmp_path / f"{name}.gz").write_bytes(b"".join(pack(lines)))
    gaps = {name: len(convert_recording(tmp_path / f"{name}.gz").report.gaps) for name in ("one", "two", "whole")}
    assert gaps == {"one": 1, "two": 1, "whole": 0}


def test_messages_without_an_id_stay_as_often_as_one_recording_has_them():
    book = b'{"channel":"l2Book","data":{"coin":"BTC","time":1}}'
    lines, counts = merged([(1, book), (5, book)], [(2, book), (6, book), (7, book)])
    assert [stamp for stamp, _ in lines] == [1, 5, 7]
    assert counts.symbols == {0: {"BTC"}, 1: {"BTC"}}


def test_the_same_id_long_after_is_another_message():
    trade = json.dumps({"stream": "a@trade", "data": {"e": "trade", "s": "A", "t": 1}}).encode()
    assert len(merged([(1, trade)], [(10**12, trade)])[0]) == 2


@pytest.mark.parametrize("payload", [b"[1]", b"nothing", b"5", b"{}"])
def test_any_payload_is_carried_over(payload):
    assert merged([(1, payload)], [(2, payload)])[0] == [(1, payload)]


def test_members_are_whole_lines_and_equal_lines_give_equal_bytes():
    lines = [(i, b"x" * 1000) for i in range(2 * MEMBER_BYTES // 1000)]
    members = list(pack(lines))
    assert len(members) >= 2
    assert all(gzip.decompress(member).endswith(b"\n") for member in members)
    assert members == list(pack(lines))
