"""The words between the reader of Tardis files and what parses their rows, in Python or compiled."""

from __future__ import annotations

from typing import Final

# Places in `state`, which a caller keeps from one call to the next.
POS, LINE, SOD, SLOW, SNAPSHOTS, DROPPED, OTHERS, EMPTY, SMALLEST, SMALLEST_LINE, STATUS = range(11)
STATE_WORDS: Final = 11
# Why a call ended: text used up, an array full, a row of another instrument, a row that is none.
DONE, FULL, OTHER, BAD = range(4)
# Modes
PROCESS, IGNORE_SOD, IGNORE = range(3)

WINDOW_NS: Final = 2_000_000_000
"""How much older than the latest of its stream a row is taken to be at most."""
