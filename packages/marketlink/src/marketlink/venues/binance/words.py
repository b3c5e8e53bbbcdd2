"""Binance's words and numbers of orders, common to answers and the account's stream."""

from collections.abc import Mapping
from typing import Final

from marketlink.orders import OrderType, Side, Status, TimeInForce

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
TYPES: Final = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
TIMES_IN_FORCE: Final = {one.name: one for one in TimeInForce if one is not TimeInForce.UNSUPPORTED}
STATUSES: Final = {
    "NEW": Status.NEW,
    "PARTIALLY_FILLED": Status.PARTIALLY_FILLED,
    "FILLED": Status.FILLED,
    "CANCELED": Status.CANCELED,
    "EXPIRED": Status.EXPIRED,
    "EXPIRED_IN_MATCH": Status.EXPIRED,
    "REJECTED": Status.REJECTED,
}
SELF_TRADE: Final = "self-trade"
REASONS: Final = {  # of the field `er` (docs/venues/binance.md, account stream)
    "1": SELF_TRADE,
    "2": "ioc",
    "3": SELF_TRADE,
    "4": "reduce-only",
    "5": "liquidation",
    "6": "good-till-event",
    "7": "delisted",
    "8": "stop-triggered",
    "9": "market",
    "10": "fok",
    "11": "post-only",
}
OWN_PREFIXES: Final = {  # of client ids of orders that the exchange itself places
    "autoclose-": "liquidation",
    "adl_autoclose": "adl",
    "settlement_autoclose-": "settlement",
    "delivery_autoclose-": "settlement",
    "delivery-": "settlement",
}


def word(data: Mapping[str, object], name: str) -> str:
    """Read a word; empty where it is absent or no text."""
    value = data.get(name)
    return value if type(value) is str else ""


def side_of(data: Mapping[str, object], name: str) -> Side:
    """Read a side; UNSUPPORTED where it is not known."""
    return SIDES.get(word(data, name), Side.UNSUPPORTED)


def type_of(data: Mapping[str, object], name: str) -> OrderType:
    """Read an order's type; UNSUPPORTED where it is not known."""
    return TYPES.get(word(data, name), OrderType.UNSUPPORTED)


def time_in_force_of(data: Mapping[str, object], name: str) -> TimeInForce:
    """Read how long an order stays; UNSUPPORTED where it is not known."""
    return TIMES_IN_FORCE.get(word(data, name), TimeInForce.UNSUPPORTED)


def status_of(data: Mapping[str, object], name: str) -> Status:
    """Read an order's state; UNSUPPORTED where it is not known."""
    return STATUSES.get(word(data, name), Status.UNSUPPORTED)


def reason_of(client_id: str, status: Status, status_word: str, number: object) -> str:
    """Tell why the exchange ended an order, or which kind of its own orders this is; empty where it does not say."""
    for prefix, kind in OWN_PREFIXES.items():
        if client_id.startswith(prefix):
            return kind
    if status_word == "EXPIRED_IN_MATCH":
        return SELF_TRADE
    told = str(number) if type(number) in (str, int) else ""
    if status in (Status.CANCELED, Status.EXPIRED, Status.REJECTED) and told not in ("", "0"):
        return REASONS.get(told, f"er {told[:20]}")
    return ""


def spot_kind_of(kind: str, time_in_force: str) -> tuple[OrderType, TimeInForce]:
    """Read spot's type and time in force: post-only is a type there; UNSUPPORTED where one is not known."""
    if kind == "LIMIT_MAKER":
        return OrderType.LIMIT, TimeInForce.GTX
    return TYPES.get(kind, OrderType.UNSUPPORTED), TIMES_IN_FORCE.get(time_in_force, TimeInForce.UNSUPPORTED)


def exchange_id_of(data: Mapping[str, object], name: str) -> str:
    """Read the exchange's id of an order; empty where it is not said."""
    number = data.get(name)
    return str(number) if type(number) is int else ""
