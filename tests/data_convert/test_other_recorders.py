"""What others recorded: MEXC by HftBacktest's collector, raw captures of cryptofeed, arrays of HftBacktest 1."""

from __future__ import annotations

import json

import numpy as np
import pytest
from convert_feed import record
from convert_naive import play
from data_convert import convert_recording, load
from data_convert.arrays.migration import migrate
from data_convert.errors import InputError
from data_convert.events import EVENT_DTYPE, EXCH, LOCAL, has_flag
from data_convert.files.npz import load_v1
from data_convert.recordings.ingest import split_stamp
from hypothesis import given
from hypothesis import strategies as st

T = 1_736_682_893_000


def mexc(at, channel, data, symbol="SOLUSDT"):
    frame = {"c": channel, "d": data, "s": symbol, "t": T + at}
    return f"{(T + at) * 1_000_000 + 25_000_123} {json.dumps(frame)}\n"


def side(*levels):
    return [{"p": price, "v": volume} for price, volume in levels]


def limit(at, version, bids, asks):
    data = {"bids": side(*bids), "asks": side(*asks), "e": "spot@public.limit.depth.v3.api", "r": str(version)}
    return mexc(at, "spot@public.limit.depth.v3.api@SOLUSDT@2", data)


def change(at, version, **sides):
    data = {name: side(*levels) for name, levels in sides.items()} | {"r": str(version)}
    return mexc(at, "spot@public.increase.depth.v3.api@SOLUSDT", data)


def deals(at, *trades):
    data = {"deals": [{"p": p, "v": v, "S": s, "t": T + t} for p, v, s, t in trades]}
    return mexc(at, "spot@public.deals.v3.api@SOLUSDT", data)


def book_of(events, until=None):
    book = {"b": {}, "a": {}}
    for row in events[has_flag(events, LOCAL)]:
        if until is None or row["local_ts"] <= (T + until) * 1_000_000 + 25_000_123:
            play(book, row)
    return book


@pytest.fixture
def day(tmp_path):
    lines = [
        '1736682892000000000 {"id": 0, "code": 0, "msg": "spot@public.deals.v3.api@SOLUSDT"}\n',
        change(0, 4, asks=[("9", "1")]),
        limit(10, 5, [("8", "1"), ("7", "2")], [("9", "3"), ("10", "4")]),
        change(20, 6, asks=[("12", "0.5")]),
        change(30, 7, bids=[("7", "0.00")]),
        deals(35, ("8", "1", 2, 33), ("9", "0.5", 1, 34)),
        limit(40, 7, [("8", "1"), ("6", "5")], [("9", "2"), ("10", "4")]),
        change(50, 9, bids=[("8", "7")]),
        change(60, 10, bids=[("8", "6")]),
        limit(70, 10, [("8", "6"), ("6", "5")], [("9", "1"), ("10", "4")]),
    ]
    path = tmp_path / "solusdt_20250112.jsonl"
    path.write_text("".join(lines))
    return path


def test_mexc_books_begin_with_a_statement_and_go_on_by_version(day):
    result = convert_recording(day)
    report = result.report
    assert report.faults == ()
    assert report.bad == ()
    assert report.settings["source"] == "mexc"
    assert book_of(result.events, 30) == {"b": {8.0: 1}, "a": {9.0: 3, 10.0: 4, 12.0: 0.5}}
    assert book_of(result.events, 40) == {"b": {8.0: 1, 6.0: 5}, "a": {9.0: 2, 10.0: 4, 12.0: 0.5}}
    assert book_of(result.events, 60) == {"b": {}, "a": {}}, "between the gap and the next statement nothing is known"
    assert book_of(result.events) == {"b": {8.0: 6, 6.0: 5}, "a": {9.0: 1, 10.0: 4}}
    (gap,) = report.gaps
    assert "increase.depth r 7, then 9" in gap.reason
    trades = result.events[(result.events["ev"] & 0xFF == 2) & has_flag(result.events, EXCH)]
    assert [(int(t["ev"]) >> 28 & 3, t["px"], int(t["exch_ts"]) // 10**6 - T) for t in trades] == [
        (1, 8, 33),
        (2, 9, 34),
    ]
    assert report.notes["increase.depth before the first limit.depth"] == 2
    assert report.filtered == {"reply of the exchange, no market data": 1}


@pytest.mark.parametrize(
    "line",
    [
        mexc(0, "spot@public.increase.depth.v3.api@A", {"asks": {"p": "1", "v": "1"}, "r": "1"}),
        mexc(0, "spot@public.increase.depth.v3.api@A", {"asks": side(("-1", "1")), "r": "1"}),
        mexc(0, "spot@public.increase.depth.v3.api@A", {"asks": side(("1", "1"))}),
        mexc(0, "spot@public.deals.v3.api@A", {"deals": [{"p": "1", "v": "1", "S": 3, "t": 1}]}),
        mexc(0, "spot@public.limit.depth.v3.api@A", {"bids": [], "asks": [], "r": "1"}),
        '5 {"x": 1}\n',
    ],
)
def test_what_mexc_never_sends_is_a_bad_line(day, line):
    day.write_text(day.read_text() + line)
    assert convert_recording(day, venue="mexc").report.bad_lines == 1


def captured(text):
    """A recording of Binance as cryptofeed's AsyncFileCallback writes it: seconds, and what the connection did."""
    out = ["configuration: {'BINANCE_FUTURES': {}}", "wss://fstream.binance.com/stream?streams=a <-> 1699999999.5"]
    out.append('wss://fstream.binance.com/stream <- 1699999999.6: {"method": "SUBSCRIBE"}')
    for line in text.splitlines():
        stamp, _, payload = line.partition(" ")
        seconds = f"{int(stamp) // 10**9}.{int(stamp) % 10**9:09}"
        rest = "lastUpdateId" in payload
        out.append(
            f"https://fapi.binance.com/fapi/v1/depth?symbol=X -> {seconds}: {payload}"
            if rest
            else f"{seconds}: {payload}"
        )
    return "\n".join([*out, ""])


@pytest.mark.parametrize("times", [1, 400])
def test_a_raw_capture_of_cryptofeed_converts_as_the_same_frames_recorded_here(tmp_path, times):
    text = record(["update", "snapshot", *["update", "trade"] * 9 * times], 5)[0]
    ours, theirs = tmp_path / "a.jsonl", tmp_path / "BINANCE_FUTURES.ws.0"
    ours.write_text(text)
    theirs.write_text(captured(text))
    first, second = convert_recording(ours), convert_recording(theirs)
    assert first.events.tobytes() == second.events.tobytes()
    assert second.report.bad == ()
    assert second.report.filtered["line of a capture that brings no data"] == 3


def test_a_merge_takes_what_a_capture_says_of_its_connection_for_no_loss(tmp_path, run):
    text = record(["update", "snapshot", *["update", "trade"] * 9], 5)[0]
    places = tmp_path / "a.jsonl", tmp_path / "BINANCE_FUTURES.ws.0"
    places[0].write_text(text)
    places[1].write_text(captured(text))
    code, out, err = run("merge", *places, "-o", tmp_path / "out.gz", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [file["unusable"] for file in found["files"]] == [0, 0]
    assert found["rows"] == len(text.splitlines())


@given(st.integers(0, 10**10 - 1), st.from_regex(r"[0-9]{0,12}", fullmatch=True))
def test_seconds_of_a_capture_become_ns_without_a_float_in_between(whole, fraction):
    stamp, payload = split_stamp(f"{whole}.{fraction}: {{}}".encode())
    assert stamp == whole * 10**9 + int((fraction + "0" * 9)[:9])
    assert payload == b"{}"


V1 = [
    # event, exchange, local, side, price, quantity
    (1, 100, 105, 1, 10.5, 2),
    (2, 110, -1, -1, 10.5, 1),
    (1, 108, 112, -1, 11, 3),
    (2, -1, 115, -1, 10.5, 1),
    (4, -1, 120, 1, 10, 4),
]


def test_arrays_of_hftbacktest_1_become_what_the_peer_makes_of_them_with_both_times(run, tmp_path):
    migration2 = pytest.importorskip("hftbacktest.data.utils.migration2", reason="hftbacktest is not installed")
    array = np.array(V1, np.float64)
    np.savez(tmp_path / "v1.npz", data=array)
    code, _, err = run("migrate", tmp_path / "v1.npz", "-o", tmp_path / "v2.npz")
    assert (code, "1 rows had lost" in err) == (0, True)
    events, peer = load(tmp_path / "v2.npz"), migration2.convert(str(tmp_path / "v1.npz"))
    for name in ("ev", "px", "qty"):
        assert events[name].tolist() == peer[name].tolist()
    for name, flag in (("exch_ts", EXCH), ("local_ts", LOCAL)):
        own = has_flag(events, flag)
        assert events[name][own].tolist() == peer[name][own].tolist()
    assert events["exch_ts"].tolist() == [100_000, 110_000, 108_000, 110_000, 120_000]
    assert events["local_ts"].tolist() == [105_000, 115_000, 112_000, 115_000, 120_000]


def test_what_is_no_array_of_hftbacktest_1_is_refused(run, tmp_path):
    np.savez(tmp_path / "now.npz", data=np.zeros(3, EVENT_DTYPE))
    with pytest.raises(InputError, match="six columns"):
        load_v1(tmp_path / "now.npz")
    for row, message in (((1, 0.5, 5, 1, 1, 1), "integers"), ((1, -1, -1, 1, 1, 1), "neither clock")):
        with pytest.raises(ValueError, match=message):
            migrate(np.array([row], np.float64))
    np.savez(tmp_path / "bad.npz", data=np.array([(1, np.nan, 5, 1, 1, 1)]))
    code, _, err = run("migrate", tmp_path / "bad.npz", "-o", tmp_path / "o.npz")
    assert (code, "integers" in err) == (2, True)
    times = np.array([(1, 1_736_682_893_942_253, 1_736_682_893_942_255, 1, 1, 1)], np.float64)
    assert migrate(times)[0]["exch_ts"].tolist() == [1_736_682_893_942_253_000], "the peer rounds to 256 ns"
