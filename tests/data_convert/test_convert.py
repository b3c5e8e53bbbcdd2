"""Whole conversions: the peer's goldens, the true book, several files and symbols."""

from __future__ import annotations

import gzip
import hashlib
import json

import numpy as np
import pytest
from convert_feed import Exchange, line
from convert_naive import play
from data_convert import convert_recording, replay_book, save
from data_convert.arrays.book import depth_rows
from data_convert.errors import FormatError, InputError, StrictError, SymbolError
from data_convert.events import BUY, EXCH, LOCAL, has_flag

T = 1_700_000_000_100_000_000


def golden(real_data, name):
    return json.loads((real_data / "golden" / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def capture(real_data):
    return real_data / "captures" / "usdm_btcusdt_20240808.gz"


@pytest.fixture(scope="module")
def by_id(capture):
    return convert_recording(capture)


@pytest.mark.parametrize(
    ("file", "name", "base_latency_ns"),
    [
        ("captures/usdm_btcusdt_20240808.gz", "binancefutures.usdm_btcusdt_20240808.base_latency_int_1ms", 1_000_000),
        ("captures/usdm_btcusdt_20240808.gz", "binancefutures.usdm_btcusdt_20240808.opt_none", 0),
        ("captures/usdm_btcusdt_20240808.gz", "binancefutures.usdm_btcusdt_20240808.opt_t", 0),
        ("slices/usdm_btcusdt_20240808.head5000.gz", "binancefutures.slice_usdm_btcusdt.opt_none", 0),
        ("slices/usdm_btcusdt_20240808.head5000.gz", "binancefutures.slice_usdm_btcusdt.opt_t", 0),
        ("slices/cm_btcusd_perp_20240808.head3000.gz", "binancefutures.slice_cm_btcusd_perp.opt_none", 0),
        ("captures/cm_ethusd_perp_20240808.gz", "binancefutures.cm_ethusd_perp_20240808", 0),
    ],
)
def test_as_recorded_is_byte_for_byte_what_hftbacktest_makes_of_it(real_data, file, name, base_latency_ns):
    expected = golden(real_data, name)["result"]
    also = ("book-ticker",) if name.endswith("opt_t") else ()
    result = convert_recording(real_data / file, snapshots="as-recorded", base_latency_ns=base_latency_ns, also=also)
    events = result.events
    assert list(events.shape) == expected["shape"]
    kinds, counts = np.unique(events["ev"], return_counts=True)
    assert {f"0x{int(k):x}": int(n) for k, n in zip(kinds, counts, strict=True)} == expected["ev_counts"]
    assert hashlib.sha256(events.tobytes()).hexdigest() == expected["sha256"]
    if base_latency_ns:
        events["local_ts"] -= base_latency_ns
        without = golden(real_data, name.replace("base_latency_int_1ms", "opt_none"))["result"]
        assert hashlib.sha256(events.tobytes()).hexdigest() == without["sha256"]
    assert result.report.sides["exchange only"] == expected["n_exch_only"]
    assert result.report.faults == ()


def book_text(book, price_digits, quantity_digits):
    out = [f"b {p:.{price_digits}f} {q:.{quantity_digits}f}" for p, q in book.bids.tolist()]
    return [*out, *(f"a {p:.{price_digits}f} {q:.{quantity_digits}f}" for p, q in book.asks.tolist())]


@pytest.mark.parametrize(
    ("market", "file", "digits"),
    [
        ("usdm", "usdm_btcusdt_20240808.gz", (2, 3)),
        ("cm", "cm_ethusd_perp_20240808.gz", (2, 0)),
        ("spot", "spot_ethusdt_20240808.gz", (8, 8)),
    ],
)
def test_by_id_ends_in_the_true_book_on_both_clocks(real_data, by_id, market, file, digits):
    truth = next(t for t in golden(real_data, "book_truth_end_of_file") if f"/{market}/" in t["file"])
    result = by_id if market == "usdm" else convert_recording(real_data / "captures" / file)
    assert result.report.faults == ()
    for side in ("local", "exchange"):
        book = replay_book(result.events, side)
        assert [len(book.bids), len(book.asks)] == truth["levels_truth"]
        text = "\n".join(book_text(book, *digits))
        assert truth["truth_book_sha256"] in {hashlib.sha256((text + end).encode()).hexdigest() for end in ("", "\n")}


@pytest.mark.parametrize("name", ["usdm_btcusdt_20240808", "cm_ethusd_perp_20240808", "spot_ethusdt_20240808"])
def test_by_id_follows_the_exchange_update_by_update_on_both_clocks(real_data, by_id, name):
    truth = golden(real_data, f"ob_sync/{name}")
    capture = real_data / "captures" / f"{name}.gz"
    result = by_id if name.startswith("usdm") else convert_recording(capture)
    with gzip.open(capture, "rt") as file:
        updates = [
            (number, json.loads(text.split(" ", 1)[1])["data"])
            for number, text in enumerate(file, 1)
            if "@depth" in text[:60]
        ]
    dropped = set(truth["dropped_stale_lines"])
    applied = [(n, d["u"], len(d["b"]) + len(d["a"])) for n, d in updates if n not in dropped]
    assert len(applied) == truth["applied"]
    counts = {"snapshots used": 1, "updates applied": len(applied), "updates stale": len(dropped)}
    assert result.report.snapshots == counts
    assert result.report.gaps == ()
    rows = _depth_sequence(result.events, LOCAL)
    assert rows == _depth_sequence(result.events, EXCH), "both clocks apply the same rows in the same order"
    book = {True: {}, False: {}}
    at = len(rows) - sum(count for *_, count in applied)
    _set(book, rows[1:at])
    lines = []
    for number, last_id, count in applied:
        _set(book, rows[at : at + count])
        at += count
        bid, ask = max(book[True]), min(book[False])
        assert bid < ask
        lines.append(f"{number} {last_id} {bid!r} {book[True][bid]!r} {ask!r} {book[False][ask]!r}")
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == truth["bbo_sequence_sha256"]


def _depth_sequence(events, flag):
    rows = events[has_flag(events, flag) & depth_rows(events)]
    sides = (rows["ev"] & np.uint64(0x300000FF)).tolist()
    return list(zip(sides, rows["px"].tolist(), rows["qty"].tolist(), strict=True))


def _set(book, rows):
    for ev, price, quantity in rows:
        side = book[bool(ev & BUY)]
        side.pop(price, None)
        if quantity:
            side[price] = quantity


def test_no_update_is_known_locally_before_the_snapshot_it_needs(by_id):
    rows = by_id.events[has_flag(by_id.events, LOCAL) & depth_rows(by_id.events)]
    assert int(rows["ev"][0]) & 0xFF == 3
    snapshot = rows[(rows["ev"] & 0xFF) == 4]
    assert rows["local_ts"].min() == snapshot["local_ts"].min() == snapshot["local_ts"].max()


def write(path, messages, start=T, step=1_000_000):
    path.write_text("".join(line(start + i * step, m) for i, m in enumerate(messages)))
    return path


def test_days_in_any_order_give_one_unbroken_book(tmp_path):
    exchange = Exchange(1)
    first = [exchange.update(), exchange.snapshot(), exchange.update()]
    second = [exchange.update(), exchange.update()]
    one = write(tmp_path / "a_20231114.gz", first)
    two = write(tmp_path / "a_20231115.gz", second, T + 10**10)
    given = convert_recording([one, two])
    swapped = convert_recording([two, one])
    assert swapped.events.tobytes() == given.events.tobytes()
    assert given.report.gaps == ()
    assert not any("out of order" in w for w in given.report.warnings)
    assert any("out of order" in w for w in swapped.report.warnings)
    book = {"b": {}, "a": {}}
    for row in given.events[has_flag(given.events, LOCAL)]:
        play(book, row)
    assert {("b", *level) for level in book["b"].items()} <= exchange.states[exchange.last_u]


def two_symbols(tmp_path):
    exchange, other = Exchange(1), Exchange(2)
    messages = [exchange.update(), exchange.update(), {**other.update(), "s": "OTHERUSDT"}, exchange.snapshot()]
    return write(tmp_path / "mixed.gz", messages)


def test_a_recording_of_two_symbols_needs_a_choice(tmp_path):
    with pytest.raises(SymbolError, match=r"OTHERUSDT \(1 messages\), TESTUSDT \(2 messages\).*--symbol"):
        convert_recording(two_symbols(tmp_path))


def test_a_chosen_symbol_is_converted_alone_and_nameless_snapshots_are_left_out(tmp_path):
    result = convert_recording(two_symbols(tmp_path), symbol="otherusdt")
    assert "depth snapshot" not in result.report.kinds
    assert result.report.snapshots["updates applied"] == 1
    assert any("several symbols" in warning for warning in result.report.warnings)


def test_a_symbol_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SymbolError, match="no message of NOUSDT"):
        convert_recording(two_symbols(tmp_path), symbol="NOUSDT")


def test_an_empty_file_gives_no_rows_and_says_so(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"")
    result = convert_recording(tmp_path / "a.gz")
    assert len(result.events) == 0
    assert result.report.warnings == (f"{tmp_path / 'a.gz'} holds no line",)


def test_an_unknown_format_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "a.csv").write_text("exchange,symbol,timestamp\n" * 3)
    with pytest.raises(FormatError, match="--dialect"):
        convert_recording(tmp_path / "a.csv")


def test_no_file_at_all_is_an_error():
    with pytest.raises(InputError):
        convert_recording([])


@pytest.mark.parametrize("option", [{"dialect": "x"}, {"time": "t"}, {"snapshots": "no"}, {"unanchored": "no"}])
def test_unknown_options_are_refused(tmp_path, option):
    with pytest.raises(ValueError, match="is one of"):
        convert_recording(tmp_path / "a", **option)


def test_strict_stops_at_the_first_bad_line_with_its_place(tmp_path):
    path = write(tmp_path / "a.gz", [Exchange(1).update()])
    path.write_text(path.read_text() + "17 {}\nnothing\n")
    with pytest.raises(StrictError, match=r"a\.gz:2: "):
        convert_recording(path, strict=True)
    assert convert_recording(path).report.bad_lines == 2


def test_strict_stops_at_damage(tmp_path):
    exchange = Exchange(1)
    whole = write(tmp_path / "a.txt", [exchange.update() for _ in range(30)]).read_bytes()
    (tmp_path / "a.gz").write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(StrictError):
        convert_recording(tmp_path / "a.gz", strict=True)
    assert convert_recording(tmp_path / "a.gz").report.files[0].damage


def test_one_absurd_stamp_is_named_because_it_moves_everything(tmp_path):
    exchange = Exchange(1)
    messages = [exchange.trade() for _ in range(200)]
    messages[99] = {**messages[99], "T": messages[99]["T"] + 3_600_000}
    path = write(tmp_path / "a.gz", messages)
    report = convert_recording(path).report
    assert report.latency.smallest_at == f"{path}:100"
    assert any(f"{path}:100" in warning for warning in report.warnings)


def test_the_last_line_without_a_newline_is_used_when_it_is_whole(tmp_path):
    path = write(tmp_path / "a.gz", [Exchange(1).trade()])
    path.write_text(path.read_text().rstrip("\n"))
    result = convert_recording(path)
    assert len(result.events) == 1
    assert result.report.files[0].damage == ()


@pytest.mark.parametrize(
    ("name", "tick_size", "lot_size"),
    [
        ("usdm_btcusdt_20240808", 0.1, 0.001),
        ("spot_ethusdt_20240808", 0.01, 0.0001),
        ("hyperliquid_btcusd_20250126", 1.0, 0.00001),
    ],
)
def test_hftbacktest_ends_in_the_same_touch(tmp_path, real_data, by_id, name, tick_size, lot_size):
    hftbacktest = pytest.importorskip("hftbacktest")
    result = by_id if name.startswith("usdm") else convert_recording(real_data / "captures" / f"{name}.gz")
    save(result.events, tmp_path / "a.npz", compress="fast")
    asset = (
        hftbacktest.BacktestAsset()
        .data([str(tmp_path / "a.npz")])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick_size)
        .lot_size(lot_size)
    )
    backtest = hftbacktest.HashMapMarketDepthBacktest([asset])
    try:
        while backtest.elapse(1_000_000_000) == 0:
            pass
        depth, book = backtest.depth(0), replay_book(result.events)
        ticks = (round(book.best_bid / tick_size), round(book.best_ask / tick_size))
        assert (depth.best_bid_tick, depth.best_ask_tick) == ticks
        assert (depth.best_bid_qty, depth.best_ask_qty) == (book.bids[0, 1], book.asks[0, 1])
    finally:
        backtest.close()
