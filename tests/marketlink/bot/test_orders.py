"""A bot's own orders: what may be asked, what events change, and what is filled; against a slow twin and the truth."""

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from marketlink.bot.orders import Code, OrderDict, OwnOrders, to_tick
from marketlink.bot.state import Asset, BotState
from marketlink.messages import Batch, ErrorEvent, LiveEvent, NewSession, OrderEvent, PositionEvent, SamplesLost
from marketlink.notices import OrderProblem, to_error
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import MonoNs, WallNs

from tests.marketlink.bot.naive_orders import ENDED, Story, told_position

ME = 9
TICK, LOT = 0.5, 0.25


def asked(
    own: OwnOrders, order_id: int = 1, price: float = 100.0, qty: float = 2.0, now: int = 10, side: Side = Side.BUY
) -> Order:
    order = own.submit(order_id, side, price, qty, TimeInForce.GTC, OrderType.LIMIT, TICK, now)
    assert isinstance(order, Order)
    own.sent(order)
    return order


def event(
    order: Order, at: int, status: Status = Status.NEW, cum: float = 0.0, fill: float = 0.0, **other: object
) -> Order:
    known = {
        "exch_timestamp": at,
        "status": status,
        "req": Status.NONE,
        "leaves_qty": order.qty - cum,
        "exec_qty": fill,
        "exec_price_tick": order.price_tick if fill else 0,
    }
    return replace(order, **{**known, **other})  # type: ignore[arg-type]


def working(own: OwnOrders, order_id: int = 1, qty: float = 2.0) -> Order:
    order = asked(own, order_id, qty=qty)
    own.on_event(event(order, 20), 21)
    return order


def test_a_submitted_order_is_new_and_asked_until_it_is_told() -> None:
    own = OwnOrders()
    order = asked(own, price=100.26)
    assert (order.status, order.req, order.price_tick, order.leaves_qty) == (Status.NEW, Status.NEW, 201, 2.0)
    assert (order.exch_timestamp, order.local_timestamp, order.cancellable) == (0, 10, False)
    assert own.on_event(event(order, 20), 25) == (order, own.map[1])
    assert own.map[1].cancellable
    assert own.latency == (10, 20, 25)


def test_an_id_is_taken_until_its_order_is_cleared() -> None:
    own = OwnOrders()
    order = asked(own)
    own.on_event(event(order, 20, Status.CANCELED), 21)
    again = (1, Side.BUY, 1.0, 1.0, TimeInForce.GTC, OrderType.LIMIT, TICK, 30)
    assert own.submit(*again) is Code.ORDER_ID_EXIST
    own.clear_inactive()
    assert len(own.map) == 0
    assert isinstance(own.submit(*again), Order)


def test_what_was_not_sent_leaves_no_trace() -> None:
    own = OwnOrders()
    own.submit(1, Side.BUY, 1.0, 1.0, TimeInForce.GTC, OrderType.LIMIT, TICK, 30)
    assert 1 not in own.map
    working(own)
    own.cancel(1, 40)
    assert own.map[1].req is Status.NONE


@pytest.mark.parametrize(("price", "qty"), [(math.nan, 1.0), (math.inf, 1.0), (0.0, 1.0), (-1.0, 1.0)])
def test_a_price_that_is_no_price_is_named(price: float, qty: float) -> None:
    with pytest.raises(ValueError, match=f"order 7: the price is {price!r}"):
        OwnOrders().submit(7, Side.BUY, price, qty, TimeInForce.GTC, OrderType.LIMIT, TICK, 1)


@pytest.mark.parametrize("qty", [math.nan, math.inf, 0.0, -1.0])
def test_a_quantity_that_is_no_quantity_is_named(qty: float) -> None:
    own = OwnOrders()
    with pytest.raises(ValueError, match=f"order 7: the quantity is {qty!r}"):
        own.submit(7, Side.SELL, 1.0, qty, TimeInForce.GTC, OrderType.LIMIT, TICK, 1)
    working(own)
    with pytest.raises(ValueError, match="order 1: the quantity"):
        own.modify(1, 1.0, qty, 1)


def test_a_market_order_needs_no_price_above_zero_and_an_id_has_64_bits() -> None:
    own = OwnOrders()
    assert isinstance(own.submit(7, Side.SELL, 0.0, 1.0, TimeInForce.GTC, OrderType.MARKET, TICK, 1), Order)
    for order_id in (-1, 1 << 64):
        with pytest.raises(ValueError, match="64 bits"):
            own.submit(order_id, Side.SELL, 1.0, 1.0, TimeInForce.GTC, OrderType.LIMIT, TICK, 1)


def test_prices_are_rounded_to_the_tick_a_half_away_from_zero() -> None:
    assert [to_tick(price, 0.5) for price in (0.24, 0.25, 0.74, 0.75, -0.25, -0.74)] == [0, 1, 1, 2, -1, -1]
    assert to_tick(10.2, 0.1) == 102
    assert to_tick(0.49999999999999994, 1.0) == 0


def test_cancel_and_modify_say_why_not() -> None:
    own = OwnOrders()
    assert own.cancel(1, 5) is Code.ORDER_NOT_FOUND
    assert own.modify(1, 1.0, 1.0, 5) is Code.ORDER_NOT_FOUND
    order = asked(own)
    assert own.cancel(1, 5) is Code.INVALID_ORDER_STATUS
    own.on_event(event(order, 20), 21)
    cancel = own.cancel(1, 30)
    assert isinstance(cancel, Order)
    assert (cancel.req, cancel.local_timestamp, cancel.status) == (Status.CANCELED, 30, Status.NEW)
    own.sent(cancel)
    assert own.cancel(1, 31) is Code.INVALID_ORDER_STATUS
    assert own.modify(1, 1.0, 1.0, 31) is Code.INVALID_ORDER_STATUS
    own.on_event(event(cancel, 40, Status.CANCELED), 41)
    assert own.cancel(1, 42) is Code.INVALID_ORDER_STATUS


def test_a_modify_shows_at_once_and_a_refusal_takes_it_back() -> None:
    own = OwnOrders()
    order = working(own)
    own.on_event(event(order, 22, Status.PARTIALLY_FILLED, cum=0.5, fill=0.5), 23)
    modify = own.modify(1, 90.0, 3.0, 30)
    assert isinstance(modify, Order)
    assert (modify.req, modify.price_tick, modify.qty, modify.leaves_qty) == (Status.REPLACED, 180, 3.0, 2.5)
    own.sent(modify)
    assert own.on_problem(1, "modify", "refused")
    assert (own.map[1].req, own.map[1].price_tick, own.map[1].qty, own.map[1].leaves_qty) == (
        Status.NONE,
        200,
        2.0,
        1.5,
    )


def test_an_older_event_and_one_after_the_end_change_nothing_but_the_fills() -> None:
    own = OwnOrders()
    order = working(own)
    assert own.on_event(event(order, 19, Status.CANCELED), 22) is None
    own.on_event(event(order, 30, Status.CANCELED, cum=0.5, fill=0.0), 31)
    assert own.map[1].status is Status.CANCELED
    assert own.on_event(event(order, 40, Status.FILLED, cum=2.0, fill=1.5), 41) is None
    assert own.map[1].status is Status.CANCELED, "a terminal status is final"
    assert own.position(LOT) == 2.0, "a correction after the end counts"


def test_an_event_of_equal_time_is_applied() -> None:
    own = OwnOrders()
    order = working(own)
    own.on_event(event(order, 20, Status.FILLED, cum=2.0, fill=2.0), 21)
    assert own.map[1].status is Status.FILLED


def test_a_fill_that_is_told_twice_counts_once_and_a_missed_one_with_the_next() -> None:
    own = OwnOrders()
    order = working(own)
    first = event(order, 22, Status.PARTIALLY_FILLED, cum=0.5, fill=0.5)
    own.on_event(first, 23)
    own.on_event(first, 24)
    assert own.position(LOT) == 0.5
    own.on_event(event(order, 30, Status.FILLED, cum=2.0, fill=0.5), 31)
    assert own.position(LOT) == 2.0
    assert (own.num_trades, own.trading_volume, own.balance) == (2, 2.0, -200.0)


def test_an_end_that_leaves_nothing_is_no_fill() -> None:
    own = OwnOrders()
    own.on_event(event(asked(own), 20, Status.EXPIRED, leaves_qty=0.0), 21)
    assert (own.position(LOT), own.num_trades) == (0.0, 0)


def test_a_late_fill_of_a_cleared_order_still_counts_once() -> None:
    own = OwnOrders()
    order = working(own)
    own.on_event(event(order, 30, Status.CANCELED, cum=0.5, fill=0.5), 31)
    own.clear_inactive()
    late = event(order, 40, Status.FILLED, cum=2.0, fill=1.5)
    own.on_event(late, 41)
    own.on_event(late, 42)
    assert own.position(LOT) == 2.0
    own.on_event(event(order, 50), 51)
    assert 1 not in own.map, "an order that had ended came back"


def test_an_order_that_takes_an_id_again_hears_nothing_of_the_first() -> None:
    own = OwnOrders()
    first = working(own)
    own.on_event(event(first, 30, Status.CANCELED, cum=0.5, fill=0.5), 31)
    own.clear_inactive()
    second = asked(own, now=50, side=Side.SELL)
    own.on_event(event(first, 30, Status.CANCELED, cum=0.5, fill=0.5), 52)
    assert own.position(LOT) == 0.5, "told again"
    assert own.on_event(event(first, 60, Status.FILLED, cum=2.0, fill=1.5), 61) is None
    assert own.map[1] == second
    assert own.position(LOT) == 2.0
    own.on_event(event(first, 60, Status.FILLED, cum=2.0, fill=1.5), 63)
    assert own.position(LOT) == 2.0, "told again"
    own.on_event(event(second, 70, Status.FILLED, cum=2.0, fill=2.0), 71)
    assert own.position(LOT) == 0.0


def test_orders_that_a_bot_gets_back_bring_no_fills_of_its_earlier_life() -> None:
    own = OwnOrders()
    order = asked(OwnOrders(), qty=2.0)
    own.on_event(event(order, 20, Status.PARTIALLY_FILLED, cum=0.5), 21)
    assert (own.map[1].status, own.position(LOT)) == (Status.PARTIALLY_FILLED, 0.0)
    own.on_event(event(order, 30, Status.FILLED, cum=2.0, fill=1.5), 31)
    assert own.position(LOT) == 1.5


def test_a_fill_that_was_under_way_does_not_end_a_cancel() -> None:
    own = OwnOrders()
    order = working(own)
    cancel = own.cancel(1, 30)
    assert isinstance(cancel, Order)
    own.sent(cancel)
    own.on_event(event(order, 28, Status.PARTIALLY_FILLED, cum=0.5, fill=0.5), 31)
    assert (own.map[1].req, own.map[1].leaves_qty) == (Status.CANCELED, 1.5)
    own.on_event(event(cancel, 35, Status.PARTIALLY_FILLED, cum=0.5), 36)
    assert own.map[1].req is Status.NONE, "a refused cancel leaves it free"


def test_a_fill_that_was_told_after_the_request_arrived_answers_it() -> None:
    own = OwnOrders()
    order = working(own)
    cancel = own.cancel(1, 30)
    assert isinstance(cancel, Order)
    own.sent(cancel)
    own.on_event(event(order, 35, Status.PARTIALLY_FILLED, cum=0.5, fill=0.5, local_timestamp=30), 36)
    assert own.map[1].req is Status.NONE


def test_a_fill_that_was_missed_is_valued_at_the_limit() -> None:
    own = OwnOrders()
    order = working(own)
    own.on_event(event(order, 35, Status.PARTIALLY_FILLED, cum=0.5), 36)
    assert (own.position(LOT), own.balance, own.trading_value) == (0.5, -50.0, 50.0)


def test_a_second_modify_of_what_is_unsure_goes_back_to_what_was_told_last() -> None:
    own = OwnOrders()
    working(own)
    for price in (90.0, 80.0):
        modify = own.modify(1, price, 3.0, 30)
        assert isinstance(modify, Order)
        own.sent(modify)
        own.on_problem(1, "modify", "unknown")
    assert own.on_problem(1, "modify", "refused")
    assert (own.map[1].price_tick, own.map[1].qty) == (200, 2.0)


def test_an_order_of_which_an_answer_is_awaited_is_not_cleared() -> None:
    own = OwnOrders()
    order = working(own)
    own.on_event(event(order, 30, Status.NONE, req=Status.CANCELED), 31)
    own.clear_inactive()
    assert 1 in own.map
    own.on_event(event(order, 40, Status.REJECTED), 41)
    own.clear_inactive()
    assert 1 not in own.map


def test_unknown_changes_nothing_but_says_so_until_the_next_event() -> None:
    own = OwnOrders()
    order = asked(own)
    assert not own.on_problem(1, "submit", "unknown")
    assert (own.map[1], own.unsure) == (order, {1})
    cancel = own.cancel(1, 30)
    assert isinstance(cancel, Order), "what may be lost can be canceled whatever was asked before"
    own.on_event(event(order, 40), 41)
    assert own.unsure == set()


def test_a_cancel_of_what_the_connector_does_not_have_ends_the_asking_and_not_the_order() -> None:
    own = OwnOrders()
    working(own)
    cancel = own.cancel(1, 30)
    assert isinstance(cancel, Order)
    own.sent(cancel)
    assert own.on_problem(1, "cancel", "gone")
    assert (own.map[1].status, own.map[1].req, own.unsure) == (Status.NEW, Status.NONE, {1})
    assert not own.on_problem(2, "cancel", "gone"), "an id that is not ours"


def test_doubt_is_about_what_has_not_ended() -> None:
    own = OwnOrders()
    order = working(own)
    asked(own, 2)
    ended = working(own, 3)
    own.on_event(event(ended, 30, Status.CANCELED), 31)
    own.doubt()
    assert own.unsure == {1, 2}
    own.clear_inactive()
    assert set(own.map) == {1, 2}
    own.on_event(event(order, 40), 41)
    assert own.unsure == {2}


def test_asked_about_is_what_waits_in_doubt_and_was_never_told() -> None:
    own = OwnOrders()
    working(own)
    order = asked(own, 2)
    cancel = own.cancel(1, 30)
    assert isinstance(cancel, Order)
    own.sent(cancel)
    assert own.unheard() == []
    own.doubt()
    assert own.unheard() == [replace(order, req=Status.NONE)]
    asked(own, 3)
    own.on_event(event(order, 40), 41)
    assert own.unheard() == []


def test_the_map_is_a_mapping_and_a_cursor() -> None:
    own = OwnOrders()
    for order_id in (3, 1, 2):
        working(own, order_id)
    orders = own.map
    assert isinstance(orders, OrderDict)
    assert (len(orders), list(orders), 3 in orders, 9 in orders, orders.get(9)) == (3, [3, 1, 2], True, False, None)
    assert [order.order_id for order in orders.values()] == [3, 1, 2]
    seen, cursor = [], orders.values()
    while cursor.has_next():
        order = cursor.get()
        cancel = own.cancel(order.order_id, 50)
        assert isinstance(cancel, Order)
        own.sent(cancel)
        seen.append(order.order_id)
    assert seen == [3, 1, 2]
    assert all(order.req is Status.CANCELED for order in orders.values())
    cursor = orders.values()
    assert [cursor.next() is None for _ in range(4)] == [False, False, False, True]
    with pytest.raises(RuntimeError):
        cursor.get()


def test_a_batch_of_order_events_is_no_answer_to_a_registration() -> None:
    state = BotState(ME, [Asset("x", TICK, LOT)])
    state.start(MonoNs(0))
    order = asked(OwnOrders())
    state.hear([Batch((OrderEvent("x", event(order, 20)),), to=ME)], MonoNs(1), WallNs(1))
    assert state.assets[0].asking.awaited
    assert 1 in state.assets[0].orders.map
    state.hear([Batch((PositionEvent("x", 0.0, 5),), to=ME)], MonoNs(2), WallNs(2))
    assert not state.assets[0].asking.awaited


@dataclass
class Real:
    """An order as the exchange has it."""

    life: int
    order: Order
    filled: float = 0.0


class Trading(RuleBasedStateMachine):
    """A bot, and a connector that may be late, lose, double, die and forget requests; what it tells is always true when it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.state = BotState(ME, [Asset("x", TICK, LOT)])
        self.own = self.state.assets[0].orders
        self.real: dict[int, Real] = {}
        self.lives = 0
        self.requests: list[Order] = []
        self.under_way: list[tuple[int, Order] | tuple[str, int]] = []
        self.history: list[tuple[int, Order]] = []
        self.ended: list[Real] = []
        self.story = Story()
        self.told: list[tuple[int, Order]] = []

    def tick(self) -> int:
        self.now += 10
        return self.now

    def hear(self, *items: object) -> None:
        self.state.hear(list(items), MonoNs(self.now), WallNs(self.now))  # type: ignore[arg-type]

    def send(self, made: Order | Code) -> None:
        if isinstance(made, Order):
            self.own.sent(made)
            self.requests.append(made)
            self.story.lines.append(("sent", made))

    @rule(order_id=st.integers(0, 2), buys=st.booleans(), lots=st.integers(1, 8))
    def submit(self, order_id: int, buys: bool, lots: int) -> None:
        there = order_id in self.story.tell()[0]
        side = Side.BUY if buys else Side.SELL
        made = self.own.submit(order_id, side, 50.0, lots * LOT, TimeInForce.GTC, OrderType.LIMIT, TICK, self.tick())
        assert (made is Code.ORDER_ID_EXIST) == there
        self.send(made)

    @rule(order_id=st.integers(0, 2))
    def cancel(self, order_id: int) -> None:
        self.send(self.own.cancel(order_id, self.tick()))

    @rule(order_id=st.integers(0, 2), price=st.integers(1, 9), lots=st.integers(1, 8))
    def modify(self, order_id: int, price: int, lots: int) -> None:
        self.send(self.own.modify(order_id, price * TICK, lots * LOT, self.tick()))

    def tell(self, real: Real, **changes: object) -> None:
        leaves = float(changes.pop("qty", real.order.qty)) - real.filled  # type: ignore[arg-type]
        qty = leaves + real.filled
        real.order = replace(
            real.order,
            **{
                "exec_qty": 0.0,
                "exec_price_tick": 0,
                "req": Status.NONE,
                "exch_timestamp": self.tick(),
                "qty": qty,
                "leaves_qty": leaves,
                **changes,
            },  # type: ignore[arg-type]
        )
        self.under_way.append((real.life, real.order))
        if real.order.status in ENDED:
            self.ended.append(real)
            del self.real[real.order.order_id]

    @precondition(lambda self: self.requests)
    @rule(grants=st.booleans())
    def take(self, grants: bool) -> None:
        request = self.requests.pop(0)
        real = self.real.get(request.order_id)
        if request.req is Status.NEW:
            if real is not None:
                return
            self.lives += 1
            self.real[request.order_id] = Real(self.lives, request)
            self.tell(self.real[request.order_id], status=Status.NEW if grants else Status.EXPIRED)
        elif real is None:
            self.under_way.append(("gone", request.order_id))
        elif request.req is Status.CANCELED:
            told = {"status": Status.CANCELED} if grants else {}
            self.tell(real, local_timestamp=request.local_timestamp, **told)
        else:
            grants = grants and request.qty > real.filled
            told = {"price_tick": request.price_tick, "qty": request.qty} if grants else {}
            self.tell(real, local_timestamp=request.local_timestamp, **told)

    @precondition(lambda self: self.real)
    @rule(which=st.integers(0, 2), part=st.booleans())
    def fill(self, which: int, part: bool) -> None:
        real = list(self.real.values())[which % len(self.real)]
        left = real.order.qty - real.filled
        fill = LOT if part else left
        real.filled += fill
        status = Status.FILLED if fill == left else Status.PARTIALLY_FILLED
        self.tell(real, status=status, exec_qty=fill, exec_price_tick=real.order.price_tick, maker=True)

    @precondition(lambda self: self.real)
    @rule(which=st.integers(0, 2))
    def ask_the_exchange(self, which: int) -> None:
        self.under_way.append(("unknown", list(self.real)[which % len(self.real)]))

    def deliver_one(self, item: tuple[int, Order] | tuple[str, int]) -> LiveEvent:
        first, second = item
        if isinstance(second, Order):
            self.history.append((int(first), second))
            self.told.append((int(first), second))
            self.story.lines.append(("told", second))
            return OrderEvent("x", second)
        self.story.lines.append((str(first), second))
        problem = OrderProblem("x", second, "words", "cancel" if first == "gone" else "submit", state=str(first))
        return ErrorEvent(to_error(problem))

    @precondition(lambda self: self.under_way)
    @rule(count=st.integers(1, 3))
    def deliver(self, count: int) -> None:
        events = tuple(self.deliver_one(item) for item in self.under_way[:count])
        del self.under_way[:count]
        self.hear(Batch(events, to=ME, framed=False))

    @precondition(lambda self: self.history)
    @rule(which=st.integers(0, 30))
    def repeat(self, which: int) -> None:
        life, order = self.history[which % len(self.history)]
        known, real = self.own.map.get(order.order_id), self.real.get(order.order_id)
        if known is not None and order.exch_timestamp >= known.exch_timestamp and (real is None or real.life != life):
            return  # the newest event of an order that has ended since: to tell it anew would be a lie, not a repetition
        self.told.append((life, order))
        self.story.lines.append(("told", order))
        self.hear(Batch((OrderEvent("x", order),), to=ME, framed=False))

    @rule()
    def clear(self) -> None:
        self.own.clear_inactive()
        self.story.lines.append(("clear", None))

    def answer(self) -> None:
        """What a registration brings: the working orders, then the position; and the fills that were missed, of ended orders too."""
        for real in list(self.real.values()):
            self.tell(real)
        events = [self.deliver_one(item) for item in self.under_way]
        self.under_way.clear()
        self.hear(Batch((*events, PositionEvent("x", 0.0, 5)), to=ME))

    @rule()
    def lose(self) -> None:
        self.under_way.clear()
        self.story.lines.append(("doubt", None))
        self.hear(SamplesLost(3))
        self.answer()

    @rule()
    def restart(self) -> None:
        self.under_way.clear()
        self.requests.clear()
        self.story.lines.append(("restart", self.now))
        self.hear(NewSession(7))
        self.answer()

    @invariant()
    def the_map_is_the_twins(self) -> None:
        orders, unsure = self.story.tell()
        assert dict(self.own.map) == orders
        assert self.own.unsure == unsure & set(orders)

    @invariant()
    def the_position_is_what_was_told(self) -> None:
        assert self.own.position(LOT) == told_position(self.told)

    def teardown(self) -> None:
        self.answer()
        for number, order in self.own.map.items():
            if order.active and number not in self.own.unsure and order.req is not Status.NEW:
                real = self.real[number].order
                assert (order.status, order.price_tick, order.leaves_qty) == (
                    real.status,
                    real.price_tick,
                    real.leaves_qty,
                ) or order.pending
        for number in self.real:
            assert number in self.own.map, "a working order that the bot does not show"


Trading.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestTrading = Trading.TestCase
