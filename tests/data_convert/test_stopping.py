"""A batch that is stopped, killed or left alone: it ends at once, says what is done, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from convert_feed import record
from data_convert.files.leftovers import partial_file, remove_leftovers
from data_convert.files.writer import whole_file

FEED = ["update", "snapshot", *["update"] * 400]
DAYS = 6
DASK_SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
DASK_SCHEDULER += ["--no-dashboard"]
DASK_WORKER = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]


def children_of(pid):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def partials(folder):
    return list(Path(folder).rglob("*.partial"))


@pytest.fixture
def days(tmp_path):
    """Days of which the first is short and the others take several seconds."""
    root = tmp_path / "in"
    root.mkdir()
    text = record(FEED, 5)[0].encode()
    (root / "aaa_20240801.gz").write_bytes(gzip.compress(text))
    member = gzip.compress(text * 20, 1)
    for day in range(2, DAYS + 1):
        (root / f"aaa_2024080{day}.gz").write_bytes(member * 200)
    return root


@pytest.fixture
def batch(days, tmp_path):
    running = []

    def start(*options):
        command = [sys.executable, "-m", "data_convert", "batch", str(days), str(tmp_path / "out"), "--workers", "2"]
        child = subprocess.Popen(
            [*command, "--no-carry", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        running.append(child)
        return child

    yield start
    for child in running:
        for pid in [*children_of(child.pid), child.pid]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        child.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_batch_says_what_is_done_and_leaves_no_process_and_no_partial_file(batch, tmp_path, number, code):
    child = batch()
    until((tmp_path / "out" / "aaa_20240801.npz").exists)
    first = child.stderr.readline()
    assert "1/6 aaa_20240801" in first
    workers = children_of(child.pid)
    assert len(workers) >= 2
    if number == signal.SIGINT:
        os.killpg(child.pid, number)  # a terminal sends it to all
    else:
        child.send_signal(number)
    out, err = child.communicate(timeout=20)
    assert child.returncode == code, err
    assert err.splitlines()[-1].startswith("stopped by")
    assert "1 of 6 days written, 0 failed, 5 left" in err.splitlines()[-1]
    assert "Traceback" not in out + err
    until(lambda: not any(map(alive, workers)), 5)
    assert partials(tmp_path) == []


def test_workers_end_when_their_parent_is_killed_and_the_next_start_clears_up(batch, tmp_path):
    child = batch()
    until((tmp_path / "out" / "aaa_20240801.npz").exists)
    child.stderr.readline()
    workers = children_of(child.pid)
    assert len(workers) >= 2
    os.kill(workers[-1], signal.SIGSTOP)  # and one that cannot clear up itself
    os.kill(workers[-1], signal.SIGKILL)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    until(lambda: not any(map(alive, workers)), 10)
    (tmp_path / "out" / ".aaa_20240802.npz.12345.partial").write_bytes(b"left by an older version")
    again = batch()
    assert "removed" in again.stderr.readline()
    assert not [path for path in partials(tmp_path) if "12345" in path.name]


def test_a_file_under_way_is_no_leftover_and_a_dead_writers_is(tmp_path):
    target = tmp_path / "a.npz"
    with whole_file(target, False) as file:
        file.write(b"x")
        assert len(partials(tmp_path)) == 1
        assert remove_leftovers(tmp_path) == []
        with partial_file(target):
            assert len(partials(tmp_path)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    code = "import os,sys;from pathlib import Path;from data_convert.files.leftovers import partial_file\n"
    code += "with partial_file(Path(sys.argv[1])): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, str(target)]).returncode == 9
    assert len(partials(tmp_path)) == 1
    with whole_file(target, True):
        assert len(partials(tmp_path)) == 1
    assert partials(tmp_path) == []


def test_a_scheduler_that_dies_is_said_in_words_with_what_is_left(batch, tmp_path):
    pytest.importorskip("distributed", reason="the extra data-convert[dask] is not installed")
    port_file = tmp_path / "scheduler.json"
    scheduler = subprocess.Popen(
        [*DASK_SCHEDULER, "--scheduler-file", str(port_file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    worker = None
    try:
        until(port_file.exists)
        until(lambda: port_file.read_text().endswith("}"))
        address = json.loads(port_file.read_text())["address"]
        worker = subprocess.Popen(
            [*DASK_WORKER, address, "--local-directory", str(tmp_path / "scratch")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        child = batch("--cluster", address)
        until((tmp_path / "out" / "aaa_20240801.npz").exists)
        assert "1/6" in child.stderr.readline()
        scheduler.kill()
        _, err = child.communicate(timeout=60)
        assert child.returncode == 1
        assert f"the Dask scheduler at {address} is gone" in err
        assert "1 of 6 days written, 0 failed, 5 left" in err
        assert "Traceback" not in err
    finally:
        for process in (scheduler, worker):
            if process is not None:
                process.kill()
                process.wait()
