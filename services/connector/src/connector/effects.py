"""What the hub wants carried out, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from marketlink.messages import Batch
from marketlink.notices import Notice
from marketlink.private import PrivateEvent
from marketlink.venues.trading import Call


@dataclass(frozen=True, slots=True)
class Publish:
    """Send a batch over the link."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a bot's registration, with the book as it is when the answer is sent; a repeat before that is the same answer."""

    bot_id: int
    symbol: str
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to a symbol's streams."""

    symbol: str


@dataclass(frozen=True, slots=True)
class FetchSnapshot:
    """Fetch a symbol's whole book and answer under this ticket."""

    symbol: str
    ticket: int


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """Subscribe anew to a symbol's depth stream: its whole book then comes in the stream itself."""

    symbol: str
    window: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request of the account's and answer under this number; `urgent` ones may use the budget's reserve."""

    number: int
    call: Call
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Journal:
    """Keep this for the next process of this name, behind all that was told before."""

    record: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TellPrivate:
    """Tell readers of the account's events."""

    event: PrivateEvent


@dataclass(frozen=True, slots=True)
class Restream:
    """Open the account's stream anew."""


class Level(Enum):
    """How loud a note is."""

    INFO = "info"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Note:
    """A fact for the log."""

    level: Level
    text: str


Effect = Publish | Answer | Subscribe | FetchSnapshot | Resubscribe | Ask | Journal | TellPrivate | Restream | Note
"""One thing for the shell to do."""
