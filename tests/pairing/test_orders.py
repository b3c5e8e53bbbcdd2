"""What is read off the words of the source's bot."""

from typing import Any

import pytest

from tests.pairing.orders import differences

SAID = """submit Ok(Ok)
order 7 Order { qty: 0.01, side: Buy, status: New, order_id: 7, order_type: Limit }
cancel Ok(Ok)
order 8 Order { qty: 0.01, side: Sell, status: Filled, order_id: 8, order_type: Market }
order 7 Order { qty: 0.01, side: Buy, status: Canceled, order_id: 7, order_type: Limit }
best 61813.9 x 61815.1 crossed 0 position -0.01
"""
ORDERS: list[Any] = [
    {"new": {"tif": "GTX", "price": "1"}, "status": "CANCELED"},
    {"new": {"tif": "GTC", "price": None}, "status": "FILLED"},
]
TRADES: list[Any] = [{"quantity": "0.004", "side": -1}, {"quantity": "0.006", "side": -1}]


def test_what_agrees_with_the_exchange_is_right() -> None:
    assert differences(SAID, ORDERS, TRADES) == []


@pytest.mark.parametrize(
    ("said", "orders", "trades", "what"),
    [
        (SAID.replace("Canceled", "New"), ORDERS, TRADES, "the resting order"),
        (SAID.replace("cancel Ok(Ok)\n", ""), ORDERS, TRADES, "no 'cancel"),
        (SAID.replace("order 8", "order 9"), ORDERS, TRADES, "the market order"),
        (SAID, ORDERS[:1], TRADES, "the exchange has"),
        (SAID, ORDERS, TRADES[:1], "the position"),
        (SAID, ORDERS, [], "the position"),
    ],
)
def test_what_does_not_is_named(said: str, orders: list[Any], trades: list[Any], what: str) -> None:
    wrong = differences(said, orders, trades)
    assert len(wrong) == 1
    assert what in wrong[0]
