"""The sub-commands from outside, and that they take nothing from the command line that records."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from collector.commands import app
from typer.testing import CliRunner

from tests.collector.market import recorded, write


def ask(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.stdout, result.stderr


def test_verify_repair_verify(tmp_path: Path) -> None:
    path = write(tmp_path / "in", recorded(range(40)))
    path.write_bytes(path.read_bytes()[:-3])
    code, text, _ = ask("verify", tmp_path)
    assert (code, text.startswith("FAULT")) == (1, True)
    assert "the end is torn" in text
    code, text, _ = ask("repair", tmp_path)
    assert code == 0
    assert "a manifest was made" in text
    code, text, _ = ask("verify", tmp_path, "--json")
    assert code == 0
    (found,) = json.loads(text)
    assert (found["symbol"], found["day"], found["faults"]) == ("btcusdt", "2024-10-04", [])


def test_index_as_table_json_and_page(tmp_path: Path) -> None:
    write(tmp_path / "in", recorded([*range(10), *range(40, 60)]))
    code, text, _ = ask("index", tmp_path, "--html", tmp_path / "x.html")
    assert code == 0
    assert "connection lost" in text
    assert "btcusdt 2024" in (tmp_path / "x.html").read_text()
    (row,) = json.loads(ask("index", tmp_path, "--json")[1])
    assert (row["date"], row["gaps"], row["missing"][1]["cause"]) == ("2024-10-04", 2, "connection lost")


def test_merge_says_what_each_filled(tmp_path: Path) -> None:
    write(tmp_path / "a", recorded(range(40)))
    write(tmp_path / "b", recorded([*range(10), *range(30, 60)]))
    code, text, _ = ask("merge", tmp_path / "a", tmp_path / "b", "--into", tmp_path / "c")
    assert code == 0
    assert "1 of its gaps" in text
    assert ask("verify", tmp_path / "c")[0] == 0
    code, _, said = ask("merge", tmp_path / "a", tmp_path / "b", "--into", tmp_path / "c")
    assert code == 2
    assert "is there already" in said


@pytest.mark.parametrize("command", ["verify", "repair", "index"])
def test_what_is_not_there_is_said_in_a_sentence(tmp_path: Path, command: str) -> None:
    code, _, said = ask(command, tmp_path / "nothing")
    assert (code, "Not a directory" in said) == (2, True)
    assert "there is no recording" in ask(command, tmp_path)[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "binancefutures", "btcusdt"], "write ./verify"),
        (["./verify", "nowhere", "btcusdt"], "'nowhere' is not a known exchange"),
        (["index", "--help"], "what is missing of each day"),
        (["indexes", "nowhere", "btcusdt"], "'nowhere' is not a known exchange"),
    ],
)
def test_only_the_four_words_are_no_path(tmp_path: Path, words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "collector", *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    text = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert said in text
    assert not list(tmp_path.iterdir())
