"""The long run, short: what it generates comes through, and what is wrong in a result is seen."""

from __future__ import annotations

import gzip

import numpy as np
from data_convert import load, save
from data_convert.events import SELL

from tests.bench_convert import long


def test_every_row_comes_through_and_a_changed_one_is_seen(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(long, "BLOCK_ROWS", 1 << 12)
    assert long.measure(20_000, tmp_path, "fast") == 0
    assert "as generated" in capsys.readouterr().out
    texts = [gzip.decompress((tmp_path / name).read_bytes()).splitlines() for name in ("trades.csv.gz", "depth.csv.gz")]
    assert sum(map(len, texts)) == 20_002
    assert texts[0][1] == b"binance-futures,BTCUSDT,1700000000000000,1700000000000050,000000000,sell,50000.0,0.001"
    _, expected, _ = long.generate(tmp_path, 20_000)
    right = load(tmp_path / "long.npz")

    def found(events):
        save(events, tmp_path / "wrong.npz", force=True)
        _, seen, faults = long.look_through(tmp_path / "wrong.npz")
        return faults + long.differences(expected, seen)

    assert found(right) == []
    assert found(right[:-1])
    assert found(np.concatenate((right[1:], right[:1])))
    for column, change in (("px", 0.1), ("qty", 1e-9), ("exch_ts", 1000), ("local_ts", -1000), ("ev", SELL)):
        wrong = right.copy()
        wrong[column][9_999] += np.array(change).astype(wrong[column].dtype)
        assert found(wrong), column
