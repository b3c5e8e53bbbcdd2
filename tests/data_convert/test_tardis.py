"""Tardis CSV: the peer's goldens, the rows word by word, what is refused and how it is said."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading

import numpy as np
import pytest
import tardis_naive as naive
from data_convert import convert_tardis, convert_tardis_file, load, replay_book
from data_convert.errors import ConvertError, FormatError, InputError, OutputError, StrictError, SymbolError
from data_convert.events import BUY, EVENT_DTYPE, LOCAL, SELL
from data_convert.tardis.end_book import EndBook
from hypothesis import given, settings
from hypothesis import strategies as st
from two_ways import way  # noqa: F401

TRADES, DEPTH = naive.TRADES, naive.DEPTH
FULL_TRADES = "tardis/binance-futures_trades_2024-08-08_BTCUSDT.csv.gz"
FULL_DEPTH = "tardis/binance-futures_incremental_book_L2_2024-08-08_BTCUSDT.csv.gz"
HEAD_TRADES = "slices/binance-futures_trades_2024-08-08_BTCUSDT.head.csv.gz"
HEAD_DEPTH = "slices/binance-futures_incremental_book_L2_2024-08-08_BTCUSDT.head12000.csv.gz"


def row(exch_us, local_us, fourth, side, price, amount):
    return f"x,AB,{exch_us},{local_us},{fourth},{side},{price},{amount}"


def delta(side, price, amount, at):
    return row(at, at, "false", side, price, amount)


def snap(side, price, amount, at):
    return row(at, at, "true", side, price, amount)


@pytest.fixture
def write(tmp_path):
    def make(name, header, lines, end="\n"):
        path = tmp_path / name
        text = "".join(line + end for line in (header, *lines)).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return make


def shown(events):
    letter = {1: "D", 2: "T", 3: "C", 4: "S"}
    side = {BUY: "b", SELL: "a", 0: "-"}
    return [f"{letter[int(e['ev']) & 255]}{side[int(e['ev']) & (BUY | SELL)]}{e['px']:g}" for e in events]


def digest(events):
    return hashlib.sha256(events.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "files", "options"),
    [
        ("BTCUSDT.plain.process", (FULL_TRADES, FULL_DEPTH), {}),
        ("BTCUSDT.plain.process.base_latency_int_1ms", (FULL_TRADES, FULL_DEPTH), {"base_latency_ns": 1_000_000}),
        ("BTCUSDT.plain.ignore", (FULL_TRADES, FULL_DEPTH), {"snapshot_mode": "ignore"}),
        ("BTCUSDT.plain.ignore_sod", (FULL_TRADES, FULL_DEPTH), {"snapshot_mode": "ignore_sod"}),
        ("BTCUSDT.plain.trades_only", (FULL_TRADES,), {}),
        ("BTCUSDT.plain.depth_only", (FULL_DEPTH,), {}),
        ("slice_BTCUSDT.process", (HEAD_TRADES, HEAD_DEPTH), {}),
        ("slice_BTCUSDT.ignore", (HEAD_TRADES, HEAD_DEPTH), {"snapshot_mode": "ignore"}),
        ("slice_BTCUSDT.ignore_sod", (HEAD_TRADES, HEAD_DEPTH), {"snapshot_mode": "ignore_sod"}),
    ],
)
def test_real_files_give_byte_for_byte_what_hftbacktest_makes_of_them(real_data, name, files, options):
    expected = json.loads((real_data / "golden" / f"tardis.{name}.json").read_text())["result"]
    options = {"snapshot_mode": "process", **options}
    events = convert_tardis([real_data / file for file in files], **options).events
    assert list(events.shape) == expected["shape"]
    assert digest(events) == expected["sha256"]


def test_trades_go_first_at_equal_times_whatever_the_order_of_arguments(real_data):
    """The peer appends files as given; its golden of depth first moves the queue twice. Right is trades first."""
    golden = [
        json.loads((real_data / "golden" / f"tardis.BTCUSDT.plain.{name}.json").read_text())["result"]["sha256"]
        for name in ("process", "depth_before_trades")
    ]
    events = convert_tardis([real_data / FULL_DEPTH, real_data / FULL_TRADES], snapshot_mode="process").events
    assert digest(events) == golden[0] != golden[1]


def test_blocks_of_any_size_are_whole_and_a_last_one_is_not_lost(write):
    """The peer cuts the second block to the first one's length and loses the block that ends the data."""
    lines = [
        delta("bid", 100, 1, 0),
        snap("bid", 99, 1, 10), snap("bid", 98, 1, 10), snap("ask", 101, 1, 10),
        delta("bid", 97, 1, 20),
        *(snap("bid", price, 2, 30) for price in (96, 95, 94, 93)), *(snap("ask", p, 2, 30) for p in (102, 103, 104)),
        delta("ask", 105, 1, 40),
        snap("bid", 90, 1, 50),
    ]  # fmt: skip
    path = write("d.csv", DEPTH, lines)
    head = "Db100 Cb98 Sb99 Sb98 Ca101 Sa101 Db97 Cb93 Sb96 Sb95 Sb94 Sb93 Ca104 Sa102 Sa103 Sa104 Da105 Cb90 Sb90"
    assert shown(convert_tardis(path, snapshot_mode="process").events) == head.split()
    whole = "Db100 C-0 Sb99 Sb98 Sa101 Db97 C-0 Sb96 Sb95 Sb94 Sb93 Sa102 Sa103 Sa104 Da105 C-0 Sb90"
    assert shown(convert_tardis(path).events) == whole.split()
    assert shown(convert_tardis(path, snapshot_mode="ignore_sod").events) == head.split()
    assert shown(convert_tardis(path, snapshot_mode="ignore").events) == ["Db100", "Db97", "Da105"]


def test_a_reconnect_discards_the_book_and_a_crossed_end_is_a_warning(write, tmp_path):
    """An ask beyond the edge of the second block was taken while the recorder was away; the market comes to it later."""
    lines = [
        snap("bid", 100, 1, 0), snap("ask", 101, 1, 0), snap("ask", 103, 5, 0),
        delta("bid", 100, 2, 10),
        snap("bid", 96, 1, 20), snap("ask", 97, 1, 20),
        delta("ask", 97, 0, 30), delta("ask", 105, 1, 30), delta("bid", 104, 1, 30),
    ]  # fmt: skip
    path = write("d.csv", DEPTH, lines)
    result = convert_tardis(path)
    book = replay_book(result.events)
    assert (book.bids[:, 0].tolist(), book.asks[:, 0].tolist()) == ([104, 96], [105])
    assert result.report.warnings == ()
    (kept,) = convert_tardis(path, snapshot_mode="process").report.warnings
    assert kept == "the book ends crossed: bid 104 at or above ask 101; --snapshot-mode discard is the vendor's rule"
    crossed = write("c.csv", DEPTH, [*lines, delta("ask", 95.5, 1, 40)])
    for found in (
        convert_tardis(crossed).report,
        convert_tardis_file(crossed, tmp_path / "o.npz"),
        convert_tardis(crossed, window_ns=0).report,
    ):
        assert found.warnings == ("the book ends crossed: bid 104 at or above ask 95.5",)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from("DDDDSC"), st.sampled_from("ba-"), st.integers(1, 30), st.integers(0, 3))))
def test_the_book_at_the_end_is_the_one_that_the_rows_lead_to(rows):
    events = np.zeros(len(rows), EVENT_DTYPE)
    for event, (kind, side, price, quantity) in zip(events, rows, strict=True):
        flags = {"b": BUY, "a": SELL, "-": 0 if kind == "C" else BUY}[side]
        event["ev"] = {"D": 1, "S": 4, "C": 3}[kind] | flags | LOCAL
        event["px"], event["qty"] = price / 4 if kind != "C" or side != "-" else 0, quantity
    words = events.view(np.int64).reshape(-1, 8)
    book, want = EndBook(), replay_book(events)
    book._keys, book._quantities = np.full(2, -1, np.int64), np.zeros((2, 2))
    book.take(words & ~np.array([LOCAL, *[0] * 7]))
    assert book.best() == pytest.approx((want.best_bid, want.best_ask), nan_ok=True)


def test_start_of_day_is_decided_for_every_file(write):
    def day(at):
        return [
            snap("bid", 10, 1, at),
            snap("ask", 11, 1, at),
            delta("bid", 10, 2, at + 5),
            snap("bid", 9, 1, at + 9),
            delta("ask", 12, 3, at + 12),
        ]

    first, second = write("1.csv", DEPTH, day(0)), write("2.csv.gz", DEPTH, day(10**12))
    opened, rest = ["Cb10", "Sb10", "Ca11", "Sa11"], ["Db10", "Cb9", "Sb9", "Da12"]
    assert shown(convert_tardis(first, snapshot_mode="process").events) == opened + rest
    assert shown(convert_tardis([second, first], snapshot_mode="ignore_sod").events) == 2 * rest
    assert shown(convert_tardis([second, first], snapshot_mode="process").events) == 2 * (opened + rest)
    discarded = ["C-0", "Sb10", "Sa11", "Db10", "C-0", "Sb9", "Da12"]
    assert shown(convert_tardis([second, first]).events) == 2 * discarded


def test_the_header_decides_and_never_the_name(write):
    misleading = write("trades_book_ticker_incremental_book_L2.csv.gz", DEPTH, [delta("bid", 1, 1, 1)])
    plain = write("incremental_book_L2.gz.csv", TRADES, [row(1, 1, "id", "buy", 1, 1)])
    assert shown(convert_tardis([misleading, plain]).events) == ["Tb1", "Db1"]


def test_gzip_is_told_by_content_and_windows_lines_and_marks_are_read(tmp_path):
    text = ("﻿" + "\r\n".join([DEPTH, delta("bid", 1, 2, 3), "", delta("ask", "2.5", "0.25", 4)])).encode()
    path = tmp_path / "no_suffix"
    path.write_bytes(gzip.compress(text))
    result = convert_tardis(path)
    assert [(e["px"], e["qty"], e["exch_ts"]) for e in result.events] == [(1, 2, 3000), (2.5, 0.25, 4000)]
    assert (result.report.empty_lines, result.report.bad) == (1, ())


def test_files_without_rows_give_no_rows(write, tmp_path):
    path = write("d.csv", DEPTH, [])
    assert len(convert_tardis(path).events) == 0
    convert_tardis_file(path, tmp_path / "o.npz")
    assert len(load(tmp_path / "o.npz")) == 0


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("x,AB,1,2,true,bid,3", 8),
        ("x,AB,1", 4),
        ("x,AB,1,2,true,bid,3,4,5", 9),
        ("x,AB,-5,2,true,bid,3,4", 3),
        ("x,AB,,2,true,bid,3,4", 3),
        ("x,AB,1,9223372036854776,true,bid,3,4", 4),
        ("x,AB,1,1.5,true,bid,3,4", 4),
        ("x,AB,1,2,yes,bid,3,4", 5),
        ("x,AB,1,2,true,,3,4", 6),
        ("x,AB,1,2,true,unknown,3,4", 6),
        ("x,AB,1,2,true,BID,3,4", 6),
        ("x,AB,1,2,true,bid,,4", 7),
        ("x,AB,1,2,true,bid,-5,4", 7),
        ("x,AB,1,2,false,bid,0,4", 7),
        ("x,AB,1,2,false,bid,0.000000000000000000000,4", 7),
        ("x,AB,1,2,false,bid,0e7,4", 7),
        ("x,AB,1,2,true,bid,nan,4", 7),
        ("x,AB,1,2,true,bid,1_0,4", 7),
        ("x,AB,1,2,true,bid,3,inf", 8),
        ("x,AB,1,2,true,bid,3,0x10", 8),
        ("x,AB,1,2,true,bid,3, 4", 8),
        ("x,AB,1,2,true,bid,3,1e400", 8),
        ("x,AB,1,2,true,bid,3,.", 8),
        ("garbage", 2),
    ],
)
def test_a_row_that_cannot_be_used_is_counted_with_file_line_and_column(write, line, column):
    path = write("d.csv", DEPTH, [delta("bid", 1, 1, 1), line, delta("ask", 2, 2, 2)])
    result = convert_tardis(path)
    assert shown(result.events) == ["Db1", "Da2"]
    (bad,) = result.report.bad
    assert (bad.count, bad.examples[0].startswith(f"{path}:3: column {column} (")) == (1, True)
    assert "look at the lines named" in result.report.warnings[-1]
    with pytest.raises(StrictError, match=f"{path}:3: .*without --strict"):
        convert_tardis(path, strict=True)


def test_mixed_symbols_are_an_error_unless_one_is_chosen(write, tmp_path):
    lines = [delta("bid", 1, 1, 1), delta("bid", 2, 1, 2).replace("AB", "CD"), delta("bid", 3, 1, 3)]
    path = write("d.csv", DEPTH, lines)
    with pytest.raises(SymbolError, match=r"CD at .*d\.csv:3.*--symbol"):
        convert_tardis(path)
    result = convert_tardis(path, symbol="cd")
    assert (shown(result.events), result.report.filtered) == (["Db2"], {"rows of other symbols": 2})
    assert shown(convert_tardis(path, symbol="AB").events) == ["Db1", "Db3"]
    with pytest.raises(SymbolError, match="no message of ZZ"):
        convert_tardis(path, symbol="ZZ")
    other = write("t.csv", TRADES, [row(1, 1, "i", "buy", 1, 1).replace("AB", "CD")])
    with pytest.raises(SymbolError):
        convert_tardis([write("e.csv", DEPTH, lines[:1]), other])


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", InputError, "holds no text"),
        (b"a,b,c\n1,2,3\n", FormatError, "no Tardis header"),
        (b"exchange,symbol,timestamp,local_timestamp,asks[0].price\n", FormatError, "no Tardis header"),
        (
            b"exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n",
            FormatError,
            "book_ticker.*data-convert fuse",
        ),
        (b"PK\x03\x04....", InputError, "zip"),
    ],
)
def test_files_of_another_kind_are_refused_with_a_remedy(tmp_path, content, error, message):
    path = tmp_path / "f.csv"
    path.write_bytes(content)
    with pytest.raises(error, match=message):
        convert_tardis(path)


def test_directories_and_missing_files_are_refused(tmp_path):
    for path, message in ((tmp_path, "directory"), (tmp_path / "no.csv", "not exist")):
        with pytest.raises(InputError, match=message):
            convert_tardis(path)
    with pytest.raises(InputError, match="nothing to convert"):
        convert_tardis([])
    (tmp_path / "d.csv").write_text(f"{DEPTH}\n")
    with pytest.raises(InputError, match="named twice"):
        convert_tardis([tmp_path / "d.csv", tmp_path / "x" / ".." / "d.csv"])


def test_no_thread_is_left_behind_by_an_error(write):
    before = threading.active_count()
    lines = [delta("bid", 1, 1, i) for i in range(60_000)]
    path = write("d.csv.gz", DEPTH, ["x,AB,1", *lines])
    with pytest.raises(StrictError):
        convert_tardis([path, write("t.csv", TRADES, [row(1, 1, "i", "buy", 1, 1)] * 20_000)], strict=True)
    assert threading.active_count() == before


def test_a_torn_gzip_keeps_its_whole_lines_and_says_how_much_is_lost(write, tmp_path):
    lines = [delta("bid", 1 + i % 997, 1, i) for i in range(20_000)]
    whole = write("d.csv.gz", DEPTH, lines).read_bytes()
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(whole[: len(whole) // 2])
    result = convert_tardis(torn)
    assert 1000 < len(result.events) < 20_000
    expected = naive.convert([(DEPTH, lines[: len(result.events)])])
    assert result.events.tobytes() == expected.tobytes()
    assert any("is cut off" in damage for damage in result.report.files[0].damage)
    with pytest.raises(StrictError, match="cut off"):
        convert_tardis(torn, strict=True)


def test_joined_gzip_files_are_one(write, tmp_path):
    first = write("1.csv.gz", DEPTH, [delta("bid", 1, 1, 1)]).read_bytes()
    second = write("2.csv.gz", DEPTH, [delta("bid", 2, 1, 2)]).read_bytes()
    path = tmp_path / "joined.gz"
    path.write_bytes(first + second)
    result = convert_tardis(path)
    assert shown(result.events) == ["Db1", "Db2"]
    assert result.report.notes == {"header lines inside a file": 1}


NUMBERS = st.one_of(
    st.from_regex(r"[0-9]{1,9}(\.[0-9]{0,9})?", fullmatch=True),
    st.decimals(0, 10**12, places=6).map(lambda d: f"{d:f}"),
    st.floats(0, 1e15, allow_nan=False).map(repr),
    st.from_regex(r"[0-9]{0,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["", ".", "1.", ".5", "-1", "nan", "9007199254740993", "0.1" + "0" * 300 + "1", "9" * 201]),
)
TIMES = st.one_of(
    st.integers(0, 2**63 // 1000 + 2).map(str),
    st.integers(1_700_000_000_000_000, 1_700_000_000_000_009).map(str),
    st.sampled_from(["", "1e3", "0001700000000000000001", "1700000000000o00"]),
)
LINES = st.builds(
    lambda exch, local, fourth, side, price, amount, cut: ",".join(
        ["x", "AB", exch, local, fourth, side, price, amount][: cut + 2]
    ),
    TIMES,
    TIMES,
    st.sampled_from(["true", "false", "False", "TRUE", "", "t", "id-7"]),
    st.sampled_from(["bid", "ask", "buy", "sell", "", "b", "none"]),
    NUMBERS,
    NUMBERS,
    st.sampled_from([6, 6, 6, 6, 6, 6, 1, 3, 5]),
)


@settings(max_examples=200)
@given(
    header=st.sampled_from([TRADES, DEPTH]),
    lines=st.lists(LINES, max_size=12),
    mode=st.sampled_from(["discard", "process", "ignore_sod", "ignore"]),
)
def test_any_rows_are_read_as_python_reads_them(tmp_path_factory, header, lines, mode):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    # The first row names the instrument.
    lines = [f"x,AB,5,5,{'false' if header == DEPTH else 'i'},buy,1,1", *lines]
    path.write_text("\n".join([header, *lines, ""]))
    rows, bad = naive.rows_of(header, lines, mode)
    times = [(r[1], r[2]) for r in rows]
    result = convert_tardis(path, snapshot_mode=mode) if min(k - e for e, k in times) > -(2**60) else None
    if result is None:
        return
    expected = naive.convert([(header, lines)], mode)
    assert result.events.tobytes() == expected.tobytes()
    assert result.report.bad_lines == len(bad)


PIECES = b"x,AB, 1 , \n \r\n true, bid, sell, 1.5 \0 \xff e".split(b" ")


@settings(max_examples=150)
@given(
    text=st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from([*PIECES, DEPTH.encode() + b"\n"]), max_size=40).map(b"".join),
    ),
    headed=st.booleans(),
    packed=st.booleans(),
    cut=st.integers(0, 60),
)
def test_any_bytes_give_a_result_or_a_clean_error(tmp_path_factory, text, headed, packed, cut):
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    content = (DEPTH.encode() + b"\n" if headed else b"") + text
    if packed:
        content = gzip.compress(content)[: -cut or None]
    path.write_bytes(content)
    try:
        events = convert_tardis(path).events
    except ConvertError:
        return
    assert events.dtype == EVENT_DTYPE


def test_output_is_the_same_bytes_as_saving_the_array(write, tmp_path):
    from data_convert import save

    lines = [row(1000 + i, 900 + i + i % 3, "id", ("buy", "sell")[i % 2], 100 + i % 7, i % 5) for i in range(70_000)]
    path = write("t.csv.gz", TRADES, lines)
    found = convert_tardis_file(path, tmp_path / "a.npz")
    result = convert_tardis(path)
    save(result.events, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert np.array_equal(load(tmp_path / "a.npz"), result.events)
    assert found == result.report
    assert found.latency.shift_ns == 100_000


def test_an_existing_output_is_kept_and_a_failure_leaves_none(write, tmp_path):
    path = write("d.csv", DEPTH, [delta("bid", 1, 1, 1), "x,AB,bad"])
    (tmp_path / "o.npz").write_bytes(b"mine")
    with pytest.raises(OutputError, match="--force"):
        convert_tardis_file(path, tmp_path / "o.npz")
    with pytest.raises(StrictError):
        convert_tardis_file(path, tmp_path / "p.npz", strict=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.csv", "o.npz"]
    assert (tmp_path / "o.npz").read_bytes() == b"mine"
