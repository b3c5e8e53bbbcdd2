"""Spot's private answers: codes, words and bodies (exchange.md section 3, trading.md sections 4 and 5). What is not settled is marked
[?]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from venue_sim.accounts import HoldingAccount
from venue_sim.face import Body, RequestId
from venue_sim.filters import Broken, Rule
from venue_sim.limits import OrderPool
from venue_sim.market import Instrument
from venue_sim.matching import BUY, End, Tif
from venue_sim.orders import Execution, OrderState
from venue_sim.trading import Trading
from venue_sim.venues.spot.rest import WEIGHT_PER_MINUTE, pool_row
from venue_sim.venues.usdm import words
from venue_sim.venues.usdm.private_answers import listed
from venue_sim.venues.usdm.words import error

_FILTERS = {
    Rule.PRICE_NOT_POSITIVE: "PRICE_FILTER",
    Rule.PRICE_TICK: "PRICE_FILTER",
    Rule.PRICE_TOO_HIGH: "PERCENT_PRICE_BY_SIDE",
    Rule.PRICE_TOO_LOW: "PERCENT_PRICE_BY_SIDE",
    Rule.QUANTITY_NOT_POSITIVE: "LOT_SIZE",
    Rule.QUANTITY_STEP: "LOT_SIZE",
    Rule.QUANTITY_TOO_LARGE: "LOT_SIZE",
    Rule.NOTIONAL: "NOTIONAL",
    Rule.TOO_MANY_ORDERS: "MAX_NUM_ORDERS",
}
_RULES: dict[Rule, tuple[int, str]] = {
    **{rule: (-1013, f"Filter failure: {name}") for rule, name in _FILTERS.items()},
    Rule.PRICE_PRECISION: (-1111, "Parameter 'price' has too much precision."),
    Rule.QUANTITY_PRECISION: (-1111, "Parameter 'quantity' has too much precision."),
    Rule.MARGIN: (-2010, "Account has insufficient balance for requested action."),
    Rule.REDUCE_ONLY: (-2010, "Account has insufficient balance for requested action."),
    Rule.POST_ONLY: (-2010, "Order would immediately match and take."),
    Rule.FILL_OR_KILL: (-2010, "Order would not be filled."),  # never refused: it expires
    Rule.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    Rule.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Rule.NO_SUCH_ORDER: (-2013, "Order does not exist."),
    Rule.NOTHING_TO_MODIFY: (-2038, "The requested action would change no state; rejecting."),
    Rule.TOO_MANY_CHANGES: (-2038, "Order has been amended too often."),  # [?]
    Rule.NOT_A_LIMIT: (-2038, "Only limit orders can be amended."),  # [?]
    Rule.NOT_LESS: (-2038, "The new quantity must be above what is executed and below the old one."),  # [?]
    Rule.POSITION_SIDE: (-2010, "This action is disabled on this account."),
}


def api_answer(request_id: RequestId, answer: Body, used: int, pools: Sequence[tuple[OrderPool, int]]) -> bytes:
    """Write a REST answer as one of the WebSocket API."""
    return words.api_answer(
        request_id, answer, used, WEIGHT_PER_MINUTE, [(pool_row(pool), count) for pool, count in pools]
    )


def broken(broken: Broken) -> Body:
    """Refuse an order by the exchange's code."""
    code, text = _RULES[broken.rule]
    return error(code, text)


def too_many_orders(pool: OrderPool) -> Body:
    """Refuse an order for their number: 429, -1015."""
    row = pool_row(pool)
    period = f"{row['intervalNum']} {row['interval']}"
    return error(-1015, f"Too many new orders; current limit is {pool.most} orders per {period}.", 429)


def acknowledgement(state: OrderState, *, whole: bool, modified: bool = False) -> Body:
    """Answer a placed, amended or cancelled order; a cancelled one has another name, and says the one before."""
    if modified:
        return _body(
            {
                "transactTime": state.updated_ms,
                "executionId": state.id,
                "amendedOrder": {
                    **_order(state),
                    "origClientOrderId": state.new.client_id,
                    "qty": words.plain(state.new.quantity),
                },
            }
        )
    if not whole:
        names = ("symbol", "orderId", "orderListId", "clientOrderId")
        return _body({**{name: _order(state)[name] for name in names}, "transactTime": state.updated_ms})
    body = {**_order(state), "transactTime": state.updated_ms}
    if state.why is End.CANCELED:
        body |= {"origClientOrderId": state.new.client_id, "clientOrderId": f"cancel{state.id}"}
    return _body(body)


def no_such_order() -> Body:
    """Answer that an order asked for does not exist."""
    return broken(Broken(Rule.NO_SUCH_ORDER))


def wrap(key: str, data: bytes) -> bytes:
    """An event of an account on a connection of the WebSocket API."""
    return b'{"subscriptionId":0,"event":%b}' % data


def done_all(ended: Sequence[OrderState] = ()) -> Body:
    """Answer that all open orders of a symbol were cancelled: each; none is an error."""
    if not ended:
        return broken(Broken(Rule.UNKNOWN_ORDER))
    return listed([acknowledgement(state, whole=True) for state in ended])


def order(state: OrderState) -> Body:
    """Answer an order asked for."""
    return _body(_full(state))


def orders(states: Sequence[OrderState], next_first: int | None = None) -> Body:
    """Answer orders asked for."""
    return _body([_full(state) for state in states])


def kind_of(state: OrderState) -> str:
    """An order's type."""
    if state.new.price is None:
        return "MARKET"
    return "LIMIT_MAKER" if state.new.tif is Tif.POST else "LIMIT"


def tif_of(state: OrderState) -> str:
    """How long an order stays, in spot's words."""
    return "GTC" if state.new.tif is Tif.POST else state.new.tif.value


def _order(state: OrderState) -> dict[str, Any]:
    new = state.new
    return {
        "symbol": new.symbol.upper(),
        "orderId": state.id,
        "orderListId": -1,
        "clientOrderId": new.client_id,
        "price": "0.00000000" if new.price is None else words.plain(new.price),
        "origQty": words.plain(new.quantity),
        "executedQty": words.plain(state.executed),
        "origQuoteOrderQty": "0.000000",
        "cummulativeQuoteQty": words.money(state.notional),
        "status": state.status.value,
        "timeInForce": tif_of(state),
        "type": kind_of(state),
        "side": words.side(new.side),
        "workingTime": state.created_ms,
        "selfTradePreventionMode": new.self_trade.value,
    }


def _full(state: OrderState) -> dict[str, Any]:
    more = {"stopPrice": "0.0", "icebergQty": "0.0", "time": state.created_ms, "updateTime": state.updated_ms}
    return {**_order(state), **more, "isWorking": True}


def fee_asset(side: int, instrument: Instrument) -> str:
    """Fees are paid in what is received."""
    return instrument.base_asset if side == BUY else instrument.quote_asset


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
                "orderListId": -1,
                "price": words.plain(one.price),
                "qty": words.plain(one.quantity),
                "quoteQty": words.plain(one.price * one.quantity),
                "commission": words.money(one.fee),
                "commissionAsset": fee_asset(one.side, instruments[one.symbol]),
                "time": one.at_ms,
                "isBuyer": one.side == BUY,
                "isMaker": one.maker,
                "isBestMatch": True,
            }
            for one in executions
        ]
    )


def positions(account: HoldingAccount, trading: Trading, symbol: str | None, version: int, now_ms: int) -> Body:
    """There are none."""
    return _body([])


def account(account: HoldingAccount, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer what is held, free and locked; `updateTime` is taken for now [?]."""
    locked: dict[str, Any] = {}
    for symbol, one in trading.instruments.items():
        base, quote = trading.locked(account, symbol)
        locked |= {one.base_asset: base, one.quote_asset: quote}
    return _body(
        {
            "makerCommission": 10,
            "takerCommission": 10,
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "updateTime": now_ms,
            "accountType": "SPOT",
            "balances": [
                {
                    "asset": asset,
                    "free": words.money(held - locked.get(asset, 0)),
                    "locked": words.money(locked.get(asset, 0) * 1),
                }
                for asset, held in account.assets.items()
                if held
            ],
            "permissions": ["SPOT"],
        }
    )


def balance(account_: HoldingAccount, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer what is held."""
    return account(account_, trading, version, now_ms)


def pools(pools: Sequence[OrderPool]) -> Body:
    """Answer the order limits."""
    return _body([pool_row(pool) for pool in pools])


def no_such_stream() -> Body:
    """Answer that a connection has no subscription."""
    return error(-2036, "User Data Stream subscription not active.")


def pool_headers(pools: Sequence[tuple[OrderPool, int]]) -> Mapping[str, str]:
    """`X-MBX-ORDER-COUNT-10S` and `-1D`."""
    return {
        f"X-MBX-ORDER-COUNT-{row['intervalNum']}{str(row['interval'])[0]}": str(used)
        for row, used in ((pool_row(pool), used) for pool, used in pools)
    }


def _body(value: object) -> Body:
    return Body(200, orjson.dumps(value))
