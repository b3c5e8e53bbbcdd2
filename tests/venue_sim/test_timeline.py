from __future__ import annotations

import pytest
from venue_sim.timeline import Phase, Timeline


def test_time_passes_at_the_asked_speed_and_stands_while_paused() -> None:
    line = Timeline(4.0)
    assert line.position_ns(999) == 0
    line.start(1000)
    assert line.position_ns(1100) == 400
    line.pause(1100)
    assert line.position_ns(9999) == 400
    line.resume(5000)
    assert line.position_ns(5010) == 440
    assert line.wait_s(840, 5010) == pytest.approx(100e-9)
    line.start(8000)
    assert line.position_ns(5010) == 440, "a second start changes nothing"


def test_a_clock_paused_before_the_start_starts_paused() -> None:
    line = Timeline(1.0)
    line.pause(0)
    line.start(100)
    assert (line.phase, line.position_ns(500)) == (Phase.PAUSED, 0)
    line.reached(70, 500)
    line.resume(600)
    assert line.position_ns(610) == 80


def test_an_unpaced_clock_is_where_the_last_frame_was() -> None:
    line = Timeline(0.0)
    line.start(0)
    assert (line.due_by(10), line.wait_s(10**12, 5)) == (None, 0.0)
    line.reached(123, 10)
    assert line.position_ns(99) == 123


def test_a_negative_speed_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Timeline(-1.0)
