"""Orders on Bybit in real processes, configured in the source's own words, over REST and over the order socket."""

import json
import signal

import pytest
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.orders import OrderType, Status, TimeInForce

from tests.rig import Rig
from tests.system.test_orders import KEYS, rest_twenty, rig, settled, statuses

__all__ = ["rig"]


def begin(rig: Rig, **settings: object) -> LiveBot:
    """Start with the keys of the source's example, and ours beside them."""
    accounts = ("--accounts", rig.folder / "accounts.toml")
    rig.exchange("--venue", "bybit", "--market", "synthetic", "--symbols", "btcusdt", "--message-limit", 0, *accounts)
    ws, rest = rig.addresses["ws"], rig.addresses["rest"]
    values = {
        "public_url": f"{ws}/v5/public/linear",
        "private_url": f"{ws}/v5/private",
        "trade_url": f"{ws}/v5/trade",
        "rest_url": rest,
        "category": "linear",
        **KEYS,
        **settings,
    }
    config = rig.folder / "connector.toml"
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    config.chmod(0o600)
    rig.start("connector", "connector", "bf", "bybit", config)
    rig.until(lambda: "compared with the exchange" in rig.log("connector", 200), 60, "the connector to be ready")
    bot = LiveBot([BotInstrument("bf", "BTCUSDT")], bot_id=7)
    rig.until(lambda: settled(bot) and bot.depth(0).confidence is Confidence.SYNCED, 30, "the book")
    return bot


@pytest.mark.parametrize("route", ["rest", "ws"])
def test_an_order_rests_is_modified_filled_and_cancelled_and_a_stop_leaves_nothing_open(rig: Rig, route: str) -> None:
    bot = begin(rig, order_route=route)
    if route == "ws":
        rig.until(lambda: "orders go over it" in rig.log("connector", 200), 30, "the order socket")
    bid = bot.depth(0).best_bid
    assert bot.submit_buy_order(0, 100, bid - 50, 0.01, TimeInForce.GTX, OrderType.LIMIT, True) == 0
    assert bot.orders(0)[100].status is Status.NEW
    assert bot.modify(0, 100, bid - 60, 0.02, True) == 0
    assert (bot.orders(0)[100].price, bot.orders(0)[100].qty) == (pytest.approx(bid - 60), 0.02)
    assert bot.cancel(0, 100, True) == 0
    assert bot.orders(0)[100].status is Status.CANCELED
    assert bot.submit_buy_order(0, 101, 0.0, 0.02, TimeInForce.GTC, OrderType.MARKET, True) == 0
    rig.until(lambda: settled(bot) and bot.position(0) == 0.02, 20, "the position")
    assert bot.orders(0)[101].status is Status.FILLED
    assert bot.submit_buy_order(0, 102, bid + 500, 0.01, TimeInForce.GTX, OrderType.LIMIT, True) == 0
    assert bot.orders(0)[102].status is Status.EXPIRED  # accepted, and then told that it would take
    rest_twenty(rig, bot)  # twice what the exchange takes in a second
    assert rig.end("connector", signal.SIGTERM, 30) == 0, rig.log("connector")
    assert statuses(rig) == ["CANCELED"] * 21 + ["EXPIRED", "FILLED"]
    log = rig.log("connector", 400)
    assert "protection is not enabled for this account" in log
    assert "10006" not in log


def test_protection_that_the_account_has_not_is_refused_when_it_is_demanded(rig: Rig) -> None:
    """Case 116."""
    accounts = ("--accounts", rig.folder / "accounts.toml")
    rig.exchange("--venue", "bybit", "--market", "synthetic", "--symbols", "btcusdt", *accounts)
    rig.connector(exchange="bybit", **{**KEYS, "dead_man_s": 10})
    assert rig.processes["connector"].wait(60) == 5, rig.log("connector")
    assert "watchdog" in rig.log("connector")
