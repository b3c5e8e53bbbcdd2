"""Two markets of one symbol never mix: refused with both named, in conversions and merges."""

from __future__ import annotations

import itertools

import pytest
from convert_feed import Exchange, line
from data_convert import convert_recording
from data_convert.errors import MarketError, SymbolError

T = 1_700_000_000_100_000_000


def futures(seed=1, symbol="TESTUSDT"):
    exchange = Exchange(seed)
    messages = [exchange.update(), exchange.snapshot(), exchange.trade(), *(exchange.update() for _ in range(5))]
    return [{**m, "s": symbol} if "e" in m else m for m in messages]


def spot(seed=2):
    out = []
    for message in futures(seed):
        left = {key: value for key, value in message.items() if key not in ("pu", "X", "T")}
        if "lastUpdateId" in left:
            left = {key: left[key] for key in ("lastUpdateId", "bids", "asks")}
        elif message["e"] == "trade":
            left |= {"M": True, "T": message["T"]}
        out.append(left)
    return out


def write(path, messages, start=T):
    path.write_text("".join(line(start + i * 1_000_000, m) for i, m in enumerate(messages)))
    return path


def test_each_market_alone_is_converted(tmp_path):
    for messages in (futures(), spot()):
        assert len(convert_recording(write(tmp_path / "a.gz", messages)).events)


def test_recordings_of_both_markets_in_one_call_are_refused_with_both_named(tmp_path, run):
    one, two = write(tmp_path / "usdm.gz", futures()), write(tmp_path / "spot.gz", spot(), T + 10**9)
    for paths in itertools.permutations([one, two]):
        with pytest.raises(MarketError) as caught:
            convert_recording(paths)
        assert f"{one}:1 is of Binance futures" in str(caught.value)
        assert f"{two}:" in str(caught.value)
    code, _, error = run("collector", one, two, tmp_path / "o.npz")
    assert (code, "is of Binance spot" in error) == (1, True)
    with pytest.raises(MarketError):
        convert_recording(two, before=one)


@pytest.mark.parametrize("kind", ["e", "trade", "depthUpdate"])
def test_lines_of_both_markets_in_one_file_are_refused(tmp_path, kind):
    others = [m for m in spot() if "e" in m and kind in ("e", m["e"])]
    path = write(tmp_path / "a.gz", [*futures(), *others])
    with pytest.raises(MarketError, match=rf"{path}:1 is of Binance futures.*{path}:\d+ is of Binance spot"):
        convert_recording(path)


def test_one_mangled_update_is_a_bad_line_and_no_other_market(tmp_path):
    messages = futures()
    del messages[4]["pu"]
    report = convert_recording(write(tmp_path / "a.gz", messages)).report
    assert "another market" in report.bad[0].reason


def test_merging_two_markets_is_refused_with_both_named_and_nothing_written(tmp_path, run):
    one, two = write(tmp_path / "usdm.gz", futures()), write(tmp_path / "spot.gz", spot())
    code, _, error = run("merge", one, two, tmp_path / "o.gz")
    assert code == 1
    assert f"{one} is of Binance futures" in error
    assert f"{two} is of Binance spot" in error
    assert not (tmp_path / "o.gz").exists()


def test_merging_two_symbols_names_recordings_and_a_remedy_that_there_is(tmp_path, run):
    one, two = write(tmp_path / "a.gz", futures()), write(tmp_path / "b.gz", futures(symbol="OTHERUSDT"))
    code, _, error = run("merge", one, two, tmp_path / "o.gz")
    assert code == 1
    assert "OTHERUSDT (1 of the recordings), TESTUSDT (1 of the recordings)" in error
    assert "messages" not in error
    assert "--symbol" not in error
    assert "merge recordings of one symbol" in error


def test_the_error_of_several_symbols_in_one_recording_counts_messages(tmp_path):
    path = write(tmp_path / "a.gz", [*futures(), *futures(symbol="OTHERUSDT")])
    with pytest.raises(SymbolError, match=r"TESTUSDT \(7 messages\); choose one with --symbol"):
        convert_recording(path)


@pytest.mark.parametrize("name", ["usdm_btcusdt", "cm_ethusd_perp", "spot_ethusdt"])
def test_every_real_capture_is_of_one_market(real_data, name):
    assert len(convert_recording(real_data / "captures" / f"{name}_20240808.gz").events) > 10_000


def test_real_captures_of_two_markets_are_refused(real_data):
    captures = real_data / "captures"
    with pytest.raises(MarketError):
        convert_recording(
            [captures / "usdm_btcusdt_20240808.gz", captures / "spot_ethusdt_20240808.gz"], symbol="ETHUSDT"
        )
