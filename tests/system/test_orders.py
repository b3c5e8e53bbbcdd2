"""Orders through real processes: a bot on shared memory, the connector, the simulated exchange on sockets."""

import itertools
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.messages import Batch, OrderEvent, PositionEvent, RegisterInstrument, SubmitOrder
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

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


class Bot:
    """The bare link: what is asked and what is heard."""

    def __init__(self, name: str = "bf", symbol: str = "btcusdt") -> None:
        self.port = IceoryxBotPort(name)
        self.symbol = symbol
        self.orders: dict[int, list[Order]] = {}
        self.others: list[Any] = []
        self.position: float | None = None
        self.port.request(RegisterInstrument(symbol))

    def hear(self) -> None:
        for heard in self.port.receive():
            for event in heard.events if isinstance(heard, Batch) else ():
                if isinstance(event, OrderEvent):
                    self.orders.setdefault(event.order.order_id, []).append(event.order)
                elif isinstance(event, PositionEvent):
                    self.position = event.qty
                else:
                    self.others.append(event)

    def ask(self, number: int, price_tick: int = 0, qty: float = 0.01, **changes: Any) -> None:
        values: dict[str, Any] = dict(
            qty=qty, leaves_qty=qty, exec_qty=0.0, exec_price_tick=0, price_tick=price_tick, tick_size=0.1, exch_timestamp=0,
            local_timestamp=1, order_id=number, maker=False, order_type=OrderType.LIMIT, req=Status.NEW, status=Status.NEW,
            side=Side.BUY, time_in_force=TimeInForce.GTC,
        )  # fmt: skip
        self.port.request(SubmitOrder(self.symbol, Order(**{**values, **changes})))

    def last(self, number: int) -> Order | None:
        self.hear()
        return self.orders[number][-1] if number in self.orders else None


def start(rig: Rig, **settings: Any) -> Bot:
    rig.exchange("--market", "synthetic", "--symbols", "btcusdt", "--accounts", rig.folder / "accounts.toml")
    rig.connector(api_key="key", secret="secret", order_prefix="mm", **settings)
    bot = Bot()
    rig.until(
        lambda: "compared with the exchange" in rig.log("connector", 200), 60, "the connector to be ready to trade"
    )
    rig.until(lambda: bot.hear() or any(getattr(event, "symbol", "") for event in bot.others), 30, "the book")
    return bot


def true_orders(rig: Rig) -> list[Any]:
    found: list[Any] = rig.ask("orders")
    return found


def test_an_order_rests_is_modified_and_cancelled(rig: Rig) -> None:
    bot = start(rig)
    bid = best_bid_tick(rig)
    bot.ask(1, bid - 50)
    rig.until(lambda: (last := bot.last(1)) and last.req is Status.NONE, 10, "the order to work")
    assert bot.orders[1][-1].status is Status.NEW
    bot.ask(1, bid - 60, 0.02, req=Status.REPLACED)
    rig.until(lambda: bot.last(1).price_tick == bid - 60, 10, "the modify")
    assert (bot.orders[1][-1].qty, bot.orders[1][-1].req) == (0.02, Status.NONE)
    bot.ask(1, bid - 60, 0.02, req=Status.CANCELED)
    rig.until(lambda: bot.last(1).status is Status.CANCELED, 10, "the cancel")
    assert [order["status"] for order in true_orders(rig)] == ["CANCELED"]


def best_bid_tick(rig: Rig) -> int:
    book = rig.ask("book", symbol="btcusdt", limit=1)
    return round(float(book["bids"][0][0]) / 0.1)


def test_a_stop_leaves_nothing_open(rig: Rig) -> None:
    bot = start(rig)
    bid = best_bid_tick(rig)
    for number in range(1, 21):
        bot.ask(number, bid - 100 - number)
    rig.until(lambda: all((last := bot.last(one)) and last.req is Status.NONE for one in range(1, 21)), 20, "orders")
    assert rig.end("connector", signal.SIGTERM) == 0, rig.log("connector")
    bot.hear()
    assert all(bot.orders[number][-1].status is Status.CANCELED for number in range(1, 21))
    assert {order["status"] for order in true_orders(rig)} == {"CANCELED"}


def test_a_kill_loses_no_order_and_no_owner(rig: Rig) -> None:
    bot = start(rig)
    bid = best_bid_tick(rig)
    for number in range(1, 21):
        bot.ask(number, bid - 100 - number)
    rig.until(lambda: all((last := bot.last(one)) and last.req is Status.NONE for one in range(1, 21)), 20, "orders")
    os.kill(rig.processes["connector"].pid, signal.SIGKILL)
    rig.processes["connector"].wait()
    counter = itertools.count()
    rig.connector(api_key="key", secret="secret", order_prefix="mm", label=f"connector{next(counter)}")
    rig.until(lambda: "compared with the exchange" in rig.log("connector0", 200), 60, "the new connector")
    bot.port.request(RegisterInstrument("btcusdt"))
    bot.ask(5, req=Status.CANCELED)
    rig.until(lambda: bot.last(5).status is Status.CANCELED, 15, "the cancel of an order of before")
    assert sorted(order["status"] for order in true_orders(rig)) == ["CANCELED"] + ["NEW"] * 19
