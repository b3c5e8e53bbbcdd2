"""The demonstration's trading run in small: it holds against the exchange, and its checks can fail."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.demo import strategy, trading
from tests.demo.checks import Found
from tests.demo.watch import sizes_of
from tests.rig import Rig

SYMBOLS = ("btcusdt", "ethusdt")


def test_a_trading_run_is_held_against_the_exchange(tmp_path: Path) -> None:
    (tmp_path / strategy.FOLDER).mkdir()
    with Rig() as rig:
        path, keys = trading.accounts(rig)
        assert [one.stat().st_mode & 0o777 for one in (path, rig.folder / f"{trading.CONNECTOR_LABEL}.toml")] == [
            0o600
        ] * 2
        rig.exchange("--market", "synthetic", "--symbols", ",".join(SYMBOLS), "--rate", 300, "--accounts", path)
        rig.connector(trading.CONNECTOR, trading.CONNECTOR_LABEL, **keys, order_timeout_s=20, recv_window_ms=20_000)
        assert (rig.folder / f"{trading.CONNECTOR_LABEL}.toml").stat().st_mode & 0o777 == 0o600
        sizes = {symbol: sizes_of(rig)[symbol] for symbol in SYMBOLS}
        strategy.trade(rig, sizes, tmp_path)
        filled = set(SYMBOLS)
        rig.until(lambda: filled <= {one["symbol"] for one in rig.ask("trades")}, 150, "a fill of each symbol")
        code, truth = trading.end(rig)
        said = strategy.summary(rig, trading.LABEL)
        assert code == 0, rig.log(trading.LABEL)
    folder, most = tmp_path / strategy.FOLDER, 0.1

    def judged(truth: trading.Truth, said: dict[str, Any] = said, most: float = most) -> list[bool]:
        found = Found()
        trading.judge(found, said, truth, SYMBOLS, folder, most)
        return [check.holds for check in found.checks]

    assert judged(truth) == [True] * 5
    traded = trading.judge(Found(), said, truth, SYMBOLS, folder, most)
    assert all(len(one.fills) == one.said["fills"] > 0 for one in traded.values())
    resting = {**truth.orders[0], "status": "NEW"}
    assert judged(replace(truth, orders=[resting, *truth.orders[1:]]))[0] is False
    assert judged(replace(truth, trades=truth.trades[1:])).count(False) == 1
    assert judged(truth, most=0.0) == [True, True, False, True, False]
    assert judged(truth, said={}) == [False]
