"""Nothing empty or mostly lost is called success: exit codes, words, and the state of a day of a batch."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import data_convert
import pytest
from convert_feed import Exchange, line, record
from data_convert import convert_recording
from data_convert.batch.plan import Job, State
from data_convert.batch.run import Options, run_job, state_of
from data_convert.exits import HELP, MAX_LOST, MEANING, Exit

T = 1_700_000_000_100_000_000
FEED = record(["update", "snapshot", *["update"] * 200], 5)[0]
ROOT = Path(__file__).parents[2]


def hyperliquid(count=3):
    level = {"px": "100", "sz": "1", "n": 1}
    book = {
        "channel": "l2Book",
        "data": {"coin": "BTC", "time": T // 10**6, "levels": [[level], [{**level, "px": "101"}]]},
    }
    return "".join(line(T + i, book) for i in range(count))


def bybit(depth):
    data = {"s": "BTCUSDT", "b": [["100", "1"]], "a": [["101", "1"]], "u": 5, "seq": 7}
    frame = {
        "topic": f"orderbook.{depth}.BTCUSDT",
        "type": "snapshot",
        "ts": T // 10**6,
        "cts": T // 10**6,
        "data": data,
    }
    trade = {"T": T // 10**6, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "100"}
    return line(T, frame) + line(T, {"topic": "publicTrade.BTCUSDT", "ts": T // 10**6, "data": [trade]})


TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"


@pytest.mark.parametrize(
    ("text", "command", "words"),
    [
        ("", ["collector", "IN", "OUT"], "the result is empty"),
        (hyperliquid(), ["collector", "IN", "OUT", "--venue", "binance"], "3 of 3 lines (100.0%) are lost"),
        (bybit(500), ["collector", "IN", "OUT", "--levels", "50"], "no book of 50 levels"),
        (FEED + "bad\n" * 3, ["collector", "IN", "OUT"], "3 of 205 lines (1.5%) are lost"),
        (TRADES, ["tardis", "IN", "-o", "OUT"], "the result is empty"),
        (TRADES + "binance,BTCUSDT,17000000000000000000,1,1,buy,1,1\n", ["tardis", "IN", "-o", "OUT"], "lines (50.0%) are lost"),
        ("id,price,qty,quote_qty,time,is_buyer_maker\n", ["history", "IN", "-o", "OUT", "--latency-ns", "1"], "the result is empty"),
    ],
)  # fmt: skip
def test_what_is_empty_or_mostly_lost_exits_with_3_and_says_why(tmp_path, run, text, command, words):
    path, out = tmp_path / "in.csv", tmp_path / "out.npz"
    path.write_text(text)
    arguments = [path if a == "IN" else out if a == "OUT" else a for a in command]
    code, shown, error = run(*arguments)
    assert code == 3
    assert words in error
    assert words in " ".join(shown.split()), "the report says so too"


def test_an_empty_gzip_file_is_no_success_unless_that_is_accepted(tmp_path, run):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b""))
    assert run("collector", path, tmp_path / "a.npz")[0] == 3
    code, _, error = run("collector", path, tmp_path / "b.npz", "--allow-empty")
    assert (code, "lost" in error) == (0, False)


def test_a_larger_share_is_accepted_on_request_and_a_smaller_one_asked_for(tmp_path, run):
    path = tmp_path / "a.gz"
    path.write_text(FEED + "bad\n" * 2)
    assert MAX_LOST == 0.01
    assert run("collector", path, tmp_path / "a.npz")[0] == 0
    assert run("collector", path, tmp_path / "b.npz", "--max-lost", 0.001)[0] == 3
    path.write_text(FEED + "bad\n" * 100)
    assert run("collector", path, tmp_path / "c.npz", "--max-lost", 0.5)[0] == 0
    assert run("collector", path, tmp_path / "d.npz", "--max-lost", 2)[0] == 2


def test_updates_that_no_snapshot_joins_are_lost_and_named_with_the_remedies(tmp_path, run):
    exchange = Exchange(3)
    lines = [exchange.update(), exchange.snapshot(), *(exchange.update() for _ in range(10))]
    exchange.update()
    lines += [exchange.update() for _ in range(60)]
    path = tmp_path / "a.gz"
    path.write_text("".join(line(T + i * 1_000_000, m) for i, m in enumerate(lines)))
    code, _, error = run("collector", path, tmp_path / "a.npz")
    assert code == 3
    assert "60 of 71 updates (84.5%) are lost" in error
    assert "--unanchored keep" in error
    assert run("collector", path, tmp_path / "b.npz", "--unanchored", "keep")[0] != 3


def test_a_day_whose_snapshot_comes_late_lost_what_came_before(tmp_path):
    exchange = Exchange(3)
    early = [exchange.update() for _ in range(30)]
    rest = [exchange.snapshot(), *(exchange.update() for _ in range(30))]
    for step_ns, lost in ((1_000_000, 0), (1_000_000_000, 20)):
        path = tmp_path / f"{step_ns}.gz"
        path.write_text("".join(line(T + i * step_ns, m) for i, m in enumerate([*early, *rest])))
        report = convert_recording(path).report
        assert [loss.lost for loss in report.losses if loss.what == "updates"] == [lost]
        assert bool(report.incomplete()) is bool(lost)


def test_empty_results_of_merge_and_to_tardis_are_no_success(tmp_path, run):
    for name in ("a.gz", "b.gz"):
        (tmp_path / name).write_bytes(b"")
    assert run("merge", tmp_path / "a.gz", tmp_path / "b.gz", tmp_path / "m.gz")[0] == 3
    outputs = ("--trades", tmp_path / "t.csv.gz", "--depth", tmp_path / "d.csv.gz")
    assert run("to-tardis", tmp_path / "a.gz", *outputs)[0] == 3
    assert run("to-tardis", tmp_path / "a.gz", *outputs, "--allow-empty", "--force")[0] == 0


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("BTCUSDT-trades-2023-11-14.csv", "1,100,1,100,1700000000000,true"),
        ("BTCUSDT-trades-2023-11-14.csv", "1,100,1,100,1700000000000,true,true"),
        ("BTCUSDT-aggTrades-2023-11-14.csv", "1,100,1,5,6,1700000000000,true"),
        ("BTCUSDT-aggTrades-2023-11-14.csv", "1,100,1,5,6,1700000000000,true,true"),
    ],
)
def test_archives_without_a_header_are_read_in_the_width_of_either_market(tmp_path, run, name, row):
    path = tmp_path / name
    path.write_text(row + "\n")
    assert run("history", path, "-o", tmp_path / "o.npz", "--latency-ns", 1)[0] == 0
    assert len(data_convert.load(tmp_path / "o.npz")) == 1


def day(tmp_path, text):
    path = tmp_path / "in" / "testusdt_20231114.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return Job("testusdt_20231114", "recording", (path,), tmp_path / "out" / "testusdt_20231114.npz")


def test_an_incomplete_day_is_a_state_of_its_own_and_made_again(tmp_path):
    job = day(tmp_path, FEED + "bad\n" * 50)
    outcome = run_job(job, Options())
    assert "50 of 252 lines" in outcome.incomplete[0]
    assert not job.output.exists()
    assert len(data_convert.load(job.incomplete)) == outcome.rows > 0
    assert state_of(job, force=False) is State.INCOMPLETE
    assert run_job(job, Options(max_lost=0.5)).incomplete == ()
    assert (job.output.exists(), job.incomplete.exists()) == (True, False)
    assert state_of(job, force=False) is State.DONE


def test_a_day_that_is_incomplete_when_it_is_forced_is_not_called_done(tmp_path):
    job = day(tmp_path, FEED)
    run_job(job, Options())
    day(tmp_path, "")
    assert run_job(job, Options(force=True)).incomplete
    assert state_of(job, force=False) is State.INCOMPLETE


def test_a_batch_with_an_incomplete_day_exits_with_3_and_does_it_again(tmp_path, run):
    job = day(tmp_path, FEED + "bad\n" * 50)
    arguments = ("batch", tmp_path / "in", tmp_path / "out", "--workers", 1)
    for _ in range(2):
        code, shown, _ = run(*arguments)
        assert code == 3
        assert "0 written, 0 failed, 1 incomplete" in shown
    assert "incomplete, to do again" in run(*arguments, "--plan")[1]
    day(tmp_path, FEED)
    code, shown, _ = run(*arguments, "--json")
    assert (code, json.loads(shown)["incomplete"]) == (0, 0)
    assert job.output.exists()


def test_exit_codes_are_stated_once_and_shown_in_the_help_and_the_manual(run):
    assert [code.value for code in Exit] == [0, 1, 2, 3, 4, 130, 143]
    assert " ".join(HELP.split()) in " ".join(run("--help")[1].split())
    manual = (ROOT / "docs" / "data-convert.md").read_text()
    for code, meaning in MEANING.items():
        assert re.search(rf"^\| {code.value} \| {re.escape(meaning)}", manual, re.MULTILINE), meaning
