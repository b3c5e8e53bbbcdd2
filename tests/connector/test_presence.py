"""Who runs under a name: the lock, the heartbeat, the last word."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from connector.presence import Presence, look
from connector.risk import Mode
from connector.sight import End
from connector.standing import WishFile, write_wish
from marketlink.errors import AlreadyRunning


def test_what_is_told_is_seen_and_only_while_the_holder_lives(tmp_path: Path) -> None:
    path = tmp_path / "bf.c"
    assert not look(path).alive
    held = Presence("bf", path)
    held.tell({"mode": "active"})
    held.beat(77)
    sight = look(path)
    assert (sight.alive, sight.beat_ns, sight.end) == (True, 77, End.NOT)
    assert sight.facts == {"pid": os.getpid(), "mode": "active"}
    held.tell({"mode": "halted"})
    assert (look(path).beat_ns, look(path).facts["mode"]) == (77, "halted")
    held.ends(End.CLEAN)
    held.close()
    assert (look(path).alive, look(path).end) == (False, End.CLEAN)


def test_a_second_holder_is_refused_and_the_next_one_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.presence._PATIENCE_S", 0.05)
    path = tmp_path / "bf.c"
    held = Presence("bf", path)
    with pytest.raises(AlreadyRunning):
        Presence("bf", path)
    first = look(path).who
    held.close()
    again = Presence("bf", path)
    assert look(path).who != first
    assert look(path).end is End.NOT
    again.close()


def test_facts_that_are_too_long_harm_nothing(tmp_path: Path) -> None:
    held = Presence("bf", tmp_path / "bf.c")
    held.tell({"why": "x" * 5000})
    assert look(tmp_path / "bf.c").facts == {}
    held.close()


def test_a_killed_holder_is_seen_to_be_dead_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bf.c"
    code = f"import sys,time; from connector.presence import Presence; p=Presence('bf',{str(path)!r}); print(1,flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert look(path).alive
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        end = time.monotonic() + 2
        while look(path).alive and time.monotonic() < end:
            time.sleep(0.005)
        assert (look(path).alive, look(path).end) == (False, End.NOT)


def test_a_wish_is_read_once_and_one_that_can_not_be_read_halts(tmp_path: Path) -> None:
    wishes = WishFile(tmp_path)
    assert wishes.changed() is None
    written = write_wish(tmp_path, Mode.REDUCING, "why")
    assert wishes.changed() == written
    assert wishes.changed() is None
    assert WishFile(tmp_path).changed() == written  # the next process
    (tmp_path / "trading.json").write_text("{")
    torn = wishes.changed()
    assert torn is not None
    assert torn.mode is Mode.HALTED
    assert "can't be read" in torn.why
