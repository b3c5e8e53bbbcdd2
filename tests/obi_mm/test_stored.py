"""A run on days in their files is the run on days in memory, byte for byte, and holds a part of them at a time."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_convert import save
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from marketlink.events import EXCH, LOCAL, Events
from obi_mm import stored
from obi_mm.backtest import Result, run_backtest
from obi_mm.config import Config, change_config
from obi_mm.days import day_of
from obi_mm.errors import DataError
from obi_mm.models import Models
from obi_mm.rows import ClearsSpelledOut
from obi_mm.stored import NEVER, Passing, look_over
from obi_mm.sweep import available_bytes

from tests.obi_mm.golden_market import golden_market
from tests.obi_mm.wild_market import wild_market

SECOND = 1_000_000_000


def apart(events: Events, delay: int) -> Events:
    """The same market with rows of one clock each, those of the local clock `delay` rows behind."""
    exch, local = events.copy(), events.copy()
    exch["ev"] &= ~np.uint64(LOCAL)
    local["ev"] &= ~np.uint64(EXCH)
    parts = []
    for start in range(0, len(events), delay):
        parts += [exch[start : start + delay], local[start : start + delay]]
    whole: Events = np.concatenate(parts)
    return whole


def fast(config: Config) -> Config:
    changes = {
        "params.update_interval_ns": SECOND,
        "params.volatility_interval_ns": 2 * SECOND,
        "params.stale_seconds": 50.0,
    }
    return change_config(config, changes, "test")


def same(mine: Result, theirs: Result) -> None:
    for name in ("records", "decisions", "actions", "fills"):
        assert getattr(mine, name).tobytes() == getattr(theirs, name).tobytes(), name
    assert mine.figures == theirs.figures


@pytest.mark.parametrize("clock", ["local", "exchange"])
@pytest.mark.parametrize("book", ["auto", "hashmap"])
@pytest.mark.parametrize("delay", [0, 3, 400])
def test_days_in_files_give_the_bytes_of_days_in_memory(
    golden_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str, book: str, delay: int
) -> None:
    config, models = fast(golden_config), Models(clock=clock, book=book)
    market = wild_market(delay, 6_000)
    rows = apart(market, delay) if delay else market
    whole = run_backtest([day_of(rows.copy(), ClearsSpelledOut(0.1, 0.001), clock, "x")], config, 0.1, 0.001, models)
    assert len(whole.fills) > 10
    cuts = [0, 2_000, 4_000, len(rows)] if not delay else [0, len(rows)]
    paths = []
    for number, (first, end) in enumerate(itertools.pairwise(cuts)):
        paths.append(tmp_path / f"{number}.npz")
        save(rows[first:end].copy(), paths[-1])
    for chunk, ahead in ((64, 1), (1_000, 1), (1 << 17, 1 << 19)):
        monkeypatch.setattr(stored, "CHUNK_ROWS", chunk)
        monkeypatch.setattr(stored, "AHEAD_ROWS", ahead)
        days, repairs = look_over(paths, 0.1, 0.001, clock)
        assert not repairs
        same(run_backtest(days, config, 0.1, 0.001, models), whole)
    if len(days) == 1:
        same(run_backtest([days[0].load()], config, 0.1, 0.001, models), whole)


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(8, 700), st.integers(1, 700), st.lists(st.integers(0, 60 * SECOND), max_size=40))
def test_rows_are_there_before_the_engine_and_gone_behind_it(
    tmp_path: Path, chunk: int, ahead: int, steps: list[int]
) -> None:
    path = tmp_path / "x.npz"
    market = apart(wild_market(3, 800), 5)
    if not path.exists():
        save(market, path)
    before = stored.CHUNK_ROWS, stored.AHEAD_ROWS
    stored.CHUNK_ROWS, stored.AHEAD_ROWS = chunk, ahead  # type: ignore[misc]
    try:
        (day,), _ = look_over([path], 0.1, 0.001, "local")
        rows, passing, now = day.load().rows, Passing([day]), day.first_ns
        while passing.reach(now) <= now:
            pass
        for step in [*steps, *[3 * SECOND] * 2000]:
            reach = passing.reach(now + step)
            now = max(now, min(now + step, reach - 1))
            for flag, name in ((EXCH, "exch_ts"), (LOCAL, "local_ts")):
                mine = np.flatnonzero((rows["ev"] & flag) != 0)
                looked_at = np.searchsorted(rows[name][mine], now, "right")  # the first one not passed yet is looked at
                seen = mine[: looked_at + 1]
                held = passing.rows[seen][rows[name][seen] > now]
                assert held.tobytes() == rows[seen][rows[name][seen] > now].tobytes()
            passing.leave(now)
            if reach == NEVER:
                break
        assert reach == NEVER
    finally:
        stored.CHUNK_ROWS, stored.AHEAD_ROWS = before  # type: ignore[misc]


def test_a_file_that_changed_since_it_was_looked_over_ends_the_run(golden_config: Config, tmp_path: Path) -> None:
    save(wild_market(1, 3_000), tmp_path / "x.npz")
    days, _ = look_over([tmp_path / "x.npz"], 0.1, 0.001, "local")
    for count in (2_000, 4_000):
        save(wild_market(1, count), tmp_path / "x.npz", force=True)
        with pytest.raises(DataError, match="changed since"):
            run_backtest(days, golden_config, 0.1, 0.001, Models())


def test_how_much_memory_is_left_is_known() -> None:
    assert 1 << 20 < available_bytes() <= 1 << 40


_BARE = """
import sys
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest
asset = (BacktestAsset().data(sys.argv[1:]).linear_asset(1.0).constant_order_latency(1000000, 1000000)
    .power_prob_queue_model3(3.0).no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0)
    .tick_size(0.1).lot_size(0.001).last_trades_capacity(0).roi_lb(40000.0).roi_ub(60000.0))
hbt = ROIVectorMarketDepthBacktest([asset])
while hbt.elapse(10_000_000_000) == 0:
    pass
print(next(one for one in open("/proc/self/status") if one.startswith("VmHWM")).split()[1])
"""
_OURS = """
import sys
from obi_mm.cli import app
from typer.testing import CliRunner
result = CliRunner().invoke(app, ["backtest", "--quiet", "--output", sys.argv[1], "--data", *sys.argv[2:]])
assert result.exit_code == 0, result.output
print(next(one for one in open("/proc/self/status") if one.startswith("VmHWM")).split()[1])
"""


def peak_bytes(code: str, *words: str) -> int:
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=170, capture_output=True, text=True)
    return 1024 * int(done.stdout.splitlines()[-1])


@pytest.mark.soak
def test_memory_is_that_of_the_bare_engine(tmp_path: Path) -> None:
    market = golden_market()
    day_ns = 7_200 * SECOND
    paths = []
    for number in range(3):
        rows = market.copy()
        rows["exch_ts"] += number * day_ns
        rows["local_ts"] += number * day_ns
        paths.append(str(tmp_path / f"{number}.npz"))
        save(rows, paths[-1], compress="fast")
    bare, ours = peak_bytes(_BARE, *paths), peak_bytes(_OURS, str(tmp_path / "out"), *paths)
    print(f"bare {bare / 1e6:.0f} MB, ours {ours / 1e6:.0f} MB, files of {market.nbytes / 1e6:.0f} MB")
    assert ours < 1.2 * bare
