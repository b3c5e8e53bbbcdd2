"""The values between a snapshot policy and the rows: units to emit, gaps found, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from data_convert.events import Ints
from data_convert.messages.columns import Messages

ANCHOR_NS: Final = 10_000_000_000
"""Updates received so shortly before the snapshot that contains them are no loss."""
_INTS: Final = 5  # integers a unit, in the order of Units' columns


class Action(IntEnum):
    """What a unit emits of its message."""

    ROWS = 0
    """The message's rows as they are."""
    CLEAR = 1
    """One clear of both sides, no rows."""
    REPLACE = 2
    """One clear of both sides, then the rows."""
    REPLACE_TO_FAR_EDGE = 3
    """Each side cleared out to its last level, then that side's rows."""
    MERGE = 4
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


@dataclass(frozen=True, slots=True)
class Units:
    """Units in columns, in the order in which they are emitted; `rows` are those of the few that name some."""

    action: Ints
    message: Ints
    exch_ns: Ints
    local_ns: Ints
    slot: Ints
    rows: dict[int, tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.message)

    def __iter__(self) -> Iterator[Unit]:
        times = zip(self.exch_ns.tolist(), self.local_ns.tolist(), self.slot.tolist(), strict=True)
        units = zip(self.action.tolist(), self.message.tolist(), times, strict=True)
        for i, (action, message, (exch_ns, local_ns, slot)) in enumerate(units):
            yield Unit(Action(action), message, exch_ns, local_ns, slot, self.rows.get(i, ()))

    @classmethod
    def of(cls, units: Iterable[Unit]) -> Units:
        """Return single units in columns."""
        made = UnitsBuilder()
        made.add(units)
        return made.build()

    def sorted(self) -> Units:
        """Return the units by slot, those of one slot as they stand."""
        if bool(np.all(self.slot[1:] >= self.slot[:-1])):
            return self
        order = np.argsort(self.slot, kind="stable")
        moved = np.empty(len(order), np.int64)
        moved[order] = np.arange(len(order))
        return Units(
            self.action[order],
            self.message[order],
            self.exch_ns[order],
            self.local_ns[order],
            self.slot[order],
            {int(moved[i]): rows for i, rows in self.rows.items()},
        )


class UnitsBuilder:
    """Growing columns of units: single ones, and runs of messages that are emitted as they are."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, ...]] = []
        self._single: list[tuple[int, int, int, int, int]] = []
        self._rows: dict[int, tuple[int, ...]] = {}
        self._before = 0  # units in the parts

    def add(self, units: Iterable[Unit]) -> None:
        """Append single units."""
        for unit in units:
            if unit.rows:
                self._rows[self._before + len(self._single)] = unit.rows
            self._single.append((unit.action, unit.message, unit.exch_ns, unit.local_ns, unit.slot))

    def add_messages(self, message: Ints, exch_ns: Ints, local_ns: Ints) -> None:
        """Append messages that are emitted as they are, where they stand."""
        self._close()
        self._parts.append((np.zeros(len(message), np.int64), message, exch_ns, local_ns, message))
        self._before += len(message)

    def _close(self) -> None:
        if self._single:
            self._parts.append(tuple(np.array(self._single, np.int64).T))
            self._before += len(self._single)
            self._single = []

    def build(self) -> Units:
        """Freeze the units."""
        self._close()
        none = (np.empty(0, np.int64),) * _INTS
        action, message, exch_ns, local_ns, slot = (
            np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)
            for parts in zip(*(self._parts or [none]), strict=True)
        )
        return Units(action, message, exch_ns, local_ns, slot, self._rows)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of which the recording does not know the book.

    From the last message that was still right (`after_*`) to the one that showed the hole (`found_*`) and the one
    that ended it (`until_*`, None: nothing did). Ids are -1 in link recordings, which have no chain. `emitted`: the book was
    not cleared, and what came over the hole stands in it.
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
    emitted: bool = False

    @property
    def length_ns(self) -> int | None:
        """How long the book was unknown by the local clock; None when nothing ended it."""
        return None if self.until_local_ns is None else self.until_local_ns - self.after_local_ns


@dataclass(slots=True)
class Plan:
    """What a policy decided; `lost` are the updates that were left out because no snapshot joins them."""

    units: Units
    gaps: tuple[Gap, ...]
    counts: Counter[str]
    warnings: list[str] = field(default_factory=list)
    lost: Ints = field(default_factory=lambda: np.empty(0, np.int64))


class Decided:
    """What one who puts depth messages in order found: counts, gaps, warnings, and updates that no snapshot joins (`lost`)."""

    def __init__(self, messages: Messages, keep_unanchored: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.gaps: list[Gap] = []
        self.warnings: list[str] = []
        self.lost: list[int] = []
        self._messages, self._keep = messages, keep_unanchored
        self._open: list[Gap] = []  # gaps that no snapshot has ended yet
