"""Chunks are the whole array, cut: of Tardis files while they are read, and of an `.npz`."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import pytest
import tardis_naive as naive
from data_convert import convert_tardis, npz_chunks, save, tardis_chunks
from data_convert.errors import InputError
from data_convert.events import EVENT_DTYPE
from data_convert.tardis import passes
from data_convert.tardis.sample import write_sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TIMES = st.integers(0, 40)
TABLES = st.lists(st.tuples(TIMES, TIMES), max_size=40)


def write(path, header, rows):
    word = "id" if header == naive.TRADES else "false"
    side = "buy" if header == naive.TRADES else "bid"
    lines = [f"x,BTC,{10**15 + e},{10**15 + k},{word},{side},{i + 1},2" for i, (e, k) in enumerate(rows)]
    path.write_text("\n".join([header, *lines, ""]))
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trades=TABLES, depth=TABLES, rows=st.integers(1, 50), window_ns=st.sampled_from([0, 5_000, 10**9]))
def test_chunks_joined_are_the_array_and_its_report(tmp_path, trades, depth, rows, window_ns):
    files = [write(tmp_path / "t.csv", naive.TRADES, trades), write(tmp_path / "d.csv", naive.DEPTH, depth)]
    whole = convert_tardis(files, window_ns=window_ns)
    chunks = tardis_chunks(files, rows=rows, window_ns=window_ns)
    got = list(chunks)
    assert all(len(chunk) == rows for chunk in got[:-1])
    assert np.concatenate([np.empty(0, EVENT_DTYPE), *got]).tobytes() == whole.events.tobytes()
    assert chunks.report == whole.report


def test_rows_in_no_order_are_sorted_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "LATE_LIMIT", 3)
    files = [write(tmp_path / "d.csv", naive.DEPTH, [(1000 - i, 1000 - i) for i in range(50)])]
    monkeypatch.setattr("data_convert.tardis.rows._ROWS", 4)
    chunks = tardis_chunks(files, rows=7, window_ns=0)
    got = np.concatenate(list(chunks))
    assert got.tobytes() == convert_tardis(files, window_ns=0).events.tobytes()
    assert chunks.report is not None
    assert any("sorted at once" in warning for warning in chunks.report.warnings)


def test_an_iterator_that_is_left_early_has_no_report_and_stops_reading(tmp_path):
    chunks = tardis_chunks(write_sample(tmp_path), rows=1000)
    assert len(next(chunks)) == 1000
    chunks.close()
    assert list(chunks) == []
    assert chunks.report is None


@pytest.mark.parametrize("rows", [1, 999, 1 << 16])
def test_chunks_of_a_file_are_its_array(tmp_path, rows):
    events = np.zeros(2000, EVENT_DTYPE)
    events["exch_ts"] = np.arange(2000)
    save(events, tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", data=events)
    for name in ("a.npz", "b.npz"):
        got = list(npz_chunks(tmp_path / name, rows=rows))
        assert [len(chunk) for chunk in got[:-1]] == [rows] * (len(got) - 1)
        assert np.concatenate(got).tobytes() == events.tobytes()


def test_a_file_that_is_no_event_array_is_named(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", data=np.arange(3))
    np.savez(tmp_path / "nodata.npz", else_=np.arange(3))
    events = np.zeros(3000, EVENT_DTYPE)
    save(events, tmp_path / "a.npz", compress="none")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        npy = archive.read("data.npy")
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as archive:
        archive.writestr("data.npy", npy[:-100])
    with gzip.open(tmp_path / "z.npz", "wb") as file:
        file.write(b"x")
    for name in ("text", "other", "nodata", "short", "z", "absent"):
        with pytest.raises(InputError, match=f"{name}.npz"):
            list(npz_chunks(tmp_path / f"{name}.npz"))


def test_a_chunk_has_a_row_at_least(tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        tardis_chunks([tmp_path / "none.csv"], rows=0)
    with pytest.raises(ValueError, match="at least 1"):
        next(npz_chunks(tmp_path / "none.npz", rows=0))
