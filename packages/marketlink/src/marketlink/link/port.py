"""The port between cores and link: what a connector and a bot can do with it, and the in-memory link for tests of logic.

Every implementation runs the same conformance suite (tests/marketlink/link/conformance.py).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketlink.errors import LinkError
from marketlink.messages import TO_ALL, Batch, BotRequest, FeedEvent, Heard, LiveRequest, NewSession, SamplesLost
from marketlink.private import PrivateEvent


class Peer(Enum):
    """Who publishes on a link's `ToBot`."""

    NOBODY = "nobody"
    SOURCE = "the source's own connector"  # takes sizes from its bots, numbers nothing, wakes nobody
    OURS = "a connector of this project"


@dataclass(frozen=True, slots=True)
class Present:
    """Bots of which something was heard and whose process lives; `whole`: nobody else is on the link of whom nothing was heard yet."""

    bots: frozenset[int]
    whole: bool


class LoanedSamples(Protocol):
    """Samples of a publisher loaned ahead of need, for a kernel to fill: what stands in the first n goes out by `send_loaned(n)`."""

    @property
    def size(self) -> int:
        """How many bytes a sample has behind its header."""

    @property
    def memory(self) -> NDArray[np.uint8]:
        """What they lie in; another array when they came to lie elsewhere."""

    @property
    def places(self) -> NDArray[np.int64]:
        """Where in it each one's header begins; always the same array."""


class ConnectorPort(Protocol):
    """The connector's end: publishes batches, hears requests."""

    @property
    def buffer_size(self) -> int:
        """How many samples a reader's queue holds."""

    @property
    def session(self) -> int:
        """What its samples bear as their session."""

    @property
    def next_seq(self) -> int:
        """The number of the next sample."""

    def readers(self) -> int:
        """How many bots and recorders are on the link now."""

    def present(self) -> Present:
        """Return which bots' processes live; takes a moment: for once a second, where requests are taken."""

    def send(self, batch: Batch) -> None:
        """Publish a batch; never waits for a bot. Raises LinkError when the link itself is broken."""

    def sending(self, batch: Batch, most: int) -> Iterator[None]:
        """Publish a batch in steps of about `most` samples, one a `next`; nothing else may be sent before it is done. Raises LinkError."""

    def loaned(self) -> LoanedSamples | None:
        """Samples to be filled in place; None where there is no such thing. The same ones at each call. Raises LinkError."""

    def send_loaned(self, count: int) -> None:
        """Publish the first `count` loaned samples, which bear the next numbers, and have others in their place. Raises LinkError."""

    def send_private(self, event: PrivateEvent) -> None:
        """Tell readers of the account's events; nobody where that service is not open."""

    def requests(self) -> list[BotRequest]:
        """Return every request that has arrived, without waiting."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until something may have arrived. True is a hint, not a promise."""

    def close(self) -> None:
        """Leave the link; further calls are errors."""


class BotPort(Protocol):
    """A bot's end: hears batches for itself and for all, sends requests."""

    @property
    def bot_id(self) -> int:
        """This bot's id, never 0."""

    @property
    def checked(self) -> bool:
        """Whether the connector numbers its samples and heartbeats, as ours does: then a loss and a silence are noticed."""

    def peer(self) -> Peer:
        """Look who is the connector now; cheap enough for once a second."""

    def receive(self) -> list[Heard]:
        """Return what was heard, oldest first, without waiting: at most a few thousand samples' worth.

        An unfinished framed batch stays back until its end.
        """

    def request(self, request: LiveRequest) -> None:
        """Send a request to the connector, or to whoever takes that name later: nothing answers when nobody listens."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until something may have arrived. True is a hint, not a promise."""

    def close(self) -> None:
        """Leave the link; further calls are errors."""


class MemoryLink:
    """A link inside one process, with the same losses as the real one: a full buffer drops the oldest batch and says so."""

    def __init__(self, buffer_batches: int = 10_000) -> None:
        self._buffer_batches = buffer_batches
        self._session = 0
        self._connectors = 0
        self.private: list[PrivateEvent] = []
        self._bots: list[MemoryBotPort] = []
        self._requests: deque[BotRequest] = deque()

    def connector(self) -> "MemoryConnectorPort":
        """Return a new publisher's end, which is a new session for every bot."""
        self._session += 1
        self._connectors += 1
        return MemoryConnectorPort(self)

    def bot(self, bot_id: int) -> "MemoryBotPort":
        """Return a bot's end."""
        if bot_id == TO_ALL:
            raise ValueError("a bot's id can't be 0: that addresses every bot")
        port = MemoryBotPort(self, bot_id)
        self._bots.append(port)
        return port


class MemoryConnectorPort:
    """The connector's end of a MemoryLink."""

    def __init__(self, link: MemoryLink) -> None:
        self._link, self._session = link, link._session
        self._sent = 0

    @property
    def buffer_size(self) -> int:
        """How many batches a bot's queue holds."""
        return self._link._buffer_batches

    @property
    def session(self) -> int:
        """This end's session."""
        return self._session

    @property
    def next_seq(self) -> int:
        """How many batches were sent."""
        return self._sent

    def readers(self) -> int:
        """How many bots there are."""
        return len(self._link._bots)

    def present(self) -> Present:
        """Every bot's end that is open."""
        return Present(frozenset(bot.bot_id for bot in self._link._bots), True)

    def sending(self, batch: Batch, most: int) -> Iterator[None]:
        """Hand the batch over at the last step: a batch is the smallest thing here."""
        for event in batch.events:
            for _ in range(len(event.events) // most if isinstance(event, FeedEvent) else 0):
                yield
        self.send(batch)

    def send(self, batch: Batch) -> None:
        """Hand the batch to every bot it is for."""
        self._sent += 1
        for bot in self._link._bots:
            bot._hear(self._session, batch)

    def loaned(self) -> LoanedSamples | None:
        """None: there are no samples here."""
        return None

    def send_loaned(self, count: int) -> None:
        """There are none to send."""
        raise LinkError("memory", "no samples are loaned here", "Send batches.")

    def send_private(self, event: PrivateEvent) -> None:
        """Keep the event for a test to look at."""
        self._link.private.append(event)

    def requests(self) -> list[BotRequest]:
        """Return and forget every waiting request."""
        waiting = list(self._link._requests)
        self._link._requests.clear()
        return waiting

    def wait(self, timeout_s: float) -> bool:
        """Tell whether a request waits; time does not pass here."""
        return bool(self._link._requests)

    def close(self) -> None:
        """Leave the link, which outlives its ends."""
        self._link._connectors -= 1


class MemoryBotPort:
    """A bot's end of a MemoryLink."""

    def __init__(self, link: MemoryLink, bot_id: int) -> None:
        self._link, self._bot_id = link, bot_id
        self._heard: deque[Batch | NewSession] = deque()
        self._session = 0
        self._lost = 0

    @property
    def bot_id(self) -> int:
        """This bot's id."""
        return self._bot_id

    @property
    def checked(self) -> bool:
        """Always: this link counts what it loses."""
        return True

    def peer(self) -> Peer:
        """OURS while there is a connector's end."""
        return Peer.OURS if self._link._connectors > 0 else Peer.NOBODY

    def _hear(self, session: int, batch: Batch) -> None:
        if session != self._session:
            if self._session:
                self._heard.append(NewSession(session))
            self._session = session
        if len(self._heard) >= self._link._buffer_batches:
            self._heard.popleft()
            self._lost += 1
        if batch.to in (TO_ALL, self._bot_id):
            self._heard.append(batch)

    def receive(self) -> list[Heard]:
        """Return and forget what was heard; a loss is told first, because what was lost is older than the rest."""
        heard: list[Heard] = [SamplesLost(self._lost)] if self._lost else []
        heard.extend(self._heard)
        self._heard.clear()
        self._lost = 0
        return heard

    def request(self, request: LiveRequest) -> None:
        """Queue a request for whichever connector asks next."""
        self._link._requests.append(BotRequest(self._bot_id, request))

    def wait(self, timeout_s: float) -> bool:
        """Tell whether something was heard; time does not pass here."""
        return bool(self._heard) or self._lost > 0

    def close(self) -> None:
        """Leave the link."""
        if self in self._link._bots:
            self._link._bots.remove(self)
