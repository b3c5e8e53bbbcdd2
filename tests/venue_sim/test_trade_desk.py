"""Private requests as the exchange answers them, without a socket: request in, answer and events out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from venue_sim.errors import BadMarket
from venue_sim.latency import Latencies, parse_latencies
from venue_sim.limits import OrderPool
from venue_sim.market import Trade

from tests.venue_sim.desk_client import START_MS, Client


def test_a_resting_order_its_fill_and_the_account_are_told_in_order() -> None:
    client = Client()
    client.stream()
    answer = client.order(newClientOrderId="mine")
    assert (answer["status"], answer["clientOrderId"], answer["executedQty"]) == ("NEW", "mine", "0")
    assert not {"avgPrice", "cumQuote", "cumBase"} & answer.keys(), "acknowledgements lost them in July 2026"
    client.market_does(Trade(1, START_MS + 5, START_MS + 5, "100.00", "1.400", True))
    events = client.events()
    assert [(event["e"], event.get("o", {}).get("x"), event.get("o", {}).get("X")) for event in events] == [
        ("ORDER_TRADE_UPDATE", "NEW", "NEW"),
        ("ACCOUNT_UPDATE", None, None),
        ("ORDER_TRADE_UPDATE", "TRADE", "PARTIALLY_FILLED"),
    ]
    fill = events[2]["o"]
    assert (fill["l"], fill["z"], fill["L"], fill["m"], fill["n"], fill["N"]) == (
        "0.4",
        "0.4",
        "100",
        True,
        "0.00800000",
        "USDT",
    )
    assert events[1]["a"]["P"][0]["pa"] == "0.400"
    assert client.order("GET", origClientOrderId="mine")["avgPrice"] == "100.00000"
    trades = orjson.loads(client.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT").body)
    assert [(one["id"], one["qty"], one["maker"]) for one in trades] == [(fill["t"], "0.4", True)]


CODES = [
    ({"price": "100.05"}, -4014),
    ({"price": "1e2"}, -1100),
    ({"quantity": "0"}, -4003),
    ({"quantity": "0.0001"}, -1111),
    ({"price": "50.00"}, -4024),
    ({"quantity": "0.001"}, -4164),
    ({"quantity": "5000"}, -2019),
    ({"price": "100.10", "timeInForce": "GTX"}, -5022),
    ({"price": "100.10", "timeInForce": "FOK", "quantity": "9"}, -5021),
    ({"timeInForce": "DAY"}, -1115),
    ({"side": "HOLD"}, -1117),
    ({"positionSide": "LONG"}, -4061),
    ({"reduceOnly": "true"}, -2022),
    ({"newClientOrderId": "x" * 37}, -4015),
    ({"symbol": "NOPE"}, -1121),
    ({"type": "STOP_MARKET", "stopPrice": "1"}, -4120),
    ({"type": "DANCE"}, -1116),
    ({"type": "MARKET", "price": "1"}, -1106),
    ({"timestamp": START_MS - 5001}, -1021),
    ({"timestamp": START_MS + 1000}, -1021),
    ({"secret": "wrong"}, -1022),
    ({"key": "other"}, -2015),
    ({"key": ""}, -2014),
]


@pytest.mark.parametrize(("query", "code"), CODES)
def test_a_refused_order_has_the_exchange_s_code_and_leaves_nothing(query: dict[str, Any], code: int) -> None:
    client = Client()
    client.stream()
    full = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "quantity": "1",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "100.00",
    }
    if "type" in query:
        del full["timeInForce"], full["price"]
    reply = client.ask("POST", "/fapi/v1/order", **{**full, **query})
    assert reply.status in (400, 401)
    assert orjson.loads(reply.body)["code"] == code
    assert client.events() == []
    assert client.trade.trading.orders == {}


def test_cancels_and_queries_of_what_is_gone_have_their_own_codes() -> None:
    client = Client()
    client.order(newClientOrderId="a")
    assert client.order("DELETE", origClientOrderId="a")["status"] == "CANCELED"
    assert client.order("DELETE", origClientOrderId="a")["code"] == -2011
    assert client.order("GET", origClientOrderId="a")["status"] == "CANCELED"
    assert client.order("GET", origClientOrderId="b")["code"] == -2013
    assert client.order("DELETE")["code"] == -1102
    assert (
        orjson.loads(client.ask("GET", "/fapi/v1/openOrder", symbol="BTCUSDT", origClientOrderId="a").body)["code"]
        == -2013
    )


def test_a_duplicate_client_id_is_refused_while_the_first_lives() -> None:
    client = Client()
    client.order(newClientOrderId="a")
    assert client.order(newClientOrderId="a")["code"] == -4116
    assert len(client.trade.trading.open_orders("alice")) == 1


def test_modify_and_batch_and_all_open_orders() -> None:
    client = Client()
    client.stream()
    for name in "abc":
        client.order(newClientOrderId=name)
    changed = client.order("PUT", origClientOrderId="a", side="BUY", quantity="2", price="99.90")
    assert (changed["price"], changed["origQty"]) == ("99.9", "2")
    assert client.order("PUT", origClientOrderId="a", side="BUY", quantity="2", price="99.90")["code"] == -5027
    answers = orjson.loads(
        client.ask("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", origClientOrderIdList='["a","nope"]').body
    )
    assert [answer.get("status", answer.get("code")) for answer in answers] == ["CANCELED", -2011]
    assert len(orjson.loads(client.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").body)) == 2
    assert orjson.loads(client.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT").body)["code"] == 200
    assert orjson.loads(client.ask("GET", "/fapi/v1/openOrders").body) == []
    assert [event["o"]["x"] for event in client.events()] == ["NEW"] * 3 + ["AMENDMENT"] + ["CANCELED"] * 3


def test_orders_are_counted_and_refused_beyond_their_pool_and_cancels_are_not() -> None:
    client = Client(pools=(OrderPool(10, 2), OrderPool(60, 100)))
    first = client.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1")
    assert (first.headers["X-MBX-ORDER-COUNT-10S"], first.headers["X-MBX-ORDER-COUNT-1M"]) == ("1", "1")
    assert first.headers["X-MBX-USED-WEIGHT-1M"] == "0"
    client.order(newClientOrderId="a")
    full = client.ask("POST", "/fapi/v1/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1")
    assert (full.status, orjson.loads(full.body)["code"]) == (429, -1015)
    assert client.order("DELETE", origClientOrderId="a")["status"] == "CANCELED"


def test_events_go_to_their_account_on_addresses_of_the_form_the_exchange_takes() -> None:
    for form, address, heard in (
        ("any", "/private/ws/{}", True),
        ("any", "/private/stream?listenKey={}", True),
        ("query_events", "/private/ws?listenKey={}", False),
        ("query_events", "/private/ws?listenKey={}&events=ORDER_TRADE_UPDATE", True),
        ("query", "/private/ws/{}", False),
        ("path", "/private/ws/{}", True),
        ("any", "/ws/{}", False),
        ("any", "/private/ws?listenKey={}&events=MARGIN_CALL", False),
    ):
        client = Client(form=form)
        client.stream(address)
        client.order()
        assert bool(client.events()) is heard, (form, address)
    client = Client()
    client.stream()
    client.ask("POST", "/fapi/v1/order", "kb", "sb", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
    assert client.events() == [], "another account's orders are not told"


def test_a_stream_s_key_is_kept_prolonged_and_ends_with_an_event() -> None:
    client = Client()
    client.stream("/private/ws?listenKey={}")
    key = next(iter(client.trade.streams))
    again = orjson.loads(client.ask("POST", "/fapi/v1/listenKey", signed=False).body)
    assert again == {"listenKey": key}
    assert orjson.loads(client.ask("PUT", "/fapi/v1/listenKey", signed=False).body) == {"listenKey": key}
    client.trade.due(0, 6000.0 + 3599.0)
    assert client.events() == []
    client.trade.due(0, 6000.0 + 3600.0)
    assert [event["e"] for event in client.events()] == ["listenKeyExpired"]
    assert client.trade.streams == {}
    assert orjson.loads(client.ask("PUT", "/fapi/v1/listenKey", signed=False).body)["code"] == -1125
    client.order()
    assert client.events() == []


def test_a_countdown_clears_the_account_s_orders_and_zero_stops_it() -> None:
    client = Client()
    client.order(newClientOrderId="a")
    path = "/fapi/v1/countdownCancelAll"
    assert orjson.loads(client.ask("POST", path, symbol="BTCUSDT", countdownTime=1000).body) == {
        "symbol": "BTCUSDT",
        "countdownTime": "1000",
    }
    client.ask("POST", path, symbol="BTCUSDT", countdownTime=0)
    client.trade.due(2_000_000_000, 6002.0)
    assert len(client.trade.trading.open_orders("alice")) == 1
    client.ask("POST", path, symbol="BTCUSDT", countdownTime=1000)
    client.trade.due(999_000_000, 6000.9)
    assert len(client.trade.trading.open_orders("alice")) == 1
    client.trade.due(1_000_000_000, 6001.0)
    assert client.trade.trading.open_orders("alice") == []


def test_positions_balance_and_account_agree_with_the_fills() -> None:
    client = Client()
    client.order(type="MARKET", quantity="2", newOrderRespType="RESULT")
    (position,) = orjson.loads(client.ask("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").body)
    assert (position["positionAmt"], position["entryPrice"]) == ("2.000", "100.15000000")
    (balance,) = orjson.loads(client.ask("GET", "/fapi/v2/balance").body)
    assert balance["balance"] == "9999.89985000"
    account = orjson.loads(client.ask("GET", "/fapi/v3/account").body)
    assert account["totalWalletBalance"] == balance["balance"]
    assert orjson.loads(client.ask("GET", "/fapi/v1/positionSide/dual").body) == {"dualSidePosition": False}


@pytest.mark.parametrize(("executed", "orders"), [(True, 1), (False, 0)])
def test_an_answer_is_lost_before_or_after_the_order_was_executed(executed: bool, orders: int) -> None:
    client = Client({"kind": "timeout", "path": "/fapi/v1/order", "executed": executed})
    reply = client.ask(
        "POST",
        "/fapi/v1/order",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="99.00",
        quantity="1",
    )
    assert reply.never
    assert len(client.trade.trading.orders) == orders


def test_events_are_lost_doubled_and_out_of_order_by_script() -> None:
    client = Client({"kind": "drop", "stream": "ORDER_TRADE_UPDATE", "after_message": 1})
    client.stream()
    client.order(newClientOrderId="a")
    client.order("DELETE", origClientOrderId="a")
    client.order(newClientOrderId="b")
    assert [event["o"]["x"] for event in client.events()] == ["NEW", "NEW"]
    client = Client({"kind": "duplicate", "stream": "ORDER_TRADE_UPDATE"})
    client.stream()
    client.order()
    assert [event["o"]["x"] for event in client.events()] == ["NEW", "NEW"]
    client = Client({"kind": "reorder", "stream": "ORDER_TRADE_UPDATE"})
    client.stream()
    client.order(newClientOrderId="a")
    client.order("DELETE", origClientOrderId="a")
    assert [event["o"]["x"] for event in client.events()] == ["CANCELED", "NEW"]


def test_the_websocket_api_does_what_rest_does() -> None:
    client = Client()
    client.stream()

    call = client.call
    placed = call(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="99.00",
        quantity="1",
        newClientOrderId="w",
    )
    assert (placed["id"], placed["status"], placed["result"]["status"]) == ("7", 200, "NEW")
    assert {limit["rateLimitType"] for limit in placed["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
    assert call("order.status", symbol="BTCUSDT", origClientOrderId="w")["result"]["clientOrderId"] == "w"
    changed = call("order.modify", symbol="BTCUSDT", origClientOrderId="w", side="BUY", price="99.10", quantity="1")
    assert changed["result"]["price"] == "99.1"
    assert call("order.cancel", symbol="BTCUSDT", origClientOrderId="w")["result"]["status"] == "CANCELED"
    gone = call("order.cancel", symbol="BTCUSDT", origClientOrderId="w")
    assert (gone["status"], gone["error"]["code"]) == (400, -2011)
    assert call("account.position")["result"][0]["positionAmt"] == "0.000"
    assert call("account.balance")["result"][0]["balance"] == "10000.00000000"
    assert call("order.place", symbol="BTCUSDT", timestamp=1)["error"]["code"] == -1021
    assert orjson.loads(client.desk.ask_api(b"{", "1", 0, 0.0).body)["status"] == 400
    assert (
        orjson.loads(client.desk.ask_api(b'{"id":1,"method":"order.dance"}', "1", 0, 0.0).body)["error"]["code"]
        == -5000
    )
    assert [event["o"]["x"] for event in client.events()] == ["NEW", "AMENDMENT", "CANCELED"]


def test_every_error_of_the_table_can_be_scripted_before_and_after_execution() -> None:
    for executed, orders in ((True, 1), (False, 0)):
        client = Client(
            {
                "kind": "error",
                "path": "/fapi/v1/order",
                "status": 503,
                "code": -1007,
                "reason": "Timeout waiting for response from backend server.",
                "executed": executed,
            }
        )
        reply = client.ask(
            "POST",
            "/fapi/v1/order",
            symbol="BTCUSDT",
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            price="99.00",
            quantity="1",
        )
        assert (reply.status, orjson.loads(reply.body)["code"]) == (503, -1007)
        assert len(client.trade.trading.orders) == orders


def test_a_late_event_comes_after_its_delay_and_others_do_not_wait() -> None:
    client = Client({"kind": "late", "stream": "ORDER_TRADE_UPDATE", "delay_s": 2.0})
    client.stream()
    client.order(newClientOrderId="a")
    client.order("DELETE", origClientOrderId="a")
    assert [event["o"]["x"] for event in client.events()] == ["CANCELED"]
    client.effects += client.exchange.tick(1_999_000_000)
    assert client.events() == []
    client.effects += client.exchange.tick(2_000_000_000)
    assert [event["o"]["x"] for event in client.events()] == ["NEW"]


def test_a_listen_key_ends_by_script_even_twice_at_once_and_a_new_one_is_given() -> None:
    client = Client({"kind": "listen_key_expired", "mode": "twice", "at_s": 1.0})
    client.stream("/private/ws?listenKey={}")
    old = next(iter(client.trade.streams))
    client.effects += client.exchange.tick(2_000_000_000)
    assert [event["e"] for event in client.events()] == ["listenKeyExpired"] * 2
    client.trade.due(0, 10_000.0)
    assert orjson.loads(client.ask("POST", "/fapi/v1/listenKey", signed=False).body)["listenKey"] != old


def test_an_account_s_stream_can_be_silenced_by_its_name_alone() -> None:
    client = Client({"kind": "stall", "stream": "private"})
    client.stream()
    client.exchange.tick(1)
    client.order()
    assert client.events() == []


def test_events_travel_by_the_push_latency_and_keep_their_order() -> None:
    client = Client()
    client.exchange.private.latencies = Latencies(push_ms=100.0, seed=3)
    client.stream()
    for name in "abcdef":
        client.order(newClientOrderId=name)
    assert client.events() == []
    client.effects += client.exchange.tick(150_000_000)
    assert [event["o"]["c"] for event in client.events()] == list("abcdef")


@pytest.mark.parametrize("text", ["", "1,2", "a,b,c", "1,2,-3", "1,2,nan"])
def test_latencies_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadMarket, match="latency"):
        parse_latencies(text, 1)
