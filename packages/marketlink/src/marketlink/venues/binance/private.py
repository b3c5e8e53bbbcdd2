"""The account streams of Binance's futures and of Portfolio Margin: where they are, and what their events mean.

docs/venues/binance.md, coinm.md and papi.md, account stream.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from marketlink.errors import MalformedMessage
from marketlink.orders import Side
from marketlink.venues.binance.public import reduced_root
from marketlink.venues.binance.words import (
    reason_of,
    side_of,
    status_of,
    time_in_force_of,
    type_of,
    word,
)
from marketlink.venues.fields import MAX_MS, MS_NS, Unusable, amount, exact, text, whole
from marketlink.venues.trading import (
    AccountReport,
    BalanceReport,
    Fill,
    HedgeModeChanged,
    OrderReport,
    PositionReport,
    PrivateMessage,
    StreamKeyEnded,
    Unused,
)

EVENTS: Final = "ORDER_TRADE_UPDATE/ACCOUNT_UPDATE/TRADE_LITE/ACCOUNT_CONFIG_UPDATE/MARGIN_CALL/listenKeyExpired"
FORMS: Final = {
    "query_events": "{root}/private/ws?listenKey={key}&events={events}",
    "query": "{root}/private/ws?listenKey={key}",
    "path": "{root}/private/ws/{key}",
}
COINM_FORMS: Final = {"path": "{root}/ws/{key}"}
FILLING: Final = frozenset({"TRADE", "CALCULATED"})
KNOWN_UNUSED: Final = frozenset(
    re.findall(
        r"\w+",
        "ACCOUNT_UPDATE ACCOUNT_CONFIG_UPDATE MARGIN_CALL STRATEGY_UPDATE GRID_UPDATE CONDITIONAL_ORDER_TRIGGER_REJECT "
        "ALGO_UPDATE ALGO_ORDER_UPDATE CONDITIONAL_ORDER_TRADE_UPDATE openOrderLoss outboundAccountPosition liabilityChange "
        "executionReport balanceUpdate answer error",
    )
)
MARGIN: Final = frozenset({"executionReport", "outboundAccountPosition", "balanceUpdate", "liabilityChange"})
"""Margin's events come on the same socket, and say no product."""
PAPI_FORMS: Final = {"path": "{root}/pm/ws/{key}"}
PRODUCTS: Final = {"UM": 1, "CM": 2}


def stream_url(forms: Mapping[str, str], root: str, key: str, form: str) -> str:
    """The address of the account's stream in one of these forms. Raises ValueError for another one."""
    if form not in forms:
        raise ValueError(f"{form!r} is no form of the account stream's address: {', '.join(forms)}")
    return forms[form].format(root=(reduced_root(root) or root).rstrip("/"), key=key, events=EVENTS)


def read_private(venue: str, product: int, frame: bytes) -> Sequence[PrivateMessage]:
    """Read a frame, bare or as `{"stream":..,"data":..}`; of another product than `product` nothing is used.

    Raises MalformedMessage.
    """
    try:
        return _read(product, _opened(frame))
    except Unusable as error:
        raise MalformedMessage(venue, str(error), frame, stream="account") from error


def _opened(frame: bytes) -> Mapping[str, object]:
    try:
        data = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise Unusable("json") from error
    if type(data) is dict and "stream" in data and "e" not in data:
        data = data.get("data")
    if type(data) is not dict:
        raise Unusable("json object")
    return data


def _read(product: int, event: Mapping[str, object]) -> Sequence[PrivateMessage]:
    if "e" not in event:  # what was answered to a message of ours
        kind = "error" if event.get("error") is not None else "answer" if "result" in event else "?"
        return (Unused(kind, known=kind in KNOWN_UNUSED),)
    kind = text(event, "e")
    if kind in MARGIN:
        return (Unused(kind, known=True),)
    whose = event.get("st", event.get("fs", product))
    if type(whose) is not int and type(whose) is not str:
        raise Unusable("st")
    number = PRODUCTS.get(whose, 0) if type(whose) is str else whose
    if number != product:
        return (Unused(f"{kind} of product {str(whose)[:20]}", known=number in PRODUCTS.values()),)
    match kind:
        case "ORDER_TRADE_UPDATE":
            return (_order(_part(event, "o")),)
        case "TRADE_LITE":
            return (_lite(event),)
        case "ACCOUNT_UPDATE":
            told = _account(event)
        case "ACCOUNT_CONFIG_UPDATE":
            told = _config(event)
        case "riskLevelChange":
            return (_risk(event),)
        case "listenKeyExpired":
            return (StreamKeyEnded(word(event, "listenKey")),)
        case _:
            told = ()
    return told or (Unused(kind, known=kind in KNOWN_UNUSED),)


def _part(event: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = event.get(name)
    if type(part) is not dict:
        raise Unusable(name)
    return part


def _rows(part: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    rows = part.get(name, [])
    if type(rows) is not list or not {dict}.issuperset(map(type, rows)):
        raise Unusable(name)
    return rows


def _order(order: Mapping[str, object]) -> OrderReport:
    symbol, client_id = text(order, "s").lower(), text(order, "c")
    exchange_id, side, time_ns = str(whole(order, "i")), side_of(order, "S"), whole(order, "T", MAX_MS) * MS_NS
    status, executed = status_of(order, "X"), amount(order, "z")
    fill = None
    if word(order, "x") in FILLING and (qty := amount(order, "l")) > 0:
        fill = Fill(
            symbol,
            _trade_id(order, executed),
            client_id,
            exchange_id,
            _sure(side),
            amount(order, "L"),
            qty,
            _flag(order, "m"),
            time_ns,
            exact(order, "n") if order.get("n") is not None else None,
            word(order, "N"),
        )
    return OrderReport(
        symbol,
        client_id,
        exchange_id,
        status,
        side,
        type_of(order, "o"),
        time_in_force_of(order, "f"),
        amount(order, "p"),
        amount(order, "q"),
        executed,
        time_ns,
        fill,
        reason_of(client_id, status, word(order, "X"), order.get("er")),
        order.get("R") is True,
    )


def _trade_id(order: Mapping[str, object], executed: object) -> str:
    """The exchange's trade id; a liquidation may come without one, and is then named by its order and how far that got [?]."""
    number = order.get("t")
    if word(order, "x") == "CALCULATED" and (type(number) is not int or number <= 0):
        return f"{whole(order, 'i')}/{executed}"
    if (trade_id := whole(order, "t")) == 0:
        raise Unusable("t")
    return str(trade_id)


def _lite(event: Mapping[str, object]) -> Fill:
    """The quick form of an execution: `q` and `p` are the order's, `l` and `L` this execution's."""
    qty = amount(event, "l")
    if qty == 0:
        raise Unusable("l")
    return Fill(
        text(event, "s").lower(),
        str(whole(event, "t")),
        word(event, "c"),
        str(whole(event, "i")),
        _sure(side_of(event, "S")),
        amount(event, "L"),
        qty,
        _flag(event, "m"),
        whole(event, "T", MAX_MS) * MS_NS,
    )


def _account(event: Mapping[str, object]) -> Sequence[PrivateMessage]:
    time_ns, part = whole(event, "T", MAX_MS) * MS_NS, _part(event, "a")
    positions: list[PrivateMessage] = [
        PositionReport(text(row, "s").lower(), exact(row, "pa"), time_ns, exact(row, "ep"), word(row, "ps") or "BOTH")
        for row in _rows(part, "P")
    ]
    balances = [BalanceReport(text(row, "a"), exact(row, "wb"), time_ns) for row in _rows(part, "B")]
    return (*positions, *balances)


def _risk(event: Mapping[str, object]) -> AccountReport:
    """A Portfolio Margin account comes near liquidation, or away from it."""
    time_ns = whole(event, "E", MAX_MS) * MS_NS
    return AccountReport(exact(event, "u"), exact(event, "eq"), exact(event, "m"), text(event, "s"), time_ns)


def _config(event: Mapping[str, object]) -> Sequence[PrivateMessage]:
    """Leverage and multi-asset mode change nothing here; the mode of positions does, wherever the event says it [?]."""
    for part in (event, event.get("ac"), event.get("ai")):
        if type(part) is dict and type(on := part.get("dualSidePosition")) is bool:
            return (HedgeModeChanged(on),)
    return ()


def _sure(side: Side) -> Side:
    """An execution of which the side is not known is none that can be counted."""
    if side is Side.UNSUPPORTED:
        raise Unusable("S")
    return side


def _flag(data: Mapping[str, object], name: str) -> bool:
    value = data.get(name)
    if type(value) is not bool:
        raise Unusable(name)
    return value
