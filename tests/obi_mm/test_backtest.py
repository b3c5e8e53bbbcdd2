"""The runner around the engine: books agree, dry sends nothing, files are equal byte for byte, bad data is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from data_convert import save
from marketlink.events import EVENT_DTYPE, EXCH, LOCAL, Events
from obi_mm.backtest import Progress, Result, describe, run_backtest
from obi_mm.config import Config, change_config
from obi_mm.days import Day, day_of
from obi_mm.decisions import read_log
from obi_mm.errors import ConfigError, DataError, OutputExists
from obi_mm.layout import WARMING
from obi_mm.models import Models
from obi_mm.outputs import FILES, check_output, write_results
from obi_mm.rows import ClearsSpelledOut
from obi_mm.stored import look_over
from obi_mm.strategy import Strategy
from obi_mm.summary import equity_of


def run(days: list[Day], config: Config, **options: object) -> Result:
    return run_backtest(days, config, 0.1, 0.001, Models(**options))  # type: ignore[arg-type]


def test_both_books_give_the_same_run(golden_day: Day, golden_config: Config, golden_result: Result) -> None:
    narrow = change_config(golden_config, {"global.roi_lb": 49_000.0, "global.roi_ub": 51_000.0}, "test")
    vector = run([golden_day], narrow, book="roi")
    assert vector.decisions.tobytes() == golden_result.decisions.tobytes()
    assert vector.records.tobytes() == golden_result.records.tobytes()


def test_a_dry_run_trades_nothing_and_sees_the_same_market(
    golden_day: Day, golden_config: Config, golden_result: Result
) -> None:
    dry = run_backtest([golden_day], golden_config, 0.1, 0.001, Models(), dry=True)
    assert dry.figures["trades"] == dry.figures["orders_submitted"] == 0
    mine = dry.decisions[dry.decisions["sampled"] == 1]
    theirs = golden_result.decisions[golden_result.decisions["sampled"] == 1]
    for name in ("time_ns", "best_bid_tick", "best_ask_tick", "bids", "asks", "alpha", "volatility"):
        np.testing.assert_array_equal(mine[name], theirs[name])


def test_decisions_are_at_every_boundary_and_records_at_every_second(golden_result: Result) -> None:
    sampled = golden_result.decisions["time_ns"][golden_result.decisions["sampled"] == 1]
    assert set(np.diff(sampled).tolist()) == {10_000_000_000}
    assert set(np.diff(golden_result.records["timestamp"]).tolist()) == {1_000_000_000}


def test_fills_add_up_to_the_position_and_the_trades(golden_result: Result) -> None:
    fills = golden_result.fills
    assert len(fills) == golden_result.figures["trades"]
    lots = int((fills["side"] * fills["lots"]).sum())
    assert lots * 0.001 == pytest.approx(golden_result.figures["position"])
    assert (np.diff(fills["time_ns"]) >= 0).all()


def test_more_orders_than_there_is_room_for_at_first(
    market: Events, golden_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = day_of(
        market[market["exch_ts"] < market["exch_ts"][0] + 600_000_000_000], ClearsSpelledOut(0.1, 0.001), "local", "x"
    )
    roomy = run([day], golden_config)
    for name, value in (("MOST_ORDERS", 2), ("_FILL_ROOM", 2)):
        monkeypatch.setattr(f"obi_mm.backtest.{name}", value)
    tight = run([day], golden_config)
    for name in ("records", "decisions", "actions", "fills"):
        assert getattr(tight, name).tobytes() == getattr(roomy, name).tobytes()


def test_equity_is_balance_and_position_less_fees(golden_result: Result) -> None:
    last = golden_result.records[-1]
    assert equity_of(golden_result.records, golden_result.models)[-1] == pytest.approx(
        last["balance"] + last["position"] * last["price"] - last["fee"]
    )
    assert golden_result.figures["fee"] < 0  # a rebate, which adds to the equity
    assert golden_result.figures["equity"] > golden_result.figures["equity_before_fees"]  # type: ignore[operator]


def test_fills_behind_the_last_full_record_are_in_the_account(
    market: Events, golden_config: Config, golden_result: Result
) -> None:
    at = next(one for one in golden_result.fills["time_ns"].tolist() if one % 1_000_000_000)
    day = day_of(market[market["exch_ts"] <= at].copy(), ClearsSpelledOut(0.1, 0.001), "local", "cut")
    cut = run([day], golden_config)
    assert cut.fills["time_ns"][-1] == at
    last, before = cut.records[-1], cut.records[-2]
    assert before["timestamp"] < at < last["timestamp"]
    assert last["num_trades"] == len(cut.fills) > before["num_trades"]
    assert cut.figures["trades"] == len(cut.fills)
    value = cut.fills["tick"] * cut.fills["lots"] * 0.1 * 0.001
    assert last["balance"] == pytest.approx(-(cut.fills["side"] * value).sum())
    assert cut.figures["position"] == pytest.approx((cut.fills["side"] * cut.fills["lots"]).sum() * 0.001)
    assert set(np.diff(cut.records["timestamp"]).tolist()) == {1_000_000_000}


@pytest.mark.parametrize("record_ns", [1_000_000_000, 3_000_000_000, 10_000_000_000, 20_000_000_000])
def test_sharpe_and_sortino_are_hftbacktests_own(golden_day: Day, golden_config: Config, record_ns: int) -> None:
    from hftbacktest.stats import LinearAssetRecord

    result = run([golden_day], golden_config, record_ns=record_ns)
    theirs = LinearAssetRecord(result.records).stats().splits[0]
    assert result.figures["sharpe"] == pytest.approx(theirs["SR"], rel=1e-9)
    assert result.figures["sortino"] == pytest.approx(theirs["Sortino"], rel=1e-9)


def test_fees_are_an_ordinary_accounts_the_strategys_or_those_said(golden_day: Day, golden_config: Config) -> None:
    assert Models().with_fees(Config().fees) == Models(maker_fee=0.0002, taker_fee=0.0005)
    assert Models(taker_fee=0.0).with_fees(golden_config.fees) == Models(maker_fee=-0.00005, taker_fee=0.0)
    short = day_of(golden_day.rows[:120_000].copy(), ClearsSpelledOut(0.1, 0.001), "local", "x")
    by_file = run([short], change_config(golden_config, {"fees.maker": 0.001, "fees.taker": 0.002}, "test"))
    said = run([short], golden_config, maker_fee=0.001, taker_fee=0.002)
    assert by_file.records.tobytes() == said.records.tobytes()
    assert by_file.figures["fee"] > 0  # type: ignore[operator]
    assert by_file.models == said.models
    for wrong in (0.5, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="maker-fee"):
            Models(maker_fee=wrong)


def test_two_files_in_a_row_are_one_run(market: Events, golden_config: Config, golden_result: Result) -> None:
    spelled = ClearsSpelledOut(0.1, 0.001)
    half = len(market) // 2
    days = [day_of(part, spelled, "local", "part") for part in (market[:half].copy(), market[half:].copy())]
    assert run(days, golden_config).records.tobytes() == golden_result.records.tobytes()


def test_a_warm_strategy_does_not_wait_again(market: Events, golden_config: Config) -> None:
    spelled = ClearsSpelledOut(0.1, 0.001)
    half = len(market) // 2
    first, second = (day_of(part.copy(), spelled, "local", "part") for part in (market[:half], market[half:]))
    strategy = Strategy(golden_config, 0.1, 0.001)
    run_backtest([first], golden_config, 0.1, 0.001, Models(), dry=True, strategy=strategy)
    warm = run_backtest([second], golden_config, 0.1, 0.001, Models(), strategy=strategy)
    cold = run_backtest([second], golden_config, 0.1, 0.001, Models())
    assert WARMING not in warm.decisions["reason"]
    assert cold.decisions["reason"][0] == WARMING


@pytest.mark.parametrize("queue", ["risk-adverse", "log-prob", "log-prob2", "power-prob", "power-prob2"])
def test_every_queue_model_runs(market: Events, golden_config: Config, queue: str) -> None:
    day = day_of(
        market[market["exch_ts"] < market["exch_ts"][0] + 400_000_000_000], ClearsSpelledOut(0.1, 0.001), "local", "x"
    )
    assert run([day], golden_config, queue=queue).figures["orders_submitted"] != 0


@pytest.mark.parametrize(
    "wrong", [{"queue": "x"}, {"book": "x"}, {"clock": "x"}, {"entry_latency_ns": -1}, {"record_ns": 1}]
)
def test_a_wrong_model_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Models(**wrong)  # type: ignore[arg-type]


def test_equal_runs_write_equal_bytes(golden_result: Result, golden_config: Config, tmp_path: Path) -> None:
    about = describe(golden_config, Models(), ["golden.npz"], 0.1, 0.001)
    for name in ("a", "b"):
        check_output(tmp_path / name, False)
        write_results(tmp_path / name, golden_result, about, "golden")
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    with pytest.raises(OutputExists):
        check_output(tmp_path / "a", False)
    check_output(tmp_path / "a", True)
    log = read_log(tmp_path / "a" / "decisions.obilog")
    assert log.decisions.tobytes() == golden_result.decisions.tobytes()
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["figures"]["trades"] == golden_result.figures["trades"]
    lines = (tmp_path / "a" / "records.csv").read_text().splitlines()
    assert lines[0] == "timestamp,balance,position,fee,trading_volume,trading_value,num_trades,price"
    assert len(lines) == len(golden_result.records) + 1
    with np.load(tmp_path / "a" / "records.npz") as archive:
        assert archive["0"].tobytes() == golden_result.records.tobytes()
    page = (tmp_path / "a" / "report.html").read_text()
    assert page.count("<svg") == 8
    assert "http" not in page.replace("http://www.w3.org", "")


def test_hftbacktests_own_statistics_take_the_records(golden_result: Result) -> None:
    from hftbacktest.types import record_dtype

    assert golden_result.records.dtype.names == record_dtype.names
    assert golden_result.records.dtype.itemsize == record_dtype.itemsize


def test_data_that_can_not_be_used_is_refused_by_name(tmp_path: Path, market: Events) -> None:
    with pytest.raises(DataError, match=r"nothing\.npz"):
        look_over([tmp_path / "nothing.npz"], 0.1, 0.001, "local")
    empty: Events = np.zeros(3, EVENT_DTYPE)
    save(empty, tmp_path / "empty.npz")
    with pytest.raises(DataError, match="no rows"):
        look_over([tmp_path / "empty.npz"], 0.1, 0.001, "local")
    for number, part in enumerate((market[5000:6000], market[:1000])):
        save(part.copy(), tmp_path / f"{number}.npz")
    with pytest.raises(DataError, match="overlaps"):
        look_over([tmp_path / "0.npz", tmp_path / "1.npz"], 0.1, 0.001, "local")
    only_local = market[:10].copy()
    only_local["ev"] &= ~np.uint64(EXCH)
    assert (only_local["ev"] & LOCAL).all()
    with pytest.raises(DataError, match="no rows"):
        day_of(only_local, ClearsSpelledOut(0.1, 0.001), "local", "x")


def test_progress_says_how_far_how_fast_and_how_long_still() -> None:
    times = iter([0.0, 2.0])
    progress = Progress(lambda: next(times))
    assert progress.line(0, 3_600_000_000_000, 4 * 3_600_000_000_000) == " 25.0%  1.00 h simulated, 1,800x, 6 s left"
