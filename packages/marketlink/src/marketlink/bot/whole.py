"""What on the link is a whole book: one rule for bots and recorders."""

import numpy as np

from marketlink.events import BUY, DEPTH_CLEAR, DEPTH_SNAPSHOT, KIND_MASK, SELL, Events


def whole_from(events: Events, *, framed: bool, addressed: bool) -> int | None:
    """Return from which row on one symbol's rows of one batch are its whole book; None when they only change it.

    A connector of ours begins a whole book with a clear of both sides; the source's answer to a registration, `addressed` to the bot that
    asked, has no clear but snapshot rows. Only what came as one whole batch (`framed`) counts: rows outside may be the rest of one that was
    lost.
    """
    if not framed:
        return None
    kinds = events["ev"] & KIND_MASK
    clears = np.flatnonzero((kinds == DEPTH_CLEAR) & (events["ev"] & (BUY | SELL) == 0))
    if len(clears):
        return int(clears[-1])
    return 0 if addressed and bool((kinds == DEPTH_SNAPSHOT).any()) else None
