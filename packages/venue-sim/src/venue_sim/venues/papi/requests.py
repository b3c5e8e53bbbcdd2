"""Portfolio Margin's private requests: paths, weights and parameters (exchange.md section 2, trading.md section 5).

USD-M's parameters hold, with shorter client ids, no self-trade prevention unless asked for, and neither batches nor a countdown. What is
not settled is marked [?].
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from venue_sim.market import Instrument
from venue_sim.trade_face import (
    ApiRequest,
    ApiWrong,
    Cancel,
    CancelAll,
    PrivateAsk,
    QueryAccount,
    QueryBalance,
    QueryHedge,
    QueryOpen,
    QueryOrder,
    QueryPools,
    QueryPositions,
    What,
    Wrong,
)
from venue_sim.venues.usdm.private_requests import Bad, Parameters
from venue_sim.venues.usdm.words import error

ROOT = "/papi/v1/"
CONFIG_VERSION = 2
"""The account's configuration tells the mode among other things; version 1 tells it alone."""
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,32}")


class _Parameters(Parameters):
    self_trade = "NONE"

    def client_id(self) -> str:
        client_id = self.text_or_none("newClientOrderId") or ""
        if client_id and not _CLIENT_ID.fullmatch(client_id):
            raise Bad(
                -1100,
                "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\\.A-Z\\:/a-z0-9_-]{1,32}$'.",
            )
        return client_id


def parse(
    method: str, path: str, parameters: Mapping[str, str], symbols: Mapping[str, Instrument]
) -> PrivateAsk | None:
    """Read a private request; None for a path that is none."""
    if not path.startswith(ROOT):
        return None
    try:
        found = _parse(method, path.removeprefix(ROOT), _Parameters(parameters, symbols))
    except Bad as bad:
        return PrivateAsk(1, 0, Wrong(error(bad.code, bad.text)))
    return None if found is None else PrivateAsk(*found)


def _parse(method: str, name: str, ask: _Parameters) -> tuple[int, int, What] | None:
    match method, name:
        case "POST", "um/order":
            return 0, 1, ask.place()
        case "PUT", "um/order":
            return 0, 1, ask.change()
        case "DELETE", "um/order":
            return 1, 0, Cancel((ask.ref(),), False)
        case "GET", "um/order":
            return 1, 0, QueryOrder(ask.ref())
        case "GET", "um/openOrder":
            return 1, 0, QueryOrder(ask.ref(), True)
        case "DELETE", "um/allOpenOrders":
            return 1, 0, CancelAll(ask.symbol())
        case "GET", "um/openOrders":
            symbol = ask.symbol_or_none()
            return (40 if symbol is None else 1), 0, QueryOpen(symbol)
        case "GET", "um/userTrades":
            return 5, 0, ask.trades()
        case "GET", "um/positionRisk":
            return 5, 0, QueryPositions(ask.symbol_or_none(), 1)
        case "GET", "um/positionSide/dual":
            return 30, 0, QueryHedge()
        case "GET", "um/accountConfig":
            return 5, 0, QueryHedge(CONFIG_VERSION)
        case "GET", "account":
            return 20, 0, QueryAccount(1)
        case "GET", "balance":
            return 20, 0, QueryBalance(1)
        case "GET", "rateLimit/order":
            return 1, 0, QueryPools()
        case "POST" | "PUT" | "DELETE", "listenKey":
            return 1, 0, ask.stream(method)
        case _:
            return None


def parse_api(text: bytes) -> ApiRequest | ApiWrong:
    """Refuse: there is no websocket for orders."""
    return ApiWrong(orjson.dumps({"id": None, "status": 404, "error": {"code": -5000, "msg": "Not Found"}}))
