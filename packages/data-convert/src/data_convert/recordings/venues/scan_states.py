"""The words between a scanner of lines and the kernel that reads them."""

from __future__ import annotations

from typing import Final

# Places in `state`: where the text is read, what was written, why a call ended.
POS, LINE, MESSAGES, ROWS, FILE, FIRST_ROW, QUOTES, STATUS = range(8)
STATE_WORDS: Final = 8
# Why a call ended: all was taken, before an odd line, before a line for which an array has no room.
DONE, ODD, FULL = range(3)

# Columns of a table of texts: where a text stands, how long it is, and which count is its own.
START, LENGTH, COUNT = range(3)
# Of streams: what their lines are, of how many levels, and the counts of lines not chosen and of lines behind a gap.
MEANING, DEPTH_OF, IGNORED, BEHIND = range(3, 7)
# Of symbols: their number in the builder, and that of their book (-1: none here).
NUMBER, BOOK = 3, 4
TABLE_WORDS: Final = 7
MOST_TEXTS: Final = 256

# Words of a symbol's book: windows it has, the deepest of them, whether its updates have a sequence, versions of both bests.
WINDOWS, DEEPEST, HAS_SEQ, BEST_BID, BEST_ASK = range(5)
BOOK_WORDS: Final = 5
# Words of a window. LOST: its updates are behind a gap, and it is no window any more.
DEPTH, VERSION, ANCHORED, LAST_U, LOST = range(5)
WINDOW_WORDS: Final = 5
MOST_WINDOWS: Final = 8
SLOTS: Final = 2 + 2 * MOST_WINDOWS
"""Sides a symbol: those of its book, then those of its windows."""
