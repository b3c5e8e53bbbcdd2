"""Minutes of random faults: the books heal each time, and memory does not grow."""

import random
import time
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.system.books import START_S, Follower, assert_true

SYMBOLS = ["btcusdt", "ethusdt", "solusdt", "xrpusdt"]
FAULTS: list[dict[str, object]] = [
    {"kind": "drop", "stream": "depth"},
    {"kind": "duplicate", "stream": "depth", "count": 3},
    {"kind": "reorder", "stream": "depth"},
    {"kind": "corrupt", "mode": "truncate", "stream": "depth"},
    {"kind": "eof"},
    {"kind": "reset"},
    {"kind": "status", "status": 500},
    {"kind": "stale_snapshot", "updates": 20},
]


def resident_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_minutes_of_random_faults(tmp_path: Path) -> None:
    rng = random.Random(11)
    with Rig() as rig:
        rig.exchange(
            "--market", "synthetic", "--symbols", ",".join(SYMBOLS), "--rate", "600", "--levels", "10", "--seed", "11"
        )
        connector = rig.connector(data_age_s=5.0)
        recorder = rig.link_collector(tmp_path / "ipc", SYMBOLS)
        with Follower(rig, SYMBOLS) as follower:
            rig.until(follower.synced, START_S, "every book to be in sync")
            time.sleep(20)
            before = resident_mb(connector.pid), resident_mb(recorder.pid)
            for _ in range(30):
                for fault in rng.sample(FAULTS, 2):
                    of_stream = {"symbol": rng.choice(SYMBOLS)} if "stream" in fault else {}
                    rig.ask("faults", {**fault, **of_stream})
                time.sleep(rng.uniform(2, 12))
                rig.ask("faults", method="DELETE")
                rig.until(follower.synced, 90, "every book to be in sync again")
                assert_true(rig, follower)
            assert follower.lost_samples == 0
            after = resident_mb(connector.pid), resident_mb(recorder.pid)
        assert rig.state()["weight_peak_1m"] <= 2400
        assert all(now < 1.3 * then + 20 for then, now in zip(before, after, strict=True)), (before, after)
        assert rig.end("ipc") == 0
        assert rig.summary("ipc")["source"]["samples_lost"] == 0
        assert rig.end("connector") == 0
