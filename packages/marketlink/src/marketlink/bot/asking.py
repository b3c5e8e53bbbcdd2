"""When a reader of the link registers a symbol, and when again: one rule for bots and recorders.

    idle ──want──► wanted ──due──► asked ──answered──► idle
                      ▲               │ unanswered, or wanted again
                      └───────────────┘ not before a wait that doubles with each ask

An answer is a whole book in everybody's queue, so a reader that loses what it was just given must not ask in a loop: the wait
goes back to its start only after a book that lasted.
"""

from dataclasses import dataclass
from typing import Final

from marketlink.times import SECOND_NS, MonoNs, after

FIRST_WAIT_NS: Final = SECOND_NS // 2
CEILING_NS: Final = 10 * SECOND_NS
LASTED_NS: Final = 5 * SECOND_NS


@dataclass(slots=True)
class Asking:
    """The registrations of one symbol."""

    wanted: bool = False
    asks: int = 0
    _in_a_row: int = 0  # asks since a book that lasted
    _asked_ns: MonoNs | None = None
    _answered_ns: MonoNs | None = None

    @property
    def awaited(self) -> bool:
        """Whether a registration was sent and its answer has not come."""
        return self.wanted and self._asked_ns is not None

    def want(self, now: MonoNs) -> None:
        """Note that a book is needed."""
        if self.wanted:
            return
        self.wanted = True
        if self._answered_ns is not None and now - self._answered_ns >= LASTED_NS:
            self._in_a_row = 0
        self._answered_ns = None

    def anew(self, now: MonoNs) -> None:
        """Note that a book is needed of a connector that was never asked: at once."""
        self._in_a_row, self._asked_ns, self._answered_ns, self.wanted = 0, None, None, True

    def is_due(self, now: MonoNs) -> bool:
        """Whether a registration is to be sent now."""
        if not self.wanted:
            return False
        if self._asked_ns is None or self._in_a_row == 0:
            return True
        wait_ns = min(CEILING_NS, FIRST_WAIT_NS << min(self._in_a_row - 1, 16))
        return now >= after(self._asked_ns, wait_ns)

    def asked(self, now: MonoNs) -> None:
        """Note that a registration was sent."""
        self.asks += 1
        self._in_a_row += 1
        self._asked_ns = now

    def answered(self, now: MonoNs) -> None:
        """Note that the answer has come."""
        if self.wanted:
            self.wanted = False
            self._answered_ns = now
