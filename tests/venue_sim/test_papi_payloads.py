"""What Portfolio Margin's face tells and answers has exactly the fields of the exchange's own examples; its address and key rules."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest
from venue_sim.accounts import Account
from venue_sim.face import Body, Private, Refusal, Route
from venue_sim.market import BookState, Instrument
from venue_sim.matching import BUY
from venue_sim.orders import ConfigPush, NewOrder, OrderPush, OrderState, Push
from venue_sim.trade_face import Place, PrivateAsk, Wrong
from venue_sim.trading import Trading
from venue_sim.venues.papi import PAPI
from venue_sim.venues.papi import PAPI_TRADE as trade

COINS = {"btcusdt": Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")}


def load(captured: Path, name: str) -> Any:
    path = captured / "payloads" / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    return orjson.loads(path.read_bytes())["items"]


@pytest.fixture
def traded() -> tuple[Trading, OrderState, list[Push]]:
    core = Trading(COINS, {"a": Account("a", Fraction(10_000))})
    core.on_book("btcusdt", BookState(1, 0, 0, [("99.90", "1.000")], [("100.00", "1.000")]), 0)
    state, pushes = core.place("a", NewOrder("btcusdt", BUY, Decimal("100.00"), Decimal("1.800"), "mine"), 5)
    assert isinstance(state, OrderState)
    return core, state, pushes


def names(value: Any) -> Any:
    """The names in a value, down to the last."""
    if isinstance(value, dict):
        return {name: names(one) for name, one in value.items()}
    return names(value[0]) if isinstance(value, list) and value else None


def test_answers_have_the_fields_of_the_exchange_s_examples(
    captured: Path, traded: tuple[Trading, OrderState, list[Push]]
) -> None:
    core, state, _ = traded
    account = core.accounts["a"]
    answers: dict[tuple[str, str], Body] = {
        ("POST", "um/order"): trade.acknowledgement(state, whole=True),
        ("DELETE", "um/order"): trade.acknowledgement(state, whole=True),
        ("PUT", "um/order"): trade.acknowledgement(state, whole=True, modified=True),
        ("GET", "um/order"): trade.order(state),
        ("GET", "um/openOrders"): trade.orders([state]),
        ("DELETE", "um/allOpenOrders"): trade.done_all(),
        ("GET", "um/userTrades"): trade.trades(core.executions, COINS),
        ("GET", "um/positionRisk"): trade.positions(account, core, None, 1, 5),
        ("GET", "um/accountConfig"): trade.hedge(True, 2),
        ("GET", "um/positionSide/dual"): trade.hedge(True, 1),
        ("GET", "account"): trade.account(account, core, 1, 5),
        ("GET", "balance"): trade.balance(account, core, 1, 5),
        ("GET", "rateLimit/order"): trade.pools(trade.order_pools),
        ("POST", "listenKey"): trade.stream_key("k"),
    }
    items = load(captured, "binance_official_connector_papi.json")
    examples = {
        (item["verb"], item["endpoint"].removeprefix("/papi/v1/")): item["expected_response"]
        for item in items
        if item.get("endpoint")
    }
    for found, answer in answers.items():
        assert names(orjson.loads(answer.body)) == names(examples[found]), found


def test_events_have_the_fields_of_the_exchange_s_examples(
    captured: Path, traded: tuple[Trading, OrderState, list[Push]]
) -> None:
    _, _, pushes = traded
    items = load(captured, "binance_papi_and_um_user_data_openxapi.json")
    examples = {
        item["payload"]["e"]: item["payload"]
        for item in items
        if item["path"].endswith("pmargin-streams.yaml") and "e" in item["payload"]
    }
    texts = [text for push in [*pushes, ConfigPush("a", True, 5)] for text in trade.push(push, COINS)]
    told = [orjson.loads(text.data) for text in [*texts, trade.key_expired("k", 5)]]
    assert {event["e"] for event in told} == {
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
        "ACCOUNT_CONFIG_UPDATE",
        "listenKeyExpired",
    }
    for event in told:
        assert names(event) == names(examples[event["e"]]), event["e"]


def test_a_modification_is_told_as_new(traded: tuple[Trading, OrderState, list[Push]]) -> None:
    core, state, _ = traded
    _, pushes = core.modify("a", "btcusdt", state.id, None, Decimal("99.00"), Decimal("2.000"), 9)
    assert isinstance(pushes[0], OrderPush)
    (text,) = trade.push(pushes[0], COINS)
    order = orjson.loads(text.data)["o"]
    assert (order["x"], order["X"], order["p"], order["q"]) == ("NEW", "PARTIALLY_FILLED", "99", "2")
    assert trade.quick(pushes[0]) is None


def test_a_stream_of_this_account_is_at_its_own_address_and_silent_elsewhere() -> None:
    def private(target: str) -> Private | None:
        route = PAPI.talk.parse_target(target)
        assert isinstance(route, Route)
        return route.private

    assert private("/pm/ws/K") == private("/pm/stream?streams=K") == Private(("K",), None, "path")
    assert private("/private/ws?listenKey=K&events=ORDER_TRADE_UPDATE") is None
    assert private("/pm/ws") is None
    for target in ("/ws-fapi/v1", "/pm", "/pm/other/K"):
        assert isinstance(PAPI.talk.parse_target(target), Refusal)


@pytest.mark.parametrize(("client_id", "code"), [("x" * 32, None), ("x" * 33, -1100), ("a b", -1100), ("", None)])
def test_a_client_id_has_at_most_32_of_its_characters(client_id: str, code: int | None) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1", "newClientOrderId": client_id}
    ask = trade.parse("POST", "/papi/v1/um/order", order, COINS)
    assert isinstance(ask, PrivateAsk)
    if code is None:
        assert isinstance(ask.what, Place)
    else:
        assert isinstance(ask.what, Wrong)
        assert orjson.loads(ask.what.answer.body)["code"] == code


@pytest.mark.parametrize(
    ("method", "name"), [("DELETE", "um/batchOrders"), ("POST", "um/countdownCancelAll"), ("GET", "time")]
)
def test_what_the_exchange_has_not_is_no_request(method: str, name: str) -> None:
    assert trade.parse(method, f"/papi/v1/{name}", {"symbol": "BTCUSDT"}, COINS) is None
