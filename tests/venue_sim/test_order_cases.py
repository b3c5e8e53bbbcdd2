"""The exchange's part of the order cases of trading.md section 3, by their numbers, over REST and the WebSocket API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from venue_sim.market import Trade

from tests.venue_sim.desk_client import START_MS, Client

API = {"POST": "order.place", "PUT": "order.modify", "DELETE": "order.cancel", "GET": "order.status"}
LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "100.00", "quantity": "1"}
each_route = pytest.mark.parametrize("over", ["rest", "api"])


def ask(client: Client, over: str, method: str = "POST", **query: Any) -> Any:
    """An order request; an answer or an error body."""
    query = {"symbol": "BTCUSDT", **(LIMIT if method == "POST" and "type" not in query else {}), **query}
    if over == "rest":
        return orjson.loads(client.ask(method, "/fapi/v1/order", **query).body)
    answer = client.call(API[method], **query)
    return answer.get("result", answer.get("error"))


def told(client: Client) -> list[tuple[str, str, str, str]]:
    return [
        (one["o"]["c"], one["o"]["x"], one["o"]["X"], one["o"]["z"])
        for one in client.events()
        if one["e"] == "ORDER_TRADE_UPDATE"
    ]


def listening() -> Client:
    client = Client()
    client.stream("/private/ws?listenKey={}")
    return client


@each_route
def test_case_6_new_and_filled_carry_equal_times(over: str) -> None:
    client = listening()
    ask(client, over, side="BUY", type="MARKET", quantity="0.5", newClientOrderId="a")
    events = [event for event in client.events() if event["e"] == "ORDER_TRADE_UPDATE"]
    assert [event["o"]["X"] for event in events] == ["NEW", "FILLED"]
    assert len({(event["T"], event["E"], event["o"]["T"]) for event in events}) == 1


@each_route
@pytest.mark.parametrize("whole", [True, False])
def test_case_16_the_rest_of_an_ioc_expires_once_and_its_fills_stay(over: str, whole: bool) -> None:
    client = listening()
    more = {"newOrderRespType": "RESULT"} if whole else {}
    answer = ask(
        client,
        over,
        side="BUY",
        type="LIMIT",
        timeInForce="IOC",
        price="100.10",
        quantity="3",
        newClientOrderId="a",
        **more,
    )
    assert (answer["status"], answer["executedQty"]) == (("EXPIRED", "1") if whole else ("NEW", "0"))
    assert told(client) == [
        ("a", "NEW", "NEW", "0"),
        ("a", "TRADE", "PARTIALLY_FILLED", "1"),
        ("a", "EXPIRED", "EXPIRED", "1"),
    ]
    assert ask(client, over, "GET", origClientOrderId="a")["executedQty"] == "1"


@each_route
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            "EXPIRE_MAKER",
            [("maker", "EXPIRED", "EXPIRED_IN_MATCH", "0"), ("taker", "EXPIRED", "EXPIRED", "0")],
        ),
        ("EXPIRE_TAKER", [("taker", "EXPIRED", "EXPIRED_IN_MATCH", "0")]),
        (
            "EXPIRE_BOTH",
            [("maker", "EXPIRED", "EXPIRED_IN_MATCH", "0"), ("taker", "EXPIRED", "EXPIRED_IN_MATCH", "0")],
        ),
    ],
)
def test_case_18_own_orders_never_trade_with_each_other(
    over: str, mode: str, expected: list[tuple[str, str, str, str]]
) -> None:
    client = listening()
    ask(client, over, newClientOrderId="maker")
    client.market_does(Trade(1, START_MS + 1, START_MS + 1, "100.00", "1.000", True))
    client.events()
    taker = {"side": "SELL", "type": "LIMIT", "timeInForce": "IOC", "price": "100.00", "quantity": "1"}
    ask(client, over, **taker, newClientOrderId="taker", selfTradePreventionMode=mode)
    assert told(client) == [("taker", "NEW", "NEW", "0"), *expected]
    assert client.trade.trading.executions == []


@each_route
def test_case_37_an_order_fills_while_its_cancel_travels(over: str) -> None:
    client = listening()
    ask(client, over, newClientOrderId="a")
    client.market_does(Trade(1, START_MS + 5, START_MS + 5, "99.90", "9.000", True))
    assert ask(client, over, "DELETE", origClientOrderId="a")["code"] == -2011
    assert told(client) == [("a", "NEW", "NEW", "0"), ("a", "TRADE", "FILLED", "1")]


@each_route
def test_case_42_a_cancel_that_comes_before_its_submit_finds_nothing(over: str) -> None:
    client = Client({"kind": "late_execution", "op": "submit", "delay_s": 0.2})
    client.stream()
    ask_late = client.call_raw if over == "api" else None
    if ask_late is not None:
        assert ask_late("order.place", symbol="BTCUSDT", **LIMIT, newClientOrderId="a").never
    else:
        assert client.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", **LIMIT, newClientOrderId="a").never
    assert ask(client, over, "DELETE", origClientOrderId="a")["code"] == -2011
    client.pass_ms(200)
    assert told(client) == [("a", "NEW", "NEW", "0")]
    assert ask(client, over, "DELETE", origClientOrderId="a")["status"] == "CANCELED"


@each_route
@pytest.mark.parametrize("quantity", ["0.4", "0.3"])
def test_case_55_a_modify_to_what_is_executed_or_less_cancels(over: str, quantity: str) -> None:
    client = listening()
    ask(client, over, newClientOrderId="a")
    client.market_does(Trade(1, START_MS + 5, START_MS + 5, "100.00", "1.400", True))
    changed = ask(client, over, "PUT", side="BUY", origClientOrderId="a", price="100.00", quantity=quantity)
    assert (changed["status"], changed["executedQty"]) == ("CANCELED", "0.4")
    assert told(client)[-1] == ("a", "CANCELED", "CANCELED", "0.4")


@each_route
def test_case_57_a_refused_modify_leaves_the_order_as_it_was(over: str) -> None:
    client = listening()
    client.trade.trading.limits = replace(client.trade.trading.limits, changes=2)
    ask(client, over, newClientOrderId="a")
    for price, quantity, code in (
        ("99.95", "1", -4014),
        ("99.90", "0.0001", -1111),
        ("50.00", "1", -4024),
        ("99.90", "1", None),
        ("99.80", "1", None),
        ("99.70", "1", -5026),
    ):
        before = ask(client, over, "GET", origClientOrderId="a")
        client.events()
        answer = ask(client, over, "PUT", side="BUY", origClientOrderId="a", price=price, quantity=quantity)
        assert answer.get("code") == code
        if code is not None:
            assert ask(client, over, "GET", origClientOrderId="a") == before
            assert client.events() == []
    assert ask(client, over, "GET", origClientOrderId="a")["price"] == "99.8"


@each_route
def test_case_81_a_repeat_with_the_same_client_id_is_refused_while_the_first_lives_though_its_answer_was_lost(
    over: str,
) -> None:
    client = Client({"kind": "timeout", "op": "submit", "executed": True})
    client.stream()
    if over == "rest":
        assert client.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", **LIMIT, newClientOrderId="a").never
    else:
        assert client.call_raw("order.place", symbol="BTCUSDT", **LIMIT, newClientOrderId="a").never
    assert ask(client, over, newClientOrderId="a")["code"] == -4116
    assert ask(client, over, "GET", origClientOrderId="a")["status"] == "NEW"
    assert told(client) == [("a", "NEW", "NEW", "0")]
    assert ask(client, over, "DELETE", origClientOrderId="a")["status"] == "CANCELED"
    assert ask(client, over, newClientOrderId="a")["status"] == "NEW", "the id is free again"


def test_case_98_an_order_of_another_program_is_the_account_s_like_any_other() -> None:
    client = listening()
    ask(client, "rest", newClientOrderId="mine")
    ask_other = client.trade.parse("POST", "/fapi/v1/order", {"symbol": "BTCUSDT", **LIMIT, "newClientOrderId": "x-1"})
    assert ask_other is not None
    client.trade.act(ask_other.what, "alice", 0)
    listed = orjson.loads(client.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").body)
    assert [one["clientOrderId"] for one in listed] == ["mine", "x-1"]
    client.market_does(Trade(1, START_MS + 5, START_MS + 5, "99.90", "9.000", True))
    events = client.events()
    assert [event["o"]["c"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"][-2:] == ["mine", "x-1"]
    assert [event["a"]["P"][0]["pa"] for event in events if event["e"] == "ACCOUNT_UPDATE"] == ["1.000", "2.000"]
