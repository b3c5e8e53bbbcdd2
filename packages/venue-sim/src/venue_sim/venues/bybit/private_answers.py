"""Bybit's private answers and events: codes, words and bodies (exchange.md section 4, trading.md sections 1 and 5). One-way positions.

An order request is answered by its ids alone. What is not settled is marked [?].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import orjson

from venue_sim.accounts import Account
from venue_sim.auth import Denied
from venue_sim.face import Body, RequestId
from venue_sim.filters import Broken, Rule
from venue_sim.limits import OrderPool
from venue_sim.market import Instrument
from venue_sim.matching import BUY, End, Tif
from venue_sim.orders import AccountPush, ConfigPush, Did, Execution, OrderPush, OrderState, Push, Status
from venue_sim.trade_face import PushText
from venue_sim.trading import Trading
from venue_sim.venues.bybit.rest import answer

order_pools = (OrderPool(1, 10),)
weight_per_minute: int | None = None
late_rules = frozenset({Rule.POST_ONLY, Rule.FILL_OR_KILL})
_TIFS = {Tif.GTC: "GTC", Tif.IOC: "IOC", Tif.FOK: "FOK", Tif.POST: "PostOnly"}
_STATUSES = {
    Status.NEW: "New",
    Status.PARTIALLY_FILLED: "PartiallyFilled",
    Status.FILLED: "Filled",
    Status.CANCELED: "Cancelled",
    Status.EXPIRED: "Cancelled",
    Status.EXPIRED_IN_MATCH: "Cancelled",
}
_REJECTIONS = {
    End.POST: "EC_PostOnlyWillTakeLiquidity",
    End.FOK: "EC_NoEnoughQtyToFill",
    End.IOC: "EC_NoImmediateQtyToFill",
    End.MARKET: "EC_NoImmediateQtyToFill",
}
_CANCELS = {End.CANCELED: "CancelByUser", End.SELF_TRADE: "CancelBySmp", End.REDUCE_ONLY: "CancelByReduceOnly"}
_RULES: dict[Rule, tuple[int, str]] = {
    Rule.PRICE_NOT_POSITIVE: (110003, "Order price exceeds the allowable range."),
    Rule.PRICE_PRECISION: (10001, "params error: price invalid"),
    Rule.PRICE_TICK: (10001, "params error: price is not a multiple of the tick size"),
    Rule.PRICE_TOO_HIGH: (110003, "Order price exceeds the allowable range: {}"),
    Rule.PRICE_TOO_LOW: (110003, "Order price exceeds the allowable range: {}"),
    Rule.QUANTITY_NOT_POSITIVE: (10001, "Qty invalid"),
    Rule.QUANTITY_PRECISION: (10001, "Qty invalid"),
    Rule.QUANTITY_STEP: (10001, "Qty invalid"),
    Rule.QUANTITY_TOO_LARGE: (10001, "The number of contracts exceeds maximum limit allowed: {}"),
    Rule.NOTIONAL: (110094, "Order does not meet minimum order value {}USDT"),
    Rule.TOO_MANY_ORDERS: (110009, "The number of stop orders exceeds the maximum allowable limit"),
    Rule.MARGIN: (110007, "ab not enough for new order"),
    Rule.REDUCE_ONLY: (110017, "current position is zero, cannot fix reduce-only order qty"),
    Rule.POST_ONLY: (110001, "post only"),
    Rule.FILL_OR_KILL: (110001, "fill or kill"),
    Rule.DUPLICATE_ID: (110072, "OrderLinkedID is duplicate"),
    Rule.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    Rule.NO_SUCH_ORDER: (110001, "order not exists or too late to replace"),
    Rule.NOTHING_TO_MODIFY: (10001, "The order remains unchanged as the parameters entered match the existing ones."),
    Rule.TOO_MANY_CHANGES: (10001, "too many modifications"),
    Rule.NOT_A_LIMIT: (110001, "only limit orders can be amended"),
    Rule.POSITION_SIDE: (10001, "position idx not match position mode"),
    Rule.NOT_LESS: (10001, "Qty invalid"),
}
_DENIED: dict[Denied, tuple[int, str]] = {
    Denied.NO_KEY: (10003, "API key is invalid."),
    Denied.UNKNOWN_KEY: (10003, "API key is invalid."),
    Denied.NO_TIMESTAMP: (10002, "invalid request, please check your timestamp"),
    Denied.NO_SIGNATURE: (10004, "error sign! please check signature generation algorithm."),
    Denied.WINDOW_TOO_LONG: (10001, "recv_window too long"),
    Denied.TOO_EARLY: (10002, "invalid request, please check your server timestamp or recv_window param"),
    Denied.TOO_LATE: (10002, "invalid request, please check your server timestamp or recv_window param"),
    Denied.SIGNATURE: (10004, "error sign! please check signature generation algorithm."),
    Denied.NO_SESSION: (10005, "Permission denied, please check your API key permissions."),
}


def uuid(number: int) -> str:
    """An order's or execution's id as the exchange writes it."""
    return str(UUID(int=number))


def plain(number: Decimal) -> str:
    """A decimal without an exponent."""
    return f"{number:f}"


def money(value: Fraction) -> str:
    """An amount with eight digits."""
    scaled = round(value * 10**8)
    whole, rest = divmod(abs(scaled), 10**8)
    return f"{'-' if scaled < 0 else ''}{whole}.{rest:08d}"


def side_word(side: int) -> str:
    """A side's word."""
    return "Buy" if side == BUY else "Sell"


def api_answer(request_id: RequestId, answer: Body, used: int, pools: Sequence[tuple[OrderPool, int]]) -> bytes:
    """Write a REST answer as one of the order socket."""
    op, _, number = str(request_id).partition(" ")
    content = orjson.loads(answer.body) if answer.body else {}
    return orjson.dumps(
        {
            "id": request_id,
            "reqId": number,
            "retCode": content.get("retCode", 10016),
            "retMsg": content.get("retMsg", ""),
            "op": op,
            "data": content.get("result", {}),
            "header": dict(pool_headers(pools)),
            "connId": "sim",
        }
    )


def denied(why: Denied) -> Body:
    """Refuse a request that is not let in."""
    return answer({}, 0, *_DENIED[why])


def broken(broken: Broken) -> Body:
    """Refuse an order by the exchange's code."""
    code, text = _RULES[broken.rule]
    return answer({}, 0, code, text.format(broken.bound))


def too_many_orders(pool: OrderPool) -> Body:
    """Refuse an order for their number."""
    return answer({}, 0, 10006, "Too many visits. Exceeded the API Rate Limit.")


def acknowledgement(state: OrderState, *, whole: bool, modified: bool = False) -> Body:
    """Answer a placed, modified or cancelled order: its ids, no more."""
    return answer({"orderId": uuid(state.id), "orderLinkId": state.new.client_id}, state.updated_ms)


def no_such_order() -> Body:
    """Answer that an order asked for does not exist: an empty list."""
    return answer({"list": [], "nextPageCursor": "", "category": "linear"}, 0)


def wrap(key: str, data: bytes) -> bytes:
    """An event as it is."""
    return data


def listed(answers: Sequence[Body]) -> Body:
    """Answer a batch: ids in one list, what became of each in another."""
    contents = [orjson.loads(one.body) for one in answers]
    rows = [
        {"category": "linear", "symbol": "", **(one["result"] or {"orderId": "", "orderLinkId": ""})}
        for one in contents
    ]
    codes = [{"code": one["retCode"], "msg": one["retMsg"]} for one in contents]
    return Body(
        200,
        orjson.dumps(
            {"retCode": 0, "retMsg": "OK", "result": {"list": rows}, "retExtInfo": {"list": codes}, "time": 0}
        ),
    )


def done_all(ended: Sequence[OrderState] = ()) -> Body:
    """Answer that the open orders of a symbol are being cancelled."""
    return answer({"list": [], "success": "1"}, 0)


def order(state: OrderState) -> Body:
    """Answer an order asked for."""
    return orders([state])


def orders(states: Sequence[OrderState], next_first: int | None = None) -> Body:
    """Answer orders asked for: a page."""
    return _page([_order(state) for state in states], next_first)


def _page(rows: list[dict[str, Any]], next_first: int | None) -> Body:
    cursor = "" if next_first is None else str(next_first)
    return answer({"list": rows, "nextPageCursor": cursor, "category": "linear"}, 0)


def _order(state: OrderState) -> dict[str, Any]:
    new, open_ = state.new, state.status in (Status.NEW, Status.PARTIALLY_FILLED)
    why = state.why
    return {
        "category": "linear",
        "symbol": new.symbol.upper(),
        "orderId": uuid(state.id),
        "orderLinkId": new.client_id,
        "side": side_word(new.side),
        "orderType": "Market" if new.price is None else "Limit",
        "price": "0" if new.price is None else plain(new.price),
        "qty": plain(new.quantity),
        "timeInForce": "IOC" if new.price is None else _TIFS[new.tif],
        "orderStatus": _STATUSES[state.status],
        "cancelType": "UNKNOWN" if why is None else _CANCELS.get(why, "UNKNOWN"),
        "rejectReason": "EC_NoError" if why is None else _REJECTIONS.get(why, "EC_PerCancelRequest"),
        "leavesQty": plain(new.quantity - state.executed) if open_ else "0",
        "cumExecQty": plain(state.executed),
        "cumExecValue": money(state.notional),
        "avgPrice": money(state.average) if state.executed else "",
        "cumExecFee": "0",
        "positionIdx": 0,
        "reduceOnly": new.reduce_only,
        "closeOnTrigger": False,
        "stopOrderType": "",
        "smpType": "None",
        "createdTime": str(state.created_ms),
        "updatedTime": str(state.updated_ms),
    }


def trades(
    executions: Sequence[Execution], instruments: Mapping[str, Instrument], next_first: int | None = None
) -> Body:
    """Answer the account's executions: a page."""
    return _page([{**_execution(one, ""), "symbol": one.symbol.upper()} for one in executions], next_first)


def _execution(one: Execution, client_id: str) -> dict[str, Any]:
    return {
        "category": "linear",
        "symbol": one.symbol.upper(),
        "execId": uuid(one.id),
        "orderId": uuid(one.order_id),
        "orderLinkId": client_id,
        "side": side_word(one.side),
        "execPrice": plain(one.price),
        "execQty": plain(one.quantity),
        "execFee": money(one.fee),
        "feeCurrency": "",
        "execType": "Trade",
        "isMaker": one.maker,
        "execTime": str(one.at_ms),
        "seq": one.id,
    }


def positions(account: Account, trading: Trading, symbol: str | None, version: int, now_ms: int) -> Body:
    """Answer positions: what is open, of one symbol all. A hedged account has two of each symbol [?]."""
    rows = []
    hedged = account.name in trading.hedged
    for name in trading.instruments:
        position = account.position(name)
        if symbol not in (None, name) or (symbol is None and not position.amount and not hedged):
            continue
        for index in (1, 2) if hedged else (0,):
            rows.append(_position(name, position.amount if index < 2 else Fraction(0), position.entry, index, now_ms))
    return _page(rows, None)


def _position(symbol: str, amount: Fraction, entry: Fraction, index: int, at_ms: int) -> dict[str, Any]:
    size = Decimal(abs(amount).numerator) / Decimal(abs(amount).denominator)
    return {
        "category": "linear",
        "symbol": symbol.upper(),
        "positionIdx": index,
        "side": "" if not amount else "Buy" if amount > 0 else "Sell",
        "size": plain(size),
        "avgPrice": money(entry),
        "entryPrice": money(entry),
        "positionStatus": "Normal",
        "createdTime": str(at_ms),
        "updatedTime": str(at_ms),
    }


def account(account: Account, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the account's sums: the wallet says them."""
    return balance(account, trading, version, now_ms)


def balance(account: Account, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the wallet."""
    return answer({"list": [_wallet(account.wallet, _asset(trading.instruments))]}, now_ms)


def _wallet(amount: Fraction, asset: str) -> dict[str, Any]:
    coins = [{"coin": asset, "walletBalance": money(amount), "equity": money(amount), "locked": "0"}]
    return {"accountType": "UNIFIED", "totalWalletBalance": money(amount), "coin": coins}


def _asset(instruments: Mapping[str, Instrument]) -> str:
    return next((one.quote_asset for one in instruments.values()), "USDT")


def hedge(on: bool, version: int) -> Body:
    """There is no such question."""
    return answer({}, 0)


def pools(pools: Sequence[OrderPool]) -> Body:
    """There is no such question."""
    return answer({}, 0)


def countdown(symbol: str, after_ms: int) -> Body:
    """There is no such request."""
    return answer({}, 0)


def stream_key(key: str) -> Body:
    """There is no such request."""
    return answer({}, 0)


def stream_kept(key: str) -> Body:
    """There is no such request."""
    return answer({}, 0)


def stream_ended() -> Body:
    """There is no such request."""
    return answer({}, 0)


def logged_on(key: str, now_ms: int) -> Body:
    """There is no such request: who logs in does so by `on_stream` and `api_login`."""
    return no_such_stream()


def subscribed(number: int) -> Body:
    """There is no such request: `on_stream`."""
    return no_such_stream()


def subscribed_already() -> Body:
    """There is no such request: `on_stream`."""
    return no_such_stream()


def no_such_stream() -> Body:
    """There is no such request."""
    return answer({}, 0)


def pool_headers(pools: Sequence[tuple[OrderPool, int]]) -> Mapping[str, str]:
    """What is left of the shortest limit."""
    if not pools:
        return {}
    pool, used = min(pools, key=lambda one: one[0].seconds)
    return {"X-Bapi-Limit": str(pool.most), "X-Bapi-Limit-Status": str(max(0, pool.most - used))}


def liquidation_id(number: int, *, deleverage: bool) -> str:
    """The exchange's own orders have no client id."""
    return ""


def key_expired(key: str, now_ms: int) -> PushText:
    """A login does not end by itself; the stream is silent from then on."""
    return _text("", "none", [], now_ms)


def push(push: Push, instruments: Mapping[str, Instrument]) -> list[PushText]:
    """Write what the owner is told: an order, before it its execution; a position and the wallet."""
    match push:
        case OrderPush(did=did, order=state, execution=execution, at_ms=at_ms):
            texts = []
            if execution is not None:
                row = _execution(execution, state.new.client_id)
                row["execType"] = "BustTrade" if did is Did.CALCULATED else "Trade"
                row |= {"orderQty": plain(state.new.quantity), "leavesQty": plain(state.new.quantity - state.executed)}
                texts.append(_text(state.new.symbol, "execution", [row], at_ms))
            texts.append(
                _text(state.new.symbol, "order", [{**_order(state), "updatedTime": str(at_ms)}], at_ms, did.value)
            )
            return texts
        case AccountPush():
            paid = _funding(push) if push.reason == "FUNDING" else []
            row = _position(push.symbol, push.amount, push.entry, 0, push.at_ms)
            wallet = _text("", "wallet", [_wallet(push.wallet, instruments[push.symbol].quote_asset)], push.at_ms)
            return [*paid, _text(push.symbol, "position", [row], push.at_ms), wallet]
        case ConfigPush():
            return []


def _funding(push: AccountPush) -> list[PushText]:
    """Funding comes as an execution of the whole position that nobody traded."""
    size = Decimal(abs(push.amount).numerator) / Decimal(abs(push.amount).denominator)
    row = {
        "category": "linear",
        "symbol": push.symbol.upper(),
        "execId": uuid(push.at_ms),
        "orderId": uuid(push.at_ms + 1),
        "orderLinkId": "",
        "side": "Buy" if push.amount > 0 else "Sell",
        "execPrice": money(push.entry),
        "execQty": plain(size),
        "execFee": "0",
        "execType": "Funding",
        "isMaker": False,
        "execTime": str(push.at_ms),
    }
    return [_text(push.symbol, "execution", [row], push.at_ms)]


def quick(push: Push) -> PushText | None:
    """Write the quick form of an execution; a maker's names no client id."""
    if not isinstance(push, OrderPush) or push.execution is None or push.did is not Did.TRADE:
        return None
    execution = push.execution
    names = (
        "category",
        "symbol",
        "execId",
        "execPrice",
        "execQty",
        "orderId",
        "orderLinkId",
        "side",
        "execTime",
        "seq",
        "isMaker",
    )
    row = _execution(execution, "" if execution.maker else push.order.new.client_id)
    return _text(push.order.new.symbol, "execution.fast", [{name: row[name] for name in names}], push.at_ms)


def again(text: PushText) -> PushText | None:
    """Write an execution again as if it were another. None when the event is none."""
    if text.event != "execution":
        return None
    event = orjson.loads(text.data)
    event["data"][0]["execId"] = uuid(UUID(event["data"][0]["execId"]).int + 1_000_000_000_000)
    return PushText(text.symbol, text.event, text.words, orjson.dumps(event))


def _text(symbol: str, topic: str, rows: list[dict[str, Any]], at_ms: int, kind: str = "") -> PushText:
    words = (topic, f"{topic}.{kind}", "private") if kind else (topic, "private")
    data = orjson.dumps({"id": f"sim{at_ms}", "topic": topic, "creationTime": at_ms, "data": rows})
    return PushText(symbol, topic, words, data)
