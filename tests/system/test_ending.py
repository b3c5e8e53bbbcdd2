"""How a connector with open orders ends, in real processes: what is cancelled, what is told, and with which code."""

import os
import signal
import time
from typing import Any

import pytest
from marketlink.bot import LiveBot
from marketlink.notices import Farewell, read_notice
from marketlink.orders import OrderType, Status, TimeInForce

from tests.rig import Rig
from tests.system.test_orders import rest_twenty, rig, settled, start, statuses, told

__all__ = ["rig"]


def hurt(rig: Rig, **fault: Any) -> None:
    rig.ask("faults", {"count": 0, **fault})


def farewells() -> int:
    return sum(isinstance(read_notice(error), Farewell) for error in told)


def by_hand(rig: Rig, bot: LiveBot) -> None:
    price = f"{bot.depth(0).best_bid - 500:.1f}"
    order = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": price,
        "quantity": "0.01",
    }
    rig.ask("order", method="POST", account="main", **order)


def test_with_slow_answers_and_a_submit_under_way_everything_is_cancelled_verified_and_told(rig: Rig) -> None:
    bot = start(rig)
    rest_twenty(rig, bot)
    by_hand(rig, bot)
    hurt(rig, kind="slow", op="orders", delay_s=2.0)
    bot.submit_buy_order(0, 21, bot.depth(0).best_bid - 99, 0.01, TimeInForce.GTC, OrderType.LIMIT, False)
    assert rig.end("connector", signal.SIGTERM, 30) == 0, rig.log("connector")
    rig.until(lambda: settled(bot) and farewells(), 10, "the farewell")
    told_of = [bot.orders(0)[number].status for number in range(1, 22)]
    assert set(told_of) <= {Status.CANCELED, Status.EXPIRED}
    assert told_of[:20] == [Status.CANCELED] * 20
    assert set(statuses(rig)) == {"CANCELED", "NEW"}
    assert statuses(rig).count("NEW") == 1  # the one by hand
    assert farewells() == 1
    assert isinstance(read_notice(told[-1]), Farewell)
    assert "nothing of this connector is open" in rig.log("connector")


def test_an_exchange_that_refuses_every_cancel_leaves_code_4_and_the_list_in_time(rig: Rig) -> None:
    bot = start(rig, shutdown_deadline_s=3)
    rest_twenty(rig, bot)
    for op in ("cancel", "batch_cancel"):
        hurt(rig, kind="error", op=op, code=-1000)
    began = time.monotonic()
    assert rig.end("connector", signal.SIGTERM, 30) == 4
    assert time.monotonic() - began < 3 + 4
    assert rig.log("connector", 200).count("left open, or not known to be closed: btcusdt buy") == 20
    rig.until(lambda: settled(bot) and farewells(), 10, "the farewell")
    assert statuses(rig) == ["NEW"] * 20


def test_a_second_signal_ends_it_at_once(rig: Rig) -> None:
    bot = start(rig, shutdown_deadline_s=30)
    rest_twenty(rig, bot)
    hurt(rig, kind="timeout", op="orders")
    process = rig.processes["connector"]
    process.send_signal(signal.SIGTERM)
    rig.until(lambda: "shutting down" in rig.log("connector"), 10, "the first signal")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 2
    assert os.path.exists(rig.folder)


@pytest.mark.parametrize(("shutdown", "own", "others"), [("keep", "NEW", "NEW"), ("all", "CANCELED", "CANCELED")])
def test_what_is_cancelled_at_the_end_is_configured(rig: Rig, shutdown: str, own: str, others: str) -> None:
    bot = start(rig, shutdown=shutdown)
    rest_twenty(rig, bot)
    by_hand(rig, bot)
    assert rig.end("connector", signal.SIGTERM, 30) == 0, rig.log("connector")
    assert statuses(rig) == sorted([own] * 20 + [others])
