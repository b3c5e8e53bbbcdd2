"""Files that numpy and HftBacktest read, whole or not at all."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from data_convert import EVENT_DTYPE, load, save
from data_convert.errors import InputError, OutputError
from data_convert.files.deflate import COMPRESSIONS
from data_convert.files.writer import whole_file
from hypothesis import given, settings
from hypothesis import strategies as st


def events(rows):
    made = np.zeros(rows, EVENT_DTYPE)
    made["ev"] = np.resize([0xE0000004, 0xD0000004, 0xE0000002], rows)
    made["px"] = np.resize([100.1, 100.2, 100.1], rows)
    made["qty"] = 1.0
    made["exch_ts"] = np.arange(rows) * 1_000_000_000
    made["local_ts"] = made["exch_ts"] + 1000
    return made


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("rows", [0, 1, 3, 70_000])
def test_numpy_reads_back_what_was_saved(tmp_path, compress, rows):
    save(events(rows), tmp_path / "a.npz", compress=compress)
    with np.load(tmp_path / "a.npz") as archive:
        assert archive.files == ["data"]
        assert archive["data"].dtype == EVENT_DTYPE
        assert archive["data"].tobytes() == events(rows).tobytes()
    assert load(tmp_path / "a.npz").tobytes() == events(rows).tobytes()
    assert zipfile.ZipFile(tmp_path / "a.npz").testzip() is None


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(0, 10**12))
def test_header_puts_the_data_at_a_multiple_of_64(rows):
    from data_convert.files.writer import _header

    header = _header(rows)
    assert header[:8] == b"\x93NUMPY\x01\x00"
    assert len(header) % 64 == 0
    assert struct.unpack("<H", header[8:10])[0] == len(header) - 10
    assert header.endswith(b"\n")
    assert f"'shape': ({rows},)".encode() in header


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        save(events(100), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_hftbacktest_plays_the_file_to_its_end(tmp_path, compress):
    hftbacktest = pytest.importorskip("hftbacktest")
    save(events(9), tmp_path / "a.npz", compress=compress)
    asset = (
        hftbacktest.BacktestAsset()
        .data([str(tmp_path / "a.npz")])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.1)
        .lot_size(0.1)
    )
    backtest = hftbacktest.HashMapMarketDepthBacktest([asset])
    try:
        while backtest.elapse(500_000_000) == 0:
            pass
        depth = backtest.depth(0)
        assert (depth.best_bid_tick, depth.best_ask_tick) == (1001, 1002)
    finally:
        backtest.close()


def test_an_existing_file_is_not_written_over_unless_forced(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="--force"):
        save(events(1), path)
    assert path.read_bytes() == b"mine"
    save(events(1), path, force=True)
    assert len(load(path)) == 1
    assert os.listdir(tmp_path) == ["a.npz"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def interrupted():
        with whole_file(tmp_path / "a.npz", force=False) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_not_written_over(tmp_path):
    path = tmp_path / "a.npz"

    def raced():
        with whole_file(path, force=False) as file:
            path.write_bytes(b"other")
            file.write(b"mine")

    with pytest.raises(OutputError, match="exists"):
        raced()
    assert path.read_bytes() == b"other"
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize(
    ("name", "problem"), [("a.txt", "does not end in .npz"), ("no/a.npz", "directory does not exist")]
)
def test_a_wrong_place_is_named_with_a_remedy(tmp_path, name, problem):
    with pytest.raises(OutputError, match=problem):
        save(events(1), tmp_path / name)


def test_another_dtype_is_refused(tmp_path):
    with pytest.raises(TypeError, match="EVENT_DTYPE"):
        save(np.zeros(3), tmp_path / "a.npz")


def test_files_that_are_no_event_file_are_named(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "kind.npz", data=np.zeros(3))
    (tmp_path / "junk.npz").write_bytes(b"junk")
    for name, problem in (
        ("other", "no member 'data'"),
        ("kind", "no event records"),
        ("junk", "no readable"),
        ("no", "not exist"),
    ):
        with pytest.raises(InputError, match=problem):
            load(tmp_path / f"{name}.npz")


def test_a_folder_that_becomes_read_only_is_a_sentence_and_no_traceback(tmp_path):
    """Nothing can be removed from it either; what was there stays. Root may write anywhere, so it is another user."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom data_convert.errors import OutputError\n"
        "from data_convert.files.writer import check_target, whole_file\n"
        "os.chdir(sys.argv[1])\nfolder = Path('ro')\n"  # from within: what lies above belongs to root alone
        "if os.getuid() == 0:\n    os.setuid(65534)\n"
        "folder.mkdir()\npath = folder / 'o.npz'\n"
        "for step in (lambda: write(path), lambda: check_target(path, False, '.npz')):\n"
        "    try:\n        step()\n    except OutputError as error:\n        print(error)\n"
    )
    code = code.replace(
        "for step", "def write(path):\n    with whole_file(path, False):\n        folder.chmod(0o555)\nfor step"
    )
    tmp_path.chmod(0o777)
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    (tmp_path / "ro").chmod(0o777)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert "o.npz: cannot be written (Permission denied)" in first
    assert "its directory cannot be written to" in second
