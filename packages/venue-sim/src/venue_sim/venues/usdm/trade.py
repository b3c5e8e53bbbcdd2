"""USD-M's private REST, WebSocket API and user stream: parameters, codes, bodies and events (exchange.md section 1,
trading.md sections 1 and 5). One-way positions, cross margin. What is not settled is marked [?].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from venue_sim.accounts import Account
from venue_sim.auth import Denied
from venue_sim.face import Body, RequestId
from venue_sim.filters import Broken, Rule, parse_decimal
from venue_sim.limits import OrderPool
from venue_sim.market import Instrument
from venue_sim.matching import BUY, SELL, End, SelfTrade, Tif
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
    PushText,
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
from venue_sim.trading import AccountPush, Did, Execution, NewOrder, OrderPush, OrderState, Push, Trading

key_header = "X-MBX-APIKEY"
_SIDES = {"BUY": BUY, "SELL": SELL}
_CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
_RULES: dict[Rule, tuple[int, str]] = {
    Rule.PRICE_NOT_POSITIVE: (-4001, "Price less than 0."),
    Rule.PRICE_PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    Rule.PRICE_TICK: (-4014, "Price not increased by tick size."),
    Rule.PRICE_TOO_HIGH: (-4016, "Limit price can't be higher than {}."),
    Rule.PRICE_TOO_LOW: (-4024, "Limit price can't be lower than {}."),
    Rule.QUANTITY_NOT_POSITIVE: (-4003, "Quantity less than or equal to zero."),
    Rule.QUANTITY_PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    Rule.QUANTITY_STEP: (-4023, "Qty not increased by step size."),
    Rule.QUANTITY_TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    Rule.NOTIONAL: (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)."),
    Rule.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    Rule.MARGIN: (-2019, "Margin is insufficient."),
    Rule.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Rule.POST_ONLY: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Rule.FILL_OR_KILL: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    Rule.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    Rule.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Rule.NO_SUCH_ORDER: (-2013, "Order does not exist."),
    Rule.NOTHING_TO_MODIFY: (-5027, "No need to modify the order."),
    Rule.TOO_MANY_CHANGES: (-5026, "Exceed maximum modify order limit."),
    Rule.NOT_A_LIMIT: (-5025, "Only limit order is supported."),
    Rule.POSITION_SIDE: (-4061, "Order's position side does not match user's setting."),
}
_DENIED: dict[Denied, tuple[int, int, str]] = {
    Denied.NO_KEY: (401, -2014, "API-key format invalid."),
    Denied.UNKNOWN_KEY: (401, -2015, "Invalid API-key, IP, or permissions for action."),
    Denied.NO_TIMESTAMP: (400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."),
    Denied.NO_SIGNATURE: (400, -1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed."),
    Denied.WINDOW_TOO_LONG: (400, -1131, "recvWindow must be less than 60000."),
    Denied.TOO_EARLY: (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."),
    Denied.TOO_LATE: (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    Denied.SIGNATURE: (400, -1022, "Signature for this request is not valid."),
}
_REASONS = {End.SELF_TRADE: "1", End.IOC: "2", End.MARKET: "9", End.FOK: "10", End.POST: "11"}
_MOVES = {"ORDER": "ORDER", "FUNDING": "FUNDING_FEE"}
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


class _Bad(Exception):
    """A parameter that makes the request wrong."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def error(code: int, text: str, status: int = 400) -> Body:
    """Any error: `{"code":-2011,"msg":"..."}`."""
    return Body(status, orjson.dumps({"code": code, "msg": text}))


def parse(
    method: str, path: str, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]
) -> PrivateAsk | None:
    """Read a private request; None for a path that is none."""
    version = int(path[7]) if path.startswith("/fapi/v") and path[7:8].isdecimal() else 0
    name = path[9:]
    if not version or path[8:9] != "/":
        return None
    ask = _Parameters(parameters, symbols)
    try:
        found = _parse(method, name, version, ask)
    except _Bad as bad:
        return PrivateAsk(1, 0, Wrong(error(bad.code, bad.text)))
    return None if found is None else PrivateAsk(*found)


def _parse(method: str, name: str, version: int, ask: _Parameters) -> tuple[int, int, What] | None:
    match method, name, version:
        case "POST", "order", 1:
            return 0, 1, ask.place()
        case "PUT", "order", 1:
            price, quantity = ask.decimal("price"), ask.decimal("quantity")
            return 0, 1, Modify(ask.ref(), ask.side(), price, quantity)
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
            first, start, end, of_order = (
                ask.integer_or_none(word) for word in ("fromId", "startTime", "endTime", "orderId")
            )
            limit = min(ask.integer_or_none("limit") or 500, 1000)
            return 5, 0, QueryTrades(ask.symbol(), first, start, end, of_order, limit)
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
            what = {"POST": "start", "PUT": "ping", "DELETE": "stop"}[method]
            return 1, 0, UserStream(what, ask.text_or_none("listenKey") or "")
        case _:
            return None


class _Parameters:
    """A request's parameters, read by name; what is missing or malformed raises `_Bad`."""

    def __init__(self, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]) -> None:
        self._parameters = parameters
        self._symbols = symbols

    def text_or_none(self, name: str) -> str | None:
        return self._parameters.get(name) or None

    def text(self, name: str) -> str:
        value = self.text_or_none(name)
        if value is None:
            raise _Bad(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def symbol(self) -> str:
        name = self.text("symbol").lower()
        if name not in self._symbols:
            raise _Bad(-1121, "Invalid symbol.")
        return name

    def symbol_or_none(self) -> str | None:
        return None if self.text_or_none("symbol") is None else self.symbol()

    def integer_or_none(self, name: str) -> int | None:
        value = self.text_or_none(name)
        if value is None:
            return None
        if not value.isdecimal() or len(value) > 20:
            raise _Bad(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(value)

    def integer(self, name: str) -> int:
        self.text(name)
        return self.integer_or_none(name) or 0

    def decimal(self, name: str) -> Decimal:
        value = parse_decimal(self.text(name))
        if value is None:
            raise _Bad(
                -1100,
                f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
            )
        return value

    def side(self) -> int:
        side = _SIDES.get(self.text("side"))
        if side is None:
            raise _Bad(-1117, "Invalid side.")
        return side

    def ref(self) -> OrderRef:
        order_id, client_id = self.integer_or_none("orderId"), self.text_or_none("origClientOrderId")
        if order_id is None and client_id is None:
            raise _Bad(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        return OrderRef(self.symbol(), order_id, client_id)

    def refs(self) -> tuple[OrderRef, ...]:
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
                raise _Bad(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
            if name == "orderIdList":
                return tuple(OrderRef(symbol, int(value), None) for value in values if isinstance(value, int))
            return tuple(OrderRef(symbol, None, str(value)) for value in values)
        raise _Bad(-1102, "Param 'orderIdList' or 'origClientOrderIdList' must be sent, but both were empty/null!")

    def place(self) -> Place:
        symbol, side, kind = self.symbol(), self.side(), self.text("type")
        if kind in _CONDITIONAL:
            raise _Bad(
                -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            )
        if kind not in ("LIMIT", "MARKET"):
            raise _Bad(-1116, "Invalid orderType.")
        if self._parameters.get("positionSide", "BOTH") != "BOTH":
            raise _Bad(-4061, "Order's position side does not match user's setting.")
        tif, price = Tif.GTC, None
        if kind == "LIMIT":
            words = {one.value: one for one in Tif}
            if self.text("timeInForce") not in words:
                raise _Bad(-1115, "Invalid timeInForce.")
            tif, price = words[self.text("timeInForce")], self.decimal("price")
        else:
            for name in ("timeInForce", "price"):
                if self.text_or_none(name) is not None:
                    raise _Bad(-1106, f"Parameter '{name}' sent when not required.")
        quantity = self.decimal("quantity")
        client_id = self.text_or_none("newClientOrderId") or ""
        if len(client_id) > 36:
            raise _Bad(-4015, "Client order id length should not be more than 36 chars.")
        modes = {one.value: one for one in SelfTrade}
        mode = self._parameters.get("selfTradePreventionMode") or "EXPIRE_MAKER"
        if mode not in modes:
            raise _Bad(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
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


def api_answer(request_id: RequestId, answer: Body, used: int, pools: Sequence[tuple[OrderPool, int]]) -> bytes:
    """Write a REST answer as one of the WebSocket API."""
    content = orjson.loads(answer.body) if answer.body else {}
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400, "count": used},
        *({**_pool(pool), "count": count} for pool, count in pools),
    ]
    word = "result" if answer.status == 200 else "error"
    return orjson.dumps({"id": request_id, "status": answer.status, word: content, "rateLimits": limits})


def _api_error(request_id: RequestId, status: int, code: int, text: str) -> bytes:
    return orjson.dumps({"id": request_id, "status": status, "error": {"code": code, "msg": text}})


def denied(why: Denied) -> Body:
    """Refuse a request that is not let in."""
    status, code, text = _DENIED[why]
    return error(code, text, status)


def broken(broken: Broken) -> Body:
    """Refuse an order by the exchange's code."""
    code, text = _RULES[broken.rule]
    return error(code, text.format(broken.bound))


def too_many_orders(pool: OrderPool) -> Body:
    """Refuse an order for their number: 429, -1015."""
    period = "10 SECOND" if pool.seconds == 10 else f"{pool.seconds // 60} MINUTE"
    return error(-1015, f"Too many new orders; current limit is {pool.most} orders per {period}.", 429)


def acknowledgement(state: OrderState, *, whole: bool) -> Body:
    """Answer a placed, modified or cancelled order; without `whole` as it was accepted."""
    status, executed = (state.status.value, state.executed) if whole else ("NEW", Decimal(0))
    return _body({**_order(state, status, executed), "cumQty": _plain(executed)})


def no_such_order() -> Body:
    """Answer that an order asked for does not exist."""
    return broken(Broken(Rule.NO_SUCH_ORDER))


def wrap(key: str, data: bytes) -> bytes:
    """An event on a combined path: the stream's name is its key."""
    return b'{"stream":"%b","data":%b}' % (key.encode(), data)


def listed(answers: Sequence[Body]) -> Body:
    """Answer a batch."""
    return Body(200, b"[" + b",".join(answer.body for answer in answers) + b"]")


def done_all() -> Body:
    """Answer that all open orders of a symbol were cancelled."""
    return _body({"code": 200, "msg": "The operation of cancel all open order is done."})


def order(state: OrderState) -> Body:
    """Answer an order asked for."""
    return _body(_full(state))


def orders(states: Sequence[OrderState]) -> Body:
    """Answer orders asked for."""
    return _body([_full(state) for state in states])


def _order(state: OrderState, status: str, executed: Decimal) -> dict[str, Any]:
    new = state.new
    kind = "MARKET" if new.price is None else "LIMIT"
    return {
        "orderId": state.id,
        "symbol": new.symbol.upper(),
        "status": status,
        "clientOrderId": new.client_id,
        "price": "0" if new.price is None else _plain(new.price),
        "origQty": _plain(new.quantity),
        "executedQty": _plain(executed),
        "timeInForce": new.tif.value,
        "type": kind,
        "origType": kind,
        "reduceOnly": new.reduce_only,
        "closePosition": False,
        "side": _side(new.side),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": new.self_trade.value,
        "goodTillDate": 0,
        "updateTime": state.updated_ms,
    }


def _full(state: OrderState) -> dict[str, Any]:
    more = {"avgPrice": _money(state.average, 5), "cumQuote": _money(state.notional), "time": state.created_ms}
    return {**_order(state, state.status.value, state.executed), **more}


def trades(executions: Sequence[Execution], instruments: Mapping[str, Instrument]) -> Body:
    """Answer the account's trades."""
    return _body(
        [
            {
                "symbol": one.symbol.upper(),
                "id": one.id,
                "orderId": one.order_id,
                "side": _side(one.side),
                "price": _plain(one.price),
                "qty": _plain(one.quantity),
                "realizedPnl": _money(one.realized),
                "quoteQty": _plain(one.price * one.quantity),
                "commission": _money(one.fee),
                "commissionAsset": instruments[one.symbol].quote_asset,
                "time": one.at_ms,
                "positionSide": "BOTH",
                "buyer": one.side == BUY,
                "maker": one.maker,
            }
            for one in executions
        ]
    )


def positions(account: Account, trading: Trading, symbol: str | None, version: int, now_ms: int) -> Body:
    """Answer positions; version 3 lists only what is open."""
    rows = []
    for name in trading.instruments:
        position = account.position(name)
        if symbol not in (None, name) or (version == 3 and symbol is None and not position.amount):
            continue
        mark = trading.mark(name) or position.entry
        rows.append(
            {
                "symbol": name.upper(),
                "positionSide": "BOTH",
                "positionAmt": _amount(position.amount, trading.instruments[name]),
                "entryPrice": _money(position.entry),
                "breakEvenPrice": _money(position.entry),
                "markPrice": _money(mark),
                "unRealizedProfit": _money(position.unrealized(mark)),
                "liquidationPrice": "0",
                "leverage": str(account.leverage),
                "marginType": "cross",
                "notional": _money(position.amount * mark),
                "updateTime": now_ms,
            }
        )
    return _body(rows)


def account(account: Account, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the account's sums."""
    sums = _sums(account, trading)
    open_positions = orjson.loads(positions(account, trading, None, 3, now_ms).body)
    return _body(
        {
            **({"canTrade": True, "feeTier": 0, "multiAssetsMargin": False} if version == 2 else {}),
            "totalInitialMargin": sums["margin"],
            "totalWalletBalance": sums["wallet"],
            "totalUnrealizedProfit": sums["unrealized"],
            "totalMarginBalance": sums["equity"],
            "availableBalance": sums["available"],
            "assets": [
                {
                    "asset": _asset(trading),
                    "walletBalance": sums["wallet"],
                    "unrealizedProfit": sums["unrealized"],
                    "marginBalance": sums["equity"],
                    "availableBalance": sums["available"],
                    "updateTime": now_ms,
                }
            ],
            "positions": open_positions,
        }
    )


def balance(account: Account, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the wallet."""
    sums = _sums(account, trading)
    return _body(
        [
            {
                "accountAlias": account.name,
                "asset": _asset(trading),
                "balance": sums["wallet"],
                "crossWalletBalance": sums["wallet"],
                "crossUnPnl": sums["unrealized"],
                "availableBalance": sums["available"],
                "maxWithdrawAmount": sums["available"],
                "marginAvailable": True,
                "updateTime": now_ms,
            }
        ]
    )


def _sums(account: Account, trading: Trading) -> dict[str, str]:
    marks = trading.marks()
    equity, margin = account.equity(marks), account.required(marks, trading.open_quantities(account.name))
    sums = {
        "wallet": account.wallet,
        "equity": equity,
        "unrealized": equity - account.wallet,
        "margin": margin,
        "available": max(Fraction(0), equity - margin),
    }
    return {name: _money(value) for name, value in sums.items()}


def hedge(on: bool) -> Body:
    """Answer whether positions are kept in two ways."""
    return _body({"dualSidePosition": on})


def pools(pools: Sequence[OrderPool]) -> Body:
    """Answer the order limits."""
    return _body([_pool(pool) for pool in pools])


def countdown(symbol: str, after_ms: int) -> Body:
    """Answer a countdown that was set."""
    return _body({"symbol": symbol.upper(), "countdownTime": str(after_ms)})


def stream_key(key: str) -> Body:
    """Answer a started or prolonged stream."""
    return _body({"listenKey": key})


def stream_ended() -> Body:
    """Answer a stream ended on request."""
    return _body({})


def no_such_stream() -> Body:
    """Answer that a listen key is not known."""
    return error(-1125, "This listenKey does not exist.")


def pool_headers(pools: Sequence[tuple[OrderPool, int]]) -> Mapping[str, str]:
    """`X-MBX-ORDER-COUNT-10S` and `-1M`."""
    return {
        f"X-MBX-ORDER-COUNT-{f'{pool.seconds}S' if pool.seconds < 60 else f'{pool.seconds // 60}M'}": str(used)
        for pool, used in pools
    }


def push(push: Push, instruments: Mapping[str, Instrument]) -> list[PushText]:
    """Write `ORDER_TRADE_UPDATE` or `ACCOUNT_UPDATE`."""
    match push:
        case OrderPush():
            asset = instruments[push.order.new.symbol].quote_asset
            return [_text_of(push.order.new.symbol, "ORDER_TRADE_UPDATE", {"o": _order_event(push, asset)}, push.at_ms)]
        case AccountPush():
            instrument = instruments[push.symbol]
            content = {
                "m": _MOVES[push.reason],
                "B": [
                    {
                        "a": instrument.quote_asset,
                        "wb": _money(push.wallet),
                        "cw": _money(push.wallet),
                        "bc": "0",
                    }
                ],
                "P": [
                    {
                        "s": push.symbol.upper(),
                        "pa": _amount(push.amount, instrument),
                        "ep": _money(push.entry),
                        "cr": _money(push.realized),
                        "up": _money(push.unrealized),
                        "mt": "cross",
                        "iw": "0",
                        "ps": "BOTH",
                        "ma": instrument.quote_asset,
                        "bep": _money(push.entry),
                    }
                ],
            }
            return [_text_of(push.symbol, "ACCOUNT_UPDATE", {"a": content}, push.at_ms)]


def _order_event(push: OrderPush, asset: str) -> dict[str, Any]:
    state, new, execution = push.order, push.order.new, push.execution
    kind = "MARKET" if new.price is None else "LIMIT"
    fee = Fraction(0) if execution is None else execution.fee
    return {
        "s": new.symbol.upper(),
        "c": new.client_id,
        "S": _side(new.side),
        "o": kind,
        "f": new.tif.value,
        "q": _plain(new.quantity),
        "p": "0" if new.price is None else _plain(new.price),
        "ap": _money(state.average) if state.executed else "0",
        "sp": "0",
        "x": push.did.value,
        "X": state.status.value,
        "i": state.id,
        "l": "0" if execution is None else _plain(execution.quantity),
        "z": _plain(state.executed),
        "L": "0" if execution is None else _plain(execution.price),
        "n": _money(fee) if fee else "0",
        "N": asset,
        "T": push.at_ms,
        "t": 0 if execution is None else execution.id,
        "b": "0",
        "a": "0",
        "m": execution is not None and execution.maker,
        "R": new.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": kind,
        "ps": "BOTH",
        "cp": False,
        "rp": "0" if execution is None else _money(execution.realized),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": new.self_trade.value,
        "pm": "NONE",
        "gtd": 0,
        "er": _REASONS.get(state.why, "0")
        if state.why is not None and push.did not in (Did.TRADE, Did.CALCULATED)
        else "0",
    }


def liquidation_id(number: int) -> str:
    """The client id of an order of the exchange's own."""
    return f"autoclose-{number}"


def key_expired(key: str, now_ms: int) -> PushText:
    """Write `listenKeyExpired`."""
    data = orjson.dumps({"e": "listenKeyExpired", "E": now_ms, "listenKey": key})
    return PushText("", "listenKeyExpired", ("listenKeyExpired",), data)


def _text_of(symbol: str, event: str, content: dict[str, Any], at_ms: int) -> PushText:
    return PushText(symbol, event, (event,), orjson.dumps({"e": event, "T": at_ms, "E": at_ms, **content}))


def _body(value: object) -> Body:
    return Body(200, orjson.dumps(value))


def _pool(pool: OrderPool) -> dict[str, object]:
    interval, number = ("SECOND", pool.seconds) if pool.seconds < 60 else ("MINUTE", pool.seconds // 60)
    return {"rateLimitType": "ORDERS", "interval": interval, "intervalNum": number, "limit": pool.most}


def _asset(trading: Trading) -> str:
    return next((one.quote_asset for one in trading.instruments.values()), "USDT")


def _side(side: int) -> str:
    return "BUY" if side == BUY else "SELL"


def _plain(number: Decimal) -> str:
    """A decimal without exponent or trailing zeros, as the captured events write them."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(value: Fraction, digits: int = 8) -> str:
    """An amount rounded half to even at its last digit."""
    scaled = round(value * 10**digits)
    sign = "-" if scaled < 0 else ""
    whole, rest = divmod(abs(scaled), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}"


def _amount(amount: Fraction, instrument: Instrument) -> str:
    digits = instrument.quantity_precision
    return _money(amount, digits) if digits else str(round(amount))
