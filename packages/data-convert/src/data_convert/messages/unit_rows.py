"""The rows that a plan's units emit, in columns, with both times once a unit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert.arrays.units import UnitRows
from data_convert.events import BUY, DEPTH_CLEAR, SELL, Ints
from data_convert.messages.columns import Messages
from data_convert.messages.plan import Action, Plan, Unit


def build_rows(messages: Messages, plan: Plan) -> UnitRows:
    """Build the rows of a plan, of those units that have any."""
    units = plan.units
    begin, end = messages.begin[units.message], messages.end[units.message]
    rows = _Special(messages)
    special = np.flatnonzero(units.action != Action.ROWS)
    for number in special.tolist():
        action, message = Action(int(units.action[number])), int(units.message[number])
        unit = Unit(action, message, 0, 0, 0, units.rows.get(number, ()))
        begin[number], end[number] = rows.of(unit)
    ev, px, qty = rows.columns()
    extras = {**messages.extras, **rows.extras}
    made = UnitRows(np.arange(len(units)), units.exch_ns, units.local_ns, begin, end, ev, px, qty, extras)
    some = end > begin
    return made if bool(some.all()) else made.taken(np.flatnonzero(some))


class _Special:
    """Rows of units that emit other than their message's: put behind all messages' rows."""

    def __init__(self, messages: Messages) -> None:
        self.extras: dict[int, tuple[int, int, float]] = {}
        self._messages = messages
        self._columns: list[tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
        self._length = len(messages.ev)

    def columns(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return ev, px and qty of the messages with these rows behind them."""
        data = self._messages
        if not self._columns:
            return data.ev, data.px, data.qty
        ev, px, qty = zip((data.ev, data.px, data.qty), *self._columns, strict=True)
        return np.concatenate(ev), np.concatenate(px), np.concatenate(qty)

    def of(self, unit: Unit) -> tuple[int, int]:
        """Add the rows of a unit; return where they begin and end."""
        begin, data = self._length, self._messages
        rows = np.arange(data.begin[unit.message], data.end[unit.message])
        match unit.action:
            case Action.CLEAR:
                self._clear(DEPTH_CLEAR, 0.0)
            case Action.REPLACE:
                self._clear(DEPTH_CLEAR, 0.0)
                self._copy(rows)
            case Action.REPLACE_TO_FAR_EDGE:
                # Each side is cleared from the touch to the price that its own rows end with.
                for side in (BUY, SELL):
                    own = rows[(data.ev[rows] & np.uint32(side)) != 0]
                    if len(own):
                        self._clear(DEPTH_CLEAR | side, float(data.px[own[-1]]))
                        self._copy(own)
            case _:
                self._copy(np.array(unit.rows, np.int64))
        return begin, self._length

    def _clear(self, ev: int, px: float) -> None:
        self._add(np.array([ev], np.uint32), np.array([px]), np.zeros(1))

    def _copy(self, rows: Ints) -> None:
        data = self._messages
        if data.extras:
            found = ((at, data.extras.get(row)) for at, row in enumerate(rows.tolist(), self._length))
            self.extras.update({at: extra for at, extra in found if extra is not None})
        self._add(data.ev[rows], data.px[rows], data.qty[rows])

    def _add(self, ev: npt.NDArray[np.uint32], px: npt.NDArray[np.float64], qty: npt.NDArray[np.float64]) -> None:
        self._columns.append((ev, px, qty))
        self._length += len(ev)
