"""Hundreds of kills: of processes that are just starting, and of recorders that are recording.

SOAK_STARTING (300) and SOAK_RECORDING (500) say how many.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.pairing.recording import whole_lines, whole_lines_of
from tests.rig import ROOT, Rig
from tests.system.books import START_S, Follower, assert_true

STARTING = int(os.environ.get("SOAK_STARTING", "300"))
RECORDING = int(os.environ.get("SOAK_RECORDING", "500"))
SYMBOL = "btcusdt"
WINDOW_S = 0.08
"""Services are made within this time of a start."""
OPENS_S = 30.0
LOST_S = 1.0
LANES = ("ipc", "ipc-two", "direct")
PER_FOLDER = 20
"""So many recorders go on with one day's file: it is read whole at every look."""
EVERY = 10
"""Every so many starts one is left alone, and has to come onto the link."""


class Opener:
    """One process that waits before it opens the link."""

    def __init__(self, rig: Rig, role: str, name: str) -> None:
        self.role = role
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.opener", role, name],
            cwd=ROOT,
            env=rig.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        rig.processes[f"opener-{self.process.pid}"] = self.process  # type: ignore[assignment]

    def go(self) -> None:
        """Wait until it is ready, and let it open the link."""
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        assert self.process.stdout.readline() == "ready\n", self.end()
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        """Let it finish; returns what it complained of, empty when it was on the link."""
        try:
            out, err = self.process.communicate(timeout=OPENS_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(2)
            self.process.kill()
            where = self.process.communicate()[1]
            return f"{self.role}: not on the link within {OPENS_S:g} s: {where[-1500:]}"
        return "" if self.process.returncode == 0 and "opened" in out else f"{self.role}: {err[-600:]}"


@pytest.mark.soak
@pytest.mark.timeout(300 + 30 * STARTING)
def test_no_kill_of_a_starting_process_blocks_the_name() -> None:
    draw = random.Random(300)
    blocked: list[str] = []
    killed = 0
    with Rig() as rig:
        # The next ones get ready, which costs most of a second, while this one is killed.
        waiting = [Opener(rig, draw.choice(("connector", "bot")), "bf") for _ in range(3)]
        for number in range(1, STARTING + 1):
            waiting.append(Opener(rig, draw.choice(("connector", "bot")), "bf"))
            opener = waiting.pop(0)
            opener.go()
            if number % EVERY:
                time.sleep(draw.uniform(0, WINDOW_S))
                opener.kill()
                killed += 1
            elif problem := opener.end():
                blocked.append(f"after {number} starts: {problem}")
                break
        for opener in waiting:
            opener.kill()
        print(f"{killed} killed within {WINDOW_S * 1000:.0f} ms of their start")
        assert not blocked, blocked
        rig.exchange("--market", "synthetic", "--symbols", SYMBOL, "--rate", "100", "--levels", "6", "--seed", "8")
        rig.connector()
        with Follower(rig, [SYMBOL]) as follower:
            rig.until(follower.synced, START_S, "a bot to be in sync where all the others were killed")
            assert_true(rig, follower)
        assert rig.end("connector") == 0


@pytest.mark.soak
@pytest.mark.timeout(600 + 60 * RECORDING)
def test_killed_recorders_lose_a_second_at_most_and_come_back(tmp_path: Path) -> None:
    with Rig() as rig:
        rig.exchange(
            "--market",
            "synthetic",
            "--symbols",
            SYMBOL,
            "--rate",
            "200",
            "--levels",
            "6",
            "--seed",
            "9",
            "--connection-limit",
            "0",
        )
        rig.connector()
        with Follower(rig, [SYMBOL]) as follower:
            rig.until(follower.synced, START_S, "the bot to be in sync")
            share = -(-RECORDING // len(LANES))
            stop = threading.Event()
            with ThreadPoolExecutor(len(LANES)) as pool:
                lanes = [pool.submit(kill_often, rig, tmp_path / lane, lane, share, stop) for lane in LANES]
                try:
                    problems = [problem for lane in lanes for problem in lane.result()]
                finally:
                    stop.set()
            assert rig.processes["connector"].poll() is None, rig.log("connector")
            assert not problems, f"{len(problems)} of {RECORDING}: {problems[:5]}"
            assert follower.lost_samples == 0, "recorders that die cost a living bot its samples"
            assert_true(rig, follower)
        assert rig.end("connector") == 0


def kill_often(rig: Rig, base: Path, lane: str, times: int, stop: threading.Event) -> list[str]:
    """Start a recorder, kill it while it records, look at what it left; as often as said, or until something is wrong."""
    draw = random.Random(lane)
    problems: list[str] = []
    for number in range(times):
        if stop.is_set() or problems:
            break
        label, folder = f"{lane}-{number}", base / str(number // PER_FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        before = {path.name: path.read_bytes() for path in folder.glob("*.gz")}
        if lane == "direct":
            process = rig.direct_collector(folder, [SYMBOL], label=label)
        else:
            process = rig.link_collector(folder, [SYMBOL], label=label)
        began_ns = time.time_ns()
        begun = deaf_until = time.monotonic() + 120
        while time.monotonic() < deaf_until and process.poll() is None and not stop.is_set():
            if newest(folder) > began_ns:
                begun = time.monotonic()
                break
            time.sleep(0.1)
        else:
            problems.append(f"{label}: nothing recorded in 120 s, exit code {process.poll()}: {rig.log(label, 5)}")
            break
        kill_s, stalled_s, last_s = begun + draw.uniform(0.0, 2.5), 0.0, time.monotonic()
        chain = [rig.processes["exchange"].pid, rig.processes["connector"].pid, process.pid]
        waits = deque([in_line_s(chain)], maxlen=round(2 * LOST_S / 0.02))
        while (now := time.monotonic()) < kill_s:
            stalled_s, last_s = max(stalled_s, now - last_s - 0.02), now
            time.sleep(0.02)
            waits.append(in_line_s(chain))
        stalled_s = max(stalled_s, waits[-1] - waits[0])
        killed_ns = time.time_ns()
        process.send_signal(signal.SIGKILL)
        process.wait()
        problems += [f"{label}: {problem}" for problem in left_behind(folder, before, killed_ns, stalled_s)]
    return problems


def in_line_s(pids: list[int]) -> float:
    """How long the threads of these processes have stood in line for a processor, all together."""
    total_ns = 0
    for file in (file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat")):
        with contextlib.suppress(OSError):
            total_ns += int(file.read_text().split()[1])
    return total_ns / 1e9


def newest(folder: Path) -> int:
    """The stamp of the last whole market data line, ns; 0 without any."""
    stamp = 0
    for path in sorted(folder.glob("*.gz")):
        for line in whole_lines(path):
            if b'"e":"gap"' not in line[:60]:
                stamp = int(line.split(b" ", 1)[0])
    return stamp


def left_behind(folder: Path, before: dict[str, bytes], killed_ns: int, stalled_s: float) -> list[str]:
    """What is wrong with what a killed recorder left."""
    problems = []
    for name, data in before.items():
        now = (folder / name).read_bytes()
        whole = b"".join(line + b"\n" for line in whole_lines_of(data))
        if not b"".join(line + b"\n" for line in whole_lines(folder / name)).startswith(whole):
            problems.append(f"{name}: lines of an earlier run are gone ({len(data)} bytes before, {len(now)} now)")
    lost_s = (killed_ns - newest(folder)) / 1e9
    # A machine that stands still is none of the recorder's doing.
    if lost_s > LOST_S + stalled_s + 0.2:
        problems.append(
            f"{lost_s:.2f} s before the kill are lost, with the machine standing still for {stalled_s:.2f} s"
        )
    return problems
