"""Trading through the program itself: signed REST, the WebSocket API and an account's stream over real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner
from venue_sim.auth import sign
from venue_sim.cli import app
from websockets.sync.client import ClientConnection

from tests.venue_sim.trader import Trader


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Trader]:
    running = Trader(tmp_path, "--rate", "200", "--levels", "3", "--symbols", "btcusdt")
    yield running
    assert running.stop() == 0


def until(ws: ClientConnection, event: str, status: str) -> Any:
    while True:
        value = json.loads(ws.recv(timeout=30))
        if value["e"] == event and (not status or value["o"]["X"] == status):
            return value


@pytest.mark.parametrize("in_body", [False, True])
def test_orders_rest_fill_and_are_told_over_real_sockets(trader: Trader, in_body: bool) -> None:
    key = trader.http.post("/fapi/v1/listenKey").json()["listenKey"]
    with trader.connect(f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE") as stream:
        low = f"{float(trader.best()[0]) * 0.97:.1f}0"
        order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010", "type": "LIMIT", "timeInForce": "GTC"}
        placed = trader.ask("POST", "/fapi/v1/order", in_body=in_body, **order, price=low, newClientOrderId="rest")
        assert placed.status_code == 200, placed.text
        assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        assert until(stream, "ORDER_TRADE_UPDATE", "NEW")["o"]["c"] == "rest"
        moved = trader.ask(
            "PUT",
            "/fapi/v1/order",
            symbol="BTCUSDT",
            side="BUY",
            quantity="0.010",
            price=trader.best()[0],
            origClientOrderId="rest",
        )
        assert moved.status_code == 200, moved.text
        filled = until(stream, "ORDER_TRADE_UPDATE", "FILLED")["o"]
        assert (filled["c"], filled["z"]) == ("rest", "0.01")
    (position,) = trader.ask("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT").json()
    assert position["positionAmt"] == "0.010"
    truth = trader.http.get("/sim/truth").json()
    assert [line["what"] for line in truth if line["client_id"] == "rest"][-1] == "filled"
    assert [order["status"] for order in trader.http.get("/sim/orders").json()] == ["FILLED"]
    (account,) = trader.http.get("/sim/accounts").json()
    assert account["positions"]["btcusdt"]["amount"] == "1/100"
    assert trader.http.get("/sim/trades").json()[0]["order_id"] == truth[0]["order_id"]


def test_the_websocket_api_answers_on_its_own_connection(trader: Trader) -> None:
    with trader.connect("/ws-fapi/v1") as api:
        parameters: dict[str, Any] = {
            "apiKey": "key",
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "MARKET",
            "quantity": "0.002",
            "newOrderRespType": "RESULT",
            "timestamp": trader.now_ms(),
        }
        payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        parameters["signature"] = sign(payload, "secret")
        api.send(json.dumps({"id": 3, "method": "order.place", "params": parameters}))
        answer = json.loads(api.recv(timeout=30))
        assert (answer["id"], answer["status"], answer["result"]["status"]) == (3, 200, "FILLED")


def test_what_happens_to_an_account_by_script_is_told_on_its_stream(trader: Trader) -> None:
    key = trader.http.post("/fapi/v1/listenKey").json()["listenKey"]
    with trader.connect(f"/private/ws?listenKey={key}") as stream:
        order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.002", "type": "MARKET"}
        assert trader.ask("POST", "/fapi/v1/order", **order).status_code == 200
        until(stream, "ORDER_TRADE_UPDATE", "FILLED")
        assert trader.http.post("/sim/funding", params={"symbol": "btcusdt", "rate": "0.0001"}).status_code == 200
        assert until(stream, "ACCOUNT_UPDATE", "")["a"]["m"] == "FUNDING_FEE"
        trader.http.post("/sim/liquidate", params={"account": "main", "symbol": "btcusdt"})
        closed = until(stream, "ORDER_TRADE_UPDATE", "FILLED")["o"]
        assert (closed["x"], closed["c"]) == ("CALCULATED", "autoclose-1")
    trader.http.post("/sim/hedge", params={"account": "main"})
    assert trader.ask("GET", "/fapi/v1/positionSide/dual").json() == {"dualSidePosition": True}
    assert trader.ask("POST", "/fapi/v1/order", **order).json()["code"] == -4061
    for path, query, field in (
        ("funding", {"symbol": "btcusdt", "rate": "x"}, "rate"),
        ("funding", {"symbol": "nope", "rate": "1"}, "symbol"),
        ("liquidate", {"account": "nobody", "symbol": "btcusdt"}, "account"),
        ("hedge", {"account": "main", "on": "maybe"}, "on"),
    ):
        answer = trader.http.post(f"/sim/{path}", params=query)
        assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_without_accounts_private_paths_do_not_exist(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "venue_sim", "run", "--rate", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        rest = json.loads(process.stdout.readline())["rest"]
        assert httpx.post(rest + "/fapi/v1/listenKey", timeout=30).status_code == 404
        assert httpx.get(rest + "/sim/orders", timeout=30).status_code == 404
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "[[account]]"),
        ("[[account]]\nname = 'a'", "entry 1, field 'api_key'"),
        ("[[account]]\nname='a'\napi_key='k'\nsecret='s'\ncolour='red'", "no such field"),
        ("[[account]]\nname='a'\napi_key='k'\nsecret='s'\nbalance='1e9'", "must be a number"),
        ("[[account]]\nname='a'\napi_key='k'\nsecret='s'\nleverage=0", "within 1 and 125"),
        ("[[account]]\nname='a'\napi_key='k'\nsecret='s'\n" * 2, "entry 2, field 'api_key'"),
        ("nonsense", "not TOML"),
    ],
)
def test_a_wrong_accounts_file_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    result = CliRunner().invoke(app, ["run", "--accounts", str(path)])
    assert result.exit_code == 2
    assert words in result.output
