"""Binance spot's account stream: how a connection to the WebSocket API subscribes to it, and what its events mean (docs/venues/spot.md).

Events come as `{"subscriptionId":..,"event":{..}}`; answers to the login's messages have a `status`.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import orjson

from marketlink.orders import Side
from marketlink.venues.binance.words import (
    SELF_TRADE,
    exchange_id_of,
    side_of,
    spot_kind_of,
    status_of,
    word,
)
from marketlink.venues.fields import MAX_MS, MS_NS, Unusable, amount, exact, text, whole
from marketlink.venues.signing import Ed25519Signer
from marketlink.venues.trading import (
    BalanceReport,
    Fill,
    HoldingReport,
    OrderReport,
    PrivateMessage,
    Refusal,
    Signer,
    StreamKeyEnded,
    StreamStep,
    Unused,
)

SUBSCRIBED_ALREADY: Final = -2035
KNOWN_UNUSED: Final = frozenset({"listStatus", "externalLockUpdate", "serverShutdown", "balanceUpdate", "answer"})


def stream_login(signer: Signer, time_ms: int, window_ms: int) -> Sequence[bytes]:
    """The messages of the login. The signature is of all parameters, sorted by name."""
    params: dict[str, str | int] = {"apiKey": signer.api_key, "recvWindow": window_ms, "timestamp": time_ms}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    params["signature"] = signer.sign(payload.encode())
    if not isinstance(signer, Ed25519Signer):  # a session can't be logged on to with another kind of key
        return (_message("subscribe", "userDataStream.subscribe.signature", params),)
    return _message("logon", "session.logon", params), _message("subscribe", "userDataStream.subscribe", {})


def _message(number: str, method: str, params: Mapping[str, str | int]) -> bytes:
    return orjson.dumps({"id": number, "method": method, **({"params": params} if params else {})})


def read_private(data: object) -> Sequence[PrivateMessage]:
    """Read a frame that was parsed. Raises Unusable."""
    if type(data) is not dict:
        raise Unusable("json object")
    event = data.get("event", data)
    if type(event) is not dict:
        raise Unusable("event")
    if "e" not in event:
        return (_step(data),)
    kind = text(event, "e")
    match kind:
        case "executionReport":
            return (_order(event),)
        case "outboundAccountPosition":
            return _account(event)
        case "balanceUpdate":
            return (HoldingReport(text(event, "a"), exact(event, "d"), whole(event, "T", MAX_MS) * MS_NS, change=True),)
        case "eventStreamTerminated":
            return (StreamKeyEnded(),)
        case _:
            return (Unused(kind, known=kind in KNOWN_UNUSED),)


def _step(data: Mapping[str, object]) -> PrivateMessage:
    """The answer to a message of the login; that the stream is subscribed already is no refusal."""
    status, error = data.get("status"), data.get("error")
    if type(status) is not int:
        return Unused("?", known=False)
    if status == 200 and error is None:
        return StreamStep()
    told = error if type(error) is dict else {}
    code = told.get("code")
    if code == SUBSCRIBED_ALREADY:
        return StreamStep()
    return StreamStep(Refusal(status, code if type(code) is int else None, word(told, "msg")))


def _order(event: Mapping[str, object]) -> OrderReport:
    """An order's event; where it was given another name, `C` is the one before."""
    symbol, client_id = text(event, "s").lower(), word(event, "C") or text(event, "c")
    exchange_id, side, time_ns = exchange_id_of(event, "i"), side_of(event, "S"), whole(event, "T", MAX_MS) * MS_NS
    if not exchange_id:
        raise Unusable("i")
    status, executed = status_of(event, "X"), amount(event, "z")
    order_type, time_in_force = spot_kind_of(word(event, "o"), word(event, "f"))
    fill = None
    if word(event, "x") == "TRADE" and (qty := amount(event, "l")) > 0:
        fill = _fill(event, symbol, client_id, exchange_id, side, qty, time_ns)
    return OrderReport(
        symbol,
        client_id,
        exchange_id,
        status,
        side,
        order_type,
        time_in_force,
        amount(event, "p"),
        amount(event, "q"),
        executed,
        time_ns,
        fill,
        _reason(event),
    )


def _fill(
    event: Mapping[str, object],
    symbol: str,
    client_id: str,
    exchange_id: str,
    side: Side,
    qty: Decimal,
    time_ns: int,
) -> Fill:
    maker = event.get("m")
    if side is Side.UNSUPPORTED or type(maker) is not bool:
        raise Unusable("S" if side is Side.UNSUPPORTED else "m")
    return Fill(
        symbol,
        str(whole(event, "t")),
        client_id,
        exchange_id,
        side,
        amount(event, "L"),
        qty,
        maker,
        time_ns,
        exact(event, "n") if event.get("n") is not None else None,
        word(event, "N"),
    )


def _reason(event: Mapping[str, object]) -> str:
    if word(event, "X") == "EXPIRED_IN_MATCH":
        return SELF_TRADE
    told = word(event, "r")
    return "" if told in ("", "NONE") else told.lower().replace("_", " ")


def _account(event: Mapping[str, object]) -> Sequence[PrivateMessage]:
    """Free and locked of every asset that may have changed, as of the account's last change `u`."""
    time_ns, rows = whole(event, "u", MAX_MS) * MS_NS, event.get("B")
    if type(rows) is not list or not {dict}.issuperset(map(type, rows)):
        raise Unusable("B")
    held = [(text(row, "a"), amount(row, "f") + amount(row, "l")) for row in rows]
    return (
        *(HoldingReport(asset, qty, time_ns) for asset, qty in held),
        *(BalanceReport(asset, qty, time_ns) for asset, qty in held),
    )
