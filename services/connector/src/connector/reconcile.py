"""When orders, executions and positions are compared with the exchange as a whole, and which parts are still open. Pure.

A part that fails is asked again after a moment, and is never read as empty.
"""

from collections.abc import Iterable
from typing import Final

from marketlink.times import SECOND_NS, MonoNs, after
from marketlink.venues.trading import Op

AGAIN_NS: Final = SECOND_NS
Part = tuple[Op, str]
"""What is asked for, and of which symbol; an empty symbol means all."""


class Reconcile:
    """One comparison at a time: the first asks for the orders of every symbol, later ones of the symbols in use."""

    def __init__(self, every_ns: int) -> None:
        self._every_ns = every_ns
        self._open: dict[Part, MonoNs] | None = (
            None  # part -> when it is to be asked; asked ones wait far in the future
        )
        self._next: MonoNs | None = None
        self.count = 0
        self._wants = False

    @property
    def done_once(self) -> bool:
        """Whether everything was compared since the start."""
        return self.count > 0

    @property
    def running(self) -> bool:
        """Whether one is under way."""
        return self._open is not None

    def start(self, now: MonoNs) -> None:
        """Begin anew: what was asked before may be older than the gap."""
        self._open, self._next = None, now

    def due(self, now: MonoNs, symbols: Iterable[str]) -> list[Part]:
        """Return the parts to ask for now."""
        if self._open is None:
            if self._next is None or now < self._next:
                return []
            wanted = sorted(symbols)
            lists: list[Part] = [(Op.OPEN_ORDERS, "")] if not self.count else [(Op.OPEN_ORDERS, one) for one in wanted]
            parts = [*lists, (Op.POSITIONS, ""), *((Op.TRADES, one) for one in wanted)]
            self._open = dict.fromkeys(parts, now)
        found = [part for part, when in self._open.items() if when <= now]
        for part in found:
            self._open[part] = after(
                now, 30 * SECOND_NS
            )  # an answer always comes, if only as a failure; this is a net below
        return found

    def got(self, op: Op, symbol: str) -> None:
        """Note an answer."""
        if self._open is not None:
            self._open.pop((op, symbol), None)

    def failed(self, op: Op, symbol: str, now: MonoNs) -> None:
        """Note a failure: the part is asked again."""
        if self._open is not None and (op, symbol) in self._open:
            self._open[(op, symbol)] = after(now, AGAIN_NS)

    def finish(self, now: MonoNs) -> bool:
        """Whether the last open part has just come."""
        if self._open is None or self._open:
            return False
        self._open = None
        self._next = after(now, self._every_ns)
        self.count += 1
        return True
