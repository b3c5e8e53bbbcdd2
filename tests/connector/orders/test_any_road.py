"""Any road, any trouble: the invariants hold on the way, and at the end connector, bots and exchange agree."""

import random
from typing import Any

import pytest
from connector.calls import NoAnswer, Outcome, Replied
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.orders import OrderType, Side, TimeInForce
from marketlink.venues.trading import Op, OrderLimit

from tests.connector.orders import invariants
from tests.connector.orders.world import World, refusal

QUANTITIES: dict[int, tuple[float, ...]] = {7: (0.05, 0.5, 1.0, 2.5, 1.5), 8: (0.06, 0.6, 1.1, 2.6, 1.6)}
BOTS = tuple(QUANTITIES)
BAD_ANSWERS: tuple[Outcome, ...] = (
    NoAnswer("reset"),
    Replied(502, b"<html><body>Bad Gateway</body></html>"),
    refusal(-1001, "Unknown error, please check your request or try again later.", 503),
    Replied(408, b""),
    refusal(-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
    Replied(200, b'{"orderId":1,"clientOr'),
    Replied(200, b"{}"),
)


class Trouble:
    """Roads on which things are lost, late and doubled, as the random numbers want."""

    def __init__(self, world: World, rng: random.Random, how_much: float) -> None:
        self.world, self.rng, self.how_much = world, rng, how_much
        world.request_road = self.request
        world.answer_road = self.answer
        world.push_road = self.push

    def request(self, op: Op, _: bytes | None) -> float | None:
        draw = self.rng.random()
        if draw < self.how_much * 0.3:
            return None
        return self.rng.uniform(0.1, 30.0) if draw > self.how_much * 0.5 else self.rng.uniform(30.0, 1800.0)

    def answer(self, op: Op, _: bytes | None) -> float | None:
        draw = self.rng.random()
        if draw < self.how_much * 0.3:
            return None
        if draw < self.how_much * 0.5:
            self.world.answers.setdefault(op, []).append(self.rng.choice(BAD_ANSWERS))
        return self.rng.uniform(0.1, 30.0) if draw > self.how_much * 0.6 else self.rng.uniform(30.0, 3500.0)

    def push(self, payload: bytes) -> list[float]:
        draw = self.rng.random()
        if draw < self.how_much * 0.3:
            return []
        times = 2 if draw < self.how_much * 0.5 else 1
        return [
            self.rng.uniform(0.1, 30.0 if self.rng.random() > self.how_much * 0.3 else 1500.0) for _ in range(times)
        ]


def new_world() -> World:
    """A world with two bots, whose requests obey the exchange's limits."""
    world = World(weight=2_400).start(*BOTS)
    world.obey_limits(2_400, OrderLimit(300, 10), OrderLimit(1_200, 60))
    return world


def calm(world: World) -> None:
    """From here on nothing goes wrong; what was lost without a trace is found by the comparison after a last gap."""
    world.travel()
    world.answers.clear()
    world.instead.clear()
    world.run(4_000)
    for _ in range(70):  # it may have to wait for room in the limits
        if world.trader.ready:
            break
        world.run(1_000)
    world.cut_stream(100)
    world.run(1_000)
    world.settle(20_000)
    world.run(2_500)
    world.settle(5_000)


def act(world: World, rng: random.Random, numbers: dict[int, int]) -> None:
    """One thing that a bot, the market or fate does."""
    bot = rng.choice(BOTS)
    draw = rng.random()
    if draw < 0.4:
        numbers[bot] += 1
        changes: dict[str, Any] = {
            "price_tick": rng.choice((998, 999, 1000, 1001, 1002)),
            "qty": rng.choice(QUANTITIES[bot][:4]),
            "side": rng.choice((Side.BUY, Side.SELL)),
            "time_in_force": rng.choice(tuple(TimeInForce)[:4]),
            "order_type": OrderType.MARKET if rng.random() < 0.1 else OrderType.LIMIT,
        }
        world.submit(bot, rng.randint(max(1, numbers[bot] - 1), numbers[bot]), **changes)
    elif draw < 0.6:
        world.cancel(bot, rng.randint(1, max(1, numbers[bot])))
    elif draw < 0.75:
        number = rng.randint(1, max(1, numbers[bot]))
        world.modify(bot, number, rng.choice((997, 998, 999, 1002, 1003)), rng.choice(QUANTITIES[bot][:5]))
    elif draw < 0.95:
        seller = rng.random() < 0.5
        world.trade("99.80" if seller else "100.30", f"{rng.choice((0.3, 1.0, 4.0)):.3f}", seller=seller)
    elif draw < 0.98:
        world.cut_stream(rng.uniform(100, 2000))
    else:
        world.kill(rng.uniform(10, 3000))


def run(seed: int, steps: int, how_much: float) -> World:
    rng = random.Random(seed)
    world = new_world()
    Trouble(world, rng, how_much)
    numbers = dict.fromkeys(BOTS, 0)
    for _ in range(steps):
        act(world, rng, numbers)
        world.run(rng.choice((0.5, 20, 200, 1500)))
        invariants.always(world)
    calm(world)
    invariants.at_rest(world)
    invariants.only_own(world, QUANTITIES)
    return world


@pytest.mark.parametrize("seed", range(20))
def test_all_agree_after_any_trouble(seed: int) -> None:
    run(seed, 40, 0.5)


@given(st.integers(0, 2**32), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_all_agree_whatever_the_road(seed: int, how_much: float) -> None:
    run(seed, 25, how_much)


@pytest.mark.soak
@given(st.integers(0, 2**32), st.floats(0.0, 1.0))
@settings(max_examples=3_000, deadline=None)
def test_all_agree_whatever_the_road_for_long(seed: int, how_much: float) -> None:
    run(seed, 60, how_much)


@pytest.mark.parametrize("seed", range(3))
def test_invariant_14_the_same_inputs_give_the_same_events(seed: int) -> None:
    first, second = run(seed, 40, 0.6), run(seed, 40, 0.6)
    assert first.seen == second.seen
    assert (first.asked, first.records, first.notes) == (second.asked, second.records, second.notes)
