"""Bybit's trading half against the documented payloads and the simulated exchange's own reading of requests."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.bybit import LINEAR_TRADING as VENUE
from marketlink.venues.bybit.words import ending
from marketlink.venues.signing import HmacSigner
from marketlink.venues.trading import (
    Accepted,
    BalanceReport,
    Call,
    Change,
    Fill,
    Op,
    Placement,
    PositionReport,
    Refusal,
    StreamStep,
    Unused,
    Verdict,
    judge,
)
from venue_sim.auth import Key, admit
from venue_sim.market import Instrument
from venue_sim.venues.bybit import BYBIT_TRADE as JUDGE

NOW_MS = 1_700_000_000_000
SIGNER = HmacSigner("the-key", "the-secret")
KEYS = {"the-key": Key("mine", "the-secret")}
COINS = {"btcusdt": Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")}
ORDER = Placement(
    "BTCUSDT", "mm+ /1", Side.BUY, OrderType.LIMIT, TimeInForce.GTX, Decimal("100.10"), Decimal("0.5"), True
)


@pytest.fixture(scope="module")
def rest(shared_data: Path) -> dict[str, bytes]:
    items = json.loads((shared_data / "payloads" / "bybit_rest_jkorf.json").read_text())["items"]
    return {item["path"].rpartition("/")[2][:-4]: orjson.dumps(item["response"]) for item in items}


@pytest.fixture(scope="module")
def pushes(shared_data: Path) -> dict[str, list[bytes]]:
    items = json.loads((shared_data / "payloads" / "bybit_ws_jkorf.json").read_text())["items"]
    return {
        item["path"].rpartition("/")[2][:-4]: [orjson.dumps(m["msg"]) for m in item["messages"] if m["dir"] != "sent"]
        for item in items
        if "/Private/" in item["path"]
    }


CALLS = [
    VENUE.submit(ORDER),
    VENUE.cancel("BTCUSDT", "a/%"),
    VENUE.modify(Change("BTCUSDT", "a", Side.BUY, Decimal("1E+2"), Decimal("0.001"))),
    VENUE.cancel_many("BTCUSDT", ["a", "b"]),
    VENUE.cancel_all("BTCUSDT"),
    VENUE.query("BTCUSDT", "a&b=1"),
    VENUE.query_past("BTCUSDT", "a"),
    VENUE.open_orders("BTCUSDT"),
    VENUE.open_orders(),
    VENUE.trades("BTCUSDT", start_ms=5, from_id="7"),
    VENUE.positions(),
    VENUE.balances(),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.op.value)
def test_what_is_signed_is_what_is_sent_and_the_exchange_reads_it(call: Call) -> None:
    target, headers, body = VENUE.rest_request(call, SIGNER, NOW_MS, 2_000)
    lower = {name.lower(): value for name, value in headers.items()}
    parts = urlsplit(target)
    who = JUDGE.credentials(parts.query, body.decode(), lower)
    assert admit(KEYS, who.key, who.parameters, who.payload, who.signature, NOW_MS + 5) == "mine"
    assert JUDGE.parse(call.method, parts.path, who.parameters, COINS) is not None
    said = dict(parse_qsl(parts.query)) if call.method == "GET" else json.loads(body)
    assert set(said) == {name for name, _ in call.params}
    assert all("E" not in str(value) for name, value in said.items() if name in ("price", "qty"))


def test_an_order_is_asked_for_in_the_exchange_s_words() -> None:
    body = json.loads(VENUE.rest_request(VENUE.submit(ORDER), SIGNER, 1, 2)[2])
    assert body == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.5",
        "price": "100.10",
        "timeInForce": "PostOnly",
        "orderLinkId": "mm+ /1",
        "positionIdx": 0,
        "reduceOnly": True,
    }
    assert "smpType" in dict(VENUE.with_self_trade("CancelTaker").submit(ORDER).params)
    with pytest.raises(ValueError, match="CancelBoth"):
        VENUE.with_self_trade("EXPIRE_MAKER")


def test_the_documented_answers_are_read(rest: dict[str, bytes]) -> None:
    assert VENUE.read_order(rest["PlaceOrder"]) == Accepted("spot-test-postonly", "1321003749386327552")
    for name in ("CancelOrder", "EditOrder"):
        assert VENUE.read_order(rest[name]) == Accepted("linear-004", "c6f055d9-7f21-4079-913d-e6523a9cfffa")
    first, second = VENUE.read_many(rest["CancelMultipleOrders"])
    assert first == Accepted("spot-btc-03", "1666800494330512128")
    assert second == Refusal(200, 170213, "Order does not exist.")
    (live,) = VENUE.read_open_orders(rest["GetOrders"])
    assert (live.client_id, live.status, live.price, live.qty) == (
        "test-000005",
        Status.NEW,
        Decimal("1600.00"),
        Decimal("0.10"),
    )
    past = VENUE.read_query(rest["GetOrderHistory"])
    assert past is not None
    assert (past.status, past.reason, past.time_ns) == (Status.EXPIRED, "post-only", 1684476068372_000_000)
    (fill,) = VENUE.read_trades(rest["GetUserTrades"])
    assert (fill.trade_id, fill.qty, fill.fee, fill.maker) == (
        "e0cbe81d-0f18-5866-9415-cf319b5dab3b", Decimal("0.1"), Decimal("0.071409"), False,
    )  # fmt: skip
    (position,) = VENUE.read_positions(rest["GetPositions"])
    assert (position.qty, position.side, position.entry_price) == (Decimal(-300), "BOTH", Decimal("27464.50441675"))
    assert not VENUE.read_hedge_mode(rest["GetPositions"])
    assert VENUE.read_balances(rest["GetBalances"]) == [BalanceReport("BTC", Decimal(0), 1690872862481_000_000)]
    for name in ("CancelAllOrder", "PlaceOrder", "SetDisconnectCancelAll", "SwitchPositionMode"):
        assert VENUE.read_refusal(200, rest[name]) is None


def test_the_documented_events_are_read(pushes: dict[str, list[bytes]]) -> None:
    kinds = {}
    for name, frames in pushes.items():
        if name in ("PlaceOrder", "EditOrder", "CancelOrder"):
            answers = [VENUE.read_api(frame) for frame in frames]
            assert all(answer is not None and answer.status == 200 for answer in answers)
            assert answers[1] is not None
            assert answers[1].orders_used == (((1, 1),) if name != "CancelOrder" else ())
            accepted = VENUE.read_order(answers[1].body)
            assert accepted == Accepted("", "a4c1718e-fe53-4659-a118-1f6ecce04ad9")
            continue
        *steps, event = frames
        assert all(VENUE.read_private(step) == (StreamStep(),) for step in steps)
        kinds[name] = [type(one) for one in VENUE.read_private(event)]
    assert kinds == {
        "Balance": [BalanceReport],
        "Greeks": [Unused],
        "MinimalUserTrades": [Fill],
        "Order": [Unused],  # of an option
        "Position": [PositionReport],
        "SpreadUserTrade": [Unused],
        "UserTrades": [Fill],
    }
    (quick,) = VENUE.read_private(pushes["MinimalUserTrades"][-1])
    assert isinstance(quick, Fill)
    assert (quick.fee, quick.client_id, quick.qty) == (None, "test-00001", Decimal(3000))
    (position,) = VENUE.read_private(pushes["Position"][-1])
    assert isinstance(position, PositionReport)
    assert (position.side, position.qty) == ("SHORT", Decimal(0))


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        ({"cancelType": "CancelByUser"}, Status.CANCELED, ""),
        ({"cancelType": "CancelByUser", "timeInForce": "IOC"}, Status.CANCELED, ""),
        ({"timeInForce": "IOC", "cancelType": "UNKNOWN"}, Status.EXPIRED, "ioc"),
        ({"timeInForce": "PostOnly", "rejectReason": "EC_PostOnlyWillTakeLiquidity"}, Status.EXPIRED, "post-only"),
        ({"cancelType": "CancelBySmp"}, Status.EXPIRED, "self-trade"),
        ({"cancelType": "CancelByReduceOnly"}, Status.EXPIRED, "reduce-only"),
        ({"cancelType": "CancelByDCP"}, Status.CANCELED, "disconnect protection"),
    ],
)
def test_what_the_exchange_calls_cancelled_is_told_apart(row: dict[str, Any], status: Status, reason: str) -> None:
    assert ending(row, Status.CANCELED) == (status, reason)


@pytest.mark.parametrize(
    ("code", "op", "verdict"),
    [
        (10000, Op.SUBMIT, Verdict.UNKNOWN),
        (10002, Op.SUBMIT, Verdict.CLOCK),
        (10003, Op.QUERY, Verdict.FATAL),
        (10006, Op.SUBMIT, Verdict.RETRY_AFTER),
        (10016, Op.CANCEL, Verdict.UNKNOWN),
        (10019, Op.MODIFY, Verdict.UNKNOWN),
        (110001, Op.CANCEL, Verdict.GONE),
        (110001, Op.SUBMIT, Verdict.REFUSED),
        (110007, Op.SUBMIT, Verdict.REFUSED),
        (110072, Op.SUBMIT, Verdict.UNKNOWN),
        (20006, Op.SUBMIT, Verdict.UNKNOWN),
        (999999, Op.SUBMIT, Verdict.REFUSED),
    ],
)
def test_what_a_code_means(code: int, op: Op, verdict: Verdict) -> None:
    refusal = VENUE.read_refusal(200, orjson.dumps({"retCode": code, "retMsg": "x", "result": {}}))
    assert refusal is not None
    assert judge(VENUE.decisions, op, refusal).verdict is verdict


@given(
    status=st.integers(100, 599),
    code=st.none() | st.integers(-9999, 200_000),
    text=st.text(max_size=20),
    op=st.sampled_from(Op),
)
def test_the_table_decides_whatever_comes(status: int, code: int | None, text: str, op: Op) -> None:
    assert judge(VENUE.decisions, op, Refusal(status, code, text)) is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"retCode":0', b"[]"])
def test_what_is_no_answer_leaves_open_what_was_done(body: bytes) -> None:
    refusal = VENUE.read_refusal(200, body)
    assert refusal is not None
    assert judge(VENUE.decisions, Op.SUBMIT, refusal).verdict is Verdict.UNKNOWN


READERS = [
    VENUE.read_order, VENUE.read_many, VENUE.read_query, VENUE.read_open_orders, VENUE.read_trades, VENUE.read_positions,
    VENUE.read_balances, VENUE.read_hedge_mode, VENUE.read_time, VENUE.read_private, VENUE.read_api, VENUE.read_protection,
]  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.text(max_size=6) | st.sampled_from(["New", "Buy", "1.5", "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["retCode", "result", "list", "topic", "data", "op", "orderId", "qty", "symbol", "coin", "time", "execType", "size"]
        ), inner, max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@given(value=values, reader=st.sampled_from(READERS))
def test_whatever_comes_is_read_or_malformed(value: Any, reader: Any) -> None:
    try:
        reader(orjson.dumps(value) if not _too_big(value) else b"{")
    except MalformedMessage:
        pass


def _too_big(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def test_a_login_is_what_the_exchange_takes() -> None:
    login, subscribe = VENUE.stream_login(SIGNER, NOW_MS, 2_000)
    said = JUDGE.on_stream(login, KEYS, NOW_MS + 50)
    assert said is not None
    assert said.account == "mine"
    assert VENUE.read_private(said.answer) == (StreamStep(),)
    wanted = JUDGE.on_stream(subscribe, KEYS, NOW_MS)
    assert wanted is not None
    assert wanted.events == {"order", "execution", "position", "wallet", "execution.fast"}
    other = JUDGE.on_stream(login, {"the-key": Key("mine", "another")}, NOW_MS)
    assert other is not None
    (step,) = VENUE.read_private(other.answer)
    assert isinstance(step, StreamStep)
    assert step.refusal is not None
    assert judge(VENUE.decisions, Op.STREAM_START, step.refusal).verdict is Verdict.FATAL
    frame = VENUE.api_login(SIGNER, NOW_MS, 2_000)
    assert frame is not None
    answered = JUDGE.api_login(frame, KEYS, NOW_MS)
    assert answered is not None
    assert answered[1] == "the-key"


def test_pages_end_where_the_exchange_says() -> None:
    def body(rows: int, cursor: str) -> bytes:
        return orjson.dumps({"retCode": 0, "result": {"list": [{}] * rows, "nextPageCursor": cursor}})

    assert VENUE.next_page(Op.OPEN_ORDERS, body(50, "a%3D1%26")) == "a=1&"
    assert VENUE.next_page(Op.OPEN_ORDERS, body(3, "a")) == ""
    assert VENUE.next_page(Op.TRADES, body(100, "")) == ""
    target, _, _ = VENUE.rest_request(VENUE.open_orders("BTCUSDT", "a=1&"), SIGNER, 1, 2)
    assert target.endswith("cursor=a%3D1%26")
    assert isinstance(VENUE.read_query(b'{"retCode":0,"result":{"list":[]}}'), type(None))
