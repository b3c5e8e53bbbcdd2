"""Portfolio Margin's private answers, field by field as the exchange's own examples have them. What is the same as USD-M's is not
written again. What is not settled is marked [?].
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from venue_sim.accounts import Account
from venue_sim.face import Body
from venue_sim.orders import OrderState
from venue_sim.trading import Trading
from venue_sim.venues.papi.requests import CONFIG_VERSION
from venue_sim.venues.usdm import words


def acknowledgement(state: OrderState, *, whole: bool, modified: bool = False) -> Body:
    """Answer a placed, modified or cancelled order; without `whole` as it was accepted. Without average price and sum since
    July 2026."""
    status, executed = (state.status.value, state.executed) if whole else ("NEW", Decimal(0))
    body = {**_order(state, status, executed), "cumQty": words.plain(executed)}
    if modified:  # `modifyId` echoes what the client says [?]: none is sent, so this counts
        body.update(modifyId=state.changes, origType=body["type"])
    return _body(body)


def order(state: OrderState) -> Body:
    """Answer an order asked for."""
    return _body(_full(state))


def orders(states: Sequence[OrderState], next_first: int | None = None) -> Body:
    """Answer orders asked for."""
    return _body([_full(state) for state in states])


def positions(account: Account, trading: Trading, symbol: str | None, version: int, now_ms: int) -> Body:
    """Answer positions, those without a quantity too."""
    rows = []
    for name, instrument in trading.instruments.items():
        if symbol not in (None, name):
            continue
        position = account.position(name)
        mark = trading.mark(name) or position.entry
        rows.append(
            {
                "entryPrice": words.money(position.entry, 5),
                "leverage": str(account.leverage),
                "markPrice": words.money(mark),
                "maxNotionalValue": "20000000",
                "positionAmt": words.amount(position.amount, instrument),
                "notional": words.money(position.amount * mark),
                "symbol": name.upper(),
                "unRealizedProfit": words.money(position.unrealized(mark)),
                "liquidationPrice": "0",
                "positionSide": "BOTH",
                "updateTime": now_ms,
            }
        )
    return _body(rows)


def account(account: Account, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the account's sums. uniMMR is equity over maintenance margin, here a fifth of the initial one [?]; without positions it
    has a number too large to mean anything."""
    marks = trading.marks()
    equity, margin = account.equity(marks), account.required(marks, trading.open_quantities(account.name))
    maintenance = margin / 5
    return _body(
        {
            "uniMMR": words.money(equity / maintenance) if maintenance else "99999999.00000000",
            "accountEquity": words.money(equity),
            "actualEquity": words.money(equity),
            "accountInitialMargin": words.money(margin),
            "accountMaintMargin": words.money(maintenance),
            "accountStatus": "NORMAL",
            "virtualMaxWithdrawAmount": words.money(max(Fraction(0), equity - margin)),
            "totalAvailableBalance": words.money(max(Fraction(0), equity - margin)),
            "totalMarginOpenLoss": words.money(Fraction(0)),
            "updateTime": now_ms,
        }
    )


def balance(account: Account, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the wallet: all of it is USD-M's."""
    unrealized = account.equity(trading.marks()) - account.wallet
    nothing = words.money(Fraction(0))
    return _body(
        [
            {
                "asset": next((one.quote_asset for one in trading.instruments.values()), "USDT"),
                "totalWalletBalance": words.money(account.wallet),
                "crossMarginAsset": nothing,
                "crossMarginBorrowed": nothing,
                "crossMarginFree": nothing,
                "crossMarginInterest": nothing,
                "crossMarginLocked": nothing,
                "umWalletBalance": words.money(account.wallet),
                "umUnrealizedPNL": words.money(unrealized),
                "cmWalletBalance": nothing,
                "cmUnrealizedPNL": nothing,
                "updateTime": now_ms,
                "negativeBalance": "0",
            }
        ]
    )


def hedge(on: bool, version: int) -> Body:
    """Answer whether positions are kept in two ways, alone or within the account's configuration."""
    if version != CONFIG_VERSION:
        return _body({"dualSidePosition": on})
    return _body(
        {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": on,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }
    )


def stream_kept(key: str) -> Body:
    """Answer a prolonged stream: nothing is said."""
    return _body({})


def _order(state: OrderState, status: str, executed: Decimal) -> dict[str, Any]:
    new = state.new
    return {
        "clientOrderId": new.client_id,
        "executedQty": words.plain(executed),
        "orderId": state.id,
        "origQty": words.plain(new.quantity),
        "price": "0" if new.price is None else words.plain(new.price),
        "reduceOnly": new.reduce_only,
        "side": words.side(new.side),
        "positionSide": "BOTH",
        "status": status,
        "symbol": new.symbol.upper(),
        "timeInForce": new.tif.value,
        "type": "MARKET" if new.price is None else "LIMIT",
        "selfTradePreventionMode": new.self_trade.value,
        "goodTillDate": 0,
        "updateTime": state.updated_ms,
        "priceMatch": "NONE",
    }


def _full(state: OrderState) -> dict[str, Any]:
    body = _order(state, state.status.value, state.executed)
    more = {
        "avgPrice": words.money(state.average, 5),
        "cumQuote": words.money(state.notional),
        "origType": body["type"],
        "time": state.created_ms,
    }
    return {**body, **more}


def _body(value: object) -> Body:
    return Body(200, orjson.dumps(value))
