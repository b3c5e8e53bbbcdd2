"""Clocks."""

import pytest
from marketlink.run.clock import ManualClock, SystemClock


def test_a_manual_clock_moves_only_when_it_is_moved() -> None:
    clock = ManualClock(wall_ns=100, mono_ns=5)
    clock.advance(7)
    clock.step_wall(-50)
    assert (clock.wall_ns(), clock.mono_ns()) == (57, 12)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    stamps = [clock.mono_ns() for _ in range(1000)]
    assert stamps == sorted(stamps)
    assert clock.wall_ns() > 1_600_000_000_000_000_000
