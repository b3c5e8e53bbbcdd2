"""Several streams of one book, each a window of so many levels, as one book.

Bybit sends the best 1, 50, 200 and 1000 levels at different speeds, Hyperliquid 20 and the best. The deepest window
decides what exists; a shallower one that is newer corrects the levels inside its window and says nothing about
those that only left it.

::

    first statement of a deeper window, or a new snapshot of the deepest  ->  the book is replaced
    any other statement                                                   ->  its differences are emitted
"""

from __future__ import annotations

from dataclasses import dataclass, field

from data_convert.recordings.venues.fusing import ASK, BID, FusedBook, Row, worst

Levels = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Replace:
    """The whole book anew: rows of both sides, the best first."""

    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Change:
    """Levels that changed; quantity 0 deletes."""

    rows: list[Row]


@dataclass(slots=True)
class Window:
    """What one stream states: levels of both sides, by price."""

    sides: tuple[dict[float, float], dict[float, float]] = field(default_factory=lambda: ({}, {}))
    version: int = 0
    anchored: bool = False


class Windows:
    """The windows of one symbol; every method returns what the book of all of them makes of a statement."""

    def __init__(self) -> None:
        self.windows: dict[int, Window] = {}
        self.book = FusedBook()

    def snapshot(self, depth: int, bids: Levels, asks: Levels, version: int, restart: bool) -> Replace | Change:
        """Take a whole window; `restart` when the stream begins anew with it, rather than repeating itself."""
        known = self.windows.get(depth)
        self.windows[depth] = Window((dict(bids), dict(asks)), version, anchored=True)
        first = known is None or not known.anchored
        if depth == self.deepest() and (first or restart):
            return Replace(self._rebuild())
        if depth == 1 and len(self.windows) > 1:
            return Change(self._quotes(bids, asks, version))
        return Change(self._correct(depth, bids, asks, version))

    def delta(self, depth: int, bids: Levels, asks: Levels, version: int) -> Change:
        """Take changed levels of one window, quantity 0 for those that are gone or left the window."""
        window = self.windows.setdefault(depth, Window())
        window.version = version
        deepest = self.deepest() in (0, depth)
        if not window.anchored and not deepest:
            return Change([])
        rows: list[Row] = []
        for side, changes in ((BID, bids), (ASK, asks)):
            own = window.sides[side]
            for price, quantity in changes:
                if quantity:
                    own[price] = quantity
                else:
                    own.pop(price, None)
            full, edge = not deepest and len(own) >= depth, worst(own, side)
            for price, quantity in sorted(changes, key=lambda change: change[1] != 0):
                if full and not quantity and (price < edge if side == BID else price > edge):
                    continue
                rows += self.book.update(side, price, quantity, version, quiet=True)
        return Change(rows)

    def lose(self, depth: int) -> Replace | None:
        """Forget a window that missed something; the book of those that are left, None when none is."""
        self.windows.pop(depth, None)
        rows = self._rebuild()
        return Replace(rows) if self.deepest() else None

    def deepest(self) -> int:
        """Return the depth of the deepest window that was stated whole, 0 without any."""
        return max((depth for depth, window in self.windows.items() if window.anchored), default=0)

    def _rebuild(self) -> list[Row]:
        self.book = FusedBook()
        for depth in sorted((d for d, window in self.windows.items() if window.anchored), reverse=True):
            window = self.windows[depth]
            bids, asks = (list(side.items()) for side in window.sides)
            if depth == 1 and depth != self.deepest():
                self._quotes(bids, asks, window.version)
            else:
                self._correct(depth, bids, asks, window.version)
        return [(side, *level) for side in (BID, ASK) for level in self.book.levels(side)]

    def _quotes(self, bids: Levels, asks: Levels, version: int) -> list[Row]:
        rows: list[Row] = []
        for side, levels in ((BID, bids), (ASK, asks)):
            for price, quantity in levels[:1]:
                rows += self.book.quote(side, price, quantity, version)
        return rows

    def _correct(self, depth: int, bids: Levels, asks: Levels, version: int) -> list[Row]:
        rows: list[Row] = []
        sides = ((BID, dict(bids)), (ASK, dict(asks)))
        for side, own in sides:
            edge = None if depth == self.deepest() or len(own) < depth else worst(own, side)
            for price in self.book.missing_from(side, set(own), edge, version):
                rows += self.book.update(side, price, 0.0, version)
        for side, own in sides:
            for price, quantity in own.items():
                rows += self.book.update(side, price, quantity, version, quiet=True)
        return rows


@dataclass(slots=True)
class HeldBook:
    """A symbol's windows, and what its decoder knows of their streams: `u` of each by depth, those behind a gap (`lost`).

    `has_seq`: whether versions are the exchange's sequence; None until that is known.
    """

    windows: Windows
    last_u: dict[int, int] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    has_seq: bool | None = None
