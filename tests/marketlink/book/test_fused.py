import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketlink.book.fused import NO_ASK_TICK, NO_BID_TICK, FusedBook
from marketlink.events import (
    BUY,
    DEPTH,
    DEPTH_BBO,
    DEPTH_CLEAR,
    DEPTH_SNAPSHOT,
    EVENT_DTYPE,
    EXCH,
    LOCAL,
    SELL,
    TRADE,
)

NaiveBook = runpy.run_path(str(Path(__file__).with_name("naive_fused.py")))["NaiveBook"]

BID, ASK = LOCAL | BUY | DEPTH, LOCAL | SELL | DEPTH
BEST_BID, BEST_ASK = LOCAL | BUY | DEPTH_BBO, LOCAL | SELL | DEPTH_BBO


def events_of(rows):
    """Rows are (ev, ts, px, qty), or whole ones (ev, exch_ts, local_ts, px, qty, ival)."""
    whole = [row if len(row) == 6 else (row[0], row[1], row[1] + 7, row[2], row[3], 0) for row in rows]
    return np.array([(*row[:5], 0, row[5], 0.0) for row in whole], EVENT_DTYPE)


def rows_of(events):
    return list(
        zip(*(events[name].tolist() for name in ("ev", "exch_ts", "local_ts", "px", "qty", "ival")), strict=True)
    )


def book_of(*rows, tick_size=0.1, lot_size=0.01):
    book = FusedBook(tick_size, lot_size)
    for row in rows:
        book.fuse(events_of([row]))
    return book


def told(book, *row):
    """(ev, px, qty) of what a row leads to publish."""
    return [(ev, px, qty) for ev, _, _, px, qty, _ in rows_of(book.fuse(events_of([row])))]


def touch(book):
    return book.best_bid_tick, book.best_ask_tick


def levels_of(book):
    levels = book.levels()
    side = [BUY if ev & BUY else SELL for ev in levels["ev"].tolist()]
    return list(zip(side, levels["px"].tolist(), levels["qty"].tolist(), levels["exch_ts"].tolist(), strict=True))


def test_a_stale_bid_at_the_touch_is_refused_and_a_newer_one_moves_it():
    book = book_of((BID, 1, 10.1, 0.01), (BID, 1, 10.2, 0.02))
    assert book.best_bid_tick == 102
    assert told(book, BID, 0, 10.2, 0.03) == []
    assert told(book, BID, 0, 10.3, 0.03) == []
    assert book.best_bid_tick == 102
    assert told(book, BID, 2, 10.3, 0.03) == [(BID, 10.3, 0.03)]
    assert book.best_bid_tick == 103
    assert told(book, BID, 1, 10.3, 0.0) == []
    assert book.best_bid_tick == 103
    assert told(book, BID, 2, 10.3, 0.0) == [(BID, 10.3, 0.0)]
    assert (book.best_bid_tick, book.best_bid_qty, book.stale_rows) == (102, 0.02, 3)


def test_a_stale_ask_at_the_touch_is_refused_and_a_newer_one_moves_it():
    book = book_of((ASK, 1, 10.2, 0.02), (ASK, 1, 10.1, 0.01))
    assert book.best_ask_tick == 101
    assert told(book, ASK, 0, 10.1, 0.03) == []
    assert told(book, ASK, 0, 10.0, 0.03) == []
    assert told(book, ASK, 2, 10.0, 0.03) == [(ASK, 10.0, 0.03)]
    assert book.best_ask_tick == 100
    assert told(book, ASK, 1, 10.0, 0.0) == []
    assert told(book, ASK, 2, 10.0, 0.0) == [(ASK, 10.0, 0.0)]
    assert (book.best_ask_tick, book.best_ask_qty) == (101, 0.01)


def test_a_row_that_crosses_deletes_what_it_crosses_unless_it_is_older():
    book = book_of((BID, 1, 10.1, 0.01), (BID, 1, 10.2, 0.02), (ASK, 1, 10.3, 0.03), (ASK, 1, 10.4, 0.04))
    assert told(book, ASK, 3, 10.2, 0.02) == [(ASK, 10.2, 0.02), (BID, 10.2, 0.0)]
    assert touch(book) == (101, 102)
    assert told(book, BID, 5, 10.2, 0.02) == [(BID, 10.2, 0.02), (ASK, 10.2, 0.0)]
    assert touch(book) == (102, 103)
    assert told(book, ASK, 4, 10.2, 0.02) == []
    told(book, ASK, 7, 10.3, 0.05)
    assert told(book, BID, 6, 10.3, 0.05) == []
    assert touch(book) == (102, 103)


def test_a_best_bid_moves_the_touch_both_ways_and_never_back_in_time():
    book = book_of((BID, 1, 10.1, 0.01), (BID, 1, 10.2, 0.02), (ASK, 1, 10.3, 0.03), (ASK, 1, 10.4, 0.04))
    assert told(book, BEST_BID, 0, 10.3, 0.05) == []
    assert told(book, BEST_BID, 2, 10.2, 0.03) == [(BEST_BID, 10.2, 0.03)]
    assert book.best_bid_qty == 0.03
    assert told(book, BEST_BID, 3, 10.3, 0.03) == [(BEST_BID, 10.3, 0.03), (ASK, 10.3, 0.0)]
    assert touch(book) == (103, 104)
    told(book, BID, 5, 10.1, 0.03)
    told(book, BID, 5, 10.2, 0.03)
    told(book, BID, 5, 10.3, 0.0)
    assert told(book, BEST_BID, 2, 10.1, 0.03) == []
    assert told(book, BEST_BID, 6, 10.1, 0.02) == [(BEST_BID, 10.1, 0.02), (BID, 10.2, 0.0)]
    assert touch(book) == (101, 104)


def test_a_best_ask_moves_the_touch_both_ways_and_never_back_in_time():
    book = book_of((ASK, 1, 10.4, 0.01), (ASK, 1, 10.3, 0.02), (BID, 1, 10.2, 0.03), (BID, 1, 10.1, 0.04))
    assert told(book, BEST_ASK, 0, 10.2, 0.05) == []
    assert told(book, BEST_ASK, 2, 10.3, 0.03) == [(BEST_ASK, 10.3, 0.03)]
    assert told(book, BEST_ASK, 3, 10.2, 0.03) == [(BEST_ASK, 10.2, 0.03), (BID, 10.2, 0.0)]
    assert touch(book) == (101, 102)
    told(book, ASK, 5, 10.3, 0.03)
    assert told(book, BEST_ASK, 2, 10.4, 0.03) == []
    assert told(book, BEST_ASK, 6, 10.4, 0.02) == [(BEST_ASK, 10.4, 0.02), (ASK, 10.2, 0.0), (ASK, 10.3, 0.0)]
    assert touch(book) == (101, 104)


@pytest.mark.parametrize(
    ("bests", "expected", "outermost"),
    [
        ([(BEST_ASK, 2, 99.0, 1.0), (BEST_BID, 3, 98.0, 1.0)], (98, 99), (98, 102)),
        ([(BEST_BID, 2, 103.0, 1.0), (BEST_ASK, 3, 104.0, 1.0)], (103, 104), (100, 104)),
    ],
)
def test_the_outermost_ticks_follow_what_the_best_quotes_cross(bests, expected, outermost):
    book = book_of((ASK, 1, 102.0, 1.0), (BID, 1, 100.0, 1.0), *bests, tick_size=1.0, lot_size=1.0)
    assert touch(book) == expected
    assert (book.low_bid_tick, book.high_ask_tick) == outermost


def test_a_deletion_that_follows_carries_its_causes_times_and_the_price_as_received():
    book = book_of((ASK, 1, 10.2, 1.0))
    rows = rows_of(book.fuse(events_of([(BID, 5, 6, 10.3, 1.0, 77)])))
    assert rows[1:] == [(LOCAL | SELL | DEPTH, 5, 6, 10.2, 0.0, 77)]


def test_the_same_best_quote_again_is_not_published_but_makes_the_best_newer():
    book = book_of((BEST_BID, 1, 10.2, 1.0))
    assert told(book, BEST_BID, 5, 10.2, 1.0) == []
    assert told(book, BID, 4, 10.2, 2.0) == []


def test_a_best_quote_without_quantity_is_never_shown_as_a_best():
    book = book_of((BID, 1, 10.0, 1.0), (BID, 1, 10.1, 1.0), (ASK, 1, 10.3, 1.0))
    assert told(book, BEST_ASK, 2, 0.0, 0.0) == []
    assert touch(book) == (101, 103)
    assert told(book, BEST_BID, 2, 0.0, 0.0) == [(BID, 10.1, 0.0), (BID, 10.0, 0.0)]
    assert touch(book) == (NO_BID_TICK, 103)


def test_a_row_older_than_its_level_cannot_move_the_best_past_it():
    book = book_of((BID, 10, 10.1, 1.0), (BID, 5, 10.2, 1.0), (BID, 7, 10.2, 0.0))
    assert told(book, BID, 8, 10.1, 0.0) == []
    assert (book.best_bid_tick, book.best_bid_qty) == (101, 1.0)


def test_a_clear_without_a_side_forgets_levels_and_times():
    book = book_of((BID, 100, 10.0, 1.0), (ASK, 100, 10.1, 1.0))
    assert told(book, LOCAL | DEPTH_CLEAR, 200, 0.0, 0.0) == [(LOCAL | DEPTH_CLEAR, 0.0, 0.0)]
    assert (book.bid_count, book.ask_count) == (0, 0)
    assert told(book, BID, 1, 9.0, 1.0) == [(BID, 9.0, 1.0)]


def test_a_clear_of_one_side_ends_at_its_price():
    bids = [(BID, 1, px, 1.0) for px in (9.7, 9.8, 9.9, 10.0)]
    asks = [(ASK, 1, px, 1.0) for px in (10.1, 10.2, 10.3, 10.4)]
    book = book_of(*bids, *asks)
    told(book, LOCAL | BUY | DEPTH_CLEAR, 2, 9.9, 0.0)
    told(book, LOCAL | SELL | DEPTH_CLEAR, 2, 10.2, 0.0)
    assert [ticks.tolist() for ticks, _ in (book.bids(), book.asks())] == [[98, 97], [103, 104]]
    assert told(book, BID, 1, 9.8, 2.0) == []  # the best's time is the clear's
    told(book, LOCAL | SELL | DEPTH_CLEAR, 2, math.nan, 0.0)
    assert (book.bid_count, book.ask_count) == (2, 0)


def test_a_trade_passes_unchanged_and_leaves_the_book_alone():
    book = book_of((BID, 1, 10.0, 1.0))
    trade = (LOCAL | SELL | TRADE, 9, 10, 9.9, 1.0, 5)
    assert rows_of(book.fuse(events_of([trade]))) == [trade]
    assert levels_of(book) == [(BUY, 10.0, 1.0, 1)]


@pytest.mark.parametrize(
    ("ev", "px", "qty"),
    [(BID, math.nan, 1.0), (BID, math.inf, 1.0), (ASK, 1e300, 1.0), (LOCAL | DEPTH, 10.0, 1.0), (BID | SELL, 10.0, 1.0)]
    + [(BID, 10.0, qty) for qty in (math.nan, math.inf, -1.0)],
)
def test_a_row_that_is_no_level_is_counted_and_not_published(ev, px, qty):
    book = book_of()
    assert told(book, ev, 1, px, qty) == []
    assert (book.refused_rows, book.bid_count, book.ask_count, book.last_ts) == (1, 0, 0, 0)


def test_levels_are_snapshot_rows_with_prices_as_received():
    book = book_of((BID, 3, 10.2, 0.37), (BID, 4, 10.1, 0.5), (ASK, 5, 10.3, 0.25))
    both = EXCH | LOCAL | DEPTH_SNAPSHOT
    assert rows_of(book.levels()) == [
        (both | BUY, 3, 0, 10.2, 0.37, 0),
        (both | BUY, 4, 0, 10.1, 0.5, 0),
        (both | SELL, 5, 0, 10.3, 0.25, 0),
    ]
    assert (book.best_bid, book.best_ask, book.best_ask_qty, book.last_ts) == (10.2, 10.3, 0.25, 5)
    assert (book.bid_qty_at_tick(101), book.bid_qty_at_tick(100), book.ask_qty_at_tick(103)) == (0.5, 0.0, 0.25)
    assert (book.ask_qty_at_tick(102), book.ask_qty_at_tick(104), book.bid_qty_at_tick(999)) == (0.0, 0.0, 0.0)


def test_an_empty_book_says_so():
    book = book_of()
    assert touch(book) == (NO_BID_TICK, NO_ASK_TICK)
    assert (book.low_bid_tick, book.high_ask_tick) == (NO_ASK_TICK, NO_BID_TICK)
    assert math.isnan(book.best_bid)
    assert math.isnan(book.best_ask)
    assert (book.best_bid_qty, book.best_ask_qty, book.levels().size) == (0.0, 0.0, 0)


def test_only_as_many_levels_as_asked_for_are_returned():
    book = book_of(*((BID, 1, 10.0 + i / 10, float(i + 1)) for i in range(5)))
    ticks, qtys = book.bids(2)
    assert (ticks.tolist(), qtys.tolist()) == ([104, 103], [5.0, 4.0])
    assert [book.bids(n)[0].size for n in (0, 5, 9, -1)] == [0, 5, 5, 0]


def test_a_copy_lives_its_own_life():
    book = book_of((BID, 1, 10.0, 1.0))
    twin = book.copy()
    book.clear()
    assert (book.bid_count, twin.bid_count, twin.best_bid) == (0, 1, 10.0)
    assert told(book, BID, 0, 9.0, 1.0) == [(BID, 9.0, 1.0)]


def test_rows_that_cannot_be_written_to_or_lie_apart_are_read_all_the_same():
    events = events_of([(BID, 1, 10.0, 1.0), (BID, 1, 10.1, 1.0), (ASK, 1, 10.2, 1.0)])
    fixed = np.frombuffer(events.tobytes(), EVENT_DTYPE)
    book, other = FusedBook(0.1, 0.01), FusedBook(0.1, 0.01)
    assert np.array_equal(book.fuse(fixed), events)
    other.apply(events[::2])
    assert (other.bid_count, other.ask_count) == (1, 1)


def test_an_array_of_something_else_is_a_type_error():
    with pytest.raises(TypeError, match="event records"):
        FusedBook(0.1, 0.01).fuse(np.zeros(3))


@pytest.mark.parametrize("sizes", [(0.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_a_size_that_is_not_positive_is_a_value_error(sizes):
    with pytest.raises(ValueError, match="positive"):
        FusedBook(*sizes)


@pytest.mark.parametrize("sequenced", [False, True])
def test_ten_thousand_levels_a_side_vanish_in_one_row_with_a_deletion_each(sequenced):
    book = FusedBook(0.1, 0.01)
    order = np.random.default_rng(5).permutation(10_000)
    asks = events_of([(ASK, 1, (1_000_000 + tick) / 10, 1.0) for tick in order.tolist()])
    bids = events_of([(BID, 1, (999_999 - tick) / 10, 1.0) for tick in order.tolist()])
    assert book.fuse(asks, sequenced).size == book.fuse(bids, sequenced).size == 10_000
    assert np.array_equal(book.asks()[0], 1_000_000 + np.arange(10_000))
    assert np.array_equal(book.bids()[0], 999_999 - np.arange(10_000))
    published = book.fuse(events_of([(BID, 1, 99_999.0, 2.0), (BID, 2, 200_000.0, 1.0), (BID, 2, 1.0, 1.0)]), sequenced)
    assert published.size == 3 + 10_000
    assert np.array_equal(published["px"][2:-1], np.arange(1_000_000, 1_010_000) / 10)
    assert (book.bid_count, book.ask_count) == (10_002, 0)


@pytest.mark.parametrize("count", range(1, 20))
def test_every_deletion_is_told_however_many_follow_from_one_row(count):
    book = book_of(*((ASK, 1, 10.0 + i / 10, 1.0) for i in range(count)))
    assert len(told(book, BID, 2, 50.0, 1.0)) == 1 + count
    assert (book.bid_count, book.ask_count) == (1, 0)


side = st.sampled_from([BUY, SELL])
kind = st.sampled_from([DEPTH] * 6 + [DEPTH_BBO] * 4 + [DEPTH_SNAPSHOT, TRADE])
price = st.one_of(
    st.integers(-3, 8).map(lambda tick: tick / 10),
    st.sampled_from([0.25, 0.349999, math.nan, math.inf, -math.inf, 1e300, -1e300]),
)
quantity = st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.0, 0.004, 0.005, -1.0, math.nan])
times = st.integers(0, 12)


@st.composite
def any_row(draw):
    flags = draw(st.one_of(side, side, side, st.sampled_from([0, BUY | SELL])))
    ev = LOCAL | flags | (DEPTH_CLEAR if draw(st.integers(0, 15)) == 0 else draw(kind))
    return (ev, draw(times), draw(times), draw(price), draw(quantity), draw(st.integers(0, 3)))


messages = st.lists(st.lists(any_row(), max_size=12), max_size=8)


def same(rows, others):
    return repr(rows) == repr(others)  # nan is itself here


@settings(max_examples=300, deadline=None)
@given(messages, st.booleans())
def test_what_is_published_and_kept_is_the_slow_twins(mix, sequenced):
    book, naive, bot = FusedBook(0.1, 0.01), NaiveBook(0.1, 0.01), FusedBook(0.1, 0.01)
    for rows in mix:
        published = book.fuse(events_of(rows), sequenced)
        assert same(rows_of(published), [told for row in rows for told in naive.fuse(row, sequenced)])
        assert same(levels_of(book), naive.sorted_levels())
        assert book.best_bid_tick < book.best_ask_tick
        bot.apply(published)
        assert same(levels_of(bot), levels_of(book))
    assert book.copy().levels().tobytes() == book.levels().tobytes()


@settings(max_examples=150, deadline=None)
@given(messages)
def test_a_book_that_is_told_is_the_slow_twins(mix):
    book, naive = FusedBook(0.1, 0.01), NaiveBook(0.1, 0.01)
    for rows in mix:
        book.apply(events_of(rows))
        for row in rows:
            naive.apply(row)
        assert same(levels_of(book), naive.sorted_levels())


@st.composite
def true_books(draw):
    """Successive books that do not cross, as {(side, tick): qty}."""
    books = []
    for _ in range(draw(st.integers(1, 6))):
        middle = draw(st.integers(-5, 15))
        bids = draw(st.dictionaries(st.integers(middle - 8, middle - 1), st.integers(1, 3), max_size=6))
        asks = draw(st.dictionaries(st.integers(middle, middle + 8), st.integers(1, 3), max_size=6))
        books.append({(BUY, t): q for t, q in bids.items()} | {(SELL, t): q for t, q in asks.items()})
    return books


@settings(max_examples=200, deadline=None)
@given(true_books(), st.randoms(use_true_random=False), st.data())
def test_a_sequenced_streams_book_is_the_exchanges_after_every_message(books, rng, data):
    book, bot, before = FusedBook(0.1, 0.01), FusedBook(0.1, 0.01), {}
    for after in books:
        changes = {key: after.get(key, 0) for key in {**before, **after} if before.get(key) != after.get(key)}
        changes |= {(s, t): after.get((s, t), 0) for s in (BUY, SELL) for t in range(-2, 3)}  # also what is not news
        rows = [(LOCAL | s | DEPTH, data.draw(times), t / 10, float(q)) for (s, t), q in sorted(changes.items())]
        rng.shuffle(rows)
        bot.apply(book.fuse(events_of(rows), sequenced=True))
        before = after
        for each in (book, bot):
            held = {(s, round(px * 10)): qty for s, px, qty, _ in levels_of(each)}
            assert held == {key: float(qty) for key, qty in after.items()}
        assert book.stale_rows == 0


def test_importing_the_module_does_not_import_numba():
    code = "import sys, marketlink.book.fused, marketlink.venues.scan; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_kernels_run_uncompiled_too():
    code = (
        "from marketlink.book import kernels; from marketlink.book.fused import *; from marketlink.events import *\n"
        "assert not hasattr(kernels.fuse_rows, 'py_func')\n"
        "rows = empty_events(40); rows['px'] = 10 + (rows.view('i8').reshape(-1, 8)[:, 0] * 0 + range(40)) % 7 / 10\n"
        "rows['ev'] = LOCAL | BUY | DEPTH; rows['ev'][20:] = LOCAL | SELL | DEPTH_BBO; rows['qty'] = 1.5\n"
        "rows['px'][-1] = float('nan'); rows['px'][-2] = 1e300\n"
        "book = FusedBook(0.1, 0.01); other = book.copy(); other.apply(book.fuse(rows, True))\n"
        "assert book.levels().tobytes() == other.levels().tobytes() and book.ask_count and book.refused_rows == 2\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60, env=environment)
