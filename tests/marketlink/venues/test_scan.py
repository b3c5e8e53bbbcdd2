import gzip
import hashlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.book.fused import FusedBook
from marketlink.events import BUY, DEPTH, EVENT_DTYPE, LOCAL, SELL
from marketlink.venues.scan import scan_depth

decode_depth = runpy.run_path(str(Path(__file__).with_name("naive_scan.py")))["decode_depth"]

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("MARKETLINK_SHARED") or ROOT.parent / "shared" / "data")

USUAL = (
    b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT",'
    b'"U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"],["61510.90","0.000"]],"a":[["61800.00","5"]]}}'
)
BARE = USUAL[USUAL.index(b'{"e"') : -1]


def facts(answer):
    """What two answers must share, bit by bit."""
    if answer is None:
        return None
    symbol, update = answer
    assert update.events.dtype == EVENT_DTYPE
    return symbol, update.first_id, update.last_id, update.prev_id, update.events.tobytes()


def assert_same_or_none(frame):
    answer = facts(scan_depth(frame, 77))
    assert answer is None or answer == facts(decode_depth(frame, 77))


@pytest.mark.parametrize("frame", [USUAL, BARE])
def test_the_usual_frame_is_read_whole(frame):
    symbol, update = scan_depth(frame, 42)
    assert (symbol, update.first_id, update.last_id, update.prev_id) == (
        "btcusdt",
        5123107832006,
        5123107837557,
        5123107831937,
    )
    ms, last = 1723161256298000000, 5123107837557
    assert update.events.tolist() == [
        (LOCAL | DEPTH | BUY, ms, 42, 58710.2, 0.014, 0, last, 0.0),
        (LOCAL | DEPTH | BUY, ms, 42, 61510.9, 0.0, 0, last, 0.0),
        (LOCAL | DEPTH | SELL, ms, 42, 61800.0, 5.0, 0, last, 0.0),
    ]


def test_bids_come_first_even_if_the_frame_has_them_last():
    swapped = BARE.replace(b'"b":', b'"x":').replace(b'"a":', b'"b":').replace(b'"x":', b'"a":')
    ours, twin = scan_depth(swapped, 1), decode_depth(swapped, 1)
    assert facts(ours) == facts(twin)
    assert ours[1].events["px"].tolist() == [61800.0, 58710.2, 61510.9]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"T":1723161256298,', b""),  # spot
        (b'"pu":5123107831937,', b""),
        (b'"U":5123107832006', b'"U":"5123107832006"'),
        (b'"U":5123107832006', b'"U":5123107832006.0'),
        (b'"U":5123107832006', b'"U":05123107832006'),
        (b'"U":5123107832006', b'"U":-1'),
        (b'"U":5123107832006', b'"U":9999999999999999999'),
        (b'"T":1723161256298', b'"T":9223372036855'),  # more ns than 63 bits
        (b"depthUpdate", b"depthUpdated"),
        (b"depthUpdate", b"aggTrade"),
        (b'"s":"BTCUSDT"', b'"s":""'),
        (b'"s":"BTCUSDT"', '"s":"币安人生USDT"'.encode()),
        (b'"s":"BTCUSDT"', b'"s":"B\\u0054C"'),
        (b'"s":', b'"\\u0073":'),
        (b'"s":"BTCUSDT"', b'"s":"BTCUSDT","s":"ETHUSDT"'),
        (b'"5"', b'"-5"'),
        (b'"5"', b"5"),
        (b'"5"', b'"5","x"'),
        (b'"5"', b'""'),
        (b'"5"', b'"5."'),
        (b'"5"', b'".5"'),
        (b'"5"', b'"5e3"'),
        (b'"5"', b'"NaN"'),
        (b'"5"', b'"9007199254740993"'),
        (b'"5"', b'"0.12345678901234567891"'),
        (b'["61800.00","5"]', b"[]"),
        (b'["61800.00","5"]', b'["61800.00","5"],'),
        (b'"a":[["61800.00","5"]]', b'"a":null'),
        (b'"stream"', b'"u":1,"stream"'),
        (b'"data":', b'"data":{},"data":'),
        (b"]}}", b"]}"),
        (b"]}}", b"]}}}"),
        (b"]}}", b"]}} x"),
        (b"]}}", b'],"x":' + b"[" * 100 + b"]" * 100 + b"}}"),
        (b"]}}", b'],"x":"\\ud800"}}'),
        (b"]}}", b'],"x":01}}'),
        (b"]}}", b'],"x":1e999}}'),
        (b"]}}", b'],"x":nul}}'),
        (b"]}}", b'],"x":[1}}}'),
        (b"]}}", b'],"data":"depthUpdate"}'),
    ],
)
def test_anything_odd_is_left_to_the_slow_way(old, new):
    assert old in USUAL
    assert scan_depth(USUAL.replace(old, new), 1) is None


@pytest.mark.parametrize(
    "frame", [b"", b"null", b"[]", b"{}", b'"depthUpdate"', b'{"data":{}}', b'{"depthUpdate":{"data":{}}}']
)
def test_what_is_no_depth_update_is_none(frame):
    assert scan_depth(frame, 1) is None


def test_a_frame_cut_short_is_none_wherever_it_is_cut():
    assert [length for length in range(len(USUAL)) if scan_depth(USUAL[:length], 1) is not None] == []


def test_levels_written_with_blanks_are_read_all_the_same():
    spaced = USUAL.replace(b"[", b"\t[\n ").replace(b",", b" ,\r").replace(b":", b" : ").replace(b"}", b" } ")
    assert facts(scan_depth(spaced.replace(b"btcusdt", b""), 5)) == facts(decode_depth(USUAL, 5))


decimal = st.one_of(
    st.decimals(0, 10**7, places=2, allow_nan=False).map(lambda d: f"{d:f}"),
    st.decimals(0, 10**5, places=8, allow_nan=False).map(lambda d: f"{d:f}"),
    st.from_regex(r"\A[0-9]{1,12}(\.[0-9]{1,12})?\Z"),
)
usual_decimal = st.tuples(st.integers(0, 10**9), st.integers(0, 10**6 - 1)).map(
    lambda parts: f"{parts[0]}.{parts[1]:06d}"
)
ascii_text = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=6)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(-6e4, 6e4, width=16) | ascii_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ascii_text, inner, max_size=3),
    max_leaves=6,
)
unknown_key = st.sampled_from(["ps", "st", "x", "dat", "datb", "p", "pv", "bb", "ee", "stream", "\n", '"', "\\"])


def objects(fields):
    """A JSON object of (key, text of value) pairs."""
    return b"{" + b",".join(orjson.dumps(key) + b":" + value for key, value in fields) + b"}"


@st.composite
def frames(draw, number=decimal, keys=unknown_key, unknown=anything):
    levels = st.lists(st.tuples(number, number), max_size=5)
    ids = st.integers(0, 10**17)
    known = {
        "e": "depthUpdate",
        "E": draw(ids),
        "T": draw(st.integers(0, 9_223_372_036_854)),
        "s": draw(st.sampled_from(["BTCUSDT", "X"])),
    }
    known |= {"U": draw(ids), "u": draw(ids), "pu": draw(ids), "b": draw(levels), "a": draw(levels)}
    more = draw(st.dictionaries(keys, unknown, max_size=3))
    fields = draw(st.permutations([(key, orjson.dumps(value)) for key, value in {**more, **known}.items()]))
    frame = objects(fields)
    if draw(st.booleans()):
        outer = {"stream": "x@depth", **draw(st.dictionaries(keys, unknown, max_size=1))}
        wrap = [(key, orjson.dumps(value)) for key, value in outer.items()]
        frame = objects(draw(st.permutations([*wrap, ("data", frame)])))
    return frame


plain_key = st.sampled_from(["ps", "st", "x", "dat", "datb", "p", "pv", "bb", "ee"])


@settings(max_examples=300, deadline=None)
@given(frames(usual_decimal, plain_key))
def test_a_well_formed_frame_is_read_as_by_the_slow_twin_whatever_its_order(frame):
    assert facts(scan_depth(frame, 77)) == facts(decode_depth(frame, 77)) is not None


@settings(max_examples=300, deadline=None)
@given(frames(), st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=2), st.integers(0, 2)), max_size=3))
def test_a_damaged_frame_is_read_as_by_the_slow_twin_or_not_at_all(frame, damages):
    for place, what, cut in damages:
        at = place % len(frame) if frame else 0
        frame = frame[:at] + what + frame[at + cut :]
    assert_same_or_none(frame)


structural = st.sampled_from(
    [bytes([c]) for c in b'{}[]",:\\0123456789.-+eEuTabs \n'] + [b"null", b"true", b"\xff", b'"data":']
)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, len(USUAL) - 1), st.integers(0, 3), st.lists(structural, max_size=3))
def test_json_marks_in_the_wrong_place_never_change_what_is_read(at, cut, marks):
    assert_same_or_none(USUAL[:at] + b"".join(marks) + USUAL[at + cut :])


@settings(max_examples=500, deadline=None)
@given(decimal | st.from_regex(r"\A[0-9]{0,25}\.?[0-9]{0,25}\Z"))
def test_a_decimal_is_the_nearest_float_or_left_to_the_slow_way(text):
    answer = scan_depth(BARE.replace(b'"5"', f'"{text}"'.encode()), 1)
    assert answer is None or answer[1].events["qty"][-1] == float(text)


def captured(name):
    """(line number, payload) of a capture's depth updates, and its snapshot."""
    path = SHARED / "captures" / name
    if not path.exists():
        pytest.skip(f"no recorded data at {path}")
    updates, snapshot = [], None
    with gzip.open(path) as lines:
        for number, line in enumerate(lines, 1):
            payload = line[20:].rstrip()
            if b'"depthUpdate"' in payload:
                updates.append((number, payload))
            elif b'"lastUpdateId"' in payload:
                snapshot = orjson.loads(payload)
    return updates, snapshot


@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "cm_ethusd_perp_20240808"])
def test_a_recorded_stream_gives_the_exchanges_book_after_every_message(name):
    updates, snapshot = captured(f"{name}.gz")
    truth = json.loads((SHARED / "golden" / "ob_sync" / f"{name}.json").read_bytes())
    rows = [
        (LOCAL | DEPTH | side, 0, 0, float(px), float(qty), 0, 0, 0.0)
        for side, levels in ((BUY, snapshot["bids"]), (SELL, snapshot["asks"]))
        for px, qty in levels
    ]
    book, bot = FusedBook(0.01, 0.001), FusedBook(0.01, 0.001)
    bot.apply(book.fuse(np.array(rows, EVENT_DTYPE), sequenced=True))
    touches = []
    for number, payload in updates:
        answer = scan_depth(payload, number)
        assert facts(answer) == facts(decode_depth(payload, number)) is not None
        _, update = answer
        if update.last_id < snapshot["lastUpdateId"]:
            continue
        bot.apply(book.fuse(update.events, sequenced=True))
        touches.append(
            f"{number} {update.last_id} {book.best_bid} {book.best_bid_qty} {book.best_ask} {book.best_ask_qty}"
        )
    assert len(touches) == truth["applied"]
    assert hashlib.sha256("\n".join(touches).encode()).hexdigest() == truth["bbo_sequence_sha256"]
    assert [book.bid_count, book.ask_count] == truth["levels_end"]
    assert bot.levels().tobytes() == book.levels().tobytes()


def test_a_recorded_spot_frame_without_a_transaction_time_is_left_to_the_slow_way():
    updates, _ = captured("spot_ethusdt_20240808.gz")
    assert all(scan_depth(payload, 1) is None for _, payload in updates[:100])


def test_the_kernel_runs_uncompiled_too():
    code = (
        "from marketlink.venues.scan import scan_depth\n"
        f"symbol, update = scan_depth({USUAL!r}, 42)\n"
        "assert (symbol, update.events['px'].tolist()) == ('btcusdt', [58710.2, 61510.9, 61800.0])\n"
        f"assert all(scan_depth({USUAL!r}[:n], 1) is None for n in range({len(USUAL)}))\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60, env=environment)
