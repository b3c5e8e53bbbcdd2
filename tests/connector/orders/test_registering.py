"""What a bot that registers is told of its orders."""

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
