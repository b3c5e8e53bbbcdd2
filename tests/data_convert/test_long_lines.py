"""Files without newlines, and the zeros that a crash leaves: read once, in little memory, and named."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import zlib

import pytest
from data_convert.errors import StrictError
from data_convert.files import lines as line_readers
from data_convert.files import readers
from data_convert.files.lines import read_lines
from data_convert.files.pieces import Pieces
from data_convert.files.readers import ReadStats
from data_convert.recordings.ingest import ingest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_process import run_alone as rss_of

UPDATE = b'{"e":"depthUpdate","E":2,"T":1,"s":"A","U":%d,"u":%d,"pu":%d,"b":[["1","1"]],"a":[]}'
GIB = 1 << 30


def line(number):
    return b"%d " % (number * 1_000_000) + UPDATE % (number, number, number - 1) + b"\n"


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """One line of 1 GiB between two good ones, about 1 MB of gzip, for every byte it may be made of."""

    @functools.cache
    def make(byte):
        path = tmp_path_factory.mktemp("endless") / "a.gz"
        packer, part = zlib.compressobj(1, zlib.DEFLATED, 31), byte * (16 << 20)
        with path.open("wb") as file:
            file.write(packer.compress(line(1)))
            for _ in range(GIB // len(part)):
                file.write(packer.compress(part))
            file.write(packer.compress(b"\n" + line(2)) + packer.flush())
        return path

    return make


@pytest.mark.timeout(150)
def test_a_line_of_a_gigabyte_is_left_out_of_a_recording_in_seconds_and_little_memory(endless, tmp_path):
    path, small = endless(b"x"), tmp_path / "small.gz"
    small.write_bytes(gzip.compress(line(1) + line(2)))
    rss_of("collector", small, tmp_path / "small.npz")  # kernels that are compiled now take memory of their own
    code, out, _, peak = rss_of("collector", path, tmp_path / "o.npz")
    assert code == 3  # a third of the lines is lost
    assert "longer than 16 MiB" in out
    assert peak < 300 << 20
    code, out, _, peak = rss_of("inspect", path)
    assert code == 0
    assert "3 lines" in out
    assert "longer than 16 MiB" in out
    assert peak < 300 << 20


@pytest.mark.timeout(100)
def test_a_gigabyte_without_newline_is_refused_as_a_vendor_file(endless):
    path = endless(b"x")
    small = path.with_name("small.csv.gz")
    small.write_bytes(gzip.compress(b"x" * 1000))
    for command in ("fuse", "tardis", "history"):
        latency = ("--latency-ns", 0) if command == "history" else ()
        rss_of(command, small, "-o", small.with_suffix(".npz"), *latency)
        code, _, err, peak = rss_of(command, path, "-o", path.with_suffix(".npz"), *latency)
        assert code == 1
        assert str(path) in err
        assert peak < 300 << 20


def test_a_gigabyte_of_zeros_is_a_hole_and_the_lines_around_it_are_whole(endless):
    path = endless(b"\0")
    stats = ReadStats(path)
    found = [(number, text) for number, text, _ in read_lines(path, stats) if text]
    assert [text for _, text in found] == [line(1)[:-1], line(2)[:-1]]
    assert stats.damage == [f"a hole of {GIB} zero bytes in the text is what a crash kept from the disk: left out"]
    assert stats.lost_bytes == GIB


def test_zeros_at_the_end_are_a_torn_tail_and_strict_stops_at_them(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(1) + line(2)[:20] + bytes(5))
    read = ingest([path], "direct", "T", False)
    assert len(read.builder) == 1
    damage = read.files[0].damage
    assert "a torn tail of 5 zero bytes" in damage[0]
    assert "line 2 is cut off after 20 bytes" in damage[1]
    with pytest.raises(StrictError, match=r"zero bytes|cut off|no space|time stamp|JSON"):
        ingest([path], "direct", "T", True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.sampled_from([b"a", b"\n", b"bc", bytes(1), bytes(63), bytes(64), bytes(200), b"x" * 70]), max_size=12
    ),
    block=st.sampled_from([1, 7, 64, 1 << 18]),
    longest=st.sampled_from([50, 1000]),
    packed=st.booleans(),
)
def test_no_byte_of_a_text_is_lost_without_being_counted(tmp_path, parts, block, longest, packed):
    data = b"".join(parts)
    path = tmp_path / "x"
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    path.write_bytes(packer.compress(data) + packer.flush() if packed else data)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(readers, "_BLOCK", block)
        patched.setattr(readers, "_TEXT_BLOCK", block)
        patched.setattr(line_readers, "LONGEST_LINE", longest)
        stats = ReadStats(path)
        lines = list(read_lines(path, stats))
        piece_stats = ReadStats(path)
        with Pieces(path, piece_stats).opened() as pieces:
            taken = [(bytes(p.text[p.start : p.stop]), p.whole) for p in pieces if p.stop > p.start]
    assert stats.text_bytes == len(data)
    given_back = sum(len(text) + whole for _, text, whole in lines)
    assert given_back + stats.lost_bytes == len(data)
    assert [number for number, _, _ in lines] == list(range(1, len(lines) + 1))
    assert all(len(text) <= max(longest, block) for _, text, _ in lines)
    in_pieces = [(text, whole) for piece, whole in taken for text in (piece[:-1].split(b"\n") if whole else [piece])]
    assert in_pieces == [(text, whole) for _, text, whole in lines]
    ignored = {"damage": [], "lines": 0}
    assert dataclasses.replace(piece_stats, **ignored) == dataclasses.replace(stats, **ignored)
