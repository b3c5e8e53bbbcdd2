"""What the columns of an archive can be: the words between its table and the kernel that reads it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

SKIP: Final = 0
"""Anything."""
WHOLE: Final = 1
"""A number of digits alone."""
OPTIONAL: Final = 2
"""The same, or nothing, or -1: an id that may be missing."""
STAMP: Final = 3
"""A time in ms, or in µs if it is as large as that; becomes ns."""
SECONDS: Final = 4
"""A time in seconds with a fraction; becomes ns."""
NUMBER: Final = 5
"""Digits with at most one point; becomes a float."""
POSITIVE: Final = 6
"""The same, and not 0."""
MAKER: Final = 7
"""Whether the buyer was the maker: becomes the aggressor's side."""
SIDE: Final = 8
"""buy or sell in letters of any case."""
LEVEL_SIDE: Final = 9
"""b or a."""
LEVEL_TYPE: Final = 10
"""snap, set, update or delete: becomes a kind of row, with DELETES."""
NAME: Final = 11
"""The symbol."""

DELETES: Final = 1 << 40
"""Marks an `ev` word whose row deletes, whatever its quantity says."""

# Places in `state` of `parse_columns`, which a caller keeps from one call to the next.
POS, LINE, ODD = range(3)
# Places in `state` of `quote_changes`: rows and messages written, whether there is a book, its version.
MESSAGES, ROWS, KNOWN, VERSION = range(4)


class Layout(NamedTuple):
    """How rows are read: (what, word it goes to) of every column, what every row begins as, the word of its line's number, and
    the text that a NAME column has."""

    columns: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    line_word: int
    name: npt.NDArray[np.uint8]


class Out(NamedTuple):
    """Where rows go: their words; of odd ones the row, line, first byte and newline; the state."""

    words: npt.NDArray[np.int64]
    odd: npt.NDArray[np.int64]
    state: npt.NDArray[np.int64]
