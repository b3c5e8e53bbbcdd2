"""The matching book against a slow twin that keeps every lot apart, and the properties a market must have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_sim.matching import (
    BUY,
    SELL,
    CancelFrom,
    End,
    Ended,
    Event,
    Fill,
    Matching,
    Order,
    Rested,
    SelfTrade,
    Tif,
    cancelled,
)


class Twin:
    """The same rules with a list of single lots a level: `("m", piece)` is the market's, `("o", id)` an order's."""

    def __init__(self, cancels: CancelFrom) -> None:
        self.cancels = cancels
        self.levels: dict[tuple[int, int], list[tuple[str, int]]] = {}
        self.orders: dict[int, Order] = {}
        self.done: Counter[int] = Counter()
        self.fills: Counter[tuple[int, int, bool, int | None]] = Counter()
        self.ends: dict[int, End] = {}
        self.pieces = 0

    def ticks(self, side: int) -> list[int]:
        return sorted((tick for at, tick in self.levels if at == side and self.levels[at, tick]), reverse=side == BUY)

    def fill(self, order_id: int, tick: int, maker: bool, other: int | None) -> None:
        self.fills[order_id, tick, maker, other] += 1
        self.done[order_id] += 1
        if self.done[order_id] == self.orders[order_id].lots:
            self.end(order_id, End.FILLED)

    def end(self, order_id: int, why: End) -> None:
        self.ends[order_id] = why
        for level in self.levels.values():
            level[:] = [unit for unit in level if unit != ("o", order_id)]

    def tell(self, side: int, tick: int, lots: int) -> None:
        level = self.levels.setdefault((side, tick), [])
        sizes = Counter(piece for kind, piece in level if kind == "m")
        have = sizes.total()
        if lots > have:
            if not level or level[-1][0] == "o":
                self.pieces += 1
                piece = self.pieces
            else:
                piece = level[-1][1]
            level.extend([("m", piece)] * (lots - have))
        elif lots < have:
            order = list(dict.fromkeys(piece for kind, piece in level if kind == "m"))
            gone = Counter[int]()
            if self.cancels is CancelFrom.PROPORTIONAL:
                for piece in order:
                    gone[piece] = int(Fraction((have - lots) * sizes[piece], have))
            for piece in order if self.cancels is CancelFrom.FRONT else reversed(order):
                while gone.total() < have - lots and gone[piece] < sizes[piece]:
                    gone[piece] += 1
            for piece in order:
                for _ in range(gone[piece]):
                    level.remove(("m", piece))
        # a piece that an order follows stays a piece; the queue forgets pieces only when no order is left
        self.tidy(side, tick)

    def tidy(self, side: int, tick: int) -> None:
        level = self.levels[side, tick]
        if level and not any(kind == "o" for kind, _ in level):
            self.pieces += 1
            level[:] = [("m", self.pieces)] * len(level)

    def cross(self) -> None:
        for side in (BUY, SELL):
            for tick in self.ticks(side):
                for order_id in dict.fromkeys(piece for kind, piece in self.levels[side, tick] if kind == "o"):
                    while order_id not in self.ends:
                        against = [t for t in self.ticks(-side) if any(u[0] == "m" for u in self.levels[-side, t])]
                        if not against or (tick - against[0]) * side < 0:
                            break
                        level = self.levels[-side, against[0]]
                        level.remove(next(unit for unit in level if unit[0] == "m"))
                        self.levels[side, tick].remove(("o", order_id))
                        self.fill(order_id, tick, True, None)

    def print(self, taker: int, tick: int, lots: int) -> None:
        side = -taker
        for level_tick in self.ticks(side):
            if (level_tick - tick) * side < 0:
                break
            level = self.levels[side, level_tick]
            for unit in list(level):
                if lots and unit in level and (level_tick == tick or unit[0] == "o"):
                    lots -= 1
                    level.remove(unit)
                    if unit[0] == "o":
                        self.fill(unit[1], level_tick, True, None)
            self.tidy(side, level_tick)

    def reachable(self, order: Order) -> list[tuple[int, tuple[str, int]]]:
        units = []
        for tick in self.ticks(-order.side):
            if order.tick is not None and (tick - order.tick) * order.side > 0:
                break
            units += [(tick, unit) for unit in self.levels[-order.side, tick]]
        return units

    def place(self, order: Order) -> None:
        self.orders[order.id] = order
        self.done[order.id] = order.done
        units = self.reachable(order)
        own = {id for id, other in self.orders.items() if other.account == order.account}
        prevents = order.self_trade is not SelfTrade.NONE
        if order.tif is Tif.POST and units:
            return self.end(order.id, End.POST)
        if order.tif is Tif.FOK:
            count = 0
            for _, unit in units:
                mine = prevents and unit[0] == "o" and unit[1] in own
                if mine and order.self_trade is not SelfTrade.EXPIRE_MAKER:
                    break
                count += not mine
            if count < order.leaves:
                return self.end(order.id, End.FOK)
        for tick, unit in units:
            if order.id in self.ends:
                break
            level = self.levels[-order.side, tick]
            if unit not in level:
                continue
            if prevents and unit[0] == "o" and unit[1] in own:
                if order.self_trade is not SelfTrade.EXPIRE_TAKER:
                    self.end(unit[1], End.SELF_TRADE)
                    self.tidy(-order.side, tick)
                if order.self_trade is not SelfTrade.EXPIRE_MAKER:
                    return self.end(order.id, End.SELF_TRADE)
                continue
            level.remove(unit)
            self.fill(order.id, tick, False, unit[1] if unit[0] == "o" else None)
            if unit[0] == "o":
                self.fill(unit[1], tick, True, order.id)
                self.tidy(-order.side, tick)
        if order.id in self.ends:
            return None
        if order.tick is None:
            return self.end(order.id, End.MARKET)
        if order.tif in (Tif.IOC, Tif.FOK):
            return self.end(order.id, End.IOC)
        left = order.lots - self.done[order.id]
        self.levels.setdefault((order.side, order.tick), []).extend([("o", order.id)] * left)
        return None

    def cancel(self, order_id: int, why: End = End.CANCELED) -> None:
        order = self.orders[order_id]
        self.end(order_id, why)
        assert order.tick is not None
        self.tidy(order.side, order.tick)

    def modify(self, order_id: int, tick: int, lots: int) -> None:
        order = self.orders[order_id]
        self.cancel(order_id, End.AMENDED)
        if lots > self.done[order_id]:
            del self.ends[order_id]
            kept = Order(
                order_id, order.account, order.side, tick, lots, order.tif, order.self_trade, self.done[order_id]
            )
            self.place(kept)


TICKS = st.integers(1, 9)
LOTS = st.integers(1, 6)
SIDES = st.sampled_from([BUY, SELL])
LEVELS = st.lists(st.tuples(TICKS, st.integers(0, 6)), max_size=4)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("levels"), LEVELS, LEVELS),
        st.tuples(st.just("print"), SIDES, TICKS, LOTS),
        st.tuples(
            st.just("place"),
            st.sampled_from("ab"),
            SIDES,
            st.none() | TICKS,
            LOTS,
            st.sampled_from(Tif),
            st.sampled_from(SelfTrade),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("modify"), st.integers(0, 20), TICKS, LOTS),
    ),
    max_size=30,
)


def uncrossed(bids: list[tuple[int, int]], asks: list[tuple[int, int]], book: Matching) -> list[tuple[int, int]]:
    """The asks that leave the market itself uncrossed: a market that is crossed is none."""
    after = {tick for tick in range(1, 10) if book.shown(BUY, tick)} - {t for t, lots in bids if not lots}
    best = max(after | {tick for tick, lots in bids if lots}, default=0)
    below = [(tick, 0) for tick in range(1, best + 1)]
    return [level for level in asks if level[0] > best] + below


def run(
    operations: list[tuple[object, ...]], book: Matching, see: Callable[[str, tuple[object, ...], list[Event]], None]
) -> None:
    """Carry out operations, time passing; what is not possible is left out."""
    placed = 0
    for at_ms, (what, *values) in enumerate(operations, 1):
        events: list[Event]
        given: tuple[object, ...]
        if what == "levels":
            bids, asks = (list(dict(side).items()) for side in values)  # type: ignore[call-overload]
            asks = list(dict(uncrossed(bids, asks, book)).items())
            given, events = (bids, asks), book.on_levels(bids, asks, at_ms)
        elif what == "print":
            side, tick, lots = values
            given, events = (side, tick, lots), book.on_print(side, tick, lots, at_ms)  # type: ignore[arg-type]
        elif what == "place":
            placed += 1
            account, side, tick, lots, tif, prevention = values
            if tick is None and tif is Tif.POST:
                continue
            order = Order(placed, account, side, tick, lots, tif, prevention)  # type: ignore[arg-type]
            given, events = (order,), book.place(order)
        else:
            resting = sorted(book.orders)
            if not resting:
                continue
            order_id = resting[values[0] % len(resting)]  # type: ignore[operator]
            given = (order_id, *values[1:])
            events = book.cancel(order_id) if what == "cancel" else book.modify(*given)  # type: ignore[arg-type]
        see(str(what), given, events)


@settings(deadline=None, max_examples=400)
@given(OPERATIONS, st.sampled_from(CancelFrom))
def test_the_book_does_what_its_slow_twin_does(operations: list[tuple[object, ...]], cancels: CancelFrom) -> None:
    book, twin = Matching(cancels), Twin(cancels)

    def see(what: str, given: tuple[object, ...], events: list[Event]) -> None:
        twin.fills.clear()
        before = dict(twin.ends)
        if what == "levels":
            for side, levels in zip((BUY, SELL), given, strict=True):
                for tick, lots in levels:  # type: ignore[attr-defined]
                    twin.tell(side, tick, lots)
            twin.cross()
        else:
            getattr(twin, what)(*given)
        fills = Counter[tuple[int, int, bool, int | None]]()
        for event in events:
            if isinstance(event, Fill):
                fills[event.order.id, event.tick, event.maker, event.other] += event.lots
        assert fills == twin.fills
        ended = {event.order.id: event.why for event in events if isinstance(event, Ended)}
        assert ended == {id: why for id, why in twin.ends.items() if before.get(id) != why}
        for side in (BUY, SELL):
            for tick in range(1, 10):
                level = twin.levels.get((side, tick), [])
                assert book.shown(side, tick) == sum(kind == "m" for kind, _ in level)
        assert set(book.orders) == {id for id in twin.orders if id not in twin.ends}
        for order_id, order in book.orders.items():
            assert order.tick is not None
            level = twin.levels[order.side, order.tick]
            assert book.ahead(order_id) == level.index(("o", order_id))
            assert order.leaves == level.count(("o", order_id))

    run(operations, book, see)


@settings(deadline=None, max_examples=300)
@given(OPERATIONS, st.sampled_from(CancelFrom))
def test_lots_are_conserved_priority_holds_and_no_book_is_crossed(
    operations: list[tuple[object, ...]], cancels: CancelFrom
) -> None:
    book = Matching(cancels)
    executed: Counter[int] = Counter()
    before: dict[int, tuple[Order, int]] = {}
    shown: dict[tuple[int, int], int] = {}

    def market() -> dict[tuple[int, int], int]:
        return {(side, tick): book.shown(side, tick) for side in (BUY, SELL) for tick in range(1, 10)}

    def see(what: str, given: tuple[object, ...], events: list[Event]) -> None:
        nonlocal before, shown
        fills = [event for event in events if isinstance(event, Fill)]
        for fill in fills:
            executed[fill.order.id] += fill.lots
            assert executed[fill.order.id] == fill.order.done <= fill.order.lots
            limit = fill.order.tick
            assert limit is None or (limit - fill.tick) * fill.order.side >= 0, "never worse than its limit"
        between = Counter[tuple[int, int, int]]()
        for fill in fills:
            if fill.other is not None:
                maker, taker = (fill.order.id, fill.other) if fill.maker else (fill.other, fill.order.id)
                between[maker, taker, fill.tick] += fill.lots if fill.maker else -fill.lots
        assert not any(between.values()), "what one client buys of another, the other sells"
        if what == "print":
            assert sum(fill.lots for fill in fills) <= given[2]  # type: ignore[operator]
        if what in ("place", "modify"):
            taken = sum(fill.lots for fill in fills if not fill.maker and fill.other is None)
            assert taken == sum(shown.values()) - sum(market().values())
        for fill in fills:  # price, then time
            if fill.maker and fill.order.id in before:
                mine, place = before[fill.order.id]
                for other, (order, ahead) in before.items():
                    better = order.side == mine.side and (order.tick - mine.tick) * mine.side > 0  # type: ignore[operator]
                    earlier = order.side == mine.side and order.tick == mine.tick and ahead < place
                    if better or earlier:
                        assert other not in book.orders, "who stood before it is filled first"
        for order in book.orders.values():
            best = book.best(-order.side)
            assert order.tick is not None
            assert best is None or (order.tick - best) * order.side < 0
            for other_order in book.orders.values():
                if other_order.side != order.side:
                    assert other_order.tick is not None
                    assert (order.tick - other_order.tick) * order.side < 0
        before = {id: (order, book.ahead(id)) for id, order in book.orders.items()}
        shown = market()

    run(operations, book, see)


@given(st.lists(st.integers(0, 9), max_size=5), st.integers(0, 50), st.sampled_from(CancelFrom))
def test_cancels_are_shared_exactly_and_never_below_zero(pieces: list[int], lots: int, how: CancelFrom) -> None:
    shares = cancelled(pieces, lots, how)
    assert sum(shares) == min(lots, sum(pieces))
    assert all(0 <= share <= piece for share, piece in zip(shares, pieces, strict=True))


def one_bid(ahead: int = 10, lots: int = 5, how: CancelFrom = CancelFrom.PROPORTIONAL) -> Matching:
    book = Matching(how)
    book.on_levels([(100, ahead)], [(101, 20)], 1)
    assert book.place(Order(1, "a", BUY, 100, lots)) == [Rested(book.orders[1], ahead)]
    return book


@pytest.mark.parametrize(("how", "ahead"), [(CancelFrom.PROPORTIONAL, 8), (CancelFrom.FRONT, 6), (CancelFrom.BACK, 10)])
def test_an_unexplained_decrease_moves_an_order_as_configured(how: CancelFrom, ahead: int) -> None:
    book = one_bid(how=how)
    book.on_levels([(100, 20)], [], 2)  # ten more join behind
    book.on_levels([(100, 16)], [], 3)
    assert book.ahead(1) == ahead


def test_a_print_eats_the_queue_then_fills_and_no_lot_is_spent_twice() -> None:
    book = one_bid()
    assert book.place(Order(2, "b", BUY, 100, 5))[0] == Rested(book.orders[2], 15)
    assert book.on_print(SELL, 100, 8, 2) == []
    fills = [event for event in book.on_print(SELL, 100, 9, 3) if isinstance(event, Fill)]
    assert [(fill.order.id, fill.lots, fill.why) for fill in fills] == [(1, 5, "R3"), (2, 2, "R3")]


def test_a_print_told_after_the_update_that_shows_it_does_not_eat_the_queue_twice() -> None:
    book = one_bid()
    book.on_levels([(100, 6)], [], 5)
    assert book.ahead(1) == 6
    assert book.on_print(SELL, 100, 4, 5) == []
    assert book.ahead(1) == 6
    assert [event.lots for event in book.on_print(SELL, 100, 8, 5) if isinstance(event, Fill)] == [2]


def test_a_print_through_a_price_fills_it_first() -> None:
    book = one_bid()
    events = book.on_print(SELL, 99, 3, 2)
    assert events == [Fill(book.orders[1], 100, 3, True, None, "R4")]


def test_a_crossing_level_fills_at_the_order_s_price_and_shows_the_rest() -> None:
    book = one_bid()
    events = book.on_levels([(100, 0)], [(99, 7)], 2)
    assert [(event.tick, event.lots, event.why) for event in events if isinstance(event, Fill)] == [(100, 5, "R5")]
    assert book.shown(SELL, 99) == 2


def test_what_a_taker_took_stays_taken_until_the_level_is_told_anew() -> None:
    book = Matching()
    book.on_levels([], [(101, 4), (102, 4)], 1)
    assert [event.lots for event in book.place(Order(1, "a", BUY, 101, 3, Tif.IOC)) if isinstance(event, Fill)] == [3]
    assert [event.lots for event in book.place(Order(2, "a", BUY, None, 9)) if isinstance(event, Fill)] == [1, 4]
    book.on_levels([], [(101, 4)], 2)
    assert book.shown(SELL, 101) == 4


def test_the_best_level_of_each_side_ends_what_was_beyond_it() -> None:
    book = one_bid()
    book.on_best((99, 3), (101, 2), 2)
    assert (book.shown(BUY, 100), book.shown(BUY, 99), book.shown(SELL, 101)) == (0, 3, 2)
    assert book.ahead(1) == 0
    assert book.orders[1].leaves == 5


def test_an_amended_order_goes_to_the_back_and_one_below_its_fill_is_cancelled() -> None:
    book = one_bid(ahead=0)
    book.place(Order(2, "b", BUY, 100, 5))
    book.on_print(SELL, 100, 2, 2)
    assert book.modify(1, 100, 9) == [Rested(book.orders[1], 5)]
    assert book.modify(1, 100, 2) == [Ended(Order(1, "a", BUY, 100, 9, done=2), End.AMENDED)]
