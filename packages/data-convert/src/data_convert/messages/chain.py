"""The order of depth messages by their ids: which snapshot anchors the book, what joins it, where something is missing.

A direct recording holds every update and snapshot as received, also those that came too early or twice.

::

               snapshot that an update joins
    LOST ───────────────────────────────────────> SYNCED ──┐ next update: emitted
     ^ │ updates are held                           │ ^    │ older update, known snapshot: left out
     │ └── the missing update, within REORDER_NS ───┼─┘ <──┘
     └── update behind a hole, a gap line, ids that begin lower again ──┘

A gap line and ids that went back end a book for good: what was before and what is behind are never joined.

The joining rule (`joins`) is the exchange's `U <= lastUpdateId <= u` and `pu == lastUpdateId`, which its text omits and
which is seen live. Ids between `pu` and `U` belong to other symbols: of the 81,901 ids that book tickers name in two
captures of futures none lies there, though 28,654 of their 29,460 updates have room for some. A snapshot with such an id is
another symbol's. tests/data_convert/test_joining_contract.py holds this and the live synchroniser together.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.events import KIND_MASK, Ints
from data_convert.messages.columns import Messages, What
from data_convert.messages.plan import ANCHOR_NS, Action, Decided, Gap, Unit

REORDER_NS: Final = 1_000_000_000
"""An update that comes late by at most this closes its hole as if it had been in time."""
OLD_IN_A_ROW: Final = 256
"""More updates than this with ids that were passed already: the exchange began its ids anew (as in marketlink.book.sync)."""
REPEAT_NS: Final = 60_000_000_000
"""The same update, received again within this time or before, is a repeat; later it is one of ids begun anew."""
CONTRADICTION_NS: Final = 1_000_000_000
"""A snapshot with a lower id whose exchange time is so much later contradicts the ids."""

IDS_WENT_BACK: Final = "ids went back"
_UPDATE_IDS: Final = "update ids"
_NONE: Final = -1


def joins(first_id: int, last_id: int, prev_id: int, snapshot_id: int) -> bool:
    """Tell whether an update may be the first one applied to a snapshot; `prev_id` is `U - 1` where there is no `pu`."""
    return first_id <= snapshot_id <= last_id or prev_id == snapshot_id


class IdChain(Decided):
    """Depth updates and snapshots of one symbol, in the order received, into the order of their ids.

    `lost` are updates left out that no snapshot contains, and those that one contains which came long after them.
    """

    def __init__(self, messages: Messages, keep_unanchored: bool) -> None:
        super().__init__(messages, keep_unanchored)
        # Views give Python's own integers, without a list of them for every message of a day.
        self._what = messages.what.data
        self._local, self._exch = messages.local_ns.data, messages.exch_ns.data
        self._last, self._prev = messages.last_id.data, messages.prev_id.data
        self._first = messages.first_id.data
        self._slot = 0
        self._synced = self._ever = False
        self._reached = _NONE  # id up to which the book is known; in LOST the one before the hole
        self._anchor_id = _NONE
        self._applied: list[int] = []  # messages applied since the anchor, their ids increasing
        self._applied_ids: list[int] = []
        self._held: list[int] = []
        self._pending: list[int] = []  # snapshots newer than the updates that came so far
        self._hole: Gap | None = None  # the hole that an update coming late would close; its clear is still to come
        self._past: list[tuple[list[int], Unit]] = []  # updates of books that ended before any snapshot, and their end
        self._held_top = _NONE  # the held message of the newest id
        self._back: list[int] = []  # updates in a row whose ids were passed already, though they are no repeats
        self._back_snapshots: list[int] = []
        self._floor = (0, 0)  # while held updates are emitted: not before the anchor they join
        self._replaying = 0
        self._at = (0, 0)  # exchange and local time of the last emitted unit

    def on_message(self, message: int) -> list[Unit]:
        """Take the next message in file order; return what is to be emitted now."""
        self._slot = message
        match self._what[message]:
            case What.GAP:
                return self._on_gap(message)
            case What.SNAPSHOT:
                return self._on_snapshot(message)
        if self._last[message] == _NONE:
            self.counts["updates without ids"] += 1
            self.lost.append(message)
            return []
        if self._goes_back(message):
            self._back.append(message)
            return self._begin_anew() if self._has_begun_anew() else []
        return [*self._not_back(), *self._on_update(message)]

    def awaits_next(self, message: int) -> bool:
        """Tell whether the chain has just reached `message` and waits for nothing but the update behind it."""
        return (
            self._synced
            and not self._pending
            and not self._back
            and not self._back_snapshots
            and self._last[message] == self._reached
            and self._what[message] == What.UPDATE
        )

    def on_run(self, run: Ints) -> None:
        """Take updates at once, the first behind the one that `awaits_next`, each behind the one before.

        All of them are emitted as they are. `joined_to_previous` tells which are of that kind.
        """
        ids = self._messages.last_id[run].tolist()
        self._applied += run.tolist()
        self._applied_ids += ids
        self._slot, self._reached = self._applied[-1], ids[-1]
        self._at = (self._exch[self._slot], self._local[self._slot])

    def finish(self) -> list[Unit]:
        """End of the recording: decide about everything still held."""
        units = [*self._end_back(), *self._end_pending()]
        if not self._synced:
            units += self._leave_unanchored()
        self.gaps = sorted((*self.gaps, *self._open), key=lambda gap: (gap.found_file, gap.found_line))
        return units

    # ------------------------------------------------------------------ updates

    def _on_update(self, message: int) -> list[Unit]:
        last, prev = self._last[message], self._prev[message]
        if not self._synced:
            if self._closes_hole(message):
                return self._resume(message)
            self._hold(message)
            return self._try_pending()
        if last <= self._reached:
            self._count_old(message)
            return []
        if prev > self._reached:
            return self._lose(message)
        units = [self._emit(Action.ROWS, message)]
        self._reached = last
        self._applied.append(message)
        self._applied_ids.append(last)
        for snapshot in [p for p in self._pending if self._last[p] <= last]:
            self._pending.remove(snapshot)
            units += self._merge(snapshot)
        return units

    def _closes_hole(self, message: int) -> bool:
        gap = self._hole
        if gap is None or not self._prev[message] <= self._reached < self._last[message]:
            return False
        return self._local[message] - gap.found_local_ns <= REORDER_NS

    def _count_old(self, message: int) -> None:
        last = self._last[message]
        at = bisect_right(self._applied_ids, last)
        if at and self._applied_ids[at - 1] == last:
            self.counts["updates duplicate"] += 1
        elif last <= self._anchor_id:
            self.counts["updates stale"] += 1
        else:
            self.counts["updates reordered, too late"] += 1

    def _resume(self, message: int) -> list[Unit]:
        self._synced, self._hole = True, None
        held = self._take_held()
        self.counts["updates reordered, put back"] += 1
        return [*self._on_update(message), *self._replay(held)]

    def _replay(self, held: list[int]) -> list[Unit]:
        """Emit held updates behind the unit emitted last, none of them before it on either clock."""
        self._floor = (max(self._floor[0], self._at[0]), max(self._floor[1], self._at[1]))
        self._replaying += 1
        units: list[Unit] = []
        for message in sorted(held, key=self._last.__getitem__):
            units += self._on_update(message)
        self._replaying -= 1
        if not self._replaying:
            self._floor = (0, 0)
        return units

    def _hold(self, message: int) -> None:
        self._held.append(message)
        if self._held_top == _NONE or self._last[message] > self._last[self._held_top]:
            self._held_top = message

    def _take_held(self) -> list[int]:
        held, self._held, self._held_top = self._held, [], _NONE
        return held

    # ---------------------------------------------------------------- snapshots

    def _on_snapshot(self, message: int) -> list[Unit]:
        if self._back or self._contradicts(message):
            self._back_snapshots.append(message)
            return self._begin_anew() if self._has_begun_anew() else []
        return self._take_snapshot(message)

    def _take_snapshot(self, message: int) -> list[Unit]:
        last = self._last[message]
        if self._synced and last <= self._reached:
            return self._merge(message)
        if any(self._last[p] == last for p in self._pending):
            self.counts["snapshots redundant"] += 1
            return []
        self._pending.append(message)
        return [] if self._synced else self._try_pending()

    def _try_pending(self) -> list[Unit]:
        """Anchor on the oldest snapshot that a held update joins; forget those that can no longer be joined."""
        for snapshot in sorted(self._pending, key=self._last.__getitem__):
            if not self._held or self._last[self._held_top] <= self._last[snapshot]:
                return []
            newer = [m for m in self._held if self._last[m] > self._last[snapshot]]
            self._pending.remove(snapshot)
            if self._joins(min(newer, key=self._last.__getitem__), snapshot):
                return self._anchor(snapshot)
            self.counts["snapshots stale"] += 1
        return []

    def _joins(self, update: int, snapshot: int) -> bool:
        return joins(self._first[update], self._last[update], self._prev[update], self._last[snapshot])

    def _anchor(self, snapshot: int) -> list[Unit]:
        """Replace the book by `snapshot` and put the held updates that are newer behind it."""
        last, local_ns = self._last[snapshot], self._local[snapshot]
        units = self._end_past()
        if self._hole is not None:
            # The hole shows in the update behind it. A snapshot received before that ends the gap by itself.
            if local_ns > self._hole.found_local_ns:
                units.append(self._clear(self._hole))
            self._open.append(self._hole)
            self._hole = None
        held = self._take_held()
        stale = [m for m in held if self._last[m] <= last]
        if self._keep:
            units += self._emit_held(stale)
        else:
            self.counts["updates stale"] += len(stale)
            self.lost += [m for m in stale if self._local[m] < local_ns - ANCHOR_NS]
            self._open += self._holes(stale)
        until_line = int(self._messages.line[snapshot])
        for gap in self._open:
            self.gaps.append(replace(gap, until_line=until_line, until_local_ns=max(local_ns, gap.after_local_ns)))
        self._open = []
        units.append(self._emit(Action.REPLACE, snapshot, self._at))
        self.counts["snapshots used"] += 1
        self._synced = self._ever = True
        self._reached = self._anchor_id = last
        self._applied, self._applied_ids = [], []
        return units + self._replay([m for m in held if self._last[m] > last])

    def _merge(self, snapshot: int) -> list[Unit]:
        """Add the levels a redundant snapshot knows and no update behind it has touched; the book stays as it is."""
        last = self._last[snapshot]
        if last < self._anchor_id:
            self.counts["snapshots stale"] += 1
            return []
        self.counts["snapshots redundant"] += 1
        if last == self._anchor_id:
            return []
        data = self._messages
        touched: set[tuple[int, float]] = set()
        for message in self._applied[bisect_right(self._applied_ids, last) :]:
            rows = slice(int(data.begin[message]), int(data.end[message]))
            touched.update(zip((data.ev[rows] & ~np.uint32(KIND_MASK)).tolist(), data.px[rows].tolist(), strict=True))
        begin, end = int(data.begin[snapshot]), int(data.end[snapshot])
        sides, prices = (data.ev[begin:end] & ~np.uint32(KIND_MASK)).tolist(), data.px[begin:end].tolist()
        rows_left = tuple(begin + i for i, level in enumerate(zip(sides, prices, strict=True)) if level not in touched)
        exch_ns, local_ns = max(self._exch[snapshot], self._at[0]), max(self._local[snapshot], self._at[1])
        return [Unit(Action.MERGE, snapshot, exch_ns, local_ns, self._slot, rows_left)]

    # --------------------------------------------------------------------- gaps

    def _lose(self, message: int) -> list[Unit]:
        self._synced = False
        gap = self._gap_at(message, _UPDATE_IDS, self._reached, self._at[1])
        self._hole = replace(gap, found_local_ns=max(gap.found_local_ns, self._floor[1]))
        self._hold(message)
        return self._try_pending()

    def _clear(self, gap: Gap) -> Unit:
        found = self._held[0]
        self._at = (self._exch[found], gap.found_local_ns)
        return Unit(Action.CLEAR, found, self._exch[found], gap.found_local_ns, found)

    def _leave_unanchored(self) -> list[Unit]:
        """End of a book, or of the recording, while it is unknown: what becomes of the updates held."""
        if not self._ever:
            units = self._end_past(emit=True)
            held = self._take_held()
            if held or any(unit.action is Action.ROWS for unit in units):
                self.warnings.append(
                    "no snapshot that the updates join: the book starts empty and knows only the levels that changed; "
                    "updates are kept as with --snapshots ignore, with a clear at every hole"
                )
            return units + self._emit_held(held)
        units = []
        if self._hole is not None:
            units.append(self._clear(self._hole))
            self._open.append(self._hole)
            self._hole = None
        held = self._take_held()
        if self._keep:
            return units + self._emit_held(held)
        self._drop(held)
        return units

    def _drop(self, held: list[int]) -> None:
        self.counts["updates unanchored"] += len(held)
        self.lost += held
        self._open += self._holes(held)

    def _holes(self, held: list[int]) -> list[Gap]:
        """Find the holes between updates that are left out; the one before them is known already."""
        gaps, before = [], _NONE
        for message in sorted(held, key=self._last.__getitem__):
            if before != _NONE and self._prev[message] > self._last[before]:
                gaps.append(self._gap_at(message, _UPDATE_IDS, self._last[before], self._local[before]))
            before = message
        return gaps

    # --------------------------------------------------------- books that end

    def _on_gap(self, message: int) -> list[Unit]:
        """A gap line: the book ends here for good, and a new one begins with the next snapshot."""
        units = [*self._end_back(), *self._end_pending()]
        if not (self._synced or self._held or self._ever or self._past):
            self.counts["gap lines before the first book"] += 1
            return units
        reason = self._messages.reasons.get(message, "unknown")
        return [
            *units,
            *self._end_book(self._gap_at(message, reason, self._reached, self._at[1]), message, self._at[0]),
        ]

    def _end_book(self, gap: Gap, message: int, exch_ns: int) -> list[Unit]:
        """Forget all that was, with a clear at `exch_ns` and the local time at which the gap was found."""
        units: list[Unit] = []
        end = Unit(Action.CLEAR, message, max(exch_ns, self._at[0]), max(gap.found_local_ns, self._at[1]), message)
        if self._synced or self._ever:
            if not self._synced:
                units += self._leave_unanchored()
            if self._synced or self._keep:
                units.append(end)
            self._at = (end.exch_ns, end.local_ns)
        elif self._held:
            self._past.append((self._take_held(), end))
        self._open.append(gap)
        self._synced = False
        self._reached = self._anchor_id = _NONE
        self._applied, self._applied_ids = [], []
        return units

    def _end_past(self, emit: bool = False) -> list[Unit]:
        """Decide about the updates of books that ended before there was any snapshot."""
        past, self._past = self._past, []
        units: list[Unit] = []
        for held, end in past:
            if emit or self._keep:
                units += [*self._emit_held(held), end]
                self._at = (end.exch_ns, end.local_ns)
            else:
                self._drop(held)
        return units

    def _end_pending(self) -> list[Unit]:
        """Use the newest snapshot if no update came behind it; the others were never joined."""
        pending, self._pending = self._pending, []
        units: list[Unit] = []
        if pending:
            newest = max(pending, key=self._last.__getitem__)
            if self._synced or all(self._last[m] <= self._last[newest] for m in self._held):
                pending.remove(newest)
                units = self._anchor(newest)
        self.counts["snapshots stale"] += len(pending)
        return units

    # ---------------------------------------------------------- ids that go back

    def _goes_back(self, message: int) -> bool:
        """Tell whether an update has ids that were passed already, and is neither a repeat nor one that was overtaken."""
        last = self._last[message]
        if self._back and self._prev[message] == self._last[self._back[-1]] and self._is_later():
            return True  # it goes on with ids begun anew, though it may have passed the old ones by now
        if not self._synced:
            # Held updates are put in order by id; only a later time shows that this one does not belong before them.
            newer = bool(self._held) and last <= self._last[self._held_top]
            return newer and not self._closes_hole(message) and self._exch[message] > self._exch[self._held_top]
        if last > self._reached:
            return False
        at = bisect_right(self._applied_ids, last) - 1
        if at < 0 or self._applied_ids[at] != last:
            return True
        before = self._applied[at]
        same = self._exch[before] == self._exch[message]
        return not same or self._local[message] - self._local[before] > REPEAT_NS

    def _contradicts(self, snapshot: int) -> bool:
        """Tell whether a snapshot has a passed id and a time behind it: its ids may be those of a new book."""
        return (
            self._synced
            and self._last[snapshot] < self._reached
            and self._exch[snapshot] > self._at[0] + CONTRADICTION_NS
        )

    def _is_later(self) -> bool:
        """Tell whether the updates that go back happened behind the newest that is known: they were not overtaken."""
        newest_ns = self._at[0] if self._synced else self._exch[self._held_top]
        return self._exch[self._back[0]] > newest_ns

    def _has_begun_anew(self) -> bool:
        if len(self._back) > OLD_IN_A_ROW:
            return True
        if not self._back or not self._is_later():
            return False
        return any(self._joins(update, snapshot) for snapshot in self._back_snapshots for update in self._back)

    def _begin_anew(self) -> list[Unit]:
        """End the book where its ids went back, and begin the next one with what came since."""
        back, self._back = self._back, []
        snapshots, self._back_snapshots = self._back_snapshots, []
        first = back[0]
        known = self._reached if self._synced or not self._held else self._last[self._held_top]
        units = [
            *self._end_pending(),
            *self._end_book(self._gap_at(first, IDS_WENT_BACK, known, self._at[1]), first, self._exch[first]),
        ]
        for message in back:
            self._hold(message)
        self._pending = snapshots
        return units + self._try_pending()

    def _not_back(self) -> list[Unit]:
        """The ids go on where they were: what had lower ones was late, whatever its times say."""
        units: list[Unit] = []
        back, self._back = self._back, []
        snapshots, self._back_snapshots = self._back_snapshots, []
        for message in back:
            units += self._on_update(message)
        for snapshot in snapshots:
            units += self._take_snapshot(snapshot)
        return units

    def _end_back(self) -> list[Unit]:
        """End of a book: lower ids that follow each other at a later time were a new book that got no snapshot."""
        back = self._back
        if len(back) > 1 and self._prev[back[1]] == self._last[back[0]] and self._is_later():
            return self._begin_anew()
        return self._not_back()

    def _emit_held(self, held: list[int]) -> list[Unit]:
        """Emit updates that nothing anchors, at their own times, with a clear wherever the chain breaks."""
        units: list[Unit] = []
        reached = _NONE
        for message in held:
            last, prev = self._last[message], self._prev[message]
            if last <= reached:
                self.counts["updates duplicate"] += 1
                continue
            slot = message
            if reached != _NONE and prev > reached:
                self._open.append(self._gap_at(message, _UPDATE_IDS, reached, self._at[1]))
                units.append(Unit(Action.CLEAR, message, self._exch[message], self._local[message], slot))
            reached = last
            self.counts["updates kept without anchor"] += 1
            unit = Unit(Action.ROWS, message, self._exch[message], self._local[message], slot)
            self._at = (unit.exch_ns, unit.local_ns)
            units.append(unit)
        return units

    def _gap_at(self, message: int, reason: str, after_id: int, after_local_ns: int) -> Gap:
        data = self._messages
        return Gap(
            reason,
            after_id,
            self._prev[message],
            self._first[message],
            self._last[message],
            int(data.file[message]),
            int(data.line[message]),
            after_local_ns,
            self._local[message],
        )

    def _emit(self, action: Action, message: int, not_before: tuple[int, int] = (0, 0)) -> Unit:
        exch_ns = max(self._exch[message], self._floor[0], not_before[0])
        local_ns = max(self._local[message], self._floor[1], not_before[1])
        self._at = (exch_ns, local_ns)
        return Unit(action, message, exch_ns, local_ns, self._slot)


def joined_to_previous(messages: Messages, depth: Ints) -> npt.NDArray[np.bool_]:
    """Mark the depth messages that are updates which cover the last id of the one before, and lead beyond it."""
    last, prev = messages.last_id[depth], messages.prev_id[depth]
    joined: npt.NDArray[np.bool_] = messages.what[depth] == What.UPDATE
    joined &= (messages.exch_ns[depth] >= 0) & (messages.local_ns[depth] >= 0)
    joined[1:] &= (prev[1:] <= last[:-1]) & (last[:-1] < last[1:]) & (last[1:] != _NONE)
    joined[:1] = False
    return joined
