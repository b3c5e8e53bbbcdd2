"""The connector killed and started again while a recorder and a bot are on it."""

import signal
import time
from pathlib import Path

import data_convert as dc
import orjson

from tests.rig import Rig
from tests.system.books import START_S, Follower, assert_true
from tests.truth import recorded_lines


def test_recorder_and_bot_survive_a_killed_connector_in_a_synthetic_market(tmp_path: Path) -> None:
    survive(tmp_path, "--market", "synthetic", "--symbols", "btcusdt", "--rate", "300", "--seed", "4")


def test_recorder_and_bot_survive_a_killed_connector_in_the_middle_of_a_replay(
    tmp_path: Path, shared_data: Path
) -> None:
    capture = shared_data / "captures" / "usdm_btcusdt_20240808.gz"
    survive(tmp_path, "--market", "replay", "--capture", str(capture), "--speed", "2", "--start-now")


def survive(tmp_path: Path, *market: str) -> None:
    with Rig() as rig:
        rig.exchange(*market)
        rig.link_collector(tmp_path / "ipc", ["btcusdt"])  # before there is a connector
        rig.connector()
        with Follower(rig, ["btcusdt"]) as follower:
            rig.until(follower.synced, START_S, "the bot to be in sync")
            time.sleep(2)
            rig.end("connector", signal.SIGKILL)
            rig.until(lambda: not follower.synced(), 10, "the bot to notice")
            assert follower.why()
            start = time.monotonic()
            rig.connector(label="connector-again")
            rig.until(follower.synced, START_S, "the bot to be in sync again")
            print(f"in sync {time.monotonic() - start:.2f} s after the new connector was started")
            time.sleep(2)
            assert follower.lost_samples == 0
            assert_true(rig, follower)
            time.sleep(1.5)
        assert rig.end("ipc") == 0
        assert rig.end("connector-again") == 0
        assert rig.asked("btcusdt") == 2
        recordings = sorted((tmp_path / "ipc").glob("*.gz"))
        words = [orjson.loads(payload)["e"] for path in recordings for _, payload in recorded_lines(path)]
        first_clear = words.index("depthClear")
        assert "gap" in words[first_clear:], "the hole is not stated in the recording"
        assert "depthClear" in words[words.index("gap", first_clear) :], "no replacement of the book behind the hole"
        report = dc.convert_recording(recordings).report
        assert [gap.reason for gap in report.gaps if gap.reason in ("connector restarted", "connector silent")]
        assert all(gap.length_ns is not None for gap in report.gaps)
        assert not report.bad
        assert all(book.crossed == 0 for book in report.books.values())
