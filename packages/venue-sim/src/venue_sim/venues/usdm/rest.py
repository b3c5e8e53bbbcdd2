"""USD-M's REST: paths, weights, limits, bodies and error codes (exchange.md section 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from venue_sim.face import Ask, AskDepth, AskInstruments, AskPing, AskTime, AskWrong, Body
from venue_sim.limits import POOLS, OrderPool
from venue_sim.market import BookState, Instrument

DEPTH_PATH = "/fapi/v1/depth"
instruments_path = "/fapi/v1/exchangeInfo"
time_path = "/fapi/v1/time"
WEIGHT_PER_MINUTE = 2400
DEPTH_LIMITS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
DEFAULT_DEPTH_LIMIT = 500
least_weight_per_minute = max(DEPTH_LIMITS.values())


def parse(method: str, path: str, query: Mapping[str, str], symbols: Iterable[str]) -> Ask:
    """Read a request; the order in which a wrong one is found out is the exchange's."""
    match (method, path):
        case ("GET", "/fapi/v1/ping"):
            return AskPing(1)
        case ("GET", "/fapi/v1/time"):
            return AskTime(1)
        case ("GET", "/fapi/v1/exchangeInfo"):
            return AskInstruments(1)
        case ("GET", "/fapi/v1/depth"):
            return _parse_depth(query, symbols)
        case _:
            return AskWrong(1, Body(404, error_body(-5000, f"Path {path}, Method {method} is invalid")))


def _parse_depth(query: Mapping[str, str], symbols: Iterable[str]) -> AskDepth:
    symbol = query.get("symbol", "").lower()
    text = query.get("limit", str(DEFAULT_DEPTH_LIMIT))
    limit = int(text) if text.isdecimal() else DEFAULT_DEPTH_LIMIT
    weight = (depth_weight(limit) if text.isdecimal() else None) or 1
    problem = None
    if not symbol:
        problem = error_body(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    elif symbol not in symbols:
        problem = error_body(-1121, "Invalid symbol.")
    elif not text.isdecimal():
        problem = error_body(-1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.")
    elif depth_weight(limit) is None:
        problem = error_body(-4021, f"{text} is not valid depth limit.")
    return AskDepth(weight, symbol, limit, None if problem is None else Body(400, problem))


def depth_target(symbol: str) -> str:
    """A whole book: 1000 levels a side."""
    return f"{DEPTH_PATH}?symbol={symbol.upper()}&limit=1000"


def read_instruments(body: bytes) -> Mapping[str, Instrument]:
    """Read `exchangeInfo`: tick and step are those of the filters PRICE_FILTER and LOT_SIZE."""
    found = {}
    for row in orjson.loads(body)["symbols"]:
        filters = {one["filterType"]: one for one in row["filters"]}
        tick, step = filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]
        symbol = row["symbol"].lower()
        found[symbol] = Instrument(symbol, tick, step, row["baseAsset"], row["quoteAsset"])
    return found


def read_time(body: bytes) -> int:
    """Read the exchange's time."""
    return int(orjson.loads(body)["serverTime"])


def ping_body() -> bytes:
    """The body of `GET /fapi/v1/ping`."""
    return b"{}"


def time_body(now_ms: int) -> bytes:
    """The body of `GET /fapi/v1/time`."""
    return b'{"serverTime":%d}' % now_ms


def depth_weight(limit: int) -> int | None:
    """Weight of a depth request, None for a limit the exchange does not offer."""
    return DEPTH_LIMITS.get(limit)


def depth_body(book: BookState, limit: int) -> bytes:
    """The body of `GET /fapi/v1/depth`: the best `limit` levels a side, the exchange's own key order."""
    return orjson.dumps(
        {
            "lastUpdateId": book.last_id,
            "E": book.event_ms,
            "T": book.transact_ms,
            "bids": book.bids[:limit],
            "asks": book.asks[:limit],
        }
    )


def error_body(code: int, message: str) -> bytes:
    """The body of a refused REST request: `{"code":-1121,"msg":"Invalid symbol."}`."""
    return orjson.dumps({"code": code, "msg": message})


def too_many(status: int, now_ms: int, retry_after_s: int, per_minute: int = WEIGHT_PER_MINUTE) -> Body:
    """A 429 or, naming the end of the ban in ms, a 418."""
    if status == 418:
        text = (
            f"Way too many requests; IP banned until {now_ms + retry_after_s * 1000}. "
            "Please use the websocket to avoid bans."
        )
    else:
        text = (
            f"Too many requests; current limit is {per_minute} requests per minute. "
            "Please use the websocket to avoid polling the API."
        )
    return Body(status, error_body(-1003, text), {"Retry-After": str(retry_after_s)})


def no_book() -> Body:
    """The answer to a depth request whose book did not become known in time."""
    return Body(503, error_body(-1001, "Internal error; unable to process your request. Please try again."))


_ERRORS = {
    -1000: "An unknown error occured while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2019: "Margin is insufficient.",
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
    if status == 503:
        return Body(503, error_body(-1, "Unknown error, please check your request or try again later."))
    return Body(status, error_body(-1000, "An unknown error occured while processing the request."))


def usage_headers(used: int) -> Mapping[str, str]:
    """The weight used in this minute."""
    return {"X-MBX-USED-WEIGHT-1M": str(used)}


def instruments_body(
    instruments: Iterable[Instrument],
    now_ms: int,
    per_minute: int = WEIGHT_PER_MINUTE,
    pools: Iterable[OrderPool] = POOLS,
    next_first: int | None = None,
) -> bytes:
    """The body of `GET /fapi/v1/exchangeInfo`, with the filters a client needs for prices and quantities."""
    return orjson.dumps(
        {
            "exchangeFilters": [],
            "rateLimits": [
                _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, per_minute),
                *(_order_limit(pool) for pool in pools),
            ],
            "serverTime": now_ms,
            "timezone": "UTC",
            "assets": [],
            "symbols": [_symbol_info(instrument) for instrument in instruments],
        }
    )


def _order_limit(pool: OrderPool) -> dict[str, object]:
    interval, number = ("SECOND", pool.seconds) if pool.seconds < 60 else ("MINUTE", pool.seconds // 60)
    return _rate_limit("ORDERS", interval, number, pool.most)


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _symbol_info(instrument: Instrument) -> Mapping[str, object]:
    name = instrument.symbol.upper()
    step = instrument.step_size
    return {
        "symbol": name,
        "pair": name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
        "marginAsset": instrument.quote_asset,
        "pricePrecision": instrument.price_precision,
        "quantityPrecision": instrument.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "triggerProtect": "0.0500",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": instrument.tick_size,
                "maxPrice": "4529764",
                "tickSize": instrument.tick_size,
            },
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000000", "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "120000", "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }
