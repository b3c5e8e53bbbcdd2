"""Levels by steps, one form as text and as JSON, and a file that can't be written told in a sentence."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from marketlink.errors import SettingsError
from marketlink.logs import Wish, set_up_as


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize(
    ("wish", "level"),
    [
        (Wish(), logging.INFO),
        (Wish(verbose=1), logging.DEBUG),
        (Wish(verbose=5), logging.DEBUG),
        (Wish(quiet=True), logging.WARNING),
        (Wish("error", quiet=True), logging.ERROR),
        (Wish("WARNING", verbose=1), logging.INFO),
    ],
)
def test_levels_go_up_and_down_by_steps(wish: Wish, level: int) -> None:
    assert wish.number == level


def test_a_word_that_is_no_level_names_those_that_are() -> None:
    with pytest.raises(SettingsError, match="'loud' is no level"):
        _ = Wish("loud").number


def test_lines_as_json_have_time_level_who_and_what(tmp_path: Path) -> None:
    set_up_as(Wish(file=tmp_path / "log", as_json=True), logging.StreamHandler(sys.stderr))
    logging.getLogger("who").info("what %d", 5)
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("who").exception("failed")
    first, second = (json.loads(line) for line in (tmp_path / "log").read_text().splitlines())
    assert first["time"].endswith("Z")
    assert (first["level"], first["who"], first["what"]) == ("info", "who", "what 5")
    assert "ValueError: x" in second["traceback"]


def test_a_log_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    set_up_as(Wish(file=tmp_path / "log"), logging.StreamHandler(sys.stderr))
    logging.getLogger("who").info("one")
    (tmp_path / "log").rename(tmp_path / "old")
    logging.getLogger("who").info("two")
    assert (tmp_path / "old").read_text().endswith(" INFO who one\n")
    assert (tmp_path / "log").read_text().endswith(" INFO who two\n")


def test_a_log_file_that_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--log-file: can't be written: Is a directory"):
        set_up_as(Wish(file=tmp_path), logging.StreamHandler(sys.stderr))
