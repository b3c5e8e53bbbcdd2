"""The compiled loop: sums, both books, an account that does not depend on the engine's order of things, one compilation."""

import subprocess
import sys

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obi_mm import engine
from obi_mm.backtest import Result, array_span, run_backtest
from obi_mm.config import Config, change_config
from obi_mm.days import day_of
from obi_mm.errors import ConfigError
from obi_mm.models import Models
from obi_mm.rows import ClearsSpelledOut

from tests.obi_mm.wild_market import wild_market


@numba.njit  # type: ignore[untyped-decorator]
def both_sums(qty: np.ndarray, first: int, above: int, below: int) -> tuple[float, float]:  # type: ignore[type-arg]
    return engine.add_up(qty, first, above), engine.add_down(qty, first, below)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.just(0.0), st.floats(0, 1e9)), min_size=1, max_size=60).flatmap(
        lambda qty: st.tuples(
            st.just(qty), st.integers(0, len(qty) - 1), st.integers(0, len(qty)), st.integers(-1, len(qty) - 1)
        )
    )
)
def test_passing_over_empty_blocks_changes_no_bit_of_a_sum(case: tuple[list[float], int, int, int]) -> None:
    qty, first, above, below = case
    up = down = 0.0
    for i in range(first, above):
        up += qty[i]
    for i in range(first, below, -1):
        down += qty[i]
    assert both_sums(np.array(qty), first, above, below) == (up, down)


@pytest.mark.parametrize("seed", range(6))
def test_a_wild_market_gives_the_same_bytes_again_and_in_either_book(golden_config: Config, seed: int) -> None:
    second = 1_000_000_000
    changes = {
        "params.looking_depth": (0.00002, 0.001, 0.02)[seed % 3],
        "params.update_interval_ns": second,
        "params.volatility_interval_ns": 2 * second,
        "params.stale_seconds": 50.0,
    }
    config = change_config(golden_config, changes, "test")
    day = day_of(wild_market(seed, 6_000), ClearsSpelledOut(0.1, 0.001), "local", "wild")
    runs: list[Result] = [
        run_backtest([day], config, 0.1, 0.001, Models(book=book)) for book in ("hashmap", "auto", "auto")
    ]
    assert len(np.unique(runs[0].fills["time_ns"])) < len(runs[0].fills)  # several at a moment, in random order
    for other in runs[1:]:
        for name in ("records", "decisions", "actions", "fills"):
            assert getattr(other, name).tobytes() == getattr(runs[0], name).tobytes(), name
        assert other.figures == runs[0].figures


def test_the_account_is_the_sum_of_the_fills(golden_result: Result) -> None:
    fills, last = golden_result.fills, golden_result.records[-1]
    value = fills["tick"] * fills["lots"] * 0.1 * 0.001
    assert last["balance"] == pytest.approx(-(fills["side"] * value).sum())
    assert last["fee"] == pytest.approx((value * np.where(fills["maker"] == 1, -0.00005, 0.0007)).sum())
    assert (last["num_trades"], last["trading_value"]) == (len(fills), pytest.approx(value.sum()))
    assert 0 < (fills["maker"] == 0).sum() < len(fills)


def test_an_account_that_is_not_the_engines_ends_the_run(
    golden_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = day_of(wild_market(0), ClearsSpelledOut(0.1, 0.001), "local", "wild")
    monkeypatch.setattr("obi_mm.engine.run", lambda *arguments: engine.DIFFERS)
    with pytest.raises(Exception, match="another account"):
        run_backtest([day], golden_config, 0.1, 0.001, Models())


def test_an_automatic_book_holds_all_prices_or_is_a_hash_map(golden_config: Config) -> None:
    low, high = array_span([(100.0, 200.0), (150.0, 260.0)], 1, golden_config, 0.1, "auto") or (0.0, 0.0)
    assert 0 < low < 100.0 - 20.0
    assert high > 260.0 + 20.0
    for rows, ticks, array in (
        (1, 900_000, True),
        (1, 5_000_000, False),
        (10**7, 5_000_000, True),
        (10**9, 10**8, False),
    ):
        assert (array_span([(0.1, 0.1 * ticks)], rows, golden_config, 0.1, "auto") is not None) is array
    assert array_span([(0.1, 5.0)], 1, golden_config, 0.1, "auto") == (0.0, pytest.approx(5.0 + 30.4))
    assert array_span([(1.0, 2.0)], 1, golden_config, 0.1, "hashmap") is None
    assert array_span([(1.0, 2.0)], 1, golden_config, 0.1, "roi") == (0.0, 200_000.0)
    with pytest.raises(ConfigError, match="roi_ub"):
        array_span([(1.0, 2.0)], 1, golden_config, 1e-6, "roi")


def test_another_process_takes_the_compiled_loop_from_disk(golden_result: Result) -> None:
    assert golden_result.figures["trades"]  # compiled here, if not before
    code = (
        "from tests.obi_mm.wild_market import wild_market\nfrom tests.obi_mm.golden_market import GOLDEN_CONFIG\n"
        "from obi_mm import engine\nfrom obi_mm.backtest import run_backtest\n"
        "from obi_mm.days import day_of\nfrom obi_mm.models import Models\n"
        "from obi_mm.config import parse_config\nfrom obi_mm.rows import ClearsSpelledOut\n"
        "day = day_of(wild_market(0, 500), ClearsSpelledOut(0.1, 0.001), 'local', 'wild')\n"
        "run_backtest([day], parse_config(GOLDEN_CONFIG, 'test'), 0.1, 0.001, Models())\n"
        "hits, misses = engine.run.stats.cache_hits, engine.run.stats.cache_misses\n"
        "assert sum(hits.values()) == 1 and not misses, (hits, misses)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
