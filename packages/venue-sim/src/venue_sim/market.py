"""What a market is to the exchange around it: frames in time order and the true book behind them.

A market knows nothing of connections, subscriptions or faults. It is asked for the frames that are due, and the
moment it hands a depth frame out, that frame is part of its true book, whether or not anybody receives it. Later
markets (matching, following a live venue) implement the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

Level = tuple[str, str]
"""Price and quantity as the exchange writes them."""


DEPTH, TRADE, QUOTE = "depth", "trade", "quote"


class Update(NamedTuple):
    """One difference of the book: quantities are absolute, a zero removes the level."""

    first_id: int
    last_id: int
    prev_id: int
    event_ms: int
    transact_ms: int
    bids: Sequence[Sequence[str]]
    asks: Sequence[Sequence[str]]


class Trade(NamedTuple):
    """One execution; `insurance` marks one of the exchange's own fund, which is none of the market."""

    trade_id: int
    event_ms: int
    transact_ms: int
    price: str
    quantity: str
    buyer_is_maker: bool
    insurance: bool = False


class Quote(NamedTuple):
    """The best level of each side, after the change with that id."""

    last_id: int
    event_ms: int
    transact_ms: int
    bid: Level
    ask: Level


Message = Update | Trade | Quote


class Recorded(NamedTuple):
    """The exact bytes of a message: `wrapped` with its stream's name, `data` alone."""

    stream: str
    wrapped: bytes
    data: bytes


class Frame(NamedTuple):
    """One message leaving the market: a value, or the recorded bytes of one.

    A named tuple and not a dataclass because tens of thousands are made a second. `due_ns` counts from the market's
    beginning; `kind` is DEPTH, TRADE, QUOTE or, of a recording, the exchange's word for another; `last_id` is the id
    of an update or quote, otherwise 0.
    """

    due_ns: int
    symbol: str
    kind: str
    last_id: int
    value: Message | None
    raw: Recorded | None = None


@dataclass(frozen=True, slots=True)
class BookState:
    """The book right after the update `last_id`; both sides best first, strings as on the wire."""

    last_id: int
    event_ms: int
    transact_ms: int
    bids: Sequence[Level]
    asks: Sequence[Level]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A contract's name and digits. `symbol` is lower case; steps are decimal strings (`"0.10"`). `contract`: what one is worth of
    the quote asset, where quantities are contracts that are settled in the base asset; else 0."""

    symbol: str
    tick_size: str
    step_size: str
    base_asset: str
    quote_asset: str
    contract: int = 0

    @property
    def price_precision(self) -> int:
        """Digits behind the point of a price on the wire."""
        return decimals(self.tick_size)

    @property
    def quantity_precision(self) -> int:
        """Digits behind the point of a quantity on the wire."""
        return decimals(self.step_size)


class BookHistory(Protocol):
    """The true book of one symbol, now and at earlier updates."""

    @property
    def last_id(self) -> int | None:
        """Id of the last update applied, None while the book is not known."""

    def at(self, last_id: int | None = None) -> BookState | None:
        """The book right after update `last_id` (None: now); None if that is not known or too long ago."""

    def id_before(self, updates: int) -> int | None:
        """Id of the update `updates` before the newest, or the oldest one still kept; None while unknown."""

    def first_id_of(self, last_id: int) -> int | None:
        """Id with which the update that ends with `last_id` begins; None when no update kept ends there."""


class Market(Protocol):
    """A source of frames. Times are nanoseconds since the market's own beginning; nothing here reads a clock."""

    @property
    def name(self) -> str:
        """What kind of market this is."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The contracts traded, by lower-case symbol."""

    @property
    def topics(self) -> frozenset[tuple[str, str]]:
        """Symbol and kind of what this market makes itself."""

    @property
    def recorded_streams(self) -> frozenset[str]:
        """The stream names of what it plays."""

    @property
    def books(self) -> Mapping[str, BookHistory]:
        """The true books by lower-case symbol."""

    @property
    def total(self) -> int | None:
        """How many frames there are altogether, None when there is no end."""

    @property
    def exchange_start_ms(self) -> int:
        """The exchange's wall time at the market's beginning, ms since the epoch."""

    def next_due_ns(self) -> int | None:
        """When the next frame is due; None when the market is over."""

    def take(self, until_ns: int | None, limit: int) -> list[Frame]:
        """Hand out, in order, at most `limit` frames due by `until_ns` (None: whatever is next) and make them part
        of the true book."""


def decimals(step: str) -> int:
    """Count the digits behind the point: 2 for `"0.10"`, 0 for `"1"`."""
    return len(step.partition(".")[2])


def step_of(values: Sequence[str]) -> str:
    """Find the largest step that every value is a multiple of, with the digits the values are written with:
    `"0.10"` for 61800.20, 61800.30."""
    from math import gcd

    digits = max((decimals(value) for value in values), default=0)
    scale = Decimal(10) ** digits
    step = 0
    for value in values:
        step = gcd(step, int(Decimal(value) * scale))
    return f"{Decimal(step or 1) / scale:.{digits}f}"
