"""A sweep: cells are days times values, finished ones are not run again, processes agree with one run alone."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest
from obi_mm.backtest import Result
from obi_mm.config import Config
from obi_mm.errors import ConfigError
from obi_mm.models import Models
from obi_mm.sweep import Row, append_row, cluster, load_grid, make_cells, ranked, read_rows, run_cell, run_cells, totals
from obi_mm.sweeping import render, sweep_all
from obi_mm.versions import code_digest, sources_digest

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
    monkeypatch.setattr(
        "obi_mm.sweeping.run_cells", lambda cells, executor, workers: (run_cell(cell) for cell in cells)
    )
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


def test_a_key_changes_with_the_code_the_engine_and_the_latencies(
    golden_npz: Path, golden_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latencies = tmp_path / "latency.npz"
    latencies.write_bytes(b"one")
    models = Models(latency_files=(str(latencies),))

    def key() -> str:
        code_digest.cache_clear()
        return make_cells({"params.skew": [1e-6]}, [golden_npz], golden_config, models, 0.1, 0.001, "t")[0].key

    keys = [key(), key()]
    assert keys[0] == keys[1]
    latencies.write_bytes(b"other")
    keys.append(key())
    for name in ("obi-mm", "hftbacktest", "numba"):
        with monkeypatch.context() as patch:
            patch.setattr(
                "obi_mm.versions.version", lambda asked, name=name: "9.9" if asked == name else version(asked)
            )
            keys.append(key())
    with monkeypatch.context() as patch:
        patch.setattr("obi_mm.versions.sources_digest", lambda folder: b"changed")
        keys.append(key())
    code_digest.cache_clear()
    assert len(set(keys)) == 6


def test_any_changed_source_is_another_code(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("1")
    before = sources_digest(tmp_path)
    (tmp_path / "in" / "note.txt").write_text("1")
    assert sources_digest(tmp_path) == before
    (tmp_path / "in" / "a.py").write_text("2")
    assert sources_digest(tmp_path) != before


def children_of(pid: int) -> list[int]:
    """Every process whose parent is `pid`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            if int(words[1]) == pid and words[0] != "Z":
                found.append(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_a_sweep_ends_no_worker_stays_and_what_is_done_is_kept(
    golden_npz: Path, tmp_path: Path, number: signal.Signals
) -> None:
    values = ", ".join(f"{i}e-7" for i in range(1, 400))
    (tmp_path / "grid.toml").write_text(f'[grid]\n"params.skew" = [{values}]\n')
    words = ["sweep", "--grid", "grid.toml", "--data", str(golden_npz), "--output", "out", "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "obi_mm", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as sweep:
        rows, until_s = tmp_path / "out" / "rows.jsonl", time.monotonic() + 120
        while not (rows.exists() and rows.stat().st_size) and time.monotonic() < until_s:
            assert sweep.poll() is None
            time.sleep(0.05)
        workers = children_of(sweep.pid)
        assert len(workers) >= 2
        sweep.send_signal(number)
        _, said = sweep.communicate(timeout=60)
    until_s = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    assert read_rows(rows)
    if number is signal.SIGKILL:
        assert sweep.returncode == -number
    else:
        assert sweep.returncode == 128 + number
        assert "of 399 runs are done and kept" in said
        assert "Traceback" not in said


def test_a_cluster_without_distributed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("obi_mm.sweep.import_module", missing)
    with pytest.raises(ConfigError, match="cluster"):
        cluster("tcp://nowhere:1")
