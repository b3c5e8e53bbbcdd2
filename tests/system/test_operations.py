"""A person at a connector that trades, in real processes: halting it, and what bots then hear."""

import subprocess
import sys

import pytest
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.messages import LiveError
from marketlink.notices import OrderProblem, read_notice
from marketlink.orders import OrderType, Status, TimeInForce

from tests.conftest import ROOT
from tests.rig import Rig
from tests.system.test_orders import KEYS, rig, settled, start, statuses

__all__ = ["rig"]
told: list[LiveError] = []


@pytest.fixture(autouse=True)
def clear() -> None:
    told.clear()


def command(rig: Rig, *words: str) -> str:
    line = [sys.executable, "-m", "connector", *words]
    done = subprocess.run(line, cwd=ROOT, env=rig.environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusals() -> list[str]:
    notices = [read_notice(error) for error in told]
    return [one.text for one in notices if isinstance(one, OrderProblem)]


def test_a_halted_connector_lets_only_cancels_pass_and_says_why_also_after_a_restart(rig: Rig) -> None:
    start(rig).close()
    bot = LiveBot([BotInstrument("bf", "btcusdt")], bot_id=8, on_error=told.append)
    rig.until(lambda: settled(bot) and bot.depth(0).confidence is Confidence.SYNCED, 30, "the book")
    bid = bot.depth(0).best_bid
    for number in (1, 2):
        assert bot.submit_buy_order(0, number, bid - 50, 0.01, TimeInForce.GTC, OrderType.LIMIT, True) == 0
    assert "halted (the desk is away)" in command(rig, "halt", "bf", "--why", "the desk is away")
    bot.submit_buy_order(0, 3, bid - 50, 0.01, TimeInForce.GTC, OrderType.LIMIT, False)
    bot.modify(0, 1, bid - 60, 0.01, False)
    rig.until(lambda: settled(bot) and len(refusals()) == 2, 10, "two refusals")
    assert all("halted" in text and "the desk is away" in text for text in refusals())
    assert bot.cancel(0, 1, True) == 0
    assert bot.orders(0)[1].status is Status.CANCELED
    rig.processes["connector"].kill()
    rig.processes["connector"].wait(10)
    rig.connector(**KEYS, label="again")
    rig.until(lambda: "compared with the exchange" in rig.log("again", 99), 60, "the next connector")
    rig.until(lambda: settled(bot) and bot.depth(0).confidence is Confidence.SYNCED, 60, "the book")
    bot.submit_buy_order(0, 4, bid - 50, 0.01, TimeInForce.GTC, OrderType.LIMIT, False)
    rig.until(lambda: settled(bot) and len(refusals()) == 3, 10, "a refusal")
    command(rig, "resume", "bf")
    assert bot.submit_buy_order(0, 5, bid - 50, 0.01, TimeInForce.GTC, OrderType.LIMIT, True) == 0
    assert statuses(rig) == ["CANCELED", "NEW", "NEW"]
