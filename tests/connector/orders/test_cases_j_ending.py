"""Cases 114 and 118: the ordered end, and limits that hold in the worst case (docs/trading.md)."""

import itertools
import random
from decimal import Decimal

import pytest
from connector.calls import NoAnswer
from connector.risk import Mode, RiskLimits
from marketlink.orders import Side, Status
from marketlink.venues.trading import Op

from tests.connector.orders.world import World, kind_of, refusal


@pytest.mark.parametrize("submit", ["arrives", "is lost", "is refused"])
def test_case_114_an_end_with_twenty_orders_slow_answers_and_a_submit_in_flight(submit: str) -> None:
    world = World().start(7)
    orders = [world.submit(7, number, price_tick=960 + number) for number in range(1, 21)]
    world.settle()
    world.travel(answer=2_000)
    world.request_road = lambda op, body: None if op is Op.SUBMIT and submit == "is lost" else 50.0
    orders.append(world.submit(7, 21, qty=500_000.0 if submit == "is refused" else 1.0))
    world.run(10)
    assert world.stop(10_000 if world.of.face != "bybit" else 15_000)  # there one question about an order is two
    assert not world.trader.ledger.active
    assert not world.trading.open_orders("a")
    assert [one.last.status for one in orders[:20]] == [Status.CANCELED] * 20
    assert orders[20].last.status is (Status.CANCELED if submit == "arrives" else Status.EXPIRED)
    assert Op.OPEN_ORDERS in [op for _, op, _ in world.asked[-3:]]
    late = world.submit(7, 22)
    assert late.last.status is Status.EXPIRED
    assert "stopping" in late.problems[0].text
    world.check()


def test_case_114_an_exchange_that_refuses_leaves_a_list() -> None:
    world = World().start(7)
    world.submit(7, 1)
    world.submit(7, 2, price_tick=990)
    world.settle()
    for op in (Op.CANCEL, Op.CANCEL_MANY):
        world.instead[op] = [refusal(-1003, "no", 429)] * 1_000
    assert not world.stop(10_000)
    assert sorted(one.order_id for one in world.trader.ledger.active.values()) == [1, 2]


def test_case_114_a_list_that_never_comes_is_not_read_as_empty() -> None:
    world = World().start(7)
    world.submit(7, 1)
    world.settle()
    world.instead[Op.OPEN_ORDERS] = [NoAnswer("reset")] * 1_000
    assert not world.stop(10_000)
    assert not world.trading.open_orders("a")


LIMIT = RiskLimits(max_position=Decimal(3))


def worst(world: World) -> float:
    """The largest position that the exchange could come to by everything open there and everything that may still arrive there."""
    open_ = sum(
        float(state.new.quantity - state.executed) for state in world.trading.open_orders("a") if state.new.side == 1
    )
    true = world.true_orders()
    travelling = sum(
        float(one.terms.qty)
        for one in world.trader.ledger.active.values()
        if one.client_id not in true and one.side is Side.BUY and not one.inquired
    )
    return world.true_position() + open_ + travelling


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
@pytest.mark.parametrize("first", ["ACCOUNT_UPDATE", "TRADE"])
def test_case_118_the_position_limit_holds_in_every_interleaving(order: tuple[int, ...], first: str) -> None:
    world = World(limits=LIMIT).start(7)
    world.answers[Op.SUBMIT] = [NoAnswer("reset")]
    world.push_road = lambda push: [5.0 if kind_of(push) == first else 60.0]
    for number in range(1, 6):  # five bids; of the first two nobody knows
        if number == 2:
            world.answers[Op.SUBMIT] = [NoAnswer("reset")]
        world.submit(7, number, price_tick=995 + number, qty=0.5)
    deeds = [
        lambda: world.trade("99.90", "0.7"),
        lambda: world.cancel(7, 3),
        lambda: world.modify(7, 4, 996, 1.0),
        lambda: world.submit(7, 6, price_tick=990, qty=0.5),
    ]
    for at in order:
        deeds[at]()
        world.run(7)
        for number in range(10, 14):  # the bot tries to have more all the time
            world.submit(7, number, price_tick=990, qty=0.5)
        assert worst(world) <= 3.0 + 1e-9
    world.run(200)
    assert worst(world) <= 3.0 + 1e-9
    refused = [problem for seen in world.seen.values() for problem in seen.problems if "max_position" in problem.text]
    assert refused
    assert "3 are allowed" in refused[0].text
    world.settle()
    assert worst(world) <= 3.0 + 1e-9
    world.check()


@pytest.mark.parametrize("seed", range(8))
def test_case_118_the_limit_holds_whatever_the_road(seed: int) -> None:
    rng = random.Random(seed)
    world = World(limits=LIMIT, seed=seed).start(7)
    world.push_road = lambda push: [rng.uniform(1, 400)]
    world.answer_road = lambda op, body: rng.choice((1.0, 300.0))
    for number in range(1, 61):
        draw = rng.random()
        if draw < 0.6:
            world.submit(7, number, price_tick=rng.choice((995, 998, 1001)), qty=rng.choice((0.5, 1.0)))
        elif draw < 0.75:
            world.cancel(7, rng.randint(1, number))
        elif draw < 0.85:
            world.modify(7, rng.randint(1, number), 996, rng.choice((0.3, 2.0)))
        else:
            world.trade("99.40", "0.4")
        world.run(rng.choice((1, 20, 150)))
        assert worst(world) <= 3.0 + 1e-9
    world.run(500)  # what is on its way
    world.settle(10_000)
    world.check()


def test_case_118_halted_lets_cancels_pass_and_reducing_what_reduces() -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.submit(7, 2, price_tick=1002, qty=0.5)
    world.settle()
    world.trader.risk.mode, world.trader.risk.why = Mode.REDUCING, "by hand"
    assert world.submit(7, 3).last.status is Status.EXPIRED
    assert world.submit(7, 4, side=Side.SELL, price_tick=1005, qty=0.6).last.status is Status.EXPIRED
    reducing = world.submit(7, 5, side=Side.SELL, price_tick=1005, qty=0.5)
    world.settle()
    assert reducing.last.status is Status.NEW
    assert world.submit(7, 6, side=Side.SELL, price_tick=1006, qty=0.1).last.status is Status.EXPIRED
    world.trader.halt("by hand")
    assert world.submit(7, 7, side=Side.SELL, price_tick=1005, qty=0.1).problems[0].text.startswith("halted")
    world.modify(7, 1, 990, 1.0)
    assert seen.states == ["refused"]
    assert (seen.last.price_tick, seen.last.req) == (999, Status.NONE)
    world.cancel(7, 1)
    world.cancel(7, 5)
    world.settle()
    assert seen.last.status is reducing.last.status is Status.CANCELED
    world.check()
