"""Which streams one connection should carry, has asked for and has been granted: pure, time is an argument.

wanted ──asked in a batch──► asked ──accepted──► on ──no longer wanted, or to be renewed──► asked to end ──► gone
                               ▲ └────refused───► refused ─┐
                               └─later, in halves, alone───┘

An error answer hits a whole batch. So what was refused together is asked for again in halves, until the stream that is to blame is alone;
from then on it is asked for alone, ever later, on later connections too: it keeps no other stream out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from marketlink.times import MonoNs, after
from marketlink.venues.base import Answer


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    """One message to the venue: subscribe to these streams, or end them. `refusals`: how often they were refused alone."""

    request_id: int
    subscribe: bool
    streams: tuple[str, ...]
    sent_ns: MonoNs
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """A request with its answer; `changed` are the streams whose state is another than what was told of them last.

    Those granted, those refused with an error not told yet, and of an end those that are not only to be renewed.
    """

    request: SubscriptionRequest
    error: str | None
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionLimits:
    """So many streams in all, so many in a message, so long between messages and for an answer.

    A refused batch is asked for again after `retry_ns`; a stream refused alone after that, twice that, ... up to `retry_ceiling_ns`.
    """

    max_streams: int
    batch: int
    spacing_ns: int
    answer_within_ns: int
    retry_ns: int = 500_000_000
    retry_ceiling_ns: int = 60_000_000_000


@dataclass(frozen=True, slots=True)
class _Again:
    """Refused streams that are asked for in one message, not before a time."""

    streams: tuple[str, ...]
    due_ns: MonoNs
    refusals: int


class Subscriptions:
    """The streams of one feed, over all of its connections."""

    def __init__(self, limits: SubscriptionLimits) -> None:
        self._limits = limits
        self._wanted: dict[str, None] = {}  # in the order of wanting
        self._on: set[str] = set()
        self._renewed: set[str] = set()  # on, to be ended and asked for anew
        self._again: list[_Again] = []
        self._told: dict[str, str] = {}  # the error that was last told of a stream that is not on
        self._asked: dict[int, SubscriptionRequest] = {}  # oldest first
        self._next_id = 1
        self._not_before_ns = MonoNs(0)
        self._changed = False  # there may be something to ask

    @property
    def on(self) -> frozenset[str]:
        """The streams that the venue has granted on this connection."""
        return frozenset(self._on)

    @property
    def any_wanted(self) -> bool:
        """Whether this connection should carry anything."""
        return bool(self._wanted)

    @property
    def refused(self) -> frozenset[str]:
        """The wanted streams that the venue refused, and has not granted since."""
        return frozenset(self._told)

    def want(self, streams: Iterable[str]) -> None:
        """Add streams; one that was refused is asked for at once. Raises ValueError, and adds none, when they are too many."""
        added = dict.fromkeys(streams)
        count = len(self._wanted | added)
        if count > self._limits.max_streams:
            raise ValueError(
                f"{count} streams are more than the {self._limits.max_streams} that one connection may carry; use more feeds"
            )
        self._wanted |= added
        self._forget(added)
        self._changed = True

    def unwant(self, streams: Iterable[str]) -> None:
        """Remove streams; what is not wanted is ignored."""
        removed = dict.fromkeys(streams)
        for stream in removed:
            self._wanted.pop(stream, None)
            self._told.pop(stream, None)
        self._forget(removed)
        self._changed = True

    def renew(self, streams: Iterable[str]) -> None:
        """End streams that are on, and ask for them anew; others are left as they are."""
        self._renewed |= self._on & set(streams)
        self._changed = True

    def on_connected(self) -> None:
        """Begin anew on a new connection: nothing is asked, granted or refused; what was refused alone is asked for alone."""
        alone = [_Again(r.streams, r.sent_ns, r.refusals) for r in self._asked.values() if r.subscribe and r.refusals]
        alone += [again for again in self._again if again.refusals]
        self._again = [replace(again, due_ns=MonoNs(0)) for again in alone]
        self._on.clear()
        self._renewed.clear()
        self._told.clear()
        self._asked.clear()
        self._not_before_ns = MonoNs(0)
        self._changed = True

    def next_request(self, now_ns: MonoNs) -> SubscriptionRequest | None:
        """Return the next message to send, counted as sent now; None when there is none, or not yet."""
        if now_ns < self._not_before_ns:
            return None
        if self._changed:
            elsewhere = {stream for request in self._asked.values() for stream in request.streams}
            refused = {stream for again in self._again for stream in again.streams}
            for subscribe, streams in (
                (False, [stream for stream in self._on if stream not in self._wanted or stream in self._renewed]),
                (True, [stream for stream in self._wanted if stream not in self._on and stream not in refused]),
            ):
                ready = [stream for stream in streams if stream not in elsewhere]
                if ready:
                    return self._ask(subscribe, tuple(ready[: self._limits.batch]), 0, now_ns)
            self._changed = False
        for again in self._again:
            if again.due_ns <= now_ns:
                self._again.remove(again)
                return self._ask(True, again.streams, again.refusals, now_ns)
        return None

    def on_answer(self, answer: Answer, now_ns: MonoNs) -> Settled | None:
        """Take an answer and return what it settles; None when it belongs to no request.

        An answer without an id belongs to the request for the streams that it names; an error that names none, to the only request
        under way, if there is only one.
        """
        request_id = answer.request_id
        if request_id is None and answer.streams:
            same = (one for one in self._asked.values() if one.streams == answer.streams)
            request_id = next((one.request_id for one in same), None)
        if request_id is None and answer.error is not None and len(self._asked) == 1:
            request_id = next(iter(self._asked))
        if isinstance(request_id, str) and request_id.isdecimal():
            request_id = int(request_id)
        request = self._asked.pop(request_id, None) if isinstance(request_id, int) else None
        if request is None:
            return None
        self._changed = True
        if not request.subscribe:
            self._on -= set(request.streams)
            self._renewed -= set(request.streams)
            return Settled(request, answer.error, tuple(s for s in request.streams if s not in self._wanted))
        if answer.error is None:
            self._on |= set(request.streams)
            for stream in request.streams:
                self._told.pop(stream, None)
            return Settled(request, None, request.streams)
        return Settled(request, answer.error, self._refuse(request, answer.error, now_ns))

    def overdue(self, now_ns: MonoNs) -> SubscriptionRequest | None:
        """Return the oldest request that has waited too long for its answer."""
        oldest = next(iter(self._asked.values()), None)
        return oldest if oldest is not None and now_ns - oldest.sent_ns >= self._limits.answer_within_ns else None

    def due_ns(self) -> MonoNs | None:
        """When `next_request` or `overdue` must be asked at the latest; None when only another call can change anything."""
        oldest = next(iter(self._asked.values()), None)
        times = [] if oldest is None else [after(oldest.sent_ns, self._limits.answer_within_ns)]
        if self._changed:
            times.append(self._not_before_ns)
        times += [max(again.due_ns, self._not_before_ns) for again in self._again]
        return min(times, default=None)

    def _ask(self, subscribe: bool, streams: tuple[str, ...], refusals: int, now_ns: MonoNs) -> SubscriptionRequest:
        request = SubscriptionRequest(self._next_id, subscribe, streams, now_ns, refusals)
        self._next_id += 1
        self._asked[request.request_id] = request
        self._not_before_ns = after(now_ns, self._limits.spacing_ns)
        return request

    def _refuse(self, request: SubscriptionRequest, error: str, now_ns: MonoNs) -> tuple[str, ...]:
        """Plan when to ask again; return the streams of which this error was not told yet."""
        limits = self._limits
        streams = tuple(stream for stream in request.streams if stream in self._wanted)
        changed = tuple(stream for stream in streams if self._told.get(stream) != error)
        self._told |= dict.fromkeys(streams, error)
        if len(streams) == 1:
            wait_ns = min(limits.retry_ns << min(request.refusals, 30), limits.retry_ceiling_ns)
            self._again.append(_Again(streams, after(now_ns, wait_ns), request.refusals + 1))
        elif streams:
            half = (len(streams) + 1) // 2
            for part in (streams[:half], streams[half:]):
                self._again.append(_Again(part, after(now_ns, limits.retry_ns), 0))
        return changed

    def _forget(self, streams: dict[str, None]) -> None:
        """Take streams out of what is to be asked for later."""
        kept = [replace(a, streams=tuple(s for s in a.streams if s not in streams)) for a in self._again]
        self._again = [again for again in kept if again.streams]
