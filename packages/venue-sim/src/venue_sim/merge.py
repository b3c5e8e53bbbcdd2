"""Slower depth streams made from the fastest one.

Within a window the last quantity of a level wins; `first_id` is the first update's, `last_id` the last one's and
`prev_id` the `last_id` of the window before, as on futures (exchange.md section 1).
"""

from __future__ import annotations

from venue_sim.market import Level, Update


class DepthMerger:
    """Collects one symbol's fast updates and hands out one update a window of `width_ms` that had any."""

    def __init__(self, width_ms: int) -> None:
        self._width_ns = width_ms * 1_000_000
        self._window = 0
        self._sides: tuple[dict[float, Level], dict[float, Level]] = ({}, {})
        self._first: Update | None = None
        self._last: Update | None = None

    def flush(self, now_ns: int) -> Update | None:
        """Hand out the collected update when its window is over by `now_ns` of market time."""
        if self._first is None or self._last is None or now_ns < (self._window + 1) * self._width_ns:
            return None
        first, last = self._first, self._last
        bids, asks = ([side[price] for price in sorted(side)] for side in self._sides)
        self._first = self._last = None
        for side in self._sides:
            side.clear()
        return Update(first.first_id, last.last_id, first.prev_id, last.event_ms, last.transact_ms, bids, asks)

    def add(self, due_ns: int, update: Update) -> None:
        """Take the next fast update. Flush first: an update of a later window would otherwise be merged into this
        one."""
        if self._first is None:
            self._first = update
            self._window = due_ns // self._width_ns
        self._last = update
        for side, changes in zip(self._sides, (update.bids, update.asks), strict=True):
            for price, quantity in changes:
                side[float(price)] = (price, quantity)
