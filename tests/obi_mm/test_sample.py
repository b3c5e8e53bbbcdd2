"""The made-up day: sound, seeded; and a backtest of it in two processes, equal byte for byte."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_convert import load, save
from marketlink.book.fused import FusedBook
from marketlink.events import DEPTH, KIND_MASK, TRADE
from obi_mm.cli import app
from obi_mm.outputs import FILES
from obi_mm.sample import LEVELS, sample_day
from typer.testing import CliRunner

SHORT = Path(__file__).with_name("short.toml")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "day.npz"
    save(sample_day(0.3, 1), path, compress="fast")
    return path


def test_a_seed_is_a_day() -> None:
    first = sample_day(0.05, 1)
    assert first.tobytes() == sample_day(0.05, 1).tobytes()
    assert first.tobytes() != sample_day(0.05, 2).tobytes()


def test_the_book_is_whole_and_never_crossed(day: Path) -> None:
    events = load(day)
    assert (np.diff(events["exch_ts"]) >= 0).all()
    assert (np.diff(events["local_ts"]) >= 0).all()
    kinds = events["ev"] & KIND_MASK
    assert set(np.unique(kinds).tolist()) == {DEPTH, TRADE}
    book = FusedBook(0.1, 0.001)
    depth = events[kinds == DEPTH]
    ends = np.flatnonzero(np.diff(depth["exch_ts"])) + 1
    for part in np.split(depth, ends):
        book.apply(part)
        assert book.best_bid_tick < book.best_ask_tick
        assert (book.bid_count, book.ask_count) == (LEVELS, LEVELS)
    assert len(ends) > 5_000


def test_the_command_writes_it_and_does_not_replace_what_is_there(tmp_path: Path) -> None:
    path, runner = tmp_path / "new" / "day.npz", CliRunner()
    assert runner.invoke(app, ["sample", str(path), "--hours", "0.05"]).exit_code == 0
    assert load(path).tobytes() == sample_day(0.05, 1).tobytes()
    assert runner.invoke(app, ["sample", str(path)]).exit_code == 1
    assert runner.invoke(app, ["sample", str(path), "--hours", "0.05", "--seed", "2", "--force"]).exit_code == 0


def test_two_processes_write_the_same_bytes(day: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("one", "two")]
    for output in outputs:
        command = [
            sys.executable,
            "-m",
            "obi_mm",
            "backtest",
            "-d",
            str(day),
            "-c",
            str(SHORT),
            "-o",
            str(output),
            "--quiet",
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    for name in FILES:
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes(), name
    assert len((outputs[0] / "fills.csv").read_text().splitlines()) > 100
