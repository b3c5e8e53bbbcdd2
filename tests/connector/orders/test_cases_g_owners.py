"""Cases 98 to 101: whose order it is (docs/trading.md)."""

import pytest
from connector.client_ids import digest_of
from marketlink.orders import Side, Status
from venue_sim.orders import Status as True_

from tests.connector.orders.world import World


@pytest.mark.parametrize("client_id", ["", "web_by_hand", "mm2" + "A" * 23, "m" + "A" * 23])
def test_case_098_orders_of_others_are_shown_and_never_touched(client_id: str) -> None:
    world = World().start(7)
    seen = world.submit(7, 1, price_tick=980)
    world.settle()
    named = {"newClientOrderId": client_id} if client_id else {}
    foreign = world.hand(price="99.00", quantity="2", **named)
    world.run(20)
    assert world.trader.counts.foreign == 1
    assert any("not of this connector" in text for text in world.notes)
    world.trade("98.90", "0.5")
    world.run(20)
    assert float(world.trader.positions[world.symbol].qty) == 0.5 == world.positions[-1].qty
    world.cut_stream(100)
    world.run(500)
    world.kill(100)
    world.run(500)
    assert list(world.seen) == [(7, 1)]
    assert seen.executed == 0.0
    assert world.stop()
    state = world.trading.orders[foreign["orderId"]]
    assert (state.status, float(state.executed)) == (True_.PARTIALLY_FILLED, 0.5)
    assert seen.last.status is Status.CANCELED


@pytest.mark.parametrize("prefixes", [("mm", "mm2"), ("mm2", "mm"), ("", "mm"), ("mm", "")])
def test_case_098_another_connector_of_the_account_keeps_its_orders(prefixes: tuple[str, str]) -> None:
    mine, other = prefixes
    world = World(prefix=mine).start(7)
    theirs = World(prefix=other).start(7)
    theirs.submit(7, 1)
    client_id = next(iter(theirs.trader.ledger.active))
    seen = world.submit(7, 1, price_tick=980)
    world.settle()
    foreign = world.hand(price="99.00", quantity="2", newClientOrderId=client_id)
    world.kill(100)
    world.run(500)
    world.settle()
    assert client_id not in world.trader.ledger.orders
    assert world.stop()
    assert world.trading.orders[foreign["orderId"]].status is True_.NEW
    assert seen.last.status is Status.CANCELED


def test_case_100_two_bots_with_equal_numbers_are_separate() -> None:
    world = World().start(7, 8)
    first = world.submit(7, 1, price_tick=990)
    second = world.submit(8, 1, price_tick=980, side=Side.BUY, qty=2.0)
    world.settle()
    world.trade("98.90", "0.4")
    world.run(20)
    assert (first.executed, second.executed) == (0.4, 0.0)
    world.cancel(8, 1)
    world.settle()
    assert (first.last.status, second.last.status) == (Status.PARTIALLY_FILLED, Status.CANCELED)
    assert {order.qty for order in first.events} == {1.0}
    assert {order.qty for order in second.events} == {2.0}
    world.kill(100)
    world.settle()
    world.modify(7, 1, 985, 3.0)
    world.settle()
    assert {order.qty for order in second.events} == {2.0}
    world.check()


def test_case_100_two_bots_whose_digests_meet_are_told_apart_by_a_refusal() -> None:
    digests: dict[int, int] = {}
    first, second = next(
        (digests[digest_of(bot)], bot)
        for bot in range(1, 1_000_000)
        if digests.setdefault(digest_of(bot), bot) != bot  # 30 bits meet after some ten thousand
    )
    world = World().start(first)
    assert world.trader.clash(second)
    assert not world.trader.clash(first)
    assert not world.trader.clash(first + 1)


def test_case_101_orders_of_a_bot_that_is_gone_rest_and_are_its_own_when_it_returns() -> None:
    world = World().start(7, 8)
    mine, other = world.submit(7, 1, price_tick=990), world.submit(8, 1, price_tick=980)
    world.settle()
    world.run(120_000)  # bot 7 says nothing for two minutes
    assert mine.last.status is other.last.status is Status.NEW
    assert [event.order.order_id for event in world.register(7)] == [1]
    world.check()
