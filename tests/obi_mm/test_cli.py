"""The command as a user runs it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from obi_mm.backtest import Result, describe
from obi_mm.cli import app
from obi_mm.commands import fee_words
from obi_mm.config import Config, Symbol
from obi_mm.errors import ConfigError
from obi_mm.models import Models
from obi_mm.outputs import write_results
from obi_mm.watch import parse_symbols
from typer.testing import CliRunner

runner = CliRunner()


@pytest.fixture
def log(golden_result: Result, golden_config: Config, tmp_path: Path) -> Path:
    write_results(tmp_path, golden_result, describe(golden_config, Models(), [], 0.1, 0.001), "golden")
    return tmp_path / "decisions.obilog"


def test_help_loads_neither_numpy_nor_numba() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom obi_mm.cli import app\n"
        "assert CliRunner().invoke(app, ['backtest', '--help']).exit_code == 0\n"
        "assert not {'numpy', 'numba', 'hftbacktest', 'rich.live'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_log_is_printed_as_table_csv_and_json(log: Path) -> None:
    table = runner.invoke(app, ["decisions", str(log), "--reason", "quoting", "--head", "1"]).output
    assert table.splitlines()[0].split()[:3] == ["time", "symbol", "reason"]
    assert "22:19:00.000  golden  quoting" in table
    assert "submit buy 0.01 @ 50009.7" in table
    lines = runner.invoke(app, ["decisions", str(log), "--format", "json"]).output.splitlines()
    assert len(lines) == 730
    assert json.loads(lines[0])["reason"] == "warming"
    csv = runner.invoke(app, ["decisions", str(log), "--format", "csv", "--tail", "3"]).output.splitlines()
    assert len(csv) == 4
    assert csv[0].startswith("time_ns,time,symbol,reason,stop_loss,best_bid,best_ask,bids,asks,alpha")
    assert runner.invoke(app, ["decisions", str(log), "--format", "x"]).exit_code == 2


@pytest.mark.parametrize(
    ("fee", "contract", "words"),
    [
        (12.5, "linear", "fees of 12.5000 paid"),
        (-12.5, "linear", "rebates of 12.5000 received"),
        (0.0, "linear", "fees of 0.0000 paid"),
        (-0.00012, "inverse", "rebates of 0.00012000 of the base asset received"),
    ],
)
def test_the_console_says_whose_the_fees_are(golden_result: Result, fee: float, contract: str, words: str) -> None:
    figures = {**golden_result.figures, "fee": fee}
    assert fee_words(replace(golden_result, figures=figures, models=Models(contract=contract))) == words


def test_live_takes_the_sources_options() -> None:
    said = runner.invoke(app, ["live", "--help"]).output
    for option in ("--connector", "--log-interval", "--strategy-id", "--recording-service"):
        assert option in said


def test_diff_says_equal_or_the_first_difference(log: Path, tmp_path: Path) -> None:
    same = runner.invoke(app, ["diff", str(log), str(log)])
    assert (same.exit_code, same.output) == (0, "equal: 730 decisions\n")
    other = tmp_path / "other.obilog"
    other.write_bytes(log.read_bytes()[:-500])
    differing = runner.invoke(app, ["diff", str(log), str(other)])
    assert differing.exit_code == 1
    assert "only in the first log" in differing.output
    assert runner.invoke(app, ["diff", str(log), str(other), "--common"]).exit_code == 0
    assert runner.invoke(app, ["diff", str(log), str(tmp_path / "none")]).exit_code == 1


def test_errors_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[params]\nhalf_spraed = 1\n")
    result = runner.invoke(app, ["backtest", "-d", "x.npz", "-c", str(tmp_path / "c.toml"), "-o", str(tmp_path / "o")])
    assert result.exit_code == 1
    assert "did you mean 'half_spread'?" in result.output
    result = runner.invoke(app, ["backtest", "-d", str(tmp_path / "x.npz"), "-o", str(tmp_path / "o")])
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)


def test_backtest_takes_several_files_behind_one_option(golden_npz: Path, tmp_path: Path) -> None:
    result = runner.invoke(
        app,
        ["backtest", "--data", str(golden_npz), str(tmp_path / "missing.npz"), "-o", str(tmp_path / "o"), "--quiet"],
    )
    assert result.exit_code == 1
    assert "missing.npz" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trade", "--dry-run"], "either --trade or --dry-run"),
        (["--trade"], "--bot-id"),
        (["--trade", "--bot-id", "0"], "--bot-id"),
    ],
)
def test_orders_are_asked_for_in_so_many_words_and_by_an_id(words: list[str], said: str, tmp_path: Path) -> None:
    result = runner.invoke(app, ["live", "-s", "btcusdt", "-o", str(tmp_path / "x"), *words])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "x").exists()


def test_symbols_bring_their_own_sizes() -> None:
    own = {"solusdt": Symbol(0.01, 1.0), "xrpusdt": Symbol(lot_size=0.1)}
    assert parse_symbols(["btcusdt", "ethusdt:0.01:0.002", "solusdt"], 0.1, 0.001, own) == {
        "btcusdt": (0.1, 0.001),
        "ethusdt": (0.01, 0.002),
        "solusdt": (0.01, 1.0),
    }
    assert parse_symbols([], 0.1, 0.001, own) == {"solusdt": (0.01, 1.0), "xrpusdt": (0.1, 0.1)}
    with pytest.raises(ConfigError, match="is missing"):
        parse_symbols([], 0.1, 0.001, {})
    for wrong in (["a", "a"], [""], ["a:b:c"], ["a:1"], ["a:1:2:3"]):
        with pytest.raises(ConfigError):
            parse_symbols(wrong, 0.1, 0.001, {})


def test_warmup_says_how_warm(golden_npz: Path) -> None:
    result = runner.invoke(app, ["warmup", str(golden_npz), "--clock", "local"])
    assert result.exit_code in (0, 1)
    assert "samples" in result.output
