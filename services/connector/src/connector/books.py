"""The book of one symbol: the venue's updates and snapshots in, batches for bots out. No socket, clock or file in here.

Every update that the synchroniser lets through becomes one batch for all bots; a resync becomes one batch that replaces the
whole book; a registration is answered with one batch for that bot alone. Where a venue shows the book in several streams, each has a
synchroniser, and a batch has what a message changes of the book that they make together (`marketlink.book.windows`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from marketlink.book.fused import FusedBook
from marketlink.book.rules import DepthUpdate, Snapshot
from marketlink.book.sync import Apply, AskSnapshot, DepthSync, OutOfSync, Replace
from marketlink.book.sync import Effect as SyncEffect
from marketlink.book.windows import Windows
from marketlink.events import DEPTH, DEPTH_CLEAR, EXCH, KIND_MASK, LOCAL, Events, empty_events
from marketlink.messages import Batch, ErrorEvent, FeedEvent
from marketlink.notices import OutOfSync as BookOutOfSync
from marketlink.notices import to_error
from marketlink.times import Moment, MonoNs
from marketlink.venues.base import BASE, Instrument

from connector.effects import Effect, FetchSnapshot, Level, Note, Publish, Resubscribe

_NOT_KIND: Final = ~np.uint64(EXCH | KIND_MASK)
_NEVER: Final = MonoNs(0)


@dataclass(slots=True)
class Market:
    """One registered symbol. `sync` is of its own depth stream, `quicker` are those of further streams that show a window of it."""

    instrument: Instrument
    sync: DepthSync
    quicker: Mapping[int, DepthSync] = field(default_factory=dict)
    in_stream: bool = False  # whole books come in the streams, and are asked for by subscribing anew
    book: FusedBook = field(init=False)
    book_known: bool = False  # whether it ever was the exchange's
    last_exch_ns: int = 0
    trades: int = 0
    updates: int = 0
    changed: MonoNs = _NEVER
    left: Events = field(default_factory=empty_events)  # levels that bots may hold from before this process
    _windows: Windows | None = field(init=False, default=None)
    _version: int = field(init=False, default=0)  # of the newest message of any window

    def __post_init__(self) -> None:
        self.book = self._empty_book()
        if self.quicker:
            self._windows = Windows(self.instrument.tick_size, self.instrument.lot_size, tuple(self.quicker))

    @property
    def last_id(self) -> int:
        """The id of the book as it is: of its last update, or where it is put together of several streams, what orders these."""
        return self.sync.last_id if self._windows is None else self._version

    def syncs(self) -> Iterator[tuple[int, DepthSync]]:
        """Every depth stream by its window, the symbol's own first."""
        yield BASE, self.sync
        yield from self.quicker.items()

    def sync_of(self, window: int) -> DepthSync:
        """The synchroniser of a window."""
        return self.sync if window == BASE else self.quicker[window]

    def _empty_book(self) -> FusedBook:
        return FusedBook(self.instrument.tick_size, self.instrument.lot_size)

    def carry_out(self, effects: list[SyncEffect], now: Moment, window: int = BASE) -> list[Effect]:
        """Return what the effects of a window's synchroniser lead to."""
        symbol = self.instrument.symbol
        result: list[Effect] = []
        for effect in effects:
            match effect:
                case Apply() | Replace() if self._windows is not None:
                    result += self._windowed(effect, self._windows, window, now)
                case OutOfSync(trouble, after_id) if window != BASE and self._windows is not None:
                    self._windows.lose(window)
                    text = f"{symbol}: the window of {window} out of sync after update {after_id}: {trouble.value}"
                    result += [Note(Level.WARNING, text), *self._merged(self._windows, now)]
                case AskSnapshot() if self.in_stream:
                    result.append(Resubscribe(symbol, window))
                case Apply(update):
                    result.append(Publish(self._update(update.events, update.last_id, now)))
                case Replace(snapshot, updates, last_id):
                    self.changed = now.mono
                    result.append(Publish(self._replace(snapshot)))
                    for update in updates:  # heard now, so none is older on the local clock than the snapshot
                        events = update.events.copy()
                        events["local_ts"] = np.maximum(events["local_ts"], _local_ns(snapshot))
                        result.append(Publish(self._update(events, update.last_id, now)))
                    behind = f"snapshot {snapshot.last_id} and {len(updates)} updates behind it"
                    result.append(Note(Level.INFO, f"{symbol}: in sync at update {last_id}: {behind}"))
                case OutOfSync(trouble, after_id):
                    if self._windows is not None:
                        self._windows.lose(BASE)
                    notice = BookOutOfSync(symbol, trouble.value, after_id)
                    result.append(Publish(Batch((ErrorEvent(to_error(notice)),), framed=False)))
                    text = f"{symbol}: out of sync after update {after_id}: {trouble.value}"
                    result.append(Note(Level.WARNING, text))
                case AskSnapshot(ticket):
                    result.append(FetchSnapshot(symbol, ticket))
        return result

    def _update(self, events: Events, last_id: int, now: Moment) -> Batch:
        """Apply an update to the book and return the batch of what it changed."""
        rows = self.book.fuse(events, sequenced=True)
        self.on_updated(int(events[0]["exch_ts"]) if len(events) else self.last_exch_ns, now.mono)
        if not len(rows):
            # An update that changes nothing still moves the book's id, and bots know it by their rows: one is said again.
            rows = events[:1] if len(events) else self._restate(last_id, now)
        return Batch((FeedEvent(self.instrument.symbol, rows),) if len(rows) else ())

    def on_updated(self, exch_ns: int, now: MonoNs) -> None:
        """Note that an update of this exchange time was applied to the book."""
        self.updates += 1
        self.changed = now
        self.last_exch_ns = exch_ns

    def _windowed(self, effect: Apply | Replace, windows: Windows, window: int, now: Moment) -> list[Effect]:
        """Take one window's message, and return what it changes of the book that all of them make."""
        self.updates += 1
        self.changed = now.mono
        if isinstance(effect, Replace):
            windows.replace(window, effect.snapshot.events, effect.snapshot.version)
            self._date(effect.snapshot, windows.newest if window == BASE else None)
            if window == BASE:
                rows = self._dated(windows.differences(self._empty_book()), now)
                note = Note(Level.INFO, f"{self.instrument.symbol}: in sync at update {effect.last_id}, in the stream")
                return [Publish(self._replace(Snapshot(self._version, rows))), note]
            return self._merged(windows, now)
        windows.apply(window, effect.update.events, effect.update.version)
        self._date(effect.update)
        return self._merged(windows, now)

    def _date(self, message: DepthUpdate | Snapshot, anew: int | None = None) -> None:
        """Note how new a window's message is: what is published never goes back in time, unless the book begins `anew`, as of that."""
        self._version = max(self._version, message.version) if anew is None else anew
        if len(message.events):
            self.last_exch_ns = max(self.last_exch_ns, int(message.events[0]["exch_ts"]))

    def _merged(self, windows: Windows, now: Moment) -> list[Effect]:
        """Bring the book up to what the windows say together; nothing while the symbol's own stream is not in sync."""
        if not self.sync.in_sync:
            return []
        rows = self._dated(windows.differences(self.book), now)
        self.book.apply(rows)
        return [Publish(Batch((FeedEvent(self.instrument.symbol, rows),)))] if len(rows) else []

    def _dated(self, rows: Events, now: Moment) -> Events:
        rows["exch_ts"], rows["local_ts"], rows["ival"] = self.last_exch_ns, now.wall, self._version
        return rows

    def _restate(self, last_id: int, now: Moment) -> Events:
        """The best bid as it is, under this update's id; empty when there is none."""
        rows = _as_depth(self.book.levels()[: min(1, self.book.bid_count)])
        rows["exch_ts"], rows["local_ts"], rows["ival"] = self.last_exch_ns, now.wall, last_id
        return rows

    def _replace(self, snapshot: Snapshot) -> Batch:
        """Make the book anew, and return the one batch that does the same for every bot.

        Its rows: deletions of what is no longer there (the source's bots know no clear), the clear, and the levels.
        """
        before, self.book = self.book, self._empty_book()
        self.book.fuse(snapshot.events, sequenced=True)
        gone = [_gone(before, self.book)]
        if len(self.left):
            left = self._empty_book()
            left.apply(self.left)
            self.left = empty_events()
            gone.append(_gone(left, self.book))
        rows = np.concatenate([*gone, empty_events(1), snapshot.events])
        rows[sum(map(len, gone))]["ev"] = LOCAL | DEPTH_CLEAR
        if len(snapshot.events):
            self.last_exch_ns = int(snapshot.events[0]["exch_ts"])
        rows["exch_ts"], rows["local_ts"], rows["ival"] = self.last_exch_ns, _local_ns(snapshot), snapshot.last_id
        self.book_known = True
        return Batch((FeedEvent(self.instrument.symbol, rows),))

    def whole(self, now: Moment) -> Events:
        """A clear that dates the book, and its levels: what a bot that joins late needs.

        The levels are plain depth rows, because the source's bots take no others; the clear tells ours that this is all.
        """
        levels = self.book.levels()
        events = empty_events(len(levels) + 1)
        events[0]["ev"] = LOCAL | DEPTH_CLEAR
        events[0]["exch_ts"] = self.last_exch_ns
        events[1:] = _as_depth(levels)
        events["local_ts"] = now.wall
        events["ival"] = self.last_id
        return events


def _local_ns(snapshot: Snapshot) -> int:
    return int(snapshot.events[0]["local_ts"]) if len(snapshot.events) else 0


def _as_depth(levels: Events) -> Events:
    """The rows of a book's levels as the updates that set them; a new array."""
    rows = levels.copy()
    rows["ev"] = (rows["ev"] & _NOT_KIND) | np.uint64(DEPTH)
    return rows


def _gone(before: FusedBook, after: FusedBook) -> Events:
    """Deletions of the levels of `before` that `after` does not have."""
    levels = before.levels()
    keep = np.concatenate([np.isin(before.bids()[0], after.bids()[0]), np.isin(before.asks()[0], after.asks()[0])])
    gone = _as_depth(levels[~keep])
    gone["qty"] = 0.0
    return gone
