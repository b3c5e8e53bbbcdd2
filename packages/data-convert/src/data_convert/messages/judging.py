"""A recording judges itself: the book that was made of its depth beside the best quotes that were recorded with it.

A book ticker names the update id at which its touch stood. Of every update that was applied, the last ticker with an id
inside its span (`pu < id <= u`) states the touch behind it, so the two are compared where they speak of the same moment,
however their lines lie in the file; no time is involved. Where updates stop while tickers go on, time is all there is.
Judged is the book that a backtest sees on the local clock, from its first snapshot on, and not where a gap left none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.arrays.book import Walk
from data_convert.events import Ints
from data_convert.messages.columns import NO_ID, QUOTE_BID, QUOTE_ID, QUOTE_LOCAL, Messages, What
from data_convert.messages.plan import Action, Plan

LEAST_IN_A_ROW: Final = 3
"""Comparisons in a row that must disagree: a single line that was recorded twice or mangled is no wrong book."""
NEAR_NS: Final = 10_000_000_000
"""An update and a ticker further apart than this are of two runs of an exchange that uses its ids again."""
FROZEN_NS: Final = 5_000_000_000
"""Updates come at least every second; without one for so long the book stands still."""
FROZEN_SECONDS: Final = 5
"""In so many different seconds tickers must have come meanwhile: a clock that jumps makes two."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A stretch of local time, as recorded, in which the book cannot be the exchange's.

    `kind`: frozen, crossed, half (a side is empty), wrong (another touch). `count`: what shows it, comparisons or tickers.
    `file` and `line` are of the message that showed it first.
    """

    kind: str
    begin_ns: int
    end_ns: int
    count: int
    file: int
    line: int
    detail: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """How many updates were compared with a ticker, and what came of it."""

    compared: int = 0
    contradictions: tuple[Contradiction, ...] = ()


@dataclass(frozen=True, slots=True)
class _Books:
    """The books that a walk passed: the message each was changed by last, when, and its touch."""

    message: Ints
    update: Bools
    known: Bools
    local_ns: Ints
    bid: npt.NDArray[np.float64]
    ask: npt.NDArray[np.float64]


def judge(messages: Messages, plan: Plan, unit: Ints, walk: Walk, local_ns: Ints, first_file: int = 0) -> Judgement:
    """Compare a walk over the local clock's books with the tickers recorded beside them.

    `unit` and `local_ns` are the plan's unit and the local time, as recorded, of each of the walk's books. Files before
    `first_file` are not judged.
    """
    books = _books_of(messages, plan, unit, walk, local_ns)
    found = list(_crossed(messages, books))
    quotes = messages.quotes[messages.quotes[:, 1] >= first_file]
    if not len(quotes) or not len(unit):
        return Judgement(0, tuple(found))
    quotes = quotes[_order(quotes[:, QUOTE_LOCAL])]
    compared, disagree, ticker = _compare(messages, books, quotes)
    found += _disagreements(messages, books, quotes, compared, disagree, ticker)
    found += _frozen(messages, books, quotes)
    return Judgement(len(compared), tuple(sorted(found, key=lambda c: c.begin_ns)))


def _books_of(messages: Messages, plan: Plan, unit: Ints, walk: Walk, local_ns: Ints) -> _Books:
    message, action = plan.units.message[unit], plan.units.action[unit]
    snapshot = (messages.what[message] == What.SNAPSHOT) & (action != Action.MERGE)
    begun: Bools = np.ones(len(unit), np.bool_)
    if snapshot.any():
        begun = np.arange(len(unit)) >= int(np.argmax(snapshot))
    update = begun & (messages.what[message] == What.UPDATE) & (action == Action.ROWS)
    update &= messages.last_id[message] != NO_ID
    known = begun & (action != Action.CLEAR)
    return _Books(message, update, known, np.maximum.accumulate(local_ns), walk.best_bid, walk.best_ask)


def _compare(messages: Messages, books: _Books, quotes: Ints) -> tuple[Ints, Bools, Ints]:
    """Return the books that a ticker speaks of, whether it disagrees, and the ticker."""
    every = np.flatnonzero(books.update)
    last, prev = messages.last_id[books.message[every]], messages.prev_id[books.message[every]]
    prices = quotes.view(np.float64)
    received = np.ascontiguousarray(quotes[:, QUOTE_LOCAL])
    out: list[tuple[Ints, Bools, Ints]] = []
    # Ids grow within one book; where they do not, another one begins, or rows stand as they were recorded.
    for run in np.split(np.arange(len(every)), np.flatnonzero(last[1:] <= last[:-1]) + 1):
        if not len(run):
            continue
        local_ns = books.local_ns[every[run]]
        low = int(np.searchsorted(received, local_ns[0] - NEAR_NS))
        high = int(np.searchsorted(received, local_ns[-1] + NEAR_NS, side="right"))
        order = low + _order(quotes[low:high, QUOTE_ID])
        if not len(order):
            continue
        ids = quotes[order, QUOTE_ID]
        at = np.searchsorted(ids, last[run], side="right") - 1
        spoken = (at >= 0) & (ids[at] > prev[run])
        spoken &= np.abs(received[order[at]] - local_ns) <= NEAR_NS
        book, ticker = every[run][spoken], order[at[spoken]]
        same = (books.bid[book] == prices[ticker, QUOTE_BID]) & (books.ask[book] == prices[ticker, QUOTE_BID + 1])
        out.append((book, ~same, ticker))
    if not out:
        none = np.empty(0, np.int64)
        return none, np.empty(0, np.bool_), none
    book, differs, ticker = (np.concatenate(column) for column in zip(*out, strict=True))
    return book, differs, ticker


def _disagreements(
    messages: Messages, books: _Books, quotes: Ints, compared: Ints, disagree: Bools, ticker: Ints
) -> Iterator[Contradiction]:
    prices = quotes.view(np.float64)
    for begin, end in _runs(disagree):
        if end - begin < LEAST_IN_A_ROW:
            continue
        first, behind = compared[begin], min(end, len(compared) - 1)
        bid, ask, own = float(books.bid[first]), float(books.ask[first]), prices[ticker[begin]]
        if bid >= ask:
            continue  # told as crossed
        kind = "half" if np.isnan(bid) or np.isnan(ask) else "wrong"
        detail = (
            f"the book is {bid:.12g} / {ask:.12g} where the book ticker of id {quotes[ticker[begin], QUOTE_ID]} says "
            f"{own[QUOTE_BID]:.12g} / {own[QUOTE_BID + 1]:.12g}"
        )
        yield _found(messages, books, kind, int(first), int(books.local_ns[compared[behind]]), end - begin, detail)


def _frozen(messages: Messages, books: _Books, quotes: Ints) -> Iterator[Contradiction]:
    """Find where updates stop while tickers of newer ids go on."""
    received = quotes[:, QUOTE_LOCAL]
    until = np.append(books.local_ns[1:], max(int(received[-1]), int(books.local_ns[-1])))
    for at in np.flatnonzero(books.known & (until - books.local_ns >= FROZEN_NS)).tolist():
        begin_ns, end_ns = int(books.local_ns[at]), int(until[at])
        low, high = np.searchsorted(received, [begin_ns, end_ns], side="right")
        own = quotes[low:high]
        own = own[
            (own[:, QUOTE_ID] > messages.last_id[books.message[at]]) | (own[:, QUOTE_LOCAL] >= begin_ns + FROZEN_NS)
        ]
        if len(np.unique(own[:, QUOTE_LOCAL] // 1_000_000_000)) < FROZEN_SECONDS:
            continue
        if own[-1, QUOTE_LOCAL] - own[0, QUOTE_LOCAL] < FROZEN_NS:
            continue
        detail = f"no update came while {len(own):,} book tickers did"
        yield _found(messages, books, "frozen", at, end_ns, len(own), detail)


def _crossed(messages: Messages, books: _Books) -> Iterator[Contradiction]:
    for begin, end in _runs(books.bid >= books.ask):
        behind = min(end, len(books.message) - 1)
        detail = f"bid {books.bid[begin]:.12g}, ask {books.ask[begin]:.12g}"
        yield _found(messages, books, "crossed", begin, int(books.local_ns[behind]), end - begin, detail)


def _found(
    messages: Messages, books: _Books, kind: str, first: int, end_ns: int, count: int, detail: str
) -> Contradiction:
    message = int(books.message[first])
    place = int(messages.file[message]), int(messages.line[message])
    return Contradiction(kind, int(books.local_ns[first]), end_ns, count, *place, detail)


def _order(values: Ints) -> Ints:
    """Return the stable order of values, which mostly are in order already."""
    if bool(np.all(values[1:] >= values[:-1])):
        return np.arange(len(values))
    return np.argsort(values, kind="stable")


def _runs(marked: Bools) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of every run of marks."""
    edges = np.flatnonzero(np.diff(marked.astype(np.int8), prepend=0, append=0))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
