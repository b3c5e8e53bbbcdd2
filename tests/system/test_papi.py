"""Portfolio Margin in real processes: a bot, the connector, a watchdog, and the simulated exchange on one port for both its hosts."""

import os
import signal

import pytest
from marketlink.bot import LiveBot
from marketlink.orders import OrderType, Status, TimeInForce

from tests.rig import ROOT, Rig
from tests.system.test_orders import KEYS, rest_twenty, rig, settled, start, statuses

__all__ = ["rig"]


def begin(rig: Rig) -> LiveBot:
    return start(rig, "papi", exchange="binancepapi")


def test_an_order_rests_is_modified_filled_and_cancelled_and_a_stop_leaves_nothing_open(rig: Rig) -> None:
    bot = begin(rig)
    log = rig.log("connector", 200)
    assert "order limits: 1200 in 60 s" in log
    bid = bot.depth(0).best_bid
    assert bot.submit_buy_order(0, 100, bid - 50, 0.01, TimeInForce.GTX, OrderType.LIMIT, True) == 0
    assert bot.modify(0, 100, bid - 60, 0.02, True) == 0
    assert (bot.orders(0)[100].price, bot.orders(0)[100].qty) == (pytest.approx(bid - 60), 0.02)
    assert bot.cancel(0, 100, True) == 0
    assert bot.orders(0)[100].status is Status.CANCELED
    assert bot.submit_buy_order(0, 101, 0.0, 0.02, TimeInForce.GTC, OrderType.MARKET, True) == 0
    rig.until(lambda: settled(bot) and bot.position(0) == 0.02, 20, "the position")
    assert bot.orders(0)[101].status is Status.FILLED
    rest_twenty(rig, bot)
    assert rig.end("connector", signal.SIGTERM, 30) == 0, rig.log("connector")
    assert statuses(rig) == ["CANCELED"] * 21 + ["FILLED"]
    asked = {path.split()[0] for path in rig.state()["rest_requests"]}
    assert {"/papi/v1/um/order", "/papi/v1/um/accountConfig", "/papi/v1/rateLimit/order", "/fapi/v1/time"} <= asked
    assert not {path for path in asked if "batch" in path or "countdown" in path}


@pytest.mark.soak
def test_a_watchdog_cancels_the_orders_of_a_dead_connector_one_by_one(rig: Rig) -> None:
    bot = begin(rig)
    rest_twenty(rig, bot)
    rig.start("dog", "connector", "watchdog", "bf", rig.folder / "connector.toml", "--exchange", "binancepapi")
    rig.until(lambda: "guarding" in rig.log("dog"), 30, "the watchdog")
    os.kill(rig.processes["connector"].pid, signal.SIGKILL)
    rig.processes["connector"].wait()
    assert rig.processes["dog"].wait(60) == 6, rig.log("dog")
    assert statuses(rig) == ["CANCELED"] * 20


def test_a_watchdog_for_another_exchange_than_its_connector_says_so(rig: Rig) -> None:
    begin(rig)
    rig.start("dog", "connector", "watchdog", "bf", rig.folder / "connector.toml")
    assert rig.processes["dog"].wait(60) == 2, rig.log("dog")
    assert "Give --exchange binancepapi" in rig.log("dog")


def test_what_portfolio_margin_has_not_is_refused_at_the_start(rig: Rig) -> None:
    rig.exchange("--venue", "papi", "--market", "synthetic", "--symbols", "btcusdt")
    for label, settings in {"dead": {"dead_man_s": 5}, "ws": {"order_route": "ws"}}.items():
        rig.connector(label=label, exchange="binancepapi", **{**KEYS, **settings})
        assert rig.processes[label].wait(30) == 2
    assert "watchdog" in rig.log("dead")
    assert "no WebSocket API" in rig.log("ws")


SOURCES_OWN = """api_url = "https://papi.binance.com"
stream_url = "wss://fstream.binance.com/ws"
user_stream_url = "wss://fstream.binance.com/pm/ws"
order_prefix = "prefix"
api_key = ""
secret = ""
"""


@pytest.mark.parametrize("file", ["papi.toml", "binancefutures.toml", "the source's own for papi"])
def test_an_annotated_file_starts_unchanged(rig: Rig, file: str) -> None:
    """Only its addresses are other ones here, by the environment: the exchange is on this machine."""
    face, exchange = ("usdm", "binancefutures") if file == "binancefutures.toml" else ("papi", "binancepapi")
    path = rig.folder / "c.toml"
    path.write_text(SOURCES_OWN if "own" in file else (ROOT / "docs/venues" / file).read_text())
    accounts = ("--accounts", rig.folder / "accounts.toml")
    rig.exchange("--venue", face, "--market", "synthetic", "--symbols", "btcusdt", *accounts)
    ws, rest = rig.addresses["ws"], rig.addresses["rest"]
    keys = {"CONNECTOR_API_KEY": "key", "CONNECTOR_SECRET": "secret", "CONNECTOR_RECV_WINDOW_MS": "20000"}
    addresses = {"CONNECTOR_STREAM_URL": ws, "CONNECTOR_API_URL": rest, "CONNECTOR_USER_STREAM_URL": ws}
    with rig.under(**keys, **addresses, CONNECTOR_MARKET_API_URL=rest):
        rig.start("connector", "connector", "bf", exchange, path)
    rig.until(lambda: "compared with the exchange" in rig.log("connector", 200), 60, "the connector to be ready")
    assert rig.end("connector", signal.SIGTERM) == 0
