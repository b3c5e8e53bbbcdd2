"""Blocks of Binance frames by kernel give what the decoder gives line by line: its slow twin is the decoder itself."""

from __future__ import annotations

import gzip
import json

import pytest
from data_convert import ConvertError, convert_recording, ingest, readers
from data_convert.formats.binance import DirectDecoder
from data_convert.formats.binance_scan import BinanceScanner
from data_convert.messages import MessagesBuilder
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
        (decoder.spot, decoder._newest_ns, decoder._undated),
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
    """One line as an exchange of some market sends it, a while after the last one."""
    market = draw(st.sampled_from(["usdm", "usdm", "usdm", "other", "coinm", "spot"]))
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


def stamped(texts, odd_stamps):
    stamps = (str(STAMP + i) for i in range(len(texts)))
    return [f"{odd_stamps.get(i, stamp)} {text}" for i, (stamp, text) in enumerate(zip(stamps, texts, strict=True))]


STAMPS = st.dictionaries(
    st.integers(0, 30),
    st.sampled_from(["", "1", "17000000000000000x0", "9223372036854775807", "9999999999999999999", "1700000000", " 1"]),
    max_size=2,
)


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
    scan = scanner._scan
    scanner._scan = lambda *arguments: tries.append(0) or scan(*arguments)
    assert scanner.take(text + bytes(32), 0, len(text), 0, 0, odd) == 3000
    assert left == list(range(1, 3001))
    assert len(tries) < 200


def test_little_text_is_read_without_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "BinanceScanner", None)
    path = tmp_path / "x.jsonl"
    path.write_text(f"{STAMP} {frame('a@b', e='c')}\n" * 5000)
    assert path.stat().st_size < ingest.SCAN_FROM
    assert convert_recording(path).report.lines == 5000


@pytest.mark.parametrize("market", ["usdm_btcusdt", "spot_ethusdt", "cm_ethusd_perp"])
def test_captures_are_read_as_line_by_line(real_data, market):
    _, counters, _, (_, lines, *_) = both_agree(real_data / "captures" / f"{market}_20240808.gz")
    assert lines > 30_000
    assert sum(count for _, count in counters[2]) == lines
