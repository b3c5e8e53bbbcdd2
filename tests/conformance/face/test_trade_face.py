"""What the trading half of every face must do. A new face is one more row of `CASES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_sim.accounts import Account, AnyAccount, HoldingAccount, InverseAccount
from venue_sim.auth import Denied
from venue_sim.config import OPERATIONS
from venue_sim.face import Body
from venue_sim.filters import Broken, Rule
from venue_sim.limits import OrderPool
from venue_sim.market import BookState, Instrument
from venue_sim.matching import BUY, SELL, SelfTrade, Tif
from venue_sim.orders import AccountPush, NewOrder, OrderPush, OrderState
from venue_sim.trade_face import (
    ApiRequest,
    ApiWrong,
    Cancel,
    CancelAll,
    Countdown,
    Lower,
    Modify,
    OrderRef,
    Place,
    PrivateAsk,
    QueryAccount,
    QueryBalance,
    QueryHedge,
    QueryOpen,
    QueryOrder,
    QueryPools,
    QueryPositions,
    QueryTrades,
    TradeFace,
    UserStream,
    What,
    Wrong,
    words_of,
)
from venue_sim.trading import Trading
from venue_sim.venues.bybit import BYBIT_TRADE
from venue_sim.venues.coinm import COINM_TRADE
from venue_sim.venues.papi import PAPI_TRADE
from venue_sim.venues.spot import SPOT_TRADE
from venue_sim.venues.usdm import USDM_TRADE

COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")
SYMBOLS = {"btcusdt": COIN}


@dataclass(frozen=True)
class Case:
    """A face, its order request, the parameters of one that is right, and whether that is answered whole; the kind of its accounts,
    and what its orders do with others of their account.

    `coded`: errors come with HTTP 200 and a code. `pushes`: how many events a fill makes of an order.
    """

    name: str
    face: TradeFace
    order: tuple[str, str]
    right: Mapping[str, str]
    whole: bool = False
    account: Callable[[], AnyAccount] = lambda: Account("a", Fraction(1_000_000))
    prevention: SelfTrade = SelfTrade.EXPIRE_MAKER
    coded: bool = False
    pushes: int = 1

    def is_refusal(self, body: Body) -> bool:
        """Whether an answer refuses."""
        if self.coded:
            return body.status == 200 and orjson.loads(body.body)["retCode"] != 0
        return 400 <= body.status < 500 and isinstance(orjson.loads(body.body), dict)


def rich() -> HoldingAccount:
    return HoldingAccount("a", {"BTC": Fraction(1000), "USDT": Fraction(1_000_000)}, SYMBOLS)


def coins() -> InverseAccount:
    return InverseAccount("a", {"BTC": Fraction(1_000_000)}, SYMBOLS)


RIGHT = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "IOC",
    "price": "100.10",
    "quantity": "0.5",
    "newClientOrderId": "me",
}
CASES = [
    Case("usdm", USDM_TRADE, ("POST", "/fapi/v1/order"), RIGHT),
    Case("coinm", COINM_TRADE, ("POST", "/dapi/v1/order"), RIGHT, account=coins),
    Case("spot", SPOT_TRADE, ("POST", "/api/v3/order"), RIGHT, whole=True, account=rich),
    Case("papi", PAPI_TRADE, ("POST", "/papi/v1/um/order"), RIGHT, prevention=SelfTrade.NONE),
    Case(
        "bybit",
        BYBIT_TRADE,
        ("POST", "/v5/order/create"),
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "side": "Sell",
            "orderType": "Limit",
            "timeInForce": "IOC",
            "price": "100.10",
            "qty": "0.5",
            "orderLinkId": "me",
        },
        coded=True,
        pushes=2,
    ),
]
each_face = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_face
def test_an_order_request_reads_as_the_order_it_is(case: Case) -> None:
    ask = case.face.parse(*case.order, case.right, SYMBOLS)
    assert ask is not None
    assert ask.orders == 1
    new = NewOrder("btcusdt", SELL, Decimal("100.10"), Decimal("0.5"), "me", Tif.IOC, self_trade=case.prevention)
    assert ask.what == Place(new, case.whole)


@each_face
@given(data=st.data())
def test_whatever_a_parameter_says_the_request_is_read_or_refused(case: Case, data: st.DataObject) -> None:
    parameters = dict(case.right)
    for name in data.draw(st.lists(st.sampled_from(sorted(parameters)), min_size=1, max_size=3)):
        value = data.draw(st.none() | st.text(max_size=6) | st.sampled_from(["0", "-1", "1e5", "NaN", "true", "[]"]))
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = value
    ask = case.face.parse(*case.order, parameters, SYMBOLS)
    assert isinstance(ask, PrivateAsk)
    assert isinstance(ask.what, Place | Wrong)
    if isinstance(ask.what, Wrong):
        assert case.is_refusal(ask.what.answer)


@each_face
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    path=st.text(max_size=20)
    | st.sampled_from(
        ["", "/", "/fapi/", "/fapi/v", "/fapi/v1", "/fapi/v1/", "/fapi/v9/order", "/papi/v1/", "/papi/v1/um/"]
    ),
)
def test_any_other_path_is_no_private_request_or_a_wrong_one(case: Case, method: str, path: str) -> None:
    ask = case.face.parse(method, path, {}, SYMBOLS)
    assert ask is None or isinstance(ask, PrivateAsk)


@each_face
@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "method", "params", "apiKey", "signature"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(orjson.dumps)
)
def test_any_text_over_the_websocket_api_is_a_request_or_has_an_answer(case: Case, text: bytes) -> None:
    request = case.face.parse_api(text)
    if isinstance(request, ApiWrong):
        assert isinstance(orjson.loads(request.answer), dict)
    else:
        assert isinstance(request, ApiRequest)


@each_face
def test_every_rule_and_every_denial_has_an_answer_of_its_own_words(case: Case) -> None:
    for rule in Rule:
        answer = case.face.broken(Broken(rule, "7"))
        assert case.is_refusal(answer)
        assert "{}" not in answer.body.decode().replace('"result":{}', "").replace('"retExtInfo":{}', "")
    for why in Denied:
        assert case.is_refusal(case.face.denied(why))
    assert case.is_refusal(case.face.too_many_orders(OrderPool(10, 300)))


@each_face
@given(
    side=st.sampled_from([BUY, SELL]),
    price=st.none() | st.integers(950, 1050),
    lots=st.integers(50, 5000),
    tif=st.sampled_from(Tif),
    prevention=st.sampled_from(SelfTrade),
)
def test_whatever_happened_to_an_order_can_be_told_and_asked_for(
    case: Case, side: int, price: int | None, lots: int, tif: Tif, prevention: SelfTrade
) -> None:
    face = case.face
    trading = Trading(SYMBOLS, {"a": case.account()})
    trading.on_book("btcusdt", BookState(1, 0, 0, [("100.00", "1.000")], [("100.10", "1.000")]), 0)
    exact = None if price is None else price * Decimal("0.10")
    state, pushes = trading.place(
        "a", NewOrder("btcusdt", side, exact, lots * Decimal("0.001"), "me", tif, False, prevention), 5
    )
    bodies: list[Body] = [
        face.orders(list(trading.orders.values())),
        face.trades(trading.executions, SYMBOLS),
        *(face.positions(trading.accounts["a"], trading, None, version, 5) for version in (1, 2, 3)),
        *(face.account(trading.accounts["a"], trading, version, 5) for version in (2, 3)),
        *(face.balance(trading.accounts["a"], trading, version, 5) for version in (2, 3)),
    ]
    if isinstance(state, OrderState):
        bodies += [face.order(state), *(face.acknowledgement(state, whole=whole) for whole in (True, False))]
    for body in bodies:
        assert body.status == 200
        orjson.loads(body.body)
        answer = orjson.loads(face.api_answer(7, body, 3, [(OrderPool(10, 300), 1)]))
        assert answer["id"] == 7
    texts = [text for push in pushes for text in face.push(push, SYMBOLS)]
    fills = sum(isinstance(push, OrderPush) and push.execution is not None for push in pushes)
    moves = sum(isinstance(push, AccountPush) for push in pushes)
    assert len(texts) == len(pushes) + (fills + moves) * (case.pushes - 1)
    short = [text for push in pushes if (text := face.quick(push)) is not None]
    assert len(short) in (0, len(trading.executions)), "every fill has a short message, or none has"
    more = [text for one in texts if (text := face.again(one)) is not None]
    assert len(more) == len(trading.executions)
    assert not {text.data for text in more} & {text.data for text in texts}
    for text in texts + short + more:
        assert text.event in text.words
        assert isinstance(orjson.loads(text.data), dict)
        assert orjson.loads(face.wrap("key", text.data))
    assert orjson.loads(face.key_expired("key", 5).data)


@each_face
def test_what_a_request_does_has_words_that_a_fault_may_say(case: Case) -> None:
    ask = case.face.parse("POST", case.face.order_path, case.right, SYMBOLS)
    assert ask is not None
    assert words_of(ask.what) == ("submit", "submit_ioc", "orders")
    ref = OrderRef("btcusdt", 1, None)
    whats: list[What] = [
        ask.what,
        Modify(ref, BUY, Decimal(1), Decimal(1)),
        Lower(ref, Decimal(1)),
        Cancel((ref,), False),
        Cancel((ref,), True),
        CancelAll("btcusdt"),
        Countdown("btcusdt", 1),
        QueryOrder(ref),
        QueryOpen(None),
        QueryTrades("btcusdt", None, None, None, None, 1),
        QueryPositions(None, 2),
        QueryAccount(2),
        QueryBalance(2),
        QueryHedge(),
        QueryPools(),
        UserStream("start", ""),
        UserStream("subscribe", "", signed=True),
    ]
    for what in whats:
        assert words_of(what)
        assert set(words_of(what)) <= OPERATIONS
    said = {word for what in whats for word in words_of(what)}
    assert OPERATIONS - said == {"submit_gtc", "submit_gtx", "submit_fok", "submit_market"}
