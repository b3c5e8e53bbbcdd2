"""Any bytes give a result or an error of this package, whoever reads them: no crash, no hang, nothing half written."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest
from convert_feed import line, record
from data_convert import convert_recording
from data_convert.archives.convert import convert_history
from data_convert.archives.latency import ConstantLatency
from data_convert.arrays.timeline import check_order
from data_convert.errors import ConvertError, FormatError
from data_convert.inspection.look import look_at
from data_convert.inspection.text import look_json, look_text
from data_convert.recordings.tardis_rows import HEADERS
from data_convert.recordings.to_tardis import recording_to_tardis
from data_convert.tardis.fuse import fuse_tardis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

T = 1_700_000_000_000
NS = T * 10**6


def bybit_frame(u, kind, depth=50):
    data = {"s": "X", "b": [["1.5", "1"], ["1.4", "0"]], "a": [["2", "3"]], "u": u, "seq": u}
    return {"topic": f"orderbook.{depth}.X", "type": kind, "ts": T + u, "data": data, "cts": T + u}


def bybit_lines():
    trade = {"T": T, "s": "X", "S": "Buy", "v": "1", "p": "2", "BT": False}
    frames = [
        bybit_frame(5, "snapshot"),
        bybit_frame(7, "snapshot", 1),
        bybit_frame(6, "delta"),
        bybit_frame(9, "delta"),
    ]
    return [*frames, {"topic": "publicTrade.X", "ts": T, "data": [trade]}]


def hyperliquid_lines():
    side = [{"px": "1.5", "sz": "2", "n": 1}, {"px": "1.4", "sz": "2", "n": 1}]
    book = {"channel": "l2Book", "data": {"coin": "X", "time": T, "levels": [side, [{"px": "3", "sz": "1", "n": 1}]]}}
    quote = {"channel": "bbo", "data": {"coin": "X", "time": T + 1, "bbo": [None, {"px": "2", "sz": "1", "n": 1}]}}
    trade = {"coin": "X", "side": "A", "px": "1", "sz": "1", "time": T}
    return [book, quote, {"channel": "trades", "data": [trade]}]


LINK = [
    {"e": "depthClear", "E": T, "s": "X", "ns": NS, "more": 1},
    {"e": "depthSnapshot", "E": T, "s": "X", "b": [["1", "1"]], "a": [], "ns": NS, "more": 0},
    {"e": "gap", "E": T, "s": "X", "ns": NS, "reason": "samples lost", "lost": 3},
    {"e": "trade", "E": T, "s": "X", "p": "1", "q": "1", "m": True, "ns": NS},
]
SPOT = [
    {
        "stream": "x@depth@100ms",
        "data": {"e": "depthUpdate", "E": T, "s": "X", "U": 1, "u": 3, "b": [["1", "1"]], "a": []},
    },
    {"lastUpdateId": 2, "bids": [["1", "2"]], "asks": [["2", "2"]]},
]
RECORDINGS = {
    "futures": record(["update", "snapshot", "update", "trade", "drop", "update"], 5)[0],
    "spot": "".join(line(NS + i, m) for i, m in enumerate(SPOT)),
    "bybit": "".join(line(NS + i, m) for i, m in enumerate(bybit_lines())),
    "hyperliquid": "".join(line(NS + i, m) for i, m in enumerate(hyperliquid_lines())),
    "link": "".join(line(NS + i, m) for i, m in enumerate(LINK)),
}
TABLES = {
    kind: header + "\n" + "".join(f"binance,X,{T * 1000 + i},{T * 1000 + i},{rest}\n" for i in range(4))
    for (kind, header), rest in zip(HEADERS.items(), ("7,buy,5,1", "true,bid,5,1", "1,6,5,1"), strict=True)
}
ARCHIVES = {
    "trades": "id,price,qty,quote_qty,time,is_buyer_maker\n" + f"1,100,1,100,{T},true\n" * 3,
    "spot": f"1,100,1,100,{T}000,True,True\n" * 3,
    "quotes": f"update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n1,1,1,2,1,{T},{T}\n",
    "depth": "symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty,pu\n"
    + f"X,{T},1,2,b,snap,5,1,-1\nX,{T},3,4,a,set,6,1,2\n",
    "bybit": "timestamp,symbol,side,size,price\n1700000000.5,X,Buy,1,5\n",
    "books": "".join(json.dumps(frame) + "\n" for frame in bybit_lines()[:1] + bybit_lines()[2:4]),
}
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "double"]), st.integers(0, 10**6), st.binary(min_size=1, max_size=4)
    ),
    max_size=4,
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutate(data, mutations):
    changed = bytearray(data)
    for what, at, piece in mutations:
        at %= len(changed) + 1
        match what:
            case "set":
                changed[at : at + len(piece)] = piece
            case "cut":
                del changed[at : at + 7 * len(piece)]
            case "insert":
                changed[at:at] = piece
            case "double":
                changed[at:at] = changed[at : at + 40]
    return bytes(changed)


def pack(data, how):
    if how == "gzip":
        return gzip.compress(data, mtime=0)
    if how == "zip":
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", data)
        return held.getvalue()
    return data


def survives(function):
    try:
        result = function()
    except ConvertError:
        return
    check_order(result.events)
    assert result.report.rows == len(result.events)


@FEW
@given(st.sampled_from(sorted(RECORDINGS)), MUTATIONS, MUTATIONS, st.booleans(), st.sampled_from(["T", "E"]))
def test_changed_recordings(tmp_path, kind, inner, outer, packed, time):
    path = tmp_path / "x_20231114.gz"
    data = mutate(RECORDINGS[kind].encode(), inner)
    path.write_bytes(mutate(gzip.compress(data, mtime=0), outer) if packed else data)
    survives(lambda: convert_recording(path, time=time))


@FEW
@given(
    st.sampled_from(sorted(RECORDINGS)),
    st.sampled_from(["binance", "binance-futures", "binance-spot", "bybit", "hyperliquid"]),
    st.sampled_from(["by-id", "as-recorded", "ignore"]),
)
def test_recordings_read_as_those_of_another_venue(tmp_path, kind, venue, snapshots):
    path = tmp_path / "x.gz"
    path.write_text(RECORDINGS[kind])
    survives(lambda: convert_recording(path, venue=venue, snapshots=snapshots))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "1", "-1", "1e5", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("bapqsETUu"), inner, max_size=3),
    max_leaves=6,
)


@FEW
@given(st.sampled_from(sorted(RECORDINGS)), st.data())
def test_any_value_in_any_field(tmp_path, kind, data):
    texts = RECORDINGS[kind].splitlines()
    at = data.draw(st.integers(0, len(texts) - 1))
    stamp, payload = texts[at].split(" ", 1)
    frame = json.loads(payload)
    target = frame
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(target[key], dict | list) and data.draw(st.booleans()):
            target = target[key]
            continue
        target[key] = data.draw(VALUES)
        break
    path = tmp_path / "x.gz"
    path.write_text("\n".join([*texts[:at], f"{stamp} {json.dumps(frame)}", *texts[at + 1 :], ""]))
    survives(lambda: convert_recording(path))


@FEW
@given(st.sampled_from(sorted(TABLES)), MUTATIONS, st.sampled_from(["plain", "gzip"]), MUTATIONS)
def test_changed_tardis_files(tmp_path, kind, inner, how, outer):
    (tmp_path / "d.csv").write_text(TABLES["depth"])
    path = tmp_path / "x.csv.gz"
    path.write_bytes(mutate(pack(mutate(TABLES[kind].encode(), inner), how), outer))
    survives(lambda: fuse_tardis([tmp_path / "d.csv", path]))


@FEW
@given(st.sampled_from(sorted(ARCHIVES)), MUTATIONS, st.sampled_from(["plain", "gzip", "zip"]), MUTATIONS)
def test_changed_archives(tmp_path, kind, inner, how, outer):
    path = tmp_path / "X-trades-2023-11-14.zip"
    path.write_bytes(mutate(pack(mutate(ARCHIVES[kind].encode(), inner), how), outer))
    survives(lambda: convert_history(path, ConstantLatency(5)))


@FEW
@given(st.binary(max_size=300))
def test_any_bytes(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    survives(lambda: convert_recording(path))
    survives(lambda: fuse_tardis([path]))
    survives(lambda: convert_history(path, ConstantLatency(5)))
    for name in ("x", "x.npz"):
        (tmp_path / name).write_bytes(data)
        try:
            look = look_at(tmp_path / name, 3)
            assert look_text(look)
            assert look_json(look)
        except ConvertError:
            pass


@FEW
@given(st.sampled_from(sorted(RECORDINGS)), MUTATIONS)
def test_nothing_is_left_half_written(tmp_path, kind, mutations):
    place = tmp_path / "out"
    place.mkdir(exist_ok=True)
    path = tmp_path / "x.gz"
    path.write_bytes(mutate(RECORDINGS[kind].encode(), mutations))
    trades, depth = place / "t.gz", place / "d.gz"
    try:
        recording_to_tardis(path, trades, depth, strict=True, force=True)
    except ConvertError:
        pass
    assert {found.name for found in place.iterdir()} in (set(), {"t.gz", "d.gz"})


READERS = {
    "recording": convert_recording,
    "tardis": lambda path: fuse_tardis([path]),
    "archive": lambda path: convert_history(path, ConstantLatency(5)),
}


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        *(("recording", text) for text in RECORDINGS.values()),
        ("tardis", TABLES["depth"]),
        *(("archive", text) for text in ARCHIVES.values()),
    ],
)
def test_every_file_is_taken_by_its_own_reader_and_refused_by_the_others(tmp_path, reader, text):
    path = tmp_path / "X-x.gz"
    path.write_text(text)
    assert READERS[reader](path).report.rows > 0
    for other in READERS.keys() - {reader}:
        with pytest.raises(FormatError, match=str(path)):
            READERS[other](path)


@pytest.mark.parametrize("kind", sorted(ARCHIVES))
def test_the_unchanged_archives_are_good(tmp_path, kind):
    path = tmp_path / "X-trades-2023-11-14.csv"
    path.write_text(ARCHIVES[kind])
    report = convert_history(path, ConstantLatency(5)).report
    assert (report.bad_lines, report.rows > 0) == (0, True)


@pytest.mark.parametrize(
    "reader", [convert_recording, lambda p: fuse_tardis([p]), lambda p: convert_history(p, ConstantLatency(5))]
)
def test_a_directory_and_a_missing_file_are_named_with_a_remedy(tmp_path, reader):
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(ConvertError, match=str(path)):
            reader(path)
