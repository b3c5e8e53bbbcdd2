"""Event rows as the engine can take them: clears spelled out, and, where asked for, one clock instead of two.

hftbacktest 2.4.4 mishandles partial clears: both of its books skip the level right beyond the cleared range when they look for
the new best, and the ROI book's clear of asks removes nothing. Deletions of single levels are handled right, so every
clear becomes those.
"""

from collections.abc import Sequence

import numpy as np
from marketlink.book.fused import FusedBook
from marketlink.events import (
    BUY,
    DEPTH,
    DEPTH_CLEAR,
    DEPTH_SNAPSHOT,
    EVENT_DTYPE,
    EXCH,
    KIND_MASK,
    LOCAL,
    SELL,
    Events,
)


def on_exchange_clock(events: Events) -> Events:
    """Return the rows of the exchange's clock in its order, received when they happened."""
    mine = events[(events["ev"] & EXCH) != 0]
    rows: Events = mine[np.argsort(mine["exch_ts"], kind="stable")]
    rows["ev"] |= np.uint64(LOCAL)
    rows["local_ts"] = rows["exch_ts"]
    return rows


def spliced(events: Events, clears: Sequence[tuple[int, Events]]) -> Events:
    """Return rows with other rows in the place of some; the very array where there is none."""
    if not clears:
        return events
    parts: list[Events] = []
    start = 0
    for at, deletions in clears:
        parts += [events[start:at], deletions]
        start = at + 1
    whole: Events = np.concatenate([*parts, events[start:]])
    return whole


class ClearsSpelledOut:
    """Replaces clears by deletions of the levels that they clear; keeps both clocks' books from array to array."""

    def __init__(self, tick_size: float, lot_size: float) -> None:
        self._books = {flag: FusedBook(tick_size, lot_size) for flag in (EXCH, LOCAL)}
        self._tick_size = tick_size

    def take(self, events: Events) -> Events:
        """Return the rows with every clear replaced; the very array where there is none."""
        return spliced(events, self.clears(events))

    def clears(self, events: Events) -> list[tuple[int, Events]]:
        """Go on by rows, and return the place of every clear in them with the deletions that stand for it."""
        found: list[tuple[int, Events]] = []
        start = 0
        for at in np.flatnonzero((events["ev"] & KIND_MASK) == DEPTH_CLEAR).tolist():
            self._apply(events[start:at])
            found.append((at, self._deletions(events[at : at + 1])))
            self._apply(events[at : at + 1])
            start = at + 1
        self._apply(events[start:])
        return found

    def _apply(self, events: Events) -> None:
        if not len(events):
            return
        kinds = events["ev"] & KIND_MASK
        depth = (kinds == DEPTH) | (kinds == DEPTH_SNAPSHOT) | (kinds == DEPTH_CLEAR)
        for flag, book in self._books.items():
            rows = events[depth & ((events["ev"] & flag) != 0)]
            if len(rows):
                book.apply(rows)

    def _deletions(self, clear: Events) -> Events:
        """Deletions of what a clear clears, best first, with its times and clocks."""
        ev = int(clear["ev"][0])
        price = float(clear["px"][0])
        sides = [side for side in (BUY, SELL) if ev & side] or [BUY, SELL]
        partial = len(sides) == 1 and np.isfinite(price)
        edge = round(price / self._tick_size) if partial else 0
        made: list[tuple[int, int]] = []
        for side in sides:
            ticks: set[int] = set()
            for flag, book in self._books.items():
                if ev & flag:
                    ticks.update((book.bids() if side == BUY else book.asks())[0].tolist())
            if partial:
                ticks = {tick for tick in ticks if (tick >= edge if side == BUY else tick <= edge)}
            made.extend((side, tick) for tick in sorted(ticks, reverse=side == BUY))
        rows: Events = np.zeros(len(made), EVENT_DTYPE)
        if made:
            columns = np.array(made, np.int64)
            rows["ev"] = columns[:, 0].astype(np.uint64) | np.uint64((ev & (EXCH | LOCAL)) | DEPTH)
            rows["px"] = columns[:, 1] * self._tick_size
            rows["exch_ts"], rows["local_ts"] = clear["exch_ts"], clear["local_ts"]
        return rows
