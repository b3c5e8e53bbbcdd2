"""A bot that trades, on the in-memory link with a scripted connector."""

from dataclasses import replace

import pytest
from marketlink.bot import ALL_ASSETS, BotInstrument, Code, Confidence, LiveBot
from marketlink.clock import ManualClock
from marketlink.link.port import MemoryLink
from marketlink.messages import LiveError, RegisterInstrument, SubmitOrder
from marketlink.notices import OrderProblem, read_notice
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

from tests.marketlink.bot.scripted import BOT, MS, Market, open_bot

GTC, GTX, LIMIT = TimeInForce.GTC, TimeInForce.GTX, OrderType.LIMIT
SECOND = 1000 * MS


@pytest.fixture
def market() -> Market:
    return Market(ManualClock())


def test_submit_sends_one_request_and_its_answer_makes_the_order_cancellable(market: Market) -> None:
    bot = open_bot(market, "btcusdt")
    assert bot.submit_buy_order(0, 5, 99.9, 1.0, GTX, LIMIT, False) is Code.OK
    mine = bot.orders(0)[5]
    assert (mine.price, mine.side, mine.status, mine.req, mine.time_in_force) == (
        100.0,
        Side.BUY,
        Status.NEW,
        Status.NEW,
        GTX,
    )
    assert bot.wait_order_response(0, 5, SECOND) is Code.ORDER_RESPONSE
    sent = [one for one in market.requests if isinstance(one, SubmitOrder)]
    assert sent == [SubmitOrder("btcusdt", mine)]
    assert bot.orders(0)[5].cancellable
    latency = bot.order_latency(0)
    assert latency is not None
    assert latency[0] == mine.local_timestamp
    assert latency[0] <= latency[1] <= latency[2]


def test_waiting_for_the_answer_is_ok_whatever_the_answer(market: Market) -> None:
    bot = open_bot(market, "btcusdt")
    assert bot.submit_sell_order(0, 5, 101.0, 1.0, GTC, LIMIT, True) is Code.OK
    assert bot.orders(0)[5].status is Status.NEW
    market.refuse = True
    assert bot.cancel(0, 5, True) is Code.OK
    assert bot.orders(0)[5].cancellable, "a refused cancel leaves the order as it was"
    assert bot.modify(0, 5, 102.0, 2.0, True) is Code.OK
    assert (bot.orders(0)[5].price, bot.orders(0)[5].qty) == (101.0, 1.0)
    assert bot.submit_buy_order(0, 6, 101.0, 1.0, GTX, LIMIT, True) is Code.OK
    assert bot.orders(0)[6].status is Status.EXPIRED
    market.refuse = False
    assert bot.modify(0, 5, 102.0, 2.0, True) is Code.OK
    assert (bot.orders(0)[5].price, bot.orders(0)[5].qty, bot.orders(0)[5].req) == (102.0, 2.0, Status.NONE)
    assert bot.cancel(0, 5, True) is Code.OK
    assert bot.orders(0)[5].status is Status.CANCELED


def test_an_answer_that_does_not_come_is_a_timeout_and_the_order_stays_asked(market: Market) -> None:
    market.silent = True
    bot = open_bot(market, "btcusdt", answer_timeout=2 * SECOND)
    start = market.clock.mono_ns()
    assert bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True) is Code.TIMEOUT
    assert 2 * SECOND <= market.clock.mono_ns() - start < 3 * SECOND
    assert bot.orders(0)[5].req is Status.NEW


def test_unknown_is_no_answer_and_an_error_with_the_id_is_one(market: Market) -> None:
    bot = open_bot(market, "btcusdt", answer_timeout=SECOND)
    bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True)
    market.problem = OrderProblem("btcusdt", 5, "no answer; asking", "cancel", state="unknown")
    assert bot.cancel(0, 5, True) is Code.TIMEOUT
    assert (bot.orders(0)[5].req, bot.unsure(0)) == (Status.CANCELED, {5})
    market.problem = OrderProblem("btcusdt", 5, "no such order here", "cancel", state="gone")
    assert bot.cancel(0, 5, True) is Code.OK
    assert (bot.orders(0)[5].req, bot.orders(0)[5].status, bot.unsure(0)) == (Status.NONE, Status.NEW, {5})
    market.update("btcusdt", 5, status=Status.CANCELED)
    bot.elapse(5 * MS)
    assert (bot.orders(0)[5].status, bot.unsure(0)) == (Status.CANCELED, set())


def test_codes_of_requests_that_can_not_be(market: Market) -> None:
    bot = open_bot(market, "btcusdt")
    assert bot.cancel(0, 5, False) == 12
    bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, False)
    assert bot.submit_sell_order(0, 5, 100.0, 1.0, GTC, LIMIT, False) == 10
    assert bot.cancel(0, 5, False) == 14
    assert bot.modify(0, 5, 100.0, 1.0, False) == 14
    assert [bot.cancel(at, 5, False) for at in (1, -1)] == [16, 16]
    assert bot.submit_buy_order(1, 6, 100.0, 1.0, GTC, LIMIT, False) == 16
    assert bot.modify(1, 5, 100.0, 1.0, False) == 16
    assert len([one for one in market.requests if isinstance(one, SubmitOrder)]) == 0
    with pytest.raises(ValueError, match="order 6: the quantity is nan"):
        bot.submit_buy_order(0, 6, 100.0, float("nan"), GTC, LIMIT, False)
    assert 6 not in bot.orders(0)


def test_an_order_needs_a_known_tick(market: Market) -> None:
    link = MemoryLink()
    bot = LiveBot([BotInstrument("bf", "btcusdt")], open_port=lambda name: link.bot(BOT), clock=market.clock)
    with pytest.raises(ValueError, match="tick size of btcusdt is not known"):
        bot.submit_buy_order(0, 6, 100.0, 1.0, GTC, LIMIT, False)


def test_fills_add_up_and_the_accounts_position_is_another_thing(market: Market) -> None:
    market.positions["btcusdt"] = 7.0
    bot = open_bot(market, "btcusdt")
    bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True)
    bot.submit_sell_order(0, 6, 101.0, 1.0, GTC, LIMIT, True)
    market.fill("btcusdt", 5, 0.25)
    market.fill("btcusdt", 5, 0.75)
    market.fill("btcusdt", 6, 0.5)
    bot.elapse(5 * MS)
    assert (bot.position(0), bot.own_position(0)) == (7.0, 0.5)
    values = bot.state_values(0)
    assert (values.position, values.num_trades, values.trading_volume) == (7.0, 3, 1.5)
    assert (values.balance, values.trading_value, values.fee) == (-49.5, 150.5, 0.0)
    bot.clear_inactive_orders(0)
    assert list(bot.orders(0)) == [6]


def test_a_feed_wait_ends_with_an_order_only_if_asked(market: Market) -> None:
    bot = open_bot(market, "btcusdt", "ethusdt", capacity=4)
    bot.submit_buy_order(1, 5, 100.0, 1.0, GTC, LIMIT, False)
    assert bot.wait_next_feed(True, timeout=SECOND) is Code.ORDER_RESPONSE
    bot.cancel(1, 5, False)
    assert bot.wait_next_feed(False, timeout_ns=50 * MS) is Code.OK
    market.print_trade("ethusdt")
    assert bot.wait_next_feed(include_order_resp=True, timeout=SECOND) is Code.MARKET_FEED
    market.print_trade("btcusdt")
    bot.elapse(duration=5 * MS)
    assert [len(bot.last_trades(number)) for number in (0, 1)] == [1, 1]
    bot.clear_last_trades(ALL_ASSETS)
    assert [len(bot.last_trades(number)) for number in (0, 1)] == [0, 0]
    assert bot.wait_order_response(asset_no=0, order_id=5, timeout=10 * MS) is Code.OK, "the other instrument's order"
    assert bot.elapse(duration_ns=0) is bot.elapse_bt(5) is Code.OK
    with pytest.raises(TypeError, match="one time"):
        bot.elapse()


def test_equal_ids_of_two_instruments_are_two_orders(market: Market) -> None:
    bot = open_bot(market, "btcusdt", "ethusdt")
    bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True)
    bot.submit_sell_order(1, 5, 100.0, 1.0, GTC, LIMIT, True)
    bot.cancel(0, 5, True)
    assert (bot.orders(0)[5].status, bot.orders(1)[5].status) == (Status.CANCELED, Status.NEW)
    bot.clear_inactive_orders(ALL_ASSETS)
    assert (len(bot.orders(0)), len(bot.orders(1))) == (0, 1)


def test_a_restart_asks_for_what_worked_and_never_invents_an_end(market: Market) -> None:
    bot = open_bot(market, "btcusdt")
    for order_id in (1, 2):
        bot.submit_buy_order(0, order_id, 100.0, 1.0, GTC, LIMIT, True)
    bot.submit_buy_order(0, 3, 100.0, 1.0, GTC, LIMIT, False)  # dies with the connector
    del market.orders["btcusdt", 2]  # ended while the connector was away, as it does not know yet
    market.restart()
    bot.elapse(5 * MS)
    assert market.requests[-2] == RegisterInstrument("btcusdt", 0.5, 0.25)
    assert market.requests[-1] == SubmitOrder("btcusdt", replace(bot.orders(0)[3], status=Status.NEW))
    assert bot.depth(0).confidence is Confidence.SYNCED
    assert bot.unsure(0) == {2}
    assert [order.status for order in bot.orders(0).values()] == [Status.NEW, Status.NEW, Status.EXPIRED]
    bot.clear_inactive_orders(0)
    assert set(bot.orders(0)) == {1, 2}
    market.orders["btcusdt", 2] = bot.orders(0)[2]
    market.fill("btcusdt", 2, 1.0)
    bot.elapse(5 * MS)
    assert (bot.orders(0)[2].status, bot.own_position(0), bot.unsure(0)) == (Status.FILLED, 1.0, set())


def test_a_bot_with_the_id_of_before_gets_its_orders_back(market: Market) -> None:
    first = open_bot(market, "btcusdt")
    first.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True)
    market.fill("btcusdt", 5, 0.25)
    assert first.close() is Code.OK
    again = open_bot(market, "btcusdt")
    assert (again.orders(0)[5].leaves_qty, again.own_position(0)) == (0.75, 0.0)
    assert again.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, False) is Code.ORDER_ID_EXIST
    assert again.cancel(0, 5, True) is Code.OK
    with pytest.raises(ValueError, match="bot_id or open_port"):
        LiveBot([BotInstrument("bf", "x")], bot_id=3, open_port=lambda name: MemoryLink().bot(3))


def test_close_waits_for_the_cancels_and_not_for_ever(market: Market) -> None:
    bot = open_bot(market, "btcusdt")
    for order_id in (1, 2):
        bot.submit_buy_order(0, order_id, 100.0, 1.0, GTC, LIMIT, True)
    bot.cancel(0, 1, False)
    bot.stop()
    assert bot.close() is Code.OK
    assert market.orders["btcusdt", 1].status is Status.CANCELED
    assert market.orders["btcusdt", 2].status is Status.NEW, "what was not canceled stays"
    assert bot.close() is Code.OK

    silent = open_bot(market, "btcusdt", close_timeout=SECOND)
    silent.cancel(0, 2, False)
    market.silent = True
    start = market.clock.mono_ns()
    assert silent.close() is Code.TIMEOUT
    assert SECOND <= market.clock.mono_ns() - start < 2 * SECOND

    lonely = open_bot(market, "btcusdt")
    lonely.cancel(0, 2, False)
    market.port.close()
    start = market.clock.mono_ns()
    lonely.close()
    assert market.clock.mono_ns() == start, "waited for nobody"


def test_the_order_hook_sees_before_and_after_and_may_end_the_wait(market: Market) -> None:
    seen: list[tuple[Order | None, Order]] = []
    bot = open_bot(market, "btcusdt", on_order=lambda before, now: seen.append((before, now)))
    bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True)
    market.fill("btcusdt", 5, 1.0)
    market.fill("btcusdt", 5, 0.0)
    bot.elapse(5 * MS)
    assert [(before and before.req, now.status) for before, now in seen] == [
        (Status.NEW, Status.NEW),
        (Status.NONE, Status.FILLED),
    ], "an event after the end is not told"

    class Enough(Exception):
        pass

    def enough(before: Order | None, now: Order) -> None:
        raise Enough

    strict = open_bot(market, "ethusdt", on_order=enough)
    with pytest.raises(Enough):
        strict.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True)


def test_problems_reach_the_error_handler_as_they_are(market: Market) -> None:
    told: list[LiveError] = []
    bot = open_bot(market, "btcusdt", on_error=told.append)
    market.problem = OrderProblem("btcusdt", 5, "Margin is insufficient.", "submit", -2019, "mm1", "refused")
    bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, False)
    bot.elapse(5 * MS)
    assert [read_notice(error) for error in told] == [market.problem]
    assert bot.orders(0)[5].req is Status.NEW, "the order event says what became of it"


def test_stop_ends_a_wait_for_an_answer(market: Market) -> None:
    market.silent = True
    bot = open_bot(market, "btcusdt")
    bot.stop()
    assert bot.submit_buy_order(0, 5, 100.0, 1.0, GTC, LIMIT, True) is Code.END_OF_DATA
