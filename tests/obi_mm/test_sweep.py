"""A sweep: cells are days times values, finished ones are not run again, processes agree with one run alone."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obi_mm.backtest import Models, Result
from obi_mm.config import Config
from obi_mm.errors import ConfigError
from obi_mm.sweep import Row, append_row, cluster, load_grid, make_cells, ranked, read_rows, run_cell, run_cells, totals
from obi_mm.sweeping import render, sweep_all

AXES = {"params.half_spread": [2e-6, 4e-6], "params.skew": [1e-6, 2e-6]}
GRID = '[grid]\n"params.half_spread" = [2e-6, 4e-6]\n[grid.params]\nskew = [1e-6, 2e-6]\n'


def test_forked_processes_give_what_one_run_gives(
    golden_npz: Path, golden_config: Config, golden_result: Result
) -> None:
    cells = make_cells(AXES, [golden_npz], golden_config, Models(), 0.1, 0.001, "test")
    assert len({cell.key for cell in cells}) == 4
    rows = {row.key: row for row in run_cells(cells, None, 2)}
    assert set(rows) == {cell.key for cell in cells}
    base = next(cell for cell in cells if dict(cell.changes) == {"params.half_spread": 4e-6, "params.skew": 2e-6})
    assert rows[base.key].figures["equity"] == golden_result.figures["equity"]
    assert len({row.figures["equity"] for row in rows.values()}) == 4
    with ThreadPoolExecutor(1) as any_executor:
        assert list(run_cells([base], any_executor)) == [rows[base.key]]


def test_finished_runs_are_not_run_again(
    golden_npz: Path,
    golden_config: Config,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "grid.toml").write_text('[grid]\n"params.half_spread" = [4e-6, 6e-6]\n')
    config = tmp_path / "c.toml"
    config.write_text(
        "".join(
            f"[{s}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in f.items())
            for s, f in golden_config.sections().items()
        )
    )

    def sweep() -> None:
        sweep_all(
            tmp_path / "grid.toml", [golden_npz], config, tmp_path / "out", 0.1, 0.001, Models(),
            workers=1, address="", rank="equity", quiet=False,
        )  # fmt: skip

    sweep()
    first = (tmp_path / "out" / "rows.jsonl").read_text()
    assert len(first.splitlines()) == 2
    # A torn last line, as a kill leaves it, costs one run.
    (tmp_path / "out" / "rows.jsonl").write_text(first[:-30])
    monkeypatch.setattr("obi_mm.sweeping.run_cells", lambda cells, executor, workers: map(run_cell, cells))
    capsys.readouterr()
    sweep()
    assert "2 runs, 1 of them done before" in capsys.readouterr().err
    table = (tmp_path / "out" / "table.csv").read_text().splitlines()
    assert len(table) == 3
    assert "<table>" in (tmp_path / "out" / "sweep.html").read_text()


def test_a_grid_is_checked_before_anything_runs(golden_npz: Path, golden_config: Config, tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    assert load_grid(path) == AXES
    for text in ("", "[grid]\n", "[grid]\nx = 3\n", "[other]\nx = [3]\n", "[grid\n"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            load_grid(path)
    for axes in ({"params.skw": [1.0]}, {"params.skew": ["a"]}, {"global.order_qty": [0.0001]}):
        with pytest.raises(ConfigError):
            make_cells(axes, [golden_npz], golden_config, Models(), 0.1, 0.001, "test")
    with pytest.raises(ConfigError, match="at most"):
        make_cells(
            {"params.skew": [0.0] * 2000, "params.c1": [0.0] * 2000},
            [golden_npz],
            golden_config,
            Models(),
            0.1,
            0.001,
            "t",
        )


def row(skew: float, day: str, **figures: float | None) -> Row:
    every = dict.fromkeys(
        ("equity", "fee", "max_drawdown", "sharpe", "sortino", "trades", "trading_volume", "fill_rate", "position",
         "position_abs_mean", "position_abs_max", "bid_at_touch", "ask_at_touch", "stop_loss_triggers", "simulated_seconds"),
        0.0,
    )  # fmt: skip
    return Row(f"{skew}{day}", day, {"params.skew": skew}, {**every, **figures})


def test_days_are_added_up_and_the_best_comes_first(tmp_path: Path) -> None:
    rows = [
        row(1.0, "a", equity=1.0, sharpe=None, max_drawdown=5.0),
        row(1.0, "b", equity=2.0, sharpe=4.0, max_drawdown=3.0),
        row(2.0, "a", equity=5.0, sharpe=None, max_drawdown=9.0),
    ]
    summed = totals(rows)
    assert [(one.figures["equity"], one.figures["max_drawdown"], one.figures["sharpe"]) for one in summed] == [
        (3.0, 5.0, 4.0), (5.0, 9.0, None),
    ]  # fmt: skip
    assert [one.changes["params.skew"] for one in ranked(summed, "equity")] == [2.0, 1.0]
    assert [one.changes["params.skew"] for one in ranked(summed, "max_drawdown")] == [1.0, 2.0]
    assert [one.changes["params.skew"] for one in ranked(summed, "sharpe")] == [1.0, 2.0]
    with pytest.raises(ConfigError, match="--rank"):
        ranked(summed, "profit")
    with (tmp_path / "rows").open("w") as file:
        for one in rows:
            append_row(file, one)
    assert list(read_rows(tmp_path / "rows").values()) == rows
    assert "heat" not in render({"params.skew": [1.0, 2.0]}, summed, "equity", ["a", "b"])


def test_a_cluster_without_distributed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("obi_mm.sweep.import_module", missing)
    with pytest.raises(ConfigError, match="cluster"):
        cluster("tcp://nowhere:1")
