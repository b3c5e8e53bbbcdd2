"""Every failure of the private side can be scripted for every order operation, over REST and over the WebSocket API:
what the client sees, what the exchange did, and what it pushed.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from venue_sim.config import parse_fault
from venue_sim.desk import Reply
from venue_sim.errors import BadFault
from venue_sim.links import Close, Reset
from venue_sim.market import Update

from tests.venue_sim.desk_client import Client

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "1"}
LIMIT = {**ORDER, "type": "LIMIT", "price": "99.00", "newClientOrderId": "new"}
OPS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "submit_gtc": ("POST", "order", "order.place", {**LIMIT, "timeInForce": "GTC"}),
    "submit_gtx": ("POST", "order", "order.place", {**LIMIT, "timeInForce": "GTX"}),
    "submit_ioc": ("POST", "order", "order.place", {**LIMIT, "timeInForce": "IOC"}),
    "submit_market": ("POST", "order", "order.place", {**ORDER, "type": "MARKET", "newClientOrderId": "new"}),
    "modify": ("PUT", "order", "order.modify", {**ORDER, "price": "98.90", "origClientOrderId": "old"}),
    "cancel": ("DELETE", "order", "order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": "old"}),
    "cancel_all": ("DELETE", "allOpenOrders", "", {"symbol": "BTCUSDT"}),
}
"""Operations: REST's method and path, the WebSocket API's method (none: there is no such), parameters."""

SEEN: dict[str, tuple[dict[str, Any], object]] = {
    "timeout": ({"kind": "timeout"}, "never"),
    "reset": ({"kind": "hang_up"}, "reset"),
    "eof": ({"kind": "hang_up", "mode": "eof"}, "eof"),
    "502 HTML": ({"kind": "html_body"}, (502, None)),
    "503 unknown": ({"kind": "status", "status": 503}, (503, "Unknown error, please check your request")),
    "503 unavailable": (
        {"kind": "error", "status": 503, "code": 0, "reason": "Service Unavailable."},
        (503, "Service"),
    ),
    "503 internal": ({"kind": "error", "status": 503, "code": -1001}, (503, "Internal error; unable to process")),
    "503 throttled": ({"kind": "error", "status": 503, "code": -1008}, (503, "overloaded")),
    "408": ({"kind": "status", "status": 408}, (408, "Timeout waiting for response")),
    "-1007": ({"kind": "error", "status": 503, "code": -1007}, (503, "Timeout waiting for response")),
    "-1006": ({"kind": "error", "status": 400, "code": -1006}, (400, "unexpected response")),
    "429": ({"kind": "status", "status": 429, "retry_after_s": 3}, (429, "Too many requests")),
    "418": ({"kind": "status", "status": 418}, (418, "banned")),
    "error in 200": ({"kind": "error", "status": 200, "code": -2011}, (200, "Unknown order")),
    "empty 200": ({"kind": "empty_body"}, (200, "")),
}
each_op = pytest.mark.parametrize("op", OPS)


def client_with_an_order(**fault: Any) -> Client:
    client = Client()
    client.stream("/private/ws?listenKey={}")
    client.order(price="99.10", newClientOrderId="old")
    client.events()
    if fault:
        client.exchange.script.add(parse_fault(fault))
    return client


def send(client: Client, op: str, over: str) -> Reply:
    method, path, api, parameters = OPS[op]
    if over == "rest":
        return client.ask(method, f"/fapi/v1/{path}", **parameters)
    return client.call_raw(api, **parameters)


def pairs() -> list[tuple[str, str]]:
    return [(op, over) for op in OPS for over in ("rest", "api") if over == "rest" or OPS[op][2]]


def truth(client: Client) -> list[tuple[str, str, str, str]]:
    return [
        (one.new.client_id, one.status.value, str(one.new.price), str(one.executed))
        for one in client.trade.trading.orders.values()
    ]


@pytest.mark.parametrize("failure", SEEN)
@pytest.mark.parametrize(("op", "over"), pairs())
@pytest.mark.parametrize("executed", [False, True])
def test_an_answer_fails_before_and_after_the_exchange(op: str, over: str, failure: str, executed: bool) -> None:
    fault, seen = SEEN[failure]
    client = client_with_an_order(**fault, op=op, executed=executed)
    before, undisturbed = truth(client), client_with_an_order()
    reply = send(client, op, over)
    send(undisturbed, op, over)
    told = client.events()
    assert truth(client) == (truth(undisturbed) if executed else before)
    assert told == (undisturbed.events() if executed else [])
    match seen:
        case "never":
            assert reply.never
        case "reset" | "eof":
            assert reply.hang_up == seen
        case (status, words) if over == "rest":
            assert reply.status == status
            if words is None:
                assert reply.media_type == "text/html"
            else:
                assert str(words) in reply.body.decode()
        case (status, words):
            if failure in ("502 HTML", "empty 200"):
                assert reply.never, "a gateway's page is no message of a websocket"
            else:
                answer = orjson.loads(reply.body)
                assert (answer["id"], answer["status"]) == ("7", status)
                assert str(words) in orjson.dumps(answer).decode()
    if failure == "429":
        assert reply.headers["Retry-After"] == "3"
    if executed and "submit" in op and failure == "timeout" and over == "rest":
        assert client.order("GET", origClientOrderId="new")["clientOrderId"] == "new", "it can be asked for"


@pytest.mark.parametrize(("op", "over"), pairs())
@pytest.mark.parametrize("mode", ["truncate", "tail", "empty"])
def test_an_answer_is_cut(op: str, over: str, mode: str) -> None:
    client = client_with_an_order(kind="cut_body", mode=mode, op=op)
    undisturbed = client_with_an_order()
    reply, whole = send(client, op, over), send(undisturbed, op, over)
    assert truth(client) == truth(undisturbed)
    assert client.events() == undisturbed.events()
    if mode == "empty":
        content = orjson.loads(reply.body)
        assert (content if over == "rest" else content["result"]) == {}
    else:
        assert whole.body.startswith(reply.body)
        assert reply.body != whole.body
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(reply.body)


@each_op
@pytest.mark.parametrize("failure", ["drop", "duplicate", "late", "silent", "socket", "key", "key twice"])
def test_after_the_answer_its_push_fails(op: str, failure: str) -> None:
    fault: dict[str, dict[str, Any]] = {
        "drop": {"kind": "drop", "stream": "private", "count": 0},
        "duplicate": {"kind": "duplicate", "stream": "private", "count": 0},
        "late": {"kind": "late", "stream": "private", "delay_s": 10.0, "count": 0},
        "silent": {"kind": "stall", "stream": "private", "op": op},
        "socket": {"kind": "reset", "stream": "private", "op": op},
        "key": {"kind": "listen_key_expired", "op": op},
        "key twice": {"kind": "listen_key_expired", "mode": "twice", "op": op},
    }
    client, undisturbed = client_with_an_order(**fault[failure]), client_with_an_order()
    reply, whole = send(client, op, "rest"), send(undisturbed, op, "rest")
    assert reply.body == whole.body
    assert truth(client) == truth(undisturbed)
    expected = undisturbed.events()
    assert expected
    client.effects += client.exchange.flush()
    broken = [effect for effect in client.effects if isinstance(effect, Reset)]
    assert bool(broken) is (failure == "socket")
    told = client.events()
    if failure == "duplicate":
        assert told == [event for event in expected for _ in range(2)]
        return
    if failure.startswith("key"):
        assert [event["e"] for event in told] == ["listenKeyExpired"] * (2 if failure == "key twice" else 1)
        return
    assert told == []
    client.pass_ms(9_900)
    assert client.events() == []
    client.pass_ms(200)
    assert client.events() == (expected if failure == "late" else [])


@pytest.mark.parametrize("executed", [False, True])
def test_the_order_socket_dies_with_its_requests_and_the_rest_of_the_exchange_does_not(executed: bool) -> None:
    client = client_with_an_order(kind="hang_up", op="submit", executed=executed)
    api = client.api()
    reply = send(client, "submit_gtc", "api")
    assert client.exchange.break_off(api, reply.hang_up) == [Reset(api)]
    assert client.exchange.break_off(api, reply.hang_up) == [], "it is gone"
    assert len(client.events()) == executed


def test_a_socket_closes_right_after_the_nth_event_and_later_ones_are_lost() -> None:
    client = client_with_an_order(kind="close", stream="ORDER_TRADE_UPDATE", after_message=1, code=1011)
    client.order(type="MARKET", quantity="0.1")
    effects = client.exchange.flush()
    assert [type(effect).__name__ for effect in effects] == ["Deliver", "Close"]
    assert isinstance(effects[1], Close)
    assert effects[1].code == 1011


def test_a_kind_of_event_can_be_named_alone() -> None:
    client = client_with_an_order(kind="drop", stream="ORDER_TRADE_UPDATE.TRADE", count=0)
    client.order(type="MARKET", quantity="0.1")
    assert [event["e"] for event in client.events()] == ["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "TRADE_LITE"]


@pytest.mark.parametrize("over", ["rest", "api"])
@pytest.mark.parametrize(("op", "status"), [("modify", "NEW"), ("cancel", "CANCELED"), ("submit_gtc", "NEW")])
def test_a_request_whose_answer_timed_out_lands_late(op: str, status: str, over: str) -> None:
    client = client_with_an_order(kind="late_execution", op=op, delay_s=0.3)
    before, undisturbed = truth(client), client_with_an_order()
    assert send(client, op, over).never
    client.pass_ms(299)
    assert truth(client) == before
    assert client.order("GET", origClientOrderId="old")["price"] == "99.1", "a query shows what was"
    client.pass_ms(1)
    send(undisturbed, op, over)
    assert truth(client) == truth(undisturbed)
    assert client.events()[-1]["o"]["X"] == status


def test_a_request_that_lands_after_its_window_is_never_executed() -> None:
    client = client_with_an_order(kind="late_execution", op="cancel", delay_s=6.0, mode="error", code=-1007)
    reply = send(client, "cancel", "rest")
    assert (reply.status, orjson.loads(reply.body)["code"]) == (408, -1007)
    client.pass_ms(6000)
    assert truth(client)[0][1] == "NEW"
    assert client.events() == []


def test_queries_fail_for_minutes_while_orders_go_on() -> None:
    client = client_with_an_order(kind="status", status=503, op="queries", count=0, until_s=180.0)
    for passed_ms, status in ((0, 503), (100_000, 503), (79_999, 503), (1, 200)):
        client.pass_ms(passed_ms)
        for path, more in (("order", {"origClientOrderId": "old"}), ("openOrders", {}), ("userTrades", {})):
            assert client.ask("GET", f"/fapi/v1/{path}", symbol="BTCUSDT", **more).status == status
        assert client.order("PUT", side="BUY", origClientOrderId="old", price=f"99.{passed_ms % 7}0", quantity="1")


def test_429_goes_on_for_its_time_and_who_goes_on_asking_is_banned() -> None:
    client = client_with_an_order(kind="status", status=429, op="query", for_s=30.0)
    first = client.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="old")
    assert (first.status, first.headers["Retry-After"]) == (429, "30")
    client.pass_ms(10_000)
    refused = [client.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT") for _ in range(11)]
    assert [reply.status for reply in refused] == [429] * 10 + [418]
    assert refused[0].headers["Retry-After"] == "20"
    client.pass_ms(30_000)
    assert client.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").status == 418, "a ban outlives the limit"
    client = client_with_an_order(kind="status", status=429, op="query", for_s=30.0)
    client.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="old")
    client.pass_ms(30_000)
    assert client.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").status == 200


def test_a_step_of_the_exchange_s_clock_makes_requests_too_late_or_too_early() -> None:
    client = client_with_an_order()
    for offset_ms, code in ((2000, None), (5001, -1021), (-999, None), (-1000, -1021), (0, None)):
        client.exchange.clock_offset_ms = offset_ms
        assert client.order("GET", origClientOrderId="old").get("code") == code
        assert (
            client.call("order.status", symbol="BTCUSDT", origClientOrderId="old").get("error", {}).get("code") == code
        )
    client.exchange.clock_offset_ms = 5001
    told = orjson.loads(client.ask("GET", "/fapi/v1/time", signed=False).body)["serverTime"]
    assert client.order("GET", origClientOrderId="old", timestamp=told)["status"] == "NEW"


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"kind": "timeout", "op": "dance"}, "op"),
        ({"kind": "drop", "op": "submit"}, "op"),
        ({"kind": "reset", "op": "submit", "after_message": 3}, "op"),
        ({"kind": "reset", "after_request": 3}, "after_request"),
        ({"kind": "status", "status": 500, "for_s": 1}, "for_s"),
        ({"kind": "hang_up", "mode": "slam"}, "mode"),
        ({"kind": "late_execution"}, "delay_s"),
        ({"kind": "cut_body", "executed": True}, "executed"),
    ],
)
def test_a_private_fault_that_makes_no_sense_is_refused_by_name(fault: dict[str, Any], field: str) -> None:
    with pytest.raises(BadFault) as error:
        parse_fault(fault)
    assert error.value.field == field


def test_a_fault_counts_the_requests_of_its_operation_alone() -> None:
    client = client_with_an_order(kind="timeout", op="submit", after_request=1)
    assert not send(client, "cancel", "rest").never
    assert not send(client, "submit_gtc", "rest").never
    assert not client.ask("GET", "/fapi/v1/openOrders").never
    assert send(client, "submit_market", "rest").never


def test_the_market_goes_on_while_private_requests_fail() -> None:
    client = client_with_an_order(kind="timeout", op="orders", count=0)
    assert send(client, "cancel", "rest").never
    client.market_does(Update(101, 101, 100, 1, 1, [], [["99.00", "5.000"]]))
    assert client.events()[-1]["o"]["X"] == "FILLED", "an order is filled meanwhile"
