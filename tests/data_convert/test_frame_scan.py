"""Blocks of lines of Bybit, Hyperliquid and connectors by kernels give what their decoders give line by line."""

from __future__ import annotations

import gzip
import itertools
import json
import random

import pytest
from bybit_market import DEPTHS, T0, Market
from data_convert import ConvertError, convert_recording, render_json
from data_convert.files import readers
from data_convert.recordings import ingest
from data_convert.recordings.venues import frame_scan, scanning, window_store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
STAMP = 1_700_000_000_000_000_000


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    for module, name in ((ingest, "SCAN_FROM"), (readers, "_BLOCK"), (readers, "_TEXT_BLOCK")):
        monkeypatch.setattr(module, name, getattr(module, name))


def read(paths, scanned, block=1 << 18, **options):
    """Everything that reading files leaves behind, books included, or the error that it ends with."""
    ingest.SCAN_FROM, readers._BLOCK, readers._TEXT_BLOCK = 0 if scanned else 1 << 60, block, 4 * block
    venue = options.pop("venue", "auto")
    try:
        found = ingest.ingest(
            paths, "link" if venue == "link" else "auto", options.pop("time", "T"), options.pop("strict", False),
            venue="auto" if venue == "link" else venue, **options,
        )  # fmt: skip
    except ConvertError as error:
        return type(error), str(error)
    builder, decoder = found.builder, found.decoder
    columns = (builder.what, builder.symbol, builder.ints, builder.ev, builder.px, builder.qty)
    counters = (builder.symbols, builder.symbol_counts, decoder.streams, decoder.filtered, decoder.notes)
    return (
        [column.tobytes() for column in columns],
        [list(counter.items()) for counter in counters],
        (builder.reasons, builder.extras, books_of(decoder)),
        (found.files, found.lines, found.empty_lines, found.bad, found.warnings, found.broken),
    )


def books_of(decoder):
    """What a decoder knows of books at the end, in an order of its own."""
    held = getattr(decoder, "_books", None) or getattr(decoder, "_symbols", None) or {}
    return {
        name: (
            {depth: (window.sides, window.version, window.anchored) for depth, window in book.windows.windows.items()},
            [book.windows.book.dump(side) for side in (0, 1)],
            book.windows.book.best_version,
            (book.last_u, book.lost, book.has_seq),
        )
        for name, book in held.items()
    }


def both_agree(paths, **options):
    expected = read(paths, False, **dict(options, block=1 << 18))
    assert read(paths, True, **options) == expected
    return expected


def compact(frame):
    return json.dumps(frame, separators=(",", ":"))


# ---------------------------------------------------------------------------------------------------------- frames


def gap_frame(symbol, now_ms):
    """A recorder's gap line."""
    return {"e": "gap", "E": now_ms, "s": symbol, "ns": now_ms * 10**6, "reason": "connection lost"}


def bybit_frames(seed, steps=25):
    """Topics of four depths, trades, other topics and replies, now and then without what they mostly have."""
    chance = random.Random(seed)
    market = Market(seed)
    every = chance.random() < 0.8
    for _ in range(steps):
        market.step()
        if chance.random() < 0.04:
            yield gap_frame("BTCUSDT", market.now)
        for depth in DEPTHS:
            frame = market.frame(depth, fresh=chance.random() < 0.03)
            if frame is None:
                continue
            if not every:
                del frame["data"]["seq"]
            if chance.random() < 0.03:
                del frame["cts"]
            if chance.random() < 0.02:
                frame["data"]["u"] = 1
            frame["data"]["b"].sort(key=lambda pair: -float(pair[0]))
            yield frame
        yield {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": market.now, "data": [
            {"T": market.now + i, "s": chance.choice(["BTCUSDT"] * 9 + ["ETHUSDT"]), "S": chance.choice(["Buy", "Sell"]),
             "v": chance.choice(["0.001", "2", "0"]), "p": "99.5", "L": "PlusTick", "i": "a-b", "BT": chance.random() < 0.1}
            for i in range(chance.randrange(4))]}  # fmt: skip
        yield chance.choice(
            [
                {
                    "topic": "tickers.BTCUSDT",
                    "type": "delta",
                    "data": {"bid1Price": "1", "x": [1, -2.5, None, {"y": True}]},
                },
                {"topic": "orderbook.rpi.BTCUSDT", "ts": 1, "data": {"s": "BTCUSDT", "b": [["1", "2", "3"]]}},
                {"success": True, "ret_msg": "pong", "op": "ping"},
                {"topic": "kline.1.BTCUSDT", "data": [{"start": 1, "confirm": False}], "ts": 2, "type": "snapshot"},
            ]
        )


def hyperliquid_frames(seed, steps=30):
    """Books, best quotes, trades and other channels of two coins."""
    chance = random.Random(seed)
    market = Market(seed)
    order = chance.choice([("px", "sz", "n"), ("n", "px", "sz"), ("sz", "px")])
    for _ in range(steps):
        market.step()
        coin = chance.choice(["BTC"] * 9 + ["kPEPE"])
        if chance.random() < 0.04:
            yield gap_frame(coin, market.now)

        def told(side):
            values = [{"px": f"{p:.1f}", "sz": f"{q:g}", "n": int(q)} for p, q in side.items()]
            return [{key: level[key] for key in order} for level in values]

        sides = [told(side) for side in market.window(20)]
        if chance.random() < 0.05:
            sides[chance.randrange(2)] = []
        best = [told(side)[0] for side in market.window(1)]
        if chance.random() < 0.1:
            best[chance.randrange(2)] = None
        late = market.now - chance.choice([0, 0, 0, 5])
        yield {"channel": "l2Book", "data": {"coin": coin, "time": late, "levels": sides}}
        yield {"channel": "bbo", "data": {"coin": coin, "time": market.now, "bbo": best}}
        yield {"channel": "trades", "data": [
            {"coin": coin, "side": chance.choice("AB"), "px": "99.5", "sz": chance.choice(["1", "0.25", "0"]), "hash": "0xab",
             "time": market.now, "tid": chance.randrange(1 << 50), "users": ["0x1", "0x2"]}
            for _ in range(chance.randrange(3))]}  # fmt: skip
        yield chance.choice(
            [
                {"channel": "activeAssetCtx", "data": {"coin": coin, "ctx": {"funding": "0.01", "x": [[]]}}},
                {"channel": "pong"},
                {"channel": "allMids", "data": {"mids": {}}},
            ]
        )


def link_frames(seed, steps=30):
    """Batches, loose lines, trades, quotes, clears, gaps and other events of a connector, and of the source's recorder."""
    chance = random.Random(seed)
    old = chance.random() < 0.2
    for i in range(steps):
        at = T0 + i
        symbol = chance.choice(["BTCUSDT"] * 12 + ["ETHUSDT"])
        size = chance.choice([1, 1, 2, 3, 5])
        word = chance.choice(["depthUpdate"] * 4 + ["depthSnapshot"])
        lines = []
        if word == "depthSnapshot" or chance.random() < 0.05:
            lines.append({"e": "depthClear", "E": at, "s": symbol, "ns": at * 10**6 + 3, "u": i})
            if chance.random() < 0.3:
                lines[-1] |= chance.choice([{"side": "b", "p": "99"}, {"side": "a"}, {"p": "3"}])
        for _ in range(size):
            pair = [[f"{chance.randrange(90, 110)}", chance.choice(["0", "1.5", "0.0000001"])]]
            bid = chance.random() < 0.5
            line = {"e": word, "E": at, "s": symbol, "b": pair if bid else [], "a": [] if bid else pair}
            lines.append(line | {"ns": at * 10**6 + chance.randrange(9), "u": i})
        for left, line in zip(range(len(lines) - 1, -1, -1), lines, strict=True):
            if not old and chance.random() > 0.03:
                line["more"] = left
            if old:
                line.pop("ns")
                line.pop("u")
            if chance.random() > 0.02:
                yield line
            if chance.random() < 0.05:
                yield {
                    "e": "trade",
                    "E": at,
                    "s": symbol,
                    "p": "100",
                    "q": chance.choice(["1", "0"]),
                    "m": True,
                    "ns": at,
                    "t": 5,
                }
        trade = {"e": "trade", "E": at, "s": symbol, "p": "100.5", "q": "2", "m": chance.random() < 0.5}
        yield trade | ({} if old else {"ns": at * 10**6, "t": i})
        yield {
            "e": "bookTicker",
            "s": symbol,
            "b": "99.5",
            "B": "1",
            "a": "0",
            "A": "0",
            "E": at,
            "ns": at * 10**6,
            "u": i,
        }
        if chance.random() < 0.1:
            yield chance.choice(
                [
                    {"e": "gap", "E": at, "s": symbol, "ns": at * 10**6, "reason": "samples lost", "lost": 3},
                    {
                        "e": "event",
                        "E": at,
                        "s": symbol,
                        "ns": at,
                        "ev": 101,
                        "p": "1",
                        "q": "0",
                        "id": 3,
                        "i": -1,
                        "f": 2.5,
                    },
                    {"e": "event", "E": at, "s": symbol, "ns": at, "ev": 1 | 1 << 29, "p": "1", "q": "0"},
                    {**trade, "ev": 2 | 1 << 28},
                ]
            )


SOURCES = {"bybit": bybit_frames, "hyperliquid": hyperliquid_frames, "link": link_frames}


def odd(chance, text):
    """A line with something about it that nobody sends, or not yet."""
    at = chance.randrange(len(text))
    match chance.randrange(9):
        case 0:
            return text[:at] + chance.choice('"\\{}[],:0189.eE-+\x00\x7fé \tntf') + text[at + 1 :]
        case 1:
            return text[:at]
        case 2:
            return text.replace(":", ": ", chance.randrange(1, 4))
        case 3:
            return text.replace("17000000", chance.choice(["1.7e8", "1" * 19, "9" * 25, "-1", ""]), 1)
        case 4:
            value = json.loads(text)
            inner = value.get("data") if isinstance(value.get("data"), dict) else value
            keys = sorted(inner, key=lambda _: chance.random())
            moved = {key: inner[key] for key in keys}
            inner.clear()
            inner.update(moved)
            return compact(dict(sorted(value.items(), key=lambda _: chance.random())))
        case 5:
            return text.replace("BTC", chance.choice(["BT\\u0043", "", "BÉC", "B" * 40]), 1)
        case 6:
            return text.replace("}", ',"s":"BTCUSDT","u":3}', 1)
        case 7:
            number = chance.choice(["1.23456789012345678901", "1e5", "-1", "", "00.5", ".5", "5.", "9007199254740993"])
            return (
                text.replace('"99.5"', f'"{number}"', 1) if '"99.5"' in text else text.replace('["9', f'["{number}', 1)
            )
    key = chance.choice(list(json.loads(text)))
    return compact({**json.loads(text), key: chance.choice([None, 1.5, "x", -1, [], {}, True, 0, 10**19])})


def write(path, frames, chance, how_odd, end="\n"):
    """A recording of frames of which some are odd, missing or doubled."""
    lines = []
    for frame in frames:
        text, drawn = compact(frame), chance.random()
        if drawn < how_odd:
            drawn = chance.random()
            if drawn < 0.2:
                continue
            text = text + "\n" + f"{STAMP} {text}" if drawn < 0.4 else odd(chance, text)
        lines.append(f"{STAMP + len(lines) * 10**6} {text}{end}")
    path.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    return path


# ----------------------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("source", SOURCES)
@FEW
@given(
    st.integers(0, 1 << 30),
    st.sampled_from([0.0, 0.02, 0.1, 0.5]),
    st.sampled_from(["\n", "\n", "\r\n", "\n\n"]),
    st.sampled_from([100, 1000, 1 << 18]),
    st.sampled_from(["T", "E"]),
    st.booleans(),
)
def test_any_mixture_of_good_and_odd_lines_is_read_as_line_by_line(
    tmp_path, source, seed, how_odd, end, block, time, alone
):
    chance = random.Random(seed)
    path = write(tmp_path / "x.jsonl", SOURCES[source](seed), chance, how_odd, end)
    depths = {"bybit": DEPTHS, "hyperliquid": (1, 20), "link": (None,)}[source]
    both_agree([path], block=block, time=time, venue=source, depth=chance.choice(depths) if alone else None)


@pytest.mark.parametrize("source", SOURCES)
@FEW
@given(st.integers(0, 1 << 30), st.integers(1, 400), st.booleans())
def test_torn_members_and_several_files_are_read_as_line_by_line(tmp_path, source, seed, cut, strict):
    chance = random.Random(seed)
    paths = []
    for i in range(2):
        path = write(tmp_path / f"{i}.gz", SOURCES[source](seed + i), chance, 0.02)
        member = gzip.compress(path.read_bytes(), mtime=0)
        path.write_bytes(member[:-cut] + member if chance.random() < 0.7 else member)
        paths.append(path)
    both_agree(paths, strict=strict, venue=source)


@pytest.mark.parametrize("source", SOURCES)
def test_every_small_change_of_a_line_is_read_as_line_by_line(tmp_path, source):
    frames = [compact(frame) for frame in itertools.islice(SOURCES[source](5), 12)]
    texts = [*frames, *frames]
    for text in frames[:6]:
        for at in range(0, len(text), 1 if len(text) < 400 else 7):
            for changed in (
                text[:at] + text[at + 1 :],
                *(text[:at] + c + text[at + 1 :] for c in '"\\}],:09.e- x\x7f\udcff'),
            ):
                texts += [changed, frames[0]]
    path = tmp_path / "x.jsonl"
    lines = "".join(f"{STAMP + i} {text}\n" for i, text in enumerate(texts))
    path.write_bytes(lines.encode("utf-8", "surrogateescape"))
    both_agree([path], venue=source)


@pytest.mark.parametrize("source", SOURCES)
def test_arrays_that_are_too_small_grow(tmp_path, monkeypatch, source):
    monkeypatch.setattr(frame_scan, "_ROOM", 2)
    monkeypatch.setattr(frame_scan, "_SHORTEST_LINE", 1 << 20)
    monkeypatch.setattr(frame_scan, "_SHORTEST_ROW", 1 << 20)
    monkeypatch.setattr(window_store, "_ROOM", 2)
    both_agree([write(tmp_path / "x.jsonl", SOURCES[source](3, 200), random.Random(1), 0.01)], venue=source)


@pytest.mark.parametrize("source", SOURCES)
def test_good_lines_are_left_to_the_decoder_only_where_something_begins(tmp_path, monkeypatch, source):
    seen = []
    line = ingest._Intake._line
    monkeypatch.setattr(ingest._Intake, "_line", lambda self, *given: seen.append(given[2]) or line(self, *given))
    monkeypatch.setattr(scanning, "_PATIENCE", 1 << 30)
    frames = {
        "bybit": [f for f in bybit_frames(4, 400) if "topic" in f and f.get("data") and "cts" in f],
        "hyperliquid": [f for f in hyperliquid_frames(4, 400) if f.get("channel") in ("l2Book", "bbo") and f["data"]["coin"] == "BTC"],
        "link": [f | {"s": "BTCUSDT"} for f in link_frames(4, 400) if f["e"] in ("trade", "bookTicker") and "ev" not in f],
    }[source]  # fmt: skip
    whole = [f for f in frames if f.get("type") == "snapshot" and not f["topic"].startswith("orderbook.1.")]
    ingest.SCAN_FROM = 0
    path = write(tmp_path / "x.jsonl", frames, random.Random(1), 0.0)
    ingest.ingest([path], "auto", "T", False)
    # After every break of a topic's ids the decoder sees more; a window that begins is seen too.
    broken = sum(f.get("data", {}).get("u") == 1 for f in frames)
    assert len(seen) < 40 + 2 * len(whole) + 120 * broken


@pytest.mark.parametrize("source", SOURCES)
def test_arrays_and_reports_are_those_of_the_decoder(tmp_path, source):
    path = write(tmp_path / "btcusdt_20231114.jsonl", SOURCES[source](9, 120), random.Random(9), 0.02)
    symbol = "BTC" if source == "hyperliquid" else "BTCUSDT"
    results = []
    for threshold in (0, 1 << 60):
        ingest.SCAN_FROM = threshold
        results.append(convert_recording(path, symbol=symbol))
    assert results[0].events.tobytes() == results[1].events.tobytes()
    first, second = (render_json(result.report, series=True) for result in results)  # nan is no nan
    assert first == second


def test_the_capture_of_hyperliquid_is_read_as_line_by_line(real_data):
    both_agree([real_data / "captures" / "hyperliquid_btcusd_20250126.gz"])
