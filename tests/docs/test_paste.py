"""What is not as a page says fails the test: commands, programs, recordings of other days, programs that serve."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import paste
from tests.docs.blocks import Block
from tests.docs.paste import Terminal, Untrue
from tests.rig import Rig


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setattr(paste, "copy_of_the_tree", Path.mkdir)
    with Rig() as rig:
        terminal = Terminal(rig, programs=None)
        yield terminal
        terminal.kill()


def sh(text: str) -> Block:
    return Block("p.md", 1, "sh", text)


def test_a_command_that_fails_is_untrue_with_its_place_and_words(terminal: Terminal) -> None:
    terminal.paste(sh("true\ntest -d .\n"))
    with pytest.raises(Untrue, match=r"p\.md:2: 'echo why >&2; false' ended with code 1:\nwhy"):
        terminal.paste(sh("true\necho why >&2; false\n"))


def test_a_shell_keeps_its_variables_and_its_folder_from_block_to_block(terminal: Terminal) -> None:
    terminal.paste(sh("mkdir deep && cd deep\nexport WORD=kept\n"))
    terminal.paste(sh('test "$WORD" = kept\ntouch here\n'))
    assert (terminal.clone / "deep" / "here").exists()


def test_a_program_that_prints_other_than_its_comment_says_is_untrue(terminal: Terminal) -> None:
    terminal.environment["PATH"] += ":/usr/local/bin"
    terminal.paste(sh("ln -s $(command -v python3) python && export PATH=$PWD:$PATH\n"))
    terminal.paste(Block("p.md", 5, "python", "a = 2\nprint(a)  # 2\n"))
    terminal.paste(Block("p.md", 9, "python", "print(a + 1)  # 3\n"))
    with pytest.raises(Untrue, match=r"p\.md:12: the page says that '5' is printed"):
        terminal.paste(Block("p.md", 12, "python", "print(a + 2)  # 5\n"))


def test_a_recording_of_another_day_is_the_one_that_is_there_and_none_is_untrue(terminal: Terminal) -> None:
    (terminal.clone / "data").mkdir()
    (terminal.clone / "data" / "btcusdt_20991231.gz").touch()
    terminal.paste(sh("test -f data/btcusdt_20261122.gz\n"))
    with pytest.raises(Untrue, match="no file of another day"):
        terminal.paste(sh("test -f data/ethusdt_20261122.gz\n"))


def test_a_server_must_show_what_it_does_and_end_on_ctrl_c(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    shows = lambda _, command, log: "ready" in log  # noqa: E731
    monkeypatch.setattr(paste, "SERVING", ((r"bash -c ", shows),))
    monkeypatch.setattr(paste, "WAIT_S", 1.0)
    monkeypatch.setattr(paste, "END_S", 1.0)
    good = "bash -c 'trap \"exit 0\" INT; echo ready; while :; do sleep 0.05; done'\n"
    terminal.paste(sh(good))
    terminal.end()
    assert terminal.running == []
    with pytest.raises(Untrue, match="ended by itself, code 3"):
        terminal.paste(sh("bash -c 'exit 3'\n"))
    terminal.kill()
    terminal.running.clear()
    with pytest.raises(Untrue, match="does not show what it is said to do"):
        terminal.paste(sh("bash -c 'sleep 30'\n"))
    terminal.kill()
    terminal.running.clear()
    terminal.paste(sh("bash -c 'trap \"\" INT; echo ready; sleep 30'\n"))
    with pytest.raises(Untrue, match="does not end on Ctrl-C"):
        terminal.end()


def test_the_exchange_of_a_page_is_the_simulators(terminal: Terminal) -> None:
    terminal.rig.addresses = {"ws": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:2"}
    terminal.paste(
        Block("p.md", 1, "toml", '# a.toml\nx = "wss://fstream.binance.com"\ny = "https://fapi.binance.com"\n')
    )
    assert (terminal.clone / "a.toml").read_text() == '# a.toml\nx = "ws://127.0.0.1:1"\ny = "http://127.0.0.1:2"\n'
