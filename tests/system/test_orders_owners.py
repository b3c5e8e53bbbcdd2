"""Orders of several owners on one account, through real processes: nobody's are touched by another."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.orders import OrderType, Status, TimeInForce

from tests.rig import Rig
from tests.system.test_orders import ACCOUNTS, KEYS, settled

DYING = """
import sys, time
from marketlink.bot import BotInstrument, LiveBot
from marketlink.orders import OrderType, Status, TimeInForce
bot = LiveBot([BotInstrument("bf", "btcusdt")], bot_id=9)
while not bot.depth(0).best_bid > 0:
    bot.elapse(50_000_000)
bot.submit_buy_order(0, 1, float(sys.argv[1]), 0.04, TimeInForce.GTC, OrderType.LIMIT, True)
print(bot.orders(0)[1].status.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with Rig() as rig:
        for name, value in rig.link.items():
            monkeypatch.setenv(name, value)
        (rig.folder / "accounts.toml").write_text(ACCOUNTS)
        yield rig


def truth(rig: Rig) -> dict[float, str]:
    """The exchange's state of every order, by its quantity: each owner of this test has one of its own."""
    return {float(order["new"]["quantity"]): order["status"] for order in rig.ask("orders")}


def test_nobody_s_orders_are_touched_by_another(rig: Rig, tmp_path: Path) -> None:
    rig.exchange("--market", "synthetic", "--symbols", "btcusdt", "--accounts", rig.folder / "accounts.toml")
    rig.link_collector(tmp_path, ["btcusdt"])  # a recorder that is there before its connector
    rig.connector("bf", "connector", **KEYS)
    rig.connector("bg", "other", **{**KEYS, "order_prefix": "mm2"})
    ready = "compared with the exchange"
    rig.until(lambda: all(ready in rig.log(label, 200) for label in ("connector", "other")), 180, "both connectors")
    both = LiveBot([BotInstrument("bf", "btcusdt"), BotInstrument("bg", "btcusdt")], bot_id=7)
    single = LiveBot([BotInstrument("bf", "btcusdt")], bot_id=8)

    def synchronised() -> bool:
        return (
            all([settled(both), settled(single)])
            and all(both.depth(number).confidence is Confidence.SYNCED for number in (0, 1))
            and single.depth(0).confidence is Confidence.SYNCED
        )

    rig.until(synchronised, 120, "the books")
    bid = round(both.depth(0).best_bid)

    # equal numbers of two bots, and of one bot on two connectors
    assert both.submit_buy_order(0, 1, bid - 50.0, 0.01, TimeInForce.GTC, OrderType.LIMIT, True) == 0
    assert both.submit_buy_order(1, 1, bid - 60.0, 0.02, TimeInForce.GTC, OrderType.LIMIT, True) == 0
    assert single.submit_buy_order(0, 1, bid - 70.0, 0.03, TimeInForce.GTC, OrderType.LIMIT, True) == 0
    assert [both.orders(0)[1].qty, both.orders(1)[1].qty, single.orders(0)[1].qty] == [0.01, 0.02, 0.03]

    # a bot that dies, and an order by hand
    dying = rig.command("dying", sys.executable, "-c", DYING, bid - 80.0)
    rig.until(lambda: "NEW" in (rig.folder / "dying.out").read_text(), 120, "the third bot's order")
    dying.send_signal(signal.SIGKILL)
    dying.wait(10)
    by_hand = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.05", "price": f"{bid - 90}.0"}
    rig.ask("order", method="POST", account="main", symbol="BTCUSDT", **by_hand)
    owners = (0.01, 0.02, 0.03, 0.04, 0.05)
    assert truth(rig) == dict.fromkeys(owners, "NEW")

    # one cancel
    assert single.cancel(0, 1, True) == 0
    assert single.orders(0)[1].status is Status.CANCELED
    rig.until(lambda: settled(both), 10, "the other bot")
    assert both.orders(0)[1].status is both.orders(1)[1].status is Status.NEW

    # a connector that ends cancels its own, those of its dead bot too, and no other's
    assert rig.end("other") == 0, rig.log("other")
    assert [truth(rig)[qty] for qty in owners] == ["NEW", "CANCELED", "CANCELED", "NEW", "NEW"]
    assert rig.end("connector") == 0, rig.log("connector")
    assert [truth(rig)[qty] for qty in owners] == ["CANCELED"] * 4 + ["NEW"]
    assert any("not of this connector" in line for line in rig.log("connector", 500).splitlines())
    assert rig.end("ipc") == 0, rig.log("ipc")
    assert list(tmp_path.rglob("*btcusdt*")), "the recorder recorded"
    assert dying.returncode == -signal.SIGKILL
