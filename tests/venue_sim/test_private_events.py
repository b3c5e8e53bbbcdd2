"""What the owner of an account hears beside orders and balances: short fills, shrunk orders, configuration."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from venue_sim.market import Trade
from venue_sim.private_side import Quick

from tests.venue_sim.desk_client import START_MS, Client

SELL = {"side": "SELL", "type": "MARKET", "quantity": "0.4"}


def kinds(events: list[Any]) -> list[str]:
    return [event["e"] for event in events]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (Quick.OFF, ["ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE"]),
        (Quick.BEFORE, ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ORDER_TRADE_UPDATE"]),
        (Quick.AFTER, ["ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE"]),
    ],
)
def test_a_fill_is_told_shortly_before_or_after_by_option(when: Quick, expected: list[str]) -> None:
    client = Client()
    client.exchange.private.quick = when
    client.stream("/private/ws?listenKey={}&events=ORDER_TRADE_UPDATE/TRADE_LITE")
    client.order(**SELL, newClientOrderId="t")
    events = client.events()
    assert kinds(events) == expected
    if when is not Quick.OFF:
        (lite,) = (event for event in events if event["e"] == "TRADE_LITE")
        full = next(event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["t"])
        assert set(lite) == {"e", "E", "T", "s", "q", "p", "m", "c", "S", "L", "l", "t", "i"}
        assert all(lite[name] == full[name] for name in ("s", "q", "p", "m", "c", "S", "L", "l", "t", "i"))


def test_a_short_fill_has_the_fields_and_kinds_of_the_exchange_s_example(captured: Any) -> None:
    items = orjson.loads((captured / "payloads" / "binance_ws_jkorf.json").read_bytes())["items"]
    examples = [
        message["msg"]["data"]
        for item in items
        for message in item.get("messages", ())
        if isinstance(message.get("msg"), dict) and isinstance(message["msg"].get("data"), dict)
        if message["msg"]["data"].get("e") == "TRADE_LITE"
    ]
    client = Client()
    client.stream("/private/ws?listenKey={}&events=TRADE_LITE")
    client.order(**SELL)
    (lite,) = client.events()
    assert examples
    assert {name: type(value) for name, value in lite.items()} == {
        name: type(value) for name, value in examples[0].items()
    }


def test_a_short_fill_can_be_late_and_is_not_heard_by_who_did_not_ask() -> None:
    client = Client({"kind": "late", "stream": "TRADE_LITE", "delay_s": 1.0})
    client.stream("/private/ws?listenKey={}")
    client.stream("/private/ws?listenKey={}&events=ORDER_TRADE_UPDATE")
    client.order(**SELL)
    client.effects += client.exchange.flush()
    heard = client.effects[:]
    assert "TRADE_LITE" not in kinds(client.events(2))
    client.effects = heard
    assert "TRADE_LITE" not in kinds(client.events())
    client.pass_ms(1000)
    assert kinds(client.events()) == ["TRADE_LITE"]


def test_a_shrunk_reduce_only_order_is_told_with_its_new_quantity_and_reason_4_at_its_end() -> None:
    client = Client()
    client.order(side="BUY", type="MARKET", quantity="1")
    client.order(side="SELL", price="100.50", quantity="0.8", reduceOnly="true", newClientOrderId="close")
    client.stream()
    client.order(side="SELL", type="MARKET", quantity="0.5")
    shrunk = client.events()[-1]["o"]
    assert (shrunk["c"], shrunk["x"], shrunk["X"], shrunk["q"], shrunk["R"]) == (
        "close",
        "AMENDMENT",
        "NEW",
        "0.5",
        True,
    )
    assert client.order("GET", origClientOrderId="close")["origQty"] == "0.5"
    client.order(side="SELL", type="MARKET", quantity="0.5")
    ended = client.events()[-1]["o"]
    assert (ended["c"], ended["x"], ended["X"], ended["er"]) == ("close", "EXPIRED", "EXPIRED", "4")


def test_a_reduce_only_order_larger_than_the_position_is_refused_and_one_that_fits_is_not() -> None:
    client = Client()
    client.order(side="BUY", type="MARKET", quantity="1")
    assert client.order(side="SELL", price="100.50", quantity="1.1", reduceOnly="true")["code"] == -2022
    assert client.order(side="BUY", price="99.00", quantity="1", reduceOnly="true")["code"] == -2022
    assert client.order(side="SELL", price="100.50", quantity="1", reduceOnly="true")["status"] == "NEW"


def test_a_liquidation_ends_orders_closes_the_position_and_is_told_as_the_exchange_s_own() -> None:
    for deleverage, client_id in ((False, "autoclose-1"), (True, "adl_autoclose")):
        client = Client()
        client.order(side="BUY", type="MARKET", quantity="0.5")
        client.order(price="99.00", newClientOrderId="mine")
        client.stream("/private/ws?listenKey={}")
        client.trade.liquidate("alice", "btcusdt", 0, deleverage=deleverage)
        orders = [event["o"] for event in client.events() if event["e"] == "ORDER_TRADE_UPDATE"]
        assert [(one["c"], one["x"], one["X"]) for one in orders] == [
            ("mine", "CANCELED", "CANCELED"),
            (client_id, "NEW", "NEW"),
            (client_id, "CALCULATED", "FILLED"),
        ]
        assert client.trade.trading.accounts["alice"].position("btcusdt").amount == 0


def test_a_change_of_the_position_mode_is_told_once_and_refuses_orders() -> None:
    client = Client()
    client.stream("/private/ws?listenKey={}")
    client.trade.set_hedge("alice", True, 0)
    client.trade.set_hedge("alice", True, 0)
    assert kinds(client.events()) == ["ACCOUNT_CONFIG_UPDATE"]
    assert orjson.loads(client.ask("GET", "/fapi/v1/positionSide/dual").body) == {"dualSidePosition": True}
    assert client.order()["code"] == -4061


def test_a_fill_counted_twice_by_the_exchange_has_a_new_id_and_more_than_the_order() -> None:
    client = Client({"kind": "overfill", "stream": "ORDER_TRADE_UPDATE.TRADE"})
    client.stream()
    client.order(newClientOrderId="a")
    client.market_does(Trade(1, START_MS + 5, START_MS + 5, "99.90", "9.000", True))
    fills = [event["o"] for event in client.events() if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["t"]]
    assert [(one["l"], one["z"], one["q"]) for one in fills] == [("1", "1", "1"), ("1", "2", "1")]
    assert fills[0]["t"] != fills[1]["t"]
    assert client.order("GET", origClientOrderId="a")["executedQty"] == "1"
