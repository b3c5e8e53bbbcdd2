"""Cases 20 to 33: executions, each counted once (docs/trading.md)."""

import itertools

import orjson
import pytest
from connector.risk import Mode
from marketlink.orders import Side, Status
from marketlink.venues.trading import Op
from venue_sim.private_side import Quick

from tests.connector.orders.world import Seen, World, is_of_orders, kind_of


def live(**changes: object) -> tuple[World, Seen]:
    world = World().start(7)
    seen = world.submit(7, 1, **changes)  # type: ignore[arg-type]
    world.settle()
    return world, seen


@pytest.mark.parametrize("delays", [(1, 1), (1, 50), (50, 1)])
def test_case_020_a_fill_told_twice_counts_once(delays: tuple[float, float]) -> None:
    world, seen = live()
    world.push_road = lambda push: list(delays)
    world.trade("99.80", "0.4")
    world.run(200)
    assert [order.exec_qty for order in seen.events if order.exec_qty] == [0.4]
    assert (seen.last.status, seen.last.leaves_qty) == (Status.PARTIALLY_FILLED, 0.6)
    world.check()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("lite", [Quick.OFF, Quick.BEFORE])
def test_case_022_fills_in_any_order_are_all_counted(order: tuple[int, ...], lite: Quick) -> None:
    world, seen = live()
    world.exchange.private.quick = lite
    parts = ("0.2", "0.3", "0.5")
    for at, qty in enumerate(parts):
        delay = 10.0 + 20 * order.index(at)
        world.push_road = lambda push, delay=delay: [delay if is_of_orders(push) else 1.0]  # type: ignore[misc]
        world.trade("99.80", qty)
    world.run(300)
    world.settle()
    fills = [order.exec_qty for order in seen.events if order.exec_qty]
    assert sorted(fills) == [0.2, 0.3, 0.5]
    assert seen.last.status is Status.FILLED
    assert "PARTIALLY_FILLED" not in seen.statuses[seen.statuses.index("FILLED") :]
    world.check()


@pytest.mark.venues("U")
@pytest.mark.parametrize("quick", [Quick.BEFORE, Quick.AFTER])
@pytest.mark.parametrize("lost", ["", "TRADE", "TRADE_LITE"])
def test_case_023_the_quick_form_and_the_whole_one_are_one_fill(quick: Quick, lost: str) -> None:
    world, seen = live()
    world.exchange.private.quick = quick
    world.push_road = lambda push: [] if kind_of(push) == lost else [5]
    world.trade("99.80", "0.4")
    world.trade("99.80", "0.6")
    world.run(20)
    world.settle()
    assert [order.exec_qty for order in seen.events if order.exec_qty] == [0.4, 0.6]
    assert seen.last.status is Status.FILLED
    world.check()


@pytest.mark.parametrize("lost", [1, 2])
def test_case_028_a_missed_fill_is_fetched_once(lost: int) -> None:
    world, seen = live(qty=2.0)
    world.push_road = lambda push: []
    for _ in range(lost):
        world.trade("99.80", "0.3")
    world.travel()
    world.trade("99.80", "0.5")
    world.run(10)
    world.settle()
    assert sorted(order.exec_qty for order in seen.events if order.exec_qty) == [0.3] * lost + [0.5]
    assert seen.last.leaves_qty == pytest.approx(2.0 - 0.3 * lost - 0.5)
    world.check()


@pytest.mark.venues("UPS")
@pytest.mark.parametrize("qty", ["0.4", "1.0"])
def test_case_029_a_fill_after_the_end_is_counted_and_said(qty: str) -> None:
    world, seen = live()
    held: list[bytes] = []

    def hold(push: bytes) -> list[float]:
        if is_of_orders(push):
            held.append(push)
            return []
        return [1]

    world.push_road = hold
    client_id = world.tracked(7, 1).client_id
    world.trade("99.80", qty)
    false = orjson.loads(held[-1])
    false["o"].update(x="CANCELED", X="CANCELED", z="0", l="0", t=0, T=false["o"]["T"], n="0")
    world.tell(orjson.dumps(false))
    assert seen.statuses == ["NEW", "CANCELED"]
    for push in held:
        world.tell(push)
    whole = qty == "1.0"
    assert seen.executed == float(qty)
    assert seen.last.status is (Status.FILLED if whole else Status.CANCELED)
    assert world.trader.counts.remarks["executions after the end"] == 1
    assert any("after the end" in text and client_id in text for text in world.warnings)
    world.run(100)
    assert world.positions[-1].qty == float(qty) == world.true_position()


@pytest.mark.venues("UPS")
@pytest.mark.parametrize("qty", ["0.6", "1.0"])
def test_case_031_an_execution_beyond_the_quantity_is_judged_by_the_exchange(qty: str) -> None:
    world, seen = live()
    world.exchange.private.quick = Quick.OFF
    world.fault("overfill", stream="ORDER_TRADE_UPDATE.TRADE")
    world.trade("99.80", qty)
    world.run(10)
    world.settle()
    world.run(3_000)
    assert seen.executed == float(qty)
    if qty == "1.0":
        assert seen.last.status is Status.FILLED
    else:
        world.cancel(7, 1)
        world.settle()
        assert (seen.last.status, seen.last.leaves_qty) == (Status.CANCELED, pytest.approx(0.4))
    assert any("beyond" in text for text in world.warnings)
    world.check()


@pytest.mark.venues("UP")
@pytest.mark.parametrize("asked", ["nothing", "cancel", "modify"])
def test_case_033_an_order_that_the_exchange_shrinks_keeps_what_is_asked(asked: str) -> None:
    world = World().start(7)
    world.submit(7, 1, price_tick=1001)
    world.settle()
    world.trader.risk.mode, world.trader.risk.why = Mode.REDUCING, "by hand"
    seen = world.submit(7, 2, price_tick=1005, side=Side.SELL)
    world.settle()
    assert world.true_order(7, 2).new.reduce_only
    if asked != "nothing":
        world.request_road = lambda op, body: 100.0
        world.cancel(7, 2) if asked == "cancel" else world.modify(7, 2, 1006, 0.5)
    world.hand(side="SELL", type="MARKET", quantity="0.4")
    world.run(20)
    assert (seen.last.qty, seen.last.leaves_qty) == (0.6, 0.6)
    assert seen.last.req is {"nothing": Status.NONE, "cancel": Status.CANCELED, "modify": Status.REPLACED}[asked]
    world.travel()
    world.run(100)
    world.settle()
    if asked == "cancel":
        assert seen.last.status is Status.CANCELED
    else:
        assert (seen.last.qty, seen.last.price_tick) == ((0.6, 1005) if asked == "nothing" else (0.5, 1006))
    assert world.asks(Op.SUBMIT)[-1]["reduceOnly"] == "true"
    world.check()
