"""Warm-up ends with the factors that a run over the same data ends with, and says what it lacks."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from data_convert import convert_recording, save
from marketlink.events import Events
from obi_mm.backtest import run_backtest
from obi_mm.config import Config, change_config, load_config
from obi_mm.days import Day
from obi_mm.errors import DataError
from obi_mm.models import Models
from obi_mm.strategy import Strategy
from obi_mm.warmup import choose_files, feed, load_arrays, needed_ns, warm_up

SHORT = Path(__file__).with_name("short.toml")
LINES = 12_000


def test_warmed_factors_are_those_of_a_run_over_the_same_data(
    market: Events, golden_day: Day, golden_config: Config
) -> None:
    ran = Strategy(golden_config, 0.1, 0.001)
    run_backtest([golden_day], golden_config, 0.1, 0.001, Models(), dry=True, strategy=ran)
    warmed = Strategy(golden_config, 0.1, 0.001)
    samples, first_ns, last_ns = feed(warmed, [market], "local")
    assert warmed.ready
    assert first_ns == golden_day.first_ns
    assert last_ns == golden_day.last_ns
    # Only what the windows need: 60 s times 5 returns and two intervals more.
    assert samples == needed_ns(warmed) // 10_000_000_000
    assert warmed.imbalance.value == pytest.approx(ran.imbalance.value, rel=1e-9)
    assert warmed.volatility.value == pytest.approx(ran.volatility.value, rel=1e-9)
    assert warmed.volatility.last_price == ran.volatility.last_price
    assert warmed.wake_ns > last_ns


def test_arrays_in_a_row_are_one_history(market: Events, golden_config: Config) -> None:
    whole, parts = Strategy(golden_config, 0.1, 0.001), Strategy(golden_config, 0.1, 0.001)
    cut = np.searchsorted(market["local_ts"], int(market["local_ts"][-1]) - 100_000_000_000)
    feed(whole, [market], "local")
    feed(parts, [market[:cut], market[cut:]], "local")
    np.testing.assert_array_equal(whole.imbalance.arrays[0], parts.imbalance.arrays[0])
    np.testing.assert_array_equal(whole.volatility.arrays[0], parts.volatility.arrays[0])


def test_what_is_missing_is_said_with_the_time_it_takes(market: Events, golden_config: Config, tmp_path: Path) -> None:
    save(market[:200_000].copy(), tmp_path / "a.npz")
    longer = change_config(golden_config, {"params.window": 5000}, "test")
    strategy = Strategy(longer, 0.1, 0.001)
    warmth = warm_up(strategy, [tmp_path / "a.npz"], symbol=None, clock="local", now_ns=0, max_age_ns=0)
    assert not warmth.ready
    assert warmth.lack.samples == 5000 - warmth.samples
    assert f"{warmth.lack.samples} samples missing" in warmth.words()
    assert f"{warmth.lack.samples / 6:.1f} min at best" in warmth.words()


def test_old_data_and_no_data_leave_the_strategy_cold(market: Events, golden_config: Config, tmp_path: Path) -> None:
    save(market[:1000].copy(), tmp_path / "a.npz")
    strategy = Strategy(golden_config, 0.1, 0.001)
    now = int(market["local_ts"][999]) + 10**12
    warmth = warm_up(strategy, [tmp_path / "a.npz"], symbol=None, clock="local", now_ns=now, max_age_ns=10**11)
    assert "too long" in warmth.words()
    assert strategy.imbalance.count == 0
    assert "no market data" in warm_up(strategy, [], symbol=None, clock="local", now_ns=0, max_age_ns=0).words()
    with pytest.raises(DataError, match="none"):
        warm_up(strategy, [tmp_path / "none.npz"], symbol=None, clock="local", now_ns=0, max_age_ns=0)


def test_the_days_that_the_span_needs_are_chosen_and_a_recording_goes_before_its_array(tmp_path: Path) -> None:
    for name in (
        "btcusdt_20240806.gz",
        "btcusdt_20240807.npz",
        "btcusdt_20240808.npz",
        "btcusdt_20240808.gz",
        "ethusdt_20240808.gz",
        "x",
    ):
        (tmp_path / name).write_bytes(b"")
    names = [path.name for path in choose_files(tmp_path, "BTCUSDT", 3_600_000_000_000)]
    assert names == ["btcusdt_20240807.npz", "btcusdt_20240808.gz"]
    assert choose_files(tmp_path, "btcusdt", 25 * 3_600_000_000_000)[0].name == "btcusdt_20240806.gz"
    assert choose_files(tmp_path, "solusdt", 1) == []
    assert choose_files(tmp_path / "none", "btcusdt", 1) == []


def test_a_recording_being_written_chains_to_the_day_before(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "captures" / "usdm_btcusdt_20240808.gz"
    with gzip.open(source) as lines:
        first, second = (list(itertools.islice(lines, LINES)) for _ in range(2))
    (tmp_path / "btcusdt_20240807.gz").write_bytes(gzip.compress(b"".join(first), 1))
    torn = gzip.compress(b"".join(second[:6000]), 1) + gzip.compress(b"".join(second[6000:]), 1)[:-500]
    (tmp_path / "btcusdt_20240808.gz").write_bytes(torn)
    strategy = Strategy(load_config(SHORT), 0.1, 0.001)
    paths = choose_files(tmp_path, "btcusdt", needed_ns(strategy))
    warmth = warm_up(strategy, paths, symbol="BTCUSDT", clock="exchange", now_ns=0, max_age_ns=0)
    assert warmth.ready, warmth.words()
    twin = Strategy(load_config(SHORT), 0.1, 0.001)
    feed(twin, [convert_recording(paths, symbol="BTCUSDT").events], "exchange")
    assert twin.imbalance.value == strategy.imbalance.value != 0.0
    save(convert_recording(paths[:1], symbol="BTCUSDT").events, tmp_path / "only.npz")
    assert len(list(load_arrays([tmp_path / "only.npz", paths[1]], "BTCUSDT"))) == 2
