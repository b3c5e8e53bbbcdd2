"""What the reader of Tardis files and those that parse their rows, in Python or compiled, have between them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

# Places in `state`, which a caller keeps from one call to the next.
POS, LINE, SOD, SLOW, SNAPSHOTS, DROPPED, OTHERS, EMPTY, SMALLEST, SMALLEST_LINE, STATUS = range(11)
STATE_WORDS: Final = 11
# Why a call ended: text used up, an array full, a row of another instrument, a row that is none.
DONE, FULL, OTHER, BAD = range(4)
# Modes
PROCESS, IGNORE_SOD, IGNORE = range(3)

WINDOW_NS: Final = 2_000_000_000
"""How much older than the latest of its stream a row is taken to be at most."""


class Wanted(NamedTuple):
    """The rows that are wanted: of which kind of file and mode, and what they begin with.

    `prefix`: the length of `exchange,symbol,`, then its words of eight bytes, each with the mask of the bytes that count.
    `skip_others`: rows of another instrument are passed over, else they are told.
    """

    is_depth: bool
    mode: int
    skip_others: bool
    prefix: npt.NDArray[np.int64]


class Room(NamedTuple):
    """Where rows go: their words; of numbers that are the caller's to convert row, word, first and last byte; the state."""

    words: npt.NDArray[np.int64]
    slow: npt.NDArray[np.int64]
    state: npt.NDArray[np.int64]
