"""Bybit's private requests: paths and parameters of REST, logins, the order socket (exchange.md section 4, trading.md section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import orjson

from venue_sim.auth import Key, json_members, sign
from venue_sim.filters import parse_decimal
from venue_sim.market import Instrument
from venue_sim.matching import BUY, SELL, SelfTrade, Tif
from venue_sim.orders import NewOrder
from venue_sim.trade_face import (
    ApiRequest,
    ApiWrong,
    Cancel,
    CancelAll,
    Credentials,
    Modify,
    OrderRef,
    Place,
    PrivateAsk,
    QueryBalance,
    QueryOpen,
    QueryOrder,
    QueryPositions,
    QueryTrades,
    StreamSays,
    What,
    Wrong,
)
from venue_sim.venues.bybit.rest import answer

key_header = "X-BAPI-API-KEY"
order_path = "/v5/order/create"
MOST_LISTED, MOST_TRADES, MOST_CANCELS = 50, 100, 10
TIFS = {"GTC": Tif.GTC, "IOC": Tif.IOC, "FOK": Tif.FOK, "PostOnly": Tif.POST}
_SIDES = {"Buy": BUY, "Sell": SELL}
_SELF_TRADE = {
    "None": SelfTrade.EXPIRE_MAKER,
    "CancelMaker": SelfTrade.EXPIRE_MAKER,
    "CancelTaker": SelfTrade.EXPIRE_TAKER,
    "CancelBoth": SelfTrade.EXPIRE_BOTH,
}
_API = {"order.create": "/v5/order/create", "order.amend": "/v5/order/amend", "order.cancel": "/v5/order/cancel"}
_TOPICS = ("order", "execution", "position", "wallet", "execution.fast", "greeks", "dcp")


class _Bad(Exception):
    """A parameter that makes the request wrong."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def parse(
    method: str, path: str, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]
) -> PrivateAsk | None:
    """Read a private request; None for a path that is none."""
    ask = _Parameters(parameters, symbols)
    try:
        found = _parse(method, path, ask)
    except _Bad as bad:
        return PrivateAsk(1, 0, Wrong(answer({}, 0, bad.code, bad.text)))
    return None if found is None else PrivateAsk(1, *found)


def _parse(method: str, path: str, ask: _Parameters) -> tuple[int, What] | None:
    match method, path:
        case "POST", "/v5/order/create":
            return 1, ask.place()
        case ("POST", "/v5/order/amend") | ("PUT", "/v5/order/create"):  # the second is the control port's
            ref = ask.ref()
            return 1, Modify(ref, BUY, ask.decimal("price"), ask.decimal("qty"))
        case ("POST", "/v5/order/cancel") | ("DELETE", "/v5/order/create"):
            return 0, Cancel((ask.ref(),), False)
        case "POST", "/v5/order/cancel-batch":
            return 0, Cancel(ask.refs(), True)
        case "POST", "/v5/order/cancel-all":
            return 0, CancelAll(ask.symbol())
        case "GET", "/v5/order/realtime" if not ask.names_order:
            most = ask.whole("limit", 20)
            return 0, QueryOpen(ask.symbol_or_none(), ask.whole("cursor", 0), min(most, MOST_LISTED))
        case "GET", "/v5/order/realtime" | "/v5/order/history":
            return 0, QueryOrder(ask.ref())
        case "GET", "/v5/execution/list":
            limit = min(ask.whole("limit", 50), MOST_TRADES)
            start = ask.whole("startTime", 0) or None
            return 0, QueryTrades(ask.symbol(), None, start, None, None, limit, ask.whole("cursor", 0))
        case "GET", "/v5/position/list":
            return 0, QueryPositions(ask.symbol_or_none(), 3)
        case "GET", "/v5/account/wallet-balance":
            return 0, QueryBalance(1)
        case "GET", "/v5/account/query-dcp-info":  # nobody has it, as almost everywhere
            return 0, Wrong(answer({"dcpInfos": []}, 0))
        case "POST", "/v5/order/disconnected-cancel-all":
            return 0, Wrong(answer({}, 0, 10005, "Permission denied, please check your API key permissions."))
        case _:
            return None


class _Parameters:
    """A request's parameters, read by name; what is missing or malformed raises `_Bad`."""

    def __init__(self, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]) -> None:
        self._parameters, self._symbols = parameters, symbols

    @property
    def names_order(self) -> bool:
        return bool(self._parameters.get("orderId") or self._parameters.get("orderLinkId"))

    def text(self, name: str) -> str:
        value = self._parameters.get(name)
        if not value:
            raise _Bad(10001, f"params error: The {name} can not be empty")
        return value

    def symbol(self, name: str | None = None) -> str:
        if self._parameters.get("category", "") not in ("linear", "") or not self._parameters.get("category"):
            raise _Bad(10001, "params error: Illegal category")
        value = (self.text("symbol") if name is None else name).lower()
        if value not in self._symbols:
            raise _Bad(10001, "params error: symbol invalid")
        return value

    def symbol_or_none(self) -> str | None:
        return self.symbol() if self._parameters.get("symbol") else None

    def whole(self, name: str, default: int) -> int:
        value = self._parameters.get(name, "")
        return int(value) if value.isdecimal() and value.isascii() and len(value) < 20 else default

    def decimal(self, name: str) -> Decimal:
        value = parse_decimal(self.text(name))
        if value is None:
            raise _Bad(10001, f"params error: {name} invalid")
        return value

    def ref(self) -> OrderRef:
        symbol = self.symbol()
        return _ref(symbol, self._parameters.get("orderId", ""), self._parameters.get("orderLinkId", ""))

    def refs(self) -> tuple[OrderRef, ...]:
        try:
            rows = orjson.loads(self.text("request"))
        except orjson.JSONDecodeError:
            rows = None
        if (
            not isinstance(rows, list)
            or not 0 < len(rows) <= MOST_CANCELS
            or not all(isinstance(one, dict) for one in rows)
        ):
            raise _Bad(10001, "params error: request invalid")
        return tuple(
            _ref(self.symbol(str(one.get("symbol", ""))), str(one.get("orderId", "")), str(one.get("orderLinkId", "")))
            for one in rows
        )

    def place(self) -> Place:
        symbol, kind, side = self.symbol(), self.text("orderType"), _SIDES.get(self.text("side"))
        if side is None:
            raise _Bad(10001, "params error: side invalid")
        if kind not in ("Limit", "Market"):
            raise _Bad(10001, "params error: orderType invalid")
        if self._parameters.get("positionIdx", "0") != "0":
            raise _Bad(10001, "position idx not match position mode")
        tif, price = Tif.IOC, None
        if kind == "Limit":
            word = self._parameters.get("timeInForce", "GTC")
            if word not in TIFS:
                raise _Bad(10001, "params error: timeInForce invalid")
            tif, price = TIFS[word], self.decimal("price")
        client_id = self._parameters.get("orderLinkId", "")
        if len(client_id) > 36:
            raise _Bad(10001, "params error: orderLinkId too long")
        mode = _SELF_TRADE.get(self._parameters.get("smpType", "None"))
        if mode is None:
            raise _Bad(10001, "params error: smpType invalid")
        reduce_only = self._parameters.get("reduceOnly", "false") == "true"
        return Place(NewOrder(symbol, side, price, self.decimal("qty"), client_id, tif, reduce_only, mode), False)


def _ref(symbol: str, order_id: str, client_id: str) -> OrderRef:
    if not order_id and not client_id:
        raise _Bad(10001, "params error: OrderId or orderLinkId is required")
    if not order_id:
        return OrderRef(symbol, None, client_id)
    try:
        return OrderRef(symbol, UUID(order_id).int, None)
    except ValueError:
        return OrderRef(symbol, 0, None)


def credentials(query: str, body: str, headers: Mapping[str, str]) -> Credentials:
    """Everything about who asks stands in headers; signed are time, key, window, and the query or the body as they were sent."""
    key, stamp = headers.get("x-bapi-api-key", ""), headers.get("x-bapi-timestamp", "")
    window = headers.get("x-bapi-recv-window", "5000")
    parameters = {**dict(parse_qsl(query, keep_blank_values=True)), **json_members(body)}
    payload = f"{stamp}{key}{window}{body or query}"
    return Credentials(
        {**parameters, "timestamp": stamp, "recvWindow": window}, key, payload, headers.get("x-bapi-sign", "")
    )


def _logged_in(args: Any, keys: Mapping[str, Key], now_ms: int) -> tuple[str, str]:
    """The key of a login `[key, expires, signature]` that is right, else what is wrong with it [?]."""
    if not isinstance(args, list) or len(args) != 3:
        return "", "Params Error"
    key, expires, signature = args
    if not isinstance(key, str) or key not in keys:
        return "", "api key is invalid"
    if not isinstance(expires, int) or expires <= now_ms:
        return "", "request expired"
    right = signature == sign(f"GET/realtime{expires}", keys[key].secret)
    return (key, "") if right else ("", "error sign")


def on_stream(text: bytes, keys: Mapping[str, Key], now_ms: int) -> StreamSays | None:
    """Read what a client says on the account's stream: a login, its topics, a ping."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        return StreamSays(_stream_answer(False, "Request invalid", "", ""))
    op, args, number = value.get("op"), value.get("args"), str(value.get("req_id", ""))
    if op == "ping":
        said = {"req_id": number, "op": "pong", "args": [str(now_ms)], "conn_id": "sim"}
        return StreamSays(orjson.dumps(said))
    if op == "auth":
        key, words = _logged_in(args, keys, now_ms)
        return StreamSays(_stream_answer(bool(key), words, number, "auth"), keys[key].account if key else None)
    if op == "subscribe" and isinstance(args, list) and args and all(topic in _TOPICS for topic in args):
        return StreamSays(_stream_answer(True, "subscribe", number, "subscribe"), None, frozenset(args))
    return StreamSays(_stream_answer(False, f"error:handler not found {args}", number, str(op)))


def _stream_answer(success: bool, words: str, number: str, op: str) -> bytes:
    return orjson.dumps({"success": success, "ret_msg": words, "op": op, "conn_id": "sim", "req_id": number})


def api_login(text: bytes, keys: Mapping[str, Key], now_ms: int) -> tuple[bytes, str] | None:
    """Read a login of the order socket, or a ping of it."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict) or value.get("op") != "auth":
        return None
    key, wrong = _logged_in(value.get("args"), keys, now_ms)
    said = {
        "reqId": value.get("reqId", ""),
        "retCode": 10004 if wrong else 0,
        "retMsg": wrong or "OK",
        "op": "auth",
        "connId": "sim",
    }
    return orjson.dumps(said), key


def parse_api(text: bytes) -> ApiRequest | ApiWrong:
    """Read a request of the order socket; its number and its kind stand in the answer."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        return ApiWrong(orjson.dumps({"retCode": 10001, "retMsg": "Request invalid", "op": "", "reqId": ""}))
    op, number, args = value.get("op"), str(value.get("reqId", "")), value.get("args")
    if op == "ping":
        return ApiWrong(orjson.dumps({"retCode": 0, "retMsg": "OK", "op": "pong", "data": [], "connId": "sim"}))
    header = value.get("header")
    if op not in _API or not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
        said = {"reqId": number, "retCode": 10404, "retMsg": "op type is not found", "op": str(op), "data": {}}
        return ApiWrong(orjson.dumps(said))
    headers = header if isinstance(header, dict) else {}
    stamp, window = str(headers.get("X-BAPI-TIMESTAMP", "")), str(headers.get("X-BAPI-RECV-WINDOW", "5000"))
    parameters = json_members(orjson.dumps(args[0]).decode())
    return ApiRequest(
        f"{op} {number}", "POST", _API[op], {**parameters, "timestamp": stamp, "recvWindow": window}, "", stamp, ""
    )
