"""Orders on COIN-M through real processes: contracts, over REST and over the WebSocket API."""

from collections.abc import Iterator

import pytest
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.orders import OrderType, Status, TimeInForce

from tests.rig import Rig

ACCOUNTS = '[[account]]\nname = "main"\napi_key = "key"\nsecret = "secret"\nbalances = { BTC = "10" }\n'


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with Rig() as rig:
        for name, value in rig.link.items():
            monkeypatch.setenv(name, value)
        (rig.folder / "accounts.toml").write_text(ACCOUNTS)
        yield rig


def settled(bot: LiveBot) -> bool:
    bot.elapse(10_000_000)
    return all(order.req is Status.NONE for order in bot.orders(0).values())


@pytest.mark.parametrize("route", ["rest", "ws"])
def test_orders_rest_change_fill_and_are_cancelled_at_the_end(rig: Rig, route: str) -> None:
    market = ("--market", "synthetic", "--symbols", "btcusd_perp", "--accounts", rig.folder / "accounts.toml")
    rig.exchange("--venue", "coinm", *market)
    keys = {"api_key": "key", "secret": "secret", "order_prefix": "mm", "order_timeout_s": 20, "recv_window_ms": 20_000}
    api = {"order_route": "ws", "trade_ws_url": f"{rig.addresses['ws']}/ws-dapi/v1"} if route == "ws" else {}
    rig.connector(exchange="binancefuturescm", **keys, **api)
    rig.until(lambda: "compared with the exchange" in rig.log("connector", 200), 60, "the connector to be ready")
    bot = LiveBot([BotInstrument("bf", "btcusd_perp")], bot_id=7)
    rig.until(lambda: settled(bot) and bot.depth(0).confidence is Confidence.SYNCED, 30, "the book")
    bid = bot.depth(0).best_bid
    assert bot.submit_buy_order(0, 1, bid - 50, 2.0, TimeInForce.GTX, OrderType.LIMIT, True) == 0
    assert bot.modify(0, 1, bid - 60, 3.0, True) == 0
    assert (bot.orders(0)[1].price, bot.orders(0)[1].qty) == (pytest.approx(bid - 60), 3.0)
    assert bot.submit_sell_order(0, 2, 0.0, 1.0, TimeInForce.GTC, OrderType.MARKET, True) == 0
    rig.until(lambda: settled(bot) and bot.orders(0)[2].status is Status.FILLED, 10, "the market order")
    rig.until(lambda: settled(bot) and bot.position(0) == -1.0, 10, "the position")
    assert rig.end("connector") == 0, rig.log("connector")
    assert sorted(order["status"] for order in rig.ask("orders")) == ["CANCELED", "FILLED"]
