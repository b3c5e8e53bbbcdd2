"""One book out of statements of different depth and age: levels, best quotes, clears.

The rules are those of HftBacktest's fused depth: what is older than what it would overrule is dropped, what crosses
the other side or reaches through its own side removes the levels that cannot stand any longer. A version is any number
that grows with the exchange's own order (a sequence, a time); equal versions are in the order given.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from math import floor, inf
from typing import Final

BID: Final = 0
ASK: Final = 1

Row = tuple[int, float, float]
"""(side, price, quantity) to be emitted as a depth row; quantity 0 deletes."""


@dataclass(slots=True)
class _Level:
    price: float
    quantity: float
    version: int


class FusedBook:
    """Levels of both sides by price, or by tick where `tick_size` is given (positions are `sign * key`, best first).

    Without `lot_size` only a quantity of exactly 0 is none; with it everything that rounds to no lot.
    """

    def __init__(self, tick_size: float | None = None, lot_size: float | None = None) -> None:
        self._tick, self._lot = tick_size, lot_size
        self._levels: tuple[dict[float, _Level], dict[float, _Level]] = ({}, {})
        self._order: tuple[list[float], list[float]] = ([], [])
        self.best_version = [0, 0]

    def levels(self, side: int) -> list[tuple[float, float]]:
        """Return (price, quantity) of one side, the best first."""
        return [(self._levels[side][at].price, self._levels[side][at].quantity) for at in self._order[side]]

    def update(self, side: int, price: float, quantity: float, version: int, quiet: bool = False) -> list[Row]:
        """Set or delete one level; `quiet` emits no row that repeats what the book holds already."""
        at, own, other = self._position(side, price), self._order[side], self._order[1 - side]
        touches = not own or at <= own[0]
        crosses = bool(other) and other[0] <= -at
        if (touches and version < self.best_version[side]) or (crosses and version < self.best_version[1 - side]):
            return []
        level = self._levels[side].get(at)
        if level is not None and version < level.version:
            return []
        if self._is_none(quantity):
            if level is None:
                return []
            if at == own[0]:
                self.best_version[side] = version
            self._remove(side, at)
            return [(side, level.price, 0.0)]
        rows: list[Row] = []
        if touches:
            self.best_version[side] = version
            if crosses:
                rows += self._remove_through(1 - side, -at)
                self.best_version[1 - side] = version
        same = level is not None and level.quantity == quantity
        self._set(side, at, price, quantity, version)
        return rows if quiet and same else [*rows, (side, price, quantity)]

    def quote(self, side: int, price: float, quantity: float, version: int) -> list[Row]:
        """Set the best level: nothing better stands on its own side, nothing crossed on the other."""
        if self._is_none(quantity):
            return []
        at, own, other = self._position(side, price), self._order[side], self._order[1 - side]
        crosses = bool(other) and other[0] <= -at
        if version < self.best_version[side] or (crosses and version < self.best_version[1 - side]):
            return []
        self.best_version[side] = version
        if own and own[0] == at and self._levels[side][at].quantity == quantity:
            return []
        rows = [] if not crosses else self._remove_through(1 - side, -at)
        if crosses:
            self.best_version[1 - side] = version
        rows += self._remove_before(side, at)
        self._set(side, at, price, quantity, version)
        return [*rows, (side, price, quantity)]

    def clear(self, side: int, price: float | None = None) -> None:
        """Forget one side from the best out to `price` and including it, all of it without a price."""
        if price is None:
            self._levels[side].clear()
            self._order[side].clear()
            self.best_version[side] = 0
        else:
            self._remove_through(side, self._position(side, price))

    def dump(self, side: int) -> tuple[list[float], list[float], list[int]]:
        """Return prices, quantities and versions of one side, the best first."""
        levels = [self._levels[side][at] for at in self._order[side]]
        return (
            [level.price for level in levels],
            [level.quantity for level in levels],
            [level.version for level in levels],
        )

    def load(self, side: int, levels: list[tuple[float, float]], versions: list[int], best_version: int) -> None:
        """Replace one side by levels, the best first, and their versions."""
        order = [self._position(side, price) for price, _ in levels]
        made = (_Level(*level, version) for level, version in zip(levels, versions, strict=True))
        self._order[side][:] = order
        self._levels[side].clear()
        self._levels[side].update(zip(order, made, strict=True))
        self.best_version[side] = best_version

    def missing_from(self, side: int, prices: set[float], edge: float | None, version: int) -> list[float]:
        """Return the prices not newer than `version`, out to `edge`, that are not in `prices`."""
        order, levels = self._order[side], self._levels[side]
        end = len(order) if edge is None else bisect_right(order, self._position(side, edge))
        found = (levels[at] for at in order[:end])
        return [level.price for level in found if level.version <= version and level.price not in prices]

    def _position(self, side: int, price: float) -> float:
        key = price if self._tick is None else _nearest(price / self._tick)
        return -key if side == BID else key

    def _is_none(self, quantity: float) -> bool:
        return quantity == 0 if self._lot is None else _nearest(quantity / self._lot) == 0

    def _set(self, side: int, at: float, price: float, quantity: float, version: int) -> None:
        if at not in self._levels[side]:
            insort(self._order[side], at)
        self._levels[side][at] = _Level(price, quantity, version)

    def _remove(self, side: int, at: float) -> None:
        del self._levels[side][at]
        del self._order[side][bisect_left(self._order[side], at)]

    def _remove_through(self, side: int, at: float) -> list[Row]:
        return self._remove_first(side, bisect_right(self._order[side], at))

    def _remove_before(self, side: int, at: float) -> list[Row]:
        return self._remove_first(side, bisect_left(self._order[side], at))

    def _remove_first(self, side: int, count: int) -> list[Row]:
        order, levels = self._order[side], self._levels[side]
        rows = [(side, levels.pop(at).price, 0.0) for at in order[:count]]
        del order[:count]
        return rows


def _nearest(number: float) -> float:
    return floor(number + 0.5) if number < inf else inf


def worst(prices: dict[float, float], side: int) -> float:
    """Return the price farthest from the market; infinite without prices."""
    if not prices:
        return -inf if side == BID else inf
    return min(prices) if side == BID else max(prices)
