"""Records what a connector publishes: what is heard on the link in, lines and registrations out. Sans-I/O.

    begins: gap ──► no book ──(whole book)──► recorded ──(loss, restart, silence)──► gap ──► no book
                       └─ registered again with growing waits until the book is there ─┘

Nothing of a symbol's depth is written before its book: updates on top of a book from before a hole look right and are not. Trades are
written always. So it does not matter whether the connector starts first, and its restart costs what it was away.

A recorder never decides what an instrument is: sizes are stated only when it was told them, or to the source's own connector
once another bot has registered the symbol there, when they no longer count.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import numpy as np
from marketlink.bot.asking import Asking
from marketlink.bot.whole import whole_from
from marketlink.events import DEPTH_BBO, KIND_MASK, TRADE, Events
from marketlink.link.port import Peer
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    Heard,
    LiveError,
    NewSession,
    OrderEvent,
    PositionEvent,
    SamplesLost,
    Unreadable,
)
from marketlink.notices import Contradicted, OutOfSync, Refused, Remark, Sizes, read_notice
from marketlink.times import SECOND_NS, MonoNs, WallNs
from numpy.typing import NDArray

from collector.record import (
    BOOK_OUT_OF_SYNC,
    CLOCK_STEPPED,
    CONNECTOR_RESTARTED,
    CONNECTOR_SILENT,
    RECORDER_STARTED,
    SAMPLES_LOST,
    VENUE_INTERRUPTED,
    Lines,
    LinkLines,
    decimal_text,
)
from collector.rotation import DAY_NS

_EVERY: Final = 1000  # a repeated complaint is told so often
SILENT_NS: Final = 3 * SECOND_NS
"""A connector of ours is heard at least once a second."""
SETTLED_NS: Final = SECOND_NS
_SAMPLE_ROWS: Final = 64  # rows whose decimals say how fine a symbol's steps are


@dataclass(frozen=True, slots=True)
class Write:
    """Append these lines."""

    lines: Lines


@dataclass(frozen=True, slots=True)
class Register:
    """Ask the connector for a symbol; sizes of 0 state nothing."""

    symbol: str
    tick_size: float = 0.0
    lot_size: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should read; `serious` when data are missing because of it."""

    text: str
    serious: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """The connector does not have the symbol: there is nothing to record."""

    symbol: str
    text: str


Effect = Write | Register | Notice | Refusal


@dataclass(slots=True)
class LinkCounts:
    """What was heard since the start.

    `not_asked_for` counts events of other symbols, `passed_over` orders and positions, `without_book` depth events that were not written
    because the book they change was not known.
    """

    batches: int = 0
    events: int = 0
    not_asked_for: int = 0
    passed_over: int = 0
    without_book: int = 0
    unreadable: int = 0
    samples_lost: int = 0
    registrations: int = 0
    gaps: Counter[str] = field(default_factory=Counter)


class _Symbol:
    __slots__ = ("asking", "day", "known", "last_day", "lines", "seen", "told")

    def __init__(self, name: str) -> None:
        self.lines = LinkLines(name)
        self.told = False  # that something is missing, since the last data
        self.asking = Asking()
        self.known = False  # whether its book is in the recording, with every update since
        self.day = self.last_day = -1  # of the newest lines, and the last one ever written to
        self.seen: Events | None = None  # some rows of it, heard before it was registered


class LinkRecording:
    """What a recorder of a connector's link knows. `wall` stamps, `now` is of a monotonic clock."""

    def __init__(
        self, symbols: Sequence[str], bot_id: int, *, name: str = "", tick_size: float = 0.0, lot_size: float = 0.0
    ) -> None:
        self._bot_id, self._name = bot_id, name
        self._sizes = (tick_size, lot_size)
        self._symbols = {symbol: _Symbol(symbol) for symbol in symbols}
        self._heard: MonoNs | None = None
        self._began: MonoNs | None = None
        self._silent = False
        self._numbered = False
        self._peer: Peer | None = None
        self._peer_since = MonoNs(0)
        self._source_told = False
        self.counts = LinkCounts()

    @property
    def unanswered(self) -> list[str]:
        """Symbols whose book is not in the recording."""
        return [name for name, symbol in self._symbols.items() if not symbol.known]

    def start(self, wall: WallNs, now: MonoNs) -> list[Effect]:
        """Begin: whatever was recorded before, between it and this is a gap, and every book begins anew."""
        self._began = self._heard = now
        effects = self._gap(self._symbols, RECORDER_STARTED, wall)
        for symbol in self._symbols.values():
            symbol.asking.want(now)
        return effects

    def on_peer(self, peer: Peer, now: MonoNs) -> list[Effect]:
        """Note who the connector is; look about twice a second."""
        if peer is not self._peer:
            if self._peer is Peer.NOBODY:  # one that was not there knows nothing of this recorder
                for symbol in self._symbols.values():
                    symbol.asking.anew(now)
            self._peer, self._peer_since = peer, now
        if peer is not Peer.SOURCE or all(self._sizes) or self._source_told or now - self._peer_since < SETTLED_NS:
            return []
        self._source_told = True
        text = (
            f"connector {self._name!r} is hftbacktest's own, which takes an instrument's sizes from whoever registers first:"
            " recording begins when another bot has registered; to register from here, give --tick-size and --lot-size"
        )
        return [Notice(text)]

    def on_heard(self, heard: Heard, wall: WallNs, now: MonoNs, *, numbered: bool = True) -> list[Effect]:
        """Take one thing heard, received at `wall`; `numbered` when the connector numbers its samples and so heartbeats too."""
        effects: list[Effect] = []
        self._numbered = numbered
        if not isinstance(heard, Unreadable):
            effects += self._on_life(now)
        match heard:
            case Batch():
                self.counts.batches += 1
                effects += self._batch(heard, wall, now)
            case NewSession():
                effects += self._gap(self._symbols, CONNECTOR_RESTARTED, wall)
                if effects or any(symbol.known for symbol in self._symbols.values()):
                    effects.append(Notice("the connector was restarted; registering again"))
                for symbol in self._symbols.values():
                    symbol.known = False
                    symbol.asking.anew(now)
            case SamplesLost(count):
                first = self.counts.samples_lost == 0 or any(symbol.known for symbol in self._symbols.values())
                self.counts.samples_lost += count
                effects += self._gap(self._symbols, SAMPLES_LOST, wall, count)
                if first:
                    effects.append(Notice(f"{count} samples of the link were lost; registering again"))
                self._want_all(now)
            case Unreadable(reason):
                if self.counts.unreadable % _EVERY == 0:
                    effects.append(
                        Notice(f"unreadable sample on the link, {self.counts.unreadable} before it: {reason}")
                    )
                self.counts.unreadable += 1
        return effects

    def on_hole(self, name: str, now: MonoNs) -> None:
        """Note that another program cut or moved a symbol's file, which says so itself: its book is to be written anew."""
        self._symbols[name].known = False
        self._symbols[name].asking.want(now)

    def on_time(self, wall: WallNs, now: MonoNs) -> list[Effect]:
        """Let time pass; call it at least every quarter of a second."""
        effects: list[Effect] = []
        expected = (
            self._numbered or self._peer is not Peer.SOURCE
        )  # the source's connector speaks only when there is news
        if not self._silent and expected and self._heard is not None and now - self._heard >= SILENT_NS:
            self._silent = True
            effects += self._gap(self._symbols, CONNECTOR_SILENT, wall)
            nobody = self._peer is Peer.NOBODY
            what = f"no connector {self._name!r} runs here" if nobody else f"nothing heard of connector {self._name!r}"
            effects.append(Notice(f"{what} for {SILENT_NS / SECOND_NS:g} s; waiting for it"))
            self._want_all(now)
        elif not expected and self._heard is not None and now - self._heard >= SILENT_NS:
            for (
                symbol
            ) in self._symbols.values():  # after a quick restart it would never speak of itself; its answer tells
                symbol.asking.want(now)
        for name, symbol in self._symbols.items():
            sizes = self._stated(symbol)
            if sizes is not None and symbol.asking.is_due(now):
                symbol.asking.asked(now)
                self.counts.registrations += 1
                effects.append(Register(name, *sizes))
        return effects

    def _stated(self, symbol: _Symbol) -> tuple[float, float] | None:
        """The sizes that a registration may state now; None: none may be sent."""
        if all(self._sizes) or self._peer is Peer.OURS:
            return self._sizes
        if self._peer is Peer.SOURCE and symbol.seen is not None:  # another bot has registered it: its sizes stand
            return _finest(symbol.seen["px"]), _finest(symbol.seen["qty"])
        return None

    def _on_life(self, now: MonoNs) -> list[Effect]:
        self._heard = now
        if not self._silent:
            return []
        self._silent = False
        return [Notice("the connector is heard again", serious=False)]

    def _want_all(self, now: MonoNs) -> None:
        for symbol in self._symbols.values():
            symbol.known = False
            symbol.asking.want(now)

    def _gap(self, names: Iterable[str], reason: str, wall: WallNs, lost: int = 0) -> list[Effect]:
        """Say that something is missing, once for each outage: its first reason stands until data come."""
        effects: list[Effect] = []
        for name in names:
            symbol = self._symbols[name]
            if not symbol.told:
                symbol.told = True
                self.counts.gaps[reason] += 1
                effects.append(Write(symbol.lines.gap(wall, reason, lost)))
        return effects

    def _batch(self, batch: Batch, wall: WallNs, now: MonoNs) -> list[Effect]:
        effects: list[Effect] = []
        feeds: dict[str, list[Events]] = {}
        for event in batch.events:
            match event:
                case FeedEvent(symbol, events):
                    name = symbol if symbol in self._symbols else symbol.lower()
                    if name not in self._symbols:
                        self.counts.not_asked_for += len(events)
                    elif len(events):
                        feeds.setdefault(name, []).append(events)
                case OrderEvent() | PositionEvent():
                    self.counts.passed_over += 1
                case ErrorEvent(error):
                    effects += self._feeds(feeds, batch, wall, now)
                    feeds = {}
                    effects += self._error(error, wall)
        effects += self._feeds(feeds, batch, wall, now)
        if batch.to == self._bot_id and batch.framed and not batch.events:
            # The source answers a symbol without a book by an empty batch: answers come in the order of the requests.
            waiting = next((each for each in self._symbols.values() if each.asking.awaited), None)
            if waiting is not None:
                waiting.asking.answered(now)
        return effects

    def _feeds(self, feeds: dict[str, list[Events]], batch: Batch, wall: WallNs, now: MonoNs) -> list[Effect]:
        effects: list[Effect] = []
        for name, arrays in feeds.items():
            symbol = self._symbols[name]
            events = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            effects += self._day(symbol, events, wall, now)
            start = whole_from(events, framed=batch.framed, addressed=batch.to == self._bot_id)
            if start is not None:
                if not symbol.known:
                    self.counts.without_book += start
                    events = events[start:]  # what the clear in front of the book takes back anyway
                symbol.known = True
                symbol.asking.answered(now)
            elif not symbol.known:
                if symbol.seen is None or len(symbol.seen) < _SAMPLE_ROWS:
                    before = [] if symbol.seen is None else [symbol.seen]
                    symbol.seen = np.concatenate([*before, events[:_SAMPLE_ROWS]])
                kinds = events["ev"] & KIND_MASK
                alone = (kinds == TRADE) | (kinds == DEPTH_BBO)
                self.counts.without_book += int(len(events) - alone.sum())
                events = events[alone]
            if len(events):
                self.counts.events += len(events)
                symbol.told = False
                effects += [Write(lines) for lines in symbol.lines.events([events], wall, batch.framed)]
        return effects

    def _day(self, symbol: _Symbol, events: Events, wall: WallNs, now: MonoNs) -> list[Effect]:
        """Notice that lines go to a day's file that was left already: what stands between is in another day's file."""
        stamp = WallNs(int(events[0]["local_ts"])) if events[0]["local_ts"] > 0 else wall
        day = stamp // DAY_NS
        returns = day != symbol.day and day <= symbol.last_day
        symbol.day, symbol.last_day = day, max(day, symbol.last_day)
        if not returns:
            return []
        symbol.known, symbol.told = False, False
        symbol.asking.want(now)
        text = f"{symbol.lines.symbol}: the clock went back over midnight; the book is written anew"
        return [*self._gap([symbol.lines.symbol], CLOCK_STEPPED, stamp), Notice(text)]

    def _error(self, error: LiveError, wall: WallNs) -> list[Effect]:
        notice = read_notice(error)
        match notice:
            case OutOfSync(symbol, reason, after_id):
                hit = [name for name in self._symbols if name in (symbol, symbol.lower())]
                effects = self._gap(hit, BOOK_OUT_OF_SYNC, wall)
                text = f"{symbol}: {BOOK_OUT_OF_SYNC} after update {after_id}: {reason}"
                return [*effects, Notice(text)] if effects else []
            case Refused(symbol, text):
                hit = [name for name in self._symbols if name in (symbol, symbol.lower())]
                return [Refusal(name, text) for name in hit]
            case Remark(symbol, text):
                return [Notice(f"{symbol}: {text}")]
            case Contradicted() | Sizes():
                return []
        if error.kind is not ErrorKind.CONNECTION_INTERRUPTED:
            return [
                Notice(f"the connector says: {error.kind.name} {error.number or ''} {error.value!r}", serious=False)
            ]
        effects = self._gap(self._symbols, VENUE_INTERRUPTED, wall)
        return [*effects, Notice(f"{VENUE_INTERRUPTED}: {error.value!r}")] if effects else []


def _finest(numbers: NDArray[np.float64]) -> float:
    """The power of ten that all these numbers are multiples of, 1 at most; what their decimal texts say."""
    texts = [decimal_text(number) for number in numbers.tolist()]
    places = max((len(text.partition(".")[2]) for text in texts), default=0)
    return float(Decimal(1).scaleb(-places))
