"""A market whose book is shown as Bybit shows it: topics of several depths, each at its own pace."""

from __future__ import annotations

import json
import random

T0 = 1_700_000_000_000
DEPTHS = (1, 3, 8, 30)


class Market:
    """A book of 40 levels a side; topics show its best levels, each at its own pace, as Bybit's do."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.bids = {float(p): 1.0 for p in range(60, 100)}
        self.asks = {float(p): 1.0 for p in range(101, 141)}
        self.seq, self.now = 1000, T0
        self.shown = {}
        self.u = {depth: depth * 100 for depth in DEPTHS}

    def step(self):
        self.now += self.random.randint(0, 3)
        for _ in range(self.random.randint(1, 4)):
            self.seq += 1
            side, other = self.random.choice(((self.bids, self.asks), (self.asks, self.bids)))
            low, high = (60, min(other) - 1) if side is self.bids else (max(other) + 1, 140)
            price = float(self.random.randint(int(low), int(high)))
            if self.random.random() < 0.5 and len(side) > 5:
                side.pop(self.random.choice((price, max(side) if side is self.bids else min(side))), None)
            else:
                side[price] = float(self.random.randint(1, 5))

    def window(self, depth):
        bids = dict(sorted(self.bids.items(), reverse=True)[:depth])
        return bids, dict(sorted(self.asks.items())[:depth])

    def frame(self, depth, fresh=False):
        """The next frame of a topic: a snapshot at first and for depth 1, else what changed; None for nothing."""
        now, before = self.window(depth), self.shown.get(depth)
        whole = before is None or depth == 1 or fresh
        if whole:
            sides = now
        else:
            sides = [
                {p: after.get(p, 0.0) for p in {*old, *after} if old.get(p) != after.get(p)}
                for old, after in zip(before, now, strict=True)
            ]
            if not any(sides):
                return None
        self.shown[depth] = now
        self.u[depth] += 1
        pairs = [[[f"{p:.1f}", f"{q:.3f}" if q else "0"] for p, q in side.items()] for side in sides]
        data = {"s": "BTCUSDT", "b": pairs[0], "a": pairs[1], "u": self.u[depth], "seq": self.seq}
        return {"topic": f"orderbook.{depth}.BTCUSDT", "type": "snapshot" if whole else "delta", "ts": self.now + 2,
                "data": data, "cts": self.now}  # fmt: skip


def write(tmp_path, frames, step_ns=1_000_000):
    path = tmp_path / "btcusdt_20231114.gz"
    path.write_text("".join(f"{T0 * 10**6 + 10**8 + i * step_ns} {json.dumps(f)}\n" for i, f in enumerate(frames)))
    return path


def run(market, steps, late=0.0):
    """Frames of all topics; deeper ones may be handed over late, as the slower streams are."""
    frames, held = [], []
    for _ in range(steps):
        market.step()
        frames += held
        held = []
        for depth in DEPTHS:
            if market.random.random() < 2 / depth**0.5:
                frame = market.frame(depth)
                if frame is not None:
                    (held if depth > 1 and market.random.random() < late else frames).append(frame)
    for depth in reversed(DEPTHS):
        frames += [frame for frame in (market.frame(depth),) if frame is not None]
    return frames + held
