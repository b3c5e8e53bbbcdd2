"""Bybit's envelope and numbers, common to its websockets, answers and the account's stream (docs/venues/bybit.md)."""

from collections.abc import Mapping
from typing import Final

from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.fields import Unusable, json_object

LINEAR: Final = "linear"


def result_of(body: bytes) -> Mapping[str, object]:
    """Read the `result` of an answer `{"retCode":0,"result":{..}}`. Raises Unusable."""
    data = json_object(body)
    if data.get("retCode") != 0:
        raise Unusable("retCode")
    result = data.get("result")
    if type(result) is not dict:
        raise Unusable("result")
    return result


def rows_of(result: Mapping[str, object], name: str = "list") -> list[Mapping[str, object]]:
    """Read a list of objects. Raises Unusable."""
    rows = result.get(name)
    if type(rows) is not list or not {dict}.issuperset(map(type, rows)):
        raise Unusable(name)
    return rows


def word(data: Mapping[str, object], name: str) -> str:
    """Read a word; empty where it is absent or no text."""
    value = data.get(name)
    return value if type(value) is str else ""


STATUSES: Final = {
    "Created": Status.NEW,
    "New": Status.NEW,
    "PartiallyFilled": Status.PARTIALLY_FILLED,
    "Filled": Status.FILLED,
    "Cancelled": Status.CANCELED,
    "PartiallyFilledCanceled": Status.CANCELED,
    "Rejected": Status.REJECTED,
}
"""Conditional orders' words (Untriggered, Triggered, Deactivated) say nothing about the orders sent here."""
SIDES: Final = {"Buy": Side.BUY, "Sell": Side.SELL}
TYPES: Final = {"Limit": OrderType.LIMIT, "Market": OrderType.MARKET}
TIMES_IN_FORCE: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PostOnly": TimeInForce.GTX,
}
SIDE_WORDS: Final = {side: name for name, side in SIDES.items()}
TYPE_WORDS: Final = {kind: name for name, kind in TYPES.items()}
TIME_WORDS: Final = {kind: name for name, kind in TIMES_IN_FORCE.items()}
EXPIRING: Final = {"CancelBySmp": "self-trade", "CancelByReduceOnly": "reduce-only"}
REASONS: Final = {
    "CancelByDCP": "disconnect protection",
    "CancelByAdmin": "exchange",
    "CancelBySettle": "settlement",
    "CancelByPrepareLiq": "liquidation",
    "CancelAllBeforeLiq": "liquidation",
    "CancelByPrepareAdl": "adl",
    "CancelAllBeforeAdl": "adl",
    "CancelByCannotAffordOrderCost": "margin",
}
REJECTIONS: Final = {
    "EC_PostOnlyWillTakeLiquidity": "post-only",
    "EC_NoImmediateQtyToFill": "ioc",
    "EC_NoEnoughQtyToFill": "fok",
    "EC_CancelForNoFullFill": "fok",
    "EC_BySelfMatch": "self-trade",
}
BY_USER: Final = "CancelByUser"


def ending(row: Mapping[str, object], status: Status) -> tuple[Status, str]:
    """How and why an order ended: the exchange says Cancelled of whatever it ended itself, too.

    Of an order that was not to rest, and of one that self-trade prevention or reduce-only ended, that is EXPIRED, as other
    exchanges call it; so it is of a post-only one that would have taken.
    """
    rejection, cancel = word(row, "rejectReason"), word(row, "cancelType")
    reason = REJECTIONS.get(rejection) or EXPIRING.get(cancel) or REASONS.get(cancel, "")
    if status is Status.REJECTED and not reason:
        reason = rejection
    if status is not Status.CANCELED:
        return status, reason if status is Status.REJECTED else ""
    at_once = word(row, "timeInForce") in ("IOC", "FOK") or word(row, "orderType") == "Market"
    if rejection in REJECTIONS or cancel in EXPIRING or (at_once and cancel != BY_USER):
        return Status.EXPIRED, reason or word(row, "timeInForce").lower()
    return status, reason
