"""Spot's private requests: paths, weights and parameters of REST, and the WebSocket API's form of them (exchange.md section 3).
What is not settled is marked [?]."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from venue_sim.face import RequestId
from venue_sim.market import Instrument
from venue_sim.matching import SelfTrade, Tif
from venue_sim.orders import NewOrder
from venue_sim.trade_face import (
    ApiRequest,
    ApiWrong,
    Cancel,
    CancelAll,
    Lower,
    Place,
    PrivateAsk,
    QueryAccount,
    QueryOpen,
    QueryOrder,
    QueryPools,
    UserStream,
    What,
    Wrong,
)
from venue_sim.venues.usdm.private_requests import Bad, Parameters
from venue_sim.venues.usdm.words import error

_ROOT = "/api/v3/"
_SESSION = "/api/v3/session/"  # of the WebSocket API only
_TIFS = {one.value: one for one in (Tif.GTC, Tif.IOC, Tif.FOK)}
_MODES = {one.value: one for one in SelfTrade}
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,50}")
_API = {
    "order.place": ("POST", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.status": ("GET", "/api/v3/order"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "account.status": ("GET", "/api/v3/account"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "session.logon": ("POST", _SESSION + "logon"),
    "userDataStream.subscribe": ("POST", _SESSION + "subscribe"),
    "userDataStream.subscribe.signature": ("POST", _SESSION + "subscribe.signature"),
    "userDataStream.unsubscribe": ("POST", _SESSION + "unsubscribe"),
}


def parse(
    method: str, path: str, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]
) -> PrivateAsk | None:
    """Read a private request; None for a path that is none."""
    if not path.startswith(_ROOT):
        return None
    try:
        found = _parse(method, path.removeprefix(_ROOT), _Parameters(parameters, symbols))
    except Bad as bad:
        return PrivateAsk(1, 0, Wrong(error(bad.code, bad.text)))
    return None if found is None else PrivateAsk(*found)


def _parse(method: str, name: str, ask: _Parameters) -> tuple[int, int, What] | None:
    match method, name:
        case "POST", "order":
            return 1, 1, ask.place()
        case "DELETE", "order":
            return 1, 0, Cancel((ask.ref(),), False)
        case "GET", "order":
            return 4, 0, QueryOrder(ask.ref())
        case "PUT", "order/amend/keepPriority":
            return 4, 0, Lower(ask.ref(), ask.decimal("newQty"))
        case "GET", "openOrders":
            symbol = ask.symbol_or_none()
            return (80 if symbol is None else 6), 0, QueryOpen(symbol)
        case "DELETE", "openOrders":
            return 1, 0, CancelAll(ask.symbol())
        case "GET", "myTrades":
            return 20, 0, ask.trades()
        case "GET", "account":
            return 20, 0, QueryAccount(3)
        case "GET", "rateLimit/order":
            return 40, 0, QueryPools()
        case "POST", "session/logon":
            return 2, 0, UserStream("logon", "", signed=True)
        case "POST", "session/subscribe":
            return 2, 0, UserStream("subscribe", "")
        case "POST", "session/subscribe.signature":
            return 2, 0, UserStream("subscribe", "", signed=True)
        case "POST", "session/unsubscribe":
            return 2, 0, UserStream("unsubscribe", "")
        case _:
            return None


class _Parameters(Parameters):
    """A request's parameters; spot is stricter about symbols, and has types of its own."""

    def symbol(self) -> str:
        """Read the symbol, which must be known and in capitals."""
        if not _SYMBOL.fullmatch(self.text("symbol")):
            raise Bad(-1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,50}$'.")
        return super().symbol()

    def place(self) -> Place:
        """Read a new order."""
        symbol, side, kind = self.symbol(), self.side(), self.text("type")
        if kind not in ("LIMIT", "LIMIT_MAKER", "MARKET"):
            raise Bad(-1116, "Invalid orderType.")
        tif, price = Tif.GTC, None
        if kind == "LIMIT":
            if self.text("timeInForce") not in _TIFS:
                raise Bad(-1115, "Invalid timeInForce.")
            tif = _TIFS[self.text("timeInForce")]
        elif self.text_or_none("timeInForce") is not None:
            raise Bad(-1106, "Parameter 'timeInForce' sent when not required.")
        if kind == "LIMIT_MAKER":
            tif = Tif.POST
        if kind != "MARKET":
            price = self.decimal("price")
        elif self.text_or_none("price") is not None:
            raise Bad(-1106, "Parameter 'price' sent when not required.")
        if self.text_or_none("reduceOnly") is not None:
            raise Bad(-1104, "Not all sent parameters were read.")
        client_id = self.text_or_none("newClientOrderId") or ""
        if len(client_id) > 36:
            raise Bad(
                -1100,
                "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
            )
        mode = self._parameters.get("selfTradePreventionMode") or "EXPIRE_MAKER"
        if mode not in _MODES:
            raise Bad(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
        new = NewOrder(symbol, side, price, self.decimal("quantity"), client_id, tif, False, _MODES[mode])
        return Place(new, self._parameters.get("newOrderRespType", "FULL") != "ACK")


def parse_api(text: bytes) -> ApiRequest | ApiWrong:
    """Read a request of the WebSocket API. Its signature covers all parameters sorted by name."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ApiWrong(_api_error(None, -1135, "Invalid JSON Request"))
    request_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(value.get("params", {}), dict):
        return ApiWrong(_api_error(None, -1135, "Invalid JSON Request"))
    if isinstance(request_id, bool) or not isinstance(request_id, int | str | None):
        return ApiWrong(_api_error(None, -1102, "Mandatory parameter 'id' was not sent, was empty/null, or malformed."))
    name = value.get("method")
    if not isinstance(name, str) or name not in _API:
        return ApiWrong(_api_error(request_id, -1102, f"Method {name} is invalid"))  # [?]
    parameters = {key: _text(one) for key, one in value.get("params", {}).items()}
    signature, key = parameters.pop("signature", ""), parameters.get("apiKey", "")
    payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return ApiRequest(request_id, *_API[name], parameters, key, payload, signature)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _api_error(request_id: RequestId, code: int, text: str) -> bytes:
    return orjson.dumps({"id": request_id, "status": 400, "error": {"code": code, "msg": text}})
