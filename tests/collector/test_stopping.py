import signal

import pytest
from collector import stopping
from collector.stopping import Stop


def test_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    codes: list[int] = []
    monkeypatch.setattr(stopping.os, "_exit", codes.append)
    stop = Stop()
    stop.on_signal(signal.SIGINT)
    assert (stop.is_asked, stop.reason, codes) == (True, "SIGINT", [])
    stop.on_signal(signal.SIGTERM)
    assert codes == [1]
    assert "SIGTERM again" in capfd.readouterr().err


def test_first_signal_after_another_reason_is_not_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping.os, "_exit", lambda code: pytest.fail("left at once"))
    stop = Stop()
    stop.ask("duration")
    stop.on_signal(signal.SIGINT)
    assert stop.reason == "duration"


def test_first_reason_to_stop_is_kept() -> None:
    stop = Stop()
    stop.ask("duration")
    stop.ask("SIGTERM")
    assert stop.reason == "duration"


def test_who_comes_late_is_woken_at_once() -> None:
    stop, woken = Stop(), []
    stop.ask("duration")
    stop.on_asked(lambda: woken.append(1))
    assert woken == [1]
