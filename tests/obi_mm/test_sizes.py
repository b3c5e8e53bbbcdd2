"""Data of another instrument than the sizes given is an error that says which row, and which sizes would fit."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from data_convert import save
from hypothesis import given
from hypothesis import strategies as st
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE, Events
from obi_mm.cli import app
from obi_mm.config import Config
from obi_mm.days import load_snapshot
from obi_mm.errors import DataError
from obi_mm.sizes import check_sizes, common_step, not_whole
from obi_mm.stored import look_over
from obi_mm.strategy import Strategy
from obi_mm.warmup import warm_up
from typer.testing import CliRunner

START_NS = 1_700_000_000_000_000_000


def rows(prices: list[float], qtys: list[float] | None = None) -> Events:
    events: Events = np.zeros(len(prices), EVENT_DTYPE)
    events["ev"] = EXCH | LOCAL | np.where(np.arange(len(prices)) % 2 == 0, BUY, SELL).astype(np.uint64) | DEPTH
    events["exch_ts"] = events["local_ts"] = START_NS + np.arange(len(prices)) * 1_000_000_000
    events["px"], events["qty"] = prices, 1.0 if qtys is None else qtys
    return events


def test_a_backtest_with_the_default_tick_on_other_data_is_an_error_with_file_row_price_and_remedy(
    tmp_path: Path,
) -> None:
    path = tmp_path / "xrpusdt.npz"
    save(rows([0.7, 0.7081, 0.7079, 0.7083]), path)
    result = CliRunner().invoke(app, ["backtest", "--data", str(path), "--output", str(tmp_path / "out"), "--quiet"])
    assert result.exit_code == 1
    assert result.output == (
        f"obi-mm: {path}: row 1: price 0.7081 is no multiple of the tick size 0.1 (nor are 2 more of 4); "
        "all are multiples of 0.0001: --tick-size 0.0001?\n"
    )
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_quantity_that_is_no_multiple_of_the_lot_size_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save(rows([10.0, 10.1], [0.003, 0.00052]), path)
    with pytest.raises(
        DataError, match=r"row 1: quantity 0.00052 is no multiple of the lot size 0.001 .*--lot-size 0.00004"
    ):
        look_over([path], 0.1, 0.001, "local")


def test_an_initial_snapshot_and_stored_days_are_held_against_the_sizes_too(
    golden_config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    save(rows([10.05, 10.1]), path)
    with pytest.raises(DataError, match=r"row 0: price 10\.05"):
        load_snapshot(path, 0.1, 0.001)
    strategy = Strategy(golden_config, 0.1, 0.001)
    with pytest.raises(DataError, match=r"row 0: price 10\.05"):
        warm_up(strategy, [path], symbol=None, clock="local", now_ns=0, max_age_ns=0)
    assert strategy.imbalance.count == 0


def test_rows_that_are_no_depth_and_no_trade_and_numbers_that_are_none_are_not_looked_at() -> None:
    events = rows([10.05, 10.05, np.nan, np.inf, 0.0, -1.05, 10.1], [1.0, 1.0, np.nan, np.inf, 0.0, 1.0, 1.0])
    events["ev"][0] = EXCH | LOCAL | DEPTH_CLEAR
    events["ev"][1] = EXCH | LOCAL | 103
    check_sizes(events, 0.1, 0.001, "x")
    events["ev"][1] = EXCH | LOCAL | BUY | TRADE
    with pytest.raises(DataError, match="row 1"):
        check_sizes(events, 0.1, 0.001, "x")


SIZES = st.sampled_from(["0.00000001", "0.0001", "0.0005", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "5", "100"])
WHOLE = st.lists(st.integers(1, 2_000_000), min_size=1, max_size=30)


@given(SIZES, WHOLE, st.booleans())
def test_multiples_of_the_size_pass_however_they_were_computed(size: str, whole: list[int], decimal: bool) -> None:
    step = float(size)
    values = np.array([float(Decimal(size) * one) if decimal else one * step for one in whole])
    ev = rows(values.tolist())["ev"]
    assert not_whole(ev, values, step) == (-1, 0, len(whole))
    common, digits = common_step(ev, values)
    # What is proposed fits, and is no finer than the size itself.
    assert common
    proposed = Decimal(common).scaleb(-digits)
    assert proposed >= Decimal(size)
    assert proposed % Decimal(size) == 0
    assert not_whole(ev, values, float(proposed))[1] == 0


@given(SIZES, WHOLE, st.integers(0, 29), st.sampled_from([0.1, 0.25, 0.5, 0.9]))
def test_one_value_between_two_multiples_is_found(size: str, whole: list[int], at: int, part: float) -> None:
    values = np.array(whole, float) * float(size)
    place = at % len(values)
    values[place] = (whole[place] + part) * float(size)
    assert not_whole(rows(values.tolist())["ev"], values, float(size))[:2] == (place, 1)
