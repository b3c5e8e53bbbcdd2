"""Cases 35 to 49: cancels, and what they may find (docs/trading.md)."""

import pytest
from connector.calls import NoAnswer, Outcome, Replied
from connector.lifecycle import Phase
from marketlink.orders import Status
from marketlink.venues.trading import Op
from venue_sim.orders import Status as True_

from tests.connector.orders.world import Seen, World, refusal


def live(**changes: object) -> tuple[World, Seen]:
    world = World().start(7)
    seen = world.submit(7, 1, **changes)  # type: ignore[arg-type]
    world.settle()
    return world, seen


@pytest.mark.parametrize(("answer", "push"), [(1, 30), (30, 1), (1, 1)])
def test_case_035_answer_and_push_are_one_end(answer: float, push: float) -> None:
    world, seen = live()
    world.travel(answer=answer, push=push)
    world.cancel(7, 1)
    world.run(100)
    assert seen.statuses == ["NEW", "CANCELED"]
    assert not seen.problems
    assert len([order for order in seen.events if order.status is Status.CANCELED]) == 1
    world.check()


@pytest.mark.parametrize("first", ["push", "answer"])
def test_case_036_cancelled_by_another_hand_while_the_cancel_travels(first: str) -> None:
    world, seen = live()
    world.travel(request=30, answer=20 if first == "push" else 1, push=1 if first == "push" else 60)
    client_id = world.tracked(7, 1).client_id
    world.cancel(7, 1)
    world.hand("DELETE", origClientOrderId=client_id)
    world.settle()
    world.run(100)
    assert seen.statuses == ["NEW", "CANCELED"]
    assert len([order for order in seen.events if order.status is Status.CANCELED]) == 1
    assert seen.states == ([] if first == "push" else ["unknown"])
    world.check()


@pytest.mark.parametrize("first", ["push", "answer"])
@pytest.mark.parametrize("qty", ["0.4", "1.0"])
def test_case_037_order_fills_while_the_cancel_travels(first: str, qty: str) -> None:
    world, seen = live()
    world.travel(request=30, answer=20 if first == "push" else 1, push=1 if first == "push" else 90)
    world.cancel(7, 1)
    world.trade("99.80", qty)
    world.run(40)
    if first == "answer" and qty == "1.0":  # the cancel found nothing, and nothing else is known yet
        assert (world.tracked(7, 1).phase, world.tracked(7, 1).request) == (Phase.CANCEL_IN_DOUBT, Status.CANCELED)
        assert seen.states == ["unknown"]
        assert seen.last.status is Status.NEW
    world.settle()
    world.run(200)
    assert seen.executed == float(qty)
    assert seen.last.status is (Status.FILLED if qty == "1.0" else Status.CANCELED)
    world.check()


@pytest.mark.parametrize("lost", ["push", "push and answer"])
def test_case_038_the_fill_s_push_is_lost_too(lost: str) -> None:
    world, seen = live()
    world.travel(request=30)
    world.push_road = lambda push: []
    if "answer" in lost:
        world.answer_road = lambda op, body: None if op is Op.CANCEL else 1.0
    world.cancel(7, 1)
    world.trade("99.80", "1.0")
    world.run(50 if lost == "push" else 3_100)
    world.settle()
    assert (seen.last.status, seen.executed) == (Status.FILLED, 1.0)
    assert world.asks(Op.QUERY)
    assert world.asks(Op.TRADES)
    world.check()


LOST: list[Outcome] = [
    NoAnswer("reset"),
    Replied(502, b"<html>Bad Gateway</html>"),
    Replied(503, b'{"code":-1000,"msg":"Unknown error, please check your request or try again later."}'),
    refusal(-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
]


@pytest.mark.parametrize("outcome", LOST)
def test_case_040_a_lost_cancel_leaves_the_order_live(outcome: Outcome) -> None:
    world, seen = live()
    world.instead[Op.CANCEL] = [outcome]
    world.cancel(7, 1)
    world.run(2)
    assert seen.states == ["unknown"]
    world.settle()
    assert (seen.last.status, seen.last.req) == (Status.NEW, Status.NONE)
    assert seen.states == ["unknown", "working"]
    assert "CANCELED" not in seen.statuses
    world.cancel(7, 1)  # it may be repeated
    world.settle()
    assert seen.last.status is Status.CANCELED
    world.check()


def test_case_040_a_lost_cancel_may_be_repeated_at_once() -> None:
    world, seen = live()
    world.answers[Op.CANCEL] = [NoAnswer("reset")]
    world.push_road = lambda push: []
    world.cancel(7, 1)
    world.run(3)
    world.cancel(7, 1)
    world.settle()
    assert [order.status for order in seen.events].count(Status.CANCELED) == 1
    world.check()


@pytest.mark.parametrize(("submit_ms", "answer", "push"), [(50, 1, 1), (50, 1, 30), (50, 30, 1), (50, 200, 200)])
@pytest.mark.parametrize("submit_answer", ["comes", "is lost"])
def test_case_042_a_cancel_that_comes_first_is_repeated_once(
    submit_ms: float, answer: float, push: float, submit_answer: str
) -> None:
    world = World().start(7)
    world.travel(answer=answer, push=push)
    world.request_road = lambda op, body: submit_ms if op is Op.SUBMIT else 1.0
    if submit_answer == "is lost":
        world.answers[Op.SUBMIT] = [NoAnswer("reset")]
    seen = world.submit(7, 1)
    world.cancel(7, 1)
    world.run(300)
    world.settle()
    assert seen.last.status is Status.CANCELED
    assert len(world.asks(Op.CANCEL)) == 2
    world.check()


def test_case_042_ten_repeats_are_not_sent_when_the_submit_was_refused() -> None:
    world = World().start(7)
    world.request_road = lambda op, body: 50.0 if op is Op.SUBMIT else 1.0
    seen = world.submit(7, 1, qty=500_000.0)
    world.cancel(7, 1)
    world.settle()
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert len(world.asks(Op.CANCEL)) == 1
    world.check()


@pytest.mark.parametrize("op", ["cancel", "modify"])
def test_case_043_a_request_for_an_unknown_order_is_answered(op: str) -> None:
    world = World().start(7)
    if op == "cancel":
        world.cancel(7, 99)
    else:
        world.modify(7, 99, 990, 1.0)
    seen = world.seen[(7, 99)]
    assert (seen.problems[0].order_id, seen.problems[0].op, seen.problems[0].state) == (99, op, "refused")
    assert seen.last.req is Status.NONE
    assert not world.asks(Op.CANCEL, Op.MODIFY)


REFUSED: list[tuple[Outcome, int | None]] = [
    (refusal(-1003, "Too many requests", 429), -1003),
    (refusal(-2015, "Invalid API-key, IP, or permissions for action", 401), -2015),
    (refusal(-1008, "Server is currently overloaded", 503), -1008),
    (Replied(503, b"Service Unavailable."), None),
    (Replied(503, b'{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}'), -1001),
]


@pytest.mark.venues("UPS")
@pytest.mark.parametrize(("outcome", "code"), REFUSED)
def test_case_045_a_refused_cancel_leaves_the_order_live(outcome: Outcome, code: int | None) -> None:
    world, seen = live()
    world.instead[Op.CANCEL] = [outcome]
    world.cancel(7, 1)
    world.run(3)
    assert (seen.last.status, seen.last.req) == (Status.NEW, Status.NONE)
    assert [(one.code, one.state, one.op) for one in seen.problems] == [(code, "refused", "cancel")]
    world.cancel(7, 1)
    world.settle()
    assert seen.last.status is Status.CANCELED
    world.check()


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", [-1003, -1000, -2012])
def test_case_046_a_cancel_all_that_is_refused_cancels_nothing(status: int, code: int) -> None:
    world, seen = live()
    world.instead[Op.CANCEL_ALL] = [refusal(code, "no", status)]
    world.carry(world.trader.cancel_everything(world.moment()))
    world.run(500)
    world.settle()
    assert (seen.last.status, seen.last.req) == (Status.NEW, Status.NONE)
    world.check()


@pytest.mark.parametrize("lost", ["nothing", "pushes", "answer", "both"])
def test_case_047_after_a_cancel_all_each_order_ends_by_its_own_word(lost: str) -> None:
    world = World().start(7)
    orders = [world.submit(7, number, price_tick=990 + number) for number in range(1, 6)]
    world.settle()
    if lost in ("pushes", "both"):
        world.push_road = lambda push: []
    else:
        world.travel(push=40)
    if lost in ("answer", "both"):
        world.answers[Op.CANCEL_ALL] = [NoAnswer("reset")]
    world.carry(world.trader.cancel_everything(world.moment()))
    world.run(3)
    assert all(seen.last.status is Status.NEW for seen in orders)  # its answer says nothing of any one order
    world.run(4_000)
    world.settle()
    true_ns = world.true_order(7, 1).updated_ms * 1_000_000
    assert [(seen.last.status, seen.last.exch_timestamp) for seen in orders] == [(Status.CANCELED, true_ns)] * 5
    world.check()


@pytest.mark.parametrize("orders", [1, 2, 11])
def test_case_049_only_own_orders_are_cancelled_unless_all_is_said(orders: int) -> None:
    world = World().start(7)
    for number in range(1, orders + 1):
        world.submit(7, number, price_tick=960 + number)
    world.settle()
    foreign = world.hand(price="99.00")
    other = world.hand(price="98.90", newClientOrderId="m0123456789012345678901234")
    assert world.stop()
    states = {state.id: state.status for state in world.true_orders().values()}
    assert states[foreign["orderId"]] is True_.NEW
    assert states[other["orderId"]] is True_.NEW
    assert list(states.values()).count(True_.CANCELED) == orders
    assert not world.asks(Op.CANCEL_ALL)
    world.carry(world.trader.cancel_everything(world.moment()))
    world.run(10)
    assert not world.trading.open_orders("a")


def test_case_049_events_of_others_orders_reach_no_bot() -> None:
    world, seen = live()
    told = len(seen.events)
    world.hand(price="99.00")
    world.run(20)
    assert len(seen.events) == told
    assert list(world.seen) == [(7, 1)]
