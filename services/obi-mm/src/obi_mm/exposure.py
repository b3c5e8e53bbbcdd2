"""How much may be held at worst: the position as far as it is known, and what may still be sent; no clock, no bot.

Everything is in lots, bought positive. The exchange's word on the position is told beside the fills, before or behind them: a fill
counts until a word of its time or later is there. One of the word's very moment may be in it or not: for a second it counts only where
that is the worse case.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from marketlink.orders import Order, Side, Status

from obi_mm.layout import BUY

SETTLES_S: Final = 1.0
"""A further word of the same moment has come by then, if there is one."""
ENDED: Final = (Status.CANCELED, Status.EXPIRED, Status.FILLED, Status.REJECTED)


@dataclass(slots=True)
class Position:
    """One symbol's position: the exchange's word and the own fills that are newer."""

    word_lots: int = 0
    word_ns: int = 0
    known: bool = False  # whether there ever was a word
    _newer: list[tuple[int, int]] = field(default_factory=list)  # exchange time, lots
    _unsettled: list[tuple[float, int, int]] = field(default_factory=list)  # until when, exchange time, lots

    def told(self, lots: int, exch_ns: int, now_s: float) -> None:
        """Take the exchange's word as of a time; an older one than is known changes nothing."""
        if self.known and exch_ns < self.word_ns:
            return
        self.known, self.word_lots, self.word_ns = True, lots, exch_ns
        self._unsettled = [one for one in self._unsettled if one[1] == exch_ns]
        self._unsettled += [(now_s + SETTLES_S, at_ns, qty) for at_ns, qty in self._newer if at_ns == exch_ns]
        self._newer = [one for one in self._newer if one[0] > exch_ns]

    def filled(self, lots: int, exch_ns: int, now_s: float) -> None:
        """Take an own fill, sells negative; time 0 is that of no exchange, and counts as newer than any word."""
        if not self.known or exch_ns > self.word_ns or exch_ns == 0:
            self._newer.append((exch_ns or self.word_ns + 1, lots))
        elif exch_ns == self.word_ns:
            self._unsettled.append((now_s + SETTLES_S, exch_ns, lots))

    def on_time(self, now_s: float) -> None:
        """Let fills settle."""
        if self._unsettled:
            self._unsettled = [one for one in self._unsettled if one[0] > now_s]

    @property
    def lots(self) -> int:
        """The position, as far as is known."""
        return self.word_lots + sum(lots for _, lots in self._newer)

    @property
    def low(self) -> int:
        """The least that it may be."""
        return self.lots + sum(min(0, lots) for _, _, lots in self._unsettled)

    @property
    def high(self) -> int:
        """The most that it may be."""
        return self.lots + sum(max(0, lots) for _, _, lots in self._unsettled)


def working_lots(orders: Iterable[Order], side: int, lot_size: float) -> int:
    """Return what a side's own orders may still fill: sent, unknown and working ones, and those being cancelled."""
    wanted = Side.BUY if side == BUY else Side.SELL
    return sum(
        round(order.leaves_qty / lot_size) for order in orders if order.side is wanted and order.status not in ENDED
    )


def admitted_lots(side: int, lots: int, *, closing: bool, position: Position, working: int, max_lots: int) -> int:
    """Return how many lots of an order may be sent; the one place where that is decided.

    `working` are the lots of the own orders of that side. A quote may be sent whole or not at all: position and all orders of its
    side, filled together, stay within `max_lots`. A closing order may never turn the position, even if all others of its side fill.
    """
    worst = (position.high if side == BUY else -position.low) + working
    if closing:
        return max(0, min(lots, -worst))
    return lots if worst + lots <= max_lots else 0
