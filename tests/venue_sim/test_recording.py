from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from venue_sim.errors import BadRecording
from venue_sim.face import FrameLine, SnapshotLine
from venue_sim.recording import RecordingFile, parse_line
from venue_sim.venues.usdm.messages import read_ids, read_line, read_quote_id, read_stream


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"stream":"a@trade","data":{"x":1}}', b'{"x":1}'),
        (b'{ "stream" : "a@trade" , "data" : {"x": [1, {"y":"}"}]} }', b'{"x": [1, {"y":"}"}]}'),
        (b'{"data":{"x":1.50,"s":"\xc3\xa9"},"stream":"a@trade"}', b'{"x":1.50,"s":"\xc3\xa9"}'),
        (b'{"stream":"a@trade","data":{"x":1},"other":2}', b'{"x":1}'),
    ],
)
def test_the_data_of_a_frame_is_cut_out_byte_for_byte(body: bytes, data: bytes) -> None:
    line = parse_line(b"17 " + body, read_line)
    assert line == FrameLine(17, "a@trade", body, data)


def test_a_frame_whose_data_is_followed_by_another_object_is_not_cut_too_long() -> None:
    line = parse_line(b'1 {"stream":"a@trade","data":{"x":1},"more":{"y":2}}', read_line)
    assert isinstance(line, FrameLine)
    assert line.data == b'{"x":1}'


def test_a_snapshot_line_keeps_its_strings_and_needs_no_times() -> None:
    line = parse_line(b'5 {"lastUpdateId":7,"bids":[["1.10","2"]],"asks":[]}', read_line)
    assert isinstance(line, SnapshotLine)
    assert (line.state.last_id, line.state.event_ms, line.state.bids) == (7, 0, [("1.10", "2")])


def test_an_acknowledgement_is_no_frame() -> None:
    assert parse_line(b'5 {"result":null,"id":1}', read_line) is None


@pytest.mark.parametrize("line", [b"", b"{}", b"abc {}", b"12", b"12 {", b"-1 {}"])
def test_a_line_that_is_not_time_and_json_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_line(line, read_line)


def test_ids_are_read_whatever_the_order_of_the_keys() -> None:
    assert read_ids(b'{"U":1,"u":2,"pu":0}') == (1, 2, 0)
    assert read_ids(b'{"pu": 0, "u": 2, "U": 1}') == (1, 2, 0)
    assert read_ids(b'{"U":1,"u":2}') is None
    assert read_quote_id(b'{"e":"bookTicker","u":44}') == 44
    name = read_stream("btcusdt@depth@0ms")
    assert (name.kind, name.symbol, read_stream("!bookTicker").symbol) == ("depth", "btcusdt", "")


@pytest.mark.parametrize(("members", "packed"), [(1, True), (4, True), (1, False)])
def test_lines_come_in_file_order_from_every_kind_of_file(
    recorded: Callable[..., Path], small: list[bytes], members: int, packed: bool
) -> None:
    lines = list(RecordingFile(recorded(small, members=members, packed=packed), read_line).lines())
    assert len(lines) == len(small)
    assert [line.wrapped for line in lines if isinstance(line, FrameLine)] == [
        body for body in small if b'"stream"' in body
    ]


@pytest.mark.parametrize("lost", [1, 7, 12, 30])
def test_a_torn_last_member_costs_only_itself(recorded: Callable[..., Path], small: list[bytes], lost: int) -> None:
    path = recorded(small, members=5)
    path.write_bytes(path.read_bytes()[:-lost])
    lines = list(RecordingFile(path, read_line).lines())
    assert len(small) - 2 <= len(lines) <= len(small)


def test_a_bad_line_in_the_middle_is_named(tmp_path: Path, make: SimpleNamespace) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"1 " + make.trade(1) + b"\n2 nonsense\n3 " + make.trade(2) + b"\n")
    with pytest.raises(BadRecording) as caught:
        list(RecordingFile(path, read_line).lines())
    assert caught.value.line_number == 2


def test_a_torn_last_line_of_a_plain_file_is_the_end(tmp_path: Path, make: SimpleNamespace) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_bytes(b"1 " + make.trade(1) + b"\n2 " + make.trade(2)[:-4])
    assert len(list(RecordingFile(path, read_line).lines())) == 1
