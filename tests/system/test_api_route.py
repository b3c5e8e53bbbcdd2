"""Orders over the WebSocket API, in real processes: the same ends as over REST, and what is unknown when the connection dies."""

import signal
from typing import Any

from marketlink.bot import LiveBot
from marketlink.orders import OrderType, Status, TimeInForce

from tests.rig import Rig
from tests.system.test_orders import KEYS, rest_twenty, rig, settled, start, statuses

__all__ = ["rig"]


def start_ws(rig: Rig, **settings: Any) -> LiveBot:
    rig.exchange("--market", "synthetic", "--symbols", "btcusdt", "--accounts", rig.folder / "accounts.toml")
    route = {"order_route": "ws", "trade_ws_url": f"{rig.addresses['ws']}/ws-fapi/v1"}
    rig.exchange = lambda *_: None  # type: ignore[method-assign]  # it is there
    bot = start(rig, **route, **settings)
    rig.until(lambda: "orders go over it" in rig.log("connector", 99), 30, "the WebSocket API")
    return bot


def submit(bot: LiveBot, number: int, wait: bool = True) -> None:
    price = bot.depth(0).best_bid - 50 - number
    assert bot.submit_buy_order(0, number, price, 0.01, TimeInForce.GTX, OrderType.LIMIT, wait) == 0


def test_an_order_lives_over_the_websocket_api_alone(rig: Rig) -> None:
    bot = start_ws(rig)
    submit(bot, 1)
    assert bot.orders(0)[1].status is Status.NEW
    assert bot.modify(0, 1, bot.depth(0).best_bid - 80, 0.02, True) == 0
    assert bot.orders(0)[1].qty == 0.02
    assert bot.cancel(0, 1, True) == 0
    assert statuses(rig) == ["CANCELED"]
    answers = [one["messages_sent"] for one in rig.state()["connections"] if not one["streams"]]
    assert 3 in answers
    assert rig.end("connector", signal.SIGTERM) == 0


def test_more_messages_than_the_connection_takes_go_by_rest_and_none_is_lost(rig: Rig) -> None:
    bot = start_ws(rig)
    rest_twenty(rig, bot)
    assert statuses(rig) == ["NEW"] * 20
    assert "the WebSocket API:" not in rig.log("connector", 200)  # never closed for too many
    assert rig.end("connector", signal.SIGTERM) == 0
    assert statuses(rig) == ["CANCELED"] * 20


def test_a_connection_that_dies_with_requests_open_leaves_all_unknown_and_sends_none_again(rig: Rig) -> None:
    """Case 79."""
    bot = start_ws(rig, recv_window_ms=3000, order_timeout_s=30)
    rig.ask("faults", {"kind": "timeout", "op": "submit", "count": 6})
    rig.ask("faults", {"kind": "timeout", "op": "submit", "count": 4, "executed": True})
    for numbers in (range(1, 6), range(6, 11)):  # not more in a second than the connection takes
        for number in numbers:
            submit(bot, number, wait=False)
        for _ in rig.polls(1.5):
            bot.elapse(10_000_000)
    assert all(bot.orders(0)[number].req is Status.NEW for number in range(1, 7))
    rig.ask("faults", {"kind": "reset", "stream": "api"})
    rig.until(lambda: "10 requests are without an answer" in rig.log("connector", 99), 10, "the end of the connection")
    rig.until(lambda: settled(bot), 40, "every order's fate")
    ends = [bot.orders(0)[number].status for number in range(1, 11)]
    assert sorted(end.name for end in ends) == ["EXPIRED"] * 6 + ["NEW"] * 4
    assert statuses(rig) == ["NEW"] * 4
    rig.until(lambda: rig.log("connector", 200).count("orders go over it") == 2, 20, "the next connection")
    submit(bot, 20)
    assert statuses(rig) == ["NEW"] * 5


def test_a_test_exchange_without_the_address_of_its_api_is_refused(rig: Rig) -> None:
    rig.addresses = {"ws": "ws://127.0.0.1:9", "rest": "http://127.0.0.1:9"}
    assert rig.connector(**KEYS, order_route="ws").wait(60) == 2
    assert "trade_ws_url" in rig.log("connector")
