"""Lines out of files in every state a collector may leave them in."""

from __future__ import annotations

import gzip
import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from data_convert.errors import InputError
from data_convert.files import readers
from data_convert.files.lines import read_lines
from data_convert.files.readers import ReadStats, lose_line

LINES = [f'{1_700_000_000_000_000_000 + i} {{"n":{i},"x":"{random.Random(i).random()}"}}'.encode() for i in range(60)]


def members(*groups):
    return [gzip.compress(b"".join(line + b"\n" for line in group), mtime=0) for group in groups]


def read(tmp_path, data, name="a.gz"):
    path = tmp_path / name
    path.write_bytes(data)
    stats = ReadStats(path)
    whole = []
    for number, line, complete in read_lines(path, stats):
        if complete:
            assert number == len(whole) + 1 + stats.lost_lines
            whole.append(line)
        else:
            lose_line(stats, number, line)
    return whole, stats


def inflatable(data):
    """Whole lines of the members of `data`, by feeding zlib one byte at a time."""
    lines, text, inflater = [], b"", zlib.decompressobj(31)
    for i in range(len(data)):
        try:
            text += inflater.decompress(data[i : i + 1])
        except zlib.error:
            break
        if inflater.eof:
            lines += text.split(b"\n")[:-1]
            text, inflater = b"", zlib.decompressobj(31)
    return lines + text.split(b"\n")[:-1]


def test_every_truncation_keeps_every_line_that_can_be_inflated(tmp_path):
    data = b"".join(members(LINES[:20], LINES[20:40], LINES[40:]))
    for length in range(len(data) + 1):
        whole, stats = read(tmp_path, data[:length])
        assert whole == inflatable(data[:length]), length
        assert whole == LINES[: len(whole)]
        assert bool(stats.damage) == (length not in (0, len(data)) and not _at_seam(data, length)), length


def _at_seam(data, length):
    return length in {len(data[: data.index(m) + len(m)]) for m in members(LINES[:20], LINES[20:40], LINES[40:])}


def test_a_member_torn_by_a_crash_does_not_take_the_next_one_with_it(tmp_path):
    first, second, third = members(LINES[:20], LINES[20:40], LINES[40:])
    for cut in range(1, len(second)):
        whole, stats = read(tmp_path, first + second[:cut] + third)
        kept = inflatable(second[:cut])
        assert whole == LINES[:20] + kept + LINES[40:], cut
        assert stats.damage


def test_garbage_behind_a_member_is_skipped_and_counted(tmp_path):
    first, second = members(LINES[:20], LINES[20:])
    whole, stats = read(tmp_path, first + b"garbage!" + second + b"more")
    assert whole == LINES
    assert stats.lost_bytes == 12
    assert len(stats.damage) == 2


def test_zero_padding_behind_a_member_is_no_damage(tmp_path):
    whole, stats = read(tmp_path, members(LINES)[0] + bytes(512))
    assert whole == LINES
    assert stats.damage == []


def test_damage_inside_a_member_keeps_the_lines_before_it(tmp_path):
    data = bytearray(members(LINES)[0])
    data[len(data) // 2] ^= 0xFF
    whole, stats = read(tmp_path, bytes(data))
    assert whole[:10] == LINES[:10]
    assert stats.damage


def test_plain_text_is_read_whatever_its_suffix(tmp_path):
    data = b"\n".join(LINES) + b"\n"
    for name in ("a.jsonl", "a", "a.gz"):
        whole, stats = read(tmp_path, data, name)
        assert whole == LINES
        assert not stats.compressed


def test_carriage_returns_are_taken_off(tmp_path):
    assert read(tmp_path, b"\r\n".join(LINES) + b"\r\n", "a.jsonl")[0] == LINES


def test_a_partial_last_line_is_counted(tmp_path):
    whole, stats = read(tmp_path, b"\n".join(LINES)[:-5], "a.jsonl")
    assert whole == LINES[:-1]
    assert (stats.lost_lines, stats.lost_bytes) == (1, len(LINES[-1]) - 5)


def test_an_empty_file_has_no_lines(tmp_path):
    whole, stats = read(tmp_path, b"")
    assert whole == []
    assert stats.damage == []


@pytest.mark.parametrize(
    ("head", "remedy"), [(b"PK\x03\x04", "validate"), (b"\x28\xb5\x2f\xfd", "zstd -d"), (b"\xfd7zXZ\x00", "xz -d")]
)
def test_other_archives_are_named_with_a_remedy(tmp_path, head, remedy):
    with pytest.raises(InputError, match=remedy):
        read(tmp_path, head + b"rest")


def test_a_directory_is_an_error_that_names_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"directory.*\*\.gz"):
        list(read_lines(tmp_path, ReadStats(tmp_path)))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        list(read_lines(tmp_path / "no", ReadStats(tmp_path / "no")))


def test_members_are_found_wherever_the_search_is_cut(tmp_path, monkeypatch):
    """A torn member's end is searched for in parts of the file; a header may stand across two of them."""
    texts = [b"".join(b"%d %d\n" % (n, i * i) for i in range(40 * n)) for n in range(1, 6)]
    members = [gzip.compress(text) for text in texts]
    data = b"".join(member[: len(member) - 9 - n] for n, member in enumerate(members)) + members[0]
    path = tmp_path / "a.gz"
    path.write_bytes(data)

    def found():
        stats = ReadStats(path)
        return list(read_lines(path, stats)), stats

    expected = found()
    assert expected[1].members == 6
    for size in (3, 4, 5, 7, 64):
        monkeypatch.setattr(readers, "_SEARCHED", size)
        assert found() == expected


def test_a_long_file_is_not_held_in_memory(tmp_path):
    """Pages of a mapped file count as memory of the process until they are given back."""
    path = tmp_path / "a.gz"
    noise = np.random.default_rng(1).integers(33, 127, 48 << 20, dtype=np.uint8)
    noise[:: 1 << 10] = 10
    path.write_bytes(gzip.compress(noise.tobytes(), 0))

    def mapped_bytes():
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssFile"))

    before, most = mapped_bytes(), 0
    for number, _, _ in read_lines(path, ReadStats(path)):
        if number % 4096 == 0:
            most = max(most, mapped_bytes() - before)
    assert most < 24 << 20
