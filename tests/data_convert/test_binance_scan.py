"""Blocks of Binance frames by kernel give what the decoder gives line by line: its slow twin is the decoder itself."""

from __future__ import annotations

import gzip
import itertools
import json

import pytest
from data_convert import ConvertError, convert_recording
from data_convert.files import readers
from data_convert.messages.columns import MessagesBuilder
from data_convert.recordings import ingest
from data_convert.recordings.venues import binance_scan
from data_convert.recordings.venues.binance import DirectDecoder
from data_convert.recordings.venues.binance_scan import BinanceScanner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FEW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
STAMP = 1700000000000000000


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    monkeypatch.setattr(ingest, "SCAN_FROM", ingest.SCAN_FROM)
    monkeypatch.setattr(readers, "_BLOCK", readers._BLOCK)


def read(path, scanned, block=1 << 18, **options):
    """Everything that reading a file leaves behind, or the error that it ends with."""
    ingest.SCAN_FROM, readers._BLOCK = 0 if scanned else 1 << 60, block
    try:
        found = ingest.ingest([path], "direct", options.pop("time", "T"), options.pop("strict", False), **options)
    except ConvertError as error:
        return type(error), str(error)
    builder, decoder = found.builder, found.decoder
    columns = (builder.what, builder.symbol, builder.ints, builder.ev, builder.px, builder.qty)
    counters = (builder.symbols, builder.symbol_counts, decoder.streams, decoder.filtered, decoder.notes)
    return (
        [column.tolist() for column in columns],
        [list(counter.items()) for counter in counters],
        (decoder.spot, decoder._newest_ns, decoder._undated, found.markets, builder.quotes.tolist()),
        (found.files, found.lines, found.empty_lines, found.bad, found.warnings),
    )


def both_agree(path, **options):
    expected = read(path, False, **dict(options, block=1 << 18))
    assert read(path, True, **options) == expected
    return expected


def frame(stream, **data):
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":"))


LEVELS = st.lists(
    st.tuples(
        st.sampled_from(["1", "0.1", "61800.30", "2683.80000000", "123456789.12000000", "007", "5.", "0.000000010"]),
        st.sampled_from(["0", "0.000", "1.5", "100000000.00000000", "99999999.12345678", "12345678901234567890", ".5"]),
    ),
    max_size=4,
)
LOTS = st.tuples(LEVELS, LEVELS)


@st.composite
def lines(draw):
    """One line as an exchange of some market sends it, mostly of the one that comes most."""
    market = draw(st.sampled_from(["usdm"] * 6 + ["other", "coinm", "spot"]))
    symbol = {"usdm": "BTCUSDT", "other": "ETHUSDT", "coinm": "ETHUSD_PERP", "spot": "BTCUSDT"}[market]
    name, ids = symbol.lower(), draw(st.integers(0, 10**14))
    times = {"E": 1700000000123, "T": 1700000000120 + draw(st.integers(-50, 50))}
    if market == "spot" or draw(st.integers(0, 9)) == 0:
        del times["T"]
    if draw(st.integers(0, 9)) == 0:
        times = {key: value * 1000 + 7 for key, value in times.items()}
    pair = {"ps": "ETHUSD"} if market == "coinm" else {}
    kind = draw(st.sampled_from(["depth", "depth", "trade", "trade", "ticker", "rest", "partial", "aggTrade"]))
    bids, asks = draw(LOTS)
    if kind == "depth":
        previous = {} if market == "spot" else {"pu": ids - 1}
        return frame(
            f"{name}@depth@0ms",
            e="depthUpdate",
            **times,
            s=symbol,
            **pair,
            U=ids,
            u=ids + 3,
            **previous,
            b=bids,
            a=asks,
        )
    if kind == "trade":
        cause = {} if market == "spot" else {"X": draw(st.sampled_from(["MARKET", "MARKET", "MARKET", "NA"]))}
        price, quantity = draw(st.sampled_from([("61800.30", "0.006"), ("0", "0"), ("1", "123456789012345678.9")]))
        maker = draw(st.booleans())
        more = {"M": True} if market == "spot" else {}
        return frame(
            f"{name}@trade", e="trade", **times, s=symbol, t=ids, p=price, q=quantity, **cause, m=maker, **more
        )
    if kind == "ticker":
        word = {} if market == "spot" else {"e": "bookTicker"}
        return frame(f"{name}@bookTicker", **word, u=ids, s=symbol, b="1.5", B="2", a="1.6", A="3", **times)
    if kind == "rest":
        dates = {} if market == "spot" else times
        return json.dumps({"lastUpdateId": ids, **dates, "bids": bids, "asks": asks}, separators=(",", ":"))
    if kind == "partial":
        return frame(f"{name}@depth5@100ms", e="depthUpdate", **times, s=symbol, U=ids, u=ids, pu=ids, b=bids, a=asks)
    return frame(f"{name}@aggTrade", e="aggTrade", **times, s=symbol, a=ids, p="1.5", q="1", f=1, l=2, m=True)


@st.composite
def changed(draw):
    """A line with something about it that the exchange does not send, or not yet."""
    text = draw(lines())
    how = draw(
        st.sampled_from(["byte", "cut", "space", "exponent", "order", "escape", "twice", "null", "digits", "none"])
    )
    at = draw(st.integers(0, len(text) - 1))
    match how:
        case "byte":
            character = draw(st.sampled_from('"\\{}[],:0189.eE-+\x00\x7fé \tntf'))
            return text[:at] + character + text[at + 1 :]
        case "cut":
            return text[:at]
        case "space":
            return text.replace(":", ": ", draw(st.integers(1, 3))) if draw(st.booleans()) else text + " "
        case "exponent":
            return text.replace(":17", ":1.7e1", 1) if draw(st.booleans()) else text.replace('"1.5"', '"15e-1"')
        case "order":
            value = json.loads(text)
            inner = value.get("data", value)
            keys = draw(st.permutations(sorted(inner)))
            inner = {key: inner[key] for key in keys}
            value = {"stream": value["stream"], "data": inner} if "data" in value else inner
            return json.dumps(value, separators=(",", ":"))
        case "escape":
            return text.replace("BTC", "BT\\u0043", 1)
        case "twice":
            return text.replace('"s":', '"s":"X","s":', 1) if draw(st.booleans()) else text.replace("}", ',"e":1}', 1)
        case "null":
            key = draw(st.sampled_from(["E", "T", "s", "u", "pu", "p", "m", "X", "e", "b"]))
            value = draw(st.sampled_from(["null", "1.5", '"x"', "-1", "[]", "{}", "true", "0", "00", "9" * 19]))
            head, found, tail = text.partition(f'"{key}":')
            return head + found + value + (tail[tail.find(",") :] if "," in tail else tail)
        case "digits":
            return text.replace("1700000000", "1" * draw(st.integers(1, 22)), 1)
    return text


FRAMES = {
    "usdm depth": frame(
        "btcusdt@depth@0ms", e="depthUpdate", E=1700000000123, T=1700000000120, s="BTCUSDT", U=11, u=14, pu=10,
        b=[["61800.30", "0.006"], ["7", "1.5"]], a=[["61800.40", "123456789.00000000"]],
    ),
    "usdm trade": frame(
        "btcusdt@trade", e="trade", E=1700000000123, T=1700000000120, s="BTCUSDT", t=5, p="61800.30", q="0.006",
        X="MARKET", m=False,
    ),
    "usdm ticker": frame(
        "btcusdt@bookTicker", e="bookTicker", u=5, s="BTCUSDT", b="1.5", B="2", a="1.6", A="3", T=1700000000120, E=17,
    ),
    "usdm partial": frame("btcusdt@depth5", e="depthUpdate", E=17, T=18, s="B", U=1, u=2, pu=0, b=[["1", "2"]], a=[]),
    "coinm depth": frame(
        "ethusd_perp@depth", e="depthUpdate", E=1700000000123, T=1700000000120, s="ETHUSD_PERP", ps="ETHUSD", U=11,
        u=14, pu=10, b=[], a=[["2682.13", "0"]],
    ),
    "spot depth": frame(
        "ethusdt@depth", e="depthUpdate", E=1700000000123, s="ETHUSDT", U=0, u=14, b=[["2683.80000000", "3.0"]], a=[]
    ),
    "spot trade": frame(
        "ethusdt@trade", e="trade", E=1700000000123, s="ETHUSDT", t=5, p="2683.8", q="0.002", T=1700000000120123, m=True,
        M=True,
    ),
    "usdm unusual": frame(
        "btcusdt@diff", e="depthUpdate", E=17, T=18, s="BTCUSDT", U=1, u=2, pu=0, b=[["1", "2"]], a=[]
    ),
    "spot ticker": frame("ethusdt@bookTicker", u=35346513501, s="ETHUSDT", b="2683.8", B="3.0", a="2683.81", A="31.4"),
    "sample depth": frame("btcusdt@depth", E=1700000000123, T=17, s="BTCUSDT", U=1, u=2, pu=0, b=[["1", "2"]], a=[]),
}  # fmt: skip

VALUES = [
    "null", "true", "false", "tru", "0", "00", "01", "1.5", "1e5", "-1", "9" * 18, "9" * 19, "9223372036854775807",
    "9223372036854", "9223372036855", "99999999999999", "100000000000000", "9223372036854775", "9223372036854776",
    '""', '"x"', '"1"', '"0"', '"0.0"', '".5"', '"5."', '"."', '"1.2.3"', '"-1"', '"1e5"', '"9007199254740993"',
    '"9007199254740991.5"', '"9007199254740992000.0"', '"12345678901234567.00"', '"0.123456789012345678"', '"123456789012345678"',
    '"1234567890123456789"', '"é"', '"a\\u0041"', '"a\\"', "[]", "[[]]", '[["1","2"]]', '[["1","2"],]', '[["1","2","3"]]', '[["1"]]',
    '[["0","2"]]', '[["1","-2"]]', '[["1",2]]', '[["1","12345678901234567890"]]', '[["1","2"] ]', "{}", '{"a":1}', "", '"MARKET"',
    '"MARKETS"', '"NA"', '"BTCUSDT"', '"trade"', '"depthUpdate"', '"bookTicker"',
]  # fmt: skip


def members(text):
    """The members of the frame's data as texts, and a function that writes the frame with others in their place."""
    value = json.loads(text)
    own = [frame("", **{key: item})[len('{"stream":"","data":{') : -2] for key, item in value["data"].items()]
    return own, lambda parts: f'{{"stream":"{value["stream"]}","data":{{' + ",".join(parts) + "}}"


def every_small_change(text):
    """The line with every byte changed, doubled or left out, every member given every value, left out, moved, repeated."""
    for at in range(len(text)):
        yield text[:at] + text[at + 1 :]
        yield text[:at] + text[at] + text[at:]
        for character in '"\\{}[],:09.e- x\x00\x7fé\udcff':
            yield text[:at] + character + text[at + 1 :]
    parts, written = members(text)
    for at, part in enumerate(parts):
        key = part[: part.index(":") + 1]
        yield written(parts[:at] + parts[at + 1 :])
        yield written([*parts, part])
        yield written([part, *parts])
        yield written([*parts[:at], *parts[at + 1 :], part])
        for value in VALUES:
            yield written([*parts[:at], key + value, *parts[at + 1 :]])
            yield written([*parts, key + value])
    for more in (
        '"x":1',
        '"xyz":"a"',
        '"":0',
        '"\\"":1',
        '"x":{"s":1}',
        '"pu":3',
        '"U":3',
        '"X":"MARKET"',
        '"b":1',
        "x",
        "",
    ):
        yield written([*parts, more])
        yield written([more, *parts])
    yield from (text + tail for tail in (" ", "\r", "\r\r", "x", "}", "\t"))
    yield from (
        text.replace(old, new) for old, new in (('"data":', '"data":{},"data":'), ("}}", '},"a":1}'), ("@", ""))
    )


def stamped(texts, odd_stamps):
    stamps = (str(STAMP + i) for i in range(len(texts)))
    return [f"{odd_stamps.get(i, stamp)} {text}" for i, (stamp, text) in enumerate(zip(stamps, texts, strict=True))]


ODD_STAMPS = ["", "1", "17000000000000000x0", "9223372036854775807", "9" * 19, "8" * 19, "1700000000", " 1", "1" * 20]
STAMPS = st.dictionaries(st.integers(0, 30), st.sampled_from(ODD_STAMPS), max_size=2)


@FEW
@given(
    st.lists(st.one_of(lines(), lines(), lines(), changed()), max_size=20),
    STAMPS,
    st.sampled_from(["\n", "\n", "\r\n", "\n\n"]),
    st.sampled_from([40, 100, 333, 1 << 18]),
    st.sampled_from(["T", "E"]),
)
def test_any_mixture_of_good_and_odd_lines_is_read_as_line_by_line(tmp_path, texts, stamps, end, block, time):
    path = tmp_path / "x.jsonl"
    path.write_bytes(end.join(stamped(texts, stamps)).encode())
    both_agree(path, block=block, time=time)


@FEW
@given(
    st.lists(lines(), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=60),
    st.sampled_from(["auto", "binance-futures", "binance-spot"]),
)
def test_lines_like_earlier_ones_are_read_as_line_by_line(tmp_path, texts, again, venue):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(line + "\n" for line in stamped([*texts, *(texts[i % len(texts)] for i in again)], {})))
    both_agree(path, venue=venue)


@FEW
@given(st.lists(st.one_of(lines(), changed()), min_size=1, max_size=12), st.integers(1, 400), st.booleans())
def test_torn_members_and_lines_are_counted_in_the_same_places(tmp_path, texts, cut, strict):
    path = tmp_path / "x.gz"
    member = gzip.compress("".join(line + "\n" for line in stamped(texts, {})).encode(), mtime=0)
    path.write_bytes(member[:-cut] + member + b"garbage" + member[: len(member) // 2])
    both_agree(path, strict=strict)


@FEW
@given(st.lists(st.one_of(lines(), lines(), changed()), min_size=1, max_size=20))
def test_the_first_bad_line_ends_a_strict_reading(tmp_path, texts):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(line + "\n" for line in stamped(texts, {})))
    both_agree(path, strict=True)


@pytest.mark.parametrize("time", ["T", "E"])
@pytest.mark.parametrize("name", FRAMES)
def test_every_small_change_of_a_frame_is_read_as_line_by_line(tmp_path, monkeypatch, name, time):
    monkeypatch.setattr(binance_scan, "_MOST_TRIES", 1 << 30)  # a template of every change that can have one
    path = tmp_path / "x.jsonl"
    before = [text for other, text in FRAMES.items() if other.split()[0] == name.split()[0]]
    changes = [text for change in every_small_change(FRAMES[name]) for text in (change, change, FRAMES[name])]
    stamps = dict(zip(itertools.count(len(before) + len(changes)), ODD_STAMPS, strict=False))
    texts = [*before, *changes, *(FRAMES[name] for _ in ODD_STAMPS)]
    path.write_bytes("".join(line + "\n" for line in stamped(texts, stamps)).encode("utf-8", "surrogateescape"))
    read_as = both_agree(path, time=time)
    assert sum(count for _, count in read_as[1][2]) > len(changes) // 3


@pytest.mark.parametrize("name", FRAMES)
def test_notes_are_first_made_by_the_decoder(tmp_path, name):
    path = tmp_path / "x.jsonl"
    parts, written = members(FRAMES[name])
    without = [written([part for part in parts if not part.startswith(key)]) for key in ('"X"', '"T"', '"E"', '"pu"')]
    path.write_text("".join(line + "\n" for line in stamped([FRAMES[name], *without, *without], {})))
    both_agree(path)
    both_agree(path, time="E")


def test_only_the_first_line_of_each_stream_is_left_to_the_decoder():
    decoder, builder, left = DirectDecoder(), MessagesBuilder(), []
    texts = [
        frame("btcusdt@trade", e="trade", E=1, T=1, s="BTCUSDT", t=1, p="1.5", q="1", X="MARKET", m=True),
        frame("btcusdt@bookTicker", e="bookTicker", u=1, s="BTCUSDT", b="1", B="1", a="1", A="1", T=1, E=1),
        frame("btcusdt@depth@0ms", e="depthUpdate", E=1, T=1, s="BTCUSDT", U=1, u=1, pu=0, b=[["1", "1"]], a=[]),
    ]
    text = "".join(line + "\n" for line in stamped(texts * 100, {})).encode()

    def odd(number, line):
        left.append(number)
        decoder.take(builder, (0, number), STAMP, line[20:])

    assert BinanceScanner(decoder, builder).take(text + bytes(32), 0, len(text), 0, 0, odd) == 300
    assert left == [1, 2, 3]
    assert (len(builder), dict(decoder.streams)) == (200, {"trade": 100, "bookTicker": 100, "depth@0ms": 100})


def test_a_recording_that_always_deviates_is_not_tried_line_by_line():
    decoder, builder, left = DirectDecoder(), MessagesBuilder(), []
    spaced = frame("btcusdt@trade", e="trade", E=1, T=1, s="BTCUSDT", t=1, p="1.5", q="1", X="MARKET", m=True)
    text = f"{STAMP} {spaced.replace(':', ': ')}\n".encode() * 3000

    def odd(number, line):
        left.append(number)
        decoder.take(builder, (0, number), STAMP, line[20:])

    scanner = BinanceScanner(decoder, builder)
    tries = []
    scan = scanner.scan
    scanner.scan = lambda *arguments: tries.append(0) or scan(*arguments)
    assert scanner.take(text + bytes(32), 0, len(text), 0, 0, odd) == 3000
    assert left == list(range(1, 3001))
    assert len(tries) < 200


def test_little_text_is_read_without_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "make_scanner", None)
    path = tmp_path / "x.jsonl"
    path.write_text(f"{STAMP} {frame('a@b', e='c')}\n" * 5000)
    assert path.stat().st_size < ingest.SCAN_FROM
    assert convert_recording(path).report.lines == 5000


@pytest.mark.parametrize("market", ["usdm_btcusdt", "spot_ethusdt", "cm_ethusd_perp"])
def test_captures_are_read_as_line_by_line(real_data, market):
    _, counters, _, (_, lines, *_) = both_agree(real_data / "captures" / f"{market}_20240808.gz")
    assert lines > 30_000
    assert sum(count for _, count in counters[2]) == lines
