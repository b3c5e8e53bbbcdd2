"""Recordings as Tardis CSV: the published lines, verbatim numbers, and the way back."""

from __future__ import annotations

import gzip
import json

import pytest
from convert_feed import line, record
from data_convert import convert_recording, replay_book, validate
from data_convert.events import LOCAL, has_flag
from data_convert.recordings.to_tardis import recording_to_tardis
from data_convert.tardis.fuse import fuse_tardis


def both_files(tmp_path, text, **options):
    path = tmp_path / "btcusdt_20231114.jsonl"
    path.write_text(text)
    trades, depth = tmp_path / "trades.csv.gz", tmp_path / "depth.csv.gz"
    counts = recording_to_tardis(path, trades, depth, force=True, **options)
    return counts, *(gzip.decompress(file.read_bytes()).decode().splitlines() for file in (trades, depth))


def test_the_published_three_lines_give_the_published_rows(tmp_path, real_data):
    facts = json.loads((real_data / "facts" / "converters.json").read_text())
    case = next(case for case in facts["collector"] if case["id"] == "three_lines")
    counts, trades, depth = both_files(tmp_path, "".join(text + "\n" for text in case["lines"]))
    assert counts == {"trades": 1, "depth": 4}
    assert trades[1] == "binance-futures,BTCUSDT,1700000000000000,1700000000000000,123456,buy,50000.50,0.001"
    assert depth[1] == "binance-futures,BTCUSDT,1700000001000000,1700000001000000,false,bid,50000.00,1.5"
    assert depth[4] == "binance-futures,BTCUSDT,1700000002000000,1700000002000000,true,ask,50002.00,5.0"


@pytest.mark.parametrize("seed", range(6))
def test_what_is_written_converts_to_the_book_it_came_from(tmp_path, seed):
    operations = ["update"] * 3 + ["early snapshot"] + ["update", "trade", "update", "snapshot"] * 5
    text, _, _ = record(operations, seed)
    both_files(tmp_path, text, time="T")
    direct = convert_recording(tmp_path / "btcusdt_20231114.jsonl")
    back = fuse_tardis([tmp_path / "trades.csv.gz", tmp_path / "depth.csv.gz"])
    assert validate(back.events).faults == ()
    ends = [replay_book(result.events) for result in (direct, back)]
    assert (len(ends[0].bids), ends[0].best_bid) == (len(ends[1].bids), ends[1].best_bid)
    assert int((direct.events[has_flag(direct.events, LOCAL)]["ev"] & 0xFF == 2).sum()) == 5


def test_other_sources_are_written_with_shortest_decimals(tmp_path):
    trade = {"coin": "kPEPE", "side": "A", "px": "0.00000120", "sz": "10.0", "time": 1700000000000}
    text = line(1_700_000_000_000_000_999, {"channel": "trades", "data": [trade]})
    _, trades, _ = both_files(tmp_path, text)
    assert trades[1] == "hyperliquid,kPEPE,1700000000000000,1700000000000000,,sell,0.0000012,10"


def test_a_directory_gets_both_files_under_the_names_of_the_vendor(tmp_path, run):
    source = tmp_path / "btcusdt_20231114.jsonl"
    source.write_text(record(["update", "snapshot", "update"], 3)[0])
    code, out, err = run("to-tardis", source, "-o", tmp_path / "days", "--json")
    names = [f"binance-futures_{kind}_2023-11-14_TESTUSDT.csv.gz" for kind in ("trades", "incremental_book_L2")]
    assert (code, sorted(path.name for path in (tmp_path / "days").iterdir())) == (0, sorted(names)), err
    told = json.loads(out)
    assert [told[kind]["output"] for kind in ("trades", "depth")] == [str(tmp_path / "days" / name) for name in names]
    code, _, err = run("to-tardis", source, "-o", tmp_path / "days")
    assert (code, "exists" in err) == (1, True)
    code, _, err = run("to-tardis", source, "--trades", tmp_path / "t.csv.gz")
    assert (code, "-o DIR" in err) == (2, True)
