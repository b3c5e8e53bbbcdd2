"""What clears the book when a process dies or stands still: the watchdog, the exchange's countdown, the connector for a dead bot."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from marketlink.bot import Confidence
from marketlink.orders import OrderType, Status, TimeInForce

from tests.conftest import ROOT
from tests.rig import Rig
from tests.system.test_ending import by_hand
from tests.system.test_orders import rest_twenty, rig, settled, start, statuses, told

__all__ = ["rig"]
SLACK_S = float(os.environ.get("SLACK_S", "3"))  # a busy machine needs more than the promise; 0 on a quiet one


def guard(rig: Rig) -> None:
    rig.start("watchdog", "connector", "watchdog", "bf", rig.folder / "connector.toml")
    rig.until(lambda: "INFO watchdog guarding" in rig.log("watchdog"), 60, "the watchdog")


def cleared_s(rig: Rig, began: float, *, within_s: float) -> float:
    rig.until(lambda: statuses(rig) == ["CANCELED"] * 20 + ["NEW"], within_s + SLACK_S, "the book to be cleared")
    return time.monotonic() - began


def test_a_killed_connectors_orders_are_cancelled_and_nobody_elses(rig: Rig) -> None:
    bot = start(rig)
    rest_twenty(rig, bot)
    by_hand(rig, bot)
    guard(rig)
    began = time.monotonic()
    rig.processes["connector"].kill()
    took_s = cleared_s(rig, began, within_s=2)
    print(f"cleared {took_s:.2f} s after SIGKILL")
    assert rig.processes["watchdog"].wait(60) == 6  # when nothing that was sent can arrive any more: recv_window_ms
    assert "the connector is dead" in rig.log("watchdog")


@pytest.mark.soak
def test_a_stopped_connectors_orders_are_cancelled_and_it_may_come_back(rig: Rig) -> None:
    bot = start(rig, watchdog="optional")
    rest_twenty(rig, bot)
    by_hand(rig, bot)
    guard(rig)
    rig.until(lambda: "a watchdog is there" in rig.log("connector", 99), 10, "the connector to see it")
    began = time.monotonic()
    process = rig.processes["connector"]
    process.send_signal(signal.SIGSTOP)
    took_s = cleared_s(rig, began, within_s=3 + 2)
    print(f"cleared {took_s:.2f} s after SIGSTOP")
    assert took_s > 2.5
    assert rig.processes["watchdog"].wait(60) == 6  # when nothing that was sent can arrive any more: recv_window_ms
    process.send_signal(signal.SIGCONT)
    rig.until(lambda: settled(bot) and bot.orders(0)[1].status is Status.CANCELED, 30, "the news of it")
    rig.until(lambda: "no watchdog is there" in rig.log("connector", 99), 10, "its absence to be said")
    rig.until(lambda: settled(bot) and bot.depth(0).confidence is Confidence.SYNCED, 60, "the book")
    assert bot.submit_buy_order(0, 99, bot.depth(0).best_bid - 50, 0.01, TimeInForce.GTC, OrderType.LIMIT, True) == 0
    assert bot.orders(0)[99].status is Status.NEW


def test_an_ordinary_end_is_none_of_its_business_and_a_required_one_is_waited_for(rig: Rig) -> None:
    bot = start(rig, watchdog="required", shutdown="keep")
    bid = bot.depth(0).best_bid
    bot.submit_buy_order(0, 1, bid - 50, 0.01, TimeInForce.GTC, OrderType.LIMIT, False)
    rig.until(lambda: settled(bot) and any("no watchdog is there" in str(error) for error in told), 10, "a refusal")
    guard(rig)
    rig.until(lambda: "a watchdog is there" in rig.log("connector", 99), 10, "the connector to see it")
    assert bot.submit_buy_order(0, 2, bid - 50, 0.01, TimeInForce.GTC, OrderType.LIMIT, True) == 0
    second = rig.start("second", "connector", "watchdog", "bf", rig.folder / "connector.toml")
    assert second.wait(60) == 3
    assert rig.end("connector") == 0
    rig.until(lambda: "has ended by itself" in rig.log("watchdog"), 10, "the end to be seen")
    assert rig.end("watchdog") == 0
    assert statuses(rig) == ["NEW"]


def test_the_exchange_cancels_when_nothing_is_heard_for_dead_man_s(rig: Rig) -> None:
    bot = start(rig, dead_man_s=4)
    rest_twenty(rig, bot)
    time.sleep(6)  # longer than the countdown: it is renewed
    assert statuses(rig) == ["NEW"] * 20
    rig.processes["connector"].send_signal(signal.SIGSTOP)
    rig.until(lambda: statuses(rig) == ["CANCELED"] * 20, 4 + 2 + SLACK_S, "the countdown")
    rig.processes["connector"].send_signal(signal.SIGCONT)


BOT = """
import sys, time
from marketlink.bot import Confidence, BotInstrument, LiveBot
from marketlink.orders import OrderType, TimeInForce
bot = LiveBot([BotInstrument("bf", "btcusdt")], bot_id=77)
while bot.depth(0).confidence is not Confidence.SYNCED:
    bot.elapse(10_000_000)
for number in (101, 102, 103):
    assert bot.submit_buy_order(0, number, bot.depth(0).best_bid - 70, 0.01, TimeInForce.GTC, OrderType.LIMIT, True) == 0
print("resting", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({"bot_timeout_s": 2}, ["CANCELED"] * 3 + ["NEW"] * 20),
        ({"orphans": "first_registrant"}, ["NEW"] * 23),
    ],
)
def test_orders_of_a_killed_bot_get_what_is_configured_and_others_are_untouched(
    rig: Rig, settings: dict[str, Any], end: list[str]
) -> None:
    bot = start(rig, **settings)
    rest_twenty(rig, bot)
    command = [sys.executable, "-c", BOT]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **rig.link}, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"resting\n"
        for _ in rig.polls(4):
            settled(bot)
        assert statuses(rig) == ["NEW"] * 23  # it lives
        other.kill()
    says = "are cancelled" if "bot_timeout_s" in settings else "belongs to bot 7"
    rig.until(lambda: settled(bot) and says in rig.log("connector", 99), 30, "the bot to be missed")
    rig.until(lambda: settled(bot) and statuses(rig) == end, 10, "its orders")
    assert [bot.orders(0)[number].status for number in range(4, 21)] == [Status.NEW] * 17
