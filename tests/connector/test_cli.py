"""The command as a process: words, exit codes, signals."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.rig import Rig

NOWHERE = {"ws": "ws://127.0.0.1:9", "rest": "http://127.0.0.1:9"}  # the discard port: nobody listens


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "connector", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as rig:
        rig.addresses = dict(NOWHERE)
        yield rig


def listening(rig: Rig, label: str) -> bool:
    return "can't be read" in rig.log(label)  # the instruments: it is past its start, and trying


def test_help_names_the_arguments_and_exit_codes() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("NAME", "CONNECTOR", "CONFIG", "stream_url", "Exit codes"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bf", "nasdaq", "x.toml"), "not known"),
        (("bf", "binancefutures", "/nowhere/x.toml"), "no such file"),
        (("bf",), "Missing argument"),
        (("a/b", "binancefutures", "x.toml"), "'/' at character 2"),
    ],
)
def test_wrong_words_end_with_2_and_a_sentence(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_second_connector_of_a_name_ends_with_3_and_the_first_goes_on(rig: Rig) -> None:
    first = rig.connector()
    rig.until(lambda: listening(rig, "connector"), 60, "the first connector to run")
    second = rig.connector(label="second")
    assert second.wait(60) == 3
    assert "already running" in rig.log("second")
    assert first.poll() is None
    assert rig.end("connector") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_cleanly_although_the_exchange_is_not_there(rig: Rig, number: signal.Signals) -> None:
    rig.connector()
    rig.until(lambda: listening(rig, "connector"), 60, "the connector to run")
    start = time.monotonic()
    assert rig.end("connector", number) == 0
    assert time.monotonic() - start < 5
    assert "Traceback" not in rig.log("connector", 200)


def test_name_of_a_killed_connector_is_free_again(rig: Rig) -> None:
    rig.connector()
    rig.until(lambda: listening(rig, "connector"), 60, "the connector to run")
    rig.end("connector", signal.SIGKILL)
    rig.connector(label="next")
    rig.until(lambda: listening(rig, "next"), 60, "the next connector to run")
    assert rig.end("next") == 0


def test_secret_is_in_no_log(rig: Rig) -> None:
    rig.environment |= {"CONNECTOR_API_KEY": "the-public-half", "CONNECTOR_SECRET": "the-secret-half"}
    rig.connector()
    rig.until(lambda: listening(rig, "connector"), 60, "the connector to run")
    assert rig.end("connector") == 0
    log = rig.log("connector", 500)
    assert "the-secret-half" not in log
    assert "the-public-half" not in log
