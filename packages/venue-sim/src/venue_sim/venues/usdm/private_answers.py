"""USD-M's private answers: codes, words and bodies (exchange.md section 1, trading.md sections 1 and 5). One-way
positions, cross margin. What is not settled is marked [?].
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
from venue_sim.filters import Broken, Rule
from venue_sim.limits import OrderPool
from venue_sim.market import Instrument
from venue_sim.matching import BUY
from venue_sim.orders import Execution, OrderState
from venue_sim.trading import Trading
from venue_sim.venues.usdm import words
from venue_sim.venues.usdm.words import error

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
    Rule.NOT_LESS: (-4003, "Quantity less than or equal to zero."),
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
    Denied.NO_SESSION: (400, -4056, "HMAC_SHA256 API key is not supported."),
}


def api_answer(request_id: RequestId, answer: Body, used: int, pools: Sequence[tuple[OrderPool, int]]) -> bytes:
    """Write a REST answer as one of the WebSocket API."""
    return words.api_answer(request_id, answer, used, 2400, [(_pool(pool), count) for pool, count in pools])


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


def acknowledgement(state: OrderState, *, whole: bool, modified: bool = False) -> Body:
    """Answer a placed, modified or cancelled order, all with the same fields; without `whole` as it was accepted."""
    status, executed = (state.status.value, state.executed) if whole else ("NEW", Decimal(0))
    return _body({**_order(state, status, executed), "cumQty": words.plain(executed)})


def no_such_order() -> Body:
    """Answer that an order asked for does not exist."""
    return broken(Broken(Rule.NO_SUCH_ORDER))


def wrap(key: str, data: bytes) -> bytes:
    """An event on a combined path: the stream's name is its key."""
    return b'{"stream":"%b","data":%b}' % (key.encode(), data)


def listed(answers: Sequence[Body]) -> Body:
    """Answer a batch."""
    return Body(200, b"[" + b",".join(answer.body for answer in answers) + b"]")


def done_all(ended: Sequence[OrderState] = ()) -> Body:
    """Answer that all open orders of a symbol were cancelled, without saying which."""
    return _body({"code": 200, "msg": "The operation of cancel all open order is done."})


def order(state: OrderState) -> Body:
    """Answer an order asked for."""
    return _body(_full(state))


def orders(states: Sequence[OrderState], next_first: int | None = None) -> Body:
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
        "price": "0" if new.price is None else words.plain(new.price),
        "origQty": words.plain(new.quantity),
        "executedQty": words.plain(executed),
        "timeInForce": new.tif.value,
        "type": kind,
        "origType": kind,
        "reduceOnly": new.reduce_only,
        "closePosition": False,
        "side": words.side(new.side),
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
    more = {
        "avgPrice": words.money(state.average, 5),
        "cumQuote": words.money(state.notional),
        "time": state.created_ms,
    }
    return {**_order(state, state.status.value, state.executed), **more}


def trades(
    executions: Sequence[Execution], instruments: Mapping[str, Instrument], next_first: int | None = None
) -> Body:
    """Answer the account's trades."""
    return _body(
        [
            {
                "symbol": one.symbol.upper(),
                "id": one.id,
                "orderId": one.order_id,
                "side": words.side(one.side),
                "price": words.plain(one.price),
                "qty": words.plain(one.quantity),
                "realizedPnl": words.money(one.realized),
                "quoteQty": words.plain(one.price * one.quantity),
                "commission": words.money(one.fee),
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
                "positionAmt": words.amount(position.amount, trading.instruments[name]),
                "entryPrice": words.money(position.entry),
                "breakEvenPrice": words.money(position.entry),
                "markPrice": words.money(mark),
                "unRealizedProfit": words.money(position.unrealized(mark)),
                "liquidationPrice": "0",
                "leverage": str(account.leverage),
                "marginType": "cross",
                "notional": words.money(position.amount * mark),
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
    return {name: words.money(value) for name, value in sums.items()}


def hedge(on: bool, version: int) -> Body:
    """Answer whether positions are kept in two ways."""
    return _body({"dualSidePosition": on})


def pools(pools: Sequence[OrderPool]) -> Body:
    """Answer the order limits."""
    return _body([_pool(pool) for pool in pools])


def countdown(symbol: str, after_ms: int) -> Body:
    """Answer a countdown that was set."""
    return _body({"symbol": symbol.upper(), "countdownTime": str(after_ms)})


def stream_key(key: str) -> Body:
    """Answer a started stream."""
    return _body({"listenKey": key})


def stream_kept(key: str) -> Body:
    """Answer a prolonged stream."""
    return stream_key(key)


def stream_ended() -> Body:
    """Answer a stream ended on request."""
    return _body({})


def logged_on(key: str, now_ms: int) -> Body:
    """Answer a connection that has logged on."""
    return _body({"apiKey": key, "authorizedSince": now_ms, "connectedSince": now_ms, "serverTime": now_ms})


def subscribed(number: int) -> Body:
    """Answer a connection that has subscribed to the account's events."""
    return _body({"subscriptionId": number})


def subscribed_already() -> Body:
    """Refuse another subscription of the same connection."""
    return error(-2035, "User Data Stream subscription already active.")


def no_such_stream() -> Body:
    """Answer that a listen key is not known."""
    return error(-1125, "This listenKey does not exist.")


def pool_headers(pools: Sequence[tuple[OrderPool, int]]) -> Mapping[str, str]:
    """`X-MBX-ORDER-COUNT-10S` and `-1M`."""
    return {
        f"X-MBX-ORDER-COUNT-{f'{pool.seconds}S' if pool.seconds < 60 else f'{pool.seconds // 60}M'}": str(used)
        for pool, used in pools
    }


def _body(value: object) -> Body:
    return Body(200, orjson.dumps(value))


def _pool(pool: OrderPool) -> dict[str, object]:
    interval, number = ("SECOND", pool.seconds) if pool.seconds < 60 else ("MINUTE", pool.seconds // 60)
    return {"rateLimitType": "ORDERS", "interval": interval, "intervalNum": number, "limit": pool.most}


def _asset(trading: Trading) -> str:
    return next((one.quote_asset for one in trading.instruments.values()), "USDT")
