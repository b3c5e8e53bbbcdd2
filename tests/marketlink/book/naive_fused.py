"""The slow twin of marketlink.book.fused: two dicts, searched whole at every step."""

import math
from decimal import ROUND_HALF_UP, Decimal

from marketlink.events import BUY, DEPTH, DEPTH_BBO, DEPTH_CLEAR, DEPTH_SNAPSHOT, LOCAL, SELL

Row = tuple[int, int, int, float, float, int]  # ev, exch_ts, local_ts, px, qty, ival


def whole(value):
    return int(Decimal(value).to_integral_value(ROUND_HALF_UP))


class NaiveBook:
    """Levels are {tick: (px, qty, ts)}; `better` compares ticks as their side does."""

    def __init__(self, tick_size, lot_size):
        self.tick_size, self.lot_size = tick_size, lot_size
        self.levels = {BUY: {}, SELL: {}}
        self.best_ts = {BUY: 0, SELL: 0}

    def best(self, side):
        ticks = self.levels[side]
        if not ticks:
            return -math.inf if side == BUY else math.inf
        return max(ticks) if side == BUY else min(ticks)

    def not_worse(self, side, tick, than):
        return tick >= than if side == BUY else tick <= than

    def take_out(self, side, gone, row):
        """Delete ticks, best first; the deletions to publish."""
        told = []
        for tick in sorted(gone, reverse=side == BUY):
            px, _, _ = self.levels[side].pop(tick)
            told.append((LOCAL | side | DEPTH, row[1], row[2], px, 0.0, row[5]))
        return told

    def clear(self, side, px, ts):
        for each in (BUY, SELL) if side is None else (side,):
            if side is None or not math.isfinite(px):
                self.levels[each].clear()
                self.best_ts[each] = 0
                continue
            gone = [tick for tick in self.levels[each] if self.not_worse(each, tick, whole(px / self.tick_size))]
            for tick in gone:
                del self.levels[each][tick]
            if gone:
                self.best_ts[each] = ts

    def read(self, row):
        """(kind, side, tick, lot); side None for none or both, tick None for a price or quantity that can't be."""
        ev, _, _, px, qty, _ = row
        kind = ev & 0xFF
        side = {BUY: BUY, SELL: SELL}.get(ev & (BUY | SELL))
        if not math.isfinite(px) or not math.isfinite(qty) or qty < 0 or abs(px / self.tick_size) > 2**61:
            return kind, side, None, None
        return kind, side, whole(px / self.tick_size), whole(qty / self.lot_size)

    def fuse(self, row, sequenced=False):
        kind, side, tick, lot = self.read(row)
        ts, px, qty = row[1], row[3], row[4]
        if kind == DEPTH_CLEAR:
            self.clear(side, px, ts)
        if kind not in (DEPTH, DEPTH_SNAPSHOT, DEPTH_BBO):
            return [row]
        if side is None or tick is None:
            return []
        other = SELL if side == BUY else BUY
        mine, best = self.levels[side], self.best(side)
        crosses = self.not_worse(side, tick, self.best(other))
        if not sequenced:
            at_touch = kind == DEPTH_BBO or self.not_worse(side, tick, best)
            if (at_touch and ts < self.best_ts[side]) or (crosses and ts < self.best_ts[other]):
                return []
            if kind != DEPTH_BBO and tick in mine and ts < mine[tick][2]:
                return []
        crossed = [t for t in self.levels[other] if self.not_worse(side, tick, t)]
        if kind == DEPTH_BBO:
            if lot == 0:
                gone = [t for t in mine if self.not_worse(side, t, tick)]
                if gone:
                    self.best_ts[side] = ts
                return self.take_out(side, gone, row)
            if tick == best and mine[tick][1] == qty:
                self.best_ts[side] = ts
                return []
            told = [row, *self.take_out(other, crossed, row)]
            told += self.take_out(side, [t for t in mine if t != tick and self.not_worse(side, t, tick)], row)
        elif lot == 0:
            if tick not in mine:
                return []
            del mine[tick]
            if tick == best:
                self.best_ts[side] = ts
            return [row]
        else:
            told = [row, *self.take_out(other, crossed, row)]
        mine[tick] = (px, qty, ts)
        if kind == DEPTH_BBO or self.not_worse(side, tick, best):
            self.best_ts[side] = ts
        if crossed:
            self.best_ts[other] = ts
        return told

    def apply(self, row):
        kind, side, tick, lot = self.read(row)
        ts, px, qty = row[1], row[3], row[4]
        if kind == DEPTH_CLEAR:
            self.clear(side, px, ts)
        if kind not in (DEPTH, DEPTH_SNAPSHOT, DEPTH_BBO) or side is None or tick is None:
            return
        other = SELL if side == BUY else BUY
        if kind == DEPTH_BBO:
            self.take_out(side, [t for t in self.levels[side] if self.not_worse(side, t, tick)], row)
            if lot:
                self.take_out(other, [t for t in self.levels[other] if self.not_worse(side, tick, t)], row)
        self.levels[side].pop(tick, None)
        if lot:
            self.levels[side][tick] = (px, qty, ts)

    def sorted_levels(self):
        """[(side, px, qty, ts)]: bids from the best down, then asks from the best up."""
        bids = [(BUY, *self.levels[BUY][tick]) for tick in sorted(self.levels[BUY], reverse=True)]
        return bids + [(SELL, *self.levels[SELL][tick]) for tick in sorted(self.levels[SELL])]
