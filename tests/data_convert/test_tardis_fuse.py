"""Fusing Tardis files: kinds by header, order at equal times, snapshot blocks, bad rows."""

from __future__ import annotations

import gzip

import pytest
from convert_naive import play
from data_convert.errors import FormatError, StrictError, SymbolError
from data_convert.events import LOCAL, has_flag
from data_convert.tardis_fuse import fuse_tardis
from data_convert.tardis_rows import HEADERS

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
    assert book_of(fuse_tardis([path]).events) == {
        "b": {99.0: 2, 98.5: 2, 98.0: 1, 90.0: 5},
        "a": {101.0: 1, 102.0: 1, 100.0: 2},
    }


@pytest.mark.parametrize(("mode", "snapshots"), [("process", 5), ("ignore_sod", 1), ("ignore", 0)])
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
        (0, 1, rest)
        for rest in ("false,bid,-5,1", "false,middle,5,1", "maybe,bid,5,1", "false,bid,5", "false,bid,1e5,1")
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
