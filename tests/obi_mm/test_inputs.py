"""What no exchange can have sent is an error that says which row; what days cut at midnight do is put right and counted."""

from pathlib import Path

import numpy as np
import pytest
from data_convert import save
from data_convert.arrays.order_latency import LATENCY_DTYPE
from hypothesis import given
from hypothesis import strategies as st
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, EVENT_DTYPE, EXCH, LOCAL, SELL, TRADE, Events
from obi_mm.backtest import Result, run_backtest
from obi_mm.cli import app
from obi_mm.config import Config, change_config
from obi_mm.days import day_of, load_latencies, load_snapshot
from obi_mm.errors import ConfigError, DataError
from obi_mm.inputs import Inputs
from obi_mm.models import Models, check_contract, symbol_of
from obi_mm.rows import ClearsSpelledOut
from obi_mm.stored import look_over
from obi_mm.summary import equity_of
from typer.testing import CliRunner

from tests.obi_mm.golden_market import golden_market

MS = 1_000_000


def cut(first: int, end: int) -> Events:
    return golden_market(6_000)[first:end].copy()


def load(tmp_path: Path, *parts: Events) -> list[Events]:
    paths = []
    for number, part in enumerate(parts):
        paths.append(tmp_path / f"{number}.npz")
        save(part, paths[-1], force=True)
    return [day.load().rows for day in look_over(paths, 0.1, 0.001, "local")[0]]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("px", 1e300, r"row 700: 1e\+300 is no price for ticks of 0\.1"),
        ("px", np.inf, "row 700: inf is no price"),
        ("px", np.nan, "row 700: nan is no price"),
        ("px", 0.0, "row 700: 0 is no price"),
        ("px", -50_000.0, "row 700: -50000 is no price"),
        ("qty", np.nan, "row 700: nan is no quantity for lots of 0.001"),
        ("qty", -0.001, "row 700: -0.001 is no quantity"),
        ("qty", np.inf, "row 700: inf is no quantity"),
        ("qty", 1e300, "row 700: 1e.300 is no quantity"),
        ("exch_ts", 0, "row 700: exchange time 0 is no time"),
        ("local_ts", 1 << 62, "row 700: local time 4611686018427387904 is no time"),
        ("exch_ts", 1_699_999_999_000_000_000, r"row 700: the exchange clock goes back by [\d,]+ ms"),
        ("local_ts", 1_699_999_999_000_000_000, r"row 700: the local clock goes back by [\d,.]+ ms"),
    ],
)
def test_what_no_exchange_sends_is_an_error_that_says_where(
    tmp_path: Path, column: str, value: float, words: str
) -> None:
    rows = cut(0, 1_000)
    rows[column][700] = value
    with pytest.raises(DataError, match=words):
        load(tmp_path, rows)


def test_an_error_says_how_many_more_there_are(tmp_path: Path) -> None:
    rows = cut(0, 1_000)
    rows["qty"][[10, 20, 30]] = np.nan
    with pytest.raises(DataError, match=r"row 10: nan is no quantity for lots of 0.001 \(2 more"):
        load(tmp_path, rows)


def test_a_clear_needs_no_price_and_a_row_of_no_clock_no_time(tmp_path: Path) -> None:
    rows = cut(0, 1_000)
    rows["ev"][3], rows["px"][3] = EXCH | LOCAL | BUY | DEPTH_CLEAR, np.nan
    rows["ev"][4], rows["exch_ts"][4] = LOCAL | BUY | DEPTH, 0
    rows["ev"][5], rows["local_ts"][5] = EXCH | BUY | DEPTH, 0
    assert len(load(tmp_path, rows)) == 1


def test_a_day_that_is_named_twice_or_lies_in_another_is_an_error(tmp_path: Path) -> None:
    save(cut(0, 40_000), tmp_path / "a.npz")
    (tmp_path / "b.npz").symlink_to(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"b\.npz: is named twice"):
        look_over([tmp_path / "a.npz", tmp_path / "b.npz"], 0.1, 0.001, "local")
    with pytest.raises(DataError, match=r"1\.npz: overlaps the file in front of it by .* one day twice"):
        load(tmp_path, cut(0, 40_000), cut(0, 40_000))
    with pytest.raises(DataError, match="overlaps"):
        load(tmp_path, cut(0, 40_000), cut(10_000, 60_000))
    with pytest.raises(DataError, match="nothing later than the file in front of it"):
        load(tmp_path, cut(0, 200), cut(0, 200))


def test_rows_that_were_on_the_way_at_midnight_are_put_behind_it_and_counted(tmp_path: Path) -> None:
    first, second = cut(0, 5_000), cut(5_000, 10_000)
    first["local_ts"][-40:] += 300 * MS  # slow rows of the day before
    first["local_ts"] = np.maximum.accumulate(first["local_ts"])
    ends = int(first["local_ts"][-1])
    early = int((second["local_ts"] < ends).sum())
    most = ends - int(second["local_ts"].min())
    assert early > 0
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for path, part in zip(paths, (first, second), strict=True):
        save(part, path)
    days, repairs = look_over(paths, 0.1, 0.001, "local")
    assert [(repair.path, repair.rows, repair.most_ns) for repair in repairs] == [(str(paths[1]), early, most)]
    assert f"{early:,} rows" in repairs[0].words()
    assert (days[1].load().rows["local_ts"] == np.maximum(second["local_ts"], ends)).all()
    assert (days[1].load().rows["exch_ts"] == second["exch_ts"]).all()
    result = CliRunner().invoke(
        app, ["backtest", "--data", *map(str, paths), "--output", str(tmp_path / "out"), "--quiet"]
    )
    assert result.exit_code == 0, result.output
    assert f"{early:,} rows are up to" in result.stderr
    assert f'"rows": {early}' in (tmp_path / "out" / "summary.json").read_text()


def test_a_snapshot_needs_no_time_but_prices_and_quantities(tmp_path: Path) -> None:
    rows = cut(100, 140)
    rows["exch_ts"] = rows["local_ts"] = 0
    save(rows, tmp_path / "ok.npz")
    assert len(load_snapshot(tmp_path / "ok.npz", 0.1, 0.001)) == 40
    rows["px"][7] = 1e300
    save(rows, tmp_path / "bad.npz")
    with pytest.raises(DataError, match=r"row 7: 1e\+300 is no price"):
        load_snapshot(tmp_path / "bad.npz", 0.1, 0.001)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 99), st.sampled_from(["px", "exch_ts"]))
def test_a_fault_is_found_at_the_same_row_in_however_many_parts(sizes: list[int], at: int, column: str) -> None:
    rows = cut(0, sum(sizes))
    bad = at % len(rows)
    rows[column][bad] = np.nan if column == "px" else 1
    inputs = Inputs(0.1, 0.001)
    inputs.begin("x")
    ends = np.cumsum(sizes).tolist()
    parts = [rows[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    before = int(np.searchsorted(ends, bad, "right"))
    for part in parts[:before]:
        inputs.take(part)
    with pytest.raises(DataError, match=f"row {bad}:"):
        inputs.take(parts[before])


def latencies(first_ns: int, count: int, entry_ns: int) -> np.ndarray:  # type: ignore[type-arg]
    rows = np.zeros(count, LATENCY_DTYPE)
    rows["req_ts"] = first_ns + np.arange(count) * 1_000 * MS
    rows["exch_ts"], rows["resp_ts"] = rows["req_ts"] + entry_ns, rows["req_ts"] + 2 * entry_ns
    return rows


def test_several_latency_files_follow_each_other(tmp_path: Path, golden_config: Config) -> None:
    market = golden_market(6_000)
    start = int(market["exch_ts"][0])
    for name, first, entry in (("a", start, MS), ("b", start + 450_000 * MS, 400 * MS)):
        np.savez(tmp_path / f"{name}.npz", data=latencies(first, 450, entry))
    a, b = str(tmp_path / "a.npz"), str(tmp_path / "b.npz")
    both = load_latencies((a, b))
    assert len(both) == 900
    np.savez(tmp_path / "both.npz", data=both)
    day = day_of(market.copy(), ClearsSpelledOut(0.1, 0.001), "local", "x")

    def run(*files: str) -> Result:
        return run_backtest([day], golden_config, 0.1, 0.001, Models(latency_files=files))

    assert run(a, b).fills.tobytes() == run(str(tmp_path / "both.npz")).fills.tobytes()
    assert run(a, b).fills.tobytes() != run(b).fills.tobytes()
    with pytest.raises(DataError, match=r"a\.npz: row 0: asked before"):
        load_latencies((b, a))
    with pytest.raises(DataError, match="named twice"):
        load_latencies((a, a))
    (tmp_path / "no.npz").write_bytes(b"nothing")
    save(market[:5].copy(), tmp_path / "rows.npz")
    for name in ("no", "rows", "missing"):
        with pytest.raises(DataError, match="no order latencies"):
            load_latencies((str(tmp_path / f"{name}.npz"),))


def test_the_command_line_takes_several_latency_files_and_says_so(tmp_path: Path) -> None:
    save(cut(0, 2_000), tmp_path / "x.npz")
    start = int(cut(0, 1)["exch_ts"][0])
    for name, first in (("a", start), ("b", start + 300_000 * MS)):
        np.savez(tmp_path / f"{name}.npz", data=latencies(first, 300, MS))
    words = ["backtest", "--data", str(tmp_path / "x.npz"), "--output", str(tmp_path / "out"), "--quiet"]
    for name in ("a", "b"):
        words += ["--latency-file", str(tmp_path / f"{name}.npz")]
    assert CliRunner().invoke(app, words).exit_code == 0
    summary = (tmp_path / "out" / "summary.json").read_text()
    assert "a.npz" in summary
    assert "b.npz" in summary


def inverse_day(rows: int) -> Events:
    """The golden market as contracts: whole lots of 1."""
    market = golden_market(20_000)[:rows].copy()
    market["qty"] = np.rint(market["qty"] * 1_000)
    return market


def test_an_inverse_contract_settles_in_the_base(golden_config: Config) -> None:
    day = day_of(inverse_day(400_000), ClearsSpelledOut(0.1, 1.0), "local", "btcusd_perp")
    config = change_config(golden_config, {"global.order_qty": 2.0, "global.max_position": 10.0}, "test")
    models = Models(contract="inverse", contract_size=100.0, maker_fee=0.0002, taker_fee=0.0005)
    result = run_backtest([day], config, 0.1, 1.0, models)
    again = run_backtest([day], config, 0.1, 1.0, models)
    assert result.records.tobytes() == again.records.tobytes()
    fills, last = result.fills, result.records[-1]
    before = fills[fills["time_ns"] < last["timestamp"]]
    price = before["tick"] * 0.1
    amounts = 100.0 * before["lots"] / price
    assert len(before) > 20
    assert {int(one) for one in fills["maker"]} == {0, 1}
    assert last["trading_value"] == pytest.approx(amounts.sum(), rel=1e-12)
    fee = (amounts * np.where(before["maker"] == 1, 0.0002, 0.0005)).sum()
    assert last["fee"] == pytest.approx(fee, rel=1e-12)
    # Bought at p, worth nothing more at p; each contract gains 100 / p - 100 / mid of the coin.
    gained = (100.0 * before["side"] * before["lots"] * (1 / price - 1 / last["price"])).sum()
    assert equity_of(result.records, models)[-1] == pytest.approx(gained - fee, rel=1e-9)
    assert abs(gained) < 0.01 * amounts.sum()  # in coins, not in dollars


def test_hftbacktests_inverse_record_has_the_same_equity(golden_config: Config) -> None:
    stats = pytest.importorskip("hftbacktest.stats")
    day = day_of(inverse_day(200_000), ClearsSpelledOut(0.1, 1.0), "local", "btcusd_perp")
    config = change_config(golden_config, {"global.order_qty": 2.0, "global.max_position": 10.0}, "test")
    models = Models(contract="inverse", contract_size=100.0)
    records = run_backtest([day], config, 0.1, 1.0, models).records
    theirs = stats.InverseAssetRecord(records).contract_size(100.0)
    theirs.prepare()
    equity = theirs.df["equity_wo_fee"].to_numpy() - records["fee"]
    np.testing.assert_allclose(equity_of(records, models), equity, rtol=1e-12, atol=1e-15)


def test_an_inverse_contract_is_not_run_as_a_linear_one(tmp_path: Path) -> None:
    save(inverse_day(2_000), tmp_path / "btcusd_perp_20231114.npz")
    words = ["backtest", "--data", str(tmp_path / "btcusd_perp_20231114.npz"), "--lot-size", "1", "--quiet"]
    result = CliRunner().invoke(app, [*words, "--output", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "--contract inverse" in result.stderr
    (tmp_path / "c.toml").write_text("[global]\norder_qty = 1.0\nmax_position = 5.0\n")
    (tmp_path / "g.toml").write_text('[grid]\n"params.skew" = [1e-6]\n')
    words[0] = "sweep"
    more = ["--config", str(tmp_path / "c.toml"), "--output", str(tmp_path / "out")]
    swept = CliRunner().invoke(app, [*words, *more, "--grid", str(tmp_path / "g.toml")])
    assert (swept.exit_code, "--contract inverse" in swept.stderr) == (1, True)
    words[0] = "backtest"
    taken = CliRunner().invoke(app, [*words, *more, "--contract", "inverse", "--contract-size", "100"])
    assert taken.exit_code == 0, taken.output


def test_names_of_contracts() -> None:
    for name in ("btcusd_perp", "BTCUSD_PERP_20240101", "ethusd_241227", "usdm/adausd_perp"):
        with pytest.raises(ConfigError):
            check_contract([name], Models())
        check_contract([name], Models(contract="inverse"))
    check_contract(["btcusdt_20240101", "btcusd_20240101", "golden", "", "usd_perp"], Models())
    assert [symbol_of(name) for name in ("BTCUSD_PERP_20240101", "btcusdt_20240101", "golden")] == [
        "btcusd_perp",
        "btcusdt",
        "golden",
    ]
    for wrong in ({"contract": "quanto"}, {"contract_size": 0.0}, {"contract_size": float("nan")}):
        with pytest.raises(ConfigError):
            Models(**wrong)  # type: ignore[arg-type]


def test_a_trade_of_nothing_is_allowed() -> None:
    rows = cut(0, 10)
    rows["ev"][2], rows["qty"][2] = EXCH | LOCAL | SELL | TRADE, 0.0
    inputs = Inputs(0.1, 0.001)
    inputs.begin("x")
    assert inputs.take(rows) is rows
    assert rows.dtype == EVENT_DTYPE
