"""Cases 111 and 112: the clock and the limits (docs/trading.md)."""

import pytest
from connector.calls import Replied
from connector.lifecycle import Phase
from connector.risk import Mode
from marketlink.orders import Status
from marketlink.venues.trading import Op

from tests.connector.orders.world import World


@pytest.mark.parametrize("op", ["submit", "cancel", "modify"])
@pytest.mark.parametrize("jump_ms", [2_500, -2_500])
def test_case_111_a_clock_that_jumps_is_measured_and_the_request_repeated_once(op: str, jump_ms: float) -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.clock_ms = jump_ms
    if op == "submit":
        seen = world.submit(7, 2)
    elif op == "cancel":
        world.cancel(7, 1)
    else:
        world.modify(7, 1, 995, 2.0)
    world.settle()
    assert seen.last.status is (Status.CANCELED if op == "cancel" else Status.NEW)
    assert seen.last.req is Status.NONE
    assert not seen.problems
    wanted = {"submit": Op.SUBMIT, "cancel": Op.CANCEL, "modify": Op.MODIFY}[op]
    names = [params.get("newClientOrderId", params.get("origClientOrderId")) for params in world.asks(wanted)]
    assert names[-1] == names[-2]  # the same id again
    assert len(world.asks(Op.TIME)) == 1
    assert world.trader.risk.mode is Mode.ACTIVE
    assert abs(world.trader.offset_ns / 1e6 + jump_ms) < 10
    world.check()


def test_case_111_a_clock_that_stays_wrong_halts() -> None:
    world = World().start(7)
    world.clock_ms = 2_500
    world.answers[Op.TIME] = [Replied(200, world.exchange.face.rest.time_body(1_700_000_000_000 + 99_000))]
    seen = world.submit(7, 1)
    world.settle()
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert seen.problems[0].code in (-1021, 10002)
    assert world.trader.risk.mode is Mode.HALTED
    assert len(world.asks(Op.SUBMIT)) == 2
    world.check()


def test_case_111_without_an_answer_about_the_time_it_is_not_sent_again() -> None:
    world = World().start(7)
    world.clock_ms = 2_500
    world.instead[Op.TIME] = [Replied(502, b"<html>")]
    seen = world.submit(7, 1)
    world.settle()
    assert [order.status for order in seen.events] == [Status.EXPIRED]
    assert len(world.asks(Op.SUBMIT)) == 1


def quote_as_fast_as_it_goes(minutes: float, weight: int) -> World:
    """Submit and cancel far beyond the limits; every cancel must pass."""
    world = World(weight=weight).start(7)
    world.obey_limits(weight, *world.venue.order_limits)
    world.timeout_ms = 1_000
    number = 0
    end_ms = world.now_ms + minutes * 60_000
    while world.now_ms < end_ms:
        for _ in range(4):
            number += 1
            world.submit(7, number, price_tick=960 + number % 30)
        for one in list(world.trader.ledger.active.values())[:-4]:
            if one.phase is Phase.LIVE:
                world.cancel(7, one.order_id)
        world.run(100)
    return world


def check_limits(world: World, weight: int) -> None:
    assert not world.refused  # neither 429 nor 418, ever
    assert world.desk.peak_weight <= weight
    counts = world.trade_desk.counts["a"]
    assert all(pool.most >= peak > 0 for pool, peak in zip(counts.pools, counts.peaks, strict=True))
    problems = [problem for seen in world.seen.values() for problem in seen.problems]
    assert problems
    assert {problem.op for problem in problems} == {"submit"}
    assert not any(problem.code == -1015 for problem in problems)


def test_case_112_full_rate_meets_no_limit_of_the_exchange() -> None:
    check_limits(quote_as_fast_as_it_goes(1.1, 2400), 2400)


@pytest.mark.soak
def test_case_112_ten_minutes_at_full_rate() -> None:
    check_limits(quote_as_fast_as_it_goes(10, 2400), 2400)
