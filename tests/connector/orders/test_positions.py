"""Positions: the exchange's last word, and a range that the truth never leaves."""

from decimal import Decimal

from connector.positions import SETTLED_NS, Positions
from hypothesis import given
from hypothesis import strategies as st
from marketlink.orders import Side
from marketlink.venues.trading import Fill, PositionReport

START_NS = 1_700_000_000_000_000_000


def fill(number: int, qty: Decimal, time_ns: int) -> Fill:
    side = Side.BUY if qty > 0 else Side.SELL
    return Fill("btcusdt", str(number), "c", "e", side, Decimal(100), abs(qty), False, time_ns)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[bool, int, Decimal, int]]:
    """Executions, each told by its own event and by its position, as (is a fill, number, quantity, time); each kind keeps its order."""
    steps = draw(st.lists(st.tuples(st.integers(-3, 3).filter(bool), st.integers(1, 2)), max_size=8))
    time_ns, fills, words, position = START_NS, [], [], Decimal(0)
    for number, (lots, later_ms) in enumerate(steps):
        time_ns += later_ms * 1_000_000
        position += lots
        fills.append((True, number, Decimal(lots), time_ns))
        words.append((False, number, position, time_ns))
    out = []
    while fills or words:
        from_fills = bool(fills) and (not words or draw(st.booleans()))
        out.append((fills if from_fills else words).pop(0))
    return out


@given(histories())
def test_what_the_last_word_and_later_executions_make_is_within_the_range(
    history: list[tuple[bool, int, Decimal, int]],
) -> None:
    positions = Positions()
    positions.listed([], START_NS - 1)
    word, word_ns, fills = Decimal(0), START_NS - 1, list[tuple[Decimal, int]]()
    for is_fill, number, qty, time_ns in history:
        if is_fill:
            positions.executed(fill(number, qty, time_ns))
            fills.append((qty, time_ns))
        else:
            positions.take(PositionReport("btcusdt", qty, time_ns))
            word, word_ns = qty, time_ns
        low, high = positions.range_of("btcusdt")
        assert low <= word + sum(qty for qty, when in fills if when > word_ns) <= high
    positions.on_time(START_NS + 10**12)
    assert positions.range_of("btcusdt") == (word, word)


@given(histories())
def test_every_fill_counts_before_its_position_has_come(history: list[tuple[bool, int, Decimal, int]]) -> None:
    positions = Positions()
    positions.listed([], START_NS - 1)
    total = Decimal(0)
    for number, qty, time_ns in [(number, qty, time_ns) for is_fill, number, qty, time_ns in history if is_fill]:
        positions.executed(fill(number, qty, time_ns))
        total += qty
        assert positions.range_of("btcusdt") == (total, total)


def test_a_word_is_sure_once_it_has_stood_for_a_while() -> None:
    positions = Positions()
    positions.take(PositionReport("btcusdt", Decimal(5), START_NS))
    assert positions.range_of("btcusdt") == (Decimal(0), Decimal(5))
    positions.on_time(START_NS + SETTLED_NS)
    assert positions.range_of("btcusdt") == (Decimal(0), Decimal(5))
    positions.on_time(START_NS + SETTLED_NS + 1)
    assert positions.range_of("btcusdt") == (Decimal(5), Decimal(5))


def test_older_words_and_lists_older_than_a_word_change_nothing() -> None:
    positions = Positions()
    assert positions.take(PositionReport("btcusdt", Decimal(5), START_NS))
    assert not positions.take(PositionReport("btcusdt", Decimal(3), START_NS - 1))
    assert not positions.take(PositionReport("btcusdt", Decimal(5), START_NS + 1))
    assert positions.listed([], START_NS + 1) == []
    assert positions.word("other") == PositionReport("other", Decimal(0), START_NS + 1)
    assert positions.listed([], START_NS + 1, ["other"]) == [PositionReport("other", Decimal(0), START_NS + 1)]
    assert positions.listed([], START_NS + 2) == [PositionReport("btcusdt", Decimal(0), START_NS + 2)]


@given(histories(), st.integers(0, 3))
def test_what_own_executions_do_not_explain_is_known_whatever_comes_first(
    history: list[tuple[bool, int, Decimal, int]], others: int
) -> None:
    positions = Positions()
    positions.listed([], START_NS - 1)
    latest = START_NS
    for is_fill, number, qty, time_ns in history:
        if is_fill:
            positions.executed(fill(number, qty, time_ns))
        else:
            positions.take(PositionReport("btcusdt", qty + others, time_ns))
        latest = max(latest, time_ns)
    positions.on_time(latest + SETTLED_NS + 1)
    expected = {"btcusdt": Decimal(others)} if others and history else {}
    assert positions.unexplained == expected


def test_an_execution_that_is_told_late_explains_what_a_position_said_before() -> None:
    positions = Positions()
    positions.listed([], START_NS)
    positions.take(PositionReport("btcusdt", Decimal(2), START_NS + 5))
    assert positions.on_time(START_NS + 6 + SETTLED_NS) == [("btcusdt", Decimal(2))]
    positions.executed(fill(1, Decimal(2), START_NS + 5))
    assert positions.unexplained == {}


def test_what_was_held_before_the_first_word_is_nobodys_movement() -> None:
    positions = Positions()
    positions.take(PositionReport("btcusdt", Decimal(5), START_NS))
    positions.on_time(START_NS + SETTLED_NS + 1)
    assert positions.unexplained == {}
    positions.executed(fill(1, Decimal(2), START_NS - 1))
    assert positions.unexplained == {}
