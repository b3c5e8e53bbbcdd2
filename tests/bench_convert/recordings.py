"""Recordings of Bybit, Hyperliquid and a connector, made here: one walking book, told in each of their ways."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIRST_MS = 1_700_000_000_000
STEP_MS = 20
STEPS = 40_000
SPAN = 400
"""Ticks of each side that may hold a level."""
CHANGES = 8
_MAKER = {"Buy": False, "Sell": True}

Frames = Iterator[tuple[int, dict[str, Any]]]
Level = tuple[int, int]


class Ladder:
    """A book of ticks and lots whose middle walks; `step` changes some levels near it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.middle = 1_000_000
        self.lots = {tick: self._lots() for tick in range(self.middle - SPAN, self.middle + SPAN)}

    def _lots(self) -> int:
        return self.chance.randrange(1, 99_999)

    def step(self) -> None:
        """Change some levels, and now and then the middle."""
        chance = self.chance
        self.middle += chance.choice((-1, 0, 0, 0, 1))
        for tick in (self.middle - SPAN, self.middle + SPAN - 1):
            self.lots.setdefault(tick, self._lots())
        for _ in range(CHANGES):
            tick = self.middle + int(chance.gauss(0, 25))
            self.lots[tick] = 0 if chance.random() < 0.2 else self._lots()

    def window(self, depth: int) -> tuple[list[Level], list[Level]]:
        """The best `depth` levels of bids and asks."""
        sides: list[list[Level]] = []
        for ticks in (range(self.middle - 1, self.middle - SPAN, -1), range(self.middle, self.middle + SPAN)):
            side: list[Level] = []
            for tick in ticks:
                if self.lots.get(tick):
                    side.append((tick, self.lots[tick]))
                    if len(side) == depth:
                        break
            sides.append(side)
        return sides[0], sides[1]


def price(tick: int) -> str:
    """A tick as a price."""
    return f"{tick / 10:.1f}"


def quantity(lots: int) -> str:
    """Lots as a quantity."""
    return f"{lots / 1000:.3f}"


def pairs(levels: list[Level]) -> list[list[str]]:
    """Levels as pairs of texts."""
    return [[price(tick), quantity(lots) if lots else "0"] for tick, lots in levels]


def changed(before: list[Level], now: list[Level]) -> list[Level]:
    """What became of one side: levels gone with no lots, new and changed ones."""
    old, new = dict(before), dict(now)
    return [(tick, 0) for tick in old if tick not in new] + [level for level in now if old.get(level[0]) != level[1]]


def bybit(ladder: Ladder, steps: int) -> Frames:
    """Topics of 1, 50 and 200 levels and trades."""
    known: dict[int, tuple[list[Level], list[Level]]] = {}
    ids = dict.fromkeys((1, 50, 200), 0)
    for i in range(steps):
        ladder.step()
        at, head = FIRST_MS + i * STEP_MS, {"ts": FIRST_MS + i * STEP_MS + 3}
        for depth, every in ((1, 1), (50, 1), (200, 5)):
            if i % every:
                continue
            now = ladder.window(depth)
            if known.get(depth) == now:
                continue
            kind = "delta" if depth in known and depth > 1 else "snapshot"
            sides = [changed(*both) for both in zip(known[depth], now, strict=True)] if kind == "delta" else now
            known[depth], ids[depth] = now, ids[depth] + 1 if depth in known else 100
            data = {"s": "BTCUSDT", "b": pairs(sides[0]), "a": pairs(sides[1]), "u": ids[depth], "seq": 10 * i + 5}
            yield at + 5, {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, **head, "data": data, "cts": at}
        if i % 3 == 0:
            side = ladder.chance.choice(("Buy", "Sell"))
            trade = {"T": at, "s": "BTCUSDT", "S": side, "v": "0.010", "p": price(ladder.middle), "L": "PlusTick",
                     "i": f"5f0{i:x}-aa", "BT": False, "RPI": False, "seq": 10 * i + 6}  # fmt: skip
            yield at + 6, {"topic": "publicTrade.BTCUSDT", "type": "snapshot", **head, "data": [trade]}


def hyperliquid(ladder: Ladder, steps: int) -> Frames:
    """Books of 20 levels, best quotes and trades."""

    def told(levels: list[Level]) -> list[dict[str, Any]]:
        return [{"px": price(tick), "sz": quantity(lots), "n": 1 + lots % 9} for tick, lots in levels]

    for i in range(steps):
        ladder.step()
        at = FIRST_MS + i * STEP_MS
        sides = [told(side) for side in ladder.window(20)]
        best = [side[0] for side in sides]
        yield at + 5, {"channel": "bbo", "data": {"coin": "BTC", "time": at, "bbo": best}}
        yield at + 6, {"channel": "l2Book", "data": {"coin": "BTC", "time": at, "levels": sides}}
        if i % 3 == 0:
            trade = {"coin": "BTC", "side": ladder.chance.choice("AB"), "px": price(ladder.middle), "sz": "0.01",
                     "time": at, "hash": f"0x{i:064x}", "tid": i + 1, "users": [f"0x{i:040x}", "0x2"]}  # fmt: skip
            yield at + 7, {"channel": "trades", "data": [trade]}


def link(ladder: Ladder, steps: int) -> Frames:
    """A connector's lines: one level each, batches chained by `more`; trades and best quotes."""
    known: tuple[list[Level], list[Level]] = ([], [])
    for i in range(steps):
        ladder.step()
        at, now = FIRST_MS + i * STEP_MS, ladder.window(200)
        levels = [(side, *level) for side, *both in zip("ba", known, now, strict=True) for level in changed(*both)]
        first = not known[0]
        ids = {"ns": at * 1_000_000, "u": i + 1}
        if first:
            yield at, {"e": "depthClear", "E": at, "s": "BTCUSDT", **ids, "more": len(levels)}
        word = "depthSnapshot" if first else "depthUpdate"
        for left, (side, tick, lots) in zip(range(len(levels) - 1, -1, -1), levels, strict=True):
            pair = [[f"{tick / 10:g}" if tick % 10 else str(tick // 10), f"{lots / 1000:g}"]]
            both = {"b": pair if side == "b" else [], "a": pair if side == "a" else []}
            yield at + 5, {"e": word, "E": at, "s": "BTCUSDT", **both, **ids, "more": left}
        known = now
        if i % 3 == 0:
            maker = _MAKER[ladder.chance.choice(("Buy", "Sell"))]
            yield at + 6, {"e": "trade", "E": at, "s": "BTCUSDT", "p": price(ladder.middle), "q": "0.01", "m": maker,
                           "ns": at * 1_000_000, "t": i + 1}  # fmt: skip
            yield at + 6, {"e": "bookTicker", "s": "BTCUSDT", "b": price(now[0][0][0]), "B": "1.5", "a": "0", "A": "0",
                           "E": at, "ns": at * 1_000_000, "u": i + 1}  # fmt: skip


SOURCES = {"bybit": bybit, "hyperliquid": hyperliquid, "link": link}


def write(path: Path, source: str, steps: int = STEPS, seed: int = 1) -> Path:
    """Write a recording of a source, in gzip members of whole lines as the collector does."""
    held: list[bytes] = []
    size = 0
    with path.open("wb") as out:
        for number, (at_ms, frame) in enumerate(SOURCES[source](Ladder(seed), steps)):
            held.append(
                b"%d %s\n" % (at_ms * 1_000_000 + number % 1000, json.dumps(frame, separators=(",", ":")).encode())
            )
            size += len(held[-1])
            if size >= 1 << 20:
                out.write(gzip.compress(b"".join(held), 6, mtime=0))
                held, size = [], 0
        out.write(gzip.compress(b"".join(held), 6, mtime=0))
    return path
