"""Cases 1 to 18: a submit, its answer and its events, in every order (docs/trading.md)."""

import orjson
import pytest
from connector.lifecycle import Phase
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.private import OrderEnd
from marketlink.venues.trading import Op
from venue_sim.orders import Status as True_

from tests.connector.orders.world import World, kind_of, refusal

ANY_ROAD = [(1, 1), (1, 40), (40, 1), (300, 5)]
"""How long answers and pushes travel, ms: together, answer first, push first, answer late."""


def test_case_001_answer_then_push_is_one_event() -> None:
    world = World().start(7)
    world.travel(answer=1, push=30)
    seen = world.submit(7, 1)
    world.settle()
    world.run(50)
    assert [(order.status, order.req) for order in seen.events] == [(Status.NEW, Status.NONE)]
    assert not seen.problems
    world.check()


@pytest.mark.parametrize("cancelled", [False, True])
def test_case_002_a_push_makes_it_live_before_its_answer(cancelled: bool) -> None:
    world = World().start(7)
    world.travel(answer=200, push=1)
    seen = world.submit(7, 1)
    world.run(10)
    assert [(order.status, order.req) for order in seen.events] == [(Status.NEW, Status.NONE)]
    if cancelled:
        world.travel()
        world.cancel(7, 1)
        world.run(20)
        assert seen.statuses == ["NEW", "CANCELED"]
    told = len(seen.events)
    world.run(400)
    assert len(seen.events) == told
    world.check()


@pytest.mark.parametrize("late", ["answer", "NEW", "both"])
def test_case_003_a_fill_before_answer_and_new(late: str) -> None:
    world = World().start(7)
    world.travel(answer=200 if late != "NEW" else 5)
    world.push_road = lambda push: [100 if kind_of(push) == "NEW" and late != "answer" else 1]
    seen = world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    world.run(500)
    assert seen.last.status is Status.FILLED
    assert seen.last.leaves_qty == 0
    assert [order.exec_qty for order in seen.events if order.exec_qty] == [0.5]
    assert sum(order.status is Status.FILLED for order in seen.events) == 1
    world.check()


@pytest.mark.venues("UPS")
@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
def test_case_005_an_answer_says_filled_and_all_pushes_are_lost(tif: TimeInForce) -> None:
    world = World().start(7)
    world.push_road = lambda push: []
    seen = world.submit(7, 1, price_tick=1002, qty=1.5, time_in_force=tif)
    world.settle()
    fills = [(order.exec_qty, order.exec_price_tick, order.maker) for order in seen.events if order.exec_qty]
    assert fills == [(1.0, 1001, False), (0.5, 1002, False)]
    assert seen.last.status is Status.FILLED
    true = world.true_order(7, 1)
    assert set(world.tracked(7, 1).fills) == {
        str(one.id) for one in world.trading.executions if one.order_id == true.id
    }
    world.check()


@pytest.mark.venues("UPS")
@pytest.mark.parametrize("reverse", [False, True])
def test_case_006_new_and_filled_carry_equal_times(reverse: bool) -> None:
    world = World().start(7)
    pushes: list[bytes] = []

    def road(push: bytes) -> list[float]:
        pushes.append(push)
        return [20 if reverse and kind_of(push) == "NEW" else 5]

    world.travel(answer=60)
    world.push_road = road
    seen = world.submit(7, 1, price_tick=1001, qty=0.5)
    world.settle()
    world.run(100)
    times = {(event["T"], event["E"]) for event in map(orjson.loads, pushes) if event["e"] == "ORDER_TRADE_UPDATE"}
    assert len(times) == 1
    assert (seen.last.status, seen.executed) == (Status.FILLED, 0.5)
    world.check()


@pytest.mark.venues("UPS")
@pytest.mark.parametrize("code", [-2019, -4164, -2022, -4131])
def test_case_007_a_definite_refusal_ends_it_without_a_question(code: int) -> None:
    world = World().start(7)
    world.instead[Op.SUBMIT] = [refusal(code, "margin is insufficient")]
    seen = world.submit(7, 1)
    world.settle()
    world.run(3_000)
    assert [(order.status, order.req) for order in seen.events] == [(Status.EXPIRED, Status.NONE)]
    (problem,) = seen.problems
    assert (problem.order_id, problem.code, problem.op, problem.state) == (1, code, "submit", "refused")
    assert "margin is insufficient" in problem.text
    assert problem.client_order_id
    assert not world.asks(Op.QUERY)
    world.submit(7, 1)  # the id is free again
    world.settle()
    assert seen.last.status is Status.NEW
    world.check()


@pytest.mark.venues("UPS")
def test_case_007_the_exchange_itself_refuses_for_margin() -> None:
    world = World().start(7)
    seen = world.submit(7, 1, qty=500_000.0)
    world.settle()
    assert (seen.last.status, seen.problems[0].code) == (Status.EXPIRED, -2019)
    world.check()


@pytest.mark.venues("UP")
def test_case_008_post_only_that_would_cross_is_no_alarm() -> None:
    world = World().start(7)
    seen = world.submit(7, 1, price_tick=1002, time_in_force=TimeInForce.GTX)
    world.settle()
    world.run(3_000)
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert seen.problems[0].code == -5022
    assert world.trader.counts.post_only == 1
    assert not world.warnings
    assert len(world.asks(Op.SUBMIT)) == 1
    assert not world.asks(Op.QUERY)
    world.check()


NOT_SENT = [
    ({"qty": 0.0}, "quantity 0.0"),
    ({"qty": float("nan")}, "quantity nan"),
    ({"qty": -1.0}, "quantity -1.0"),
    ({"qty": 0.0015}, "lot_size: quantity 0.0015"),
    ({"price_tick": 0}, "tick_size: price 0"),
    ({"price_tick": -5}, "tick_size: price -5"),
    ({"tick_size": 0.05}, "tick size 0.05 is not the exchange's 0.1"),
    ({"qty": 0.01}, "min_notional: 0.010 at 99.90 makes 0.99900"),
    ({"side": Side.NONE}, "side NONE"),
    ({"order_type": OrderType.UNSUPPORTED}, "order type UNSUPPORTED"),
    ({"time_in_force": TimeInForce.UNSUPPORTED}, "time in force"),
    ({"symbol": "nothing"}, "'nothing' is not registered"),
]


@pytest.mark.parametrize(("changes", "words"), NOT_SENT)
def test_case_012_what_no_exchange_would_take_is_not_sent(changes: dict[str, object], words: str) -> None:
    world = World().start(7)
    before = len(world.asked)
    seen = world.submit(7, 1, **changes)  # type: ignore[arg-type]
    world.run(500)
    assert len(world.asked) == before
    assert [(order.status, order.req) for order in seen.events] == [(Status.EXPIRED, Status.NONE)]
    (problem,) = seen.problems
    assert words in problem.text
    assert (problem.order_id, problem.op, problem.state) == (1, "submit", "refused")


def test_case_012_a_bot_that_never_registered_the_symbol_is_refused() -> None:
    world = World().start(7)
    seen = world.submit(9, 1)
    assert seen.last.status is Status.EXPIRED
    assert "not registered" in seen.problems[0].text
    assert not world.asks(Op.SUBMIT)


@pytest.mark.parametrize("after_ms", [0, 2, 100])
def test_case_013_a_number_in_use_is_refused_and_the_first_order_untouched(after_ms: float) -> None:
    world = World().start(7)
    world.travel(answer=20, push=20)
    seen = world.submit(7, 1)
    world.run(after_ms)
    before = list(seen.events)
    world.submit(7, 1, price_tick=990)
    assert seen.events == before
    assert seen.problems[-1].state == "refused"
    assert seen.problems[-1].order_id == 1
    world.settle()
    assert len(world.asks(Op.SUBMIT)) == 1
    assert seen.last.price_tick == 999
    assert seen.last.status is Status.NEW
    world.check()


def test_case_014_late_news_of_an_old_order_does_not_reach_the_new_one_of_its_number() -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.push_road = lambda push: [1, 400]  # everything comes again, late
    world.trade("99.80", "0.4")
    world.cancel(7, 1)
    world.settle()
    assert seen.statuses[-1] == "CANCELED"
    world.submit(7, 1, price_tick=998, qty=2.0)
    world.settle()
    world.run(1_000)
    assert {order.qty for order in seen.life()} == {2.0}
    assert {order.exec_qty for order in seen.life()} == {0.0}
    assert seen.last.status is Status.NEW
    world.check()


@pytest.mark.parametrize(("answer", "push"), ANY_ROAD)
@pytest.mark.parametrize("lost", ["nothing", "pushes", "answer"])
def test_case_016_the_rest_of_an_ioc_expires_once(answer: float, push: float, lost: str) -> None:
    world = World().start(7)
    world.travel(answer=answer, push=push)
    if lost == "pushes":
        world.push_road = lambda push: []
    elif lost == "answer":
        world.answer_road = lambda op, body: None if op is Op.SUBMIT else 1.0
    seen = world.submit(7, 1, price_tick=1001, qty=1.5, time_in_force=TimeInForce.IOC)
    world.settle(6_000)
    world.run(500)
    assert [order.status for order in seen.events].count(Status.EXPIRED) == 1
    assert (seen.last.status, seen.last.leaves_qty, seen.executed) == (Status.EXPIRED, 0.5, 1.0)
    world.check()


@pytest.mark.venues("US")
@pytest.mark.parametrize(("answer", "push"), ANY_ROAD)
def test_case_018_own_orders_do_not_trade_with_each_other(answer: float, push: float) -> None:
    world = World().start(7)
    maker = world.submit(7, 1, price_tick=1000)
    world.settle()
    world.travel(answer=answer, push=push)
    taker = world.submit(7, 2, price_tick=1000, qty=1.5, side=Side.SELL)
    world.settle()
    world.run(400)
    assert world.true_order(7, 1).status is True_.EXPIRED_IN_MATCH
    assert (maker.last.status, maker.executed) == (Status.EXPIRED, 0.0)
    ends = [one.event for one in world.told if isinstance(one.event, OrderEnd)]
    assert [(one.order_id, one.status, one.reason) for one in ends][:1] == [(1, "expired", "self-trade")]
    assert world.tracked(7, 1).phase is Phase.ENDED
    assert taker.executed == 1.0
    assert taker.last.status is Status.PARTIALLY_FILLED
    world.check()
