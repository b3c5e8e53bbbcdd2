"""The fused book: the published scenarios of its rules, and that it is never crossed."""

from __future__ import annotations

from data_convert.recordings.venues.fusing import ASK, BID, FusedBook
from hypothesis import given
from hypothesis import strategies as st


def touch(book):
    return tuple(round(book.levels(side)[0][0] * 10) if book.levels(side) else None for side in (BID, ASK))


def test_an_older_level_never_overrules_the_best_bid():
    book = FusedBook(0.1, 0.01)
    book.update(BID, 10.1, 1, 1)
    book.update(BID, 10.2, 1, 1)
    assert touch(book) == (102, None)
    assert book.update(BID, 10.2, 2, 0) == book.update(BID, 10.3, 1, 0) == []
    book.update(BID, 10.3, 1, 2)
    assert touch(book) == (103, None)
    assert book.update(BID, 10.3, 0, 1) == []
    assert book.update(BID, 10.3, 0, 2) == [(BID, 10.3, 0.0)]
    assert touch(book) == (102, None)


def test_a_newer_level_that_crosses_removes_what_it_went_through():
    book = FusedBook(0.1, 0.01)
    for side, price in ((BID, 10.1), (BID, 10.2), (ASK, 10.3), (ASK, 10.4)):
        book.update(side, price, 1, 1)
    assert book.update(ASK, 10.2, 1, 3) == [(BID, 10.2, 0.0), (ASK, 10.2, 1)]
    assert touch(book) == (101, 102)
    book.update(BID, 10.2, 1, 5)
    assert touch(book) == (102, 103)
    assert book.update(ASK, 10.2, 1, 4) == []
    book.update(ASK, 10.3, 1, 7)
    assert book.update(BID, 10.3, 1, 6) == []
    assert touch(book) == (102, 103)


def test_a_quote_backs_off_and_takes_the_levels_before_it_along():
    book = FusedBook(0.1, 0.01)
    for side, price in ((BID, 10.1), (BID, 10.2), (ASK, 10.3), (ASK, 10.4)):
        book.update(side, price, 1, 1)
    assert book.quote(BID, 10.3, 1, 0) == []
    assert book.quote(BID, 10.2, 2, 2) == [(BID, 10.2, 2)]
    assert book.quote(BID, 10.3, 1, 3) == [(ASK, 10.3, 0.0), (BID, 10.3, 1)]
    assert touch(book) == (103, 104)
    book.update(BID, 10.1, 1, 5)
    book.update(BID, 10.2, 1, 5)
    assert book.quote(BID, 10.1, 1, 2) == []
    assert book.quote(BID, 10.1, 2, 6) == [(BID, 10.3, 0.0), (BID, 10.2, 0.0), (BID, 10.1, 2)]
    assert touch(book) == (101, 104)
    assert book.quote(BID, 10.1, 2, 7) == []


def test_clears_take_a_side_out_to_a_price_and_no_further():
    book = FusedBook()
    for price in (1.0, 2.0, 3.0):
        book.update(BID, price, 1, 1)
    book.clear(BID, 2.0)
    assert book.levels(BID) == [(1.0, 1)]
    book.clear(BID)
    assert book.levels(BID) == []


STATEMENTS = st.lists(
    st.tuples(
        st.booleans(), st.sampled_from((BID, ASK)), st.integers(1, 12), st.sampled_from((0, 1, 2)), st.integers(0, 9)
    ),
    max_size=60,
)


@given(STATEMENTS)
def test_the_rows_emitted_are_the_book_and_it_is_never_crossed(statements):
    book, played = FusedBook(), ({}, {})
    for quote, side, price, quantity, version in statements:
        rows = (book.quote if quote else book.update)(side, float(price), float(quantity), version)
        for row_side, row_price, row_quantity in rows:
            played[row_side].pop(row_price, None)
            if row_quantity:
                played[row_side][row_price] = row_quantity
        assert sorted(played[BID].items(), reverse=True) == book.levels(BID)
        assert sorted(played[ASK].items()) == book.levels(ASK)
        if played[BID] and played[ASK]:
            assert max(played[BID]) < min(played[ASK])
