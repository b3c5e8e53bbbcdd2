"""No input and no option ends in a traceback: wrong JSON types, extreme times, every number option at its extremes."""

from __future__ import annotations

import json

import data_convert
import numpy as np
import pytest
from convert_feed import line, record
from data_convert import convert_recording, fuse_tardis, recording_to_tardis, save
from data_convert.errors import ConvertError
from data_convert.tardis.sample import write_sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

T = 1_700_000_000_100_000_000
INTS = (0, 1, -1, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30)
FLOATS = ("0", "-1", "1e-320", "1e-30", "1e308", "inf", "-inf", "nan")
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

DEPTH = {"e": "depthUpdate", "E": 1_700_000_000_005, "T": 1_700_000_000_004, "s": "BTCUSDT", "U": 11, "u": 20, "pu": 9,
         "b": [["100.0", "2"]], "a": [["100.2", "1"]]}  # fmt: skip


def converted(tmp_path, *messages, **options):
    path = tmp_path / "a.gz"
    path.write_text("".join(line(T + i, m) for i, m in enumerate(messages)))
    return convert_recording(path, **options)


@pytest.mark.parametrize(
    "levels",
    [["12"], ["99"], {"12": "x"}, [{"1": "a", "2": "b"}], [["1"]], [["1", "2", "3"]], [[1, 2]], ["ab"], [None], "12", [["1", ["2"]]],
     [[["1"], "2"]], [["1", None]], [[True, "1"]], 12],
)  # fmt: skip
@pytest.mark.parametrize("side", ["b", "bids"])
def test_levels_of_another_type_are_bad_lines_and_counted(tmp_path, side, levels):
    if side == "b":
        result = converted(tmp_path, DEPTH, {**DEPTH, "U": 21, "u": 22, "pu": 20, "b": levels})
    else:
        snapshot = {"lastUpdateId": 15, "E": 1, "T": 1, "bids": levels, "asks": [["101", "1"]]}
        result = converted(tmp_path, DEPTH, snapshot)
    assert result.report.bad_lines == 1
    assert len(result.events) == 2


@pytest.mark.parametrize("venue", ["bybit", "link"])
def test_levels_of_another_type_are_bad_lines_in_other_dialects_too(tmp_path, venue):
    data = {"s": "X", "b": ["12"], "a": [], "u": 5, "seq": 7}
    frame = {"topic": "orderbook.50.X", "type": "snapshot", "ts": 1, "cts": 1, "data": data}
    message = frame if venue == "bybit" else {"e": "depthUpdate", "E": 1, "s": "X", "b": ["12"], "a": [], "ns": 1}
    report = converted(tmp_path, message).report
    assert (report.bad_lines, report.rows) == (1, 0)


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=4),
              st.sampled_from(["12", "1.5", "0", "MARKET"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
TRADE = {"e": "trade", "E": 1, "T": 1, "s": "BTCUSDT", "t": 7, "p": "1", "q": "1", "X": "MARKET", "m": True}
TICKER = {"e": "bookTicker", "E": 1, "T": 1, "s": "BTCUSDT", "u": 7, "b": "1", "B": "1", "a": "2", "A": "1"}
SNAPSHOT = {"lastUpdateId": 15, "E": 1, "T": 1, "bids": [["99", "1"]], "asks": [["101", "1"]]}


@RELAXED
@given(st.sampled_from([DEPTH, TRADE, TICKER, SNAPSHOT]), st.data())
def test_a_member_of_any_type_is_used_rightly_or_the_line_is_bad(tmp_path, message, data):
    changed = {**message, data.draw(st.sampled_from(sorted(message))): data.draw(ANY)}
    wrapped = {"stream": "btcusdt@x", "data": changed} if "e" in message else changed
    try:
        text = "".join(line(T + i, m) for i, m in enumerate([DEPTH, wrapped, {**DEPTH, "U": 21, "u": 25, "pu": 20}]))
        (tmp_path / "a.gz").write_text(text)
        result = convert_recording(tmp_path / "a.gz")
    except ConvertError:
        return
    prices = {100.0, 100.2, 1.0, 99.0, 101.0, 0.0, 12.0, 1.5}
    assert {float(price) for price in np.unique(result.events["px"])} <= prices


@pytest.mark.parametrize("stamp", [0, 1, 10**12, 9_223_372_036_854])
def test_absurd_exchange_times_are_told_and_nothing_breaks(tmp_path, run, stamp):
    for count in (1, 3):
        path = tmp_path / f"{count}.gz"
        messages = [{**TRADE, "E": stamp, "T": stamp, "t": number} for number in range(count)]
        path.write_text("".join(line(T + i, m) for i, m in enumerate(messages)))
        code, _, error = run("collector", path, tmp_path / f"{count}.npz", "--report", tmp_path / f"{count}.html")
        assert code in (0, 1)
        assert "Traceback" not in error
        if code == 0:
            assert run("inspect", tmp_path / f"{count}.npz")[0] == 0
            assert run("inspect", tmp_path / f"{count}.npz", "--html", tmp_path / f"i{count}.html")[0] == 0


@pytest.fixture
def files(tmp_path):
    recording = tmp_path / "testusdt_20231114.gz"
    recording.write_text(record(["update", "snapshot", "update", "trade", "update"], 5)[0])
    events = tmp_path / "events.npz"
    save(convert_recording(recording).events, events)
    archive = tmp_path / "BTCUSDT-trades-2023-11-14.csv"
    archive.write_text("id,price,qty,quote_qty,time,is_buyer_maker\n1,100,1,100,1700000000000,true\n")
    write_sample(tmp_path / "sample", force=False)
    return {
        "recording": recording,
        "events": events,
        "archive": archive,
        "sample": sorted((tmp_path / "sample").iterdir()),
    }


def commands(files, out):
    recording, events, archive = files["recording"], files["events"], files["archive"]
    for value in INTS:
        yield "collector", recording, out, "--base-latency-ns", value
        yield "history", archive, "-o", out, "--latency-ns", value
        yield "latency", events, "-o", out, "--every-ns", value
        yield "latency", events, "-o", out, "--entry-offset-ns", value
        yield "latency", events, "-o", out, "--response-offset-ns", value
        yield "latency", events, "-o", out, "--entry-factor", value
        yield "inspect", events, "--at", value
        yield "inspect", events, "--rows", value
        yield "inspect", events, "--levels", value
        yield "collector", recording, out, "--levels", value
    for value in FLOATS:
        yield "snapshot", events, "-o", out, "--tick-size", value
        yield "latency", events, "-o", out, "--entry-factor", value
        yield "collector", recording, out, "--max-lost", value


def test_every_number_option_at_its_extremes_ends_in_words(run, tmp_path, files):
    out = tmp_path / "out.npz"
    for arguments in commands(files, out):
        code, _, error = run(*arguments, *([] if arguments[0] == "inspect" else ["--force"]))
        assert code in (0, 1, 2, 3, 4), arguments
        assert "Traceback" not in error
        if code == 0 and arguments[0] == "snapshot":
            assert np.isfinite(data_convert.load(out)["px"]).all(), arguments


@pytest.mark.parametrize("option", ["--tick-size", "--lot-size"])
def test_the_sizes_of_fuse_at_their_extremes_end_in_words(run, tmp_path, option):
    depth = tmp_path / "d.csv"
    depth.write_text(
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
        "binance,BTCUSDT,1700000000000000,1700000000000001,true,bid,100,1\n"
        "binance,BTCUSDT,1700000000000000,1700000000000001,true,ask,101,1\n"
    )
    for value in FLOATS:
        code, _, error = run("fuse", depth, "-o", tmp_path / "o.npz", option, value, "--force")
        assert code in (0, 1, 2, 3), value
        assert "Traceback" not in error


@pytest.mark.parametrize("value", INTS)
def test_the_options_of_tardis_at_their_extremes_end_in_words(run, tmp_path, value):
    trades = tmp_path / "t.csv"
    trades.write_text(
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        "binance,BTCUSDT,1700000000000000,1700000000000001,1,buy,100,1\n"
    )
    for options in (
        ["--base-latency-ns", value],
        ["--base-latency-ns", value, "--latency-shift", "always"],
        ["--outlier-ns", value],
    ):
        code, _, error = run("tardis", trades, "-o", tmp_path / "o.npz", *options, "--force")
        assert code in (0, 1, 2, 3), options
        assert "Traceback" not in error


def test_paths_may_be_text_in_every_function(tmp_path, files):
    depth = tmp_path / "d.csv"
    depth.write_text(
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
        "binance,BTCUSDT,1700000000000000,1700000000000001,true,bid,100,1\n"
    )
    result = fuse_tardis(str(depth))
    save(result.events, str(tmp_path / "s.npz"))
    assert len(data_convert.load(str(tmp_path / "s.npz"))) == len(result.events)
    counts = recording_to_tardis(str(files["recording"]), str(tmp_path / "t.csv.gz"), str(tmp_path / "d.csv.gz"))
    assert counts["trades"] == 1
    one = data_convert.convert_history(str(files["archive"]), data_convert.ConstantLatency(1))
    assert len(one.events) == 1


def test_blank_lines_of_an_archive_are_counted_as_blank(tmp_path, run):
    path = tmp_path / "BTCUSDT-trades-2023-11-14.csv"
    row = "{},100,1,100,1700000000000,true\n"
    path.write_text("id,price,qty,quote_qty,time,is_buyer_maker\n" + row.format(1) + "\n\n" + row.format(2) + "\n")
    _, text, _ = run("history", path, "-o", tmp_path / "o.npz", "--latency-ns", 1, "--json")
    report = json.loads(text)
    assert (report["lines"], report["empty_lines"], report["bad_lines"], report["rows"]) == (6, 3, 0, 2)
