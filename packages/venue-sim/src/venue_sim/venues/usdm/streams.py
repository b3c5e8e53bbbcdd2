"""USD-M's websockets: routes, categories of streams and subscription requests (exchange.md section 1).

Constants and pure functions only. What is not settled is marked [?] here and in docs/venue-sim.md, so that learning
better costs one constant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from venue_sim.face import (
    ListSubscriptions,
    Private,
    Property,
    Refusal,
    Request,
    RequestId,
    Route,
    Subscribe,
    Unsubscribe,
    WrongRequest,
)

most_streams = 200

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
    API = "api"


def parse_target(target: str) -> Route | Refusal:
    """Read the address a websocket client asked for: `/public/ws`, `/public/stream?streams=a/b`, `/ws/<stream>` and
    so on."""
    parts = urlsplit(target)
    path = [unquote(piece) for piece in parts.path.split("/") if piece]
    if path == ["ws-fapi", "v1"]:
        return Route(Category.API, False, (), api=True)
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
    if len(streams) > most_streams:
        return Refusal(400, "Too many streams")
    if category is Category.PRIVATE:
        return Route(category, combined, (), _private(parts.query, streams))
    if category is Category.RETIRED and not combined and _is_listen_key(streams):  # user data, silent there
        streams = ()
    return Route(category, combined, streams)


def streams_target(streams: Sequence[str]) -> str:
    """The combined path of public streams."""
    return f"/public/stream?streams={'/'.join(streams)}"


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


def delivers(route: Enum, stream: str) -> bool:
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


def result_answer(result: object, request_id: RequestId, request: Request) -> bytes:
    """Answer a request: `{"result":null,"id":1}`."""
    return orjson.dumps({"result": result, "id": request_id})


def error_answer(code: int, message: str, request_id: RequestId) -> bytes:
    """Answer a request with an error: `{"error":{"code":2,"msg":"..."},"id":1}`."""
    return orjson.dumps({"error": {"code": code, "msg": message}, "id": request_id})


def too_many_streams_answer(request_id: RequestId) -> bytes:
    """Answer a request for more streams than a connection may have."""
    return error_answer(2, f"Invalid request: more than {most_streams} streams", request_id)


def shutdown_event(now_ms: int) -> bytes:
    """The event before a server goes away, as spot documents it; that futures send it unwrapped on both forms of
    path is [?]."""
    return orjson.dumps({"e": "serverShutdown", "E": now_ms})


def _private(query: str, streams: tuple[str, ...]) -> Private | None:
    """`?listenKey=K&events=A/B`; that events are mandatory, and that the form with the key in the path still works
    somewhere, is [?]."""
    values = parse_qsl(query)
    keys = tuple(value for key, value in values if key == "listenKey" and value)
    events = frozenset(event for key, value in values if key == "events" for event in value.split("/") if event)
    if keys:
        return Private(keys, events or None, "query_events" if events else "query")
    return Private(streams, None, "path") if streams else None


def _property(method: str, params: Any, request_id: RequestId) -> Request:
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
