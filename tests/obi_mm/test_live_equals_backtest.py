"""The same events once through the backtester and once through exchange, connector, shared memory and `obi-mm live`."""

import gzip
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from obi_mm.decision_compare import compare
from obi_mm.decisions import read_log
from obi_mm.layout import QUOTING

from tests.rig import Rig

CONFIG = Path(__file__).with_name("short.toml")
LINES = 11_000
SPEED = 6.0


@pytest.fixture
def capture(shared_data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "btcusdt_20240808.gz"
    with gzip.open(shared_data / "captures" / "usdm_btcusdt_20240808.gz") as whole, gzip.open(path, "wb", 1) as part:
        part.writelines(itertools.islice(whole, LINES))
    return path


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True, capture_output=True, timeout=120)


def test_backtest_and_live_decide_the_same_line_by_line(capture: Path, tmp_path: Path) -> None:
    array, back, live = tmp_path / "btcusdt.npz", tmp_path / "back", tmp_path / "live.obilog"
    run("data_convert", "collector", capture, array)
    run("obi_mm", "backtest", "-d", array, "-c", CONFIG, "-o", back, "--clock", "exchange", "--dry-run", "--quiet")
    with Rig() as rig:
        rig.exchange(
            "--market", "replay", "--capture", capture, "--speed", SPEED, "--paused", "--history", 1_000_000
        )  # fmt: skip
        rig.connector()
        rig.start(
            "live", "obi_mm", "live", "-s", "btcusdt", "-n", "bf", "-c", CONFIG, "--dry-run", "-o", live, "--plain", "--json"
        )  # fmt: skip
        rig.until(lambda: sum(len(one["streams"]) for one in rig.state()["connections"]) >= 2, 90, "the streams")
        rig.ask("resume", method="POST")
        expected = read_log(back / "decisions.obilog")
        last_ns = int(expected.decisions["time_ns"][-1])
        rig.until(lambda: live.exists() and decided(live) >= last_ns, 60, "the last decision")
        assert rig.end("live") == 0
        said = rig.summary("live")
    seen = read_log(live)
    first_ns = int(seen.decisions["time_ns"][0])
    assert said["interruptions"] == {"btcusdt": 0}, json.dumps(said)
    found = [one for one in compare(expected, seen) if first_ns <= one.time_ns <= last_ns]
    assert not found, found[0]
    quoting = seen.decisions[seen.decisions["reason"] == QUOTING]
    assert len(quoting) >= 10
    assert int(quoting["actions"].sum()) > 0


def decided(path: Path) -> int:
    decisions = read_log(path).decisions
    return int(decisions["time_ns"][-1]) if len(decisions) else 0
