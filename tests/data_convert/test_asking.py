"""One way of asking: the same options over all commands, old spellings kept, help whole, every format named."""

from __future__ import annotations

import gzip
import json
import zipfile

import pytest
import typer
from convert_feed import record
from data_convert.cli import app
from data_convert.inspection.naming import name_file

FEED = ["update", "snapshot", "update", "trade", "update"]
REPORTED = ("collector", "validate", "tardis", "fuse", "history", "inspect")
WITH_OUTPUT = (
    *("collector", "tardis", "fuse", "history", "snapshot", "latency", "merge", "batch", "generate-sample"),
    *("to-tardis", "migrate"),
)


def options_of(name):
    command = typer.main.get_command(app).commands[name]
    return {option for parameter in command.params for option in parameter.opts}


def test_every_command_has_the_same_spellings():
    commands = typer.main.get_command(app).commands
    for name in commands:
        assert "--json" in options_of(name), name
    for name in REPORTED:
        assert {"--report", "--html"} <= options_of(name), name
    for name in WITH_OUTPUT:
        assert {"-o", "--output"} <= options_of(name), name


@pytest.fixture
def day(tmp_path):
    path = tmp_path / "btcusdt_20240808.jsonl"
    path.write_text(record(FEED, 5)[0])
    return path


def test_outputs_are_named_by_an_option_or_last_as_before(run, day, tmp_path):
    assert run("collector", day, "-o", tmp_path / "a.npz")[0] == 0
    assert run("collector", day, tmp_path / "b.npz")[0] == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    other = tmp_path / "other.jsonl"
    other.write_text(day.read_text())
    assert run("merge", day, other, "-o", tmp_path / "a.gz")[0] == 0
    code, out, _ = run("merge", day, other, tmp_path / "b.gz", "--json")
    assert (code, json.loads(out)["files"][1]["known"]) == (0, 5)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    for command in (("collector", day), ("merge", day, other), ("batch", tmp_path), ("generate-sample",)):
        code, _, error = run(*command)
        assert code == 2, command
        assert "-o" in error
    code, out, _ = run("snapshot", tmp_path / "a.npz", "-o", tmp_path / "s.npz", "--json")
    assert json.loads(out)["output"] == str(tmp_path / "s.npz")


@pytest.mark.parametrize("option", ["--report", "--html"])
def test_the_path_of_a_written_report_is_said(run, day, tmp_path, option):
    array, page = tmp_path / "a.npz", tmp_path / "p.html"
    assert f"{page}: the report" in run("collector", day, "-o", array, option, page)[2]
    assert f"{page}: the report" in run("validate", array, option, page, "--force")[2]
    assert f"{page}: the report" in run("inspect", array, option, page, "--force")[2]


def test_version_completion_and_whole_help_lines(run, monkeypatch):
    code, out, _ = run("--version")
    assert (code, out.split()[0]) == (0, "data-convert")
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = run("--help")
    assert code == 0
    assert "--show-completion" in out
    assert "..." not in out.partition("Commands")[2]
    for name, command in typer.main.get_command(app).commands.items():
        assert " ".join(command.help.splitlines()[0].split()) in " ".join(out.split()), name


TARDIS = "exchange,symbol,timestamp,local_timestamp,"
LEVELS = ",".join(f"asks[{n}].price,asks[{n}].amount,bids[{n}].price,bids[{n}].amount" for n in range(5))


@pytest.mark.parametrize(
    ("text", "what", "command"),
    [
        (record(FEED, 5)[0], "recording of Binance's frames", "collector"),
        (TARDIS + "id,side,price,amount\nx,A,1,2,,buy,1,1\n", "Tardis trades", "tardis"),
        (TARDIS + "is_snapshot,side,price,amount\n", "Tardis incremental_book_L2", "tardis"),
        (TARDIS + "ask_amount,ask_price,bid_price,bid_amount\n", "Tardis book_ticker", "fuse"),
        (TARDIS + LEVELS + "\n", "Tardis book_snapshot_5", "fuse"),
        ("id,price,qty,quote_qty,time,is_buyer_maker\n", "Binance archive, trades", "history"),
        ("update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n",
         "Binance archive, bookTicker", "history"),
        ("a,b,c\n1,2,3\n", "of no known format", ""),
        ("", "no text", ""),
    ],
)  # fmt: skip
def test_every_format_that_can_be_converted_is_named_with_its_command(run, tmp_path, text, what, command):
    plain, packed, archive = tmp_path / "a.csv", tmp_path / "a.csv.gz", tmp_path / "a.zip"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", text)
    for path in (plain, packed, archive):
        named = name_file(path)
        unzip = path == archive and command == "collector"
        assert (named.what, named.command) == (
            (f"{what} in a zip archive: unzip it first", "") if unzip else (what, command)
        )
    code, out, error = run("inspect", plain)
    assert code == 0, error
    assert f"format: {what}" in out
    assert (f"data-convert {command}" in out) == bool(command)
    assert json.loads(run("inspect", packed, "--json")[1])["command"] == command


def test_a_databento_file_is_named(run, tmp_path):
    path = tmp_path / "a.dbn"
    path.write_bytes(b"DBN\x01rest")
    assert "Databento file; convert it with: data-convert history" in run("inspect", path)[1]
