"""Archives by columns: the same rows, counts and errors as row by row in Python, whatever a file holds."""

from __future__ import annotations

import dataclasses
import gzip
import io
import itertools
import zipfile

import history_naive as naive
import numpy as np
from data_convert.archives.convert import convert_history
from data_convert.archives.latency import ConstantLatency, RecordedLatency
from data_convert.errors import ConvertError
from data_convert.files.lines import archive_blocks, text_lines
from data_convert.files.readers import ReadStats
from hypothesis import given, settings
from hypothesis import strategies as st
from two_ways import way  # noqa: F401

T = 1_700_000_000_000
FOLDERS = itertools.count()

# Fields that are good, and fields that are bad or that the kernel leaves to Python.
IDS = st.sampled_from(["1", "2", "7", "0", "000000000000000000012", "9223372036854775807"])
TIMES = st.sampled_from([str(T), str(T + 1), str(T + 5), f"{T + 3}000", f"{T - 9}"])
NUMBERS = st.sampled_from(
    ["1", "100.5", "0.1", "7.", ".5", "0", "0.000", "123456789.123456789", "98765432109876543.21"]
)
PRICES = st.sampled_from(["100", "100.5", "101", "99", "100.50"])
FLAGS = st.sampled_from(["true", "false", "True", "False", "TRUE", "FALSE"])
SIDES = st.sampled_from(["Buy", "Sell", "buy", "SELL"])
SECONDS = st.sampled_from(["1700000000", "1700000000.1", "1700000000.123456789999", "1700000001.", "1699999999.99"])
NAMES = st.sampled_from(["BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT", ""])
BAD = st.sampled_from(
    [
        "",
        "x",
        "-1",
        "-5",
        "1e5",
        "nan",
        "inf",
        "+1",
        " 1",
        "1 ",
        "1_0",
        "99999999999999999999",
        "1.2.3",
        "٣",
        "tru",
        "truee",
        "\x00",
        "ü",
        "buyer",
        "9" * 400,
        ".",
        "9999999999.5",
        "99999999999999",
        '"1"',
        "\r",
        "bb",
        "setx",
        "-1 ",
    ]
)

LAYOUTS = {
    "BTCUSDT-trades-2023.csv": (
        "id,price,qty,quote_qty,time,is_buyer_maker",
        [IDS, PRICES, NUMBERS, NUMBERS, TIMES, FLAGS],
    ),
    "BTCUSDT-trades-spot.csv": ("", [IDS, PRICES, NUMBERS, NUMBERS, TIMES, FLAGS, FLAGS]),
    "BTCUSDT-aggTrades-2023.csv": (
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        [IDS, PRICES, NUMBERS, IDS, IDS, TIMES, FLAGS],
    ),
    "BTCUSDT-bookTicker-2023.csv": (
        "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time",
        [IDS, PRICES, NUMBERS, PRICES, NUMBERS, TIMES, TIMES],
    ),
    "depth.csv": (
        "symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty,pu",
        [
            NAMES,
            TIMES,
            IDS,
            IDS,
            st.sampled_from("ab"),
            st.sampled_from(["snap", "set", "update", "delete"]),
            NUMBERS,
            NUMBERS,
            st.sampled_from(["-1", "", "1", "2"]),
        ],
    ),
    "depth_without_pu.csv": (
        "symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty",
        [NAMES, TIMES, IDS, IDS, st.sampled_from("ab"), st.sampled_from(["snap", "set"]), NUMBERS, NUMBERS],
    ),
    "BTCUSDT2023-11-14.csv.gz": (
        "timestamp,symbol,side,size,price,tickDirection,more",
        [SECONDS, NAMES, SIDES, NUMBERS, PRICES, st.just("PlusTick"), BAD.filter(lambda text: "\r" not in text)],
    ),
    "BTCUSDT_2023-11-14.csv": ("id,timestamp,price,volume,side", [IDS, TIMES, PRICES, NUMBERS, SIDES]),
}


@st.composite
def files(draw, names=tuple(LAYOUTS)):
    """A file's name and text: mostly good rows, some bad, some lines of other shapes."""
    name = draw(st.sampled_from(names))
    header, columns = LAYOUTS[name]
    lines = [header] if header else []
    for _ in range(draw(st.integers(0, 12))):
        row = [draw(column) for column in columns]
        match draw(st.integers(0, 9)):
            case 0:
                row[draw(st.integers(0, len(row) - 1))] = draw(BAD)
            case 1:
                row = row[: draw(st.integers(0, len(row)))] + draw(st.lists(BAD, max_size=3))
        lines.append(",".join(row))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = end.join(lines) + draw(st.sampled_from(["", end, "\n\n", "\n \t\n"]))
    return name, text.encode("utf-8", "surrogateescape")


def outcome(convert, paths, **options):
    """What came of it, with everything that the report says, or the error."""
    try:
        result = convert(paths, ConstantLatency(7), **options)
    except ConvertError as error:
        return f"{type(error).__name__}: {error}"
    report = dataclasses.asdict(result.report)
    del report["contradictions"]  # recordings alone are judged; that a book of an archive is crossed stands in `books`
    assert len(result.events) == report["rows"]
    return result.events.tobytes(), report


def both(tmp_path, given_files, **options):
    folder = tmp_path / str(next(FOLDERS))
    paths = []
    for number, (name, data) in enumerate(given_files):
        path = folder / str(number) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        paths.append(path)
    mine, twin = (outcome(convert, paths, **options) for convert in (convert_history, naive.convert_history))
    assert repr(mine) == repr(twin)  # a book without a best price has NaN there
    return mine


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "time": st.just("E"),
        "strict": st.booleans(),
        "symbol": st.sampled_from(["BTCUSDT", "ethusdt", "XRPUSDT"]),
        "unanchored": st.sampled_from(["drop", "keep"]),
    },
)


@settings(max_examples=300, deadline=None)
@given(file=files(), options=OPTIONS)
def test_every_file_gives_what_it_gives_row_by_row(tmp_path_factory, file, options):
    both(tmp_path_factory.getbasetemp(), [file], **options)


@settings(max_examples=150, deadline=None)
@given(several=st.lists(files(), min_size=2, max_size=3), options=OPTIONS)
def test_several_files_are_merged_as_they_are_row_by_row(tmp_path_factory, several, options):
    both(tmp_path_factory.getbasetemp(), several, **options)


QUOTES = "BTCUSDT-bookTicker-2023.csv"
SMALL = st.sampled_from(["0", "1", "2"])


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 6), SMALL, SMALL, SMALL, SMALL, st.integers(0, 9)), max_size=14),
    growing=st.booleans(),
)
def test_quotes_of_any_order_crossed_or_of_one_side_are_the_book_that_the_windows_say(tmp_path_factory, rows, growing):
    lines = [LAYOUTS[QUOTES][0]]
    for at, (version, bid, bid_qty, ask, ask_qty, late) in enumerate(rows):
        number = 3 * at + version if growing else version
        lines.append(f"{number},10{bid},{bid_qty},10{ask},{ask_qty},{T + at - late // 8},{T + at}")
    both(tmp_path_factory.getbasetemp(), [(QUOTES, "\n".join(lines).encode())])


def test_rows_beyond_one_block_and_one_call_of_the_kernel_are_the_same(tmp_path):
    """More rows than a call takes, more odd ones than it can name, names that change, and lines across blocks of text."""
    header, _ = LAYOUTS["BTCUSDT2023-11-14.csv.gz"]
    rows = []
    for i in range(40_000):
        price = "x" if i % 7 == 0 and i < 30_000 else f"{100 + i % 13}.{i % 10}"
        rows.append(f"{1_700_000_000 + i // 9}.{i % 10},BTCUSDT,{'Buy' if i % 3 else 'Sell'},{1 + i % 5},{price},Plus,")
    found = both(tmp_path, [("BTCUSDT2023-11-14.csv.gz", "\n".join([header, *rows]).encode())])
    events, report = found
    assert len(events) // 64 == 40_000 - len(range(0, 30_000, 7))
    assert sum(bad["count"] for bad in report["bad"]) == len(range(0, 30_000, 7))
    names = ["AUSDT" if i % 5_000 < 2_500 else "BUSDT" for i in range(40_000)]
    swapped = [row.replace("BTCUSDT", name) for row, name in zip(rows, names, strict=True)]
    both(tmp_path, [("x.csv.gz", "\n".join([header, *swapped]).encode())], symbol="BUSDT")


def test_order_books_larger_than_a_call_of_the_kernel_are_whole_messages(tmp_path):
    lines = [LAYOUTS["depth.csv"][0]]
    for u in range(0, 30):
        kind = "set" if u else "snap"
        lines += [f"BTCUSDT,{T + u},{u},{u},b,{kind},{100 + i % 1000}.{i % 10},{i % 3},{u - 1}" for i in range(1_500)]
    _, report = both(tmp_path, [("depth.csv", "\n".join(lines).encode())])
    assert report["snapshots"] == {"snapshots used": 1, "updates applied": 29}


def zipped(text, name="a.csv", method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(name, text)
    return out.getvalue()


TRADES_TEXT = "id,price,qty,quote_qty,time,is_buyer_maker\n" + "".join(
    f"{i},100.{i % 97},{1 + i % 7},1,{T + i},{'true' if i % 3 else 'false'}\r\n" for i in range(1_200)
)


@settings(max_examples=80, deadline=None)
@given(
    packed=st.sampled_from(["zip", "stored", "gz", "plain", "members"]),
    at=st.floats(0, 1, exclude_max=True),
    change=st.sampled_from(["none", "cut", "garbage", "zeros"]),
)
def test_damage_costs_the_same_lines(tmp_path_factory, packed, at, change):
    text = TRADES_TEXT.encode()
    match packed:
        case "zip":
            data = zipped(text)
        case "stored":
            data = zipped(text, method=zipfile.ZIP_STORED)
        case "gz":
            data = gzip.compress(text)
        case "members":
            data = b"".join(gzip.compress(text[i : i + 7_000]) for i in range(0, len(text), 7_000))
        case _:
            data = text
    place = int(at * len(data))
    match change:
        case "cut":
            data = data[:place]
        case "garbage":
            data = data[:place] + b"\xff\x00\xaa" + data[place + 3 :]
        case "zeros":
            data = data[:place] + bytes(40) + data[place + 40 :]
    both(tmp_path_factory.getbasetemp(), [("BTCUSDT-trades.csv", data)])


@settings(max_examples=80, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=20),
    end=st.sampled_from([b"", b"\n", b"\r\n"]),
    packed=st.sampled_from(["plain", "gz", "zip"]),
)
def test_blocks_hold_the_lines_that_are_read_one_by_one(tmp_path_factory, lines, end, packed):
    text = b"\n".join([b"first", *lines]) + end
    path = tmp_path_factory.getbasetemp() / f"{next(FOLDERS)}.csv"
    path.write_bytes({"plain": text, "gz": gzip.compress(text), "zip": zipped(text)}[packed])
    one_by_one = ReadStats(path)
    expected = [line for _, line in text_lines(path, one_by_one)]
    stats, found = ReadStats(path), []
    for block in archive_blocks(path, stats):
        assert block.buffer[block.stop - 1 : block.stop] == b"\n"
        assert len(block.buffer) >= block.stop + 8
        found += block.buffer[block.start : block.stop].split(b"\n")[:-1]
        stats.lines = len(found)
    cut = [line.rstrip(b"\r") if packed == "zip" else line.removesuffix(b"\r") for line in found]
    assert cut == expected
    assert dataclasses.asdict(stats) == dataclasses.asdict(one_by_one)


def test_recorded_latencies_and_books_with_trades_are_dated_alike(tmp_path):
    model = RecordedLatency(np.array([0, 500 * 10**6], np.int64), np.array([10**9, 5], np.int64), "x")
    trades = "id,price,qty,quote_qty,time,is_buyer_maker\n" + "".join(
        f"1,10,1,1,{T + 37 * i},true\n" for i in range(99)
    )
    quotes = LAYOUTS[QUOTES][0] + "\n" + "".join(f"{i},{i},1,{i + 1},1,{T + 90 * i},{T}\n" for i in range(1, 60))
    (tmp_path / "A-trades.csv").write_text(trades)
    (tmp_path / "A-bookTicker.csv").write_text(quotes)
    paths = [tmp_path / "A-bookTicker.csv", tmp_path / "A-trades.csv"]
    found = [convert(paths, model) for convert in (convert_history, naive.convert_history)]
    assert found[0].events.tobytes() == found[1].events.tobytes()
    assert dataclasses.asdict(found[0].report) == dataclasses.asdict(found[1].report)
