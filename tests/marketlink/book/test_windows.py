"""One book out of several streams of it, against the exchange's own: at every price the newest word holds."""

import random
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from marketlink.book.fused import FusedBook
from marketlink.book.windows import BASE, Windows
from marketlink.events import BUY, DEPTH, LOCAL, SELL, Events, empty_events

WIDE = 12  # what the deepest stream shows
Side = dict[int, float]


@dataclass
class Exchange:
    """A book of integer prices whose streams show the best levels at their own pace."""

    rng: random.Random
    version: int = 100
    bids: Side = field(default_factory=lambda: {price: 1.0 for price in range(80, 100)})
    asks: Side = field(default_factory=lambda: {price: 1.0 for price in range(100, 120)})
    history: dict[int, tuple[Side, Side]] = field(default_factory=dict)
    told: dict[int, tuple[Side, Side]] = field(default_factory=dict)

    def step(self) -> None:
        self.version += self.rng.randint(1, 3)
        for side in (self.bids, self.asks):
            for _ in range(self.rng.randint(0, 3)):
                price = self.rng.randrange(60, 140)
                if self.rng.random() < 0.5:
                    side.pop(price, None)
                else:
                    side[price] = float(self.rng.randint(1, 4))
        for price in [price for price in self.bids if self.asks and price >= min(self.asks)]:
            del self.bids[price]

    def seen(self, depth: int) -> tuple[Side, Side]:
        bids, asks = sorted(self.bids, reverse=True)[:depth], sorted(self.asks)[:depth]
        return {price: self.bids[price] for price in bids}, {price: self.asks[price] for price in asks}

    def whole(self, window: int) -> tuple[Events, int]:
        seen = self.seen(window or WIDE)
        self.told[window] = seen
        self.history[self.version] = self.seen(99)
        return rows(*seen), self.version

    def delta(self, window: int) -> tuple[Events, int]:
        before, seen = self.told[window], self.seen(window or WIDE)
        changes = []
        for old, new in zip(before, seen, strict=True):
            gone = {price: 0.0 for price in old if price not in new}
            changes.append(gone | {price: qty for price, qty in new.items() if old.get(price) != qty})
        self.told[window] = seen
        return rows(*changes), self.version


def rows(bids: Side, asks: Side) -> Events:
    events = empty_events(len(bids) + len(asks))
    levels = [*((BUY, *level) for level in bids.items()), *((SELL, *level) for level in asks.items())]
    for row, (side, price, qty) in zip(events, levels, strict=True):
        row["ev"], row["px"], row["qty"] = LOCAL | DEPTH | side, price, qty
    return events


def levels(book: FusedBook) -> tuple[Side, Side]:
    sides = book.bids(), book.asks()
    bids, asks = ({int(tick): float(qty) for tick, qty in zip(*side, strict=True)} for side in sides)
    return bids, asks


def expected(told: dict[int, tuple[Side, Side]], versions: dict[int, int]) -> tuple[Side, Side]:
    """The naive merge: from the newest on, each window up to its worst level, the deepest for all."""
    merged: tuple[Side, Side] = ({}, {})
    for side, better in ((0, -1), (1, 1)):
        edge = -(10**9)
        for window in sorted(versions, key=lambda one: (-versions[one], one != BASE, -one)):
            for price, qty in told[window][side].items():
                if price * better > edge:
                    merged[side][price] = qty
            own = [price * better for price in told[window][side]]
            edge = 10**9 if window == BASE or not own else max(edge, *own)
    return merged


@given(
    seed=st.integers(0, 2**32),
    turns=st.lists(st.sampled_from(["step", "0", "1", "5", "lose 5", "whole 0"]), max_size=60),
)
def test_every_price_has_the_newest_word_and_what_is_told_makes_the_same_book(seed: int, turns: list[str]) -> None:
    exchange = Exchange(random.Random(seed))
    windows, shown, bot = Windows(1.0, 1.0, (1, 5)), FusedBook(1.0, 1.0), FusedBook(1.0, 1.0)
    versions: dict[int, int] = {}
    for window in (BASE, 1, 5):
        events, versions[window] = exchange.whole(window)
        windows.replace(window, events, versions[window])
    for turn in turns:
        word, _, rest = turn.rpartition(" ")
        if turn == "step":
            exchange.step()
        elif word == "lose":
            windows.lose(int(rest))
            versions.pop(int(rest), None)
        elif word == "whole" or rest == "1" or int(rest) not in versions:  # the quickest sends nothing but whole ones
            events, versions[int(rest)] = exchange.whole(int(rest))
            windows.replace(int(rest), events, versions[int(rest)])
        else:
            events, versions[int(rest)] = exchange.delta(int(rest))
            windows.apply(int(rest), events, versions[int(rest)])
        told = windows.differences(shown)
        shown.apply(told)
        bot.apply(told)
        assert levels(shown) == expected(exchange.told, versions)
        assert not len(windows.differences(shown))
        assert shown.best_bid_tick < shown.best_ask_tick
    assert levels(bot) == levels(shown)
    for window in (BASE, 1, 5):  # all of them at one moment: the book is the exchange's
        windows.replace(window, *exchange.whole(window))
    shown.apply(windows.differences(shown))
    assert levels(shown) == exchange.seen(WIDE)


def test_deletions_come_first_so_that_no_row_crosses_a_level_that_goes() -> None:
    windows, shown = Windows(1.0, 1.0, (1,)), FusedBook(1.0, 1.0)
    windows.replace(BASE, rows({99: 1.0}, {100: 1.0, 101: 1.0}), 1)
    shown.apply(windows.differences(shown))
    windows.replace(1, rows({100: 2.0}, {101: 1.0}), 2)
    told = windows.differences(shown)
    assert [(int(row["ev"]) & (BUY | SELL), row["px"], row["qty"]) for row in told] == [
        (SELL, 100.0, 0.0),
        (BUY, 100.0, 2.0),
    ]


def test_a_side_that_the_newest_window_shows_empty_is_empty() -> None:
    windows, shown = Windows(1.0, 1.0, (1,)), FusedBook(1.0, 1.0)
    windows.replace(BASE, rows({99: 1.0, 98: 1.0}, {101: 1.0}), 1)
    windows.replace(1, rows({}, {101: 1.0}), 2)
    shown.apply(windows.differences(shown))
    assert levels(shown) == ({}, {101: 1.0})


def test_versions_that_start_anew_make_the_others_the_older_ones() -> None:
    windows, shown = Windows(1.0, 1.0, (1,)), FusedBook(1.0, 1.0)
    windows.replace(BASE, rows({99: 1.0}, {101: 1.0}), 1000)
    windows.replace(1, rows({99: 5.0}, {101: 5.0}), 1001)
    windows.replace(BASE, rows({97: 1.0}, {103: 1.0}), 3)
    shown.apply(windows.differences(shown))
    assert levels(shown) == ({97: 1.0}, {103: 1.0})
    assert np.isnan(FusedBook(1.0, 1.0).best_bid)
