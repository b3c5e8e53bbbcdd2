"""USD-M's private requests: paths, weights and parameters of REST, and the WebSocket API's form of them (exchange.md
section 1, trading.md section 5). What is not settled is marked [?].
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import orjson

from venue_sim.face import RequestId
from venue_sim.filters import parse_decimal
from venue_sim.market import Instrument
from venue_sim.matching import BUY, SELL, SelfTrade, Tif
from venue_sim.orders import NewOrder
from venue_sim.trade_face import (
    ApiRequest,
    ApiWrong,
    Cancel,
    CancelAll,
    Countdown,
    Modify,
    OrderRef,
    Place,
    PrivateAsk,
    QueryAccount,
    QueryBalance,
    QueryHedge,
    QueryOpen,
    QueryOrder,
    QueryPools,
    QueryPositions,
    QueryTrades,
    UserStream,
    What,
    Wrong,
)
from venue_sim.venues.usdm.words import error

_SIDES = {"BUY": BUY, "SELL": SELL}
_CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
_API = {
    "order.place": ("POST", "/fapi/v1/order"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "account.position": ("GET", "/fapi/v1/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v2/positionRisk"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
}


class Bad(Exception):
    """A parameter that makes the request wrong."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def parse(
    method: str, path: str, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]
) -> PrivateAsk | None:
    """Read a private request; None for a path that is none."""
    version = int(path[7]) if path.startswith("/fapi/v") and path[7:8].isdecimal() else 0
    name = path[9:]
    if not version or path[8:9] != "/":
        return None
    ask = Parameters(parameters, symbols)
    try:
        found = _parse(method, name, version, ask)
    except Bad as bad:
        return PrivateAsk(1, 0, Wrong(error(bad.code, bad.text)))
    return None if found is None else PrivateAsk(*found)


def _parse(method: str, name: str, version: int, ask: Parameters) -> tuple[int, int, What] | None:
    match method, name, version:
        case "POST", "order", 1:
            return 0, 1, ask.place()
        case "PUT", "order", 1:
            return 0, 1, ask.change()
        case "DELETE", "order", 1:
            return 1, 0, Cancel((ask.ref(),), False)
        case "GET", "order", 1:
            return 1, 0, QueryOrder(ask.ref())
        case "GET", "openOrder", 1:
            return 1, 0, QueryOrder(ask.ref(), True)
        case "DELETE", "batchOrders", 1:
            return 1, 0, Cancel(ask.refs(), True)
        case "DELETE", "allOpenOrders", 1:
            return 1, 0, CancelAll(ask.symbol())
        case "POST", "countdownCancelAll", 1:
            return 10, 0, Countdown(ask.symbol(), ask.integer("countdownTime"))
        case "GET", "openOrders", 1:
            symbol = ask.symbol_or_none()
            return (40 if symbol is None else 1), 0, QueryOpen(symbol)
        case "GET", "userTrades", 1:
            return 5, 0, ask.trades()
        case "GET", "positionRisk", 1 | 2 | 3:
            return 5, 0, QueryPositions(ask.symbol_or_none(), version)
        case "GET", "account", 2 | 3:
            return 5, 0, QueryAccount(version)
        case "GET", "balance", 2 | 3:
            return 5, 0, QueryBalance(version)
        case "GET", "positionSide/dual", 1:
            return 30, 0, QueryHedge()
        case "GET", "rateLimit/order", 1:
            return 1, 0, QueryPools()
        case "POST" | "PUT" | "DELETE", "listenKey", 1:
            return 1, 0, ask.stream(method)
        case _:
            return None


class Parameters:
    """A request's parameters, read by name; what is missing or malformed raises `Bad`."""

    self_trade = "EXPIRE_MAKER"
    """What happens when orders of one account meet and an order does not say."""

    def __init__(self, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]) -> None:
        self._parameters = parameters
        self._symbols = symbols

    def text_or_none(self, name: str) -> str | None:
        """Read a text; None where there is none."""
        return self._parameters.get(name) or None

    def text(self, name: str) -> str:
        """Read a text that must be there."""
        value = self.text_or_none(name)
        if value is None:
            raise Bad(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def symbol(self) -> str:
        """Read the symbol, which must be known."""
        name = self.text("symbol").lower()
        if name not in self._symbols:
            raise Bad(-1121, "Invalid symbol.")
        return name

    def symbol_or_none(self) -> str | None:
        """Read the symbol, if one is named."""
        return None if self.text_or_none("symbol") is None else self.symbol()

    def integer_or_none(self, name: str) -> int | None:
        """Read a whole number, if there is one."""
        value = self.text_or_none(name)
        if value is None:
            return None
        if not value.isascii() or not value.isdecimal() or len(value) > 20:
            raise Bad(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(value)

    def integer(self, name: str) -> int:
        """Read a whole number that must be there."""
        self.text(name)
        return self.integer_or_none(name) or 0

    def decimal(self, name: str) -> Decimal:
        """Read a decimal that must be there."""
        value = parse_decimal(self.text(name))
        if value is None:
            raise Bad(
                -1100,
                f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
            )
        return value

    def side(self) -> int:
        """Read the side."""
        side = _SIDES.get(self.text("side"))
        if side is None:
            raise Bad(-1117, "Invalid side.")
        return side

    def ref(self) -> OrderRef:
        """Read which order is meant."""
        order_id, client_id = self.integer_or_none("orderId"), self.text_or_none("origClientOrderId")
        if order_id is None and client_id is None:
            raise Bad(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        return OrderRef(self.symbol(), order_id, client_id)

    def refs(self) -> tuple[OrderRef, ...]:
        """Read which orders are meant, up to ten."""
        symbol = self.symbol()
        for name in ("orderIdList", "origClientOrderIdList"):
            text = self.text_or_none(name)
            if text is None:
                continue
            try:
                values = orjson.loads(text)
            except orjson.JSONDecodeError:
                values = None
            if not isinstance(values, list) or not 0 < len(values) <= 10:
                raise Bad(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
            if name == "orderIdList":
                return tuple(OrderRef(symbol, int(value), None) for value in values if isinstance(value, int))
            return tuple(OrderRef(symbol, None, str(value)) for value in values)
        raise Bad(-1102, "Param 'orderIdList' or 'origClientOrderIdList' must be sent, but both were empty/null!")

    def trades(self) -> QueryTrades:
        """Read which executions are wanted."""
        first, start, end, of_order = (
            self.integer_or_none(word) for word in ("fromId", "startTime", "endTime", "orderId")
        )
        limit = min(self.integer_or_none("limit") or 500, 1000)
        return QueryTrades(self.symbol(), first, start, end, of_order, limit)

    def stream(self, method: str) -> UserStream:
        """Read what is wanted of the account's stream."""
        what = {"POST": "start", "PUT": "ping", "DELETE": "stop"}[method]
        return UserStream(what, self.text_or_none("listenKey") or "")

    def change(self) -> Modify:
        """Read a modification."""
        price, quantity = self.decimal("price"), self.decimal("quantity")
        return Modify(self.ref(), self.side(), price, quantity)

    def client_id(self) -> str:
        """Read the client's name for a new order; empty where it gives none."""
        client_id = self.text_or_none("newClientOrderId") or ""
        if len(client_id) > 36:
            raise Bad(-4015, "Client order id length should not be more than 36 chars.")
        return client_id

    def place(self) -> Place:
        """Read a new order."""
        symbol, side, kind = self.symbol(), self.side(), self.text("type")
        if kind in _CONDITIONAL:
            raise Bad(
                -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            )
        if kind not in ("LIMIT", "MARKET"):
            raise Bad(-1116, "Invalid orderType.")
        if self._parameters.get("positionSide", "BOTH") != "BOTH":
            raise Bad(-4061, "Order's position side does not match user's setting.")
        tif, price = Tif.GTC, None
        if kind == "LIMIT":
            words = {one.value: one for one in Tif}
            if self.text("timeInForce") not in words:
                raise Bad(-1115, "Invalid timeInForce.")
            tif, price = words[self.text("timeInForce")], self.decimal("price")
        else:
            for name in ("timeInForce", "price"):
                if self.text_or_none(name) is not None:
                    raise Bad(-1106, f"Parameter '{name}' sent when not required.")
        quantity = self.decimal("quantity")
        client_id = self.client_id()
        modes = {one.value: one for one in SelfTrade}
        mode = self._parameters.get("selfTradePreventionMode") or self.self_trade
        if mode not in modes:
            raise Bad(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
        reduce_only = self._parameters.get("reduceOnly", "false").lower() == "true"
        new = NewOrder(symbol, side, price, quantity, client_id, tif, reduce_only, modes[mode])
        return Place(new, self._parameters.get("newOrderRespType", "ACK") == "RESULT")


def parse_api(text: bytes) -> ApiRequest | ApiWrong:
    """Read a request of the WebSocket API. Its signature covers all parameters sorted by name."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ApiWrong(_api_error(None, 400, -1100, "Illegal characters found in a parameter."))
    request_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(value.get("params", {}), dict):
        return ApiWrong(_api_error(None, 400, -1100, "Illegal characters found in a parameter."))
    if isinstance(request_id, bool) or not isinstance(request_id, int | str | None):
        return ApiWrong(
            _api_error(None, 400, -1102, "Mandatory parameter 'id' was not sent, was empty/null, or malformed.")
        )
    name = value.get("method")
    if not isinstance(name, str) or name not in _API:
        return ApiWrong(_api_error(request_id, 400, -5000, f"Method {name} is invalid"))
    parameters = {key: _text(one) for key, one in value.get("params", {}).items()}
    signature, key = parameters.pop("signature", ""), parameters.get("apiKey", "")
    payload = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return ApiRequest(request_id, *_API[name], parameters, key, payload, signature)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _api_error(request_id: RequestId, status: int, code: int, text: str) -> bytes:
    return orjson.dumps({"id": request_id, "status": status, "error": {"code": code, "msg": text}})
