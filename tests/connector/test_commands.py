"""halt, resume and status as processes, beside a connector that finds no exchange."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as rig:
        rig.addresses = {"ws": "ws://127.0.0.1:9", "rest": "http://127.0.0.1:9"}  # nobody listens there
        yield rig


def ask(rig: Rig, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "connector", *words]
    return subprocess.run(
        command, cwd=ROOT, env=rig.environment, capture_output=True, text=True, timeout=60, check=False
    )


def start(rig: Rig, label: str = "connector", **settings: object) -> None:
    rig.connector(label=label, api_key="key", secret="secret", **settings)
    rig.until(lambda: "can't be read" in rig.log(label, 99), 120, "the connector to run")  # it may compile first


def test_a_halt_is_taken_outlives_a_kill_and_ends_by_resume(rig: Rig) -> None:
    start(rig, state_dir=str(rig.folder / "elsewhere"))  # the command finds it all the same
    done = ask(rig, "halt", "bf", "--why", "lunch")
    assert done.returncode == 0, done.stderr
    assert "halted (lunch)" in done.stdout
    assert "HALTED: lunch" in rig.log("connector", 99)
    rig.end("connector", signal.SIGKILL)
    start(rig, "again", state_dir=str(rig.folder / "elsewhere"))
    assert "HALTED: lunch since before this start" in rig.log("again", 99)
    assert "halted (lunch" in ask(rig, "status", "bf").stdout
    assert "reducing" in ask(rig, "halt", "bf", "--reducing").stdout
    done = ask(rig, "resume", "bf")
    assert (done.returncode, "active" in done.stdout) == (0, True)
    assert rig.end("again") == 0


def test_where_no_connector_runs_it_is_said_and_kept_for_the_next_one(rig: Rig) -> None:
    for words in (("halt", "bf"), ("resume", "bf"), ("status", "bf"), ("halt", "bf")):
        done = ask(rig, *words)
        assert done.returncode == 1
        assert "no connector named 'bf' is running" in done.stderr
    start(rig)
    assert "HALTED" in rig.log("connector", 99)


def test_a_connector_that_does_not_move_is_told(rig: Rig) -> None:
    start(rig)
    os.kill(rig.processes["connector"].pid, signal.SIGSTOP)
    done = ask(rig, "halt", "bf", "--wait-s", "0.5")
    assert done.returncode == 1
    assert "no answer in 0.5 s" in done.stderr
    os.kill(rig.processes["connector"].pid, signal.SIGCONT)
    rig.until(lambda: "HALTED" in rig.log("connector", 99), 10, "the halt")


@pytest.mark.parametrize("word", ["halt", "resume", "watchdog", "doctor", "status", "book"])
def test_reserved_words_are_no_names(rig: Rig, word: str) -> None:
    done = ask(rig, word, "binancefutures", "/nowhere/x.toml", "x")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
