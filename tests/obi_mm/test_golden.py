import hashlib

import numpy as np
import pytest
from marketlink.events import Events
from obi_mm.backtest import Result, run_backtest
from obi_mm.config import Config
from obi_mm.days import Day
from obi_mm.layout import QUOTING
from obi_mm.models import Models

from tests.obi_mm.golden_market import GOLDEN_CONFIG, START_NS
from tests.obi_mm.source_rules import Outcome, run_source


def test_the_golden_market_is_the_published_one(market: Events) -> None:
    assert len(market) == 1_608_024
    assert hashlib.sha256(market.tobytes()).hexdigest() == (
        "d97162d06d94a2c3068e21a997880b89ad8fe5012b7cd0a0f1d8cd7b6ca1612e"
    )
    assert (int(market["ev"][0]), market["px"][0], market["qty"][0]) == (0xD0000002, 50000.0, 0.017)


@pytest.fixture(scope="module")
def source_run(market: Events) -> Outcome:
    return run_source(market, GOLDEN_CONFIG)


def test_the_twin_reproduces_the_golden_run_to_the_digits_given(source_run: Outcome) -> None:
    out = source_run
    rows = [(q.offset_s, q.mid, q.raw, q.z, q.volatility, q.position, q.bid, q.ask) for q in out.quotes[:4]]
    expected = [
        (340, 50009.850000000006, 1.05, 1.5850020051572846, 4.982398062747409e-05, 0, 50009.700000000004, 50010.3),
        (350, 50010.850000000006, 1.04, 1.45017294810927, 4e-05, -0.02, 50010.8, 50011.4),
        (360, 50010.55, -0.33, -0.572680431002496, 4e-05, -0.01, 50010.3, 50010.8),
        (370, 50010.15000000001, -0.43, -0.6720083300362837, 4e-05, 0.02, 50009.600000000006, 50010.200000000004),
    ]
    for row, wanted in zip(rows, expected, strict=True):
        assert row == pytest.approx(wanted, rel=1e-12)
    assert (out.iterations, out.updates, out.stop_losses, out.submits, out.cancels) == (7199, 686, 42, 2353, 491)
    assert (out.trades, out.clock_ns, out.mid) == (1787, 7_199_012_000_000, 49999.25)
    money = (out.position, out.balance, out.fee, out.volume, out.value, out.equity)
    assert money == pytest.approx(
        (-0.05, 2499.405000000005, -36.12921939999998, 18.05, 902628.5330000013, 35.571719400005094), rel=1e-9
    )


def test_the_hard_limit_alone_is_what_keeps_the_position(market: Events, source_run: Outcome) -> None:
    assert source_run.largest_position > 0.06
    assert run_source(market, GOLDEN_CONFIG, frozenset({"hard limit"})).largest_position <= 0.05 + 1e-12


def test_the_product_sees_the_imbalance_that_the_source_sees(golden_result: Result) -> None:
    decisions = golden_result.decisions
    at = np.searchsorted(decisions["time_ns"], START_NS + 340_000_000_000)
    assert decisions["time_ns"][at] == START_NS + 340_000_000_000
    # The decision is at the boundary; the source's is at its clock, which shows the same book.
    assert decisions["bids"][at] - decisions["asks"][at] == pytest.approx(1.05)
    assert decisions["alpha"][at] == pytest.approx(1.5850020051572846)
    assert decisions["reason"][at] == QUOTING


def test_the_product_never_exceeds_its_position_limit(golden_result: Result) -> None:
    assert np.abs(golden_result.records["position"]).max() <= 0.05 + 1e-12
    assert golden_result.figures["trades"] == 1610
    assert golden_result.figures["equity"] == pytest.approx(32.6312667)


def test_the_same_run_gives_the_same_bytes(golden_result: Result, golden_day: Day, golden_config: Config) -> None:
    again = run_backtest([golden_day], golden_config, 0.1, 0.001, Models())
    for name in ("records", "decisions", "actions", "fills"):
        assert getattr(again, name).tobytes() == getattr(golden_result, name).tobytes()
    assert again.figures == golden_result.figures
