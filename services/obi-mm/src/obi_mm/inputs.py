"""Whether event rows can be backtested: two clocks that never go back, prices and quantities that are such, files that follow each other.

Rows are looked at array after array, so that a file need not be in memory; each clock goes on where it stood. What an exchange cannot
have sent is an error that says which row, and how many there are. One thing is put right and counted: where a file begins up to
`SEAM_NS` before the one in front of it ends, as days cut at midnight do (their rows are on the way then), its first rows
are taken to have come at that end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from marketlink.events import DEPTH, DEPTH_SNAPSHOT, EXCH, LOCAL, TRADE, Events
from numpy.typing import NDArray

from obi_mm._jit import jit, jitable
from obi_mm.errors import DataError
from obi_mm.layout import Real, Whole

SEAM_NS: Final = 5_000_000_000
MOST_TICKS: Final = float(1 << 31)
"""A price of more ticks is none: the engine would walk from it to the next level, tick by tick, for hours."""
MOST_LOTS: Final = float(1 << 53)
FIRST_NS: Final = 946_684_800_000_000_000  # 2000
LAST_NS: Final = 4_102_444_800_000_000_000  # 2100

EXCH_BACK, LOCAL_BACK, EXCH_TIME, LOCAL_TIME, PRICE, QTY = range(6)
_FAULTS: Final = 6
_COUNT, _ROW, _BEFORE = range(3)
Flags = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Repair:
    """Rows of a file that were taken to be later than they say: how many, and by how much at most."""

    path: str
    rows: int
    most_ns: int

    def words(self) -> str:
        """Say it in one line."""
        return (
            f"{self.path}: {self.rows:,} rows are up to {self.most_ns / 1e6:,.3f} ms older than the end of the file in front of it; "
            "they are taken to have come then"
        )


@jitable
def _late(time_ns: int, flags: int, flag: int, clocks: Whole, clock: int, row: int, faults: Whole) -> None:
    """Look at one clock of a row; `faults` are those of a clock that goes back, two rows on those of a time that is none."""
    if flags & flag == 0:
        return
    if not FIRST_NS <= time_ns < LAST_NS:
        if faults[EXCH_TIME + clock, _COUNT] == 0:
            faults[EXCH_TIME + clock, _ROW] = row
        faults[EXCH_TIME + clock, _COUNT] += 1
        return
    if time_ns < clocks[clock]:
        if faults[clock, _COUNT] == 0:
            faults[clock, _ROW], faults[clock, _BEFORE] = row, clocks[clock]
        faults[clock, _COUNT] += 1
        return
    clocks[clock] = time_ns


@jit
def look_over(
    ev: Flags,
    exch: Whole,
    local: Whole,
    px: Real,
    qty: Real,
    tick_size: float,
    lot_size: float,
    first_row: int,
    clocks: Whole,
    faults: Whole,
) -> None:
    """Count what is wrong with rows, by kind, with the first row of each; `clocks` are the last times of both clocks."""
    for at in range(len(ev)):
        _late(exch[at], ev[at], EXCH, clocks, 0, first_row + at, faults)
        _late(local[at], ev[at], LOCAL, clocks, 1, first_row + at, faults)
        kind = ev[at] & 0xFF
        if kind != DEPTH and kind != DEPTH_SNAPSHOT and kind != TRADE:
            continue
        if not (px[at] > 0.0 and px[at] / tick_size <= MOST_TICKS):
            if faults[PRICE, _COUNT] == 0:
                faults[PRICE, _ROW] = first_row + at
            faults[PRICE, _COUNT] += 1
        if not (qty[at] >= 0.0 and qty[at] / lot_size <= MOST_LOTS):
            if faults[QTY, _COUNT] == 0:
                faults[QTY, _ROW] = first_row + at
            faults[QTY, _COUNT] += 1


class Inputs:
    """Looks over the rows of a run's files, in order; `repairs` is what was put right."""

    def __init__(self, tick_size: float, lot_size: float) -> None:
        self.repairs: list[Repair] = []
        self._sizes = (tick_size, lot_size)
        self._clocks: Whole = np.zeros(2, np.int64)
        self._floors: Whole = np.zeros(2, np.int64)
        self._path, self._row = "", 0
        self._moved, self._most_ns = 0, 0

    @property
    def floors(self) -> tuple[int, int]:
        """Before which times of the exchange's and the local clock no row of this file may be: the end of the one before."""
        return int(self._floors[0]), int(self._floors[1])

    def begin(self, path: str | Path) -> None:
        """Begin the next file."""
        self._path, self._row = str(path), 0
        self._floors = self._clocks.copy()
        self._moved, self._most_ns = 0, 0

    def take(self, events: Events) -> Events:
        """Look over the file's next rows; returns them, or a copy with its first rows at the end of the file before. Raises DataError."""
        events = self._at_the_seam(events)
        faults: Whole = np.zeros((_FAULTS, 3), np.int64)
        columns = (events["ev"], events["exch_ts"], events["local_ts"], events["px"], events["qty"])
        look_over(*columns, *self._sizes, self._row, self._clocks, faults)
        if faults[:, _COUNT].any():
            raise DataError(self._path, self._words(events, faults))
        self._row += len(events)
        return events

    def end(self) -> None:
        """End the file. Raises DataError where it brought nothing later than the one before."""
        if self._moved and (self._clocks <= self._floors).all():
            raise DataError(self._path, "holds nothing later than the file in front of it: is it one day twice?")
        if self._moved:
            self.repairs.append(Repair(self._path, self._moved, self._most_ns))

    def _at_the_seam(self, events: Events) -> Events:
        """Raise the times of a file's first rows to the end of the file before; raises DataError where they are too old for that."""
        for flag, name, floor in _clocks(self.floors):
            early = events[name][((events["ev"] & flag) != 0) & (events[name] < floor)]
            if not len(early):
                continue
            most_ns = floor - int(early.min())
            if most_ns > SEAM_NS:
                what = "exchange" if flag == EXCH else "local"
                raise DataError(
                    self._path,
                    f"overlaps the file in front of it by {most_ns / 1e9:,.1f} s on the {what} clock: is it one day twice? "
                    "Name files in order of time, each time once",
                )
            self._moved += len(early)
            self._most_ns = max(self._most_ns, most_ns)
        return raised(events, self.floors)

    def _words(self, events: Events, faults: Whole) -> str:
        kind = int(min(np.flatnonzero(faults[:, _COUNT]), key=lambda one: faults[one, _ROW]))
        count, row, before = faults[kind].tolist()
        found = events[row - self._row]
        more = f" ({count - 1:,} more in this part of the file)" if count > 1 else ""
        tick_size, lot_size = self._sizes
        match kind:
            case 0 | 1:
                what, name = ("exchange", "exch_ts") if kind == EXCH_BACK else ("local", "local_ts")
                back_ns = before - int(found[name])
                return (
                    f"row {row:,}: the {what} clock goes back by {back_ns / 1e6:,.6g} ms{more}; rows must be in the order of each "
                    "clock: convert the recording again"
                )
            case 2 | 3:
                what, name = ("exchange", "exch_ts") if kind == EXCH_TIME else ("local", "local_ts")
                return f"row {row:,}: {what} time {int(found[name])} is no time in ns between 2000 and 2100{more}"
            case 4:
                return f"row {row:,}: {float(found['px']):.6g} is no price for ticks of {tick_size:.12g}{more}"
            case _:
                return f"row {row:,}: {float(found['qty']):.6g} is no quantity for lots of {lot_size:.12g}{more}"


def raised(events: Events, floors: tuple[int, int]) -> Events:
    """Return rows none of which is before the floors of the two clocks; the very array where none was."""
    for flag, name, floor in _clocks(floors):
        early = ((events["ev"] & flag) != 0) & (events[name] < floor)
        if early.any():
            events = events.copy()
            events[name][early] = floor
    return events


def _clocks(floors: tuple[int, int]) -> tuple[tuple[int, str, int], ...]:
    return (EXCH, "exch_ts", floors[0]), (LOCAL, "local_ts", floors[1])


def check_values(events: Events, tick_size: float, lot_size: float, path: str | Path) -> None:
    """Raise DataError for a price or quantity that is none, whatever the times: those of a snapshot may be 0."""
    inputs = Inputs(tick_size, lot_size)
    inputs.begin(path)
    timeless = events.copy()
    timeless["ev"] &= ~np.uint64(EXCH | LOCAL)
    inputs.take(timeless)


def check_names(paths: Sequence[str | Path]) -> None:
    """Raise DataError where one file is named twice, whatever the names."""
    seen: set[Path] = set()
    for path in paths:
        whole = Path(path).resolve()
        if whole in seen:
            raise DataError(path, "is named twice: a run would live through that day twice")
        seen.add(whole)
