"""The invariants of orders as a state machine: bots, the market and fate do what hypothesis likes, against the simulated exchange.

Each trouble hits the next thing of its kind, so that a failing example names what it takes and no more.
"""

from typing import Any

import pytest
from connector.calls import NoAnswer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from marketlink.orders import OrderType, Side, TimeInForce
from marketlink.venues.trading import Op

from tests.connector.orders import invariants
from tests.connector.orders.test_any_road import BAD_ANSWERS, BOTS, QUANTITIES, calm, new_world
from tests.connector.orders.world import World

bots = st.sampled_from(BOTS)
numbers = st.integers(1, 4)
ticks = st.sampled_from([997, 999, 1000, 1001, 1003])
sizes = st.integers(0, 3)
waits = st.sampled_from([0.5, 5.0, 30.0, 300.0, 2_600.0])
order_ops = st.sampled_from([Op.SUBMIT, Op.CANCEL, Op.MODIFY])
any_ops = st.sampled_from([Op.SUBMIT, Op.CANCEL, Op.MODIFY, Op.QUERY, Op.OPEN_ORDERS, Op.TRADES, Op.POSITIONS])


class Orders(RuleBasedStateMachine):
    """A world, and everything that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World = new_world()
        self.requests: dict[Op, list[float | None]] = {}
        self.answers: dict[Op, list[float | None]] = {}
        self.pushes: list[list[float]] = []
        self.world.request_road = self._road(self.requests)
        self.world.answer_road = self._road(self.answers)
        self.world.push_road = lambda push: self.pushes.pop(0) if self.pushes else [2.0]

    @staticmethod
    def _road(script: dict[Op, list[float | None]]) -> Any:
        return lambda op, body: script[op].pop(0) if script.get(op) else 2.0

    @initialize()
    def begin(self) -> None:
        self.world.run(100)

    @rule(
        bot=bots, number=numbers, tick=ticks, size=sizes, buy=st.booleans(), market=st.booleans(),
        tif=st.sampled_from(list(TimeInForce)[:4]),
    )  # fmt: skip
    def submit(self, bot: int, number: int, tick: int, size: int, buy: bool, market: bool, tif: TimeInForce) -> None:
        self.world.submit(
            bot,
            number,
            price_tick=tick,
            qty=QUANTITIES[bot][size],
            side=Side.BUY if buy else Side.SELL,
            time_in_force=tif,
            order_type=OrderType.MARKET if market and size == 0 else OrderType.LIMIT,
        )

    @rule(bot=bots, number=numbers)
    def cancel(self, bot: int, number: int) -> None:
        self.world.cancel(bot, number)

    @rule(bot=bots, number=numbers, tick=ticks, size=sizes)
    def modify(self, bot: int, number: int, tick: int, size: int) -> None:
        self.world.modify(bot, number, tick, QUANTITIES[bot][size])

    @rule(seller=st.booleans(), qty=st.sampled_from(["0.300", "1.000", "4.000"]))
    def trade(self, seller: bool, qty: str) -> None:
        self.world.trade("99.70" if seller else "100.30", qty, seller=seller)

    @rule(side=st.sampled_from(["BUY", "SELL"]), price=st.sampled_from(["99.60", "100.00", "100.60"]))
    def another_hand(self, side: str, price: str) -> None:
        self.world.hand(side=side, price=price, quantity="0.7")

    @rule(bot=bots, number=numbers)
    def cancelled_by_another_hand(self, bot: int, number: int) -> None:
        tracked = self.world.trader.ledger.find(bot, "btcusdt", number)
        open_ = {state.new.client_id for state in self.world.trading.open_orders("a")}
        if tracked is not None and tracked.client_id in open_:
            self.world.hand("DELETE", origClientOrderId=tracked.client_id)

    @rule(op=any_ops, late=st.sampled_from([None, 40.0, 1_900.0]))
    def next_request_is_lost_or_late(self, op: Op, late: float | None) -> None:
        self.requests.setdefault(op, []).append(late)

    @rule(op=any_ops, late=st.sampled_from([None, 40.0, 2_500.0]))
    def next_answer_is_lost_or_late(self, op: Op, late: float | None) -> None:
        self.answers.setdefault(op, []).append(late)

    @rule(op=any_ops, answer=st.sampled_from(BAD_ANSWERS), executed=st.booleans())
    def next_answer_is_of_no_use(self, op: Op, answer: Any, executed: bool) -> None:
        (self.world.answers if executed else self.world.instead).setdefault(op, []).append(answer)

    @rule(delays=st.sampled_from([[], [], [2.0, 50.0], [200.0], [2_000.0], [10_000.0]]))
    def next_push_is_lost_doubled_or_late(self, delays: list[float]) -> None:
        self.pushes.append(delays)

    @rule(for_ms=st.sampled_from([20.0, 700.0, 4_000.0]))
    def the_stream_is_cut(self, for_ms: float) -> None:
        self.world.cut_stream(for_ms)

    @rule(for_ms=st.sampled_from([5.0, 700.0, 6_000.0]))
    def it_is_killed_and_started_again(self, for_ms: float) -> None:
        self.world.kill(for_ms)

    @rule(by_ms=st.sampled_from([-2_500.0, -300.0, 300.0, 2_500.0]))
    def the_clock_steps(self, by_ms: float) -> None:
        self.world.clock_ms += by_ms

    @rule(for_ms=waits)
    def time_passes(self, for_ms: float) -> None:
        self.world.run(for_ms)

    @invariant()
    def what_holds_always(self) -> None:
        invariants.always(self.world)

    def teardown(self) -> None:
        calm(self.world)
        invariants.at_rest(self.world)
        invariants.only_own(self.world, QUANTITIES)


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.soak
class TestOrdersForLong(Orders.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=3_000, stateful_step_count=60, deadline=None)


def test_a_submit_that_never_leaves_is_no_trouble() -> None:
    machine = Orders()
    machine.world.instead[Op.SUBMIT] = [NoAnswer("reset")]
    machine.submit(7, 1, 999, 1, buy=True, market=False, tif=TimeInForce.GTC)
    machine.teardown()
