"""Orders that only their bot knows of: the process that was to place them, or has, is gone with its record."""

import pytest
from marketlink.orders import Status
from marketlink.private import ForeignOrder, OrderEnd
from marketlink.venues.trading import Op

from tests.connector.orders.world import Seen, World


def lost_submit(world: World, number: int = 1) -> Seen:
    """What a bot holds whose submit nobody answers: its own record."""
    return world.seen.setdefault((7, number), Seen())


def test_one_that_never_left_is_told_as_over_once_the_exchange_has_proved_it() -> None:
    world = World().start(7)
    seen = lost_submit(world)
    world.kill(100)
    world.cancel(7, 1)
    assert (seen.problems[0].op, seen.problems[0].state, seen.last.req) == ("cancel", "refused", Status.NONE)
    assert seen.last.status is Status.NEW
    world.cancel(7, 1)
    world.settle(8_000)
    assert [one.status for one in seen.events if one.status is Status.EXPIRED] == [Status.EXPIRED]
    assert world.now_ms > 5_000, "a request of the killed process could have arrived until then"
    assert not world.asks(Op.CANCEL)
    ends = [one.event for one in world.told if isinstance(one.event, OrderEnd)]
    assert [(one.order_id, one.reason) for one in ends] == [(1, "it never arrived at the exchange")]
    world.check()


def test_in_a_process_that_runs_for_long_the_proof_takes_no_time() -> None:
    world = World().start(7)
    seen = lost_submit(world)
    world.kill(100)
    world.run(10_000)
    world.cancel(7, 1)
    world.settle(1_000)
    assert seen.last.status is Status.EXPIRED
    world.check()


def test_while_the_exchange_can_not_be_asked_nothing_is_said_to_be_over() -> None:
    world = World().start(7)
    seen = lost_submit(world)
    world.kill(100)
    world.run(10_000)
    world.answer_road = lambda op, body: None if op is Op.TRADES else 1.0
    world.cancel(7, 1)
    world.run(60_000)
    assert seen.last.status is Status.NEW
    world.answer_road = lambda op, body: 1.0
    world.settle(8_000)
    assert seen.last.status is Status.EXPIRED


@pytest.mark.parametrize("late_ms", [20.0, 1_500.0])
def test_one_still_on_its_way_is_found_when_it_arrives_and_cancelled(late_ms: float) -> None:
    world = World().start(7)
    world.request_road = lambda op, body: late_ms if op is Op.SUBMIT else 1.0
    seen = world.submit(7, 1)
    client_id = world.trader.ledger.find(7, "btcusdt", 1).client_id  # type: ignore[union-attr]
    world.records[:] = [one for one in world.records if one["t"] == "bot"]
    world.kill(5)
    world.cancel(7, 1)
    world.settle(8_000)
    assert seen.last.status is Status.CANCELED
    assert [one for one in world.true_orders() if one == client_id]
    assert not world.working()
    world.check()


@pytest.mark.parametrize("qty", ["0.4", "1.0"])
def test_one_that_executed_while_nobody_knew_of_it_is_told_with_its_executions(qty: str) -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.run(3)
    world.records[:] = [one for one in world.records if one["t"] == "bot"]
    world._close_stream()
    world.trader.streaming = False
    seen.events.clear()  # the answer never reached the bot
    seen.lives[:] = [0]
    world.trade("99.00", qty)
    if qty != "1.0":
        world.hand("DELETE", origClientOrderId=next(iter(world.true_orders())))
    world.kill(100)
    world.cancel(7, 1)
    world.settle(8_000)
    assert seen.executed == pytest.approx(float(qty))
    assert seen.last.status is (Status.FILLED if qty == "1.0" else Status.CANCELED)
    assert float(world.trader.positions["btcusdt"].qty) == world.true_position()


def test_one_that_is_found_by_its_id_alone_is_told_to_the_bot_that_is_there_already() -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.settle()
    world.records[:] = [one for one in world.records if one["t"] == "bot"]
    told = len(seen.events)
    world.kill(100, bots_first=True)
    world.run(2_000)
    assert [one.status for one in seen.events[told:]] == [Status.NEW]
    world.trade("99.00", "0.4")
    world.settle()
    assert seen.executed == pytest.approx(0.4)
    world.check()


def test_an_own_order_that_had_ended_before_is_nobody_elses() -> None:
    world = World().start(7)
    ended = world.submit(7, 1)
    world.settle()
    world.trade("99.00", "1.0")
    world.settle()
    assert ended.last.status is Status.FILLED
    seen = world.submit(7, 2)
    world.settle()
    world._close_stream()
    world.trade("99.00", "1.0")
    world.kill(100)
    world.settle(8_000)
    assert seen.last.status is Status.FILLED
    assert not [one for one in world.told if isinstance(one.event, ForeignOrder)]
    assert world.trader.counts.foreign == 0
    world.check()


def test_another_bots_order_of_the_number_and_strangers_executions_are_left_alone() -> None:
    world = World().start(7, 8)
    other = world.submit(8, 1)
    world.run(100)
    world.kill(100)
    world.run(10_000)
    world.by_hand("BUY", "1")
    seen = lost_submit(world)
    world.cancel(7, 1)
    world.settle(3_000)
    assert seen.last.status is Status.EXPIRED
    assert other.last.status is Status.NEW
    assert world.working() == {(8, 1)}
    world.check()


def test_a_bot_that_asks_is_told_that_its_submit_never_left() -> None:
    world = World().start(7)
    seen = lost_submit(world)
    world.kill(100)
    world.ask(7, 1)
    world.ask(7, 1)
    world.settle(8_000)
    assert [one.status for one in seen.events] == [Status.EXPIRED]
    assert [one.text for one in seen.problems] == ["it never arrived at the exchange"]
    assert world.now_ms > 5_000, "a request of the killed process could have arrived until then"
    assert not world.asks(Op.CANCEL)
    world.check()


@pytest.mark.parametrize("late_ms", [20.0, 1_500.0])
def test_a_bot_that_asks_is_told_of_the_order_that_arrived_and_it_stays(late_ms: float) -> None:
    world = World().start(7)
    world.request_road = lambda op, body: late_ms if op is Op.SUBMIT else 1.0
    seen = world.submit(7, 1)
    world.records[:] = [one for one in world.records if one["t"] == "bot"]
    world.kill(5)
    world.ask(7, 1)
    world.settle(8_000)
    assert seen.last.status is Status.NEW
    assert seen.last.exch_timestamp
    assert world.working() == {(7, 1)}
    assert not world.asks(Op.CANCEL)
    world.check()


def test_a_cancel_of_one_that_is_asked_about_goes_out_once_it_is_found() -> None:
    world = World().start(7)
    world.request_road = lambda op, body: 1_500.0 if op is Op.SUBMIT else 1.0
    seen = world.submit(7, 1)
    world.records[:] = [one for one in world.records if one["t"] == "bot"]
    world.kill(5)
    world.ask(7, 1)
    world.cancel(7, 1)
    world.settle(8_000)
    assert seen.last.status is Status.CANCELED
    assert not world.working()
    world.check()


def test_a_question_about_a_known_order_is_answered_at_once_and_asks_the_exchange_nothing() -> None:
    world = World().start(7)
    seen = world.submit(7, 1)
    world.settle()
    asked = len(world.asked)
    world.ask(7, 1)
    assert (seen.last.status, seen.last.req) == (Status.NEW, Status.NONE)
    world.cancel(7, 1)
    world.settle()
    world.check()
    told = len(seen.events)
    world.ask(7, 1)
    assert (len(seen.events), seen.last.status) == (told + 1, Status.CANCELED)
    assert len([one for one in world.asked[asked:] if one[1] is Op.QUERY]) == 0


def test_a_bot_that_was_never_known_may_ask_too_but_only_of_what_it_registered() -> None:
    world = World().start(7)
    world.run(10_000)
    seen = lost_submit(world)
    world.ask(8, 1)
    assert world.seen[(8, 1)].problems[-1].state == "refused"
    world.ask(7, 1)
    world.settle(1_000)
    assert seen.last.status is Status.EXPIRED


def test_a_cancel_that_comes_when_the_end_is_told_hears_of_the_end_and_nothing_else() -> None:
    world = World().start(7)
    world.run(10_000)
    seen = lost_submit(world)
    world.ask(7, 1)
    world.settle(1_000)
    for ask in (world.cancel, lambda bot, number: world.modify(bot, number, 998, 1.0)):
        ask(7, 1)
        assert seen.problems[-1].state == "ended"
    assert [one.status for one in seen.events] == [Status.EXPIRED]
