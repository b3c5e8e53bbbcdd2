"""Fusing Tardis files: kinds by header, order at equal times, snapshot blocks, bad rows."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from convert_naive import play
from data_convert import convert_tardis, load
from data_convert.errors import FormatError, StrictError, SymbolError
from data_convert.events import LOCAL, has_flag
from data_convert.recordings.tardis_rows import HEADERS
from data_convert.recordings.venues.fusing import ASK, BID, FusedBook
from data_convert.tardis import fused
from data_convert.tardis.fuse import fuse_tardis, fuse_tardis_file
from data_convert.tardis.fused import in_time
from hypothesis import given, settings
from hypothesis import strategies as st

T = 1_700_000_000_000_000


def write(path, kind, *rows, symbol="BTCUSDT"):
    body = "".join(f"binance-futures,{symbol},{T + exch},{T + local},{rest}\n" for exch, local, rest in rows)
    data = (HEADERS[kind] + "\n" + body).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def book_of(events, until=None):
    book = {"b": {}, "a": {}}
    for row in events[has_flag(events, LOCAL)]:
        if until is None or row["local_ts"] <= (T + until) * 1000:
            play(book, row)
    return book


BLOCK = [(0, 10, f"true,{side},{px},1") for side, px in (("bid", 99), ("bid", 98), ("ask", 101), ("ask", 102))]


def test_quotes_correct_the_book_between_its_updates(tmp_path):
    depth = write(tmp_path / "a.csv", "depth", *BLOCK, (50, 60, "false,bid,97,5"))
    quotes = write(tmp_path / "b.csv.gz", "book_ticker", (20, 30, "2,102,100,3"), (10, 70, "9,103,96,9"))
    trades = write(tmp_path / "c.csv", "trades", (20, 30, "7,buy,101,1"))
    result = fuse_tardis([depth, quotes, trades])
    assert result.report.faults == ()
    assert book_of(result.events, 30) == {"b": {99.0: 1, 98.0: 1, 100.0: 3}, "a": {102.0: 2}}
    assert book_of(result.events) == {"b": {99.0: 1, 98.0: 1, 100.0: 3, 97.0: 5}, "a": {102.0: 2}}
    at_30 = result.events[result.events["local_ts"] == (T + 30) * 1000]
    assert int(at_30[0]["ev"]) & 0xFF == 2, "a trade stands before the depth of its time"


def test_a_later_block_replaces_the_levels_out_to_its_far_edge(tmp_path):
    second = [(40, 50, f"true,{side},{px},2") for side, px in (("bid", 99), ("bid", 98.5), ("ask", 100))]
    path = write(tmp_path / "a.csv", "depth", *BLOCK, (20, 30, "false,bid,90,5"), *second)
    assert book_of(fuse_tardis([path], snapshot_mode="process").events) == {
        "b": {99.0: 2, 98.5: 2, 98.0: 1, 90.0: 5},
        "a": {101.0: 1, 102.0: 1, 100.0: 2},
    }
    assert book_of(fuse_tardis([path]).events) == {"b": {99.0: 2, 98.5: 2}, "a": {100.0: 2}}


@pytest.mark.parametrize(("mode", "snapshots"), [("discard", 5), ("process", 5), ("ignore_sod", 1), ("ignore", 0)])
def test_only_the_block_that_begins_a_file_is_the_start_of_a_day(tmp_path, mode, snapshots):
    path = write(tmp_path / "a.csv", "depth", *BLOCK, (20, 30, "false,bid,90,5"), (40, 50, "true,bid,99,2"))
    kinds = fuse_tardis([path], snapshot_mode=mode).report.kinds
    assert kinds.get("depth snapshot", 0) == snapshots


def test_ticks_and_lots_make_levels_of_what_is_nearly_equal(tmp_path):
    path = write(tmp_path / "a.csv", "depth", (0, 1, "false,bid,10.1,1"), (1, 2, "false,bid,10.1000001,0.0001"))
    assert book_of(fuse_tardis([path], tick_size=0.1, lot_size=0.01).events)["b"] == {}
    assert len(book_of(fuse_tardis([path]).events)["b"]) == 2


def test_a_file_without_a_known_header_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("exchange,symbol,timestamp,local_timestamp,asks[0].price\n1,2,3,4,5\n")
    with pytest.raises(FormatError, match="header"):
        fuse_tardis([tmp_path / "a.csv"])


def test_bad_rows_are_counted_by_reason_and_place_or_fatal(tmp_path):
    rows = [
        (0, 1, rest) for rest in ("false,bid,-5,1", "false,middle,5,1", "maybe,bid,5,1", "false,bid,5", "false,bid,0,1")
    ]
    path = write(tmp_path / "a.csv", "depth", *rows, (0, 1, "false,bid,5,1"))
    report = fuse_tardis([path]).report
    assert report.bad_lines == 5
    assert {f"{path}:{n}" for n in range(2, 7)} == {e.split(": ")[0] for b in report.bad for e in b.examples}
    with pytest.raises(StrictError, match=r"a\.csv:2: "):
        fuse_tardis([path], strict=True)


def test_two_symbols_are_refused(tmp_path):
    one = write(tmp_path / "a.csv", "depth", *BLOCK)
    two = write(tmp_path / "b.csv", "trades", (1, 2, "7,buy,101,1"), symbol="ETHUSDT")
    with pytest.raises(SymbolError):
        fuse_tardis([one, two])


def test_a_torn_file_is_used_as_far_as_it_goes_and_says_so(tmp_path):
    path = write(tmp_path / "a.csv.gz", "depth", *BLOCK, *((i, i + 1, f"false,bid,{i}.5,1") for i in range(2000)))
    path.write_bytes(path.read_bytes()[:-500])
    report = fuse_tardis([path]).report
    assert report.files[0].damage
    assert report.rows > 100


STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["level", "level", "level", "quote", "clear", "all"]),
        st.sampled_from([BID, ASK]),
        st.integers(1, 12),
        st.integers(0, 3),
        st.integers(0, 30),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STATEMENTS, st.sampled_from([None, 0.5, 2.0]), st.sampled_from([None, 2.0]), st.sampled_from([4, 4096]))
def test_the_kernel_fuses_as_the_book_of_words_does(statements, tick, lot, room):
    from data_convert.tardis import fuse_kernels as kernels

    book, want, given_rows = FusedBook(tick, lot), [], np.zeros((len(statements), 8), np.int64)
    floats = given_rows.view(np.float64)
    for at, (what, side, price, quantity, version) in enumerate(statements):
        flag = (1 << 29, 1 << 28)[side]
        given_rows[at, :3] = {"level": 1 | flag, "quote": 5, "clear": 3 | flag, "all": 3}[what], version, at
        floats[at, 3:5] = price, quantity
        rows = []
        match what:
            case "level":
                rows = book.update(side, price, quantity, version)
            case "quote":
                floats[at, 3 + 3 * side : 5 + 3 * side] = price, quantity
                floats[at, 3 + 3 * (1 - side)] = np.nan
                rows = book.quote(side, price, quantity, version)
            case "clear":
                book.clear(side, price)
                want.append((3 | flag, price, 0, at))
            case _:
                book.clear(BID)
                book.clear(ASK)
                want.append((3, 0, 0, at))
        want += [(1 | (1 << 29, 1 << 28)[s], p, q, at) for s, p, q in rows]
    levels = np.zeros((2, 4096, 4))
    state, got = np.zeros(kernels.STATE_WORDS, np.int64), []
    words = np.empty((max(room, 2 * len(statements) + 4), 8), np.int64)
    while state[kernels.AT] < len(given_rows):
        state[kernels.OUT] = 0
        kernels.fuse(given_rows, levels, tick or 0.0, lot or 0.0, 0, words, state)
        out = words[: int(state[kernels.OUT])]
        got += list(zip(out[:, 0], out.view(float)[:, 3], out.view(float)[:, 4], out[:, 2], strict=True))
    assert got == want


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4), min_size=1, max_size=3))
def test_streams_are_put_in_order_of_time_and_rank_wherever_they_are_cut(streams):
    def blocks(rank, stream):
        number = 0
        for times in stream:
            rows = np.zeros((len(times), 8), np.int64)
            rows[:, 0], rows[:, 2] = 1, times
            rows[:, 3], rows[:, 4] = rank, range(number, number + len(times))
            number += len(times)
            yield rows

    merged = [tuple(row[3:5]) for rows in in_time([(r, blocks(r, s)) for r, s in enumerate(streams)]) for row in rows]
    want = []
    for rank, stream in enumerate(streams):
        latest = -1
        for number, time in enumerate(t for times in stream for t in times):
            latest = max(latest, time)
            want.append((latest, rank, number))
    assert merged == [pair[1:] for pair in sorted(want)]


def table(path, header, *rows):
    start = "exchange,symbol,timestamp,local_timestamp,"
    body = "".join(f"binance-futures,BTCUSDT,{T + exch},{T + local},{rest}\n" for exch, local, rest in rows)
    path.write_text(f"{start}{header}\n{body}")
    return path


def test_whole_books_of_few_levels_are_given_as_what_changes(tmp_path):
    header = ",".join(f"asks[{n}].price,asks[{n}].amount,bids[{n}].price,bids[{n}].amount" for n in range(2))
    path = table(
        tmp_path / "s.csv",
        header,
        (0, 10, "101,1,99,1,102,2,98,2"),
        (20, 30, "101,1,99,5,103,2,97,2"),
        (40, 50, "101,1,,,,,,"),
    )
    result = fuse_tardis([path])
    assert book_of(result.events, 10) == {"b": {99.0: 1, 98.0: 2}, "a": {101.0: 1, 102.0: 2}}
    assert book_of(result.events, 30) == {"b": {99.0: 5, 97.0: 2}, "a": {101.0: 1, 103.0: 2}}
    assert book_of(result.events) == {"b": {}, "a": {101.0: 1}}
    assert result.report.kinds == {"depth": 8, "depth clear": 1, "depth snapshot": 4}
    assert result.report.streams == {"book_snapshot": 3}
    one = write(tmp_path / "a.csv", "depth", *BLOCK)
    with pytest.raises(FormatError, match="in another way"):
        fuse_tardis([path, one])


def test_quotes_alone_are_a_book_of_one_level_and_tickers_go_along(tmp_path):
    quotes = write(tmp_path / "q.csv", "book_ticker", (1, 2, "2,102,100,3"), (5, 6, "1,103,,"), (7, 8, "-1,103,5,1"))
    header = "funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,mark_price"
    ticker = table(
        tmp_path / "t.csv", header, (3, 4, "1700000000000000,-0.0001,,5.5,101,101.25,101.5"), (8, 9, ",,,,1,,7")
    )
    result = fuse_tardis([ticker, quotes])
    assert book_of(result.events) == {"b": {100.0: 3}, "a": {103.0: 1}}
    shown = [(int(row["ev"]) & 0xFF, row["px"]) for row in result.events if int(row["ev"]) & 0xFF >= 100]
    assert shown == [(100, 101.25), (101, 101.5), (102, -0.0001), (101, 7)]
    assert result.report.bad_lines == 1
    assert "q.csv:4: column 5 (ask_amount): 'below 0'" in result.report.bad[0].examples[0]
    with pytest.raises(FormatError, match="there is no book without"):
        fuse_tardis([ticker])
    with pytest.raises(FormatError, match=r"derivative_ticker.*data-convert fuse"):
        convert_tardis(ticker)


def test_one_file_has_one_answer_whichever_command_reads_it(tmp_path):
    """Unknown sides and prices of 0 are bad rows, numbers with exponents are numbers, for both."""
    depth = write(tmp_path / "d.csv", "depth", *BLOCK, (2, 3, "false,bid,0,5"), (4, 5, "false,ask,1.03e2,5"))
    trades = write(
        tmp_path / "t.csv", "trades", (1, 2, "7,unknown,101,1"), (2, 3, "8,sell,0.0,1"), (3, 4, ",buy,101,1")
    )
    fused_result, result = fuse_tardis([depth, trades]), convert_tardis([depth, trades])
    assert fused_result.events.tobytes() == result.events.tobytes()
    assert fused_result.report.bad == result.report.bad
    assert {bad.reason: bad.count for bad in result.report.bad} == {"unknown side": 1, "price is 0": 2}


def test_a_fused_file_is_the_fused_array_and_exchange_times_keep_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr(fused, "_ROWS", 64)
    monkeypatch.setattr(fused, "_LEVELS", 8)
    rng = np.random.default_rng(3)
    rows, quotes = [*BLOCK], []
    for i in range(3000):
        side, price = ("bid", 99 - rng.integers(60)) if rng.integers(2) else ("ask", 100 + rng.integers(60))
        rows.append((10 * i + int(rng.integers(9)), 10 * i + 20, f"false,{side},{price},{rng.integers(4)}"))
        quotes.append((10 * i + int(rng.integers(30)), 10 * i + 33, f"1,{100 + i % 3},{99 - i % 2},{1 + i % 5}"))
    depth, book = write(tmp_path / "a.csv.gz", "depth", *rows), write(tmp_path / "b.csv", "book_ticker", *quotes)
    result = fuse_tardis([depth, book])
    fuse_tardis_file([depth, book], tmp_path / "o.npz")
    assert load(tmp_path / "o.npz").tobytes() == result.events.tobytes()
    both = result.events[has_flag(result.events, LOCAL)]
    assert (np.diff(both["exch_ts"]) >= 0).all()
    assert result.report.warnings == ()
