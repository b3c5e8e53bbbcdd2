from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from venue_sim.accounts import NOTHING, Account, Fees, HoldingAccount, InverseAccount, Position, Resting
from venue_sim.market import Instrument

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


prices = st.integers(1, 10**6).map(lambda ticks: Fraction(ticks, 10))
fills = st.lists(st.tuples(st.sampled_from([1, -1]), prices, st.integers(1, 500)), min_size=1, max_size=12)
PERP = Instrument("btcusd_perp", "0.1", "1", "BTC", "USD", 100)


@given(fills, prices)
def test_contracts_settled_in_coins_win_what_their_coins_say(
    trades: list[tuple[int, Fraction, int]], last: Fraction
) -> None:
    """What is won is the coins received for sales less those paid for purchases, each contract being so many dollars."""
    account = InverseAccount("a", {"BTC": Fraction(5)}, {"btcusd_perp": PERP}, Fees(Fraction(0), Fraction(0)))
    coins, amount = Fraction(0), 0
    for side, price, contracts in trades:
        account.fill("btcusd_perp", side, price, Fraction(contracts), maker=True)
        coins += side * contracts * Fraction(100) / price
        amount += side * contracts
    position = account.position("btcusd_perp")
    assert position.amount == amount
    won = account.wallet_in("btcusd_perp") - 5 + position.unrealized(last)
    assert won == coins - amount * Fraction(100) / last
    if amount:
        assert min(price for _, price, _ in trades) <= position.entry <= max(price for _, price, _ in trades)


@given(fills)
def test_assets_change_hands_and_the_fee_is_paid_in_what_is_received(trades: list[tuple[int, Fraction, int]]) -> None:
    coin = Instrument("btcusdt", "0.1", "1", "BTC", "USDT")
    rate = Fraction(1, 1000)
    account = HoldingAccount("a", {"BTC": Fraction(9), "USDT": Fraction(7)}, {"btcusdt": coin}, Fees(rate, rate))
    base, quote = Fraction(9), Fraction(7)
    for side, price, lots in trades:
        account.fill("btcusdt", side, price, Fraction(lots), maker=False)
        base += lots * (1 - rate) if side > 0 else -lots
        quote += -lots * price if side > 0 else lots * price * (1 - rate)
    assert (account.held("BTC"), account.held("USDT")) == (base, quote)


def test_open_orders_lock_what_they_may_spend_and_no_more_is_afforded() -> None:
    coin = Instrument("btcusdt", "0.1", "1", "BTC", "USDT")
    account = HoldingAccount("a", {"BTC": Fraction(2), "USDT": Fraction(100)}, {"btcusdt": coin})
    resting = [Resting("btcusdt", 1, Fraction(30), Fraction(2)), Resting("btcusdt", -1, Fraction(40), Fraction(1))]
    assert account.locked("btcusdt", resting) == (1, 60)
    assert account.affords(Resting("btcusdt", 1, Fraction(40), Fraction(1)), resting, None, {})
    assert not account.affords(Resting("btcusdt", 1, Fraction(41), Fraction(1)), resting, None, {})
    assert account.affords(Resting("btcusdt", 1, Fraction(33), Fraction(3)), resting, resting[0], {})
    assert not account.affords(Resting("btcusdt", -1, Fraction(1), Fraction(2)), resting, None, {})
