"""Real recordings of Binance spot and COIN-M, replayed through a connector and a recorder: nothing missing, every book the true one."""

import gzip
import json
from pathlib import Path

import pytest

from tests.demo.checks import _link_batches as link_batches
from tests.rig import Rig
from tests.truth import read_truth, recorded_lines

LINES = 6000  # about a minute
PATIENT = {"stale_s": 120, "data_age_s": 120}  # a replay may pause


@pytest.mark.parametrize(
    ("exchange", "face", "name", "symbol"),
    [
        ("binance", "spot", "spot_ethusdt_20240808", "ethusdt"),
        ("binancefuturescm", "coinm", "cm_ethusd_perp_20240808", "ethusd_perp"),
    ],
)
def test_a_replayed_recording_is_recorded_whole_and_its_book_is_the_truth_at_every_update(
    exchange: str, face: str, name: str, symbol: str, tmp_path: Path, shared_data: Path
) -> None:
    capture = tmp_path / "capture.gz"
    with gzip.open(shared_data / "captures" / f"{name}.gz") as whole, gzip.open(capture, "wb") as head:
        head.writelines(line for line, _ in zip(whole, range(LINES), strict=False))
    truth = read_truth(capture, symbol)
    golden = json.loads((shared_data / "golden" / "ob_sync" / f"{name}.json").read_text())
    first_id, last_id = golden["first_applied"]["u"], truth.last_id
    assert first_id in truth.tops
    with Rig() as rig:
        rig.exchange("--venue", face, "--market", "replay", "--capture", capture, "--speed", 4, "--wait-for", "all")
        rig.link_collector(tmp_path / "ipc", [symbol])
        rig.connector(exchange=exchange, **PATIENT)
        rig.until(lambda: rig.state()["connections_opened"] >= 1, 120, "the connector")
        rig.direct_collector(tmp_path / "direct", [symbol], "--stale", 120, exchange=exchange)
        rig.until(
            lambda: (rig.state()["symbols"][symbol]["last_u_sent"] or 0) >= last_id, 120, "the end of the recording"
        )
        rig.until(lambda: last_id in {batch[0] for batch in link_batches(tmp_path, symbol)}, 60, "the last update")
        asked = rig.asked(symbol)
        for label in ("direct", "ipc", "connector"):
            assert rig.end(label) == 0, rig.log(label)
    lines = [line for path in sorted((tmp_path / "direct").glob("*.gz")) for _, line in recorded_lines(path)]
    assert [line for line in lines if line.startswith(b'{"stream":')] == truth.frames, "a frame is missing, or doubled"
    assert asked == 2, "one snapshot for each of both"
    seen = {number: tuple(top) for number, *top in link_batches(tmp_path, symbol)}
    begun = min(seen)
    true = {number: (top.bid, top.bid_qty, top.ask, top.ask_qty) for number, top in truth.tops.items()}
    assert begun <= first_id + (last_id - first_id) // 10
    assert [number for number in true if number >= begun and seen.get(number) != true[number]] == []
    assert {number for number in seen if number > min(true)} <= true.keys()
    checkpoints = [point for point in golden["checkpoints"] if begun <= point[1] <= last_id]
    assert checkpoints
    assert all(seen[point[1]] == tuple(point[2:]) for point in checkpoints)
