"""The values between a snapshot policy and the rows: units to emit, gaps found, counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum, auto


class Action(Enum):
    """What a unit emits of its message."""

    ROWS = auto()
    """The message's rows as they are."""
    CLEAR = auto()
    """One clear of both sides, no rows."""
    REPLACE = auto()
    """One clear of both sides, then the rows."""
    REPLACE_TO_FAR_EDGE = auto()
    """Each side cleared out to its last level, then that side's rows."""
    MERGE = auto()
    """Those rows that `Unit.rows` names."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One message (or part of it) emitted at one time of each clock.

    `slot` is the message during which it was decided; it sorts units between trades.
    """

    action: Action
    message: int
    exch_ns: int
    local_ns: int
    slot: int
    rows: tuple[int, ...] = ()

    def at(self, exch_ns: int, local_ns: int, slot: int) -> Unit:
        """Return the same unit in another place."""
        return replace(self, exch_ns=exch_ns, local_ns=local_ns, slot=slot)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of which the recording does not know the book.

    From the last message that was still right (`after_*`) to the one that showed the hole (`found_*`) and the one
    that ended it (`until_*`, None: nothing did). Ids are -1 in link recordings, which have no chain.
    """

    reason: str
    after_id: int
    prev_id: int
    first_id: int
    last_id: int
    found_file: int
    found_line: int
    after_local_ns: int
    found_local_ns: int
    until_line: int | None = None
    until_local_ns: int | None = None

    @property
    def length_ns(self) -> int | None:
        """How long the book was unknown by the local clock; None when nothing ended it."""
        return None if self.until_local_ns is None else self.until_local_ns - self.after_local_ns


@dataclass(slots=True)
class Plan:
    """What a policy decided."""

    units: list[Unit]
    gaps: tuple[Gap, ...]
    counts: Counter[str]
    warnings: list[str] = field(default_factory=list)
