"""What obi-mm's tests share: the golden market and its runs, made once."""

from pathlib import Path

import pytest
from marketlink.events import Events
from obi_mm.backtest import Result, run_backtest
from obi_mm.config import Config, parse_config
from obi_mm.days import Day, day_of
from obi_mm.models import Models
from obi_mm.rows import ClearsSpelledOut

from tests.obi_mm.golden_market import GOLDEN_CONFIG, golden_market


@pytest.fixture(scope="session")
def market() -> Events:
    return golden_market()


@pytest.fixture(scope="session")
def golden_config() -> Config:
    return parse_config(GOLDEN_CONFIG, "golden")


@pytest.fixture(scope="session")
def golden_day(market: Events) -> Day:
    return day_of(market, ClearsSpelledOut(0.1, 0.001), "local", "golden")


@pytest.fixture(scope="session")
def golden_result(golden_day: Day, golden_config: Config) -> Result:
    return run_backtest([golden_day], golden_config, 0.1, 0.001, Models())


@pytest.fixture(scope="session")
def golden_npz(market: Events, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import data_convert as dc

    path = tmp_path_factory.mktemp("golden") / "golden.npz"
    dc.save(market, path, compress="fast")
    return path
