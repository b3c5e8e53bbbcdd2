"""Seeded order flow of one symbol: a book in integer ticks and lots that trades, quotes and reports itself.

Every change of the best level is reported by a quote at once; a depth update reports the final quantity of
every level touched since the one before, so right after it the reported book and the engine's are the same and its
top is the last quote's. The last id grows by random jumps, `prev_id` is the last id before,
`first_id > prev_id` (as on futures, exchange.md section 1).
"""

from __future__ import annotations

import zlib
from decimal import Decimal
from random import Random

from sortedcontainers import SortedDict

from venue_sim.market import (
    DEPTH,
    QUOTE,
    TRADE,
    BookState,
    Frame,
    Instrument,
    Quote,
    Trade,
    Update,
)

LEVELS_A_SIDE = 1200
_MOST_LEVELS = 1500
_FEWEST_LEVELS = 1000
_BID, _ASK = 0, 1


class SymbolFlow:
    """The order flow of one contract. `levels` is the average number of levels in a depth update."""

    def __init__(self, instrument: Instrument, price: str, rng: Random, levels: float) -> None:
        self.instrument = instrument
        self._rng = rng
        self._levels = levels
        self._price_digits = instrument.price_precision
        self._tick_units = int(Decimal(instrument.tick_size).scaleb(self._price_digits))
        self._quantity_digits = instrument.quantity_precision
        self._step_units = int(Decimal(instrument.step_size).scaleb(self._quantity_digits))
        self._home = int(Decimal(price) / Decimal(instrument.tick_size))
        self._typical_lots = max(4, int(Decimal(20_000) / Decimal(price) / Decimal(instrument.step_size)))
        self._sides: tuple[SortedDict, SortedDict] = (SortedDict(), SortedDict())
        self._touched: tuple[dict[int, None], dict[int, None]] = ({}, {})
        self._id = 5_000_000_000_000 + zlib.crc32(instrument.symbol.encode()) * 10
        self._last_u = self._id
        self._first_id = 0
        self._trade_id = 1_000_000_000 + zlib.crc32(instrument.symbol.encode()[::-1]) % 1_000_000_000
        self._transact_ms = 0
        self._fill()

    def initial(self, now_ms: int) -> BookState:
        """The book before the first update."""
        bids, asks = self._sides
        return BookState(
            self._last_u,
            now_ms,
            now_ms,
            [(self._price(tick), self._quantity(bids[tick])) for tick in reversed(bids)],
            [(self._price(tick), self._quantity(asks[tick])) for tick in asks],
        )

    def top(self) -> tuple[int, int]:
        """Best bid and best ask in ticks."""
        return self._sides[_BID].keys()[-1], self._sides[_ASK].keys()[0]

    def trade(self, due_ns: int, now_ms: int) -> list[Frame]:
        """Let somebody take from the best level: a trade and the quote it causes."""
        rng = self._rng
        side = _ASK if rng.random() < self._up_chance() else _BID
        tick = self.top()[side]
        lots = self._sides[side][tick]
        taken = lots if rng.random() < 0.12 else min(lots, 1 + int(rng.expovariate(4.0) * lots))
        self._set(side, tick, lots - taken)
        self._trade_id += 1
        transact_ms = self._transacted(now_ms)
        insurance = rng.random() < 0.002
        trade = Trade(
            self._trade_id, now_ms, transact_ms, self._price(tick), self._quantity(taken), side == _BID, insurance
        )
        return [Frame(due_ns, self.instrument.symbol, TRADE, 0, trade), self._quoted(due_ns, now_ms)]

    def quote(self, due_ns: int, now_ms: int) -> list[Frame]:
        """Change the best level: more, less, gone, or a better price inside the spread."""
        rng = self._rng
        side = rng.randrange(2)
        bid, ask = self.top()
        tick = (bid, ask)[side]
        if ask - bid > 1 and rng.random() < 0.7:
            inside = min(ask - bid - 1, 1 + int(rng.expovariate(0.8)))
            self._set(side, bid + inside if side == _BID else ask - inside, self._size())
        elif rng.random() < 0.05:
            self._set(side, tick, 0)
        else:
            self._set(side, tick, max(1, int(self._sides[side][tick] * rng.uniform(0.6, 1.5)) + rng.randrange(3)))
        return [self._quoted(due_ns, now_ms)]

    def depth(self, due_ns: int, now_ms: int) -> list[Frame]:
        """Move some deeper levels, then report every level touched since the last update."""
        for side in (_BID, _ASK):
            self._stir(side)
        sides = []
        for side in (_BID, _ASK):
            levels, touched = self._sides[side], self._touched[side]
            if self._rng.random() < 0.1:
                touched[self._unknown_tick(side)] = None
            sides.append([(self._price(tick), self._quantity(levels.get(tick, 0))) for tick in sorted(touched)])
            touched.clear()
        self._bump()
        transact_ms = self._transacted(now_ms)
        first_id, self._first_id = self._first_id, 0
        prev_id, self._last_u = self._last_u, self._id
        update = Update(first_id, self._last_u, prev_id, now_ms, transact_ms, sides[_BID], sides[_ASK])
        return [Frame(due_ns, self.instrument.symbol, DEPTH, self._last_u, update)]

    def _quoted(self, due_ns: int, now_ms: int) -> Frame:
        bid, ask = self.top()
        transact_ms = self._transacted(now_ms)
        best = (self._price(bid), self._quantity(self._sides[_BID][bid]))
        quote = Quote(self._id, now_ms, transact_ms, best, (self._price(ask), self._quantity(self._sides[_ASK][ask])))
        return Frame(due_ns, self.instrument.symbol, QUOTE, self._id, quote)

    def _stir(self, side: int) -> None:
        """Change levels behind the best until the update has about the wanted length."""
        rng, levels, touched = self._rng, self._sides[side], self._touched[side]
        wanted = int(rng.expovariate(2 / self._levels)) if self._levels > 0 else 0
        keys = levels.keys()
        while len(touched) < wanted:
            depth = 1 + int(rng.expovariate(1 / 60)) if rng.random() < 0.8 else rng.randrange(1, len(levels))
            depth = min(depth, len(levels) - 1)
            tick = keys[-1 - depth] if side == _BID else keys[depth]
            if rng.random() < 0.4:
                gap = rng.randrange(1, 4)
                tick += -gap if side == _BID else gap
                if tick > 0:
                    self._set(side, tick, self._size())
            elif rng.random() < 0.45 and len(levels) > _FEWEST_LEVELS:
                self._set(side, tick, 0)
            else:
                self._set(side, tick, self._size())
        while len(levels) > _MOST_LEVELS:
            self._set(side, keys[0] if side == _BID else keys[-1], 0)

    def _set(self, side: int, tick: int, lots: int) -> None:
        levels = self._sides[side]
        if lots > 0:
            levels[tick] = lots
        else:
            levels.pop(tick, None)
            if not levels:
                levels[max(1, tick - 1) if side == _BID else tick + 1] = self._size()
        self._touched[side][tick] = None
        self._bump()

    def _bump(self) -> None:
        self._id += 1 + int(self._rng.expovariate(0.02))
        if not self._first_id:
            self._first_id = self._id

    def _fill(self) -> None:
        widest = max(1, int(self._home * 0.6) // LEVELS_A_SIDE)
        for side, sign in ((_BID, -1), (_ASK, 1)):
            tick = self._home if side == _BID else self._home + 1
            for depth in range(LEVELS_A_SIDE):
                if tick <= 0:
                    break
                self._sides[side][tick] = self._size()
                tick += sign * self._rng.randint(1, min(widest, 1 + depth // 40))

    def _up_chance(self) -> float:
        """Chance that the next taker buys; leans back to the price the market began at."""
        return min(0.8, max(0.2, 0.5 + 5.0 * (self._home - self.top()[0]) / self._home))

    def _unknown_tick(self, side: int) -> int:
        edge = int(self._sides[side].keys()[0 if side == _BID else -1])
        return max(1, edge - self._rng.randrange(1, 50)) if side == _BID else edge + self._rng.randrange(1, 50)

    def _size(self) -> int:
        return 1 + int(self._rng.expovariate(1 / self._typical_lots))

    def _transacted(self, now_ms: int) -> int:
        self._transact_ms = max(self._transact_ms, now_ms - int(self._rng.expovariate(0.7)))
        return self._transact_ms

    def _price(self, tick: int) -> str:
        return _fixed(tick * self._tick_units, self._price_digits)

    def _quantity(self, lots: int) -> str:
        return _fixed(lots * self._step_units, self._quantity_digits)


def _fixed(units: int, digits: int) -> str:
    if not digits:
        return str(units)
    text = f"{units:0{digits + 1}d}"
    return f"{text[:-digits]}.{text[-digits:]}"
