"""`obi-mm live --trade` with real processes: whatever stops, the exchange's own log never has more at risk than the limit."""

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from obi_mm.decisions import DecisionLog, read_log
from obi_mm.layout import ASK_SUBMIT, FILL

from tests.rig import Rig

CONFIG = Path(__file__).with_name("trading.toml")
ACCOUNTS = '[[account]]\nname = "main"\napi_key = "key"\nsecret = "secret"\nbalance = "1000000"\n'
KEYS: dict[str, Any] = {
    "api_key": "key",
    "secret": "secret",
    "order_prefix": "mm",
    "order_timeout_s": 20,  # this machine may be busy, and what is slow here is no fault
    "recv_window_ms": 20_000,
}
LOT, MOST_LOTS, GRID = Decimal("0.001"), 30, 3


class Market(Rig):
    """Exchange with an account, connector with its keys, and the strategy."""

    def begin(self, *market: object, keys: dict[str, Any] = KEYS) -> None:
        (self.folder / "accounts.toml").write_text(ACCOUNTS)
        words = market or ("--market", "synthetic", "--rate", 200)
        self.exchange(*words, "--symbols", "btcusdt", "--accounts", self.folder / "accounts.toml")
        self.connector(**keys)
        if keys:
            self.until(lambda: "compared with the exchange" in self.log("connector", 200), 60, "the connector to trade")

    def trade(self, label: str = "live", config: Path = CONFIG, *words: object) -> Path:
        log = self.folder / f"{label}.obilog"
        self.start(label, "obi_mm", "live", "-s", "btcusdt", "--connector", "bf", "-c", config, "--trade", "--plain", "--json",
                   "-o", log, *words)  # fmt: skip
        return log

    def orders(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.ask("orders")
        return rows

    def open(self) -> int:
        return sum(order["status"] in ("NEW", "PARTIALLY_FILLED") for order in self.orders())

    def quoting(self, at_least: int = 2) -> None:
        self.until(lambda: self.open() >= at_least, 120, "quotes at the exchange")

    def worst(self) -> int:
        """The most lots that position and open orders of a side, filled together, ever came to, by the exchange's own log."""
        sides = {order["id"]: int(order["new"]["side"]) for order in self.orders()}
        position, working, worst = 0, dict.fromkeys(sides, 0), 0
        for row in self.ask("truth"):
            order, lots = row["order_id"], int(row["lots"])
            match row["what"]:
                case "rested":
                    working[order] = lots
                case "filled":
                    position += sides[order] * lots
                    working[order] = max(0, working[order] - lots)
                case "ended":
                    working[order] = 0
                case _:
                    continue
            for side in (1, -1):
                worst = max(worst, side * position + sum(left for one, left in working.items() if sides[one] == side))
        return worst

    def position(self) -> Decimal:
        executed = [(int(one["new"]["side"]), Decimal(str(one["executed"]))) for one in self.orders()]
        return sum((side * qty for side, qty in executed), Decimal(0))

    def ended_well(self, label: str = "live") -> dict[str, Any]:
        """End it, and hold what it says against the exchange: nothing open, and the same position."""
        assert self.end(label, signal.SIGINT, 60) == 0, (
            f"{self.log(label)}\n{self.summary(label)}\n{self.log('connector', 60)}"
        )
        said = self.summary(label)
        assert self.open() == 0
        assert said["open"] == []
        assert Decimal(str(said["orders"]["btcusdt"]["position"])) == self.position()
        assert self.worst() <= MOST_LOTS
        return said


def submits(log: DecisionLog) -> list[int]:
    return [int(row["time_ns"]) for row in log.events[log.events["what"] == ASK_SUBMIT]]


@pytest.fixture
def market() -> Iterator[Market]:
    with Market() as rig:
        yield rig


def test_it_quotes_fills_and_leaves_nothing(market: Market) -> None:
    market.begin()
    log = market.trade()
    market.quoting()
    market.until(lambda: (read_log(log).events["what"] == FILL).any(), 60, "a fill")
    said = market.ended_well()
    mine = said["orders"]["btcusdt"]
    assert mine["fills"] > 0
    assert mine["submitted"] >= mine["fills"] > 0
    assert Decimal(str(mine["bought"])) - Decimal(str(mine["sold"])) == market.position()
    assert market.worst() > 0


def test_a_connector_that_is_stopped_for_four_seconds(market: Market) -> None:
    """While it hears nothing, it sends nothing; its cancels go out first when the connector is back, and one set of quotes follows."""
    market.begin()
    log = market.trade()
    market.quoting()
    connector = market.processes["connector"].pid
    os.kill(connector, signal.SIGSTOP)
    market.until(lambda: "nothing is heard of the connector" in market.log("live"), 10, "the silence to be seen")
    before = len(submits(read_log(log)))
    for passed in market.polls(4):
        assert len(submits(read_log(log))) == before, passed
    os.kill(connector, signal.SIGCONT)
    market.until(lambda: "orders are sent again" in market.log("live"), 20, "the connector to be back")
    market.until(lambda: len(submits(read_log(log))) > before, 20, "quotes again")
    times = submits(read_log(log))[before:]
    assert sum(at - times[0] < 300_000_000 for at in times) <= 2 * GRID
    market.ended_well()


@pytest.mark.soak
def test_a_bot_that_is_stopped_for_four_seconds_decides_on_the_newest_boundary_alone(market: Market) -> None:
    market.begin()
    log = market.trade()
    market.quoting()
    bot = market.processes["live"].pid
    os.kill(bot, signal.SIGSTOP)
    for _ in market.polls(4):
        pass
    before = len(submits(read_log(log)))
    os.kill(bot, signal.SIGCONT)
    market.until(lambda: bool(read_log(log).decisions["missed"].sum() >= 4), 20, "the missed boundaries")
    market.until(lambda: len(submits(read_log(log))) > before, 20, "quotes again")
    times = submits(read_log(log))[before:]
    assert sum(at - times[0] < 300_000_000 for at in times) <= 2 * GRID
    market.ended_well()


@pytest.mark.soak
def test_a_connector_that_is_killed_is_waited_for_and_its_orders_are_not_lost(market: Market) -> None:
    market.begin()
    market.trade()
    market.quoting()
    os.kill(market.processes["connector"].pid, signal.SIGKILL)
    market.processes["connector"].wait()
    market.until(lambda: "nothing is sent" in market.log("live"), 20, "the silence to be seen")
    market.connector(**KEYS, label="again")
    market.until(lambda: "orders are sent again" in market.log("live", 200), 60, "the new connector")
    market.quoting()
    market.ended_well()


def test_rejections_make_it_wait_and_are_survived(market: Market) -> None:
    market.begin()
    market.ask("faults", {"kind": "error", "op": "submit", "code": -2019, "count": 12})
    market.trade()
    market.until(lambda: "an order was refused" in market.log("live"), 90, "a refusal")
    market.quoting()
    said = market.ended_well()
    assert said["orders"]["btcusdt"]["refused"] == 12
    assert market.log("live", 500).count("an order was refused") == 1


@pytest.mark.soak
def test_a_wild_market_and_lost_answers_never_exceed_the_limit(market: Market) -> None:
    market.begin("--market", "synthetic", "--rate", 1500, "--levels", 5, "--latency-ms", "20,20,40")
    for fault in (
        {"kind": "timeout", "op": "submit", "executed": True, "probability": 0.1, "count": 0},
        {"kind": "slow", "op": "orders", "delay_s": 0.5, "probability": 0.1, "count": 0},
        {"kind": "drop", "stream": "ORDER_TRADE_UPDATE", "probability": 0.1, "count": 0},
    ):
        market.ask("faults", fault)
    market.trade()
    market.quoting(1)
    for _ in market.polls(10):
        pass
    market.ask("faults", method="DELETE")
    market.ended_well()


@pytest.mark.soak
def test_a_restart_finds_its_orders_again(market: Market) -> None:
    market.begin()
    market.trade("first")
    market.quoting()
    market.end("first", signal.SIGKILL)
    left = market.open()
    assert left > 0
    log = market.trade("second")
    market.until(
        lambda: market.open() == 0 or len(submits(read_log(log))) > 0 if log.exists() else False, 90, "the second run"
    )
    market.quoting()
    market.ended_well("second")
    assert read_log(log).header.source == "live, bot 7"


def test_two_processes_never_trade_under_one_id(market: Market) -> None:
    market.begin()
    market.trade("first")
    market.quoting()
    market.trade("second")
    market.until(lambda: market.processes["second"].poll() is not None, 60, "the end of the second")
    assert market.processes["second"].returncode == 3
    assert "give this one another --bot-id" in market.log("second")
    market.ended_well("first")


def test_a_connector_without_keys_ends_it_with_a_sentence(market: Market) -> None:
    market.begin(keys={})
    market.trade()
    market.until(lambda: market.processes["live"].poll() is not None, 120, "the end")
    assert market.processes["live"].returncode == 5, market.log("live")
    assert "trading is not configured" in market.log("live")
    assert "Traceback" not in market.log("live", 1000)
