"""Tardis files of numbers alone: best quotes, the best levels of a book, what a derivative's ticker says.

https://docs.tardis.dev/downloadable-csv-files: `quotes` and `book_ticker` have the same columns; `book_snapshot_5` and
`book_snapshot_25` repeat asks[n].price, asks[n].amount, bids[n].price, bids[n].amount; an empty field is not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_START: Final = b"exchange,symbol,timestamp,local_timestamp,"
_QUOTES: Final = (b"ask_amount", b"ask_price", b"bid_price", b"bid_amount")
_DERIVATIVE: Final = (
    b"funding_timestamp",
    b"funding_rate",
    b"predicted_funding_rate",
    b"open_interest",
    b"last_price",
    b"index_price",
    b"mark_price",
)
_LEVEL: Final = re.compile(rb"asks\[(\d+)\]\.price,asks\[\1\]\.amount,bids\[\1\]\.price,bids\[\1\]\.amount")
"""Levels of book_snapshot files, the best first."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns behind the two times; `levels` of a book, 0 where the file holds none."""

    what: str
    names: tuple[bytes, ...]
    levels: int = 0


def columns_of(header: bytes) -> Columns | None:
    """Tell what a header names, None if it is of no such file."""
    if not header.startswith(_START):
        return None
    rest = header[len(_START) :]
    names = tuple(rest.split(b","))
    if names == _QUOTES:
        return Columns("book_ticker", names)
    if names == _DERIVATIVE:
        return Columns("derivative_ticker", names)
    found = _LEVEL.findall(rest)
    if found and found == [b"%d" % n for n in range(len(found))] and len(names) == 4 * len(found):
        return Columns(f"book_snapshot_{len(found)}", names, len(found))
    return None
