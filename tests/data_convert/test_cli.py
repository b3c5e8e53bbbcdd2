"""The command: files, exit codes, what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import data_convert
import pytest
from convert_feed import record


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "testusdt_20231114.gz"
    path.write_text(record(["update", "snapshot", "update", "trade", "update"], 5)[0])
    return path


def test_convert_validate_inspect_in_a_row(run, tmp_path, recording):
    out, page = tmp_path / "out.npz", tmp_path / "report.html"
    code, text, error = run("collector", recording, out, "--report", page, "--compress", "fast")
    assert (code, "out.npz" in error) == (0, True)
    assert "never crossed" in text
    assert page.read_text().startswith("<!doctype html>")
    assert data_convert.load(out).tobytes() == data_convert.convert_recording(recording).events.tobytes()
    code, text, _ = run("validate", out, "--json")
    assert (code, json.loads(text)["faults"]) == (0, [])
    code, text, _ = run("inspect", out, "-n", 2)
    assert code == 0
    assert "depth snapshot" in text
    code, text, _ = run("inspect", recording)
    assert "direct" in text
    code, _, error = run("collector", recording, out)
    assert (code, "--force" in error) == (1, True)
    assert sorted(os.listdir(tmp_path)) == ["out.npz", "report.html", recording.name]


def test_usage_errors_exit_with_2(run, recording):
    assert run("collector", recording)[0] == 2
    assert run("collector", recording, "out.txt")[0] == 2
    assert run("collector", recording, "o.npz", "--time", "Z")[0] == 2
    assert run("nothing")[0] == 2


def test_strict_exits_with_3_and_writes_nothing(run, tmp_path, recording):
    recording.write_text(recording.read_text() + "bad\n")
    code, _, error = run("collector", recording, tmp_path / "out.npz", "--strict")
    assert (code, f"{recording}:" in error) == (3, True)
    assert not (tmp_path / "out.npz").exists()


def test_validation_of_a_crossed_array_exits_with_4(run, tmp_path):
    import numpy as np

    events = np.zeros(2, data_convert.EVENT_DTYPE)
    events["ev"], events["px"], events["qty"] = [0xE0000001, 0xD0000001], [101.0, 100.0], 1.0
    data_convert.save(events, tmp_path / "a.npz")
    assert run("validate", tmp_path / "a.npz")[0] == 4


def test_a_directory_is_an_error_that_names_the_remedy(run, tmp_path):
    code, _, error = run("collector", tmp_path, tmp_path / "out.npz")
    assert code == 1
    assert "name the files in it" in error
    assert "Traceback" not in error


def test_help_imports_neither_numba_nor_numpy():
    program = (
        "import sys; sys.argv = ['data-convert', 'collector', '--help']\n"
        "from data_convert.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    assert not {'numba', 'numpy', 'rich'} & set(sys.modules), 'heavy imports'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--snapshots" in done.stdout


def test_every_public_name_is_there_and_no_other():
    for name in data_convert.__all__:
        assert getattr(data_convert, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = data_convert.nothing


def test_a_terminated_conversion_leaves_no_file(tmp_path):
    program = (
        "import os, signal, sys, data_convert.recordings.convert\n"
        "from data_convert.cli import main\n"
        "from data_convert.files import writer\n"
        "real = writer._deflate\n"
        "def stopped(compress):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return real(compress)\n"
        "writer._deflate = stopped\n"
        "sys.argv = ['data-convert', 'collector', *sys.argv[1:]]\n"
        "main()\n"
    )
    source = tmp_path / "in.gz"
    source.write_text(record(["update", "snapshot", "update"], 5)[0])
    out = tmp_path / "out.npz"
    done = subprocess.run(
        [sys.executable, "-c", program, str(source), str(out)], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert os.listdir(tmp_path) == ["in.gz"]
