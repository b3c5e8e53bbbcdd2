"""What travels on the link, as values: batches of live events to bots, requests to the connector, and what a reader hears.

The port speaks in blocks: a `Feed` is one symbol's array of event records. How it is split into the source's one-level messages is
`link.wire`'s business (docs/link.md).
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from marketlink.events import Events
from marketlink.orders import Order

TO_ALL: Final = 0
"""The destination id that means every bot; never a bot's own id."""


class ErrorKind(IntEnum):
    """What a `LiveError` is about; CUSTOM carries a number of its own."""

    CONNECTION_INTERRUPTED = 0
    CRITICAL_CONNECTION_ERROR = 1
    ORDER_ERROR = 2
    CUSTOM = 3


Value = None | str | int | float | bool | list["Value"] | dict[str, "Value"]
"""The detail of an error: the source's Value, `None` being Empty."""


@dataclass(frozen=True, slots=True)
class LiveError:
    """Something a bot should know went wrong. `number` belongs to CUSTOM only."""

    kind: ErrorKind
    value: Value = None
    number: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class FeedEvent:
    """Market data events of one symbol: n records of EVENT_DTYPE, in order."""

    symbol: str
    events: Events


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """The state of one order."""

    symbol: str
    order: Order


@dataclass(frozen=True, slots=True)
class PositionEvent:
    """The position in one symbol; `exch_ts` in ns."""

    symbol: str
    qty: float
    exch_ts: int


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error, for a bot or for all."""

    error: LiveError


LiveEvent = FeedEvent | OrderEvent | PositionEvent | ErrorEvent


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that belong together, for one bot or for all.

    `framed`: sent between BatchStart and BatchEnd; a bot handles it as one unit, and hears it whole or not at all. Not framed, events
    are sent bare, as the source sends trades, orders, positions and errors. A framed batch without events is a heartbeat.
    """

    events: tuple[LiveEvent, ...] = ()
    to: int = TO_ALL
    framed: bool = True


@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """A bot's order request: `order.req` says what, NEW to submit, CANCELED to cancel, REPLACED to take its price and quantity."""

    symbol: str
    order: Order


@dataclass(frozen=True, slots=True)
class RegisterInstrument:
    """A bot asks for a symbol. A size of 0 states nothing; other sizes are checked against the exchange's own."""

    symbol: str
    tick_size: float = 0.0
    lot_size: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """A reader says how far it has read: of the publisher `session` all samples before `seq`.

    Told only to a connector that numbers its samples, so the source's never sees it.
    """

    session: int
    seq: int


LiveRequest = SubmitOrder | RegisterInstrument | Progress


@dataclass(frozen=True, slots=True)
class BotRequest:
    """A request as the connector hears it, with the id of the bot that sent it.

    `numbered`: it bears a number, as this project's bots send them; the source's do not.
    """

    bot_id: int
    request: LiveRequest
    numbered: bool = True


@dataclass(frozen=True, slots=True)
class SamplesLost:
    """A reader noticed that `count` samples never reached it: every book it holds is unknown."""

    count: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """A reader hears another publisher than before: the connector was restarted and knows nothing of this bot."""

    session: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A sample that is not of the protocol; counted and left out."""

    reason: str = field(default="")


Heard = Batch | SamplesLost | NewSession | Unreadable
"""What a bot's end of the link hears. Of a batch cut by a loss, only what stands for itself is heard (trades, orders, positions, errors),
bare, after the SamplesLost that says so: a framed batch is whole."""
