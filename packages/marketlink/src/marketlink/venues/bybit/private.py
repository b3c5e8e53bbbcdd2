"""What Bybit tells of an account: orders, executions, positions and the wallet, in lists and on its stream (docs/venues/bybit.md).

An order's message has no execution in it: executions come in a topic of their own, before or after it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from marketlink.orders import OrderType, Side, Status, TimeInForce
from marketlink.venues.bybit.words import (
    LINEAR,
    SIDES,
    STATUSES,
    TIMES_IN_FORCE,
    TYPES,
    ending,
    rows_of,
    word,
)
from marketlink.venues.fields import MAX_MS, MS_NS, Unusable, amount, exact, text, whole
from marketlink.venues.trading import (
    BalanceReport,
    Fill,
    OrderReport,
    PositionReport,
    PrivateMessage,
    Refusal,
    StreamStep,
    Unused,
)

EXECUTED: Final = frozenset({"Trade", "AdlTrade", "BustTrade"})
"""Kinds of execution that are one; Funding, Settle, Delivery and others carry a quantity that nobody traded."""
POSITION_SIDES: Final = {0: "BOTH", 1: "LONG", 2: "SHORT"}
KNOWN_UNUSED: Final = frozenset({"greeks", "dcp", "spread", "rfq", "fast-order"})


def time_of(row: Mapping[str, object], *names: str) -> int:
    """Read the first time that is there, ms in a text, as ns."""
    for name in names:
        value = row.get(name)
        if type(value) is str and value.isdecimal() and value.isascii() and len(value) < 17 and int(value) <= MAX_MS:
            return int(value) * MS_NS
    raise Unusable(names[0])


def maybe(row: Mapping[str, object], name: str) -> Decimal:
    """Read a decimal that may be left out or empty: none is zero."""
    return Decimal(0) if row.get(name) in (None, "") else amount(row, name)


def order_of(row: Mapping[str, object]) -> OrderReport:
    """Read an order. The price that the exchange gives a market order is none of its own. Raises Unusable."""
    status, reason = ending(row, STATUSES.get(word(row, "orderStatus"), Status.UNSUPPORTED))
    kind = TYPES.get(word(row, "orderType"), OrderType.UNSUPPORTED)
    return OrderReport(
        text(row, "symbol"),
        word(row, "orderLinkId"),
        text(row, "orderId"),
        status,
        SIDES.get(word(row, "side"), Side.UNSUPPORTED),
        kind,
        TIMES_IN_FORCE.get(word(row, "timeInForce"), TimeInForce.UNSUPPORTED),
        Decimal(0) if kind is OrderType.MARKET else maybe(row, "price"),
        amount(row, "qty"),
        maybe(row, "cumExecQty"),
        time_of(row, "updatedTime", "createdTime"),
        None,
        reason,
        row.get("reduceOnly") is True,
    )


def fill_of(row: Mapping[str, object]) -> Fill | None:
    """Read an execution; None for what is none. The quick form has neither fee nor kind, and no client id of maker's fills."""
    if row.get("execType", "Trade") not in EXECUTED:
        return None
    side, qty = SIDES.get(word(row, "side")), amount(row, "execQty")
    if side is None or qty == 0:
        raise Unusable("side" if side is None else "execQty")
    return Fill(
        text(row, "symbol"),
        text(row, "execId"),
        word(row, "orderLinkId"),
        text(row, "orderId"),
        side,
        amount(row, "execPrice"),
        qty,
        row.get("isMaker") is True,
        time_of(row, "execTime"),
        exact(row, "execFee") if row.get("execFee") not in (None, "") else None,
        word(row, "feeCurrency"),
    )


def position_of(row: Mapping[str, object]) -> PositionReport:
    """Read a position; its size has no sign."""
    size = maybe(row, "size")
    entry = "entryPrice" if row.get("entryPrice") not in (None, "") else "avgPrice"
    index = whole(row, "positionIdx", 2)
    signed = size if word(row, "side") == "Buy" else -size
    return PositionReport(
        text(row, "symbol"),
        signed,
        time_of(row, "updatedTime", "createdTime"),
        maybe(row, entry),
        POSITION_SIDES[index],
    )


def balances_of(row: Mapping[str, object], time_ns: int) -> list[BalanceReport]:
    """Read what a wallet holds of each coin."""
    return [BalanceReport(text(one, "coin"), exact(one, "walletBalance"), time_ns) for one in rows_of(row, "coin")]


def is_linear(row: Mapping[str, object]) -> bool:
    """Whether a row is of linear contracts; one that does not say is."""
    return row.get("category", LINEAR) == LINEAR


def read_message(message: Mapping[str, object]) -> Sequence[PrivateMessage]:
    """Read a message of the account's stream. Raises Unusable."""
    if "topic" not in message:
        return _reply(message)
    topic = text(message, "topic")
    kind = topic.split(".")[0]
    if kind not in ("order", "execution", "position", "wallet"):
        return (Unused(topic, kind in KNOWN_UNUSED),)
    rows = rows_of(message, "data")
    if kind == "wallet":
        time_ns = whole(message, "creationTime", MAX_MS) * MS_NS
        return [balance for row in rows for balance in balances_of(row, time_ns)]
    linear = [row for row in rows if is_linear(row)]
    if not linear:
        return (Unused(f"{topic} of another category", known=True),)
    if kind == "order":
        return [order_of(row) for row in linear]
    if kind == "position":
        return [position_of(row) for row in linear]
    fills = [fill_of(row) for row in linear]
    none = sum(fill is None for fill in fills)
    others = [Unused(f"{topic} that is no trade", known=True)] * none
    return [*(fill for fill in fills if fill is not None), *others]


def _reply(message: Mapping[str, object]) -> Sequence[PrivateMessage]:
    """Read an answer: to the login, to the subscription, to a beat."""
    op, words = word(message, "op"), word(message, "ret_msg") or word(message, "retMsg")
    if op in ("auth", "subscribe"):
        success, code = message.get("success"), message.get("retCode")
        if success is True or code == 0:
            return (StreamStep(),)
        return (StreamStep(Refusal(200, code if type(code) is int else None, words)),)
    known = op in ("ping", "pong") or words == "pong"
    return (Unused(op or "?", known),)
