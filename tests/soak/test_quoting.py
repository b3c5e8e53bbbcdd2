"""A bot quotes for ten minutes while the exchange fails at random and the connector is killed again and again.

SOAK_QUOTING_S (600), SOAK_QUOTING_KILLS (20) and SOAK_QUOTING_SEED scale it.
"""

import os
import random
import signal
import time
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

from tests.rig import Rig

SECONDS = float(os.environ.get("SOAK_QUOTING_S", "600"))
KILLS = int(os.environ.get("SOAK_QUOTING_KILLS", "20"))
SEED = int(os.environ.get("SOAK_QUOTING_SEED", "1"))
ACCOUNTS = '[[account]]\nname = "main"\napi_key = "key"\nsecret = "secret"\nbalance = "10000000"\n'
KEYS: dict[str, Any] = {
    "api_key": "key",
    "secret": "secret",
    "order_prefix": "mm",
    "order_timeout_s": 5,
    "recv_window_ms": 5000,
    "reconcile_s": 5,
}
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "timeout", "op": "orders"},
    {"kind": "timeout", "op": "orders", "executed": True},
    {"kind": "hang_up", "op": "submit"},
    {"kind": "hang_up", "op": "orders", "executed": True},
    {"kind": "html_body", "op": "orders", "executed": True},
    {"kind": "status", "op": "orders", "status": 503},
    {"kind": "error", "op": "orders", "code": -1007, "status": 408, "executed": True},
    {"kind": "error", "op": "orders", "code": -1006, "executed": True},
    {"kind": "cut_body", "op": "orders", "mode": "truncate"},
    {"kind": "slow", "op": "orders", "delay_s": 2.0},
    {"kind": "slow", "op": "queries", "delay_s": 2.0},
    {"kind": "timeout", "op": "queries"},
    {"kind": "late_execution", "op": "orders", "delay_s": 1.0, "mode": "silent"},
    {"kind": "drop", "stream": "ORDER_TRADE_UPDATE"},
    {"kind": "duplicate", "stream": "ORDER_TRADE_UPDATE"},
    {"kind": "late", "stream": "ORDER_TRADE_UPDATE", "delay_s": 3.0},
    {"kind": "drop", "stream": "ACCOUNT_UPDATE"},
    {"kind": "reset", "stream": "private"},
    {"kind": "stall", "stream": "private", "for_s": 4.0, "mode": "lose"},
    {"kind": "listen_key_expired", "mode": "twice"},
)


@pytest.mark.soak
@pytest.mark.timeout(300 + 3 * SECONDS)
def test_a_quoting_bot_ends_in_the_exchanges_truth_after_faults_and_kills(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(SEED)
    with Rig() as rig:
        for name, value in rig.link.items():
            monkeypatch.setenv(name, value)
        (rig.folder / "accounts.toml").write_text(ACCOUNTS)
        accounts = rig.folder / "accounts.toml"
        rig.exchange("--market", "synthetic", "--symbols", "btcusdt", "--accounts", accounts, "--latency-ms", "5,5,5")
        rig.connector(**KEYS)
        rig.until(lambda: "compared with the exchange" in rig.log("connector", 400), 90, "the connector")
        out = rig.folder / "quoter.json"
        rig.start("quoter", "tests.soak.quoter", "bf", "btcusdt", SECONDS, out, SEED)
        start, kills, faults = time.monotonic(), 0, Counter[str]()
        while (passed := time.monotonic() - start) < SECONDS:
            time.sleep(draw.uniform(0.3, 1.5))
            if kills < KILLS * passed / SECONDS:
                rig.processes["connector"].send_signal(signal.SIGKILL)
                rig.processes["connector"].wait()
                kills += 1
                rig.connector(**KEYS)
                continue
            fault = dict(draw.choice(FAULTS))
            if fault["kind"] not in ("reset", "stall", "listen_key_expired"):  # those hit a connection, once
                fault["count"] = draw.randint(1, 3)
            rig.ask("faults", fault)
            faults[f"{fault['kind']} {fault.get('op', fault.get('stream', ''))}"] += 1
        rig.ask("faults", method="DELETE")
        rig.until(out.exists, 200, "the bot to end")
        rig.until(lambda: rig.processes["quoter"].poll() is not None, 30, "the bot to be gone")
        bot = rig.read_json("quoter.json")
        orders, trades = rig.ask("orders"), rig.ask("trades")
        code = rig.end("connector", timeout_s=40)
        with capsys.disabled():
            told = {key: bot[key] for key in ("sent", "left", "position", "own_position", "problems")}
            print(f"\n{kills} kills, faults {dict(faults)}\n{told}")
            print(
                Counter(order["status"] for order in orders), f"{len(trades)} executions; connector ended with {code}"
            )
        judge(bot, orders, trades)
        assert code == 0, rig.log("connector", 60)


def judge(bot: Any, orders: list[Any], trades: list[Any]) -> None:
    """Hold what the bot was told against the exchange's truth."""
    assert not bot["left"]
    assert not [order for order in orders if order["status"] in ("NEW", "PARTIALLY_FILLED")]
    numbers = Counter(order["new"]["client_id"][:-7] for order in orders)  # all but the nonce: whose, and which number
    assert max(numbers.values(), default=0) == 1, "an order was placed twice"
    true = sum((Fraction(one["quantity"]) * one["side"] for one in trades), Fraction(0))
    assert float(true) == pytest.approx(bot["position"])
    assert float(true) == pytest.approx(bot["own_position"])
    assert {number: told for number, told in bot["terminals"].items() if len(told) > 1} == {}
