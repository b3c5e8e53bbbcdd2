"""Which streams one connection should carry, has asked for and has been granted: pure, time is an argument.

wanted ──asked in a batch──► asked ──accepted──► on ──no longer wanted──► asked to end ──► gone
                               └────refused───► refused, until the next connection or the next `want`
"""

from collections.abc import Iterable
from dataclasses import dataclass

from marketlink.venues.base import Answer


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the venue: subscribe to these streams, or end them."""

    request_id: int
    subscribe: bool
    streams: tuple[str, ...]
    sent_ns: int


@dataclass(frozen=True, slots=True)
class SubscriptionLimits:
    """So many streams in all, so many in a message, so long between messages and for an answer."""

    max_streams: int
    batch: int
    spacing_ns: int
    answer_within_ns: int


class Subscriptions:
    """The streams of one feed, over all of its connections."""

    def __init__(self, limits: SubscriptionLimits) -> None:
        self._limits = limits
        self._wanted: dict[str, None] = {}  # in the order of wanting
        self._on: set[str] = set()
        self._refused: set[str] = set()
        self._asked: dict[int, Request] = {}  # oldest first
        self._next_id = 1
        self._not_before_ns = 0
        self._changed = False  # there may be something to ask

    @property
    def on(self) -> frozenset[str]:
        """The streams that the venue has granted on this connection."""
        return frozenset(self._on)

    def want(self, streams: Iterable[str]) -> None:
        """Add streams; one that was refused is asked for again. Raises ValueError, and adds none, when they are too many."""
        added = dict.fromkeys(streams)
        count = len(self._wanted | added)
        if count > self._limits.max_streams:
            raise ValueError(
                f"{count} streams are more than the {self._limits.max_streams} that one connection may carry; use more feeds"
            )
        self._wanted |= added
        self._refused -= added.keys()
        self._changed = True

    def unwant(self, streams: Iterable[str]) -> None:
        """Remove streams; what is not wanted is ignored."""
        for stream in streams:
            self._wanted.pop(stream, None)
        self._changed = True

    def on_connected(self) -> None:
        """Begin anew on a new connection: nothing is asked, granted or refused."""
        self._on.clear()
        self._refused.clear()
        self._asked.clear()
        self._not_before_ns = 0
        self._changed = True

    def next_request(self, now_ns: int) -> Request | None:
        """Return the next message to send, counted as sent now; None when there is none, or not yet."""
        if not self._changed or now_ns < self._not_before_ns:
            return None
        in_flight = {stream for request in self._asked.values() for stream in request.streams}
        for subscribe, streams in (
            (False, [stream for stream in self._on if stream not in self._wanted]),
            (True, [stream for stream in self._wanted if stream not in self._on and stream not in self._refused]),
        ):
            ready = [stream for stream in streams if stream not in in_flight]
            if ready:
                request = Request(self._next_id, subscribe, tuple(ready[: self._limits.batch]), now_ns)
                self._next_id += 1
                self._asked[request.request_id] = request
                self._not_before_ns = now_ns + self._limits.spacing_ns
                return request
        self._changed = False
        return None

    def on_answer(self, answer: Answer) -> Request | None:
        """Take an answer and return the request it belongs to; None when it belongs to none.

        An error without an id belongs to the only request under way, if there is only one.
        """
        request_id = answer.request_id
        if request_id is None and answer.error is not None and len(self._asked) == 1:
            request_id = next(iter(self._asked))
        if isinstance(request_id, str) and request_id.isdecimal():
            request_id = int(request_id)
        request = self._asked.pop(request_id, None) if isinstance(request_id, int) else None
        if request is None:
            return None
        if not request.subscribe:
            self._on -= set(request.streams)
        elif answer.error is None:
            self._on |= set(request.streams)
        else:
            self._refused |= set(request.streams)
        self._changed = True
        return request

    def overdue(self, now_ns: int) -> Request | None:
        """Return the oldest request that has waited too long for its answer."""
        oldest = next(iter(self._asked.values()), None)
        return oldest if oldest is not None and now_ns - oldest.sent_ns >= self._limits.answer_within_ns else None

    def due_ns(self) -> int | None:
        """When `next_request` or `overdue` must be asked at the latest; None when only another call can change anything."""
        oldest = next(iter(self._asked.values()), None)
        times = [] if oldest is None else [oldest.sent_ns + self._limits.answer_within_ns]
        if self._changed:
            times.append(self._not_before_ns)
        return min(times, default=None)
