"""Cases 67 to 81: a submit of which nobody knows whether it was carried out (docs/trading.md)."""

import pytest
from connector.calls import NoAnswer, NotSent, Outcome, Replied
from connector.ledger import worst_case
from connector.lifecycle import Phase
from marketlink.orders import OrderType, Status, TimeInForce
from marketlink.venues.trading import Op

from tests.connector.orders.world import World, refusal

TIMEOUT_TEXT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
UNKNOWN: list[Outcome] = [
    NoAnswer("no answer in time"),
    NoAnswer("reset"),
    Replied(502, b"<html><body>502 Bad Gateway</body></html>"),
    Replied(504, b"<html><body>504 Gateway Time-out</body></html>"),
    Replied(503, b'{"code":-1000,"msg":"Unknown error, please check your request or try again later."}'),
    Replied(503, b"Unknown error, please check your request or try again later."),
    Replied(408, b""),
    refusal(-1007, TIMEOUT_TEXT, 408),
    refusal(-1006, "An unexpected response was received from the message bus. Execution status unknown.", 400),
    Replied(200, b""),
    Replied(200, b"{}"),
    Replied(200, b'{"orderId":1,"symbol":"BTCUSDT","status":"NE'),
]


@pytest.mark.parametrize("outcome", UNKNOWN)
def test_case_067_a_request_that_never_arrived_ends_by_proof(outcome: Outcome) -> None:
    world = World().start(7)
    world.instead[Op.SUBMIT] = [outcome]
    seen = world.submit(7, 1)
    start = world.now_ms
    world.run(2_450)  # its time window and the margin are not over
    assert not seen.events
    assert seen.states == ["unknown"]
    world.settle(2_000 + 3_000 - (world.now_ms - start))
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert seen.states == ["unknown", "refused"]
    after = [op for at, op, _ in world.asked if at > start + 2_500]
    assert {Op.QUERY, Op.OPEN_ORDERS, Op.TRADES} <= set(after)
    assert len(world.asks(Op.SUBMIT)) == 1
    world.check()


@pytest.mark.parametrize("broken", [Op.QUERY, Op.OPEN_ORDERS, Op.TRADES])
def test_case_067_no_part_of_the_proof_may_be_missing(broken: Op) -> None:
    world = World().start(7)
    world.instead[Op.SUBMIT] = [NoAnswer("reset")]
    world.instead[broken] = [NoAnswer("reset")] * 1_000
    seen = world.submit(7, 1)
    world.run(20_000)
    assert not seen.events
    assert world.tracked(7, 1).phase is Phase.SUBMIT_IN_DOUBT
    world.instead.clear()
    world.settle(10_000)
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    world.check()


def test_case_067_what_certainly_never_left_is_refused_at_once() -> None:
    world = World().start(7)
    world.instead[Op.SUBMIT] = [NotSent("no room in the limits")]
    seen = world.submit(7, 1)
    world.run(2)
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert seen.states == ["refused"]
    assert not world.asks(Op.QUERY)


def test_case_067_a_request_that_arrives_at_the_end_of_its_window_lives() -> None:
    world = World().start(7)
    world.push_road = lambda push: []
    world.fault("late_execution", op="submit", delay_s=1.9, mode="error")
    seen = world.submit(7, 1)
    world.settle()
    assert seen.last.status is Status.NEW
    assert len(seen.events) == 1
    world.check()


@pytest.mark.parametrize("outcome", UNKNOWN)
@pytest.mark.parametrize("push", [True, False])
def test_case_068_executed_and_the_answer_lost_is_live_and_not_sent_again(outcome: Outcome, push: bool) -> None:
    world = World().start(7)
    world.answers[Op.SUBMIT] = [outcome]
    if push:
        world.travel(answer=5, push=20)
    else:
        world.push_road = lambda payload: []
    seen = world.submit(7, 1)
    world.settle()
    assert [(order.status, order.req) for order in seen.events] == [(Status.NEW, Status.NONE)]
    assert len(world.asks(Op.SUBMIT)) == 1
    world.check()


@pytest.mark.parametrize("outcome", UNKNOWN)
@pytest.mark.parametrize(
    "changes",
    [{"price_tick": 1002}, {"price_tick": 1002, "time_in_force": TimeInForce.IOC}, {"order_type": OrderType.MARKET}],
)
def test_case_069_executed_and_filled_and_all_news_lost(outcome: Outcome, changes: dict[str, object]) -> None:
    world = World().start(7)
    world.answers[Op.SUBMIT] = [outcome]
    world.push_road = lambda payload: []
    seen = world.submit(7, 1, qty=1.5, **changes)  # type: ignore[arg-type]
    world.settle()
    assert [order.exec_qty for order in seen.events if order.exec_qty] == [1.0, 0.5]
    assert seen.last.status is Status.FILLED
    world.check()


@pytest.mark.parametrize("how", ["dns", "429", "502"])
@pytest.mark.parametrize("lived", [True, False])
def test_case_072_queries_that_fail_for_three_minutes_leave_it_unknown(how: str, lived: bool) -> None:
    world = World().start(7)
    (world.answers if lived else world.instead)[Op.SUBMIT] = [NoAnswer("reset")]
    world.push_road = lambda payload: []
    failure: Outcome = {
        "dns": NotSent("the name can't be resolved"),
        "429": refusal(-1003, "Too many requests", 429),
        "502": Replied(502, b"<html>"),
    }[how]
    for op in (Op.QUERY, Op.OPEN_ORDERS, Op.TRADES, Op.POSITIONS):
        world.instead[op] = [failure] * 10_000
    seen = world.submit(7, 1)
    world.run(180_000)
    assert not seen.events
    assert seen.states == ["unknown"]
    assert [one.client_id for one in world.trader.ledger.doubtful()] == [world.tracked(7, 1).client_id]
    assert worst_case(world.trader.ledger.active.values(), True) == 1  # risk counts it as open
    assert world.trader.counts.remarks["questions without an answer"] > 10
    world.instead.clear()
    world.settle()
    assert seen.last.status is (Status.NEW if lived else Status.EXPIRED)
    world.check()


@pytest.mark.parametrize("executed", [True, False])
def test_case_073_503_unknown_error_is_unknown(executed: bool) -> None:
    world = World().start(7)
    outcome = Replied(503, b'{"code":-1000,"msg":"Unknown error, please check your request or try again later."}')
    (world.answers if executed else world.instead)[Op.SUBMIT] = [outcome]
    world.travel(push=40)
    seen = world.submit(7, 1)
    world.run(5)
    assert seen.states == ["unknown"]
    assert not seen.events
    world.settle()
    assert seen.last.status is (Status.NEW if executed else Status.EXPIRED)
    world.check()


@pytest.mark.venues("UP")
@pytest.mark.parametrize(
    "body",
    [
        b"Service Unavailable.",
        b'{"code":-1001,"msg":"Service Unavailable."}',
        b'{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}',
        b"Internal error; unable to process your request. Please try again.",
    ],
)
def test_case_074_503_that_says_it_failed_ends_it_at_once(body: bytes) -> None:
    world = World().start(7)
    world.instead[Op.SUBMIT] = [Replied(503, body)]
    seen = world.submit(7, 1)
    world.run(2)
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert seen.states == ["refused"]
    assert not world.asks(Op.QUERY)


@pytest.mark.venues("UP")
def test_case_076_throttled_is_a_definite_failure() -> None:
    world = World().start(7)
    world.instead[Op.SUBMIT] = [refusal(-1008, "Server is currently overloaded with other requests.", 503)]
    seen = world.submit(7, 1)
    world.run(2)
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert (seen.problems[0].code, seen.problems[0].state) == (-1008, "refused")
    assert not world.asks(Op.QUERY)


@pytest.mark.venues("UPS")
@pytest.mark.parametrize("push", [True, False])
def test_case_078_an_answer_without_its_fields_counts_by_its_client_id(push: bool) -> None:
    world = World().start(7)
    if not push:
        world.push_road = lambda payload: []
    else:
        world.travel(push=30)

    def bare(reply: object) -> Outcome:
        client_id = world.tracked(7, 1).client_id
        return Replied(200, b'{"clientOrderId":"' + client_id.encode() + b'","status":"NEW"}')

    world.answers[Op.SUBMIT] = [bare]
    seen = world.submit(7, 1)
    world.run(3)
    assert [(order.status, order.req) for order in seen.events] == [(Status.NEW, Status.NONE)]
    world.settle()
    world.check()


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize("mode", ["truncate", "tail", "empty"])
def test_case_078_a_cut_answer_is_unknown_and_never_refused(push: bool, mode: str) -> None:
    world = World().start(7)
    world.fault("cut_body", op="submit", mode=mode)
    if not push:
        world.push_road = lambda payload: []
    seen = world.submit(7, 1, price_tick=1001, qty=0.5)
    world.settle()
    assert (seen.last.status, seen.executed) == (Status.FILLED, 0.5)
    assert "refused" not in seen.states
    world.check()


@pytest.mark.parametrize("filled", [False, True])
def test_case_081_a_duplicate_id_means_that_the_first_attempt_lives(filled: bool) -> None:
    world = World().start(7)
    world.push_road = lambda payload: []
    world.answers[Op.SUBMIT] = [refusal(-4116, "ClientOrderId is duplicated")]
    seen = world.submit(7, 1, price_tick=1002 if filled else 999, qty=0.5)
    world.settle()
    assert seen.last.status is (Status.FILLED if filled else Status.NEW)
    assert "refused" not in seen.states
    world.check()
