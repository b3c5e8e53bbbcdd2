"""The demonstration's checks of the strategy can fail, and fail for what they say."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_convert.events import DEPTH, EVENT_DTYPE, EXCH, LOCAL
from obi_mm.config import Config, check_instrument, parse_config
from obi_mm.decisions import DecisionLog, Header, LoggedSymbol, read_log, write_log
from obi_mm.layout import DECISION_DTYPE, QUOTING, UNSYNCED, WARMING
from obi_mm.outputs import DECISIONS, RECORDS

from tests.demo import strategy
from tests.demo.checks import Check, Found
from tests.rig import Rig

Rows = np.ndarray[Any, Any]
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
WINDOW = 4
CONFIG = {
    "params": {
        "window": WINDOW,
        "volatility_window": 2,
        "update_interval_ns": SECOND,
        "volatility_interval_ns": SECOND,
    }
}


@pytest.fixture
def config() -> Config:
    return parse_config(CONFIG, "test")


def log(path: Path, first: int, last: int, change: Callable[[Rows], None] = lambda rows: None) -> DecisionLog:
    """A log that decides every second; its factors know what came since its first."""
    rows = np.zeros(last - first + 1, DECISION_DTYPE)
    seconds = np.arange(first, last + 1)
    rows["time_ns"] = START + seconds * SECOND
    rows["best_bid_tick"], rows["best_ask_tick"], rows["bids"], rows["asks"] = 1000, 1001, 3.0, 4.0
    rows["samples"], rows["returns"] = np.minimum(seconds - first + 1, WINDOW), np.minimum(seconds - first, 2)
    warm = rows["samples"] == WINDOW
    rows["reason"] = np.where(warm, QUOTING, WARMING)
    rows["alpha"] = np.where(warm, 0.5, 0.1 * rows["samples"])
    change(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_log(
        path, Header((LoggedSymbol("btcusdt", 0.1, 0.001),), CONFIG, "test"), rows, np.zeros((0, 5), np.int64)
    )  # fmt: skip
    return read_log(path)


def compared(tmp_path: Path, live_first: int, change: Callable[[Rows], None] = lambda rows: None) -> list[Check]:
    live = log(tmp_path / strategy.LIVE, live_first, 20, change)
    log(tmp_path / "btcusdt" / strategy.DRY / DECISIONS, 1, 20)
    found = Found()
    with Rig() as rig:
        strategy.equal(rig, found, "btcusdt", live, tmp_path)
    return found.checks


def test_logs_that_began_together_are_compared_from_the_first_decision(tmp_path: Path) -> None:
    book, all_of_it = compared(tmp_path, 1)
    assert (book.holds, all_of_it.holds) == (True, True)
    assert all_of_it.figures.startswith("equal: 20 decisions, from the first on")


def test_a_later_log_is_compared_from_where_it_settles_and_its_books_from_the_first(tmp_path: Path) -> None:
    book, all_of_it = compared(tmp_path, 6)
    assert book.figures.startswith("15 of 15 ")
    # Full at 9, one interval more; 6 to 9 are only compared by their books.
    assert all_of_it.figures.startswith("equal: 11 decisions, from where windows are full in both; of the 4 before")
    assert (book.holds, all_of_it.holds) == (True, True)


def test_one_other_book_fails_even_before_the_windows_are_full(tmp_path: Path) -> None:
    def touch(rows: Rows) -> None:
        rows["bids"][1] += 0.001

    book, all_of_it = compared(tmp_path, 6, touch)
    assert (book.holds, all_of_it.holds) == (False, True)
    assert '"bids": [3.001, 3.0]' in book.figures


def test_one_other_quote_fails(tmp_path: Path) -> None:
    def touch(rows: Rows) -> None:
        rows["bid_tick"][-1] = 999

    book, all_of_it = compared(tmp_path, 6, touch)
    assert (book.holds, all_of_it.holds) == (True, False)
    assert all_of_it.figures.startswith("1 of 11 decisions differ")


def test_logs_without_a_common_time_fail(tmp_path: Path) -> None:
    def touch(rows: Rows) -> None:
        rows["time_ns"] += 1

    assert [check.holds for check in compared(tmp_path, 1, touch)] == [False, False]


@pytest.mark.parametrize(
    ("what", "holds"),
    [("all", True), ("hole", False), ("late", False), ("unsynced", False), ("short", False), ("none", False)],
)
def test_live_decides_at_every_boundary_on_a_sound_book(what: str, holds: bool, tmp_path: Path, config: Config) -> None:
    def touch(rows: Rows) -> None:
        if what == "unsynced":
            rows["reason"][5] = UNSYNCED

    live = log(tmp_path / "log", 6 if what == "late" else 1, 18 if what == "short" else 20, touch)
    if what == "hole":
        live = replace(live, decisions=np.delete(live.decisions, 7))
    if what == "none":
        live = replace(live, decisions=live.decisions[:0])
    found = Found()
    strategy.decided(found, "btcusdt", live, events_until(20.5), config, None)
    assert [check.holds for check in found.checks] == [holds]


def events_until(seconds: float) -> Rows:
    events = np.zeros(42, EVENT_DTYPE)
    events["ev"] = EXCH | LOCAL | DEPTH
    events["exch_ts"] = np.linspace(START, START + int(seconds * SECOND), 42).astype(np.int64)
    events["local_ts"] = events["exch_ts"]
    return events


@pytest.mark.parametrize(
    ("seconds", "recorded", "holds"), [(20.5, 21, True), (21.5, 22, False), (20.5, 20, False), (20.5, 22, False)]
)
def test_a_backtest_that_stops_before_the_last_boundary_fails(
    seconds: float, recorded: int, holds: bool, tmp_path: Path, config: Config
) -> None:
    for folder in (tmp_path, tmp_path / strategy.DRY):
        log(folder / DECISIONS, 1, 20)
    times = START + np.arange(1, recorded + 1) * SECOND  # the last one is the first second behind the data
    records = np.array([(time,) for time in times], [("timestamp", "i8")])
    np.savez(tmp_path / RECORDS, **{"0": records})  # type: ignore[arg-type]
    found = Found()
    strategy.reached_the_end(found, "btcusdt", events_until(seconds), config, tmp_path)
    assert [check.holds for check in found.checks] == [holds]


def test_quantities_are_whole_lots_and_ticks_of_every_instrument() -> None:
    def fitted(sizes: dict[str, tuple[float, float]]) -> tuple[float, float, float]:
        chosen = parse_config(tomllib.loads(strategy.quantities(sizes)), "test")
        for pair in sizes.values():
            check_instrument(chosen, *pair, "test")
        return chosen.global_.order_qty, chosen.global_.max_position, chosen.global_.grid_interval

    assert fitted({"btcusdt": (0.1, 0.001), "ethusdt": (0.01, 0.001)}) == (0.01, 0.1, 0.1)
    assert fitted({"a": (0.5, 1.0), "b": (0.00000002, 10.0)}) == (100.0, 1000.0, 0.5)
    assert float(strategy.common_multiple([0.25, 0.1])) == 0.5
