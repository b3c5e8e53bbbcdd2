"""Cases 52 to 63: new price and quantity for an order that is there (docs/trading.md)."""

import pytest
from connector.calls import NoAnswer
from connector.lifecycle import Phase
from marketlink.orders import OrderType, Status
from marketlink.venues.trading import Op

from tests.connector.orders.world import Seen, World, kind_of, refusal


def live(**changes: object) -> tuple[World, Seen]:
    world = World().start(7)
    seen = world.submit(7, 1, **changes)  # type: ignore[arg-type]
    world.settle()
    return world, seen


def told(seen: Seen) -> tuple[int, float, float, Status, Status]:
    last = seen.last
    return last.price_tick, last.qty, last.leaves_qty, last.status, last.req


@pytest.mark.parametrize(("answer", "push"), [(1, 40), (40, 1), (1, 1)])
def test_case_052_053_answer_and_push_give_the_new_terms_once(answer: float, push: float) -> None:
    world, seen = live()
    world.travel(answer=answer, push=push)
    before = len(seen.events)
    world.modify(7, 1, 995, 2.0)
    world.run(100)
    assert told(seen) == (995, 2.0, 2.0, Status.NEW, Status.NONE)
    assert len(seen.events) == before + 1
    assert not seen.problems
    assert seen.last.order_id == 1
    world.check()


@pytest.mark.venues("UP")
def test_case_054_price_and_total_quantity_are_both_sent() -> None:
    world, seen = live()
    world.trade("99.80", "0.4")
    world.run(10)
    world.modify(7, 1, 995, 1.0)
    world.settle()
    (params,) = world.asks(Op.MODIFY)
    assert (params["price"], params["quantity"]) == ("99.50", "1.000")
    assert told(seen) == (995, 1.0, 0.6, Status.PARTIALLY_FILLED, Status.NONE)
    world.check()


@pytest.mark.parametrize("qty", [0.4, 0.2])
@pytest.mark.parametrize("lost", ["nothing", "push", "answer"])
def test_case_055_a_quantity_at_or_below_what_is_executed_cancels(qty: float, lost: str) -> None:
    world, seen = live()
    world.trade("99.80", "0.4")
    world.run(10)
    if lost == "push":
        world.push_road = lambda push: []
    elif lost == "answer":
        world.answers[Op.MODIFY] = [NoAnswer("reset")]
    world.modify(7, 1, 985, qty)
    world.settle()
    assert (seen.last.status, seen.executed) == (Status.CANCELED, 0.4)
    world.check()


@pytest.mark.venues("UPS")
@pytest.mark.parametrize("code", [-4014, -5026, -4131, -1102])
def test_case_057_a_refused_modify_gives_the_old_terms_back(code: int) -> None:
    world, seen = live()
    world.instead[Op.MODIFY] = [refusal(code, "not so")]
    world.modify(7, 1, 995, 2.0)
    world.settle()
    assert told(seen) == (999, 1.0, 1.0, Status.NEW, Status.NONE)
    assert [(one.op, one.code, one.state) for one in seen.problems] == [("modify", code, "refused")]
    world.check()


@pytest.mark.parametrize(("price_tick", "qty"), [(500, 1.0), (995, 500_000.0)])
def test_case_057_a_filter_of_the_exchange_refuses(price_tick: int, qty: float) -> None:
    world, seen = live()
    world.modify(7, 1, price_tick, qty)
    world.settle()
    assert told(seen) == (999, 1.0, 1.0, Status.NEW, Status.NONE)
    assert seen.problems[0].code is not None
    world.check()


@pytest.mark.parametrize(("price_tick", "qty"), [(0, 1.0), (995, 0.0), (995, float("nan")), (995, 0.01)])
def test_case_057_what_is_refused_here_gives_the_old_terms_back(price_tick: int, qty: float) -> None:
    world, seen = live()
    world.modify(7, 1, price_tick, qty)
    assert told(seen) == (999, 1.0, 1.0, Status.NEW, Status.NONE)
    assert seen.problems[0].state == "refused"
    assert not world.asks(Op.MODIFY)


def test_case_057_the_same_terms_again_are_no_error() -> None:
    world, seen = live()
    world.modify(7, 1, 999, 1.0)
    world.settle()
    assert told(seen) == (999, 1.0, 1.0, Status.NEW, Status.NONE)
    assert not seen.problems
    world.check()


@pytest.mark.venues("UPS")
def test_case_057_a_modify_that_crosses_post_only() -> None:
    from marketlink.orders import TimeInForce

    world, seen = live(time_in_force=TimeInForce.GTX)
    world.modify(7, 1, 1002, 1.0)
    world.settle()
    world.check()
    assert seen.last.req is Status.NONE


@pytest.mark.parametrize("push", ["comes", "is lost"])
def test_case_059_the_answer_is_lost_and_the_question_shows_the_new_terms(push: str) -> None:
    world, seen = live()
    world.answers[Op.MODIFY] = [NoAnswer("reset")]
    if push == "is lost":
        world.push_road = lambda push: []
    world.modify(7, 1, 995, 2.0)
    world.settle()
    assert told(seen) == (995, 2.0, 2.0, Status.NEW, Status.NONE)
    assert "refused" not in seen.states
    world.check()


@pytest.mark.parametrize("late_ms", [300, 1_500, 1_900])
def test_case_060_a_modify_that_lands_late_is_waited_for(late_ms: float) -> None:
    world, seen = live()
    world.travel()
    world.push_road = lambda push: []
    world.fault("late_execution", op="modify", delay_s=late_ms / 1000, mode="error")
    world.modify(7, 1, 995, 2.0)
    world.run(late_ms - 50)
    assert world.tracked(7, 1).phase is Phase.MODIFY_IN_DOUBT
    assert seen.states == ["unknown"]
    world.settle()
    assert told(seen) == (995, 2.0, 2.0, Status.NEW, Status.NONE)
    world.check()


def test_case_060_one_that_never_lands_is_over_when_its_window_is() -> None:
    world, seen = live()
    world.instead[Op.MODIFY] = [NoAnswer("reset")]
    world.modify(7, 1, 995, 2.0)
    world.run(2_400)
    assert world.tracked(7, 1).phase is Phase.MODIFY_IN_DOUBT
    world.settle()
    assert told(seen) == (999, 1.0, 1.0, Status.NEW, Status.NONE)
    assert seen.states == ["unknown", "working"]
    world.check()


@pytest.mark.parametrize(("answer", "push"), [(1, 40), (40, 1), (1, 1)])
def test_case_062_a_fill_between_sending_and_applying(answer: float, push: float) -> None:
    world, seen = live()
    world.travel(request=30, answer=answer, push=push)
    world.modify(7, 1, 985, 2.0)
    world.trade("99.80", "0.4")
    world.settle()
    world.run(100)
    assert told(seen) == (985, 2.0, 1.6, Status.PARTIALLY_FILLED, Status.NONE)
    assert seen.executed == 0.4
    world.check()


@pytest.mark.parametrize("first", ["modify", "cancel"])
@pytest.mark.parametrize(("answer", "push"), [(1, 40), (40, 1), (150, 1)])
@pytest.mark.parametrize("lost", ["nothing", "modify", "cancel's push"])
def test_case_063_a_cancel_wins_over_a_pending_modify(first: str, answer: float, push: float, lost: str) -> None:
    world, seen = live()
    world.travel(answer=answer, push=push)
    world.request_road = lambda op, body: {Op.MODIFY: 20.0, Op.CANCEL: 20.0 if first == "modify" else 10.0}.get(op, 1.0)
    if lost == "modify":
        world.answers[Op.MODIFY] = [NoAnswer("reset")]
    elif lost != "nothing":
        world.push_road = lambda payload: [] if kind_of(payload) == "CANCELED" else [push]
    world.modify(7, 1, 995, 2.0)
    world.run(1)
    world.cancel(7, 1)
    assert len(world.asks(Op.CANCEL)) == 1  # at once
    world.settle()
    world.run(300)
    assert seen.last.status is Status.CANCELED
    world.check()


def test_case_063_a_modify_while_a_cancel_is_pending_is_refused() -> None:
    world, seen = live()
    world.travel(request=30)
    world.cancel(7, 1)
    world.modify(7, 1, 995, 2.0)
    assert not world.asks(Op.MODIFY)
    assert (seen.last.price_tick, seen.last.qty, seen.last.req) == (999, 1.0, Status.CANCELED)
    assert seen.problems[-1].state == "refused"
    world.settle()
    assert seen.last.status is Status.CANCELED
    world.check()


@pytest.mark.parametrize("when", ["sent", "ended"])
def test_a_modify_of_an_order_that_is_not_live_is_refused(when: str) -> None:
    world = World().start(7)
    world.travel(answer=30, push=30)
    seen = world.submit(7, 1, price_tick=1002 if when == "ended" else 999)
    world.run(0 if when == "sent" else 100)
    events = len(seen.events)
    world.modify(7, 1, 995, 2.0)
    assert seen.states == ["refused" if when == "sent" else "ended"]
    assert len(seen.events) == events + (when == "sent")  # an end is told once
    world.settle()
    world.check()


def test_a_market_order_can_not_be_modified() -> None:
    world = World().start(7)
    world.travel(answer=50, push=50)
    world.submit(7, 1, order_type=OrderType.MARKET, qty=0.5)
    world.modify(7, 1, 995, 1.0)
    assert world.seen[(7, 1)].states == ["refused"]
    world.settle()
    world.check()
