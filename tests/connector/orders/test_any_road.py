"""Any road, any trouble: at the end connector, bots and exchange agree, and nothing wrong was ever told on the way."""

import random
from typing import Any

import pytest
from connector.trader import NoAnswer, Outcome, Replied
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.orders import OrderType, Side, TimeInForce
from marketlink.venues.trading import Op

from tests.connector.orders.world import TERMINAL, World

BOTS = (7, 8)
BAD_ANSWERS: tuple[Outcome, ...] = (
    NoAnswer("reset"),
    Replied(502, b"<html><body>Bad Gateway</body></html>"),
    Replied(503, b'{"code":-1001,"msg":"Unknown error, please check your request or try again later."}'),
    Replied(408, b""),
    Replied(
        400,
        b'{"code":-1007,"msg":"Timeout waiting for response from backend server. Send status unknown; execution status unknown."}',
    ),
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


def act(world: World, rng: random.Random, numbers: dict[int, int]) -> None:
    """One thing that a bot, the market or fate does."""
    bot = rng.choice(BOTS)
    draw = rng.random()
    if draw < 0.4:
        numbers[bot] += 1
        changes: dict[str, Any] = {
            "price_tick": rng.choice((998, 999, 1000, 1001, 1002)),
            "qty": rng.choice((0.05, 0.5, 1.0, 2.5)),
            "side": rng.choice((Side.BUY, Side.SELL)),
            "time_in_force": rng.choice(tuple(TimeInForce)[:4]),
            "order_type": OrderType.MARKET if rng.random() < 0.1 else OrderType.LIMIT,
        }
        world.submit(bot, rng.randint(max(1, numbers[bot] - 1), numbers[bot]), **changes)
    elif draw < 0.6:
        world.cancel(bot, rng.randint(1, max(1, numbers[bot])))
    elif draw < 0.75:
        qty = rng.choice((0.05, 0.5, 1.5))
        world.modify(bot, rng.randint(1, max(1, numbers[bot])), rng.choice((997, 998, 999, 1002, 1003)), qty)
    elif draw < 0.95:
        seller = rng.random() < 0.5
        world.trade("99.80" if seller else "100.30", f"{rng.choice((0.3, 1.0, 4.0)):.3f}", seller=seller)
    elif draw < 0.98:
        world.cut_stream(rng.uniform(100, 2000))
    else:
        world.kill(rng.uniform(10, 3000))


def run(seed: int, steps: int, how_much: float) -> World:
    rng = random.Random(seed)
    world = World().start(*BOTS)
    Trouble(world, rng, how_much)
    numbers = dict.fromkeys(BOTS, 0)
    for _ in range(steps):
        act(world, rng, numbers)
        world.run(rng.choice((0.5, 20, 200, 1500)))
        world.check_bots()
    Trouble(world, rng, 0.0)
    world.answers.clear()
    world.run(4_000)
    if not world.trader.streaming:
        world.run(3_000)
    world.cut_stream(100)  # whatever was lost without a trace is found by the comparison that follows
    world.run(1_000)
    world.settle(20_000)
    world.check()
    told(world)
    return world


def told(world: World) -> None:
    """Bots were told what is true: every execution once, ends once."""
    truth = world.true_orders()
    sums: dict[tuple[int, int], float] = {}
    for tracked in world.trader.ledger.orders.values():
        if tracked.client_id in truth:
            key = (tracked.bot_id, tracked.order_id)
            sums[key] = sums.get(key, 0.0) + float(truth[tracked.client_id].executed)
    if not world.restarts:
        for key, seen in world.seen.items():
            assert seen.executed == pytest.approx(sums.get(key, 0.0)), (key, seen.events)
    assert all(
        len(order.status.name) for seen in world.seen.values() for order in seen.events if order.status in TERMINAL
    )


@pytest.mark.parametrize("seed", range(20))
def test_all_agree_after_any_trouble(seed: int) -> None:
    run(seed, 40, 0.5)


@given(st.integers(0, 2**32), st.floats(0.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_all_agree_whatever_the_road(seed: int, how_much: float) -> None:
    run(seed, 25, how_much)
