"""Records what an exchange sends: frames as they are, and REST snapshots wherever the update ids ask for one.

The synchronisers are fed with ids only. They decide when a snapshot is due; they never keep a frame out of the recording.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from marketlink.book.rules import DepthUpdate, Snapshot
from marketlink.book.sync import AskSnapshot, DepthSync, Effect, OutOfSync, Replace, SyncLimits
from marketlink.errors import MalformedMessage, MarketlinkError, RateLimited
from marketlink.events import empty_events
from marketlink.venues.base import Answer, Get, Heading, NotUsed, PublicVenue, ShuttingDown

from collector.record import frame_line
from collector.rotation import DAY_NS, Day

log = logging.getLogger("collector")

_NO_LEVELS: Final = empty_events()
_LIMITS: Final = SyncLimits(answer_within_ns=120_000_000_000)  # many symbols at once wait for the venue's weight limit
_EVERY: Final = 1000  # a repeated complaint is logged so often


class Sink(Protocol):
    """Where lines go: the writer."""

    def put(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> None:
        """Take over whole lines of one file."""


class Rest(Protocol):
    """What is needed of `marketlink.run.http.VenueHttp`."""

    def get(self, request: Get, *, urgent: bool = False) -> Awaitable[bytes]:
        """Return an answer's body. Raises RateLimited, VenueRefused, Unreachable."""


@dataclass(slots=True)
class VenueCounts:
    """What came from the exchange since the start."""

    frames: int = 0
    snapshots: int = 0
    snapshots_failed: int = 0
    connections: int = 0
    out_of_sync: int = 0
    not_recorded: Counter[str] = field(default_factory=Counter)  # frames left out, by reason


class VenueRecorder:
    """A feed's listener that writes every frame of its symbols. One event loop's thread only.

    `ask(symbol)` is called when a snapshot is due and none is being fetched for that symbol; it must lead to `fetch(symbol)`.
    """

    def __init__(
        self,
        venue: PublicVenue,
        symbols: Sequence[str],
        sink: Sink,
        ask: Callable[[str], None],
        *,
        rng: random.Random,
        wall_ns: Callable[[], int] = time.time_ns,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._venue, self._put, self._ask = venue, sink.put, ask
        self._wall_ns, self._mono_ns = wall_ns, mono_ns
        self._syncs = {symbol: DepthSync(venue.rule, rng, _LIMITS) for symbol in symbols}
        self._symbol_of = {stream: symbol for symbol in symbols for stream in venue.recorded_streams(symbol)}
        self._tickets: dict[str, int] = {}  # the last ask of each symbol whose answer is awaited
        self._finishing = False
        self.counts = VenueCounts()

    @property
    def streams(self) -> list[str]:
        """The streams to subscribe to."""
        return list(self._symbol_of)

    @property
    def in_sync(self) -> int:
        """How many symbols have a snapshot and every update since."""
        return sum(sync.in_sync for sync in self._syncs.values())

    def finish(self) -> None:
        """Expect the end of the connection: it is no trouble any more."""
        self._finishing = True

    def on_connected(self) -> None:
        """Count a connection."""
        self.counts.connections += 1

    def on_subscribed(self, streams: Sequence[str]) -> None:
        """Expect updates: a quiet symbol is asked for all the same."""
        for symbol in {self._symbol_of[stream] for stream in streams if stream in self._symbol_of}:
            self._carry_out(symbol, self._syncs[symbol].on_subscribed(self._mono_ns()))

    def on_refused(self, streams: Sequence[str], error: str) -> None:
        """Tell a person: what is refused is missing from the recording."""
        log.error("%s refuses %s: %s", self._venue.name, ", ".join(streams), error)

    def on_stale(self, streams: Sequence[str]) -> None:
        """Start the books anew of which no updates come any more."""
        log.warning("%s: silent while others run: %s", self._venue.name, ", ".join(streams))
        depths = [stream for stream in streams if "@depth" in stream and stream in self._symbol_of]
        for symbol in {self._symbol_of[stream] for stream in depths}:
            self._carry_out(symbol, self._syncs[symbol].on_reconnect(self._mono_ns()))

    def on_disconnected(self, reason: str) -> None:
        """Start every book anew."""
        if self._finishing:
            return
        log.warning("%s: connection lost: %s", self._venue.name, reason)
        for symbol, sync in self._syncs.items():
            self._carry_out(symbol, sync.on_reconnect(self._mono_ns()))

    def on_frame(self, recv_ns: int, frame: bytes) -> None:
        """Write a frame into the file of its symbol and day. Raises what made the writer fail."""
        self.counts.frames += 1
        try:
            heading = self._venue.heading(frame)
        except MalformedMessage as error:
            self._malformed(recv_ns, frame, error)
            return
        if not isinstance(heading, Heading):
            self._leave_out(heading, frame)
            return
        sync = self._syncs.get(heading.symbol)
        if sync is None:
            self._complain(f"frame of {heading.symbol}, which was not asked for", frame)
            return
        self._put(heading.symbol, Day(recv_ns // DAY_NS), frame_line(recv_ns, frame))
        if heading.stream == "depth":
            update = DepthUpdate(heading.first_id, heading.last_id, heading.prev_id, _NO_LEVELS)
            effects = sync.on_update(update, self._mono_ns())
            if len(effects) != 1 or type(effects[0]) is AskSnapshot or type(effects[0]) is OutOfSync:
                self._carry_out(heading.symbol, effects)

    def on_time(self) -> None:
        """Let time pass for the synchronisers; call it a few times a second."""
        now_ns = self._mono_ns()
        for symbol, sync in self._syncs.items():
            due_ns = sync.due_ns
            if due_ns is not None and due_ns <= now_ns:
                self._carry_out(symbol, sync.on_time(now_ns))

    async def fetch(self, symbol: str, rest: Rest) -> None:
        """Fetch and write a snapshot; the synchroniser hears of it, or of the failure."""
        sync = self._syncs[symbol]
        try:
            body = await rest.get(self._venue.snapshot_request(symbol))
            recv_ns = self._wall_ns()
            snapshot = Snapshot(self._venue.decode_snapshot(symbol, body, recv_ns).last_id, _NO_LEVELS)
        except MarketlinkError as error:
            self.counts.snapshots_failed += 1
            log.warning("no snapshot of %s: %s", symbol, error)
            retry_ns = int(error.retry_after_s * 1e9) if isinstance(error, RateLimited) else 0
            effects = sync.on_snapshot_failed(self._tickets.pop(symbol), self._mono_ns(), retry_ns)
        else:
            self.counts.snapshots += 1
            self._put(symbol, Day(recv_ns // DAY_NS), frame_line(recv_ns, body))
            effects = sync.on_snapshot(self._tickets.pop(symbol), snapshot, self._mono_ns())
        self._carry_out(symbol, effects)

    def _carry_out(self, symbol: str, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case AskSnapshot(ticket):
                    # The answer under way serves the newer ask too; the synchroniser refuses it if it is too old.
                    under_way = symbol in self._tickets
                    self._tickets[symbol] = ticket
                    if not under_way:
                        self._ask(symbol)
                case OutOfSync(trouble, after_id):
                    self.counts.out_of_sync += 1
                    log.warning("%s: %s after update %d", symbol, trouble.value, after_id)
                case Replace(last_id=last_id):
                    log.info("%s: in step with the exchange at update %d", symbol, last_id)

    def _malformed(self, recv_ns: int, frame: bytes, error: MalformedMessage) -> None:
        symbol: str | None = getattr(error, "symbol", None)
        if symbol is None or symbol not in self._syncs:
            self._complain(f"unreadable frame: {error}", frame)
            return
        self._put(symbol, Day(recv_ns // DAY_NS), frame_line(recv_ns, frame))
        if getattr(error, "stream", None) in (None, "depth"):
            self._carry_out(symbol, self._syncs[symbol].on_bad_message(self._mono_ns()))

    def _leave_out(self, heading: Answer | ShuttingDown | NotUsed, frame: bytes) -> None:
        if isinstance(heading, NotUsed):
            self._complain(f"frame of kind {heading.kind!r}", frame)

    def _complain(self, what: str, frame: bytes) -> None:
        kind = what.partition(":")[0]
        before = self.counts.not_recorded[kind]
        self.counts.not_recorded[kind] += 1
        if before % _EVERY == 0:
            log.warning("not recorded (%d so far): %s: %r", before + 1, what, frame[:160])
