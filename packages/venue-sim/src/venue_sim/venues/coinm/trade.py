"""COIN-M's private language as one `TradeFace`: USD-M's under `/dapi/`, with contracts for quantities and coins for money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import orjson

from venue_sim.accounts import InverseAccount
from venue_sim.face import Body
from venue_sim.market import Instrument
from venue_sim.orders import Execution, Push
from venue_sim.trade_face import (
    ApiRequest,
    ApiWrong,
    PrivateAsk,
    PushText,
    QueryAccount,
    QueryBalance,
    QueryPositions,
    QueryTrades,
)
from venue_sim.trading import Trading
from venue_sim.venues.coinm.messages import pair_of
from venue_sim.venues.usdm import private_answers as answers
from venue_sim.venues.usdm import private_events as events
from venue_sim.venues.usdm import private_requests as requests
from venue_sim.venues.usdm import words
from venue_sim.venues.usdm.trade import BinanceTrade

_VERSIONS = {"/dapi/v1/balance": "/fapi/v2/balance", "/dapi/v1/account": "/fapi/v2/account"}
_WEIGHTS: dict[type, int] = {QueryTrades: 20, QueryPositions: 1, QueryBalance: 1, QueryAccount: 5}


def parse(
    method: str, path: str, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]
) -> PrivateAsk | None:
    """Read a private request; None for a path that is none."""
    if not path.startswith("/dapi/"):
        return None
    inner = _VERSIONS.get(path, "/fapi/" + path.removeprefix("/dapi/"))
    ask = requests.parse(method, inner, parameters, symbols)
    return None if ask is None else replace(ask, weight=_WEIGHTS.get(type(ask.what), ask.weight))


def parse_api(text: bytes) -> ApiRequest | ApiWrong:
    """Read a request of the WebSocket API."""
    request = requests.parse_api(text)
    if isinstance(request, ApiWrong):
        return request
    name = request.path.rpartition("/")[2]
    return replace(request, path=f"/dapi/v1/{name}")


def _coins(instruments: Mapping[str, Instrument]) -> dict[str, Instrument]:
    """The contracts with the coin as what money is in."""
    return {symbol: replace(one, quote_asset=one.base_asset) for symbol, one in instruments.items()}


def trades(
    executions: Sequence[Execution], instruments: Mapping[str, Instrument], next_first: int | None = None
) -> Body:
    """Answer the account's trades; `baseQty` stands for `quoteQty`."""
    rows = orjson.loads(answers.trades(executions, _coins(instruments)).body)
    for row, one in zip(rows, executions, strict=True):
        del row["quoteQty"]
        size = instruments[one.symbol].contract or 1
        row |= {"pair": pair_of(one.symbol), "marginAsset": row["commissionAsset"]}
        row["baseQty"] = words.money(size * Fraction(one.quantity) / Fraction(one.price))
    return Body(200, orjson.dumps(rows))


def positions(account: InverseAccount, trading: Trading, symbol: str | None, version: int, now_ms: int) -> Body:
    """Answer positions."""
    rows = []
    for name, one in trading.instruments.items():
        position = account.position(name)
        if symbol not in (None, name):
            continue
        mark = trading.mark(name) or position.entry
        rows.append(
            {
                "symbol": name.upper(),
                "positionSide": "BOTH",
                "positionAmt": words.amount(position.amount, one),
                "entryPrice": words.money(position.entry),
                "markPrice": words.money(mark),
                "unRealizedProfit": words.money(position.unrealized(mark)),
                "liquidationPrice": "0",
                "leverage": str(account.leverage),
                "maxQty": "100000",
                "marginType": "cross",
                "notionalValue": words.money(position.amount * position.size / mark) if mark else "0",
                "updateTime": now_ms,
            }
        )
    return Body(200, orjson.dumps(rows))


def account(account: InverseAccount, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the account's sums."""
    open_ = orjson.loads(positions(account, trading, None, 1, now_ms).body)
    body = {"canTrade": True, "feeTier": 0, "updateTime": now_ms, "assets": _wallets(account, trading, now_ms)}
    return Body(200, orjson.dumps({**body, "positions": open_}))


def balance(account: InverseAccount, trading: Trading, version: int, now_ms: int) -> Body:
    """Answer the wallets."""
    return Body(200, orjson.dumps(_wallets(account, trading, now_ms)))


def _wallets(account: InverseAccount, trading: Trading, now_ms: int) -> list[dict[str, Any]]:
    marks = trading.marks()
    return [
        {
            "accountAlias": account.name,
            "asset": coin,
            "balance": words.money(held),
            "crossWalletBalance": words.money(held),
            "crossUnPnl": words.money(account.equity(coin, marks) - held),
            "availableBalance": words.money(account.equity(coin, marks)),
            "updateTime": now_ms,
        }
        for coin, held in account.assets.items()
    ]


def push(push: Push, instruments: Mapping[str, Instrument]) -> list[PushText]:
    """Write what the owner is told; money is in the coin."""
    return events.push(push, _coins(instruments))


def quick(push: Push) -> PushText | None:
    """None: COIN-M has no TRADE_LITE [?]."""
    return None


class CoinmTrade(BinanceTrade):
    """See `TradeFace`."""

    order_path: str = "/dapi/v1/order"

    account = staticmethod(account)
    balance = staticmethod(balance)
    parse = staticmethod(parse)
    parse_api = staticmethod(parse_api)
    positions = staticmethod(positions)
    push = staticmethod(push)
    quick = staticmethod(quick)
    trades = staticmethod(trades)
