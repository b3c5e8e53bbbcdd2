"""The commands beside `collector`: files, exit codes, what they refuse."""

from __future__ import annotations

import gzip
import json

import data_convert
import pytest
from convert_feed import record
from data_convert.recordings.tardis_rows import HEADERS


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "testusdt_20231114.gz"
    path.write_text(record(["update", "snapshot", "update", "trade", "update"] * 3, 5)[0])
    return path


@pytest.fixture
def array(run, tmp_path, recording):
    assert run("collector", recording, tmp_path / "day.npz")[0] == 0
    return tmp_path / "day.npz"


def test_snapshot_and_latency_of_an_array(run, tmp_path, array):
    import numpy as np

    assert run("snapshot", array, "-o", tmp_path / "s.npz")[0] == 0
    assert set((data_convert.load(tmp_path / "s.npz")["ev"] & np.uint64(0xFF)).tolist()) == {4}
    assert run("snapshot", array, "-o", tmp_path / "s.npz")[0] == 1, "nothing is written over"
    assert run("snapshot", array, "-o", tmp_path / "s2.npz", "--tick-size", "0")[0] == 2
    assert run("latency", array, "-o", tmp_path / "l.npz", "--entry-factor", "3/2")[0] == 0
    assert np.load(tmp_path / "l.npz")["data"].dtype.names == ("req_ts", "exch_ts", "resp_ts", "_padding")
    assert run("latency", array, "-o", tmp_path / "l2.npz", "--entry-factor", "x")[0] == 2


def test_inspect_shows_the_book_at_an_instant_and_writes_a_page(run, tmp_path, array):
    code, text, _ = run("inspect", array, "--at", "2023-11-14T22:13:21", "--levels", 2, "--html", tmp_path / "p.html")
    assert code == 0
    assert "latency in ms" in text
    assert "book at 2023-11-14 22:13:21.000000 UTC (1700000001000000000) on the local clock" in text
    assert (tmp_path / "p.html").read_text().startswith("<!doctype html>")
    assert run("inspect", array, "--at", "yesterday")[0] == 2
    assert run("inspect", tmp_path / "testusdt_20231114.gz", "--at", "5")[0] == 2


def test_merge_takes_what_either_has(run, tmp_path, recording):
    lines = recording.read_text().splitlines(keepends=True)
    for name, kept in (("a", lines[:6]), ("b", lines[3:])):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress("".join(kept).encode()))
    code, text, _ = run("merge", tmp_path / "a.gz", tmp_path / "b.gz", tmp_path / "m.gz")
    assert (code, gzip.decompress((tmp_path / "m.gz").read_bytes()).decode()) == (0, "".join(lines))
    assert "3 known already" in text
    assert run("merge", tmp_path / "a.gz", tmp_path / "m.gz")[0] == 2
    link = tmp_path / "link.gz"
    link.write_text('5 {"e":"depthUpdate","E":1,"s":"X","b":[["1","1"]],"a":[]}\n')
    assert "connector" in run("merge", tmp_path / "a.gz", link, tmp_path / "n.gz")[2]
    other = tmp_path / "other.gz"
    other.write_text("".join(lines).replace("TESTUSDT", "OTHERUSDT"))
    code, _, error = run("merge", tmp_path / "a.gz", other, tmp_path / "n.gz")
    assert (code, "more than one symbol" in error, (tmp_path / "n.gz").exists()) == (1, True, False)


def test_to_tardis_and_fuse_in_a_row(run, tmp_path, recording):
    trades, depth = tmp_path / "t.csv.gz", tmp_path / "d.csv.gz"
    assert run("to-tardis", recording, "--trades", trades, "--depth", depth)[0] == 0
    assert gzip.decompress(depth.read_bytes()).decode().startswith(HEADERS["depth"])
    assert run("to-tardis", recording, "--trades", trades, "--depth", trades, "--force")[0] == 2
    code, text, _ = run("fuse", trades, depth, "-o", tmp_path / "f.npz", "--tick-size", 0.01, "--json")
    assert (code, json.loads(text)["faults"]) == (0, [])
    assert run("fuse", trades, "-o", tmp_path / "g.npz")[0] == 1
    assert run("fuse", trades, depth, "-o", tmp_path / "g.npz", "--lot-size", "-1")[0] == 2


def test_history_wants_exactly_one_latency(run, tmp_path, array):
    path = tmp_path / "XUSDT-trades-2023-11-14.csv"
    path.write_text("id,price,qty,quote_qty,time,is_buyer_maker\n1,100,1,100,1700000000000,true\n")
    assert run("history", path, "-o", tmp_path / "h.npz")[0] == 2
    assert run("history", path, "-o", tmp_path / "h.npz", "--latency-ns", 5, "--latency-file", array)[0] == 2
    assert run("history", path, "-o", tmp_path / "h.npz", "--latency-ns", 5)[0] == 0
    assert run("history", path, "-o", tmp_path / "i.npz", "--latency-file", array)[0] == 0
    assert run("history", tmp_path / "a.dbn", "-o", tmp_path / "j.npz", "--latency-ns", 5)[0] == 2


def test_batch_plans_runs_resumes_and_tells_failures_by_its_exit_code(run, tmp_path, recording):
    out = tmp_path / "out"
    (tmp_path / "readme").write_text("x")
    code, text, _ = run("batch", tmp_path, out, "--plan")
    assert (code, out.exists()) == (0, False)
    assert "testusdt_20231114: to do" in text
    code, text, error = run("batch", tmp_path, out, "--workers", 1)
    assert (code, "1 written, 0 failed" in text, "1/1 testusdt_20231114" in error) == (0, True, True)
    (tmp_path / "badusdt_20231114.gz").write_text("junk\n")
    code, text, _ = run("batch", tmp_path, out, "--workers", 1, "--json")
    found = json.loads(text)
    assert (code, found["failed"], found["left"]) == (1, 1, {"testusdt_20231114": "done already"})
    assert run("batch", tmp_path, out, "--symbols", "nousdt")[0] == 0
    assert run("batch", tmp_path / "no", out)[0] == 1
    assert run("batch", tmp_path, out, "--from", "soon")[0] == 2


def test_levels_are_a_number_or_fused(run, tmp_path, recording):
    assert run("collector", recording, tmp_path / "a.npz", "--levels", "many")[0] == 2
