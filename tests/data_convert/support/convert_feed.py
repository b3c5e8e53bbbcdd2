"""A small exchange with update ids, and what a collector may make of its stream."""

from __future__ import annotations

import json
import random

T0_MS = 1_700_000_000_000
EMPTY = frozenset()


class Exchange:
    """A book of a few levels; every change has an id, an update spans several, some ids are other symbols'."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.id = 1000
        self.last_u = 1000
        self.last_trade = 0
        self.now_ms = T0_MS
        self.book = {"b": {99.0: 1.0, 98.0: 2.0}, "a": {101.0: 1.0, 102.0: 2.0}}
        self.states = {1000: self._frozen()}
        self.times = {1000: self.now_ms}

    def _frozen(self):
        levels = {("b", p, q) for p, q in self.book["b"].items()} | {("a", p, q) for p, q in self.book["a"].items()}
        return frozenset(levels)

    def update(self):
        pu = self.last_u
        self.now_ms += self.random.randint(0, 3)
        for _ in range(self.random.randint(0, 2)):
            self._step()
        first, touched = self.id + 1, {}
        for _ in range(self.random.randint(1, 4)):
            side = self.random.choice("ba")
            price = float(self.random.randint(95, 99) if side == "b" else self.random.randint(101, 105))
            quantity = float(self.random.choice((0, 0, 1, 2, 3)))
            self.book[side].pop(price, None)
            if quantity:
                self.book[side][price] = quantity
            touched[side, price] = quantity
            self._step()
        self.last_u = self.id
        levels = {s: [[f"{p:.2f}", f"{q:.3f}"] for (t, p), q in touched.items() if t == s] for s in "ba"}
        return {"e": "depthUpdate", "E": self.now_ms, "T": self.now_ms, "s": "TESTUSDT",
                "U": first, "u": self.id, "pu": pu, **levels}  # fmt: skip

    def _step(self):
        self.id += 1
        self.states[self.id] = self._frozen()
        self.times[self.id] = self.now_ms

    def snapshot(self, at=None):
        at = self.id if at is None else at
        state, time = self.states[at], self.times[at]
        bids = sorted(((p, q) for s, p, q in state if s == "b"), reverse=True)
        asks = sorted((p, q) for s, p, q in state if s == "a")
        shown = [[[f"{p:.2f}", f"{q:.3f}"] for p, q in side] for side in (bids, asks)]
        return {"lastUpdateId": at, "E": time, "T": time, "bids": shown[0], "asks": shown[1]}

    def trade(self):
        self.last_trade += 1
        return {"e": "trade", "E": self.now_ms, "T": self.now_ms, "s": "TESTUSDT", "t": self.last_trade, "p": "100.00",
                "q": "1.000", "X": "MARKET", "m": True}  # fmt: skip


def line(local_ns, message):
    return f"{local_ns} {json.dumps(message, separators=(',', ':'))}\n"


def record(operations, seed, step_ns=1_000_000):
    """Play operations; return (text of the recording, exchange, messages in the order recorded)."""
    exchange, messages, late, updates = Exchange(seed), [], [], []
    for operation in operations:
        if operation in ("update", "drop", "twice", "late"):
            update = exchange.update()
            if operation != "drop":
                updates.append(update)
            if operation in ("update", "twice"):
                messages += [update] * (2 if operation == "twice" else 1)
            if operation == "late":
                late.append(update)
                continue
        elif operation == "snapshot":
            messages.append(exchange.snapshot())
        elif operation == "old snapshot":
            messages.append(exchange.snapshot(exchange.random.choice(sorted(exchange.states))))
        elif operation == "early snapshot":
            update = exchange.update()
            at = exchange.random.randint(update["pu"], update["u"])
            messages += [exchange.snapshot(at), update]
        elif operation == "trade":
            messages.append(exchange.trade())
        messages += late
        late = []
    messages += late
    local_ns = T0_MS * 1_000_000 + 5_000_000
    text = ""
    for message in messages:
        local_ns += exchange.random.randint(0, 2) * step_ns
        text += line(local_ns, message)
    return text, exchange, messages
