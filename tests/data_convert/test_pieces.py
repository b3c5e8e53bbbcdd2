"""Blocks of whole lines are the lines that `readers.read_lines` gives, and the same is said of the file."""

from __future__ import annotations

import dataclasses
import gzip

import pytest
from data_convert.errors import InputError
from data_convert.files import readers
from data_convert.files.lines import PADDING, read_lines
from data_convert.files.pieces import Pieces
from data_convert.files.readers import ReadStats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FEW = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LINES = st.lists(st.sampled_from([b"", b"1", b"a line", b"x" * 70, b"y" * 300, b"\r", b"a\r"]), max_size=20)


def by_pieces(path):
    """All lines with whether they are whole, what was found, and the damage in the order of lines and damage."""
    stats, lines, told = ReadStats(path), [], []
    with Pieces(path, stats).opened() as pieces:
        for text, start, stop, whole, damage in pieces:
            told += damage
            if not whole:
                lines.append((text, False))
                told.append(f"line {len(lines)}")
            elif start < stop:
                assert text[stop - 1 : stop] == b"\n"
                assert len(text) >= stop + PADDING
                lines += [(line.removesuffix(b"\r"), True) for line in text[start : stop - 1].split(b"\n")]
    return lines, told, stats


def by_lines(path):
    stats, lines = ReadStats(path), []
    for number, line, whole in read_lines(path, stats):
        lines.append((line, whole))
        if not whole:
            stats.damage.append(f"line {number}")
    return lines, stats.damage, stats


@FEW
@given(
    LINES,
    LINES,
    st.sampled_from(["plain", "one member", "two members", "torn member", "garbage between", "zeros behind"]),
    st.integers(1, 40),
    st.sampled_from([b"", b"\n", b"\r"]),
    st.sampled_from([35, 64, 200, 1 << 18]),
)
def test_pieces_hold_the_lines_and_tell_the_damage(tmp_path, first, second, how, cut, ending, block):
    path = tmp_path / "x.gz"
    one, two = b"".join(line + b"\n" for line in first), b"\n".join(second) + ending
    a, b = gzip.compress(one, mtime=0), gzip.compress(two, mtime=0)
    match how:
        case "plain":
            path.write_bytes(one + two)
        case "one member":
            path.write_bytes(gzip.compress(one + two, mtime=0))
        case "two members":
            path.write_bytes(a + b)
        case "torn member":
            path.write_bytes(b[:-cut] + a + b)
        case "garbage between":
            path.write_bytes(a + b"garbage" + b)
        case _:
            path.write_bytes(a + b + bytes(cut))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(readers, "_BLOCK", block)
        patched.setattr(readers, "_TEXT_BLOCK", block)
        lines, told, stats = by_pieces(path)
        expected, expected_told, expected_stats = by_lines(path)
    assert lines == expected
    assert told == expected_told
    ignored = {"damage": [], "lines": 0}
    assert dataclasses.replace(stats, **ignored) == dataclasses.replace(expected_stats, **ignored)


def test_a_missing_file_is_refused_where_its_pieces_are_taken(tmp_path):
    with (
        pytest.raises(InputError, match="does not exist"),
        Pieces(tmp_path / "no", ReadStats(tmp_path / "no")).opened() as pieces,
    ):
        list(pieces)
