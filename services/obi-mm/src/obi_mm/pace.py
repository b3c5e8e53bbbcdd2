"""A bot's end of the link that lets one message through at a time, and shows it before it is taken in.

A decision that is due before a message must be made on the book without it: only so do a live run and a backtest of the
same events decide on the same books, however the messages happened to arrive together.
"""

from collections import deque
from typing import Final

from marketlink.events import DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, KIND_MASK
from marketlink.link.port import BotPort, Peer
from marketlink.messages import Batch, FeedEvent, Heard, LiveRequest

_MOST_ROUNDS: Final = 1000


class PacedPort:
    """Wraps a port: `receive` returns only the message that `release` let through."""

    def __init__(self, port: BotPort) -> None:
        self._port = port
        self._waiting: deque[Heard] = deque()
        self._released = False
        self.newest_ns: dict[str, int] = {}

    @property
    def bot_id(self) -> int:
        """The wrapped port's id."""
        return self._port.bot_id

    @property
    def checked(self) -> bool:
        """Whether the wrapped port's connector numbers its samples."""
        return self._port.checked

    def peer(self) -> Peer:
        """Look who is the connector now."""
        return self._port.peer()

    @property
    def backlog(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    def fill(self) -> None:
        """Take everything off the link that is there now, so that `newest_ns` says how far the exchange is, by symbol.

        Bounded: a reader that can't keep up is behind anyway, and hears of it as lost samples.
        """
        if not self._waiting:
            self.newest_ns.clear()  # what was taken in is past
        for _ in range(_MOST_ROUNDS):
            heard = self._port.receive()
            if not heard:
                return
            self._waiting.extend(heard)
            for one in heard:
                for symbol, time_ns in depth_times(one).items():
                    self.newest_ns[symbol] = max(self.newest_ns.get(symbol, 0), time_ns)

    def peek(self) -> Heard | None:
        """Return the next message, None if there is none."""
        if not self._waiting:
            self._waiting.extend(self._port.receive())
        return self._waiting[0] if self._waiting else None

    def release(self) -> None:
        """Let the next `receive` have one message."""
        self._released = True

    def receive(self) -> list[Heard]:
        """Return the released message, if any."""
        if not self._released or self.peek() is None:
            return []
        self._released = False
        return [self._waiting.popleft()]

    def request(self, request: LiveRequest) -> None:
        """Send a request."""
        self._port.request(request)

    def wait(self, timeout_s: float) -> bool:
        """Wait until something may have arrived."""
        return bool(self._waiting) or self._port.wait(timeout_s)

    def close(self) -> None:
        """Leave the link."""
        self._port.close()


def depth_times(heard: Heard) -> dict[str, int]:
    """Return the newest exchange time of the depth rows of each symbol in a message, ns."""
    times: dict[str, int] = {}
    if isinstance(heard, Batch):
        for event in heard.events:
            if isinstance(event, FeedEvent) and len(event.events):
                kinds = event.events["ev"] & KIND_MASK
                depth = event.events["exch_ts"][(kinds == DEPTH) | (kinds == DEPTH_SNAPSHOT) | (kinds == DEPTH_CLEAR)]
                if len(depth):
                    times[event.symbol] = max(times.get(event.symbol, 0), int(depth.max()))
    return times


def feed_times(heard: Heard) -> dict[str, int]:
    """Return the newest exchange time of any row of each symbol in a message, ns."""
    times: dict[str, int] = {}
    if isinstance(heard, Batch):
        for event in heard.events:
            if isinstance(event, FeedEvent) and len(event.events):
                times[event.symbol] = max(times.get(event.symbol, 0), int(event.events["exch_ts"].max()))
    return times
