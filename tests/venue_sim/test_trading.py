from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_sim.accounts import Account
from venue_sim.filters import Broken, Rule
from venue_sim.market import BookState, Instrument, Quote, Trade, Update
from venue_sim.matching import BUY, SELL, SelfTrade, Tif
from venue_sim.orders import OPEN, AccountPush, Did, NewOrder, OrderPush, OrderState, Push, Status
from venue_sim.trading import Trading

COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")
BOOK = BookState(100, 0, 0, [("100.00", "1.000"), ("99.90", "2.000")], [("100.10", "1.000"), ("100.20", "2.000")])


def trading(wallet: int = 10_000) -> Trading:
    core = Trading({"btcusdt": COIN}, {name: Account(name, Fraction(wallet)) for name in "ab"})
    core.on_book("btcusdt", BOOK, 0)
    return core


def order(side: int, price: str | None, quantity: str = "1", client_id: str = "c1", **more: object) -> NewOrder:
    return NewOrder(
        "btcusdt",
        side,
        None if price is None else Decimal(price),
        Decimal(quantity),
        client_id,
        **more,  # type: ignore[arg-type]
    )


def told(pushes: list[Push]) -> list[tuple[str, str, str]]:
    return [
        (push.did.value, push.order.status.value, "" if push.execution is None else str(push.execution.quantity))
        for push in pushes
        if isinstance(push, OrderPush)
    ]


def test_a_resting_order_is_told_new_then_each_fill_once() -> None:
    core = trading()
    state, pushes = core.place("a", order(BUY, "100.00"), 1)
    assert isinstance(state, OrderState)
    assert (state.status, told(pushes)) == (Status.NEW, [("NEW", "NEW", "")])
    assert core.on_message("btcusdt", Trade(1, 2, 2, "100.00", "1.000", True), 2) == []
    pushes = core.on_message("btcusdt", Trade(2, 3, 3, "100.00", "0.400", True), 3)
    assert told(pushes) == [("TRADE", "PARTIALLY_FILLED", "0.400")]
    pushes = core.on_message("btcusdt", Trade(3, 4, 4, "99.90", "5.000", True), 4)
    assert told(pushes) == [("TRADE", "FILLED", "0.600")]
    account = pushes[0]
    assert isinstance(account, AccountPush)
    assert (account.amount, account.entry) == (1, 100)
    assert [one.rule for one in core.truth] == ["R1", "R3", "R4"]


def test_a_taking_order_is_told_new_before_its_fills_and_pays_the_taker_fee() -> None:
    core = trading()
    state, pushes = core.place("a", order(BUY, "100.20", "2"), 1)
    assert isinstance(state, OrderState)
    assert told(pushes) == [("NEW", "NEW", ""), ("TRADE", "PARTIALLY_FILLED", "1.000"), ("TRADE", "FILLED", "1.000")]
    assert (state.average, core.accounts["a"].fees_paid) == (
        Fraction("100.15"),
        Fraction("200.30") * Fraction(5, 10_000),
    )


@pytest.mark.parametrize(
    ("new", "rule"),
    [
        (order(BUY, "100.05"), Rule.PRICE_TICK),
        (order(BUY, "80.00"), Rule.PRICE_TOO_LOW),
        (order(BUY, "100.00", "0.0001"), Rule.QUANTITY_PRECISION),
        (order(BUY, "100.00", "0.001"), Rule.NOTIONAL),
        (order(BUY, "100.10", tif=Tif.POST), Rule.POST_ONLY),
        (order(BUY, "100.10", "9", tif=Tif.FOK), Rule.FILL_OR_KILL),
        (order(BUY, "100.00", "5000"), Rule.MARGIN),
        (order(SELL, "100.20", reduce_only=True), Rule.REDUCE_ONLY),
    ],
)
def test_a_refused_order_leaves_nothing_but_its_reason(new: NewOrder, rule: Rule) -> None:
    core = trading()
    answer, pushes = core.place("a", new, 1)
    assert isinstance(answer, Broken)
    assert (answer.rule, pushes, core.orders) == (rule, [], {})
    assert core.truth[-1].rule == rule.value


def test_a_client_id_is_free_again_when_its_order_has_ended() -> None:
    core = trading()
    core.place("a", order(BUY, "99.00"), 1)
    answer, _ = core.place("a", order(BUY, "99.00"), 2)
    assert answer == Broken(Rule.DUPLICATE_ID)
    assert isinstance(core.place("b", order(BUY, "99.00"), 2)[0], OrderState), "another account's ids are its own"
    assert told(core.cancel("a", "btcusdt", None, "c1", 3)[1]) == [("CANCELED", "CANCELED", "")]
    assert isinstance(core.place("a", order(BUY, "99.00"), 4)[0], OrderState)
    assert core.cancel("b", "btcusdt", core.open_orders("a")[0].id, None, 5)[0] == Broken(Rule.UNKNOWN_ORDER)


def test_modifying_changes_price_and_total_and_below_the_fill_cancels() -> None:
    core = trading()
    core.place("a", order(BUY, "100.00", "2"), 1)
    state, pushes = core.modify("a", "btcusdt", None, "c1", Decimal("99.90"), Decimal("3"), 2)
    assert isinstance(state, OrderState)
    assert told(pushes) == [("AMENDMENT", "NEW", "")]
    assert (state.new.price, state.new.quantity) == (Decimal("99.90"), 3)
    assert core.modify("a", "btcusdt", None, "c1", Decimal("99.90"), Decimal("3"), 3)[0] == Broken(
        Rule.NOTHING_TO_MODIFY
    )
    core.on_message("btcusdt", Trade(1, 4, 4, "99.80", "1.000", True), 4)
    _, pushes = core.modify("a", "btcusdt", None, "c1", Decimal("99.90"), Decimal("1"), 5)
    assert told(pushes) == [("CANCELED", "CANCELED", "")]
    assert core.modify("a", "btcusdt", None, "c1", Decimal("99.90"), Decimal("5"), 6)[0] == Broken(Rule.NO_SUCH_ORDER)


def test_own_orders_never_meet_and_the_rest_goes_on() -> None:
    core = trading()
    core.place("a", order(SELL, "100.10", "1", "maker"), 1)
    core.on_message("btcusdt", Update(101, 110, 100, 2, 2, [], [("100.10", "0.000")]), 2)
    state, pushes = core.place("a", order(BUY, "100.20", "1", "taker"), 3)
    assert isinstance(state, OrderState)
    assert told(pushes) == [("NEW", "NEW", ""), ("EXPIRED", "EXPIRED_IN_MATCH", ""), ("TRADE", "FILLED", "1")] or told(
        pushes
    ) == [("NEW", "NEW", ""), ("EXPIRED", "EXPIRED_IN_MATCH", ""), ("TRADE", "FILLED", "1.000")]
    assert state.average == Fraction("100.20")


def test_a_countdown_ends_the_orders_of_its_account_and_symbol_unless_told_again() -> None:
    core = trading()
    core.place("a", order(BUY, "99.00"), 1)
    core.place("b", order(BUY, "99.00"), 1)
    core.countdown("a", "btcusdt", 100)
    assert core.due(99) == []
    core.countdown("a", "btcusdt", 200)
    assert core.due(150) == []
    assert told(core.due(200)) == [("CANCELED", "CANCELED", "")]
    assert core.due(300) == []
    assert [len(core.open_orders(name)) for name in "ab"] == [0, 1]
    core.countdown("b", "btcusdt", 400)
    core.countdown("b", "btcusdt", None)
    assert core.due(500) == []


def test_a_quote_older_than_the_book_changes_nothing() -> None:
    core = trading()
    core.place("a", order(BUY, "100.00"), 1)
    assert core.on_message("btcusdt", Quote(99, 2, 2, ("98.00", "1"), ("99.00", "1")), 2) == []
    assert told(core.on_message("btcusdt", Quote(101, 2, 2, ("98.00", "1"), ("99.00", "9")), 2)) == [
        ("TRADE", "FILLED", "1.000")
    ]


def test_a_market_order_without_liquidity_expires() -> None:
    core = trading()
    state, pushes = core.place("a", order(BUY, None, "4"), 1)
    assert isinstance(state, OrderState)
    assert told(pushes)[-1] == ("EXPIRED", "EXPIRED", "")
    assert (state.status, state.executed) == (Status.EXPIRED, 3)


def test_funding_is_told_to_whoever_holds_a_position() -> None:
    core = trading()
    core.place("a", order(BUY, None, "1"), 1)
    wallet = core.accounts["a"].wallet
    (push,) = core.funding("btcusdt", Fraction(1, 1000), 2)
    assert isinstance(push, AccountPush)
    mark = core.mark("btcusdt")
    assert mark is not None
    assert (push.account, push.reason, push.wallet) == ("a", "FUNDING", wallet - mark / 1000)


def test_a_liquidation_ends_the_orders_and_closes_the_position_as_the_exchange_s_own_order() -> None:
    core = trading()
    core.place("a", order(BUY, None, "1", "taker"), 1)
    core.place("a", order(BUY, "99.00", "1", "resting"), 2)
    pushes = core.liquidate("a", "btcusdt", "autoclose-1", 3)
    assert told(pushes) == [
        ("CANCELED", "CANCELED", ""),
        ("NEW", "NEW", ""),
        ("CALCULATED", "FILLED", "1.000"),
    ]
    assert core.accounts["a"].position("btcusdt").amount == 0
    assert core.liquidate("a", "btcusdt", "autoclose-2", 4) == []


def test_an_account_that_keeps_positions_in_two_ways_has_its_orders_refused() -> None:
    core = trading()
    core.hedged.add("a")
    assert core.place("a", order(BUY, "99.00"), 1)[0] == Broken(Rule.POSITION_SIDE)
    assert isinstance(core.place("b", order(BUY, "99.00"), 1)[0], OrderState)


PRICES = st.integers(996, 1006).map(lambda tick: f"{tick * Decimal('0.10'):.2f}")
SIZES = st.integers(1, 4).map(lambda lots: f"{lots}.000")
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("place"),
            st.sampled_from("ab"),
            st.sampled_from([BUY, SELL]),
            st.none() | PRICES,
            SIZES,
            st.sampled_from(Tif),
            st.booleans(),
            st.sampled_from(SelfTrade),
            st.sampled_from(["c1", "c2", "c3"]),
        ),
        st.tuples(st.just("cancel"), st.sampled_from("ab"), st.sampled_from(["c1", "c2", "c3"])),
        st.tuples(st.just("modify"), st.sampled_from("ab"), st.sampled_from(["c1", "c2", "c3"]), PRICES, SIZES),
        st.tuples(st.just("all"), st.sampled_from("ab")),
        st.tuples(st.just("print"), PRICES, SIZES, st.booleans()),
        st.tuples(st.just("quote"), st.integers(996, 1004), st.integers(1, 3)),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=200)
@given(STEPS)
def test_money_quantity_and_statuses_agree_whatever_happens(steps: list[tuple[object, ...]]) -> None:
    core = trading(1000)
    fills: Counter[int] = Counter()
    ended: Counter[int] = Counter()
    first: dict[int, Did] = {}
    for now_ms, (what, *values) in enumerate(steps, 1):
        pushes: list[Push] = []
        match what:
            case "place":
                account, side, price, quantity, tif, reduce_only, prevention, client_id = values
                new = order(side, price, quantity, client_id, tif=tif, reduce_only=reduce_only, self_trade=prevention)  # type: ignore[arg-type]
                _, pushes = core.place(account, new, now_ms)  # type: ignore[arg-type]
            case "cancel":
                _, pushes = core.cancel(values[0], "btcusdt", None, values[1], now_ms)  # type: ignore[arg-type]
            case "modify":
                account, client_id, price, quantity = values
                _, pushes = core.modify(account, "btcusdt", None, client_id, Decimal(price), Decimal(quantity), now_ms)  # type: ignore[arg-type]
            case "all":
                pushes = core.cancel_all(values[0], "btcusdt", now_ms)  # type: ignore[arg-type]
            case "print":
                price, quantity, sold = values
                pushes = core.on_message("btcusdt", Trade(now_ms, now_ms, now_ms, price, quantity, sold), now_ms)  # type: ignore[arg-type]
            case "quote":
                bid, ask = (f"{tick * Decimal('0.10'):.2f}" for tick in (values[0], values[0] + values[1]))  # type: ignore[operator]
                quote = Quote(1000 + now_ms, now_ms, now_ms, (bid, "2.000"), (ask, "2.000"))
                pushes = core.on_message("btcusdt", quote, now_ms)
        for push in pushes:
            if isinstance(push, OrderPush):
                assert not ended[push.order.id], "nothing is told after the end"
                first.setdefault(push.order.id, push.did)
                if push.execution is not None:
                    fills[push.order.id] += int(push.execution.quantity * 1000)
                assert fills[push.order.id] == push.order.executed * 1000 <= push.order.new.quantity * 1000
                ended[push.order.id] += push.order.status not in OPEN
        for state in core.orders.values():
            if state.status in OPEN and state.new.reduce_only:
                amount = core.accounts[state.account].position("btcusdt").amount
                assert state.new.quantity - state.executed <= -state.new.side * amount
            assert (state.status in OPEN) == (state.id in core.books["btcusdt"].orders) == (not ended[state.id])
        assert set(first.values()) <= {Did.NEW}, "an order's first push says that it is new"
        for name, account_state in core.accounts.items():
            mine = [one for one in core.executions if one.account == name]
            bought = sum((one.side * Fraction(one.quantity) for one in mine), Fraction(0))
            cash = sum((-one.side * Fraction(one.price * one.quantity) for one in mine), Fraction(0))
            position = account_state.position("btcusdt")
            assert position.amount == bought
            assert account_state.wallet == 1000 + cash + position.cost - sum((one.fee for one in mine), Fraction(0))


def test_a_reduce_only_order_shrinks_with_the_position_in_its_place_and_ends_with_it() -> None:
    core = trading()
    core.place("a", order(BUY, None, "2", "open"), 1)
    core.place("a", order(SELL, "100.30", "1.5", "close", reduce_only=True), 2)
    core.place("b", order(SELL, "100.30", "1", "behind"), 3)
    _, pushes = core.place("a", order(SELL, None, "1", "less"), 4)
    assert told(pushes)[-1] == ("AMENDMENT", "NEW", "")
    shrunk = pushes[-1]
    assert isinstance(shrunk, OrderPush)
    assert (shrunk.order.new.client_id, shrunk.order.new.quantity) == ("close", Decimal("1.000"))
    pushes = core.on_message("btcusdt", Trade(1, 5, 5, "100.30", "0.400", False), 5)
    assert told(pushes) == [("TRADE", "PARTIALLY_FILLED", "0.400")], "it kept its place before the other"
    _, pushes = core.place("a", order(SELL, None, "0.6", "rest"), 6)
    assert told(pushes)[-1] == ("EXPIRED", "EXPIRED", "")
    ended = core.find("a", "btcusdt", None, "close")
    assert ended is not None
    assert (ended.executed, ended.new.quantity) == (Decimal("0.400"), Decimal("1.000"))
    assert core.accounts["a"].position("btcusdt").amount == 0


def test_two_reduce_only_orders_never_turn_a_position_even_within_one_print() -> None:
    core = trading()
    core.place("a", order(BUY, None, "1", "open"), 1)
    for name in ("first", "second"):
        core.place("a", order(SELL, "100.30", "1", name, reduce_only=True), 2)
    pushes = core.on_message("btcusdt", Trade(1, 5, 5, "100.30", "9.000", False), 5)
    assert told(pushes) == [("TRADE", "FILLED", "1.000"), ("EXPIRED", "EXPIRED", "")]
    assert core.accounts["a"].position("btcusdt").amount == 0


def test_a_reduce_only_order_partly_filled_may_be_modified_to_what_the_position_still_allows() -> None:
    core = trading()
    core.place("a", order(BUY, None, "1", "open"), 1)
    core.place("a", order(SELL, "100.30", "1", "close", reduce_only=True), 2)
    core.on_message("btcusdt", Trade(1, 5, 5, "100.30", "0.400", False), 5)
    state, _ = core.modify("a", "btcusdt", None, "close", Decimal("100.40"), Decimal(1), 6)
    assert isinstance(state, OrderState)
    state, _ = core.modify("a", "btcusdt", None, "close", Decimal("100.40"), Decimal("1.1"), 7)
    assert state == Broken(Rule.REDUCE_ONLY, "3/5")
