"""The life of one order as a table: (phase, news) -> phase. Drawn in docs/trading.md from the table itself.

Nothing is called ended because time passed or a request failed: only the exchange's word, a definite refusal, or the proof
that it never arrived ends an order. *In doubt* is a phase like any other: the exchange is being asked.
"""

from enum import Enum
from typing import Final


class Phase(Enum):
    """Where an order is."""

    SENT = "sent"  # the submit is on its way, nothing was heard
    LIVE = "live"  # it works at the exchange, nothing is asked
    MODIFYING = "modifying"
    CANCELING = "canceling"
    SUBMIT_IN_DOUBT = "submit in doubt"  # no usable answer: it lives, has lived, or never arrived
    MODIFY_IN_DOUBT = "modify in doubt"
    CANCEL_IN_DOUBT = "cancel in doubt"
    SETTLING = "settling"  # it has ended, and executions that the exchange counts are not known yet
    ENDED = "ended"


class News(Enum):
    """What can be heard of an order."""

    SEEN = "seen working"  # a push or a list; says nothing of what was asked
    SETTLED = "settled"  # what was asked is clear, and the order works
    REFUSED = "refused"  # what was asked was certainly not carried out
    LOST = "lost"  # no usable answer to what was asked
    GONE = "gone"  # the exchange does not know the order
    ABSENT = "absent"  # proof that it never arrived
    ASK_MODIFY = "modify asked"
    ASK_CANCEL = "cancel asked"
    OVER = "over"  # the exchange says that it has ended
    COMPLETE = "complete"  # every execution of it is known


WORKING: Final = frozenset({Phase.LIVE, Phase.MODIFYING, Phase.CANCELING, Phase.MODIFY_IN_DOUBT, Phase.CANCEL_IN_DOUBT})
IN_DOUBT: Final = frozenset({Phase.SUBMIT_IN_DOUBT, Phase.MODIFY_IN_DOUBT, Phase.CANCEL_IN_DOUBT})
DONE: Final = frozenset({Phase.SETTLING, Phase.ENDED})

_S, _L, _M, _C = Phase.SENT, Phase.LIVE, Phase.MODIFYING, Phase.CANCELING
_SD, _MD, _CD = Phase.SUBMIT_IN_DOUBT, Phase.MODIFY_IN_DOUBT, Phase.CANCEL_IN_DOUBT
_X, _E = Phase.SETTLING, Phase.ENDED

# One row a phase, one column a kind of news. Staying is a move too: what changes nothing is written down.
#   SEEN SETTLED REFUSED LOST GONE ABSENT ASK_MODIFY ASK_CANCEL OVER COMPLETE
_ROWS: Final = {
    _S: (_L, _L, _X, _SD, _S, _S, _S, _S, _X, _S),  # a cancel waits for the order, beside being sent
    _L: (_L, _L, _L, _L, _L, _X, _M, _C, _X, _L),
    _M: (_M, _L, _L, _MD, _MD, _X, _M, _C, _X, _M),
    _C: (_C, _L, _L, _CD, _CD, _X, _C, _C, _X, _C),
    _SD: (_L, _L, _X, _SD, _SD, _X, _SD, _SD, _X, _SD),
    _MD: (_MD, _L, _L, _MD, _MD, _X, _MD, _C, _X, _MD),
    _CD: (_CD, _L, _L, _CD, _CD, _X, _CD, _C, _X, _CD),
    _X: (_X, _X, _X, _X, _X, _X, _X, _X, _X, _E),
    _E: (_E, _E, _E, _E, _E, _E, _E, _E, _E, _E),
}
NEXT: Final = {
    (phase, news): following for phase, row in _ROWS.items() for news, following in zip(News, row, strict=True)
}


def drawing() -> str:
    """The table as a Mermaid state diagram: every move that changes the phase."""
    names = {phase: phase.value.replace(" ", "_") for phase in Phase}
    moves: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, news), following in NEXT.items():
        if following is not phase:
            moves.setdefault((phase, following), []).append(news.value)
    lines = [f"    {names[a]} --> {names[b]}: {', '.join(words)}" for (a, b), words in moves.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {names[_S]}: submit asked", *lines])
