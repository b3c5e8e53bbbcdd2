"""Clocks as values that are handed in: the machine's, and one that a test moves by hand."""

import time
from typing import Protocol

from marketlink.times import MonoNs, WallNs


class Clock(Protocol):
    """Two clocks: one that says when, one that measures how long."""

    def wall_ns(self) -> WallNs:
        """Nanoseconds since the epoch; may step."""

    def mono_ns(self) -> MonoNs:
        """Nanoseconds since some start; never goes back."""


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> WallNs:
        """Nanoseconds since the epoch; may step."""
        return WallNs(time.time_ns())

    def mono_ns(self) -> MonoNs:
        """Nanoseconds since some start; never goes back."""
        return MonoNs(time.monotonic_ns())


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000, mono_ns: int = 0) -> None:
        self._wall_ns, self._mono_ns = WallNs(wall_ns), MonoNs(mono_ns)

    def wall_ns(self) -> WallNs:
        """Nanoseconds since the epoch."""
        return self._wall_ns

    def mono_ns(self) -> MonoNs:
        """Nanoseconds since the start."""
        return self._mono_ns

    def advance(self, by_ns: int) -> None:
        """Let `by_ns` nanoseconds pass on both. Raises ValueError when negative."""
        if by_ns < 0:
            raise ValueError(f"time does not go back: {by_ns}")
        self._wall_ns = WallNs(self._wall_ns + by_ns)
        self._mono_ns = MonoNs(self._mono_ns + by_ns)

    def step_wall(self, by_ns: int) -> None:
        """Set the wall clock forward or back, as a time server would."""
        self._wall_ns = WallNs(self._wall_ns + by_ns)
