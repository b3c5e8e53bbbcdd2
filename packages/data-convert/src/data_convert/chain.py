"""The order of depth messages by their ids: which snapshot anchors the book, what joins it, where something is missing.

A direct recording holds every update and snapshot as received, also those that came too early or twice.

::

               snapshot that an update covers
    LOST ───────────────────────────────────────> SYNCED ──┐ covering update: emitted
     ^ │ updates are held                           │ ^    │ older update, known snapshot: left out
     │ └── the missing update, within REORDER_NS ───┼─┘ <──┘
     └────────── update that covers not ────────────┘

An update covers an id when `pu <= id <= u`: everything that happened behind `pu` and up to `u` is in it. This is
the venue's `U <= lastUpdateId <= u` and `pu == lastUpdateId` (seen live; the venue's text omits it) in one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.events import KIND_MASK
from data_convert.messages import Ints, Messages, What
from data_convert.plan import Action, Gap, Unit

REORDER_NS: Final = 1_000_000_000
"""An update that comes late by at most this closes its hole as if it had been in time."""

_NONE: Final = -1


class IdChain:
    """Depth updates and snapshots of one symbol, in the order received, into the order of their ids."""

    def __init__(self, messages: Messages, keep_unanchored: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.gaps: list[Gap] = []
        self.warnings: list[str] = []
        self._messages = messages
        self._keep = keep_unanchored
        # Views give Python's own integers, without a list of them for every message of a day.
        self._what = messages.what.data
        self._local, self._exch = messages.local_ns.data, messages.exch_ns.data
        self._last, self._prev = messages.last_id.data, messages.prev_id.data
        self._slot = 0
        self._synced = self._ever = False
        self._reached = _NONE  # id up to which the book is known; in LOST the one before the hole
        self._anchor_id = _NONE
        self._applied: list[int] = []  # messages applied since the anchor, their ids increasing
        self._applied_ids: list[int] = []
        self._held: list[int] = []
        self._pending: list[int] = []  # snapshots newer than the updates that came so far
        self._gap: Gap | None = None
        self._held_top = _NONE  # newest id among the held
        self._floor = (0, 0)  # while held updates are emitted: not before the anchor they join
        self._replaying = 0
        self._at = (0, 0)  # exchange and local time of the last emitted unit

    def on_message(self, message: int) -> list[Unit]:
        """Take the next message in file order; return what is to be emitted now."""
        self._slot = message
        if self._what[message] == What.SNAPSHOT:
            return self._on_snapshot(message)
        return self._on_update(message)

    def awaits_next(self, message: int) -> bool:
        """Tell whether the chain has just reached `message` and waits for nothing but the update behind it."""
        return (
            self._synced
            and not self._pending
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
        if self._pending:
            newest = max(self._pending, key=self._last.__getitem__)
            if self._synced or all(self._last[m] <= self._last[newest] for m in self._held):
                self._pending.remove(newest)
                return self._anchor(newest)
        self.counts["snapshots stale"] += len(self._pending)
        return [] if self._synced else self._leave_unanchored()

    # ------------------------------------------------------------------ updates

    def _on_update(self, message: int) -> list[Unit]:
        last, prev = self._last[message], self._prev[message]
        if last == _NONE:
            self.counts["updates without ids"] += 1
            return []
        if not self._synced:
            gap = self._gap
            late = gap is not None and prev <= self._reached < last
            if late and gap is not None and self._local[message] - gap.found_local_ns <= REORDER_NS:
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
        self._synced, self._gap = True, None
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
        self._held_top = max(self._held_top, self._last[message])

    def _take_held(self) -> list[int]:
        held, self._held, self._held_top = self._held, [], _NONE
        return held

    # ---------------------------------------------------------------- snapshots

    def _on_snapshot(self, message: int) -> list[Unit]:
        last = self._last[message]
        if self._synced and last <= self._reached:
            return self._merge(message)
        if any(self._last[p] == last for p in self._pending):
            self.counts["snapshots redundant"] += 1
            return []
        self._pending.append(message)
        return [] if self._synced else self._try_pending()

    def _try_pending(self) -> list[Unit]:
        """Anchor on the oldest snapshot that a held update covers; forget those that can no longer be joined."""
        for snapshot in sorted(self._pending, key=self._last.__getitem__):
            if self._held_top <= self._last[snapshot]:
                return []
            newer = [m for m in self._held if self._last[m] > self._last[snapshot]]
            self._pending.remove(snapshot)
            first = min(newer, key=self._last.__getitem__)
            if self._prev[first] <= self._last[snapshot]:
                return self._anchor(snapshot)
            self.counts["snapshots stale"] += 1
        return []

    def _anchor(self, snapshot: int) -> list[Unit]:
        """Replace the book by `snapshot` and put the held updates that are newer behind it."""
        units: list[Unit] = []
        if self._gap is not None:
            # The hole shows in the update behind it. A snapshot received before that ends the gap by itself.
            if self._local[snapshot] > self._gap.found_local_ns:
                units.append(self._clear(self._gap))
            self.gaps.append(
                replace(
                    self._gap,
                    until_line=int(self._messages.line[snapshot]),
                    until_local_ns=max(self._local[snapshot], self._gap.after_local_ns),
                )
            )
            self._gap = None
        last = self._last[snapshot]
        held = self._take_held()
        stale = [m for m in held if self._last[m] <= last]
        if self._keep:
            units += self._emit_held(stale)
        else:
            self.counts["updates stale"] += len(stale)
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
        data = self._messages
        self._synced = False
        self._gap = Gap(
            reason="update ids",
            after_id=self._reached,
            prev_id=self._prev[message],
            first_id=int(data.first_id[message]),
            last_id=self._last[message],
            found_file=int(data.file[message]),
            found_line=int(data.line[message]),
            after_local_ns=self._at[1],
            found_local_ns=max(self._local[message], self._floor[1]),
        )
        self._hold(message)
        return self._try_pending()

    def _clear(self, gap: Gap) -> Unit:
        found = self._held[0]
        self._at = (self._exch[found], gap.found_local_ns)
        return Unit(Action.CLEAR, found, self._exch[found], gap.found_local_ns, found)

    def _leave_unanchored(self) -> list[Unit]:
        if self._gap is not None:
            units = [self._clear(self._gap)]
            self.gaps.append(self._gap)
            held = self._take_held()
            if self._keep:
                return units + self._emit_held(held)
            self.counts["updates unanchored"] += len(held)
            return units
        held = self._take_held()
        if held:
            self.warnings.append(
                "no snapshot that the updates join: the book starts empty and knows only the levels that changed; "
                "updates are kept as with --snapshots ignore, with a clear at every hole"
            )
        return self._emit_held(held)

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
                before = self._at[1]
                units.append(Unit(Action.CLEAR, message, self._exch[message], self._local[message], slot))
                self.gaps.append(self._open_gap(message, reached, before))
            reached = last
            self.counts["updates kept without anchor"] += 1
            unit = Unit(Action.ROWS, message, self._exch[message], self._local[message], slot)
            self._at = (unit.exch_ns, unit.local_ns)
            units.append(unit)
        return units

    def _open_gap(self, message: int, reached: int, before_ns: int) -> Gap:
        data = self._messages
        return Gap(
            "update ids",
            reached,
            self._prev[message],
            int(data.first_id[message]),
            self._last[message],
            int(data.file[message]),
            int(data.line[message]),
            before_ns,
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
