"""Whole lines out of blocks cut anywhere, and a thread that runs ahead and ends when it is left."""

from __future__ import annotations

import gzip
import threading

import pytest
from data_convert.errors import InputError
from data_convert.files import lines, readers
from data_convert.files.ahead import ahead
from data_convert.files.lines import PADDING, line_blocks
from data_convert.files.readers import ReadStats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def read(path):
    stats, out = ReadStats(path), []
    for text in line_blocks(path, stats):
        assert len(text.buffer) >= text.stop + PADDING
        assert text.buffer[text.stop - 1 : text.stop] == b"\n"
        out.append(text.buffer[text.start : text.stop])
    return b"".join(out), stats


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.lists(st.sampled_from([b"a", b"\n", b"0123456789" * 7, b"\r\n"]), max_size=60).map(b"".join),
    step=st.integers(1, 200),
    packed=st.booleans(),
)
def test_lines_are_whole_wherever_blocks_are_cut(tmp_path, monkeypatch, text, step, packed):
    monkeypatch.setattr(readers, "_BLOCK", step)
    monkeypatch.setattr(readers, "_TEXT_BLOCK", step)
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(text) if packed else text)
    found, stats = read(path)
    assert found == (text if text.endswith(b"\n") or not text else text + b"\n")
    assert (stats.text_bytes, stats.damage) == (len(text), [])


def test_many_bytes_out_of_few_come_in_small_blocks(tmp_path):
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(b"0" * 99 + b"\n" + (b"0" * 99 + b"\n") * 200_000))
    sizes = [len(text) for text, _ in readers.text_blocks(path, ReadStats(path, size_bytes=path.stat().st_size))]
    assert sum(sizes) == 100 * 200_001
    assert max(sizes) <= readers._TEXT_BLOCK


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    path = tmp_path / "f"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(InputError, match="a line of over"):
        read(path)


def test_values_come_in_order_and_an_error_comes_where_it_happened():
    def source():
        yield 1
        yield 2
        raise ValueError("third")

    with ahead(source(), 1) as values:
        assert [next(values), next(values)] == [1, 2]
        with pytest.raises(ValueError, match="third"):
            next(values)


def test_leaving_early_ends_the_thread_and_closes_nothing_else():
    before = threading.active_count()

    def endless():
        while True:
            yield 0

    with ahead(endless()) as values:
        assert next(values) == 0
    assert threading.active_count() == before
