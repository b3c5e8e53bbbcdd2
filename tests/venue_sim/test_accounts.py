from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from venue_sim.accounts import NOTHING, Account, Fees, Position

PRICES = st.integers(1, 1000).map(lambda number: Fraction(number, 10))
QUANTITIES = st.integers(1, 50).map(lambda number: Fraction(number, 1000))
SIDES = st.sampled_from([1, -1])
FILLS = st.lists(st.tuples(SIDES, PRICES, QUANTITIES, st.booleans()), max_size=30)


@given(FILLS)
def test_money_is_conserved_to_the_last_digit(fills: list[tuple[int, Fraction, Fraction, bool]]) -> None:
    account = Account("a", Fraction(1000))
    cash, amount = NOTHING, NOTHING
    for side, price, quantity, maker in fills:
        booked = account.fill("btcusdt", side, price, quantity, maker=maker)
        cash -= side * price * quantity
        amount += side * quantity
        position = account.position("btcusdt")
        assert booked.amount == position.amount == amount
        assert position.realized == cash + position.cost
        assert account.wallet == 1000 + position.realized - account.fees_paid
        assert account.equity({"btcusdt": Fraction(7)}) == 1000 + cash + amount * 7 - account.fees_paid


@given(st.lists(st.tuples(SIDES, PRICES, QUANTITIES), max_size=20))
def test_what_one_account_wins_of_another_the_other_loses(fills: list[tuple[int, Fraction, Fraction]]) -> None:
    one, other = Account("a", NOTHING), Account("b", NOTHING)
    for side, price, quantity in fills:
        one.fill("x", side, price, quantity, maker=True)
        other.fill("x", -side, price, quantity, maker=False)
        marks = {"x": Fraction(3)}
        assert one.equity(marks) + one.fees_paid == -(other.equity(marks) + other.fees_paid)


@given(FILLS)
def test_the_entry_price_lies_between_the_prices_of_what_is_open(
    fills: list[tuple[int, Fraction, Fraction, bool]],
) -> None:
    position = Position()
    prices: list[Fraction] = []
    for side, price, quantity, _ in fills:
        before = position.amount
        position.fill(side * quantity, price)
        if before * position.amount <= 0:
            prices = [price]
        elif abs(position.amount) > abs(before):
            prices.append(price)
        if position.amount:
            assert min(prices) <= position.entry <= max(prices)


def test_a_fill_through_zero_closes_at_the_old_entry_and_opens_at_the_new_price() -> None:
    account = Account("a", Fraction(100), fees=Fees(NOTHING, NOTHING))
    account.fill("x", 1, Fraction(10), Fraction(2), maker=True)
    booked = account.fill("x", -1, Fraction(13), Fraction(5), maker=False)
    assert (booked.realized, booked.amount, booked.entry) == (6, -3, 13)
    assert account.wallet == 106


def test_fees_are_shares_of_the_notional_and_a_rebate_is_paid_out() -> None:
    account = Account("a", NOTHING, fees=Fees(Fraction(-1, 100), Fraction(2, 100)))
    assert account.fill("x", 1, Fraction(10), Fraction(3), maker=True).fee == Fraction(-3, 10)
    assert account.fill("x", 1, Fraction(10), Fraction(3), maker=False).fee == Fraction(6, 10)
    assert account.wallet == Fraction(-3, 10)


def test_margin_counts_the_worse_side_of_what_could_still_fill() -> None:
    account = Account("a", Fraction(100), leverage=10)
    account.fill("x", 1, Fraction(10), Fraction(2), maker=True)
    marks = {"x": Fraction(10)}
    assert account.required(marks, {}) == 2
    assert account.required(marks, {"x": (Fraction(3), Fraction(1))}) == 5
    assert account.required(marks, {"x": (NOTHING, Fraction(9))}) == 7


def test_funding_is_paid_by_longs_and_received_by_shorts() -> None:
    account = Account("a", Fraction(100))
    account.fill("x", -1, Fraction(10), Fraction(2), maker=True)
    wallet = account.wallet
    assert account.funding("x", Fraction(1, 100), Fraction(10)) == Fraction(-2, 10)
    assert account.wallet == wallet + Fraction(2, 10)
