"""Decoded recordings: one entry a message, one row a level or trade, in columns.

Every dialect decodes into this shape, and everything behind it (snapshot policies, timeline, report) knows only this.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert.events import DEPTH_CLEAR, KIND_MASK, Ints

NO_ID: Final = -1
"""Stands where a message names no update id."""

EVERY_SYMBOL: Final = "*"
"""The symbol of messages that concern every symbol of a recording."""

QUOTE_WORDS: Final = 7
"""Integers a quote: symbol, file, line, local time, update id, and the bits of its bid and ask price."""
QUOTE_LOCAL, QUOTE_ID, QUOTE_BID = 3, 4, 5

_INTS: Final = 9  # integers a message: file, line, local, exch, first, last, prev, begin, end
_EXCH_AT: Final = 3
_COLUMNS: Final = ("what", "file", "line", "local_ns", "exch_ns", "first_id", "last_id", "prev_id", "begin", "end")


class What(IntEnum):
    """What a message is to the book."""

    UPDATE = 0
    SNAPSHOT = 1
    TRADE = 2
    GAP = 3
    OTHER = 4


@dataclass(frozen=True, slots=True)
class Messages:
    """All messages of one symbol in file order.

    `begin[i]:end[i]` are message i's rows in `ev` (kind and side only), `px`, `qty`. `first_id`, `last_id`, `prev_id`
    are the venue's U, u, pu (a snapshot has only `last_id`), `NO_ID` where absent. `file[i]`, `line[i]` say where
    it stands. `extras` holds (order_id, ival, fval) of the few rows that have them; `reasons` the reason of a GAP. `quotes`
    (QUOTE_WORDS integers each) are best prices that were recorded beside the book and are no part of it.
    """

    what: npt.NDArray[np.uint8]
    file: npt.NDArray[np.int32]
    line: Ints
    local_ns: Ints
    exch_ns: Ints
    first_id: Ints
    last_id: Ints
    prev_id: Ints
    begin: Ints
    end: Ints
    ev: npt.NDArray[np.uint32]
    px: npt.NDArray[np.float64]
    qty: npt.NDArray[np.float64]
    extras: dict[int, tuple[int, int, float]]
    reasons: dict[int, str]
    quotes: Ints = field(default_factory=lambda: np.empty((0, QUOTE_WORDS), np.int64))

    def __len__(self) -> int:
        return len(self.what)

    def taken(self, order: Ints) -> Messages:
        """Return the messages `order` names, in that order; their rows stay where they are."""
        moved = {int(old): new for new, old in enumerate(order)} if self.reasons else {}
        return replace(
            self,
            **{name: getattr(self, name)[order] for name in _COLUMNS},
            reasons={moved[i]: reason for i, reason in self.reasons.items() if i in moved},
        )

    def brings_clear(self, message: int) -> bool:
        """Tell whether a snapshot message brings clears of single sides, which then stand for the full one."""
        rows = slice(int(self.begin[message]), int(self.end[message]))
        return bool(np.any(self.ev[rows] & np.uint32(KIND_MASK) == DEPTH_CLEAR))


class Block(NamedTuple):
    """Room for many messages at once: uint8 `what`, int32 `symbol` (its number), int64 `ints`, then their rows.

    `ints` has a line of nine a message: file, line, local, exchange time, first, last, previous id, begin and end, these
    two counted from the first row of the builder that takes it.
    """

    what: npt.NDArray[np.uint8]
    symbol: npt.NDArray[np.int32]
    ints: Ints
    ev: npt.NDArray[np.uint32]
    px: npt.NDArray[np.float64]
    qty: npt.NDArray[np.float64]
    quotes: Ints

    @classmethod
    def with_room(cls, messages: int, rows: int) -> Block:
        """Return a block of so many places, nothing in them."""
        ints = np.empty((messages, _INTS), np.int64)
        columns = np.empty(rows, np.uint32), np.empty(rows), np.empty(rows)
        quotes = np.empty((messages, QUOTE_WORDS), np.int64)
        return cls(np.empty(messages, np.uint8), np.empty(messages, np.int32), ints, *columns, quotes)


@dataclass(slots=True)
class MessagesBuilder:
    """Growing columns; `add` takes one whole message, so that a bad line leaves nothing behind."""

    what: array[int] = field(default_factory=lambda: array("B"))
    symbol: array[int] = field(default_factory=lambda: array("i"))
    ints: array[int] = field(default_factory=lambda: array("q"))
    ev: array[int] = field(default_factory=lambda: array("I"))
    px: array[float] = field(default_factory=lambda: array("d"))
    qty: array[float] = field(default_factory=lambda: array("d"))
    extras: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    quotes: array[int] = field(default_factory=lambda: array("q"))
    other_trades: dict[str, list[int]] = field(default_factory=dict)
    """By symbol, the ids of trades that are left out by rule."""
    symbols: dict[str, int] = field(default_factory=dict)
    symbol_counts: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        what: What,
        symbol: str,
        place: tuple[int, int],
        local_ns: int,
        exch_ns: int,
        ids: tuple[int, int, int],
        rows: tuple[Iterable[int], Iterable[float], Iterable[float]],
    ) -> None:
        """Append one message: `place` is (file, line), `ids` (first, last, prev), `rows` (ev, px, qty) columns."""
        number = self.symbols.setdefault(symbol, len(self.symbols))
        if symbol and symbol != EVERY_SYMBOL and what != What.GAP:
            self.symbol_counts[symbol] += 1
        begin = len(self.ev)
        ev, px, qty = rows
        self.ev.extend(ev)
        self.px.extend(px)
        self.qty.extend(qty)
        self.what.append(what)
        self.symbol.append(number)
        self.ints.extend((*place, local_ns, exch_ns, *ids, begin, len(self.ev)))

    def add_quote(
        self, symbol: str, place: tuple[int, int], local_ns: int, update_id: int, bid: float, ask: float
    ) -> None:
        """Append the best prices as of an update id."""
        number = self.symbols.setdefault(symbol, len(self.symbols))
        bits = np.array([bid, ask]).view(np.int64).tolist()
        self.quotes.extend((number, *place, local_ns, update_id, *bits))

    def extend(self, block: Block, messages: int, rows: int, quotes: int) -> None:
        """Append a block's first messages, rows and quotes; the caller counts them by symbol."""
        for column, values in (
            (self.what, block.what[:messages]),
            (self.symbol, block.symbol[:messages]),
            (self.ints, block.ints[:messages]),
            (self.ev, block.ev[:rows]),
            (self.px, block.px[:rows]),
            (self.qty, block.qty[:rows]),
            (self.quotes, block.quotes[:quotes]),
        ):
            column.frombytes(values.reshape(-1).view(np.uint8).data)

    def count_symbols(self, numbers: npt.NDArray[np.int32]) -> None:
        """Count messages by the symbols that their numbers name, in the order in which they are met."""
        names = list(self.symbols)
        if len(numbers) and bool(np.all(numbers == numbers[0])):
            found, counts = numbers[:1], np.array([len(numbers)])
        else:
            found, first, counts = np.unique(numbers, return_index=True, return_counts=True)
            order = np.argsort(first)
            found, counts = found[order], counts[order]
        for number, count in zip(found.tolist(), counts.tolist(), strict=True):
            if names[number]:
                self.symbol_counts[names[number]] += count

    def redate(self, message: int, exch_ns: int) -> None:
        """Give a message another exchange time."""
        self.ints[message * _INTS + _EXCH_AT] = exch_ns

    def exch_ns(self, message: int) -> int:
        """Return a message's exchange time."""
        return self.ints[message * _INTS + _EXCH_AT]

    def __len__(self) -> int:
        return len(self.what)

    @property
    def nameless(self) -> bool:
        """Tell whether some messages name no symbol."""
        return "" in self.symbols

    def build(self, symbol: str | None, nameless: bool = True) -> Messages:
        """Freeze the messages of `symbol` (None: all of them); `nameless` ones (REST snapshots) stay by default."""
        table = _view(self.ints, np.int64).reshape(-1, _INTS)
        what = _view(self.what, np.uint8)
        keep: npt.NDArray[np.bool_] = np.ones(len(what), np.bool_)
        if symbol is not None:
            names = (symbol, EVERY_SYMBOL, "") if nameless else (symbol, EVERY_SYMBOL)
            wanted = [n for name, n in self.symbols.items() if name in names]
            keep = np.isin(_view(self.symbol, np.intc), wanted)
        quotes: Ints = _view(self.quotes, np.int64).reshape(-1, QUOTE_WORDS)
        own = symbol if symbol is not None or len(self.symbol_counts) != 1 else next(iter(self.symbol_counts))
        quotes = quotes[quotes[:, 0] == self.symbols.get(own or "", -1)]
        rows = slice(None) if bool(keep.all()) else np.flatnonzero(keep)
        column = [table[rows, i] for i in range(_INTS)]
        times = [np.ascontiguousarray(column[i]) for i in (2, 3)]  # looked at more often than the others
        moved = {int(old): new for new, old in enumerate(np.flatnonzero(keep))} if self.reasons else {}
        return Messages(
            what=what[rows],
            file=column[0].astype(np.int32),
            line=column[1],
            local_ns=times[0],
            exch_ns=times[1],
            first_id=column[4],
            last_id=column[5],
            prev_id=column[6],
            begin=column[7],
            end=column[8],
            ev=_view(self.ev, np.uint32),
            px=_view(self.px, np.float64),
            quotes=quotes,
            qty=_view(self.qty, np.float64),
            extras=self.extras,
            reasons={moved[i]: reason for i, reason in self.reasons.items() if i in moved},
        )


def _view(column: array[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Look at a growing column as an array; it must not grow while that is used."""
    return np.frombuffer(column, dtype) if column else np.empty(0, dtype)
