"""Cases 103 to 106: positions and the account (docs/trading.md)."""

from decimal import Decimal
from itertools import groupby

import orjson
import pytest
from connector.risk import Mode
from marketlink.orders import Side, Status
from marketlink.venues.trading import Op, PositionReport
from venue_sim.private_side import Told

from tests.connector.orders.world import World, kind_of


def test_case_103_a_position_older_than_the_last_is_ignored() -> None:
    world = World().start(7)
    held: list[bytes] = []

    def road(push: bytes) -> list[float]:
        if kind_of(push) in ("ACCOUNT_UPDATE", "position"):
            held.append(push)
        return [1]

    world.push_road = road
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    world.run(100)
    world.submit(7, 2, price_tick=1002, qty=0.25)
    world.settle()
    before = list(world.positions)
    world.tell(held[0])
    world.tell(held[-1])
    assert world.positions == before
    assert before[-1].qty == 0.75 == world.true_position()


@pytest.mark.parametrize("first", ["ACCOUNT_UPDATE", "TRADE"])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_case_104_account_and_order_updates_in_either_order(first: str, side: Side) -> None:
    world = World().start(7)
    world.travel(answer=100)
    world.push_road = lambda push: [5.0 if kind_of(push) == first else 40.0]
    seen = world.submit(7, 1, price_tick=1002 if side is Side.BUY else 999, qty=0.5, side=side)
    for _ in range(60):
        world.run(1)
        executed = seen.executed * side
        assert world.trader.positions.get(world.symbol, PositionReport("", Decimal(0), 0)).qty in (
            0,
            Decimal("0.5") * side,
        )
        low, high = world.trader.positions.range_of(world.symbol)
        assert low <= executed <= high
        assert high - low <= Decimal("0.5")
    world.settle()
    assert [qty for qty, _ in groupby(event.qty for event in world.positions)] == [0.0, 0.5 * side]
    assert world.trader.positions.range_of(world.symbol) == (Decimal("0.5") * side,) * 2
    world.check()


def test_a_position_that_was_closed_within_a_gap_is_none() -> None:
    world = World().start(7)
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    world.cut_stream(1_000)
    world.run(500)
    world.hand(side="SELL", type="MARKET", quantity="0.5")
    world.run(2_000)
    assert world.trader.positions[world.symbol].qty == 0 == world.positions[-1].qty == world.true_position()


def test_case_105_hedge_mode_while_running_halts() -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.trade_desk.set_hedge("a", True, world.now_ns)
    world.run(10)
    refused = world.submit(7, 2)
    world.settle()
    assert refused.last.status is Status.EXPIRED
    assert refused.problems[0].code in (-4061, 10001)
    assert world.trader.risk.mode is Mode.HALTED
    assert any("HALTED" in text for text in world.warnings)
    sent = len(world.asks(Op.SUBMIT))
    third = world.submit(7, 3)
    assert third.problems[0].text.startswith("halted")
    assert len(world.asks(Op.SUBMIT)) == sent
    world.cancel(7, 1)  # cancels pass
    world.settle()
    assert seen.last.status is Status.CANCELED


@pytest.mark.venues("UP")
@pytest.mark.parametrize("where", ["event", "ac", "ai"])
def test_case_105_the_account_s_event_halts(where: str) -> None:
    world = World().start(7)
    part = {"dualSidePosition": True}
    world.tell(orjson.dumps({"e": "ACCOUNT_CONFIG_UPDATE", "T": 1, **(part if where == "event" else {where: part})}))
    assert world.trader.risk.mode is Mode.HALTED


def test_case_105_a_position_kept_in_two_ways_halts() -> None:
    world = World().start(7)
    world.carry(world.trader.on_private(PositionReport(world.symbol, Decimal(1), 1, side="LONG"), world.moment()))
    assert world.trader.risk.mode is Mode.HALTED


@pytest.mark.venues("UP")
@pytest.mark.parametrize("deleverage", [False, True])
def test_case_106_a_liquidation_moves_the_position_and_is_said(deleverage: bool) -> None:
    world = World().start(7)
    world.submit(7, 1, price_tick=1002, qty=0.5)
    seen = world.submit(7, 2)
    world.settle()
    world.trade_desk.liquidate("a", "btcusdt", world.now_ns, deleverage=deleverage)
    world.run(20)
    world.settle()
    assert world.positions[-1].qty == 0 == world.true_position()
    assert seen.last.status is Status.CANCELED
    assert any("autoclose" in text for text in world.warnings)
    assert list(world.seen) == [(7, 1), (7, 2)]
    world.check()


@pytest.mark.parametrize("register", ["at once", "late"])
def test_a_position_that_was_closed_while_the_connector_was_down_is_told_as_none(register: str) -> None:
    world = World().start(7)
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    world.run(100)
    assert world.positions[-1].qty == 0.5
    bots, world.bots = world.bots, world.bots if register == "at once" else []
    world.hand(side="SELL", type="MARKET", quantity="0.5")
    world.kill(100)
    world.run(1_000)
    if register == "late":
        for bot, _ in bots:
            world.register(bot)
    assert world.positions[-1].qty == 0 == world.true_position()


@pytest.mark.venues("P")
@pytest.mark.parametrize("kind", ["CM order", "CM account", "margin order"])
def test_case_109_what_is_of_another_product_changes_nothing_even_with_equal_ids(kind: str) -> None:
    pushes: list[bytes] = []
    world = World().start(7)
    world.push_road = lambda push: [pushes.append(push) or 1.0]  # type: ignore[func-returns-value]
    seen = world.submit(7, 1)
    world.settle()
    world.trade("99.80", "0.4")
    world.run(50)
    before = (len(seen.events), list(world.positions), world.tracked(7, 1).filled)
    orders = [orjson.loads(push) for push in pushes if kind_of(push) == "TRADE"]
    if kind == "margin order":
        order = {**orders[-1]["o"], "X": "CANCELED", "x": "CANCELED"}
        world.tell(orjson.dumps({**order, "e": "executionReport", "E": orders[-1]["E"]}))
    elif kind == "CM order":
        order = {**orders[-1]["o"], "X": "FILLED", "z": "1", "l": "0.6", "t": 77}
        world.tell(orjson.dumps({**orders[-1], "fs": "CM", "o": order}))
    else:
        account = next(orjson.loads(push) for push in pushes if kind_of(push) == "ACCOUNT_UPDATE")
        account["a"]["P"][0]["pa"] = "9"
        world.tell(orjson.dumps({**account, "fs": "CM", "T": account["T"] + 1000}))
    assert (len(seen.events), list(world.positions), world.tracked(7, 1).filled) == before
    assert sum(world.trader.counts.unused.values()) == 1
    assert not world.warnings
    world.check()


@pytest.mark.venues("P")
@pytest.mark.parametrize("told", Told)
def test_case_104_the_exchange_may_tell_the_account_first_or_last(told: Told) -> None:
    world = World().start(7)
    kinds: list[str] = []
    world.exchange.private.account_told = told
    world.push_road = lambda push: [kinds.append(kind_of(push)) or 1.0]  # type: ignore[func-returns-value]
    world.submit(7, 1, price_tick=1002, qty=0.5)
    world.settle()
    wanted = ["ACCOUNT_UPDATE", "TRADE"] if told is Told.BEFORE else ["TRADE", "ACCOUNT_UPDATE"]
    assert kinds == ["NEW", *wanted]
    assert world.positions[-1].qty == 0.5
    world.check()


@pytest.mark.venues("P")
def test_case_052_a_modification_without_a_type_of_its_own_is_applied_once() -> None:
    world = World().start(7)
    kinds: list[str] = []
    world.push_road = lambda push: [kinds.append(kind_of(push)) or 1.0]  # type: ignore[func-returns-value]
    seen = world.submit(7, 1)
    world.settle()
    told = len(seen.events)
    world.modify(7, 1, 995, 2.0)
    world.settle()
    world.run(50)
    assert kinds == ["NEW", "NEW"]
    assert len(seen.events) == told + 1
    assert (seen.last.price_tick, seen.last.qty) == (995, 2.0)
    world.check()
