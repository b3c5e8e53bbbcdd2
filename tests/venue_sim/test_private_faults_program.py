"""Failures of the private side over real sockets, and what an operator can let happen to accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.venue_sim.trader import Trader

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010", "type": "LIMIT", "timeInForce": "GTC"}


@pytest.fixture(scope="module")
def trader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    running = Trader(tmp_path_factory.mktemp("sim"), "--rate", "50", "--levels", "3", "--message-limit", "0")
    yield running
    assert running.stop() == 0


@pytest.fixture(autouse=True)
def clean(trader: Trader) -> Iterator[None]:
    yield
    trader.http.delete("/sim/faults")
    trader.http.post("/sim/clock", params={"offset_ms": "0"})
    assert trader.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT").status_code == 200


def low(trader: Trader) -> str:
    return f"{float(trader.best()[0]) * 0.97:.1f}0"


def orders(trader: Trader, name: str) -> list[Any]:
    return [one for one in trader.http.get("/sim/orders").json() if one["new"]["client_id"] == name]


def heard(ws: ClientConnection, name: str) -> Any:
    """The next order event of that client id."""
    while True:
        value = json.loads(ws.recv(timeout=20))
        if value.get("o", {}).get("c") == name:
            return value["o"]


@pytest.mark.parametrize("mode", ["reset", "eof"])
@pytest.mark.parametrize("executed", [False, True])
def test_an_http_connection_breaks_before_or_after_the_order_was_executed(
    trader: Trader, mode: str, executed: bool
) -> None:
    name, price = f"broken-{mode}-{executed}", low(trader)
    trader.fault(kind="hang_up", op="submit", mode=mode, executed=executed)
    with pytest.raises(httpx.ReadError if mode == "reset" else httpx.RemoteProtocolError):
        trader.ask("POST", "/fapi/v1/order", **ORDER, price=price, newClientOrderId=name)
    assert len(orders(trader, name)) == executed
    asked = trader.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=name)
    assert asked.json().get("code") == (None if executed else -2013)


def test_the_order_socket_breaks_with_all_its_requests_and_none_is_answered(trader: Trader) -> None:
    price = low(trader)
    requests = [
        {"id": at, "method": "order.place", "params": trader.sign(**ORDER, price=price, newClientOrderId=f"ten{at}")}
        for at in range(3)
    ]
    trader.fault(kind="slow", op="submit", delay_s=30, count=2)
    trader.fault(kind="hang_up", op="submit", executed=True, after_request=2)
    with trader.connect("/ws-fapi/v1") as api:
        for request in requests:
            api.send(json.dumps(request))
        with pytest.raises(ConnectionClosed):
            api.recv(timeout=20)
    assert [len(orders(trader, f"ten{at}")) for at in range(3)] == [1, 1, 1]


def test_a_cut_answer_and_one_that_never_comes_leave_the_order_as_it_is(trader: Trader) -> None:
    trader.fault(kind="cut_body", op="submit")
    cut = trader.ask("POST", "/fapi/v1/order", **ORDER, price=low(trader), newClientOrderId="cut")
    assert cut.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        cut.json()
    assert orders(trader, "cut")[0]["status"] == "NEW"
    trader.fault(kind="late_execution", op="cancel", delay_s=0.2)
    query = trader.signed(symbol="BTCUSDT", origClientOrderId="cut")
    with pytest.raises(httpx.ReadTimeout):
        trader.http.delete(f"/fapi/v1/order?{query}", timeout=0.1)
    key = trader.http.post("/fapi/v1/listenKey").json()["listenKey"]
    with trader.connect(f"/private/ws?listenKey={key}") as stream:
        if orders(trader, "cut")[0]["status"] != "CANCELED":
            assert heard(stream, "cut")["X"] == "CANCELED"


def test_a_step_of_the_clock_is_seen_as_too_late_until_the_time_is_asked(trader: Trader) -> None:
    query = trader.signed(symbol="BTCUSDT")
    assert trader.http.post("/sim/clock", params={"offset_ms": "6000"}).status_code == 200
    refused = trader.http.get(f"/fapi/v1/openOrders?{query}")
    assert (refused.status_code, refused.json()["code"]) == (400, -1021)
    assert trader.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").status_code == 200
    assert trader.http.post("/sim/clock", params={"offset_ms": "soon"}).json()["field"] == "offset_ms"


def test_orders_of_others_are_placed_changed_and_cancelled_by_hand(trader: Trader) -> None:
    key = trader.http.post("/fapi/v1/listenKey").json()["listenKey"]
    manual = {"account": "main", "symbol": "BTCUSDT", "side": "BUY"}
    price = low(trader)
    with trader.connect(f"/private/ws?listenKey={key}") as stream:
        more = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "newClientOrderId": "web_1"}
        placed = trader.http.post("/sim/order", params={**manual, **more, "price": price})
        assert placed.json()["clientOrderId"] == "web_1", placed.text
        assert heard(stream, "web_1")["X"] == "NEW"
        change = {"origClientOrderId": "web_1", "quantity": "0.020", "price": price}
        assert trader.http.put("/sim/order", params={**manual, **change}).status_code == 200
        assert heard(stream, "web_1")["q"] == "0.02"
        open_orders = trader.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").json()
        assert [one["clientOrderId"] for one in open_orders] == ["web_1"]
        gone = trader.http.delete("/sim/order", params={**manual, "origClientOrderId": "web_1"})
        assert gone.json()["status"] == "CANCELED"
        assert heard(stream, "web_1")["X"] == "CANCELED"
    again = trader.http.delete("/sim/order", params={**manual, "origClientOrderId": "web_1"})
    assert (again.status_code, json.loads(again.json()["error"])["code"]) == (400, -2011)
    assert trader.http.post("/sim/order", params={"account": "nobody"}).json()["field"] == "account"
    assert trader.http.post("/sim/order", params={"account": "main"}).status_code == 400


def test_one_fault_can_be_forgotten_by_its_number(trader: Trader) -> None:
    first, second = (
        trader.http.post("/sim/faults", json={"kind": "status", "status": 503, "op": op, "count": 0}).json()["number"]
        for op in ("open_orders", "balance")
    )
    assert trader.http.delete("/sim/faults", params={"number": first}).json() == {"cleared": 1}
    assert trader.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT").status_code == 200
    assert trader.ask("GET", "/fapi/v2/balance").status_code == 503
    assert trader.http.delete("/sim/faults", params={"number": second}).json() == {"cleared": 1}


def test_options_of_trading_are_the_program_s(tmp_path: Path) -> None:
    running = Trader(tmp_path, "--rate", "50", "--levels", "3", "--trade-lite", "off", "--change-limit", "1")
    try:
        price = low(running)
        running.ask("POST", "/fapi/v1/order", **ORDER, price=price, newClientOrderId="a")
        change = {"symbol": "BTCUSDT", "side": "BUY", "price": price, "origClientOrderId": "a"}
        assert running.ask("PUT", "/fapi/v1/order", **change, quantity="0.011").status_code == 200
        assert running.ask("PUT", "/fapi/v1/order", **change, quantity="0.012").json()["code"] == -5026
        key = running.http.post("/fapi/v1/listenKey").json()["listenKey"]
        with running.connect(f"/private/ws?listenKey={key}") as stream:
            market = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.002"}
            running.ask("POST", "/fapi/v1/order", **market)
            running.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a")
            seen = []
            while not seen or seen[-1].get("o", {}).get("c") != "a":
                seen.append(json.loads(stream.recv(timeout=20)))
            assert "TRADE_LITE" not in {event["e"] for event in seen}
    finally:
        assert running.stop() == 0
