"""Orders: what the connector's own work on one costs, and how long an order travels between a bot and the socket."""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlsplit

import numpy as np
import orjson
from connector.calls import Replied
from connector.client_ids import ClientIds
from connector.risk import Risk, RiskLimits
from connector.trader import Settings, Trader
from marketlink.messages import SubmitOrder
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import Instrument
from marketlink.venues.binance import USDM_TRADING
from marketlink.venues.signing import HmacSigner

from tests.bench.rows import Row
from tests.rig import Rig

ACCOUNTS = '[[account]]\nname = "main"\napi_key = "key"\nsecret = "secret"\nbalance = "100000000"\n'
PREFIX = "mm"
ANSWER = {
    "symbol": "BTCUSDT", "status": "NEW", "price": "99.00", "origQty": "0.010", "executedQty": "0", "timeInForce": "GTX",
    "type": "LIMIT", "side": "BUY",
}  # fmt: skip
PUSH = {
    "s": "BTCUSDT", "S": "BUY", "o": "LIMIT", "f": "GTX", "q": "0.010", "p": "99.00", "x": "NEW", "X": "NEW", "l": "0", "z": "0",
    "L": "0", "t": 0, "m": False, "R": False, "ps": "BOTH",
}  # fmt: skip


def _us(values: list[float]) -> str:
    p50, p99, p999 = np.quantile(np.array(values), [0.5, 0.99, 0.999])
    return f"p50 {p50:,.0f} µs, p99 {p99:,.0f}, p99.9 {p999:,.0f}"


def _timed(what: Callable[[], object], into: list[float]) -> object:
    start = time.perf_counter_ns()
    result = what()
    into.append((time.perf_counter_ns() - start) / 1e3)
    return result


def own_work(count: int = 5_000) -> list[Row]:
    """The trading core alone: a submit taken and answered, its push, its cancel; signing and encoding."""
    coin = Instrument("btcusdt", 0.1, 0.001, "0.10", "0.001", True)
    risk = Risk(RiskLimits(max_position=Decimal(1_000_000), max_order_qty=Decimal(10)), {})
    trader = Trader(USDM_TRADING, ClientIds(PREFIX), risk, Settings(), lambda symbol, now: (Decimal(100), 0.0))
    trader.instruments = {"btcusdt": coin}
    trader.streaming = True
    trader.reconcile.count = 1
    signer = HmacSigner("k" * 64, "s" * 64)
    trader.on_bot(7, "btcusdt")
    spent: dict[str, list[float]] = {
        name: [] for name in ("submit taken", "signed and encoded", "answer", "push", "cancel taken")
    }
    wall = 1_700_000_000_000_000_000
    for number in range(1, count + 1):
        now = Moment(MonoNs(number * 1_000_000), WallNs(wall + number * 1_000_000))
        order = Order(
            0.01, 0.01, 0.0, 0, 990, 0.1, 0, int(now.wall), number, False, OrderType.LIMIT, Status.NEW, Status.NEW, Side.BUY,
            TimeInForce.GTX,
        )  # fmt: skip
        effects = _timed(
            lambda order=order, now=now: trader.on_order(7, SubmitOrder("btcusdt", order), now), spent["submit taken"]
        )
        ask = next(effect for effect in effects if hasattr(effect, "call"))  # type: ignore[attr-defined]
        _timed(
            lambda call=ask.call, now=now: USDM_TRADING.rest_request(call, signer, now.wall // 1_000_000, 2000),
            spent["signed and encoded"],
        )
        client_id = dict(ask.call.params)["newClientOrderId"]
        at_ms = now.wall // 1_000_000
        body = orjson.dumps({**ANSWER, "orderId": number, "clientOrderId": client_id, "updateTime": at_ms})
        told = {**PUSH, "c": client_id, "i": number, "T": at_ms}
        push = orjson.dumps({"e": "ORDER_TRADE_UPDATE", "T": at_ms, "E": at_ms, "o": told})
        _timed(
            lambda push=push, now=now: [trader.on_private(one, now) for one in USDM_TRADING.read_private(push)],
            spent["push"],
        )
        _timed(
            lambda ask=ask, body=body, now=now: trader.on_outcome(ask.number, Replied(200, body), now), spent["answer"]
        )
        _timed(
            lambda order=order, now=now: trader.on_order(
                7, SubmitOrder("btcusdt", Order(*(order.qty, order.qty, 0.0, 0, 990, 0.1, 0, int(now.wall), order.order_id, False,
                OrderType.LIMIT, Status.CANCELED, Status.NEW, Side.BUY, TimeInForce.GTX))), now
            ),
            spent["cancel taken"],
        )  # fmt: skip
        gone = orjson.dumps(
            {"e": "ORDER_TRADE_UPDATE", "T": at_ms, "E": at_ms, "o": {**told, "x": "CANCELED", "X": "CANCELED"}}
        )
        for one in USDM_TRADING.read_private(gone):
            trader.on_private(one, now)
    return [(f"connector's own work on an order: {name}", _us(values), "-", True) for name, values in spent.items()]


def travel(seconds: float, rate: float) -> list[Row]:
    """Between a bot and the socket, with the simulator's limits lifted: asked to bytes on the socket, push to bot."""
    with Rig() as rig:
        (rig.folder / "accounts.toml").write_text(ACCOUNTS)
        rig.exchange(
            "--market", "synthetic", "--symbols", "btcusdt", "--accounts", rig.folder / "accounts.toml",
            "--weight-limit", 10_000_000, "--order-limits", "10000000,10000000", "--message-limit", 0,
        )  # fmt: skip
        ports, tapped = [], {}
        for key in ("ws", "rest"):
            url = urlsplit(rig.addresses[key])
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            ports.append(f"{port}:{url.port}")
            tapped[key] = f"{url.scheme}://127.0.0.1:{port}"
        stamps = rig.folder / "stamps.json"
        rig.start("tap", "tests.bench.tap", stamps, PREFIX, *ports)
        rig.addresses |= tapped
        time.sleep(1.0)
        rig.connector(api_key="key", secret="secret", order_prefix=PREFIX)
        rig.until(lambda: "compared with the exchange" in rig.log("connector", 400), 120, "the connector")
        out = rig.folder / "bot.json"
        rig.start("bot", "tests.bench.order_bot", out, "bf", "btcusdt", seconds, rate)
        rig.until(out.exists, seconds + 120, "the bot")
        rig.end("tap")
        rig.end("connector", timeout_s=40)
        bot, seen = rig.read_json("bot.json"), json.loads(stamps.read_text())
        refused = Counter(text.split(":")[0] for text in bot["problems"])
    asked = {int(number): at for number, at in bot["asked"].items()}
    told = {int(number): events for number, events in bot["told"].items()}
    sent = {number: at for at, way, number, kind in seen if (way, kind) == ("out", "POST")}
    pushed = {(number, kind): at for at, way, number, kind in seen if way == "in"}
    to_socket = [(sent[number] - at) / 1e3 for number, at in asked.items() if number in sent]
    to_bot = [
        (at - pushed[(number, "CANCELED")]) / 1e3
        for number, events in told.items()
        for at, status in events
        if status == "CANCELED" and (number, "CANCELED") in pushed
    ]
    halves = [values[: len(values) // 2] for values in (to_socket,)] + [to_socket[len(to_socket) // 2 :]]
    grows = np.median(halves[1]) > 3 * np.median(halves[0]) + 1000 if to_socket else True
    how = f"{rate:g} orders/s for {seconds:g} s"
    return [
        (f"bot's call to bytes on the socket, {how}", _us(to_socket), "-", True),
        (f"push on the socket to the bot, {how}", _us([one for one in to_bot if one > 0] or [float("nan")]), "-", True),
        (
            f"orders sent of those asked, {how}",
            f"{len(sent):,} of {len(asked):,}; refused {dict(refused)}",
            "all",
            len(sent) == len(asked),
        ),
        (
            f"no queue grows, {how}",
            f"median {np.median(halves[0]):,.0f} then {np.median(halves[1]):,.0f} µs",
            "-",
            not grows,
        ),
        (f"open at the end, {how}", str(bot["open"]), "0", bot["open"] == 0),
    ]
