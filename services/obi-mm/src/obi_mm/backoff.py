"""How long to send nothing after refusals, and when to give up; no clock: times are monotonic seconds.

    OPEN ──refused──> WAITING 1 s ──over, refused again──> 2 s ──> 4 s ... 60 s ──> so many in a row: GIVE UP
      ^──────────────────── an order is accepted ────────────────────┘

Orders that were sent together are refused together: what is refused while waiting counts once. A post-only order that would have
taken is no refusal here: it is asked for again with the next decision.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from marketlink.notices import OrderProblem

FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0


class Kind(Enum):
    """What a refused order means for the next."""

    POST_ONLY = "post-only"  # the price had gone: another one is asked for with the next decision
    NOT_READY = "not ready"  # the connector is not there yet: it will be
    NO_TRADING = "no trading"  # never, on this connector
    REFUSED = "refused"


def kind_of(problem: OrderProblem) -> Kind:
    """Tell what a refused submit means; a connector says why in words, beside the exchange's number."""
    if problem.text.startswith("trading is not configured"):
        return Kind.NO_TRADING
    if problem.code is None and problem.text.startswith("not sent:"):
        return Kind.NOT_READY
    return Kind.POST_ONLY if "post-only" in problem.text else Kind.REFUSED


@dataclass(slots=True)
class BackOff:
    """One symbol's refusals."""

    stop_after: int
    until_s: float = 0.0
    in_a_row: int = 0

    def waits(self, now_s: float) -> bool:
        """Whether nothing is sent now."""
        return now_s < self.until_s

    def refused(self, kind: Kind, now_s: float) -> bool:
        """Take a refusal; returns whether it is one too many."""
        if kind is Kind.POST_ONLY:
            return False
        if kind is Kind.NO_TRADING:
            return True
        if self.waits(now_s):
            return False
        if kind is Kind.NOT_READY:
            self.until_s = now_s + FIRST_S
            return False
        self.in_a_row += 1
        self.until_s = now_s + min(FIRST_S * 2.0 ** (self.in_a_row - 1), LONGEST_S)
        return self.in_a_row >= self.stop_after

    def accepted(self, now_s: float) -> None:
        """Take word of an order that works; one that was sent together with a refused one says nothing of the next."""
        if not self.waits(now_s):
            self.in_a_row = 0
