"""Orders through real processes: a bot on shared memory, the connector, the simulated exchange on sockets."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.link.iceoryx import IceoryxPrivatePort
from marketlink.messages import LiveError
from marketlink.notices import Farewell, read_notice
from marketlink.orders import OrderType, Status, TimeInForce
from marketlink.private import Execution

from tests.rig import Rig

ACCOUNTS = """[[account]]
name = "main"
api_key = "key"
secret = "secret"
balance = "1000000"
"""


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with Rig() as rig:
        for name, value in rig.link.items():
            monkeypatch.setenv(name, value)
        (rig.folder / "accounts.toml").write_text(ACCOUNTS)
        yield rig


KEYS: dict[str, Any] = {
    "api_key": "key",
    "secret": "secret",
    "order_prefix": "mm",
    "order_timeout_s": 20,  # this machine may be busy, and what is slow here is no fault
    "recv_window_ms": 20_000,
}
told: list[LiveError] = []


def start(rig: Rig, face: str = "usdm", **settings: Any) -> LiveBot:
    told.clear()
    accounts = ("--accounts", rig.folder / "accounts.toml")
    rig.exchange("--venue", face, "--market", "synthetic", "--symbols", "btcusdt", *accounts)
    rig.connector(**{**KEYS, **settings})
    ready = "compared with the exchange"
    rig.until(lambda: ready in rig.log("connector", 200), 60, "the connector to be ready to trade")
    bot = LiveBot([BotInstrument("bf", "btcusdt")], bot_id=7, on_error=told.append)
    rig.until(lambda: settled(bot) and bot.depth(0).confidence is Confidence.SYNCED, 30, "the book")
    return bot


def settled(bot: LiveBot) -> bool:
    """Take in what there is; whether nothing is asked of any order."""
    bot.elapse(10_000_000)
    return all(order.req is Status.NONE for order in bot.orders(0).values())


def statuses(rig: Rig) -> list[str]:
    return sorted(order["status"] for order in rig.ask("orders"))


def rest_twenty(rig: Rig, bot: LiveBot) -> None:
    bid = bot.depth(0).best_bid
    for number in range(1, 21):
        assert bot.submit_buy_order(0, number, bid - 100 - number, 0.01, TimeInForce.GTC, OrderType.LIMIT, False) == 0
    rig.until(lambda: settled(bot), 20, "20 orders")
    assert all(bot.orders(0)[number].status is Status.NEW for number in range(1, 21))


def test_an_order_rests_is_modified_and_cancelled(rig: Rig) -> None:
    bot = start(rig)
    bid = bot.depth(0).best_bid
    assert bot.submit_buy_order(0, 1, bid - 50, 0.01, TimeInForce.GTX, OrderType.LIMIT, True) == 0
    assert bot.orders(0)[1].status is Status.NEW
    assert bot.modify(0, 1, bid - 60, 0.02, True) == 0
    assert (bot.orders(0)[1].price, bot.orders(0)[1].qty) == (pytest.approx(bid - 60), 0.02)
    assert bot.cancel(0, 1, True) == 0
    assert bot.orders(0)[1].status is Status.CANCELED
    assert statuses(rig) == ["CANCELED"]


def test_a_market_order_moves_the_position(rig: Rig) -> None:
    bot = start(rig)
    reader = IceoryxPrivatePort("bf")
    assert bot.submit_sell_order(0, 1, 0.0, 0.02, TimeInForce.GTC, OrderType.MARKET, True) == 0
    rig.until(lambda: settled(bot) and bot.position(0) == -0.02, 10, "the position")
    assert bot.orders(0)[1].status is Status.FILLED
    assert bot.own_position(0) == pytest.approx(-0.02)
    told_of: dict[str, Execution] = {}
    true = {str(one["id"]): one for one in rig.ask("trades")}
    for _ in rig.polls(10):
        told_of |= {
            event.trade_id: event
            for event in reader.receive()
            if isinstance(event, Execution) and event.fee is not None
        }
        if set(told_of) == set(true):
            break
    reader.close()
    assert {key: float(event.qty) for key, event in told_of.items()} == {
        key: float(one["quantity"]) for key, one in true.items()
    }
    assert {event.bot_id for event in told_of.values()} == {7}


def test_a_stop_leaves_nothing_open(rig: Rig) -> None:
    bot = start(rig)
    rest_twenty(rig, bot)
    assert rig.end("connector", signal.SIGTERM) == 0, rig.log("connector")
    rig.until(
        lambda: settled(bot) and any(isinstance(read_notice(error), Farewell) for error in told), 10, "the farewell"
    )
    assert all(bot.orders(0)[number].status is Status.CANCELED for number in range(1, 21))
    assert statuses(rig) == ["CANCELED"] * 20


def test_a_kill_loses_no_order_and_no_owner(rig: Rig) -> None:
    bot = start(rig)
    rest_twenty(rig, bot)
    os.kill(rig.processes["connector"].pid, signal.SIGKILL)
    rig.processes["connector"].wait()
    rig.connector(**KEYS, label="again")
    ready = "compared with the exchange"  # until then the bot may look at what the dead one left, and ask nobody
    rig.until(lambda: settled(bot) and ready in rig.log("again", 200) and not bot.unsure(0), 60, "the new connector")
    assert bot.cancel(0, 5, True) == 0
    assert bot.orders(0)[5].status is Status.CANCELED
    assert statuses(rig) == ["CANCELED"] + ["NEW"] * 19
