"""The face of Binance USD-M futures: routes, stream names, subscription requests, REST bodies and weights
(exchange.md section 1).

Constants and pure functions only. What is not settled is marked [?] here and in docs/venue-sim.md, so that learning
better costs one constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from venue_sim.market import BookState, Instrument

MAX_STREAMS = 200
MESSAGES_PER_S = 10
PING_INTERVAL_S = 180.0
PONG_TIMEOUT_S = 600.0
CONNECTION_AGE_S = 86_400.0
WEIGHT_PER_MINUTE = 2400
DEPTH_LIMITS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
DEFAULT_DEPTH_LIMIT = 500
LEAST_WEIGHT_PER_MINUTE = max(DEPTH_LIMITS.values())
"""A limit below the weight of one whole snapshot serves nobody: clients wait for it for ever."""

_PUBLIC = re.compile(r"(depth(5|10|20)?(@(0|100|250|500)ms)?|rpiDepth@500ms|bookTicker|trade)\Z")
_MARKET = re.compile(
    r"(aggTrade|markPrice|kline|continuousKline|ticker|miniTicker|forceOrder|compositeIndex|assetIndex)([@_].*)?\Z"
)
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class Category(Enum):
    """The three kinds of stream, each with its own path; RETIRED is the path from before 2026-04-23."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a connection came in: its category, whether frames are wrapped, and the streams its address names."""

    category: Category
    combined: bool
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer instead of a websocket."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Add these streams to the connection."""

    id: int | str | None
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Take these streams off the connection."""

    id: int | str | None
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListSubscriptions:
    """Ask for the connection's streams."""

    id: int | str | None


@dataclass(frozen=True, slots=True)
class Property:
    """Read or set a property; only `combined` exists."""

    id: int | str | None
    value: bool | None


@dataclass(frozen=True, slots=True)
class WrongRequest:
    """A request that is answered with an error."""

    answer: bytes


Request = Subscribe | Unsubscribe | ListSubscriptions | Property | WrongRequest


def parse_target(target: str) -> Route | Refusal:
    """Read the address a websocket client asked for: `/public/ws`, `/public/stream?streams=a/b`, `/ws/<stream>` and
    so on."""
    parts = urlsplit(target)
    path = [unquote(piece) for piece in parts.path.split("/") if piece]
    category = Category.RETIRED
    if path and path[0] in ("public", "market", "private"):
        category = Category(path.pop(0))
    if not path or path[0] not in ("ws", "stream"):
        return Refusal(404, "Not Found")
    combined = path.pop(0) == "stream"
    named = [
        stream for key, value in parse_qsl(parts.query) if key == "streams" for stream in value.split("/") if stream
    ]
    if combined and path:
        return Refusal(404, "Not Found")
    streams = tuple(dict.fromkeys([*path, *named] if not combined else named))
    if len(streams) > MAX_STREAMS:
        return Refusal(400, "Too many streams")
    if category is Category.PRIVATE or (category is Category.RETIRED and not combined and _is_listen_key(streams)):
        streams = ()
    return Route(category, combined, streams)


def category_of(stream: str) -> Category | None:
    """The category a stream belongs to, None for a name the exchange does not have."""
    if stream.startswith("!"):
        return Category.PUBLIC if stream == "!bookTicker" else Category.MARKET
    symbol, at, name = stream.partition("@")
    if not at or not symbol:
        return None
    if _PUBLIC.match(name):
        return Category.PUBLIC
    return Category.MARKET if _MARKET.match(name) else None


def delivers(route: Category, stream: str) -> bool:
    """Say whether a route delivers a stream. A stream of another category is acknowledged and stays silent; so does
    everything but the public streams on the retired paths.
    """
    return category_of(stream) is (Category.PUBLIC if route is Category.RETIRED else route)


def parse_request(text: bytes) -> Request:
    """Read what a client sent on its websocket. Error answers are the exchange's own codes and words where its
    documents give them."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return WrongRequest(
            error_answer(3, f"Invalid JSON: expected value at line {error.lineno} column {error.colno}", None)
        )
    if not isinstance(value, dict):
        return WrongRequest(error_answer(2, "Invalid request: expected an object", None))
    request_id = value.get("id")
    if (
        isinstance(request_id, bool)
        or not isinstance(request_id, int | str | None)
        or (isinstance(request_id, int) and request_id < 0)
    ):
        return WrongRequest(error_answer(2, "Invalid request: request ID must be an unsigned integer", None))
    method = value.get("method")
    if "method" not in value:
        return WrongRequest(error_answer(2, "Invalid request: missing field `method`", request_id))
    if method not in _METHODS:
        return WrongRequest(
            error_answer(
                2, f"Invalid request: unknown variant `{method}`, expected one of {', '.join(_METHODS)}", request_id
            )
        )
    if method == "LIST_SUBSCRIPTIONS":
        return ListSubscriptions(request_id)
    params = value.get("params")
    if method in ("SET_PROPERTY", "GET_PROPERTY"):
        return _property(method, params, request_id)
    if not isinstance(params, list) or not all(isinstance(name, str) and name for name in params):
        return WrongRequest(error_answer(2, "Invalid request: params must be a list of stream names", request_id))
    return (Subscribe if method == "SUBSCRIBE" else Unsubscribe)(request_id, tuple(params))


def result_answer(result: object, request_id: int | str | None) -> bytes:
    """Answer a request: `{"result":null,"id":1}`."""
    return orjson.dumps({"result": result, "id": request_id})


def error_answer(code: int, message: str, request_id: int | str | None) -> bytes:
    """Answer a request with an error: `{"error":{"code":2,"msg":"..."},"id":1}`."""
    return orjson.dumps({"error": {"code": code, "msg": message}, "id": request_id})


def shutdown_event(now_ms: int) -> bytes:
    """The event before a server goes away, as spot documents it; that futures send it unwrapped on both forms of
    path is [?]."""
    return orjson.dumps({"e": "serverShutdown", "E": now_ms})


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


def too_many_body(status: int, now_ms: int, retry_after_s: int, per_minute: int = WEIGHT_PER_MINUTE) -> bytes:
    """The body of a 429 or, naming the end of the ban in ms, of a 418."""
    if status == 418:
        return error_body(
            -1003,
            f"Way too many requests; IP banned until {now_ms + retry_after_s * 1000}. "
            "Please use the websocket to avoid bans.",
        )
    return error_body(
        -1003,
        f"Too many requests; current limit is {per_minute} requests per minute. "
        "Please use the websocket to avoid polling the API.",
    )


def exchange_info(instruments: Iterable[Instrument], now_ms: int, per_minute: int = WEIGHT_PER_MINUTE) -> bytes:
    """The body of `GET /fapi/v1/exchangeInfo`, with the filters a client needs for prices and quantities."""
    return orjson.dumps(
        {
            "exchangeFilters": [],
            "rateLimits": [
                _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, per_minute),
                _rate_limit("ORDERS", "MINUTE", 1, 1200),
                _rate_limit("ORDERS", "SECOND", 10, 300),
            ],
            "serverTime": now_ms,
            "timezone": "UTC",
            "assets": [],
            "symbols": [_symbol_info(instrument) for instrument in instruments],
        }
    )


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


def _property(method: str, params: Any, request_id: int | str | None) -> Request:
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        return WrongRequest(error_answer(2, "Invalid request: property name must be a string", request_id))
    if params[0] != "combined":
        return WrongRequest(error_answer(0, "Unknown property", request_id))
    if len(params) > (2 if method == "SET_PROPERTY" else 1):
        return WrongRequest(error_answer(2, "Invalid request: too many parameters", request_id))
    if method == "GET_PROPERTY":
        return Property(request_id, None)
    if len(params) < 2 or not isinstance(params[1], bool):
        return WrongRequest(error_answer(1, "Invalid value type: expected Boolean", request_id))
    return Property(request_id, params[1])


def _is_listen_key(streams: tuple[str, ...]) -> bool:
    """On the retired path `/ws/<listenKey>` is user data, which is silent there."""
    return len(streams) == 1 and "@" not in streams[0] and not streams[0].startswith("!")
