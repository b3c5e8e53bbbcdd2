"""The true book of one symbol with its history, built from absolute differences.

Updates are kept as bytes (`pack`, or as recorded) and read only when somebody asks or when they fall too far behind, so a market
nobody questions costs an append per update. Every `CHECKPOINT_EVERY` applied updates the levels are copied; an
earlier book is the nearest checkpoint plus the updates up to it. Memory is bounded by `keep` updates.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson

from venue_sim.market import BookState, Level, Update

CHECKPOINT_EVERY = 500
MAX_LAG = 256
DEFAULT_KEEP = 100_000

Side = dict[float, Level]


Read = Callable[[bytes], Update]


def pack(update: Update) -> bytes:
    """Keep an update small: a tenth of the memory of its strings."""
    return orjson.dumps(tuple(update))


def unpack(data: bytes) -> Update:
    """Read what `pack` wrote."""
    return Update(*orjson.loads(data))


class Levels:
    """Both sides of a book by price. Prices are keyed by value, so the same price with other digits is the same
    level."""

    __slots__ = ("asks", "bids")

    def __init__(self, bids: Side | None = None, asks: Side | None = None) -> None:
        self.bids: Side = bids if bids is not None else {}
        self.asks: Side = asks if asks is not None else {}

    @classmethod
    def of(cls, bids: Iterable[Sequence[str]], asks: Iterable[Sequence[str]]) -> Levels:
        """Build a book from a snapshot's sides."""
        levels = cls()
        _apply(levels.bids, bids)
        _apply(levels.asks, asks)
        return levels

    def apply(self, update: Update) -> None:
        """Take over the update's absolute quantities; removing an unknown level is normal and does nothing."""
        _apply(self.bids, update.bids)
        _apply(self.asks, update.asks)

    def copy(self) -> Levels:
        """Copy both sides; the level strings are shared."""
        return Levels(dict(self.bids), dict(self.asks))

    def state(self, last_id: int, event_ms: int, transact_ms: int) -> BookState:
        """Freeze the book, both sides best first."""
        bids = [self.bids[price] for price in sorted(self.bids, reverse=True)]
        asks = [self.asks[price] for price in sorted(self.asks)]
        return BookState(last_id, event_ms, transact_ms, bids, asks)


def _apply(side: Side, changes: Iterable[Sequence[str]]) -> None:
    for price, quantity in changes:
        if float(quantity) == 0.0:
            side.pop(float(price), None)
        else:
            side[float(price)] = (price, quantity)


class LoggedBook:
    """A book that starts from a base and logs the updates that follow it as bytes that `read` understands. The caller
    guarantees that they follow."""

    def __init__(self, base: BookState, keep: int = DEFAULT_KEEP, read: Read = unpack) -> None:
        self._read = read
        self._keep = max(keep, CHECKPOINT_EVERY)
        self._ids: list[int] = [base.last_id]
        self._raw: list[bytes] = [b""]
        self._base_times = (base.event_ms, base.transact_ms)
        self._dropped = 0
        self._applied = 0
        self._current = Levels.of(base.bids, base.asks)
        self._checkpoints: dict[int, Levels] = {0: self._current.copy()}

    @property
    def last_id(self) -> int:
        """Id of the last update, or of the base."""
        return self._ids[-1]

    def append(self, last_id: int, data: bytes) -> None:
        """Log the next update's bytes; read later."""
        self._ids.append(last_id)
        self._raw.append(data)
        end = self._dropped + len(self._ids) - 1
        if end - self._applied > MAX_LAG:
            self._catch_up(self._applied + 2)
        if len(self._ids) > self._keep + CHECKPOINT_EVERY:
            self._drop_oldest()

    def at(self, last_id: int | None = None) -> BookState | None:
        """The book right after update `last_id`, None when no update kept has that id."""
        end = self._dropped + len(self._ids) - 1
        if last_id is None or last_id == self._ids[-1]:
            self._catch_up(end)
            return self._current.state(self._ids[-1], *self._times(end))
        offset = bisect_left(self._ids, last_id)
        if offset == len(self._ids) or self._ids[offset] != last_id:
            return None
        index = self._dropped + offset
        start = max((at for at in self._checkpoints if at <= index), default=None)
        if start is None:
            return None
        levels = self._checkpoints[start].copy()
        for step in range(start + 1, index + 1):
            levels.apply(self._read(self._raw[step - self._dropped]))
        return levels.state(last_id, *self._times(index))

    def id_before(self, updates: int) -> int:
        """Id of the update `updates` before the newest; the oldest kept when there are not so many."""
        return self._ids[max(0, len(self._ids) - 1 - updates)]

    def first_id_of(self, last_id: int) -> int | None:
        """Id with which the update that ends with `last_id` begins; None for the base and for ids not kept."""
        offset = bisect_left(self._ids, last_id)
        if offset == len(self._ids) or self._ids[offset] != last_id or not self._raw[offset]:
            return None
        return self._read(self._raw[offset]).first_id

    def _times(self, index: int) -> tuple[int, int]:
        raw = self._raw[index - self._dropped]
        if not raw:
            return self._base_times
        update = self._read(raw)
        return update.event_ms, update.transact_ms

    def _catch_up(self, index: int) -> None:
        while self._applied < index:
            self._applied += 1
            self._current.apply(self._read(self._raw[self._applied - self._dropped]))
            if self._applied % CHECKPOINT_EVERY == 0:
                self._checkpoints[self._applied] = self._current.copy()

    def _drop_oldest(self) -> None:
        """Forget one checkpoint's worth of updates; the next checkpoint becomes the oldest book that can be asked
        for."""
        first = min(self._checkpoints)
        following = min((at for at in self._checkpoints if at > first), default=None)
        if following is None:
            return
        del self._checkpoints[first]
        cut = following - self._dropped
        self._base_times = self._times(following)
        del self._ids[:cut], self._raw[:cut]
        self._raw[0] = b""
        self._dropped = following


class SnapshotPool:
    """Snapshots a recording holds, to be joined by the updates of the symbol they belong to."""

    def __init__(self, snapshots: Iterable[BookState] = ()) -> None:
        self._snapshots = sorted(snapshots, key=lambda snapshot: snapshot.last_id)
        self._ids = [snapshot.last_id for snapshot in self._snapshots]

    def __len__(self) -> int:
        return len(self._snapshots)

    def __iter__(self) -> Iterator[BookState]:
        return iter(self._snapshots)

    def joined_by(self, first_id: int, last_id: int, prev_id: int) -> BookState | None:
        """The newest snapshot this update may be the first one after: `U <= L <= u`, or `pu == L` (exchange.md
        section 1)."""
        offset = bisect_left(self._ids, last_id + 1) - 1
        if offset < 0:
            return None
        snapshot = self._snapshots[offset]
        if first_id <= snapshot.last_id or prev_id == snapshot.last_id:
            return snapshot
        return None


class ChainedBook:
    """The true book of a recorded symbol: joins a snapshot, follows the `pu` chain, starts again where the chain
    breaks.

        UNKNOWN --an update joins a snapshot--> KNOWN --pu differs--> UNKNOWN

    Updates at or before the last id are repetitions (merged recordings have them) and change nothing.
    """

    def __init__(self, snapshots: SnapshotPool, keep: int = DEFAULT_KEEP, read: Read = unpack) -> None:
        self._snapshots = snapshots
        self._read = read
        self._keep = keep
        self._book: LoggedBook | None = None
        self._older: list[LoggedBook] = []
        self.breaks = 0

    @property
    def last_id(self) -> int | None:
        """Id of the last update applied, None while the book is not known."""
        return None if self._book is None else self._book.last_id

    def on_depth(self, first_id: int, last_id: int, prev_id: int, data: bytes) -> None:
        """Take the next recorded update."""
        if self._book is not None:
            if prev_id == self._book.last_id:
                self._book.append(last_id, data)
                return
            if last_id <= self._book.last_id:
                return
            self.breaks += 1
            self._older = [*self._older[-3:], self._book]
            self._book = None
        snapshot = self._snapshots.joined_by(first_id, last_id, prev_id)
        if snapshot is not None:
            self._book = LoggedBook(snapshot, self._keep, self._read)
            if last_id > snapshot.last_id:
                self._book.append(last_id, data)
            else:
                self._book = LoggedBook(_with_update(snapshot, self._read(data)), self._keep, self._read)

    def at(self, last_id: int | None = None) -> BookState | None:
        """The book right after update `last_id` (None: now), also from before a break."""
        if last_id is None:
            return None if self._book is None else self._book.at()
        for book in [*([self._book] if self._book else []), *reversed(self._older)]:
            state = book.at(last_id)
            if state is not None:
                return state
        return None

    def id_before(self, updates: int) -> int | None:
        """Id of the update `updates` before the newest."""
        return None if self._book is None else self._book.id_before(updates)

    def first_id_of(self, last_id: int) -> int | None:
        """Id with which the update of the present book that ends with `last_id` begins."""
        return None if self._book is None else self._book.first_id_of(last_id)


def _with_update(snapshot: BookState, update: Update) -> BookState:
    """Apply an update that ends exactly at the snapshot: nothing within the snapshot changes, deeper levels become
    known."""
    levels = Levels.of(snapshot.bids, snapshot.asks)
    levels.apply(update)
    return levels.state(update.last_id, update.event_ms, update.transact_ms)
