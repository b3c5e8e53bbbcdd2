"""What is told and answered has the fields that the exchange's own messages have."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest
from venue_sim.accounts import Account
from venue_sim.market import BookState, Instrument
from venue_sim.matching import BUY
from venue_sim.orders import NewOrder, OrderState
from venue_sim.trading import Trading
from venue_sim.venues.usdm import USDM_TRADE as trade

COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")


def load(captured: Path, name: str) -> Any:
    path = captured / "payloads" / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    return orjson.loads(path.read_bytes())["items"]


@pytest.fixture
def traded() -> tuple[Trading, OrderState, list[dict[str, Any]]]:
    core = Trading({"btcusdt": COIN}, {"a": Account("a", Fraction(10_000))})
    core.on_book("btcusdt", BookState(1, 0, 0, [("99.90", "1.000")], [("100.00", "1.000")]), 0)
    state, pushes = core.place("a", NewOrder("btcusdt", BUY, Decimal("100.00"), Decimal("0.800"), "mine"), 5)
    assert isinstance(state, OrderState)
    return core, state, [orjson.loads(text.data) for push in pushes for text in trade.push(push, {"btcusdt": COIN})]


def kinds(value: Any) -> Any:
    """The shape of a value: names and kinds, no contents."""
    if isinstance(value, dict):
        return {name: kinds(one) for name, one in value.items()}
    return type(value).__name__


def test_order_events_have_the_fields_and_kinds_of_captured_ones(
    captured: Path, traded: tuple[Trading, OrderState, list[dict[str, Any]]]
) -> None:
    _, _, events = traded
    mine = [event for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    assert [event["o"]["x"] for event in mine] == ["NEW", "TRADE"]
    seen = 0
    for item in load(captured, "binance_user_data_real_sequences.json"):
        for event in item["sequence"]:
            if event.get("e") == "ORDER_TRADE_UPDATE":
                ours = next(one for one in mine if one["o"]["x"] == event["o"]["x"])
                assert kinds(ours) == kinds(event)
                seen += 1
    assert seen >= 4


@pytest.mark.parametrize(
    ("endpoint", "verb", "missing"),
    [
        ("/fapi/v1/order", "POST", set()),
        ("/fapi/v1/userTrades", "GET", {"baseQty", "marginAsset", "pair"}),
        ("/fapi/v2/balance", "GET", set()),
    ],
)
def test_answers_have_the_fields_of_the_exchange_s_examples(
    captured: Path,
    traded: tuple[Trading, OrderState, list[dict[str, Any]]],
    endpoint: str,
    verb: str,
    missing: set[str],
) -> None:
    core, state, _ = traded
    answers = {
        "/fapi/v1/order": trade.acknowledgement(state, whole=True),
        "/fapi/v1/userTrades": trade.trades(core.executions, {"btcusdt": COIN}),
        "/fapi/v2/balance": trade.balance(core.accounts["a"], core, 2, 5),
    }
    items = load(captured, "binance_official_connector_usdm.json")
    (example,) = [
        one["expected_response"] for one in items if (one.get("endpoint"), one.get("verb")) == (endpoint, verb)
    ]
    ours = orjson.loads(answers[endpoint].body)
    ours, example = (value[0] if isinstance(value, list) else value for value in (ours, example))
    assert example.keys() - ours.keys() <= missing
    for name in example.keys() & ours.keys():
        assert type(ours[name]) is type(example[name]), name
