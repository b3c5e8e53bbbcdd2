"""Public archives: sides, units, order, what is refused, and the stated latency."""

from __future__ import annotations

import gzip
import json
import zipfile

import numpy as np
import pytest
from convert_naive import play
from data_convert import convert_recording
from data_convert.archives.bybit import seconds_to_ns
from data_convert.archives.convert import convert_history
from data_convert.archives.latency import DAY_NS, ConstantLatency, RecordedLatency
from data_convert.errors import FormatError, InputError, StrictError, SymbolError
from data_convert.events import BUY, EVENT_DTYPE, LOCAL, SELL, has_flag
from two_ways import way  # noqa: F401

T = 1_700_000_000_000
MS = 1_000_000
TRADES = "id,price,qty,quote_qty,time,is_buyer_maker\n"
TICKER = (
    "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n"
    f"1,100.0,1,101.0,2,{T},{T + 1}\n2,100.0,1,101.0,2,{T + 1},{T + 2}\n3,99.0,4,100.0,2,{T + 5},{T + 6}\n"
)


def run(*paths, latency=ConstantLatency(7), **options):  # noqa: B008
    return convert_history(paths, latency, **options)


def put(path, text):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.with_suffix(".csv").name, text)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def plain(events):
    return [(int(e["ev"]), int(e["exch_ts"]), int(e["local_ts"]), float(e["px"]), float(e["qty"])) for e in events]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BTCUSDT-trades-2023-11-14.zip", TRADES + f"1,100.5,2,201,{T},true\n2,100.6,1,100.6,{T},false\n"),
        ("BTCUSDT-trades-2023-11-14.csv", f"1,100.5,2,201,{T},True,True\n2,100.6,1,100.6,{T},False,True\n"),
        ("BTCUSDT-trades-2025-01-01.csv", f"1,100.5,2,201,{T}000,True,True\n2,100.6,1,100.6,{T}000,False,True\n"),
        (
            "BTCUSDT-aggTrades-2023-11-14.zip",
            "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
            f"1,100.5,2,5,6,{T},true\n2,100.6,1,7,7,{T},false\n",
        ),
        ("BTCUSDT-aggTrades-2023.csv", f"1,100.5,2,5,6,{T},True,True\n2,100.6,1,7,7,{T},False,True\n"),
    ],
)
def test_binance_trades_of_every_layout_give_both_sides_in_nanoseconds(tmp_path, name, text):
    result = run(put(tmp_path / name, text))
    both = 0xC0000002
    assert plain(result.events) == [
        (both | SELL, T * MS, T * MS + 7, 100.5, 2.0),
        (both | BUY, T * MS, T * MS + 7, 100.6, 1.0),
    ]
    assert result.report.symbols == {"BTCUSDT": 2}
    assert result.report.settings["local time"] == "exchange time + 7 ns"


def test_quotes_become_a_book_of_one_level_and_trades_come_first_at_equal_times(tmp_path):
    ticker = put(tmp_path / "BTCUSDT-bookTicker-2023-11-14.zip", TICKER)
    trades = put(tmp_path / "BTCUSDT-trades-2023-11-14.zip", TRADES + f"1,100.0,2,200,{T + 5},true\n")
    result = run(ticker, trades)
    book, states = {"b": {}, "a": {}}, []
    for row in result.events[has_flag(result.events, LOCAL)]:
        play(book, row)
        states.append((int(row["ev"]) & 0xFF, int(row["exch_ts"]) // MS - T, dict(book["b"]), dict(book["a"])))
    assert states[-1][2:] == ({99.0: 4.0}, {100.0: 2.0})
    assert next(kind for kind, time, *_ in states if time == 5) == 2
    assert result.report.faults == ()
    assert run(ticker, time="E").events["exch_ts"].min() == (T + 1) * MS


DEPTH = "symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty,pu\n"


def test_order_books_with_predecessors_are_put_in_order_by_their_ids(tmp_path):
    rows = [
        (T, 1, 5, "b", "set", "99", "9", 0),
        (T + 9, 0, 8, "b", "snap", "100", "1", -1),
        (T + 9, 0, 8, "a", "snap", "101", "1", -1),
        (T + 5, 6, 10, "b", "set", "100", "3", 5),
        (T + 12, 12, 15, "a", "set", "101", "0", 10),
        (T + 12, 12, 15, "a", "set", "102", "4", 10),
    ]
    text = DEPTH + "".join("BTCUSDT," + ",".join(map(str, row)) + "\n" for row in rows)
    result = run(put(tmp_path / "depth.csv", text))
    book = {"b": {}, "a": {}}
    for row in result.events[has_flag(result.events, LOCAL)]:
        play(book, row)
    assert book == {"b": {100.0: 3.0}, "a": {102.0: 4.0}}
    assert result.report.snapshots["updates stale"] == 1
    assert result.report.gaps == ()


def test_bybit_trades_are_exact_to_the_nanosecond_and_newest_first_files_are_turned_round(tmp_path):
    header = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional\n"
    tail = ",PlusTick,x,1,1,1\n"
    rows = [f"1700000001.2345,BTCUSDT,Sell,1,{px}{tail}" for px in (3, 2)] + [f"1700000000.1,BTCUSDT,Buy,1,1{tail}"]
    result = run(put(tmp_path / "BTCUSDT2023-11-14.csv.gz", header + "".join(rows)))
    assert result.events["px"].tolist() == [1.0, 2.0, 3.0]
    assert result.events["exch_ts"].tolist() == [1700000000100000000, *[1700000001234500000] * 2]
    spot = f"id,timestamp,price,volume,side\n1,{T},5,2,buy\n"
    result = run(put(tmp_path / "BTCUSDT_2023-11-14.csv.gz", spot))
    assert plain(result.events) == [(0xE0000002, T * MS, T * MS + 7, 5.0, 2.0)]
    assert result.report.symbols == {"BTCUSDT": 1}


@pytest.mark.parametrize(("text", "ns"), [("1", 10**9), ("1.5", 15 * 10**8), ("1.1234567899", 1123456789), ("0.", 0)])
def test_seconds_are_cut_to_nanoseconds(text, ns):
    assert seconds_to_ns(text) == ns


def test_bybit_order_books_have_sides_and_chains(tmp_path):
    def frame(u, kind, bids, asks):
        data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": u, "seq": u}
        return json.dumps({"topic": "orderbook.500.BTCUSDT", "type": kind, "ts": T + u, "data": data, "cts": T + u - 1})

    lines = [frame(7, "snapshot", [["1", "1"]], [["2", "1"]]), frame(8, "delta", [["1", "0"], ["0.9", "4"]], [])]
    path = put(tmp_path / "2023-11-14_BTCUSDT_ob500.data.zip", "\n".join(lines))
    result = run(path)
    assert result.events["exch_ts"][-1] == (T + 7) * MS
    assert set((result.events["ev"] & np.uint64(0x300000FF)).tolist()) == {3, 4 | BUY, 4 | SELL, 1 | BUY}
    assert result.report.books["local"].best_bid == 0.9
    put(path, "\n".join([*lines, frame(11, "delta", [], [])]))
    assert len(run(path).report.gaps) == 1


def test_recorded_latencies_are_those_of_the_same_time_of_day():
    events = np.zeros(3, EVENT_DTYPE)
    events["ev"] = 0xE0000001
    events["exch_ts"] = [5 * DAY_NS + 100, 5 * DAY_NS + 200, 6 * DAY_NS - 1]
    events["local_ts"] = events["exch_ts"] + [10, 20, 30]
    model = RecordedLatency.of(events, "x")
    assert model.at(np.array([0, 100, 150, 200, 10**6]) + 90 * DAY_NS).tolist() == [30, 10, 10, 20, 20]
    events["local_ts"][0] = 0
    with pytest.raises(ValueError, match="before they happened"):
        RecordedLatency.of(events, "x")


def test_what_is_sent_later_is_never_received_earlier(tmp_path):
    class Falling:
        def at(self, exch_ns):
            return np.arange(len(exch_ns), 0, -1) * 10**7

        def describe(self):
            return "falling"

    text = TRADES + "".join(f"{i},100,1,100,{T + i},true\n" for i in range(5))
    events = run(put(tmp_path / "X-trades.csv", text), latency=Falling()).events
    assert np.all(np.diff(events["local_ts"]) >= 0)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("timestamp,percentage,depth,notional\n1,-5,1,1\n", "bookDepth"),
        ("open_time,open,high,low,close\n", "candles"),
        ("what,is,this\n", "no archive"),
        ('{"topic":"orderbook.x"}', "topic"),
        ("\x00\x01\x02", "no archive"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, text, match):
    with pytest.raises(FormatError, match=match):
        run(put(tmp_path / "a.csv", text))


def test_trades_told_twice_are_refused(tmp_path):
    one = put(tmp_path / "X-trades.csv", TRADES + f"1,100,1,100,{T},true\n")
    two = put(tmp_path / "X-aggTrades.csv", f"1,100,1,1,1,{T},True,True\n")
    with pytest.raises(FormatError, match="both tell the same"):
        run(one, two)


def test_symbols_are_never_mixed(tmp_path):
    one = put(tmp_path / "AUSDT-trades.csv", TRADES + f"1,100,1,100,{T},true\n")
    two = put(tmp_path / "BUSDT-trades.csv", TRADES + f"1,200,1,200,{T},true\n")
    with pytest.raises(SymbolError):
        run(one, two)
    assert run(one, two, symbol="BUSDT").events["px"].tolist() == [200.0]


def test_bad_rows_are_counted_with_their_place_or_fatal(tmp_path):
    rows = ["1,100,1,100,x,true", "1,-5,1,1,1,true", f"1,5,1,1,{T},maybe", f"1,5,1,{T}", f"1,5,1,5,{T},true", ""]
    path = put(tmp_path / "X-trades.csv", TRADES + "\n".join(rows))
    report = run(path).report
    assert report.bad_lines == 4
    assert report.kinds == {"trade": 1}
    assert f"{path}:2: x" in {e for bad in report.bad for e in bad.examples}
    with pytest.raises(StrictError, match=r":2: "):
        run(path, strict=True)


def test_damaged_and_empty_archives_say_so(tmp_path):
    path = put(tmp_path / "X-trades.zip", TRADES + "".join(f"{i},100.{i},1,1,{T + i},true\n" for i in range(5000)))
    data = path.read_bytes()
    path.write_bytes(data[:2000] + b"\xff" * 50 + data[2050:])
    result = run(path)
    assert result.report.files[0].damage or result.report.bad_lines
    (tmp_path / "b.zip").write_bytes(data[:1000])
    with pytest.raises(InputError, match="no readable zip"):
        run(tmp_path / "b.zip")
    (tmp_path / "c.csv").write_bytes(b"")
    assert "holds no line" in run(tmp_path / "c.csv").report.warnings[0]


def test_recordings_are_no_archives(tmp_path):
    (tmp_path / "a.csv").write_text("exchange,symbol,timestamp\n")
    with pytest.raises(FormatError):
        convert_recording(tmp_path / "a.csv")
