"""Records what a connector publishes: what is heard on the link in, lines and registrations out. Sans-I/O.

    asked ──(a batch for us, or a whole replacement)──► answered ──(new session, loss)──► asked
      ▲ again after 2, 4 ... 30 s                           │
      └───────────── silence of 3 s: all symbols asked every 2 s until something is heard, then once more ◄┘

So it does not matter whether the connector starts first, and its restart costs what it was away. Registering states no sizes unless it is
told to: a recorder never decides what an instrument is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from marketlink.events import BUY, DEPTH_CLEAR, KIND_MASK, SELL, Events
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    Feed,
    Heard,
    LiveError,
    NewSession,
    OrderEvent,
    PositionEvent,
    SamplesLost,
    Unreadable,
)

from collector.record import (
    BOOK_OUT_OF_SYNC,
    CONNECTOR_RESTARTED,
    CONNECTOR_SILENT,
    SAMPLES_LOST,
    VENUE_INTERRUPTED,
    Lines,
    LinkLines,
)

_EVERY: Final = 1000  # a repeated complaint is told so often
_SIDES: Final = BUY | SELL


@dataclass(frozen=True, slots=True)
class Write:
    """Append these lines."""

    lines: Lines


@dataclass(frozen=True, slots=True)
class Register:
    """Ask the connector for a symbol."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should read; `serious` when data are missing because of it."""

    text: str
    serious: bool = True


Effect = Write | Register | Notice


@dataclass(frozen=True, slots=True)
class LinkPatience:
    """How long this recorder waits for a connector; it heartbeats every second."""

    silent_s: float = 3.0
    ask_again_s: float = 2.0
    ask_ceiling_s: float = 30.0


@dataclass(slots=True)
class LinkCounts:
    """What was heard since the start. `not_asked_for` counts events of other symbols, `passed_over` orders and positions."""

    batches: int = 0
    events: int = 0
    not_asked_for: int = 0
    passed_over: int = 0
    unreadable: int = 0
    samples_lost: int = 0
    registrations: int = 0
    gaps: Counter[str] = field(default_factory=Counter)


class _Symbol:
    __slots__ = ("again_s", "ask_at_s", "lines", "told")

    def __init__(self, name: str, now_s: float, again_s: float) -> None:
        self.lines = LinkLines(name)
        self.told: set[str] = set()  # reasons of gap lines since the last data
        self.ask_at_s: float | None = now_s  # None: answered
        self.again_s = again_s


class LinkRecording:
    """What a recorder of a connector's link knows. Times: `wall_ns` stamps, `now_s` of a monotonic clock."""

    def __init__(self, symbols: Sequence[str], bot_id: int, now_s: float, patience: LinkPatience | None = None) -> None:
        self._bot_id, self._patience = bot_id, patience or LinkPatience()
        self._symbols = {name: _Symbol(name, now_s, self._patience.ask_again_s) for name in symbols}
        self._heard_s = now_s
        self._silent = False
        self.counts = LinkCounts()

    @property
    def unanswered(self) -> list[str]:
        """Symbols the connector has not yet sent a book for since it was last asked."""
        return [name for name, symbol in self._symbols.items() if symbol.ask_at_s is not None]

    def on_heard(self, heard: Heard, wall_ns: int, now_s: float) -> list[Effect]:
        """Take one thing heard; `wall_ns` is when it was received."""
        effects: list[Effect] = []
        if not isinstance(heard, Unreadable):
            effects += self._on_life(now_s)
        match heard:
            case Batch():
                self.counts.batches += 1
                effects += self._batch(heard, wall_ns)
            case NewSession():
                effects += self._gap(self._symbols, CONNECTOR_RESTARTED, wall_ns)
                effects.append(Notice("the connector was restarted; registering again"))
                effects += self._ask_all(now_s)
            case SamplesLost(count):
                self.counts.samples_lost += count
                effects += self._gap(self._symbols, SAMPLES_LOST, wall_ns, count)
                effects.append(Notice(f"{count} samples of the link were lost; registering again"))
                effects += self._ask_all(now_s)
            case Unreadable(reason):
                if self.counts.unreadable % _EVERY == 0:
                    effects.append(
                        Notice(f"unreadable sample on the link, {self.counts.unreadable} before it: {reason}")
                    )
                self.counts.unreadable += 1
        return effects

    def on_time(self, wall_ns: int, now_s: float) -> list[Effect]:
        """Let time pass; call it at least every quarter of a second."""
        effects: list[Effect] = []
        if not self._silent and now_s - self._heard_s >= self._patience.silent_s:
            self._silent = True
            effects += self._gap(self._symbols, CONNECTOR_SILENT, wall_ns)
            text = f"nothing heard of the connector for {self._patience.silent_s:g} s; asking until it answers"
            effects.append(Notice(text))
            effects += self._ask_all(now_s)
        for name, symbol in self._symbols.items():
            if symbol.ask_at_s is not None and now_s >= symbol.ask_at_s:
                effects.append(self._ask(name, symbol, now_s))
        return effects

    def _on_life(self, now_s: float) -> list[Effect]:
        self._heard_s = now_s
        if not self._silent:
            return []
        self._silent = False
        return [Notice("the connector is heard again", serious=False), *self._ask_all(now_s)]

    def _ask_all(self, now_s: float) -> list[Effect]:
        effects: list[Effect] = []
        for name, symbol in self._symbols.items():
            symbol.again_s = self._patience.ask_again_s
            effects.append(self._ask(name, symbol, now_s))
        return effects

    def _ask(self, name: str, symbol: _Symbol, now_s: float) -> Register:
        self.counts.registrations += 1
        symbol.ask_at_s = now_s + symbol.again_s
        if not self._silent:
            symbol.again_s = min(2 * symbol.again_s, self._patience.ask_ceiling_s)
        return Register(name)

    def _gap(self, names: Iterable[str], reason: str, wall_ns: int, lost: int = 0) -> list[Effect]:
        effects: list[Effect] = []
        for name in names:
            symbol = self._symbols[name]
            if reason not in symbol.told:
                symbol.told.add(reason)
                self.counts.gaps[reason] += 1
                effects.append(Write(symbol.lines.gap(wall_ns, reason, lost)))
        return effects

    def _batch(self, batch: Batch, wall_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        feeds: dict[str, list[Events]] = {}
        for event in batch.events:
            match event:
                case Feed(symbol, events):
                    name = symbol if symbol in self._symbols else symbol.lower()
                    if name not in self._symbols:
                        self.counts.not_asked_for += len(events)
                    elif len(events):
                        feeds.setdefault(name, []).append(events)
                case OrderEvent() | PositionEvent():
                    self.counts.passed_over += 1
                case ErrorEvent(error):
                    effects += self._feeds(feeds, batch, wall_ns)
                    feeds = {}
                    effects += self._error(error, wall_ns)
        return effects + self._feeds(feeds, batch, wall_ns)

    def _feeds(self, feeds: dict[str, list[Events]], batch: Batch, wall_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        for name, arrays in feeds.items():
            symbol = self._symbols[name]
            self.counts.events += sum(map(len, arrays))
            if symbol.told:
                symbol.told.clear()
            if symbol.ask_at_s is not None and (batch.to == self._bot_id or any(map(_replaces, arrays))):
                symbol.ask_at_s = None
            effects += [Write(lines) for lines in symbol.lines.events(arrays, wall_ns, batch.framed)]
        return effects

    def _error(self, error: LiveError, wall_ns: int) -> list[Effect]:
        if error.kind is not ErrorKind.CONNECTION_INTERRUPTED:
            return [
                Notice(f"the connector says: {error.kind.name} {error.number or ''} {error.value!r}", serious=False)
            ]
        value = error.value if isinstance(error.value, dict) else {}
        named = str(value.get("symbol") or "").lower()
        reason = BOOK_OUT_OF_SYNC if named and value.get("state") == "out_of_sync" else VENUE_INTERRUPTED
        hit: Iterable[str] = [name for name in self._symbols if named in ("", name)]
        effects = self._gap(hit, reason, wall_ns)
        return [*effects, Notice(f"{reason}: {error.value!r}")] if effects else []


def _replaces(events: Events) -> bool:
    """Tell whether the whole book is cleared here."""
    words = events["ev"]
    return bool((((words & KIND_MASK) == DEPTH_CLEAR) & ((words & _SIDES) == 0)).any())
