"""Cases 84 to 95: gaps of the account's stream, restarts, comparisons with the exchange (docs/trading.md)."""

import pytest
from connector.calls import Outcome, Replied
from connector.lifecycle import Phase
from marketlink.orders import OrderType, Side, Status
from marketlink.venues.trading import Op
from venue_sim.orders import Status as True_

from tests.connector.orders.world import TERMINAL, Seen, World


def rest(world: World, count: int, bots: tuple[int, ...] = (7,)) -> list[Seen]:
    seen = [world.submit(bot, number, price_tick=970 + number) for bot in bots for number in range(1, count + 1)]
    world.settle()
    return seen


@pytest.mark.parametrize("filled", [False, True])
def test_case_084_an_open_and_silent_stream_is_noticed(filled: bool) -> None:
    world = World().start(7)
    world.push_road = lambda push: []
    seen = world.submit(7, 1)
    world.run(20)
    opened = world.streams_opened
    if filled:
        world.trade("99.80", "0.4")
    world.run(10_200)
    assert world.streams_opened == opened + 1
    assert any("says nothing of it" in text for text in world.warnings)
    world.travel()
    world.run(200)
    world.settle()
    assert seen.executed == (0.4 if filled else 0.0)
    world.run(15_000)
    assert world.streams_opened == opened + 1  # one time is enough
    world.check()


def test_case_084_the_audit_finds_what_a_silent_stream_kept() -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.push_road = lambda push: []
    world.trade("99.80", "1.0")
    world.run(31_000)
    world.settle()
    assert (seen.last.status, seen.executed) == (Status.FILLED, 1.0)
    assert world.trader.positions[world.symbol].qty == 1
    world.check()


@pytest.mark.venues("UP")
@pytest.mark.parametrize("mode", ["once", "twice"])
def test_case_085_an_expired_key_is_one_reconnect_and_cancels_nothing(mode: str) -> None:
    world = World().start(7)
    seen = rest(world, 3)
    opened, compared = world.streams_opened, world.trader.reconcile.count
    world.fault("listen_key_expired", mode=mode)
    world.run(2_000)
    assert (world.streams_opened, world.trader.reconcile.count) == (opened + 1, compared + 1)
    assert [one.last.status for one in seen] == [Status.NEW] * 3
    assert not world.asks(Op.CANCEL, Op.CANCEL_ALL)
    world.trade("97.00", "5.0")  # the new stream speaks
    world.run(20)
    assert [one.last.status for one in seen] == [Status.FILLED] * 3
    world.check()


def test_case_087_fills_within_a_gap_are_recovered_once() -> None:
    world = World().start(7)
    seen = rest(world, 3)
    world.fault("disconnect_24h")
    world.stream_delay_ms = 5_000
    world.run(100)
    world.trade("97.20", "0.4")  # the best of the three, in part and then whole, and the next
    world.trade("97.10", "1.1")
    world.run(6_000)
    world.settle()
    world.run(1_000)
    assert [one.executed for one in seen] == [0.0, pytest.approx(0.5), 1.0]
    assert [one.last.status for one in seen] == [Status.NEW, Status.PARTIALLY_FILLED, Status.FILLED]
    assert float(world.trader.positions[world.symbol].qty) == world.true_position() == pytest.approx(1.5)
    assert not world.asks(Op.CANCEL, Op.CANCEL_ALL)
    world.check()


@pytest.mark.parametrize("how", ["filled", "cancelled", "expired"])
@pytest.mark.parametrize("query", ["works", "fails at first"])
def test_case_088_an_order_that_is_gone_after_a_gap_is_asked_about(how: str, query: str) -> None:
    world = World().start(7)
    seen = world.submit(7, 1, price_tick=1000)
    world.settle()
    world.cut_stream(2_000)
    world.run(1_000)
    if how == "filled":
        world.trade("99.90", "2.0")
    elif how == "cancelled":
        world.hand("DELETE", origClientOrderId=world.tracked(7, 1).client_id)
    else:
        prevention = {"selfTradePreventionMode": "EXPIRE_MAKER"}
        world.hand(side="SELL", price="100.00", quantity="1.5", **prevention)  # ends the maker
    if query != "works":
        world.instead[Op.QUERY] = [Replied(502, b"<html>")] * 3
    world.run(1_010)
    assert seen.last.status not in TERMINAL  # absence from the list decides nothing
    world.run(500)
    world.settle()
    ends = {"filled": Status.FILLED, "cancelled": Status.CANCELED, "expired": Status.EXPIRED}
    assert seen.last.status is ends[how]
    world.check()


def test_case_089_an_order_younger_than_the_list_is_not_missing() -> None:
    world = World().start(7)
    rest(world, 1)
    old: list[Outcome] = [Replied(200, b"[]")]
    world.trader.reconcile.start(world.moment().mono)
    world.instead[Op.OPEN_ORDERS] = old
    seen = world.submit(7, 9)  # on its way while the list without it is
    asked = len(world.asks(Op.QUERY))
    world.run(100)
    assert seen.last.status is Status.NEW
    assert seen.last.req is Status.NONE
    client_id = world.tracked(7, 9).client_id
    assert client_id not in [params.get("origClientOrderId") for params in world.asks(Op.QUERY)[asked:]]
    world.settle()
    world.check()


@pytest.mark.parametrize("dead_ms", [50, 5_000, 100_000])
def test_case_091_a_kill_with_twenty_orders_of_two_bots(dead_ms: float) -> None:
    world = World().start(7, 8)
    rest(world, 10, (7, 8))
    world.trade("97.80", "1.7")
    world.run(20)
    before = {key: (seen.last.leaves_qty, seen.last.status) for key, seen in world.seen.items()}
    sent = len(world.asks(Op.SUBMIT))
    world.kill(dead_ms)
    world.settle()
    assert len(world.asks(Op.SUBMIT)) == sent
    assert not world.asks(Op.CANCEL, Op.CANCEL_MANY, Op.CANCEL_ALL)
    for (bot, number), (leaves, status) in before.items():
        assert (world.seen[(bot, number)].last.leaves_qty, world.seen[(bot, number)].last.status) == (leaves, status)
        if status is not Status.FILLED:
            assert world.tracked(bot, number).bot_id == bot
    for bot in (7, 8):
        world.cancel(bot, 1)
    world.settle()
    assert all(world.seen[(bot, 1)].last.status is Status.CANCELED for bot in (7, 8))
    world.check()


@pytest.mark.parametrize("register_ms", [0, 3_000])
def test_case_092_fills_while_the_connector_was_down_are_delivered_once(register_ms: float) -> None:
    world = World().start(7)
    seen = rest(world, 3)
    world.trade("97.20", "0.4")
    world.run(20)
    bots, world.bots = world.bots, []
    world.kill(0)
    world.kill(0)
    world._close_stream()
    world.trade("97.00", "2.0")
    world.kill(1_000)
    world.run(register_ms)
    for bot, _ in bots:
        world.register(bot)
    world.run(500)
    world.settle()
    assert [one.executed for one in seen] == [pytest.approx(0.4), 1.0, 1.0]
    assert float(world.trader.positions[world.symbol].qty) == world.true_position()
    world.check()


def test_case_092_a_submit_in_flight_at_the_kill_is_found_or_proven_absent() -> None:
    for arrives in (True, False):
        world = World().start(7)
        world.request_road = lambda op, body, arrives=arrives: (5.0 if arrives else None) if op is Op.SUBMIT else 1.0  # type: ignore[misc]
        seen = world.submit(7, 1)
        world.kill(500)
        world.settle(6_000)
        assert seen.last.status is (Status.NEW if arrives else Status.EXPIRED)
        world.check()


def test_case_094_a_bot_that_restarts_has_its_orders_again() -> None:
    world = World().start(7)
    rest(world, 3)
    world.bots.clear()
    found = world.register(7)
    assert sorted(event.order.order_id for event in found) == [1, 2, 3]
    assert all((event.order.status, event.order.req) == (Status.NEW, Status.NONE) for event in found)


def test_case_094_another_id_does_not_have_them_and_they_rest() -> None:
    world = World().start(7)
    rest(world, 3)
    assert world.register(1_234_567) == []
    world.cancel(1_234_567, 1)
    world.settle()
    assert world.seen[(1_234_567, 1)].states == ["refused"]
    assert [state.status for state in world.true_orders().values()] == [True_.NEW] * 3


def test_case_095_a_second_comparison_finds_nothing() -> None:
    world = World().start(7)
    rest(world, 3)
    world.submit(7, 9, order_type=OrderType.MARKET, side=Side.SELL, qty=0.5)
    world.cut_stream(1_000)
    world.run(500)
    world.trade("97.20", "0.4")
    world.run(2_000)
    world.settle()
    events = {key: list(seen.events) for key, seen in world.seen.items()}
    positions, remarks, records = list(world.positions), dict(world.trader.counts.remarks), list(world.records)
    world.trader.reconcile.start(world.moment().mono)
    world.run(500)
    assert not world.trader.reconcile.running
    assert {key: seen.events for key, seen in world.seen.items()} == events
    assert (world.positions, world.trader.counts.remarks, world.records) == (positions, remarks, records)
    assert all(one.phase is Phase.LIVE for one in world.trader.ledger.active.values())
    world.check()
