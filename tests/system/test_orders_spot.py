"""Orders on spot through real processes: with a shared secret over REST, and with an Ed25519 key over the WebSocket API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.orders import OrderType, Status, TimeInForce

from tests.rig import Rig

KEYS: dict[str, Any] = {"order_prefix": "mm", "order_timeout_s": 20, "recv_window_ms": 20_000}


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with Rig() as rig:
        for name, value in rig.link.items():
            monkeypatch.setenv(name, value)
        yield rig


def start(rig: Rig, ed25519: bool) -> LiveBot:
    secret, there = "secret", "secret"
    if ed25519:
        key = Ed25519PrivateKey.generate()
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        there = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    accounts = rig.folder / "accounts.toml"
    accounts.write_text(
        f'[[account]]\nname = "main"\napi_key = "key"\nsecret = """{there}"""\nbalances = {{ USDT = "1000000", BTC = "2" }}\n'
    )
    market = ("--market", "synthetic", "--symbols", "btcusdt", "--accounts", accounts)
    rig.exchange("--venue", "spot", *market)
    held = rig.folder / "secret"
    held.write_text(secret)
    held.chmod(0o600)
    api = f"{rig.addresses['ws']}/ws-api/v3"
    route = {"order_route": "ws", "trade_ws_url": api} if ed25519 else {}
    rig.connector(exchange="binancespot", **KEYS, api_key="key", secret_file=str(held), ws_api_url=api, **route)
    ready = "compared with the exchange"
    rig.until(lambda: ready in rig.log("connector", 200), 60, "the connector to be ready to trade")
    bot = LiveBot([BotInstrument("bf", "btcusdt")], bot_id=7)
    rig.until(lambda: settled(bot) and bot.depth(0).confidence is Confidence.SYNCED, 30, "the book")
    return bot


def settled(bot: LiveBot) -> bool:
    bot.elapse(10_000_000)
    return all(order.req is Status.NONE for order in bot.orders(0).values())


@pytest.mark.parametrize("ed25519", [False, True], ids=["hmac", "ed25519"])
def test_orders_rest_shrink_fill_and_are_cancelled_at_the_end(rig: Rig, ed25519: bool) -> None:
    bot = start(rig, ed25519)
    rig.until(lambda: settled(bot) and bot.position(0) == 2.0, 10, "what is held")
    bid = bot.depth(0).best_bid
    assert bot.submit_buy_order(0, 1, bid - 50, 0.02, TimeInForce.GTX, OrderType.LIMIT, True) == 0
    assert bot.orders(0)[1].status is Status.NEW
    assert bot.modify(0, 1, bid - 60, 0.02, True) == 0
    assert bot.orders(0)[1].price == pytest.approx(bid - 50), "spot changes no price"
    assert bot.modify(0, 1, bid - 50, 0.01, True) == 0
    assert bot.orders(0)[1].qty == 0.01
    assert bot.submit_sell_order(0, 2, 0.0, 0.5, TimeInForce.GTC, OrderType.MARKET, True) == 0
    rig.until(lambda: settled(bot) and bot.orders(0)[2].status is Status.FILLED, 10, "the market order")
    rig.until(lambda: settled(bot) and bot.position(0) == 1.5, 10, "the position")
    assert sum(float(one["quantity"]) for one in rig.ask("trades")) == pytest.approx(0.5)
    assert "the account's stream is open" in rig.log("connector", 200)
    if ed25519:
        assert "the WebSocket API is open" in rig.log("connector", 200)
    assert rig.end("connector") == 0, rig.log("connector")
    assert sorted(order["status"] for order in rig.ask("orders")) == ["CANCELED", "FILLED"]


def test_a_test_s_keys_never_go_to_production(rig: Rig, tmp_path: Path) -> None:
    rig.exchange("--venue", "spot", "--market", "synthetic", "--symbols", "btcusdt")
    process = rig.connector(exchange="binancespot", api_key="key", secret="secret")
    assert process.wait(60) == 2
    assert "ws_api_url" in rig.log("connector")
