from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_sim.book import CHECKPOINT_EVERY, ChainedBook, Levels, LoggedBook, SnapshotPool
from venue_sim.market import BookState
from venue_sim.venues.usdm.messages import read_update


def naive(base: BookState, updates: list[bytes]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The slow twin: plain dictionaries of strings, every update applied from the start."""
    bids, asks = dict(base.bids), dict(base.asks)
    for data in updates:
        update = read_update(data)
        for side, changes in ((bids, update.bids), (asks, update.asks)):
            for price, quantity in changes:
                if float(quantity) == 0:
                    side.pop(price, None)
                else:
                    side[price] = quantity
    return sorted(bids.items(), key=lambda level: -float(level[0])), sorted(
        asks.items(), key=lambda level: float(level[0])
    )


BASE = BookState(100, 1, 1, [("10.0", "1.0"), ("9.0", "2.0")], [("11.0", "3.0")])
CHANGES = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=4)


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(st.tuples(CHANGES, CHANGES), max_size=30), asked=st.lists(st.integers(0, 30), max_size=5))
def test_every_kept_book_equals_the_naive_one(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]], asked: list[int]
) -> None:
    import orjson

    raw = [
        orjson.dumps(
            {
                "U": 101 + 10 * at,
                "u": 110 + 10 * at,
                "pu": 100 + 10 * at,
                "E": at,
                "T": at,
                "b": [[f"{price}.0", f"{lots}.0"] for price, lots in bids],
                "a": [[f"{price + 10}.0", f"{lots}.0"] for price, lots in asks],
            }
        )
        for at, (bids, asks) in enumerate(steps)
    ]
    book = LoggedBook(BASE, read=read_update)
    for at, data in enumerate(raw):
        book.append(110 + 10 * at, data)
    for index in [*asked, len(raw)]:
        if index <= len(raw):
            state = book.at(100 + 10 * index)
            assert state is not None
            assert (list(state.bids), list(state.asks)) == naive(BASE, raw[:index])


def test_a_price_written_with_other_digits_is_the_same_level() -> None:
    levels = Levels.of([("10.0", "1")], [])
    levels.apply(read_update(b'{"U":1,"u":2,"pu":0,"E":1,"T":1,"b":[["10.00","5"]],"a":[]}'))
    assert levels.state(2, 1, 1).bids == [("10.00", "5")]


def test_an_unknown_id_has_no_book() -> None:
    assert LoggedBook(BASE, read=read_update).at(99) is None
    assert LoggedBook(BASE, read=read_update).at(101) is None


def test_history_is_bounded_and_what_is_kept_stays_right(make: SimpleNamespace) -> None:
    book = LoggedBook(BASE, keep=CHECKPOINT_EVERY, read=read_update)
    raw = []
    for at in range(4 * CHECKPOINT_EVERY):
        raw.append(make.depth_data(101 + at, 101 + at, 100 + at, f"{1 + at % 9}.0:{at % 3}.0"))
        book.append(101 + at, raw[-1])
    assert book.at(100) is None
    newest = 100 + len(raw)
    for last_id in (newest, newest - 10, newest - CHECKPOINT_EVERY + 1, book.id_before(10**9)):
        state = book.at(last_id)
        assert state is not None
        assert state.last_id == last_id
        assert (list(state.bids), list(state.asks)) == naive(BASE, raw[: last_id - 100])
        assert (state.event_ms, state.transact_ms) == (1_700_000_000_000 + last_id, 1_700_000_000_000 + last_id - 1)
    assert len(book._ids) <= 3 * CHECKPOINT_EVERY


@pytest.mark.parametrize(
    ("first_id", "last_id", "prev_id", "joins"),
    [
        (90, 99, 89, False),
        (95, 100, 94, True),
        (100, 105, 99, True),
        (98, 103, 97, True),
        (101, 105, 100, True),
        (102, 105, 101, False),
    ],
)
def test_only_an_update_that_spans_or_follows_the_snapshot_joins_it(
    make: SimpleNamespace, first_id: int, last_id: int, prev_id: int, joins: bool
) -> None:
    book = ChainedBook(SnapshotPool([BASE]), read=read_update)
    book.on_depth(first_id, last_id, prev_id, make.depth_data(first_id, last_id, prev_id, "10.0:7.0"))
    state = book.at()
    assert (state is not None) is joins
    if state is not None:
        assert state.last_id == last_id
        assert state.bids[0] == ("10.0", "7.0")


def test_a_broken_chain_makes_the_book_unknown_until_a_later_snapshot_is_joined(make: SimpleNamespace) -> None:
    later = BookState(205, 2, 2, [("8.0", "1.0")], [("12.0", "1.0")])
    book = ChainedBook(SnapshotPool([later, BASE]), read=read_update)
    for ids in ((95, 110, 94), (111, 120, 110), (150, 160, 149)):
        book.on_depth(*ids, make.depth_data(*ids))
    assert book.at() is None
    assert book.last_id is None
    book.on_depth(161, 199, 160, make.depth_data(161, 199, 160))
    assert book.at() is None
    book.on_depth(200, 210, 199, make.depth_data(200, 210, 199, "7.0:1.0"))
    state = book.at()
    assert state is not None
    assert [price for price, _ in state.bids] == ["8.0", "7.0"]
    assert book.breaks == 1
    assert book.at(120) is not None, "the book before the break can still be asked for"


def test_a_repeated_update_changes_nothing(make: SimpleNamespace) -> None:
    book = ChainedBook(SnapshotPool([BASE]), read=read_update)
    book.on_depth(95, 110, 94, make.depth_data(95, 110, 94, "10.0:5.0"))
    book.on_depth(111, 120, 110, make.depth_data(111, 120, 110, "10.0:6.0"))
    book.on_depth(95, 110, 94, make.depth_data(95, 110, 94, "10.0:5.0"))
    state = book.at()
    assert state is not None
    assert (state.last_id, state.bids[0]) == (120, ("10.0", "6.0"))
