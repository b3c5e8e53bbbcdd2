"""Records what an exchange sends: frames as they are, and REST snapshots wherever the update ids ask for one.

The synchronisers are fed with ids only. They decide when a snapshot is due; they never keep a frame out of the recording.

Wherever something may be missing a gap line says so: at the start, at each end of a connection, at a hole in the ids, at a stream that
fell silent, and where the disk was so far behind that frames were left out. One outage is one gap line: there is no second one while
nothing was written since the first.
"""

import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from marketlink.book.rules import DepthUpdate, Snapshot
from marketlink.book.sync import AskSnapshot, DepthSync, Effect, OutOfSync, Replace, SyncLimits
from marketlink.clock import Clock, SystemClock
from marketlink.errors import MalformedMessage, MarketlinkError, RateLimited
from marketlink.events import empty_events
from marketlink.times import SECOND_NS, MonoNs, after
from marketlink.venues.base import BASE, Answer, Beat, Get, Heading, NotUsed, PublicVenue, ShuttingDown

from collector.clock_check import ClockCheck
from collector.record import (
    BOOK_OUT_OF_SYNC,
    CONNECTION_LOST,
    DISK_BEHIND,
    RECORDER_STARTED,
    STREAM_SILENT,
    frame_line,
    gap_line,
)
from collector.rotation import DAY_NS, Day

log = logging.getLogger("collector")

_NO_LEVELS: Final = empty_events()
_LIMITS: Final = SyncLimits(answer_within_ns=120 * SECOND_NS)  # many symbols at once wait for the venue's weight limit
_IN_STREAM: Final = SyncLimits(answer_within_ns=5 * SECOND_NS)  # a whole book is the first that a stream brings
_EVERY: Final = 1000  # a repeated complaint is logged so often
_SILENT_NS: Final = 10 * SECOND_NS  # after so long without any frame of a symbol a person is told


class Sink(Protocol):
    """Where lines go: the writer."""

    def offer(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> bool:
        """Take over whole lines of one file; False when there is no room."""

    def take_hole(self, symbol: str) -> bool:
        """Tell, once, that earlier lines of a symbol's file are gone."""


class Rest(Protocol):
    """What is needed of `marketlink.run.http.VenueHttp`."""

    def get(self, request: Get, *, urgent: bool = False) -> Awaitable[bytes]:
        """Return an answer's body. Raises RateLimited, VenueRefused, Unreachable."""


@dataclass(slots=True)
class VenueCounts:
    """What came from the exchange since the start. `left_out` counts lines there was no room for, `gaps` gap lines by reason."""

    frames: int = 0
    snapshots: int = 0
    snapshots_failed: int = 0
    connections: int = 0
    out_of_sync: int = 0
    left_out: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    not_recorded: Counter[str] = field(default_factory=Counter)  # frames left out, by reason


@dataclass(slots=True)
class _Symbol:
    """What is known of one symbol: `name` is the venue's, `file` that of its recording; `syncs` are of its depth streams by window."""

    name: str
    file: str
    syncs: dict[int, DepthSync]
    silent_since_ns: MonoNs
    warn_ns: MonoNs | None  # when a person is to be told of the silence; None once a frame came
    ticket: int | None = None  # the last ask, whose answer is awaited
    recorded: bool = False  # whether anything of it was written
    gap_told: bool = False  # whether the last line written is a gap line
    left_out: int = 0  # lines there was no room for, not stated yet
    hit: bool = False  # whether there ever were such
    stale: set[str] = field(default_factory=set)


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
        clock: Clock | None = None,
    ) -> None:
        self._venue, self._sink, self._ask, self._offer = venue, sink, ask, sink.offer
        clock = clock or SystemClock()
        self._wall_ns, self._mono_ns = clock.wall_ns, clock.mono_ns
        now_ns = self._mono_ns()
        names = dict.fromkeys(map(venue.normal_symbol, symbols))
        limits = _IN_STREAM if venue.snapshot_in_stream else _LIMITS

        def syncs() -> dict[int, DepthSync]:
            return {window: DepthSync(venue.rule, rng, limits) for window in (BASE, *venue.windows)}

        self._symbols = {
            name: _Symbol(name, name.lower(), syncs(), now_ns, after(now_ns, _SILENT_NS)) for name in names
        }
        self.renew: Callable[[list[str]], None] = lambda streams: None
        """Subscribes to streams anew, where that is how whole books are asked for; the shell sets it to its feed's."""
        self._symbol_of = {stream: name for name in names for stream in venue.recorded_streams(name)}
        self._finishing = False
        self.clock_check = ClockCheck()
        self.counts = VenueCounts()

    @property
    def streams(self) -> list[str]:
        """The streams to subscribe to."""
        return list(self._symbol_of)

    @property
    def in_sync(self) -> int:
        """How many symbols have a snapshot and every update since."""
        return sum(symbol.syncs[BASE].in_sync for symbol in self._symbols.values())

    @property
    def unheard(self) -> list[str]:
        """The symbols of which nothing at all was written: no frame, no snapshot."""
        return [name for name, symbol in self._symbols.items() if not symbol.recorded]

    @property
    def hit(self) -> list[str]:
        """The symbols with lines that there was no room for."""
        return [name for name, symbol in self._symbols.items() if symbol.hit]

    def begin(self) -> None:
        """State the start: what was before it is missing. To be called before the first frame."""
        for symbol in self._symbols.values():
            self._gap(symbol, RECORDER_STARTED)
            self._expect(symbol)

    def finish(self) -> None:
        """Expect the end of the connection: it is no trouble any more."""
        self._finishing = True

    def on_connected(self) -> None:
        """Count a connection."""
        self.counts.connections += 1

    def on_subscribed(self, streams: Sequence[str]) -> None:
        """Expect updates: a quiet symbol is asked for all the same."""
        for symbol, window in self._depths_in(streams):
            self._carry_out(symbol, symbol.syncs[window].on_subscribed(self._mono_ns()), window)

    def on_refused(self, streams: Sequence[str], error: str) -> None:
        """Tell a person: what is refused is missing from the recording."""
        log.error("%s refuses %s: %s", self._venue.name, ", ".join(streams), error)

    def on_stale(self, streams: Sequence[str]) -> None:
        """State that streams fell silent that should not be: what they would have said is missing, the book unknown."""
        new = [stream for stream in streams if stream in self._symbol_of]
        for symbol in self._of(new):
            fresh = {stream for stream in new if self._symbol_of[stream] == symbol.name} - symbol.stale
            if not fresh:
                continue
            symbol.stale |= fresh
            log.warning("%s: silent: %s", symbol.name, ", ".join(sorted(fresh)))
            self._gap(symbol, STREAM_SILENT)
            for window, sync in symbol.syncs.items():  # the next update asks for a new book
                if self._may_be_of(fresh, symbol, window):
                    self._carry_out(symbol, sync.on_stale(self._mono_ns()), window)

    def on_disconnected(self, reason: str) -> None:
        """Start every book anew."""
        if self._finishing:
            return
        log.warning("%s: connection lost: %s", self._venue.name, reason)
        for symbol in self._symbols.values():
            self._gap(symbol, CONNECTION_LOST)
            symbol.stale.clear()
            self._expect(symbol)
            for window, sync in symbol.syncs.items():
                self._carry_out(symbol, sync.on_reconnect(self._mono_ns()), window)

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
        symbol = self._symbols.get(heading.symbol)
        if symbol is None:
            self._complain(f"frame of {heading.symbol}, which was not asked for", frame)
            return
        symbol.warn_ns = None
        if symbol.stale:
            symbol.stale.discard(self._venue.stream_key(frame).decode())
        if heading.stream != "depth":
            self._write(symbol, recv_ns, frame)
            return
        sync = symbol.syncs[heading.window]
        if symbol.left_out:  # an update that is not in the file must not be known to the synchroniser
            if self._write(symbol, recv_ns, frame):
                self._carry_out(symbol, self._heard(sync, heading), heading.window)
            return
        effects = self._heard(sync, heading)
        usual = len(effects) == 1 and type(effects[0]) is not AskSnapshot and type(effects[0]) is not OutOfSync
        if not usual and any(type(effect) is OutOfSync for effect in effects):
            self._gap(symbol, BOOK_OUT_OF_SYNC, recv_ns)
        if self._write(symbol, recv_ns, frame) and not usual:
            self._carry_out(symbol, effects, heading.window)

    def _heard(self, sync: DepthSync, heading: Heading) -> list[Effect]:
        """Let a synchroniser know of a depth frame by its ids."""
        if heading.whole:
            return sync.on_stream_snapshot(Snapshot(heading.last_id, _NO_LEVELS), self._mono_ns())
        update = DepthUpdate(heading.first_id, heading.last_id, heading.prev_id, _NO_LEVELS)
        return sync.on_update(update, self._mono_ns())

    def on_time(self) -> None:
        """Let time pass; call it a few times a second."""
        now_ns = self._mono_ns()
        for symbol in self._symbols.values():
            if self._sink.take_hole(symbol.file):  # its gap line is written
                self._start_anew(symbol)
            if symbol.left_out and not self._state_left_out(symbol, self._wall_ns()):
                continue
            for window, sync in symbol.syncs.items():
                due_ns = sync.due_ns
                if due_ns is not None and due_ns <= now_ns:
                    self._carry_out(symbol, sync.on_time(now_ns), window)
            if symbol.warn_ns is not None and symbol.warn_ns <= now_ns:
                silent_ns = now_ns - symbol.silent_since_ns
                log.warning("%s: no frame at all for %d s", symbol.name, silent_ns // SECOND_NS)
                symbol.warn_ns = after(now_ns, silent_ns)

    async def fetch(self, symbol: str, rest: Rest) -> None:
        """Fetch and write a snapshot; the synchroniser hears of it, or of the failure."""
        known = self._symbols[symbol]
        retry_ns = 0
        recv_ns: int = 0
        snapshot: Snapshot | None = None
        body = b""
        try:
            sent_ns = self._wall_ns()
            body = await rest.get(self._venue.snapshot_request(symbol))
            recv_ns = self._wall_ns()
            whole = self._venue.decode_snapshot(symbol, body, recv_ns)
            snapshot = Snapshot(whole.last_id, _NO_LEVELS)
            if len(whole.events):
                self.clock_check.on_answer(sent_ns, recv_ns, int(whole.events[0]["exch_ts"]))
        except MarketlinkError as error:
            log.warning("no snapshot of %s: %s", symbol, error)
            retry_ns = int(error.retry_after_s * SECOND_NS) if isinstance(error, RateLimited) else 0
        written = snapshot is not None and self._write(known, recv_ns, body)
        ticket, known.ticket = known.ticket, None
        if ticket is None:
            return
        if snapshot is None or not written:
            self.counts.snapshots_failed += 1
            effects = known.syncs[BASE].on_snapshot_failed(ticket, self._mono_ns(), retry_ns)
        else:
            self.counts.snapshots += 1
            effects = known.syncs[BASE].on_snapshot(ticket, snapshot, self._mono_ns())
        self._carry_out(known, effects)

    def _may_be_of(self, streams: Iterable[str], symbol: _Symbol, window: int) -> bool:
        """Whether a window's stream is among these; with a single depth stream any silence is taken for a doubt of the book."""
        return not self._venue.windows or self._venue.depth_stream(symbol.name, window) in streams

    def _depths_in(self, streams: Sequence[str]) -> list[tuple[_Symbol, int]]:
        """The symbols and windows that streams are of."""
        return [
            (symbol, window)
            for symbol in self._of(streams)
            for window in symbol.syncs
            if self._may_be_of(streams, symbol, window)
        ]

    def _of(self, streams: Iterable[str]) -> list[_Symbol]:
        names = dict.fromkeys(self._symbol_of[stream] for stream in streams if stream in self._symbol_of)
        return [self._symbols[name] for name in names]

    def _expect(self, symbol: _Symbol) -> None:
        """Expect a frame from now on."""
        symbol.silent_since_ns = self._mono_ns()
        symbol.warn_ns = after(symbol.silent_since_ns, _SILENT_NS)

    def _start_anew(self, symbol: _Symbol) -> None:
        """Ask for a new book, also when no update comes."""
        now_ns = self._mono_ns()
        for window, sync in symbol.syncs.items():
            self._carry_out(symbol, [*sync.on_reconnect(now_ns), *sync.on_subscribed(now_ns)], window)

    def _gap(self, symbol: _Symbol, reason: str, stamp_ns: int | None = None) -> None:
        if symbol.gap_told or symbol.left_out:
            return
        stamp_ns = self._wall_ns() if stamp_ns is None else stamp_ns
        line = gap_line(symbol.file, stamp_ns, reason, name=self._gap_name(symbol))
        if self._offer(line.symbol, line.day, line.text):
            symbol.gap_told = True
            self.counts.gaps[reason] += 1
        else:
            self._no_room(symbol)

    def _write(self, symbol: _Symbol, stamp_ns: int, body: bytes) -> bool:
        """Write a frame or a snapshot, behind a gap line if something was left out before it; False when there is no room."""
        stated = not symbol.left_out or self._state_left_out(symbol, stamp_ns)
        if not (stated and self._offer(symbol.file, Day(stamp_ns // DAY_NS), frame_line(stamp_ns, body))):
            self._no_room(symbol)
            return False
        symbol.recorded, symbol.gap_told = True, False
        return True

    def _state_left_out(self, symbol: _Symbol, stamp_ns: int) -> bool:
        """Write the gap line that counts what was left out; False when there is no room for it yet."""
        line = gap_line(symbol.file, stamp_ns, DISK_BEHIND, symbol.left_out, name=self._gap_name(symbol))
        if not self._offer(line.symbol, line.day, line.text):
            return False
        log.warning("%s: %d lines were left out while the disk was behind", symbol.name, symbol.left_out)
        self.counts.gaps[DISK_BEHIND] += 1
        symbol.left_out, symbol.gap_told = 0, True
        return True

    @staticmethod
    def _gap_name(symbol: _Symbol) -> str:
        """A gap line's symbol: as the frames of the same file spell it."""
        return symbol.name.upper() if symbol.name == symbol.file else symbol.name

    def _no_room(self, symbol: _Symbol) -> None:
        """Leave a line out: the book in the file is lost with it."""
        if not symbol.left_out:
            self._start_anew(symbol)
        symbol.hit = True
        symbol.left_out += 1
        self.counts.left_out += 1

    def _carry_out(self, symbol: _Symbol, effects: Iterable[Effect], window: int = BASE) -> None:
        for effect in effects:
            match effect:
                case AskSnapshot() if self._venue.snapshot_in_stream:
                    self.renew([self._venue.depth_stream(symbol.name, window)])
                case AskSnapshot(ticket):
                    # The answer under way serves the newer ask too; the synchroniser refuses it if it is too old.
                    under_way = symbol.ticket is not None
                    symbol.ticket = ticket
                    if not under_way:
                        self._ask(symbol.name)
                case OutOfSync(trouble, after_id):
                    self.counts.out_of_sync += 1
                    log.warning("%s: %s after update %d", symbol.name, trouble.value, after_id)
                case Replace(last_id=last_id) if window == BASE:
                    log.info("%s: in step with the exchange at update %d", symbol.name, last_id)

    def _malformed(self, recv_ns: int, frame: bytes, error: MalformedMessage) -> None:
        name: str | None = getattr(error, "symbol", None)
        symbol = None if name is None else self._symbols.get(name)
        if symbol is None:
            self._complain(f"unreadable frame: {error}", frame)
            return
        symbol.warn_ns = None
        effects: list[tuple[int, Effect]] = []
        now_ns = self._mono_ns()
        if getattr(error, "stream", None) in (None, "depth") and not symbol.left_out:
            effects = [
                (window, effect) for window, sync in symbol.syncs.items() for effect in sync.on_bad_message(now_ns)
            ]
        if any(type(effect) is OutOfSync for _, effect in effects):
            self._gap(symbol, BOOK_OUT_OF_SYNC, recv_ns)
        if self._write(symbol, recv_ns, frame):
            for window, effect in effects:
                self._carry_out(symbol, [effect], window)

    def _leave_out(self, heading: Answer | Beat | ShuttingDown | NotUsed, frame: bytes) -> None:
        if isinstance(heading, NotUsed):
            self._complain(f"frame of kind {heading.kind!r}", frame)

    def _complain(self, what: str, frame: bytes) -> None:
        kind = what.partition(":")[0]
        before = self.counts.not_recorded[kind]
        self.counts.not_recorded[kind] += 1
        if before % _EVERY == 0:
            log.warning("not recorded (%d so far): %s: %r", before + 1, what, frame[:160])
