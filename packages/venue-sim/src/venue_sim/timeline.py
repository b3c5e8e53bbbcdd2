"""The market's clock: maps the time of the machine, given as an argument, to time since the market's beginning.

    WAITING --start--> RUNNING --pause--> PAUSED --resume--> RUNNING

Speed 0 means there is no clock: every frame is due at once, and the position is that of the last frame handed out.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What the market's clock is doing."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"


class Timeline:
    """A clock that can be started, paused, resumed and moved. All times are integer nanoseconds."""

    def __init__(self, speed: float) -> None:
        if speed < 0:
            raise ValueError(f"speed must not be negative: {speed}")
        self.speed = speed
        self.phase = Phase.WAITING
        self._anchor_wall_ns = 0
        self._anchor_ns = 0
        self._resume_when_started = True

    @property
    def unpaced(self) -> bool:
        """True when frames go as fast as clients read."""
        return self.speed == 0

    @property
    def started(self) -> bool:
        """True once `start` has been called."""
        return self.phase is not Phase.WAITING

    def start(self, wall_ns: int) -> None:
        """Begin at position 0; does nothing when already begun."""
        if self.phase is Phase.WAITING:
            self._anchor_wall_ns = wall_ns
            self.phase = Phase.RUNNING if self._resume_when_started else Phase.PAUSED

    def pause(self, wall_ns: int) -> None:
        """Stand still. Before the start it makes the market start paused."""
        self._resume_when_started = False
        if self.phase is Phase.RUNNING:
            self._anchor_ns = self.position_ns(wall_ns)
            self.phase = Phase.PAUSED

    def resume(self, wall_ns: int) -> None:
        """Go on from where the clock stood."""
        self._resume_when_started = True
        if self.phase is Phase.PAUSED:
            self._anchor_wall_ns = wall_ns
            self.phase = Phase.RUNNING

    def position_ns(self, wall_ns: int) -> int:
        """Nanoseconds of market time since the beginning."""
        if self.phase is not Phase.RUNNING or self.unpaced:
            return self._anchor_ns
        return self._anchor_ns + int((wall_ns - self._anchor_wall_ns) * self.speed)

    def due_by(self, wall_ns: int) -> int | None:
        """The latest due time that may go out now; None when unpaced (everything may)."""
        return None if self.unpaced else self.position_ns(wall_ns)

    def reached(self, position_ns: int, wall_ns: int) -> None:
        """Note that a frame due at `position_ns` went out: unpaced and paused clocks move there."""
        if self.unpaced or self.phase is Phase.PAUSED:
            self._anchor_ns = max(self._anchor_ns, position_ns)
            self._anchor_wall_ns = wall_ns

    def wait_s(self, due_ns: int, wall_ns: int) -> float:
        """Seconds of machine time until `due_ns`, 0 when it is already due."""
        if self.unpaced:
            return 0.0
        return max(0.0, (due_ns - self.position_ns(wall_ns)) / self.speed / 1e9)
