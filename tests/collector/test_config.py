from pathlib import Path

import pytest
from collector.config import BadUsage, Settings, check, read_words, with_files
from collector.errors import UnknownExchange


@pytest.mark.parametrize(
    ("words", "ipc", "read"),
    [
        (["binancefutures", "BTCUSDT", "ethusdt"], "", ("binancefutures", ("btcusdt", "ethusdt"))),
        (["BinanceFuturesUM", "btcusdt"], "", ("binancefuturesum", ("btcusdt",))),
        (["", "btcusdt"], "bf", ("", ("btcusdt",))),
        (["btcusdt"], "bf", ("", ("btcusdt",))),
        (["binancefutures", "btcusdt"], "bf", ("binancefutures", ("btcusdt",))),
        (["bybit", "btcusdt"], "bf", ("bybit", ("btcusdt",))),
        (["btcusdt", "BTCUSDT", " btcusdt"], "bf", ("", ("btcusdt",))),
        (["binancefutures", "btcusdt", "BTCUSDT"], "", ("binancefutures", ("btcusdt",))),
        (["binancefutures", "BTCUSDT,ethusdt, xrpusdt ,"], "", ("binancefutures", ("btcusdt", "ethusdt", "xrpusdt"))),
        (["", "btcusdt,ethusdt"], "bf", ("", ("btcusdt", "ethusdt"))),
        (["btcusdt ethusdt"], "bf", ("", ("btcusdt", "ethusdt"))),
    ],
)
def test_words_are_read_as_the_source_does_and_without_its_trap(
    words: list[str], ipc: str, read: tuple[str, tuple[str, ...]]
) -> None:
    assert read_words(words, ipc) == read


@pytest.mark.parametrize(
    "words", [["binancefutures"], ["binancefutures", " , "], [], [""], ["", "btcusdt"], ["binancefutures", "../x"]]
)
def test_words_that_say_too_little_are_refused(words: list[str]) -> None:
    with pytest.raises(BadUsage):
        read_words(words, "")


def test_only_an_exchange_name_is_no_symbol() -> None:
    with pytest.raises(BadUsage, match="symbol"):
        read_words([""], "bf")


@pytest.mark.parametrize("name", ["kraken", "binancefuture"])
def test_other_exchange_is_refused_with_those_that_work(name: str) -> None:
    with pytest.raises(UnknownExchange, match="binancefutures"):
        read_words([name, "btcusdt"], "")


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan")])
def test_duration_that_is_none_is_refused(tmp_path: Path, duration: float) -> None:
    with pytest.raises(BadUsage, match="duration"):
        check(Settings(tmp_path, "", ("a",), duration_s=duration))


def test_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(BadUsage, match="directory"):
        check(Settings(tmp_path / "x", "", ("a",)))


def test_symbols_come_from_a_file_by_lines_blanks_and_commas(tmp_path: Path) -> None:
    listed = tmp_path / "symbols.txt"
    listed.write_text("btcusdt, ethusdt # the two\n\nSOLUSDT\n# none\n")
    words = with_files(["binancefutures", "bnbusdt", f"@{listed}"])
    assert read_words(words, "")[1] == ("bnbusdt", "btcusdt", "ethusdt", "solusdt")
    with pytest.raises(BadUsage, match="can't be read: No such file"):
        with_files([f"@{tmp_path}/none.txt"])
