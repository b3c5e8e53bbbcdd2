"""kill -9 at random instants: the file stays readable, earlier bytes stay, and at most the last second is lost."""

import gzip
import io
import itertools
import os
import random
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from collector.examine import examine
from collector.members import whole_until
from collector.rotation import Day, file_name

FEEDER = Path(__file__).with_name("feeder.py")
NAME = file_name("x", Day(20_000))
LOST_NS = 1_000_000_000


def run_and_kill(directory: Path, seed: int, after_s: float) -> int:
    """Return the monotonic time of the kill."""
    with subprocess.Popen([sys.executable, str(FEEDER), str(directory), str(seed)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(after_s)
        finally:
            killed_ns = time.monotonic_ns()
            process.kill()
            process.wait()
    return killed_ns


def whole_text(data: bytes) -> bytes:
    return gzip.GzipFile(fileobj=io.BytesIO(data[: whole_until(data)])).read()


def check(directory: Path, seed: int, before: bytes, killed_ns: int) -> bytes:
    """Check what one killed run left behind; return the recording's whole text."""
    data = (directory / NAME).read_bytes()
    assert data.startswith(before[: whole_until(before)]), "earlier bytes were changed"
    text = whole_text(data)
    assert text.startswith(whole_text(before)), "earlier lines are gone"
    assert text == b"" or text.endswith(b"\n")
    recorded = [line for line in text.splitlines() if b'"seed":%d,' % seed in line]
    numbers = [int(line.split()[0]) for line in recorded]
    assert numbers == list(range(len(numbers))), "a hole, or another order"
    journal = [tuple(map(int, line.split())) for line in (directory / f"journal-{seed}").read_bytes().splitlines()]
    times = [*(at for _, at in journal), killed_ns]
    # of this machine, not of the writer
    stalled_ns = max((later - earlier for earlier, later in itertools.pairwise(times)), default=0)
    due = [n for n, at in journal if at < killed_ns - LOST_NS - stalled_ns]
    assert len(numbers) >= len(due), "more than the last second was lost"
    wrong = [fault for fault in examine(directory / NAME).faults if "manifest" in fault]
    assert not wrong, "a manifest that says otherwise than its file"
    return text


def kill_often(directory: Path, times: int, longest_s: float, draw: int = 0) -> None:
    rng = random.Random(draw)
    before = b""
    for seed in range(times):
        killed_ns = run_and_kill(directory, seed, rng.uniform(0.0, longest_s))
        text = check(directory, seed, before, killed_ns)
        before = (directory / NAME).read_bytes()
        reader = subprocess.run(["zcat", str(directory / NAME)], capture_output=True, check=False)
        assert reader.stdout.startswith(text), "zcat can't read what is whole"
    assert not [name for name in os.listdir(directory) if "damaged" in name]


def test_killed_writer_leaves_a_readable_file_and_loses_a_second_at_most(tmp_path: Path) -> None:
    directories = [tmp_path / name for name in "abc"]
    for directory in directories:
        directory.mkdir()
    with ThreadPoolExecutor(len(directories)) as lanes:  # the runs mostly sleep
        done = [lanes.submit(kill_often, directory, 7, 1.3, draw) for draw, directory in enumerate(directories)]
    for each in done:
        each.result()


@pytest.mark.soak
def test_writer_killed_two_hundred_times_loses_a_second_at_most_each_time(tmp_path: Path) -> None:
    kill_often(tmp_path, 200, 2.5)


def test_lines_of_a_member_cut_by_the_kill_come_back_at_the_next_start(tmp_path: Path) -> None:
    """A torn write, which a kill leaves only when it hits inside the system call, made by hand."""
    run_and_kill(tmp_path, 1, 1.2)
    data = (tmp_path / NAME).read_bytes()
    start = 0
    members = []
    while start < len(data):
        inflater = zlib.decompressobj(31)
        inflater.decompress(data[start:])
        members.append(start)
        start = len(data) - len(inflater.unused_data)
    cut = members[-1] + (len(data) - members[-1]) // 2
    (tmp_path / NAME).write_bytes(data[:cut])
    kept = whole_text(data[: members[-1]])
    run_and_kill(tmp_path, 2, 0.0)
    text = whole_text((tmp_path / NAME).read_bytes())
    assert text.startswith(kept)
    assert whole_text(data).startswith(b"".join(line for line in text.splitlines(True) if b'"seed":1,' in line))
