"""What the exchange knows of one websocket connection, and the effects it asks the shell to carry out.

OPEN --stall--> STALLED --time over--> OPEN
OPEN, STALLED --close, eof, reset, client gone--> GONE
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from venue_sim.face import Private
from venue_sim.limits import SlidingLimit


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send these texts, in order, one websocket message each."""

    connection: int
    payloads: list[bytes]


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ping with that payload."""

    connection: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Send a close frame and end the connection."""

    connection: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Eof:
    """End the TCP connection without a close frame."""

    connection: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the TCP connection with RST."""

    connection: int


Effect = Deliver | Ping | Close | Eof | Reset


class LinkState(Enum):
    """What a connection receives: everything, nothing for a while, nothing ever again."""

    OPEN = "open"
    STALLED = "stalled"
    GONE = "gone"


@dataclass(slots=True)
class Link:
    """One connection. `out` collects what the current step sends, `late` what a delaying stall keeps back."""

    id: int
    category: Enum
    combined: bool
    opened_ns: int
    messages: SlidingLimit
    private: Private | None = None
    api: bool = False
    rewrite: Callable[[bytes], bytes] | None = None
    session: str | None = None
    streams: dict[str, None] = field(default_factory=dict)
    state: LinkState = LinkState.OPEN
    stalled_until_ns: int | None = None
    delays: bool = False
    silent_pings_until_ns: int | None = 0
    last_ping_ns: int = 0
    unanswered_ping_ns: int | None = None
    pings: deque[bytes] = field(default_factory=lambda: deque(maxlen=16))
    sent: int = 0
    out: list[bytes] = field(default_factory=list)
    late: list[bytes] = field(default_factory=list)
    swapped: dict[str, bytes] = field(default_factory=dict)
    on_the_way: list[tuple[int, bytes]] = field(default_factory=list)

    def send(self, payload: bytes) -> None:
        """Queue one message, or lose or keep it while stalled."""
        if self.rewrite is not None:
            payload = self.rewrite(payload)
        if self.state is LinkState.OPEN:
            self.out.append(payload)
        elif self.state is LinkState.STALLED and self.delays:
            self.late.append(payload)

    def arrive(self, now_ns: int) -> None:
        """Send what was late and is due, in the order it is due."""
        if self.on_the_way and min(self.on_the_way)[0] <= now_ns:
            due = [entry for entry in self.on_the_way if entry[0] <= now_ns]
            self.on_the_way = [entry for entry in self.on_the_way if entry[0] > now_ns]
            for _, payload in sorted(due, key=lambda entry: entry[0]):
                self.send(payload)

    def flush(self) -> list[Effect]:
        """Turn what is queued into one effect."""
        if not self.out:
            return []
        payloads, self.out = self.out, []
        self.sent += len(payloads)
        return [Deliver(self.id, payloads)]

    def stall(self, until_ns: int | None, delays: bool) -> None:
        """Send nothing until then (None: never again)."""
        if self.state is LinkState.OPEN:
            self.state, self.stalled_until_ns, self.delays = LinkState.STALLED, until_ns, delays

    def wake(self, now_ns: int) -> None:
        """End a stall whose time is over; what was kept goes out first."""
        if self.state is LinkState.STALLED and self.stalled_until_ns is not None and now_ns >= self.stalled_until_ns:
            self.state = LinkState.OPEN
            self.out.extend(self.late)
            self.late.clear()
