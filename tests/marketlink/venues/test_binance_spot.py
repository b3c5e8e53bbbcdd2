"""Binance spot's orders: what goes out, what answers and events mean, the table of errors, and the login of the account's stream."""

import base64
import json
import os
import pickle
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.binance import SPOT_TRADING
from marketlink.venues.binance.decisions import SPOT_DECISIONS, UNREADABLE
from marketlink.venues.decisions import as_markdown
from marketlink.venues.signing import Ed25519Signer, HmacSigner, make_signer
from marketlink.venues.trading import (
    BalanceReport,
    Change,
    Fill,
    HoldingReport,
    Op,
    OrderReport,
    Placement,
    Refusal,
    StreamKeyEnded,
    StreamStep,
    Unmodifiable,
    Unused,
    Verdict,
    judge,
)

SHARED = Path(os.environ.get("MARKETLINK_SHARED") or Path(__file__).parents[4] / "shared" / "data")
KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
HMAC, ED = HmacSigner("key", "secret"), make_signer("key", PEM)
ORDER = Placement("ethusdt", "mm-1", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, Decimal("2683.80"), Decimal("0.0200"))


def sent(order: Placement) -> dict[str, str]:
    call = SPOT_TRADING.submit(order)
    assert (call.method, call.path, call.orders) == ("POST", "/api/v3/order", 1)
    return dict(call.params)


@pytest.mark.parametrize("tif", ["GTC", "IOC", "FOK"])
def test_a_limit_order_says_how_long_it_stays(tif: str) -> None:
    assert sent(replace(ORDER, time_in_force=TimeInForce[tif])) == {
        "symbol": "ETHUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": tif,
        "price": "2683.80",
        "quantity": "0.0200",
        "newClientOrderId": "mm-1",
        "newOrderRespType": "RESULT",
    }


def test_post_only_is_a_type_without_a_time_in_force() -> None:
    params = sent(replace(ORDER, time_in_force=TimeInForce.GTX, reduce_only=True))
    assert params["type"] == "LIMIT_MAKER"
    assert not {"timeInForce", "reduceOnly"} & params.keys()


def test_a_market_order_has_neither_price_nor_time() -> None:
    params = sent(replace(ORDER, order_type=OrderType.MARKET, price=None))
    assert params["type"] == "MARKET"
    assert not {"timeInForce", "price"} & params.keys()


@pytest.mark.parametrize(
    "change", [{"price": None}, {"time_in_force": TimeInForce.UNSUPPORTED}, {"qty": Decimal("NaN")}]
)
def test_what_can_not_be_said_is_never_sent(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"can't be sent|without a price|no price or quantity"):
        SPOT_TRADING.submit(replace(ORDER, **change))


@pytest.mark.parametrize("mode", ["DECREMENT", "TRANSFER", "EXPIRE_BOTH", "NONE"])
def test_spot_s_modes_against_self_trades_are_its_own(mode: str) -> None:
    assert dict(SPOT_TRADING.with_self_trade(mode).submit(ORDER).params)["selfTradePreventionMode"] == mode
    with pytest.raises(ValueError, match="DECREMENT"):
        SPOT_TRADING.with_self_trade("whatever")


def test_only_a_lower_quantity_can_be_asked_for_and_the_order_keeps_its_name() -> None:
    change = Change("ethusdt", "mm-1", Side.BUY, Decimal(5), Decimal(1), Decimal(5), Decimal(2))
    call = SPOT_TRADING.modify(change)
    assert (call.method, call.path, call.orders) == ("PUT", "/api/v3/order/amend/keepPriority", 0)
    assert dict(call.params) == {
        "symbol": "ETHUSDT",
        "origClientOrderId": "mm-1",
        "newClientOrderId": "mm-1",
        "newQty": "1",
    }
    with pytest.raises(Unmodifiable, match="keep their price"):
        SPOT_TRADING.modify(replace(change, price=Decimal(6)))
    for qty in (2, 3):
        with pytest.raises(Unmodifiable, match="can only be lowered"):
            SPOT_TRADING.modify(replace(change, qty=Decimal(qty)))


def test_what_spot_has_not_is_no_request() -> None:
    assert SPOT_TRADING.hedge_mode() is SPOT_TRADING.countdown("x", 1) is SPOT_TRADING.stream_start() is None
    assert SPOT_TRADING.stream_keep("") is SPOT_TRADING.stream_end("") is None
    assert SPOT_TRADING.most_cancels == 1
    with pytest.raises(ValueError, match="no request that cancels several"):
        SPOT_TRADING.cancel_many("ethusdt", ["a", "b"])


def test_requests_weigh_what_the_exchange_says() -> None:
    venue = SPOT_TRADING
    calls = {
        "/api/v3/openOrders": [(venue.open_orders("x"), 6), (venue.open_orders(), 80), (venue.cancel_all("x"), 1)],
        "/api/v3/order": [(venue.query("x", "a"), 4), (venue.query("x", "", "7"), 4), (venue.cancel("x", "a"), 1)],
        "/api/v3/account": [(venue.positions(), 20), (venue.balances(), 20)],
        "/api/v3/myTrades": [(venue.trades("x", from_id="9"), 20), (venue.trades("x", start_ms=5), 20)],
        "/api/v3/time": [(venue.server_time(), 1)],
    }
    for path, each in calls.items():
        assert [(call.path, call.weight) for call, _ in each] == [(path, weight) for _, weight in each]
    assert dict(venue.query("x", "", "7").params) == {"symbol": "X", "orderId": "7"}
    assert venue.order_count_header(venue.order_limits[1]) == "X-MBX-ORDER-COUNT-1D"


@pytest.mark.parametrize("signer", [HMAC, ED])
def test_what_is_signed_is_what_is_sent_percent_encoded(signer: Any) -> None:
    order = replace(ORDER, symbol="币安人生usdt", client_id="a/b:c")
    path, headers, body = SPOT_TRADING.rest_request(SPOT_TRADING.submit(order), signer, 1_700_000_000_000, 2000)
    query = path.partition("?")[2]
    payload, _, signature = query.rpartition("&signature=")
    assert (headers, body) == ({"X-MBX-APIKEY": "key"}, b"")
    assert payload.isascii()
    assert dict(parse_qsl(payload))["symbol"] == "币安人生USDT"
    assert not set(signature) & set("+/=")
    if signer is HMAC:
        assert unquote(signature) == HMAC.sign(payload.encode())
    else:
        KEY.public_key().verify(base64.b64decode(unquote(signature)), payload.encode())


def test_the_websocket_api_takes_the_same_parameters_sorted_and_unencoded() -> None:
    frame = SPOT_TRADING.api_request(SPOT_TRADING.submit(ORDER), "7", ED, 1_700_000_000_000, 2000)
    assert frame is not None
    message = orjson.loads(frame)
    assert (message["id"], message["method"]) == ("7", "order.place")
    params = message["params"]
    signature = base64.b64decode(params.pop("signature"))
    KEY.public_key().verify(signature, "&".join(f"{name}={params[name]}" for name in sorted(params)).encode())
    change = Change("ethusdt", "mm-1", Side.BUY, Decimal(5), Decimal(1))
    frame = SPOT_TRADING.api_request(SPOT_TRADING.modify(change), "8", HMAC, 1, 2)
    assert frame is not None
    assert orjson.loads(frame)["method"] == "order.amend.keepPriority"


def test_the_stream_is_opened_by_signature_or_with_ed25519_by_a_session() -> None:
    (frame,) = SPOT_TRADING.stream_login(HMAC, 1_700_000_000_000, 2000)
    message = orjson.loads(frame)
    assert message["method"] == "userDataStream.subscribe.signature"
    assert message["params"] == {
        "apiKey": "key",
        "recvWindow": 2000,
        "timestamp": 1_700_000_000_000,
        "signature": HMAC.sign(b"apiKey=key&recvWindow=2000&timestamp=1700000000000"),
    }
    logon, subscribe = map(orjson.loads, SPOT_TRADING.stream_login(ED, 1_700_000_000_000, 2000))
    assert (logon["method"], subscribe["method"]) == ("session.logon", "userDataStream.subscribe")
    assert "params" not in subscribe
    payload = b"apiKey=key&recvWindow=2000&timestamp=1700000000000"
    KEY.public_key().verify(base64.b64decode(logon["params"]["signature"]), payload)


@pytest.mark.parametrize(
    ("root", "url"),
    [
        ("wss://ws-api.binance.com:443", "wss://ws-api.binance.com:443/ws-api/v3"),
        ("wss://ws-api.binance.com:443/ws-api/v3", "wss://ws-api.binance.com:443/ws-api/v3"),
        ("ws://127.0.0.1:9/ws-api/v3/", "ws://127.0.0.1:9/ws-api/v3"),
    ],
)
def test_the_stream_s_address_may_be_a_root_or_whole(root: str, url: str) -> None:
    assert SPOT_TRADING.stream_url(root, "", SPOT_TRADING.stream_forms[0]) == url
    with pytest.raises(ValueError, match="no form"):
        SPOT_TRADING.stream_url(root, "", "query")


def test_keys_show_nowhere_and_what_is_none_is_refused_without_showing_it() -> None:
    assert isinstance(ED, Ed25519Signer)
    assert isinstance(make_signer("key", "secret"), HmacSigner)
    assert isinstance(make_signer("key", "\n" + PEM + "\n"), Ed25519Signer)
    assert repr(ED) == "Ed25519Signer(...)"
    with pytest.raises(TypeError):
        pickle.dumps(ED)
    for secret in ("-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----", "-----BEGIN hush"):
        with pytest.raises(ValueError, match="PEM") as refused:
            make_signer("key", secret)
        assert "hush" not in str(refused.value)
        assert refused.value.__cause__ is None


def order_json(**more: Any) -> bytes:
    row = {
        "symbol": "LTCBTC",
        "orderId": 4,
        "clientOrderId": "mine",
        "transactTime": 1684804350068,
        "price": "2.00000000",
        "origQty": "1.00000000",
        "executedQty": "0.25000000",
        "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
    }
    return orjson.dumps({key: value for key, value in {**row, **more}.items() if value is not ...})


def test_an_answer_is_an_order_report() -> None:
    report = SPOT_TRADING.read_order(order_json())
    assert report == OrderReport(
        "ltcbtc",
        "mine",
        "4",
        Status.PARTIALLY_FILLED,
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.GTC,
        Decimal(2),
        Decimal(1),
        Decimal("0.25"),
        1684804350068_000_000,
    )


def test_a_cancel_s_answer_names_the_order_in_either_shape() -> None:
    one = order_json(origClientOrderId="mine", clientOrderId="cancelMyOrder1", status="CANCELED")
    listed = orjson.dumps({"orderListId": 1, "contingencyType": "OCO", "orderReports": [orjson.loads(one)]})
    assert SPOT_TRADING.read_order(one) == SPOT_TRADING.read_order(listed)
    assert SPOT_TRADING.read_order(one).client_id == "mine"
    assert SPOT_TRADING.read_order(one).status is Status.CANCELED


def test_an_amendment_s_answer_is_the_order_with_its_new_quantity() -> None:
    order = orjson.loads(order_json(qty="0.50000000", origQty=..., transactTime=..., origClientOrderId="mine"))
    report = SPOT_TRADING.read_order(orjson.dumps({"transactTime": 7, "executionId": 75, "amendedOrder": order}))
    assert (report.client_id, report.qty, report.time_ns) == ("mine", Decimal("0.5"), 7_000_000)
    assert report.terms


def test_an_answer_without_its_quantities_is_not_believed() -> None:
    report = SPOT_TRADING.read_order(order_json(executedQty=..., status="FILLED"))
    assert (report.status, report.client_id) == (Status.UNSUPPORTED, "mine")
    with pytest.raises(MalformedMessage):
        SPOT_TRADING.read_order(order_json(clientOrderId=...))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "EXPIRED_IN_MATCH"}, "self-trade"),
        ({"status": "EXPIRED", "expiryReason": "INSUFFICIENT_LIQUIDITY"}, "insufficient liquidity"),
        ({"status": "EXPIRED"}, ""),
    ],
)
def test_why_an_order_ended_is_said_where_the_exchange_does(change: dict[str, str], reason: str) -> None:
    report = SPOT_TRADING.read_order(order_json(**change))
    assert (report.status, report.reason) == (Status.EXPIRED, reason)


def test_post_only_comes_back_as_what_was_asked_for() -> None:
    report = SPOT_TRADING.read_order(order_json(type="LIMIT_MAKER"))
    assert (report.order_type, report.time_in_force) == (OrderType.LIMIT, TimeInForce.GTX)


def test_trades_have_side_role_and_fee() -> None:
    row = {
        "symbol": "BNBBTC",
        "id": 28457,
        "orderId": 100234,
        "price": "4.00000100",
        "qty": "12.00000000",
        "commission": "10.10000000",
        "commissionAsset": "BNB",
        "time": 1499865549590,
        "isBuyer": False,
        "isMaker": True,
    }
    (fill,) = SPOT_TRADING.read_trades(orjson.dumps([row]))
    assert fill == Fill(
        "bnbbtc",
        "28457",
        "",
        "100234",
        Side.SELL,
        Decimal("4.000001"),
        Decimal(12),
        True,
        1499865549590_000_000,
        Decimal("10.1"),
        "BNB",
    )


def test_what_is_held_is_free_and_locked_together() -> None:
    balances = [{"asset": "BTC", "free": "1.3447112", "locked": "0.08600000"}]
    body = orjson.dumps({"updateTime": 1660801833000, "balances": balances})
    held = ("BTC", Decimal("1.4307112"), 1660801833000_000_000)
    assert SPOT_TRADING.read_positions(body) == [HoldingReport(*held)]
    assert SPOT_TRADING.read_balances(body) == [BalanceReport(*held)]


EXECUTION: dict[str, Any] = {
    "e": "executionReport",
    "E": 1499405658658,
    "s": "ETHBTC",
    "c": "mine",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "0.10264410",
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657,
    "t": -1,
    "m": False,
}


def pushed(event: dict[str, Any]) -> Any:
    wrapped = SPOT_TRADING.read_private(orjson.dumps({"subscriptionId": 0, "event": event}))
    assert SPOT_TRADING.read_private(orjson.dumps(event)) == wrapped
    return wrapped


def test_an_order_s_event_without_an_execution_has_no_fill() -> None:
    (report,) = pushed(EXECUTION)
    assert (report.client_id, report.status, report.fill, report.reason) == ("mine", Status.NEW, None, "")
    assert report.time_ns == 1499405658657_000_000


def test_an_execution_is_a_fill_with_its_fee() -> None:
    more = {"x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.4", "z": "0.4", "L": "0.1026", "n": "0.0004", "N": "ETH"}
    (report,) = pushed({**EXECUTION, **more, "t": 9, "m": True})
    assert report.fill == Fill(
        "ethbtc",
        "9",
        "mine",
        "4293153",
        Side.BUY,
        Decimal("0.1026"),
        Decimal("0.4"),
        True,
        1499405658657_000_000,
        Decimal("0.0004"),
        "ETH",
    )
    assert report.executed == Decimal("0.4")


def test_a_cancelled_order_is_known_by_the_name_it_had() -> None:
    (report,) = pushed({**EXECUTION, "c": "web_123", "C": "mine", "x": "CANCELED", "X": "CANCELED"})
    assert (report.client_id, report.status) == ("mine", Status.CANCELED)


def test_a_prevented_trade_expires_the_order_and_is_no_fill() -> None:
    (report,) = pushed({**EXECUTION, "x": "TRADE_PREVENTION", "X": "EXPIRED_IN_MATCH", "v": 3, "pl": "1"})
    assert (report.status, report.reason, report.fill) == (Status.EXPIRED, "self-trade", None)


def test_the_account_s_events_say_what_is_held() -> None:
    position = {"e": "outboundAccountPosition", "E": 5, "u": 3, "B": [{"a": "ETH", "f": "2.5", "l": "0.5"}]}
    assert pushed(position) == (
        HoldingReport("ETH", Decimal(3), 3_000_000),
        BalanceReport("ETH", Decimal(3), 3_000_000),
    )
    change = {"e": "balanceUpdate", "E": 5, "a": "BTC", "d": "-0.1", "T": 4}
    assert pushed(change) == (HoldingReport("BTC", Decimal("-0.1"), 4_000_000, change=True),)
    assert pushed({"e": "eventStreamTerminated", "E": 5}) == (StreamKeyEnded(),)
    assert pushed({"e": "listStatus", "E": 5}) == (Unused("listStatus", known=True),)
    assert pushed({"e": "never heard of"}) == (Unused("never heard of", known=False),)


@pytest.mark.parametrize(
    ("frame", "step"),
    [
        ({"id": "logon", "status": 200, "result": {"apiKey": "k", "authorizedSince": 1}}, StreamStep()),
        ({"id": "subscribe", "status": 200, "result": {"subscriptionId": 0}}, StreamStep()),
        ({"id": "subscribe", "status": 200, "result": {}}, StreamStep()),
        (
            {"id": "logon", "status": 401, "error": {"code": -2015, "msg": "Invalid API-key."}},
            StreamStep(Refusal(401, -2015, "Invalid API-key.")),
        ),
        ({"id": "subscribe", "status": 400, "error": {"code": -2035, "msg": "already active."}}, StreamStep()),
    ],
)
def test_the_login_s_answers_are_steps(frame: dict[str, Any], step: StreamStep) -> None:
    assert SPOT_TRADING.read_private(orjson.dumps(frame)) == (step,)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*EXECUTION, "event", "status", "error", "B", "u", "a"]), inner, max_size=4)
    ),
)


@given(
    JSON,
    st.sampled_from(sorted(EXECUTION)),
    st.sampled_from(["executionReport", "outboundAccountPosition", "balanceUpdate"]),
)
def test_no_event_and_no_answer_raises_anything_but_malformed(value: Any, field: str, kind: str) -> None:
    bodies = [value, {**EXECUTION, "e": kind, field: value}, {"e": kind, "B": value, "u": value}, {"balances": value}]
    for body in map(json.dumps, bodies):
        for read in (
            SPOT_TRADING.read_private,
            SPOT_TRADING.read_order,
            SPOT_TRADING.read_trades,
            SPOT_TRADING.read_open_orders,
            SPOT_TRADING.read_positions,
            SPOT_TRADING.read_api,
        ):
            try:
                read(body.encode())
            except MalformedMessage:
                pass


@pytest.mark.parametrize(
    ("op", "refusal", "verdict"),
    [
        *(
            (Op.SUBMIT, Refusal(status, code, "x"), Verdict.UNKNOWN)
            for status in (500, 502, 503, 504, 520)
            for code in (None, -1000, -2010, -1013)
        ),
        (Op.SUBMIT, Refusal(503, -1008, "Server is currently overloaded"), Verdict.RETRY_AFTER),
        (Op.SUBMIT, Refusal(503, None, UNREADABLE + "Service Unavailable."), Verdict.UNKNOWN),
        (Op.SUBMIT, Refusal(503, None, UNREADABLE + "Internal error; unable to process"), Verdict.UNKNOWN),
        (Op.SUBMIT, Refusal(400, -1007, "Timeout"), Verdict.UNKNOWN),
        (Op.SUBMIT, Refusal(400, -1006, "x"), Verdict.UNKNOWN),
        (Op.SUBMIT, Refusal(408, None, UNREADABLE), Verdict.UNKNOWN),
        (Op.SUBMIT, Refusal(403, None, UNREADABLE + "<html>"), Verdict.RETRY_AFTER),
        (Op.SUBMIT, Refusal(429, -1015, "Too many new orders"), Verdict.RETRY_AFTER),
        (Op.SUBMIT, Refusal(418, -1003, "banned"), Verdict.RETRY_AFTER),
        (Op.SUBMIT, Refusal(400, -2010, "Account has insufficient balance for requested action."), Verdict.REFUSED),
        (Op.SUBMIT, Refusal(400, -2010, "Order would immediately match and take."), Verdict.REFUSED),
        (Op.SUBMIT, Refusal(400, -2010, "Duplicate order sent."), Verdict.UNKNOWN),
        (Op.SUBMIT, Refusal(400, -1013, "Filter failure: NOTIONAL"), Verdict.REFUSED),
        (Op.SUBMIT, Refusal(400, -1021, "Timestamp"), Verdict.CLOCK),
        (Op.SUBMIT, Refusal(400, -1022, "Signature"), Verdict.FATAL),
        (Op.SUBMIT, Refusal(401, -2015, "Invalid API-key"), Verdict.FATAL),
        (Op.CANCEL, Refusal(400, -2011, "Unknown order sent."), Verdict.GONE),
        (Op.CANCEL, Refusal(400, -2011, "Order was not canceled due to cancel restrictions."), Verdict.REFUSED),
        (Op.MODIFY, Refusal(400, -2038, "The new quantity must be lower."), Verdict.REFUSED),
        (Op.MODIFY, Refusal(400, -2013, "Order does not exist."), Verdict.GONE),
        (Op.CANCEL, Refusal(400, -2039, "Client order ID is not correct for this order ID."), Verdict.REFUSED),
        (Op.QUERY, Refusal(400, -2013, "Order does not exist."), Verdict.GONE),
        (Op.QUERY, Refusal(400, -2026, "Order was canceled or expired"), Verdict.GONE),
        (Op.STREAM_START, Refusal(400, -2035, "already active"), Verdict.SUCCESS),
    ],
)  # fmt: skip
def test_what_an_error_means(op: Op, refusal: Refusal, verdict: Verdict) -> None:
    assert judge(SPOT_DECISIONS, op, refusal).verdict is verdict


def test_a_post_only_order_that_would_take_is_a_normal_refusal() -> None:
    assert judge(SPOT_DECISIONS, Op.SUBMIT, Refusal(400, -2010, "Order would immediately match and take.")).post_only
    assert not judge(SPOT_DECISIONS, Op.SUBMIT, Refusal(400, -2010, "Account has insufficient balance")).post_only


@given(st.sampled_from(Op), st.integers(100, 599), st.none() | st.integers(-9999, 9999), st.text(max_size=9))
def test_the_table_decides_everything(op: Op, status: int, code: int | None, words: str) -> None:
    verdict = judge(SPOT_DECISIONS, op, Refusal(status, code, words)).verdict
    if status >= 500 and code not in (-1003, -1008, -1015, -1034):
        assert verdict is Verdict.UNKNOWN


def shared(name: str) -> Any:
    path = SHARED / "payloads" / name
    if not path.exists():
        pytest.skip(f"no payloads at {path}: set MARKETLINK_SHARED")
    return json.loads(path.read_text())


def published() -> list[tuple[str, str, bytes]]:
    found = []
    for name in ("binance_official_connector_spot.json", "binance_rest_jkorf.json"):
        for item in shared(name)["items"]:
            header = item.get("header") or [item.get("verb"), item.get("endpoint")]
            found.append((header[0], header[1], orjson.dumps(item.get("expected_response", item.get("response")))))
    return found


def test_every_published_answer_of_a_used_request_is_read() -> None:
    readers: dict[tuple[str, str], Any] = {
        ("GET", "/api/v3/account"): SPOT_TRADING.read_positions,
        ("GET", "/api/v3/openOrders"): SPOT_TRADING.read_open_orders,
        ("GET", "/api/v3/order"): SPOT_TRADING.read_order,
        ("POST", "/api/v3/order"): SPOT_TRADING.read_order,
        ("DELETE", "/api/v3/order"): SPOT_TRADING.read_order,
        ("PUT", "/api/v3/order/amend/keepPriority"): SPOT_TRADING.read_order,
        ("GET", "/api/v3/myTrades"): SPOT_TRADING.read_trades,
        ("GET", "/api/v3/time"): SPOT_TRADING.read_time,
    }
    seen = set()
    for verb, endpoint, body in published():
        if (verb, endpoint) in readers:
            assert SPOT_TRADING.read_refusal(200, body) is None
            read = readers[verb, endpoint](body)
            assert read
            seen.add((verb, endpoint))
    assert seen == readers.keys()


def test_every_published_answer_and_event_of_the_websocket_api_is_read() -> None:
    kinds = set()
    for item in shared("binance_ws_jkorf.json")["items"]:
        name = item["path"]
        for message in item["messages"]:
            frame = orjson.dumps(message["msg"])
            if "Socket/Spot/Trading" in name and message["dir"] == "pushed":
                answer = SPOT_TRADING.read_api(frame)
                if any(word in name for word in ("/AmendOrder", "/CancelOrder", "/GetOrder.", "/PlaceOrder")):
                    assert SPOT_TRADING.read_order(answer.body).client_id
                if "/GetUserTrades" in name:
                    assert SPOT_TRADING.read_trades(answer.body)
                if "/GetOpenOrders" in name:
                    assert SPOT_TRADING.read_open_orders(answer.body)
            if "Subscriptions/Spot/Account" in name and message["dir"] != "sent":
                kinds |= {type(one) for one in SPOT_TRADING.read_private(frame)}
    assert {OrderReport, HoldingReport, BalanceReport, StreamStep} <= kinds


def test_every_published_error_has_a_meaning() -> None:
    for code, row in shared("binance_spot_error_codes.json").items():
        for op in (Op.SUBMIT, Op.CANCEL, Op.MODIFY, Op.QUERY):
            decision = judge(SPOT_DECISIONS, op, Refusal(400, int(code), row["text"]))
            assert decision.meaning


def test_the_page_prints_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs/venues/spot.md").read_text()
    assert as_markdown(SPOT_DECISIONS) in page
