"""Two kinds of time that no one may mix: when something was, and how long something takes.

The wall clock says when: its values are stamps, in records, files and messages, and it may step either way. The monotonic
clock measures: every wait, deadline, age and back-off is on it. A type checker refuses one where the other is meant.
"""

from typing import Final, NamedTuple, NewType

WallNs = NewType("WallNs", int)
"""Nanoseconds since the epoch: a stamp, never a deadline."""

MonoNs = NewType("MonoNs", int)
"""Nanoseconds of a monotonic clock since some start: for waits and ages, never in a record."""

SECOND_NS: Final = 1_000_000_000


def after(now: MonoNs, wait_ns: int) -> MonoNs:
    """Return the moment `wait_ns` nanoseconds after `now`."""
    return MonoNs(now + wait_ns)


class Moment(NamedTuple):
    """One moment on both clocks."""

    mono: MonoNs
    wall: WallNs
