"""What a bot that registers is told of its orders."""

from connector.lifecycle import Phase
from marketlink.orders import OrderType, Status

from tests.connector.orders.world import World


def test_a_bot_that_registers_again_is_told_the_ends_that_it_may_have_lost() -> None:
    world = World().start(7, 8)
    for number in (1, 2, 3):
        world.submit(7, number)
    world.submit(8, 1)
    world.run(100)
    world.cancel(7, 2)
    world.trade("99.90", "3.000")  # two lots stand before ours
    world.settle()
    assert world.seen[7, 1].last.status is Status.FILLED
    again = world.register(7)
    assert {event.order.order_id: event.order.status for event in again} == {
        1: Status.FILLED,
        2: Status.CANCELED,
        3: Status.NEW,
    }
    assert not any(event.order.exec_qty for event in again), "what was executed was told"
    assert [event.order.order_id for event in world.register(8)] == [1]


def test_a_bot_that_registers_first_is_told_what_works_only() -> None:
    world = World().start(7)
    world.submit(7, 1)
    world.run(50)
    world.cancel(7, 1)
    world.submit(7, 2)
    world.settle()
    world.kill()
    assert [(event.order.order_id, event.order.status) for event in world.trader.working(7, "btcusdt")] == [
        (2, Status.NEW)
    ]


def test_a_position_that_was_closed_while_nothing_was_heard_is_found_closed() -> None:
    world = World().start(7)
    world.submit(7, 1, order_type=OrderType.MARKET)
    world.settle()
    assert world.positions[-1].qty == 1.0
    world.cut_stream(2_000)
    world.by_hand("SELL", "1")
    world.run(3_000)
    world.settle()
    assert world.positions[-1].qty == 0.0
    world.check()


def test_what_an_earlier_process_left_is_cancelled_at_registration_only_where_that_is_configured() -> None:
    for wanted, phase in ((True, Phase.ENDED), (False, Phase.LIVE)):
        world = World(cancel_on_register=wanted).start(7)
        world.submit(7, 1)
        world.settle()
        world.kill()
        world.submit(7, 2, price_tick=998)
        world.settle()
        world.run(500)
        found = {one.order_id: one.phase for one in world.trader.ledger.orders.values()}
        assert found == {1: phase, 2: Phase.LIVE}
        world.check()
