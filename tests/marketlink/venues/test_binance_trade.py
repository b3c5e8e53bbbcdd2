"""Requests that the simulated exchange, which knows nothing of this code, lets in and reads; answers that it writes."""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marketlink.errors import MalformedMessage
from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.binance import USDM_TRADING as VENUE
from marketlink.venues.signing import HmacSigner
from marketlink.venues.trading import Call, Change, Fill, Op, OrderReport, Placement, PositionReport, Refusal
from venue_sim.accounts import Account
from venue_sim.auth import Key, admit, payload_of
from venue_sim.face import Body
from venue_sim.limits import OrderPool
from venue_sim.market import BookState, Instrument
from venue_sim.matching import BUY, SELL, Tif
from venue_sim.trade_face import (
    ApiRequest,
    Cancel,
    CancelAll,
    Countdown,
    Modify,
    OrderRef,
    Place,
    QueryBalance,
    QueryHedge,
    QueryOpen,
    QueryOrder,
    QueryPositions,
    QueryTrades,
    UserStream,
    What,
)
from venue_sim.trading import NewOrder, OrderState, Trading
from venue_sim.venues.usdm import USDM_TRADE as judge

COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")
COINS = {"btcusdt": COIN}
SIGNER = HmacSigner("key", "secret")
KEYS = {"key": Key("mine", "secret")}
NOW_MS = 1_700_000_000_000
CLIENT_IDS = st.text("ABCxyz019.:/_-", min_size=1, max_size=36)
POSITIVE = st.decimals(Decimal("0.00000001"), Decimal(10**9), places=8)


def read_by_exchange(call: Call) -> What:
    """Let the exchange check key, signature, weight and number of orders of a request, and read it."""
    target, headers, body = VENUE.rest_request(call, SIGNER, NOW_MS, 2000)
    assert body == b""
    path, _, query = target.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    if call.signed:
        assert admit(KEYS, headers["X-MBX-APIKEY"], parameters, *payload_of(query, ""), NOW_MS + 5) == "mine"
        assert parameters["recvWindow"] == "2000"
    asked = judge.parse(call.method, path, parameters, COINS)
    assert asked is not None
    assert (asked.weight, asked.orders) == (call.weight, call.orders)
    return asked.what


def read_over_socket(call: Call) -> What | None:
    frame = VENUE.api_request(call, "r-7", SIGNER, NOW_MS, 2000)
    if frame is None:
        return None
    request = judge.parse_api(frame)
    assert isinstance(request, ApiRequest)
    assert request.id == "r-7"
    assert admit(KEYS, request.key, request.parameters, request.payload, request.signature, NOW_MS + 5) == "mine"
    params = orjson.loads(frame)["params"]
    numbers = {name for name, value in params.items() if type(value) is int}
    assert numbers == {"timestamp", "recvWindow"}, "integers are numbers, prices and quantities are text"
    asked = judge.parse(request.method, request.path, request.parameters, COINS)
    assert asked is not None
    return asked.what


@given(
    CLIENT_IDS,
    st.sampled_from([Side.BUY, Side.SELL]),
    st.sampled_from([OrderType.LIMIT, OrderType.MARKET]),
    st.sampled_from([TimeInForce.GTC, TimeInForce.GTX, TimeInForce.FOK, TimeInForce.IOC]),
    POSITIVE,
    POSITIVE,
    st.booleans(),
)
def test_an_order_is_read_by_the_exchange_as_it_was_meant(
    client_id: str, side: Side, kind: OrderType, tif: TimeInForce, price: Decimal, qty: Decimal, reduce_only: bool
) -> None:
    order = Placement("btcusdt", client_id, side, kind, tif, price, qty, reduce_only)
    call = VENUE.submit(order)
    for asked in (read_by_exchange(call), read_over_socket(call)):
        assert isinstance(asked, Place)
        assert asked.whole, "the answer tells what was executed"
        new = asked.new
        limit = kind is OrderType.LIMIT
        assert (new.symbol, new.side, new.quantity, new.client_id, new.reduce_only) == (
            "btcusdt",
            BUY if side is Side.BUY else SELL,
            qty,
            client_id,
            reduce_only,
        )
        assert (new.price, new.tif) == ((price, Tif(tif.name)) if limit else (None, Tif.GTC))


@given(CLIENT_IDS, POSITIVE, POSITIVE)
def test_a_change_states_price_and_quantity(client_id: str, price: Decimal, qty: Decimal) -> None:
    call = VENUE.modify(Change("btcusdt", client_id, Side.SELL, price, qty))
    expected = Modify(OrderRef("btcusdt", None, client_id), SELL, price, qty)
    assert read_by_exchange(call) == read_over_socket(call) == expected


@given(st.lists(CLIENT_IDS, min_size=1, max_size=10))
def test_up_to_ten_orders_are_cancelled_at_once(client_ids: list[str]) -> None:
    call = VENUE.cancel_many("btcusdt", client_ids)
    assert read_by_exchange(call) == Cancel(tuple(OrderRef("btcusdt", None, one) for one in client_ids), True)
    assert read_over_socket(call) is None


REF = OrderRef("btcusdt", None, "a:/b")


@pytest.mark.parametrize(
    ("call", "asked", "over_socket"),
    [
        (VENUE.cancel("btcusdt", "a:/b"), Cancel((REF,), False), True),
        (VENUE.query("btcusdt", "a:/b"), QueryOrder(REF), True),
        (VENUE.cancel_all("btcusdt"), CancelAll("btcusdt"), False),
        (VENUE.open_orders("btcusdt"), QueryOpen("btcusdt"), False),
        (VENUE.open_orders(), QueryOpen(None), False),
        (VENUE.trades("btcusdt", from_id="7"), QueryTrades("btcusdt", 7, None, None, None, 1000), False),
        (VENUE.trades("btcusdt", start_ms=8), QueryTrades("btcusdt", None, 8, None, None, 1000), False),
        (
            VENUE.trades("btcusdt", from_id="7", start_ms=8),
            QueryTrades("btcusdt", 7, None, None, None, 1000),
            False,
        ),
        (VENUE.balances(), QueryBalance(3), True),
        (VENUE.hedge_mode(), QueryHedge(), False),
        (VENUE.stream_start(), UserStream("start", ""), False),
        (VENUE.stream_keep("k"), UserStream("ping", ""), False),
        (VENUE.stream_end("k"), UserStream("stop", ""), False),
        (VENUE.countdown("btcusdt", 120_000), Countdown("btcusdt", 120_000), False),
    ],
)
def test_every_other_request_is_read_by_the_exchange_as_it_was_meant(
    call: Call, asked: What, over_socket: bool
) -> None:
    assert read_by_exchange(call) == asked
    assert read_over_socket(call) == (asked if over_socket else None)


def test_positions_are_asked_for_in_their_third_version_and_the_second_of_the_socket() -> None:
    assert read_by_exchange(VENUE.positions()) == QueryPositions(None, 3)
    assert read_over_socket(VENUE.positions()) == QueryPositions(None, 2)


def test_an_unsigned_request_carries_no_time_and_one_without_a_key_carries_none() -> None:
    assert VENUE.rest_request(VENUE.stream_start(), SIGNER, NOW_MS, 9) == (
        "/fapi/v1/listenKey",
        {"X-MBX-APIKEY": "key"},
        b"",
    )
    assert VENUE.rest_request(VENUE.server_time(), None, NOW_MS, 9) == ("/fapi/v1/time", {}, b"")


def test_what_can_not_be_sent_is_refused_here() -> None:
    order = Placement("btcusdt", "a", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, Decimal(1), Decimal(1))
    for wrong in (
        replace(order, price=None),
        replace(order, qty=Decimal("NaN")),
        replace(order, price=Decimal("Infinity")),
        replace(order, order_type=OrderType.UNSUPPORTED),
        replace(order, time_in_force=TimeInForce.UNSUPPORTED),
    ):
        with pytest.raises(ValueError, match=r".+"):
            VENUE.submit(wrong)
    with pytest.raises(ValueError, match="needs a key"):
        VENUE.rest_request(VENUE.submit(order), None, NOW_MS, 2000)
    for ids in ([], ["x"] * 11):
        with pytest.raises(ValueError, match="1 to 10"):
            VENUE.cancel_many("btcusdt", ids)


def test_numbers_are_written_out_without_an_exponent() -> None:
    order = Placement("btcusdt", "a", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, Decimal("1E-8"), Decimal("1E+3"))
    params = dict(VENUE.submit(order).params)
    assert (params["price"], params["quantity"]) == ("0.00000001", "1000")


def test_self_trade_prevention_is_stated_where_it_is_wanted() -> None:
    order = Placement("btcusdt", "a", Side.BUY, OrderType.MARKET, TimeInForce.GTC, None, Decimal(1))
    assert "selfTradePreventionMode" not in dict(VENUE.submit(order).params)
    assert (
        dict(replace(VENUE, self_trade="EXPIRE_BOTH").submit(order).params)["selfTradePreventionMode"] == "EXPIRE_BOTH"
    )


# Answers as the simulated exchange writes them.


def traded() -> tuple[Trading, OrderState, OrderState]:
    """An account with a taker order filled in part and a resting one."""
    core = Trading(COINS, {"mine": Account("mine", Fraction(10_000))})
    core.on_book("btcusdt", BookState(1, 0, 0, [("99.90", "1.000")], [("100.00", "0.300")]), 1)
    first, _ = core.place("mine", NewOrder("btcusdt", BUY, Decimal("100.00"), Decimal("0.800"), "first"), 5)
    second, _ = core.place(
        "mine", NewOrder("btcusdt", SELL, Decimal("120.00"), Decimal("0.100"), "second", Tif("GTX")), 6
    )
    assert isinstance(first, OrderState)
    assert isinstance(second, OrderState)
    return core, first, second


def report(state: OrderState, status: Status, executed: str) -> OrderReport:
    new = state.new
    assert new.price is not None
    return OrderReport(
        "btcusdt",
        new.client_id,
        str(state.id),
        status,
        Side.BUY if new.side == BUY else Side.SELL,
        OrderType.LIMIT,
        TimeInForce[new.tif.value],
        new.price,
        new.quantity,
        Decimal(executed),
        state.updated_ms * 1_000_000,
    )


def test_answers_about_orders_are_read_as_the_exchange_meant_them() -> None:
    _, first, second = traded()
    partly, resting = report(first, Status.PARTIALLY_FILLED, "0.3"), report(second, Status.NEW, "0")
    assert VENUE.read_order(judge.acknowledgement(first, whole=True).body) == partly
    assert VENUE.read_order(judge.order(first).body) == partly
    assert VENUE.read_order(judge.acknowledgement(first, whole=False).body) == report(first, Status.NEW, "0")
    assert VENUE.read_open_orders(judge.orders([first, second]).body) == [partly, resting]
    gone = Body(400, b'{"code":-2011,"msg":"Unknown order sent."}')
    listed = judge.listed([judge.acknowledgement(second, whole=True), gone])
    assert VENUE.read_many(listed.body) == [resting, Refusal(400, -2011, "Unknown order sent.")]
    answer = judge.api_answer("r-1", judge.acknowledgement(first, whole=True), 1, ())
    read = VENUE.read_api(answer)
    assert (read.request_id, read.status, VENUE.read_refusal(200, read.body)) == ("r-1", 200, None)
    assert VENUE.read_order(read.body) == partly
    wrong = VENUE.read_api(judge.api_answer(5, gone, 1, ()))
    assert wrong.request_id == "5"
    pools = [(OrderPool(10, 300), 7), (OrderPool(60, 1200), 8)]
    counted = VENUE.read_api(judge.api_answer("r-2", gone, 123, pools))
    assert (counted.weight_used, counted.orders_used) == (123, ((10, 7), (60, 8)))
    banned = (
        b'{"id":"1","status":418,"error":{"code":-1003,"msg":"x","data":{"retryAfter":1700000001000}},"rateLimits":7}'
    )
    assert (VENUE.read_api(banned).retry_at_ms, VENUE.read_api(banned).weight_used) == (1_700_000_001_000, None)
    assert VENUE.read_refusal(wrong.status, wrong.body) == Refusal(400, -2011, "Unknown order sent.")


def test_answers_about_the_account_are_read_as_the_exchange_meant_them() -> None:
    core, first, _ = traded()
    account = core.accounts["mine"]
    (execution,) = core.executions
    (fill,) = VENUE.read_trades(judge.trades(core.executions, COINS).body)
    assert fill == Fill(
        "btcusdt",
        str(execution.id),
        "",
        str(first.id),
        Side.BUY,
        Decimal(100),
        Decimal("0.3"),
        False,
        5_000_000,
        fill.fee,
        "USDT",
    )
    assert fill.fee is not None
    assert Fraction(fill.fee) == execution.fee
    positions = VENUE.read_positions(judge.positions(account, core, None, 3, 9).body)
    assert positions == [PositionReport("btcusdt", Decimal("0.3"), 9_000_000, Decimal(100))]
    (balance,) = VENUE.read_balances(judge.balance(account, core, 3, 9).body)
    assert (balance.asset, Fraction(balance.wallet), balance.time_ns) == ("USDT", account.wallet, 9_000_000)
    assert VENUE.read_hedge_mode(judge.hedge(True, 1).body)
    assert VENUE.read_stream_key(judge.stream_key("abc").body) == "abc"
    assert VENUE.read_time(b'{"serverTime":5}') == 5
    for done in (judge.done_all([]), judge.stream_ended(), judge.countdown("btcusdt", 5)):
        assert VENUE.read_refusal(200, done.body) is None


# Answers that lack or spoil something.


def test_an_answer_counts_by_its_client_id_and_says_what_it_does_not_know() -> None:
    bare = VENUE.read_order(b'{"clientOrderId":"a"}')
    assert (bare.client_id, bare.status, bare.terms, bare.executed) == ("a", Status.UNSUPPORTED, False, 0)
    new = VENUE.read_order(b'{"clientOrderId":"a","status":"NEW","symbol":"BTCUSDT","price":"1","origQty":"2"}')
    assert (new.status, new.terms, new.symbol) == (Status.NEW, True, "btcusdt")
    filled = VENUE.read_order(b'{"clientOrderId":"a","status":"FILLED","executedQty":"?"}')
    assert filled.status is Status.UNSUPPORTED, "filled by how much is not said"
    with pytest.raises(MalformedMessage, match="clientOrderId"):
        VENUE.read_order(b'{"status":"NEW"}')


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("NEW", Status.NEW, ""),
        ("PARTIALLY_FILLED", Status.PARTIALLY_FILLED, ""),
        ("FILLED", Status.FILLED, ""),
        ("CANCELED", Status.CANCELED, ""),
        ("EXPIRED", Status.EXPIRED, ""),
        ("EXPIRED_IN_MATCH", Status.EXPIRED, "self-trade"),
        ("REJECTED", Status.REJECTED, ""),
        ("SOMETHING_NEW", Status.UNSUPPORTED, ""),
    ],
)
def test_states_are_told_apart_and_a_new_word_is_no_error(word: str, status: Status, reason: str) -> None:
    _, first, _ = traded()
    row = {**orjson.loads(judge.order(first).body), "status": word, "timeInForce": "GTE_GTC", "type": "STOP"}
    (listed,) = VENUE.read_open_orders(orjson.dumps([row]))
    assert VENUE.read_order(orjson.dumps(row)) == listed
    assert (listed.status, listed.reason) == (status, reason)
    assert (listed.time_in_force, listed.order_type) == (TimeInForce.UNSUPPORTED, OrderType.UNSUPPORTED)


@pytest.mark.parametrize(
    "name", ["symbol", "clientOrderId", "side", "status", "price", "origQty", "executedQty", "orderId"]
)
def test_a_list_of_open_orders_with_one_that_can_not_be_read_is_refused_whole(name: str) -> None:
    _, first, second = traded()
    rows = orjson.loads(judge.orders([first, second]).body)
    del rows[1][name]
    with pytest.raises(MalformedMessage, match=name):
        VENUE.read_open_orders(orjson.dumps(rows))


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (400, b'{"code":-2011,"msg":"Unknown order sent."}', Refusal(400, -2011, "Unknown order sent.")),
        (200, b'{"code":-2011,"msg":"Unknown order sent."}', Refusal(200, -2011, "Unknown order sent.")),
        (200, b'{"code":"-2011","msg":"x"}', Refusal(200, -2011, "x")),
        (200, b'{"code":200,"msg":"The operation of cancel all open order is done."}', None),
        (200, b"[]", None),
        (200, b"{}", None),
        (502, b"<html>", Refusal(502, None, "not the exchange's words: <html>")),
        (400, b"{}", Refusal(400, None, "not the exchange's words: {}")),
        (200, b"", Refusal(200, None, "not the exchange's words: ")),
        (200, b"7", Refusal(200, None, "not the exchange's words: 7")),
    ],
)
def test_an_error_answer_is_told_from_the_one_asked_for(status: int, body: bytes, refusal: Refusal | None) -> None:
    assert VENUE.read_refusal(status, body) == refusal


READERS: tuple[Callable[[bytes], object], ...] = (
    VENUE.read_order,
    VENUE.read_many,
    VENUE.read_open_orders,
    VENUE.read_trades,
    VENUE.read_positions,
    VENUE.read_balances,
    VENUE.read_hedge_mode,
    VENUE.read_stream_key,
    VENUE.read_time,
    VENUE.read_api,
)
WORDS = re.findall(
    r"\w+",
    "clientOrderId orderId symbol status side type price origQty executedQty updateTime timeInForce code msg id qty commission "
    "maker time positionAmt entryPrice positionSide asset balance dualSidePosition listenKey serverTime result error",
)
TEXTS = st.sampled_from(["", "BUY", "1.5", "-1", "NEW"]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=8),
    max_leaves=20,
)


@given(st.sampled_from(READERS), JSON.map(orjson.dumps) | st.binary())
def test_whatever_comes_is_read_or_malformed(read: Callable[[bytes], object], body: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        read(body)
    VENUE.read_refusal(200, body)


@pytest.mark.parametrize("read", READERS)
def test_json_as_deep_as_the_parser_goes_is_no_other_error(read: Callable[[bytes], object]) -> None:
    for depth in (200, 300, 1000, 5000):
        for body in (b"[" * depth + b"]" * depth, b'{"result":' * depth + b"1" + b"}" * depth):
            with contextlib.suppress(MalformedMessage):
                read(body)


EVERY_CALL: tuple[Call, ...] = (
    VENUE.submit(Placement("a", "c", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, Decimal(1), Decimal(1))),
    VENUE.cancel("a", "c"),
    VENUE.modify(Change("a", "c", Side.BUY, Decimal(1), Decimal(1))),
    VENUE.cancel_many("a", ["c"]),
    VENUE.cancel_all("a"),
    VENUE.query("a", "c"),
    VENUE.open_orders(),
    VENUE.trades("a"),
    VENUE.positions(),
    VENUE.balances(),
    VENUE.hedge_mode(),
    VENUE.stream_start(),
    VENUE.stream_keep("k"),
    VENUE.stream_end("k"),
    VENUE.countdown("a", 0),
    VENUE.server_time(),
)


def test_published_answers_are_read(shared_data: Path) -> None:
    readers: dict[tuple[str, str], Callable[[bytes], object]] = {
        ("POST", "order"): VENUE.read_order,
        ("PUT", "order"): VENUE.read_order,
        ("DELETE", "order"): VENUE.read_order,
        ("GET", "order"): VENUE.read_order,
        ("GET", "openOrder"): VENUE.read_order,
        ("POST", "batchOrders"): VENUE.read_many,
        ("PUT", "batchOrders"): VENUE.read_many,
        ("DELETE", "batchOrders"): VENUE.read_many,
        ("GET", "openOrders"): VENUE.read_open_orders,
        ("GET", "allOrders"): VENUE.read_open_orders,
        ("GET", "forceOrders"): VENUE.read_open_orders,
        ("GET", "userTrades"): VENUE.read_trades,
        ("GET", "positionRisk"): VENUE.read_positions,
        ("GET", "balance"): VENUE.read_balances,
        ("GET", "positionSide/dual"): VENUE.read_hedge_mode,
        ("POST", "listenKey"): VENUE.read_stream_key,
        ("GET", "time"): VENUE.read_time,
    }
    seen: set[tuple[str, str]] = set()
    published: set[tuple[str, str]] = set()
    for name in ("binance_official_connector_usdm.json", "binance_rest_jkorf.json"):
        for item in json.loads((shared_data / "payloads" / name).read_text())["items"]:
            header = item.get("header") or [item.get("verb"), item.get("endpoint")]
            verb, path = header[0], header[1] or ""
            if not path.startswith("/fapi/v"):
                continue
            published.add((verb, path[9:]))
            body = orjson.dumps(item.get("expected_response", item.get("response")))
            assert VENUE.read_refusal(200, body) is None
            if (found := (verb, path[9:])) in readers:
                told = readers[found](body)
                assert told or found == ("GET", "positionSide/dual") or "[]" in body.decode()
                seen.add(found)
    assert seen == readers.keys()
    asked = {(call.method, call.path[9:]) for call in EVERY_CALL}
    assert asked <= published, "an answer to a request of ours is not among the published ones"
    acknowledged = {
        ("DELETE", "allOpenOrders"),
        ("POST", "countdownCancelAll"),
        ("PUT", "listenKey"),
        ("DELETE", "listenKey"),
    }
    assert asked - readers.keys() == acknowledged  # of these only whether it is an error is read, as of all above


def test_published_answers_of_the_websocket_api_are_read(shared_data: Path) -> None:
    readers = {"order": VENUE.read_order, "position": VENUE.read_positions, "balance": VENUE.read_balances}
    seen = set()
    path = shared_data / "payloads" / "binance_papi_and_um_user_data_openxapi.json"
    for item in json.loads(path.read_text())["items"]:
        if not {"umfutures", "umfutures.yaml"} & set(item["path"].split("/")) or "null" in json.dumps(
            item["payload"].get("error", {})
        ):
            continue  # the schema of an error has no example values
        answer = VENUE.read_api(orjson.dumps(item["payload"]))
        assert answer.status == 200
        for word, read in readers.items():
            if word in item["message"].lower():
                assert read(answer.body)
                seen.add(item["message"])
    assert len(seen) >= 8


def test_every_operation_has_its_request_or_is_not_of_this_exchange() -> None:
    order = Placement("b", "a", Side.BUY, OrderType.MARKET, TimeInForce.GTC, None, Decimal(1))
    calls: list[Any] = [
        VENUE.submit(order),
        VENUE.cancel("b", "a"),
        VENUE.modify(Change("b", "a", Side.BUY, Decimal(1), Decimal(1))),
        VENUE.cancel_many("b", ["a"]),
        VENUE.cancel_all("b"),
        VENUE.query("b", "a"),
        VENUE.open_orders(),
        VENUE.trades("b"),
        VENUE.positions(),
        VENUE.balances(),
        VENUE.hedge_mode(),
        VENUE.stream_start(),
        VENUE.stream_keep("k"),
        VENUE.stream_end("k"),
        VENUE.countdown("b", 0),
        VENUE.server_time(),
    ]
    assert {call.op for call in calls} == set(Op) - {Op.ORDER_LIMITS, Op.ACCOUNT, Op.PROTECTION}
    assert {call.op for call in calls if call.orders} == {Op.SUBMIT, Op.MODIFY}, "a cancel never counts as an order"


def test_self_trade_prevention_is_said_with_each_order_where_it_is_configured() -> None:
    order = Placement("btcusdt", "a", Side.BUY, OrderType.MARKET, TimeInForce.GTC, None, Decimal(1))
    assert "selfTradePreventionMode" not in dict(VENUE.submit(order).params)
    assert dict(VENUE.with_self_trade("EXPIRE_BOTH").submit(order).params)["selfTradePreventionMode"] == "EXPIRE_BOTH"
    with pytest.raises(ValueError, match="EXPIRE_MAKER"):
        VENUE.with_self_trade("DECREMENT")
