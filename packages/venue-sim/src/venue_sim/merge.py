"""Slower depth streams made from the fastest one: `@depth@100ms`, `@depth` (250 ms) and `@depth@500ms` out of
`@depth@0ms`.

Within a window the last quantity of a level wins; `U` is the first update's, `u` the last one's and `pu` the `u` of
the window before, as on the exchange.
"""

from __future__ import annotations

import orjson

from venue_sim.book import decode_depth
from venue_sim.market import DepthUpdate, Frame, Level

INTERVAL_MS = {"depth": 250, "depth@100ms": 100, "depth@250ms": 250, "depth@500ms": 500}


def interval_ms(stream: str) -> int | None:
    """The window of a slower depth stream's name, None for every other stream."""
    return INTERVAL_MS.get(stream.partition("@")[2])


class DepthMerger:
    """Collects one symbol's fast updates and hands out one frame a window that had any."""

    def __init__(self, stream: str) -> None:
        width_ms = interval_ms(stream)
        if width_ms is None:
            raise ValueError(f"not a slower depth stream: {stream}")
        self.stream = stream
        self.symbol = stream.partition("@")[0]
        self._width_ns = width_ms * 1_000_000
        self._window = 0
        self._sides: tuple[dict[float, Level], dict[float, Level]] = ({}, {})
        self._first: DepthUpdate | None = None
        self._last: DepthUpdate | None = None

    def flush(self, now_ns: int) -> Frame | None:
        """Hand out the collected frame when its window is over by `now_ns` of market time."""
        if self._first is None or self._last is None or now_ns < (self._window + 1) * self._width_ns:
            return None
        first, last = self._first, self._last
        data = orjson.dumps(
            {
                "e": "depthUpdate",
                "E": last.event_ms,
                "T": last.transact_ms,
                "s": self.symbol.upper(),
                "U": first.first_id,
                "u": last.last_id,
                "pu": first.prev_id,
                "b": [side[price] for side in self._sides[:1] for price in sorted(side)],
                "a": [side[price] for side in self._sides[1:] for price in sorted(side)],
            }
        )
        self._first = self._last = None
        for side in self._sides:
            side.clear()
        wrapped = b'{"stream":"%b","data":%b}' % (self.stream.encode(), data)
        return Frame(
            (self._window + 1) * self._width_ns, self.symbol, "depth", self.stream, wrapped, data, last.last_id
        )

    def add(self, frame: Frame) -> None:
        """Take the next fast update. Flush first: an update of a later window would otherwise be merged into this
        one."""
        update = decode_depth(frame.data)
        if self._first is None:
            self._first = update
            self._window = frame.due_ns // self._width_ns
        self._last = update
        for side, changes in zip(self._sides, (update.bids, update.asks), strict=True):
            for price, quantity in changes:
                side[float(price)] = (price, quantity)
