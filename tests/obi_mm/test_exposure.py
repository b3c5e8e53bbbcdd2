"""The position is neither counted twice nor too small, and no order passes the gate that could break the limit."""

from hypothesis import given
from hypothesis import strategies as st
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from obi_mm.exposure import SETTLES_S, Position, admitted_lots, working_lots
from obi_mm.layout import BUY, SELL

lots = st.integers(-5, 5).filter(bool)


@given(st.integers(-9, 9), st.lists(st.tuples(st.integers(0, 2), lots, st.booleans()), max_size=8))
def test_fills_and_words_in_any_order_of_one_moment_end_in_the_exchanges_position(
    start: int, fills: list[tuple[int, int, bool]]
) -> None:
    """Every fill is followed by a word of its moment, told before the fill or behind it; several may share a moment."""
    position, true, exch_ns, now_s = Position(), start, 100, 0.0
    position.told(start, exch_ns, now_s)
    for later, qty, word_first in fills:
        exch_ns, true, now_s = exch_ns + later, true + qty, now_s + 0.01
        if word_first:
            position.told(true, exch_ns, now_s)
            position.filled(qty, exch_ns, now_s)
        else:
            position.filled(qty, exch_ns, now_s)
            position.told(true, exch_ns, now_s)
        assert position.low <= true <= position.high
    position.on_time(now_s + SETTLES_S)
    assert (position.low, position.lots, position.high) == (true, true, true)


@given(st.lists(st.tuples(st.booleans(), lots), max_size=8))
def test_fills_count_until_the_exchanges_word_and_never_twice(steps: list[tuple[bool, int]]) -> None:
    position, true, exch_ns = Position(), 0, 0
    for told, qty in steps:
        exch_ns, true = exch_ns + 1, true + qty
        position.filled(qty, exch_ns, 0.0)
        assert position.lots == true
        if told:
            position.told(true, exch_ns, 0.0)
        position.on_time(SETTLES_S)
        assert position.lots == true


def test_an_older_word_changes_nothing() -> None:
    position = Position()
    position.told(5, 100, 0.0)
    position.told(9, 99, 0.0)
    assert position.lots == 5


@given(st.integers(-20, 20), st.sampled_from([BUY, SELL]), st.integers(1, 10), st.integers(0, 20), st.integers(0, 15))
def test_what_is_admitted_keeps_the_worst_case_within_the_limit(
    held: int, side: int, wanted: int, working: int, most: int
) -> None:
    position = Position()
    position.told(held, 1, 0.0)
    quote = admitted_lots(side, wanted, closing=False, position=position, working=working, max_lots=most)
    assert quote in (0, wanted)
    assert not quote or side * held + working + quote <= most
    assert quote or side * held + working + wanted > most
    close = admitted_lots(side, wanted, closing=True, position=position, working=working, max_lots=most)
    assert 0 <= close <= wanted
    assert not close or side * held + working + close <= 0  # it can only make the position smaller


def test_sent_unknown_and_working_orders_count_and_ended_ones_do_not() -> None:
    def order(number: int, status: Status, req: Status, leaves: float, side: Side = Side.BUY) -> Order:
        return Order(
            0.01, leaves, 0.0, 0, 500_000, 0.1, 0, 0, number, True, OrderType.LIMIT, req, status, side, TimeInForce.GTX
        )  # fmt: skip

    orders = [
        order(1, Status.NEW, Status.NEW, 0.01),
        order(2, Status.NONE, Status.NEW, 0.01),
        order(3, Status.PARTIALLY_FILLED, Status.CANCELED, 0.004),
        order(4, Status.NEW, Status.NONE, 0.01, Side.SELL),
        order(5, Status.EXPIRED, Status.NONE, 0.01),
        order(6, Status.CANCELED, Status.NONE, 0.01),
        order(7, Status.FILLED, Status.NONE, 0.0),
    ]
    assert working_lots(orders, BUY, 0.001) == 24
    assert working_lots(orders, SELL, 0.001) == 10
