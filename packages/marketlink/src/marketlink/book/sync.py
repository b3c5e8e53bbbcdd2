"""The synchroniser of one symbol's book, sans-I/O: updates and snapshots in, effects out.

          first update, or quiet too long: AskSnapshot
   WAITING ────────────────────────────────────────────► WAITING, snapshot asked
      ▲                                                     │ snapshot joins what is held: Replace
      │ OutOfSync:                                          ▼
      │ gap, reconnect, bad message          ┌───────── SYNCED ◄─────────┐
      ├──────────────────────────────────────┤                           │ first update that joins: Apply
      │                                      └───────── JOINING ─────────┘
      │                                                     ▲ no update for a second: Replace
      │                                                     │
      │                                    WAITING, snapshot newer than all that is held
      │                                                     │ an update joins it: Replace, SYNCED
      └─ snapshot too old, failed, unanswered, or so far ahead that the updates of a second don't reach it:
         asked again after a growing delay

   any of the three, a snapshot in the stream itself: Replace ──► SYNCED

What is held while waiting is always one unbroken chain of updates, so a snapshot joins its start or not at all. A snapshot that is ahead
of the stream is no book yet: an exchange's cache can name an id that its stream will not reach for long, and the book would stand still.
A snapshot that comes in the stream has its place among the updates: what came before it is done with, and what comes next follows it.
Ids are compared by the venue's `Rule`; times are arguments; the caller carries out the effects and calls `on_time` by `due_ns`.
"""

import random
from collections import deque
from dataclasses import dataclass
from enum import Enum

from marketlink.book.rules import DepthUpdate, Rule, Snapshot
from marketlink.times import SECOND_NS, MonoNs, after


class Phase(Enum):
    """Where a synchroniser stands. In JOINING and SYNCED the book is the exchange's own."""

    WAITING = "waiting"
    JOINING = "joining"
    SYNCED = "synced"


class Trouble(Enum):
    """Why a book stopped being the exchange's."""

    GAP = "gap"
    RECONNECT = "reconnect"
    BAD_MESSAGE = "bad message"
    IDS_WENT_BACK = "ids went back"
    SILENT = "stream silent"


@dataclass(frozen=True, slots=True)
class AskSnapshot:
    """Fetch a snapshot now and answer with `on_snapshot` or `on_snapshot_failed` under this ticket."""

    ticket: int


@dataclass(frozen=True, slots=True, eq=False)
class Replace:
    """Replace the whole book by the snapshot and the updates behind it, as one unit."""

    snapshot: Snapshot
    updates: tuple[DepthUpdate, ...]
    last_id: int  # of the book after this


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """Apply one update to the book."""

    update: DepthUpdate


@dataclass(frozen=True, slots=True)
class OutOfSync:
    """The book is no longer the exchange's; the next Replace makes it so again. `after_id`: the last id that was right."""

    trouble: Trouble
    after_id: int


Effect = AskSnapshot | Replace | Apply | OutOfSync


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """The patience of a synchroniser.

    `retry_ns` doubles with each failure in a row, up to `retry_ceiling_ns`. Between asks that were answered it doubles with each book
    that did not last `stable_ns`, up to `spacing_ceiling_ns`. The delay is drawn between half of that and all of it.
    """

    max_held: int = 20_000
    max_old_in_a_row: int = 256
    answer_within_ns: int = 120 * SECOND_NS
    quiet_ns: int = 2 * SECOND_NS
    behind_ns: int = SECOND_NS  # how long the stream may be behind a snapshot, or bring nothing but old updates
    retry_ns: int = SECOND_NS // 4
    retry_ceiling_ns: int = 30 * SECOND_NS
    spacing_ceiling_ns: int = 4 * SECOND_NS
    stable_ns: int = 10 * SECOND_NS


@dataclass(slots=True)
class SyncCounts:
    """What happened to one symbol since its synchroniser began."""

    asked: int = 0
    failed: int = 0
    too_old: int = 0
    too_far_ahead: int = 0
    refused: int = 0
    old_updates: int = 0
    held_dropped: int = 0
    out_of_sync: int = 0


class DepthSync:
    """Keeps one symbol's book in step with the exchange."""

    def __init__(self, rule: Rule, rng: random.Random, limits: SyncLimits | None = None) -> None:
        self.rule, self._rng, self._limits = rule, rng, limits or SyncLimits()
        self.phase = Phase.WAITING
        self.counts = SyncCounts()
        self.last_id = 0
        self._held: deque[DepthUpdate] = deque()
        self._next_ticket = 1
        self._ticket: int | None = None  # of the request whose answer is awaited
        self._give_up = MonoNs(0)  # when that answer is no longer awaited
        self._wanted = False  # a request is to be made as soon as it is allowed
        self._not_before = MonoNs(0)
        self._quiet_until: MonoNs | None = None
        self._failures = 0  # in a row
        self._fruitless = 0  # asks since the last book that lasted
        self._in_sync_since = MonoNs(0)
        self._old_in_a_row = 0
        self._old_since: MonoNs | None = None  # the first of them
        self._early: Snapshot | None = None  # newer than all that is held; not a book yet
        self._early_until = MonoNs(0)

    @property
    def in_sync(self) -> bool:
        """Whether the book is the exchange's as of `last_id`."""
        return self.phase is not Phase.WAITING

    @property
    def steady(self) -> bool:
        """Whether nothing is pending: the next update, if it follows `last_id`, may be applied and told by `advance`."""
        return self.phase is Phase.SYNCED and self._early is None

    def advance(self, last_id: int) -> None:
        """Note that the update that follows was applied, and ended with this id."""
        self.phase = Phase.SYNCED
        self.last_id = last_id
        self._old_in_a_row, self._old_since = 0, None

    @property
    def due_ns(self) -> MonoNs | None:
        """When `on_time` must be called at the latest; None when nothing is pending."""
        if self._ticket is not None:
            return self._give_up
        if self._early is not None:
            return self._early_until
        if self._wanted:
            return self._not_before
        return self._quiet_until

    def on_subscribed(self, now: MonoNs) -> list[Effect]:
        """Note that the stream is on: a symbol without a first update soon is asked for all the same."""
        if self.phase is Phase.WAITING and self.due_ns is None:
            self._quiet_until = after(now, self._limits.quiet_ns)
        return []

    def on_update(self, update: DepthUpdate, now: MonoNs) -> list[Effect]:
        """Take one update of the stream, in the order of arrival."""
        if self._early is not None:
            return self._on_update_behind_snapshot(self._early, update, now)
        if self.phase is Phase.WAITING:
            self._hold(update)
            return self._ask_when_allowed(now)
        if self.phase is Phase.JOINING:
            if self.rule.joins(update, self.last_id):
                return self._advance(update)
            old = self.rule.is_old(update, self.last_id)
        else:
            if self.rule.follows(update, self.last_id):
                return self._advance(update)
            old = update.last_id <= self.last_id
        if old:
            self.counts.old_updates += 1
            self._old_in_a_row += 1
            if self._old_since is None:
                self._old_since = now
            if self._old_in_a_row <= self._limits.max_old_in_a_row and now - self._old_since <= self._limits.behind_ns:
                return []
        # An exchange that started its ids anew would otherwise freeze the book without a word.
        lost = self._lose(Trouble.IDS_WENT_BACK if old else Trouble.GAP, now)
        self._hold(update)
        return lost + self._ask_when_allowed(now)

    def on_snapshot(self, ticket: int, snapshot: Snapshot, now: MonoNs) -> list[Effect]:
        """Take the answer to `AskSnapshot(ticket)`; an answer to anything but the last ask is refused."""
        if ticket != self._ticket:
            self.counts.refused += 1
            return []
        self._ticket = None
        reached = bool(self._held) and self._held[-1].last_id >= snapshot.last_id
        while self._held and self.rule.is_old(self._held[0], snapshot.last_id):
            self._held.popleft()
        if self._held and not self.rule.joins(self._held[0], snapshot.last_id):
            self.counts.too_old += 1
            return self._ask_later(now, 0)
        if not self._held and not reached:
            self._early, self._early_until = snapshot, after(now, self._limits.behind_ns)
            self._old_since = None
            return []
        return self._replace(snapshot, now)

    def on_stream_snapshot(self, snapshot: Snapshot, now: MonoNs) -> list[Effect]:
        """Take a snapshot that came in the stream, asked for or not."""
        self._held.clear()
        self._ticket = self._quiet_until = None
        self._wanted = False
        effects = self._replace(snapshot, now)
        self.phase = Phase.SYNCED
        return effects

    def _on_update_behind_snapshot(self, snapshot: Snapshot, update: DepthUpdate, now: MonoNs) -> list[Effect]:
        if self.rule.joins(update, snapshot.last_id):
            self._held.append(update)
            return self._replace(snapshot, now)
        self._early = None
        if self.rule.is_old(update, snapshot.last_id):
            self.counts.old_updates += 1
            if self._old_since is None:
                self._old_since = now
            if now - self._old_since <= self._limits.behind_ns:
                self._early = snapshot
                return []
            self.counts.too_far_ahead += 1
        else:
            self.counts.too_old += 1
        self._hold(update)
        return self._ask_later(now, 0)

    def _replace(self, snapshot: Snapshot, now: MonoNs) -> list[Effect]:
        updates = tuple(self._held)
        self._held.clear()
        self._early = None
        self.last_id = updates[-1].last_id if updates else snapshot.last_id
        self.phase = Phase.SYNCED if updates else Phase.JOINING
        self._in_sync_since = now
        self._failures = self._old_in_a_row = 0
        self._old_since = None
        return [Replace(snapshot, updates, self.last_id)]

    def on_snapshot_failed(self, ticket: int, now: MonoNs, retry_after_ns: int = 0) -> list[Effect]:
        """Note that the request failed; it is made again, not before `retry_after_ns` from now."""
        if ticket != self._ticket:
            self.counts.refused += 1
            return []
        self.counts.failed += 1
        self._ticket = None
        return self._ask_later(now, retry_after_ns)

    def on_reconnect(self, now: MonoNs) -> list[Effect]:
        """Forget what came over a connection that is gone; an answer still under way is refused."""
        effects = self._lose(Trouble.RECONNECT, now) if self.in_sync else []
        self._held.clear()
        self._ticket = self._quiet_until = self._early = None
        self._wanted = False
        return effects

    def on_bad_message(self, now: MonoNs) -> list[Effect]:
        """Note that a depth message of this symbol could not be read: what it changed is unknown."""
        lost = self._lose(Trouble.BAD_MESSAGE, now) if self.in_sync else []
        self._held.clear()
        self._ticket = self._early = None  # a snapshot asked for before may lack what the message said
        return lost + self._ask_when_allowed(now)

    def on_stale(self, now: MonoNs) -> list[Effect]:
        """Note that the stream is silent though it should not be: the book can't be believed until it speaks again."""
        return self._lose(Trouble.SILENT, now) if self.in_sync else []

    def on_time(self, now: MonoNs) -> list[Effect]:
        """Let time pass: ask when an ask is due, give up on an answer that never came."""
        due_ns = self.due_ns
        if due_ns is None or now < due_ns:
            return []
        if self._ticket is None and self._early is not None:
            if self._old_since is None:  # a quiet symbol: nothing speaks against it
                return self._replace(self._early, now)
            self._early = None
            self.counts.too_far_ahead += 1
            return self._ask_later(now, 0)
        if self._ticket is None:
            return self._ask_when_allowed(now)
        self.counts.failed += 1
        self._ticket = None
        return self._ask_later(now, 0)

    def _advance(self, update: DepthUpdate) -> list[Effect]:
        self.advance(update.last_id)
        return [Apply(update)]

    def _lose(self, trouble: Trouble, now: MonoNs) -> list[Effect]:
        self.phase = Phase.WAITING
        self.counts.out_of_sync += 1
        if now - self._in_sync_since >= self._limits.stable_ns:
            self._fruitless = 0
        return [OutOfSync(trouble, self.last_id)]

    def _hold(self, update: DepthUpdate) -> None:
        held = self._held
        if not held or self.rule.follows(update, held[-1].last_id):
            held.append(update)
        elif update.last_id <= held[-1].last_id:  # a repeat, or one that was overtaken
            self.counts.old_updates += 1
            if self.rule.follows(held[0], update.last_id):
                held.appendleft(update)
        else:  # what came before the hole can never be joined to what comes after it
            self.counts.held_dropped += len(held)
            held.clear()
            held.append(update)
        if len(held) > self._limits.max_held:
            held.popleft()
            self.counts.held_dropped += 1

    def _ask_when_allowed(self, now: MonoNs) -> list[Effect]:
        if self._ticket is not None:
            return []
        if now < self._not_before:
            self._wanted = True
            return []
        self._wanted = False
        self._quiet_until = None
        self._ticket = self._next_ticket
        self._next_ticket += 1
        self._give_up = after(now, self._limits.answer_within_ns)
        self.counts.asked += 1
        self._fruitless += 1
        # The first ask may be followed at once by another; after that, each costs a longer wait than the last.
        spacing_ns = self._delay_ns(self._fruitless - 1, self._limits.spacing_ceiling_ns) if self._fruitless > 1 else 0
        self._not_before = after(now, spacing_ns)
        return [AskSnapshot(self._ticket)]

    def _ask_later(self, now: MonoNs, retry_after_ns: int) -> list[Effect]:
        self._wanted = True
        self._failures += 1
        delay_ns = self._delay_ns(self._failures, self._limits.retry_ceiling_ns)
        self._not_before = max(self._not_before, after(now, max(retry_after_ns, delay_ns)))
        return []

    def _delay_ns(self, times: int, ceiling_ns: int) -> int:
        whole = min(ceiling_ns, self._limits.retry_ns << min(times - 1, 32))
        return whole // 2 + self._rng.randrange(whole // 2 + 1)
