"""Spot's REST: paths, weights, limits, bodies and error codes (exchange.md section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import orjson

from venue_sim.face import Ask, AskDepth, AskInstruments, AskPing, AskTime, AskWrong, Body
from venue_sim.limits import OrderPool
from venue_sim.market import BookState, Instrument
from venue_sim.venues.usdm.rest import (
    error_body,
    no_book,
    ping_body,
    read_instruments,
    read_time,
    time_body,
    usage_headers,
)

__all__ = [
    "depth_body",
    "depth_target",
    "error",
    "fault",
    "instruments_body",
    "instruments_path",
    "least_weight_per_minute",
    "no_book",
    "parse",
    "ping_body",
    "read_instruments",
    "read_time",
    "time_body",
    "time_path",
    "too_many",
    "usage_headers",
]

DEPTH_PATH = "/api/v3/depth"
instruments_path = "/api/v3/exchangeInfo"
time_path = "/api/v3/time"
WEIGHT_PER_MINUTE = 6000
POOLS = (OrderPool(10, 100), OrderPool(86_400, 200_000))
MOST_LEVELS = 5000
_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,50}")
least_weight_per_minute = 250


def parse(method: str, path: str, query: Mapping[str, str], symbols: Iterable[str]) -> Ask:
    """Read a request; the order in which a wrong one is found out is the exchange's [?]."""
    match (method, path):
        case ("GET", "/api/v3/ping"):
            return AskPing(1)
        case ("GET", "/api/v3/time"):
            return AskTime(1)
        case ("GET", "/api/v3/exchangeInfo"):
            return AskInstruments(20)
        case ("GET", "/api/v3/depth"):
            return _parse_depth(query, symbols)
        case _:
            return AskWrong(1, Body(404, error_body(-1, f"Path {path}, Method {method} is invalid")))


def _parse_depth(query: Mapping[str, str], symbols: Iterable[str]) -> AskDepth:
    name, text = query.get("symbol", ""), query.get("limit", "100")
    readable = text.isascii() and text.isdecimal() and len(text) <= 20
    limit = int(text) if readable else 100
    problem = None
    if not name:
        problem = error_body(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    elif not _SYMBOL.fullmatch(name):
        problem = error_body(
            -1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,50}$'."
        )
    elif name.lower() not in symbols:
        problem = error_body(-1121, "Invalid symbol.")
    elif not readable:
        problem = error_body(-1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.")
    elif limit < 1:
        problem = error_body(-1130, "Data sent for parameter 'limit' is not valid.")
    limit = min(max(limit, 1), MOST_LEVELS)
    weight = next(weight for most, weight in _WEIGHTS if limit <= most)
    return AskDepth(weight, name.lower(), limit, None if problem is None else Body(400, problem))


def depth_target(symbol: str) -> str:
    """A whole book: 5000 levels a side."""
    return f"{DEPTH_PATH}?symbol={symbol.upper()}&limit={MOST_LEVELS}"


def depth_body(book: BookState, limit: int) -> bytes:
    """The body of `GET /api/v3/depth`: it names no time."""
    return orjson.dumps({"lastUpdateId": book.last_id, "bids": book.bids[:limit], "asks": book.asks[:limit]})


def too_many(status: int, now_ms: int, retry_after_s: int, per_minute: int = WEIGHT_PER_MINUTE) -> Body:
    """A 429 or, naming the end of the ban in ms, a 418."""
    if status == 418:
        text = (
            f"Way too much request weight used; IP banned until {now_ms + retry_after_s * 1000}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
    else:
        text = (
            f"Too much request weight used; current limit is {per_minute} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
    return Body(status, error_body(-1003, text), {"Retry-After": str(retry_after_s)})


_ERRORS = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -2010: "Account has insufficient balance for requested action.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2026: "Order was canceled or expired with no executed qty over 90 days ago and has been archived.",
}


def error(code: int, text: str, status: int) -> Body:
    """Any error: `{"code":-1008,"msg":"..."}`; without a text the exchange's own for some codes."""
    return Body(status, error_body(code, text or _ERRORS.get(code, "")))


def fault(status: int) -> Body | None:
    """The exchange's body of a scripted HTTP error; 403, 502 and 504 come from the gateway before it."""
    if status in (403, 502, 504):
        return None
    if status == 408:
        return error(-1007, "", 408)
    return error(-1001 if status >= 500 else -1000, "", status)


def instruments_body(
    instruments: Iterable[Instrument],
    now_ms: int,
    per_minute: int = WEIGHT_PER_MINUTE,
    pools: Iterable[OrderPool] = POOLS,
    next_first: int | None = None,
) -> bytes:
    """The body of `GET /api/v3/exchangeInfo`, with the filters a client needs for prices and quantities."""
    return orjson.dumps(
        {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": per_minute},
                *(pool_row(pool) for pool in pools),
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
            ],
            "exchangeFilters": [],
            "symbols": [_symbol_info(instrument) for instrument in instruments],
        }
    )


def pool_row(pool: OrderPool) -> dict[str, object]:
    """An order limit as the exchange states it."""
    for seconds, interval in ((86_400, "DAY"), (60, "MINUTE")):
        if pool.seconds % seconds == 0:
            return {
                "rateLimitType": "ORDERS",
                "interval": interval,
                "intervalNum": pool.seconds // seconds,
                "limit": pool.most,
            }
    return {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": pool.seconds, "limit": pool.most}


def _symbol_info(instrument: Instrument) -> Mapping[str, object]:
    step = instrument.step_size
    return {
        "symbol": instrument.symbol.upper(),
        "status": "TRADING",
        "baseAsset": instrument.base_asset,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote_asset,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": instrument.tick_size,
                "maxPrice": "1000000.00000000",
                "tickSize": instrument.tick_size,
            },
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000000", "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "120000", "stepSize": "0.00000000"},
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": "1.05",
                "bidMultiplierDown": "0.95",
                "askMultiplierUp": "1.05",
                "askMultiplierDown": "0.95",
                "avgPriceMins": 0,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": "5",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": [
            "EXPIRE_TAKER",
            "EXPIRE_MAKER",
            "EXPIRE_BOTH",
        ],
    }
