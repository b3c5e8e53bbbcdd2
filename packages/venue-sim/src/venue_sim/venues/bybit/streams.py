"""Bybit's websockets: addresses and requests (exchange.md section 4). Topics are opaque texts here; what is not settled is marked [?]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit

import orjson

from venue_sim.face import Answered, Private, Refusal, Request, RequestId, Route, Subscribe, Unsubscribe, WrongRequest

most_streams = 2_000
MOST_CHARACTERS = 21_000

_TOPIC = re.compile(
    r"(orderbook\.(1|50|200|1000)|publicTrade|tickers|kline\.\w+|allLiquidation|priceLimit)\.[A-Z0-9-]+\Z"
)


class Category(Enum):
    """The kinds of websocket, each with an address of its own."""

    PUBLIC = "public"
    PRIVATE = "private"
    TRADE = "trade"


def parse_target(target: str) -> Route | Refusal:
    """Read the address a websocket client asked for."""
    path = urlsplit(target).path.rstrip("/")
    if path == "/v5/public/linear":
        return Route(Category.PUBLIC, True, ())
    if path == "/v5/private":
        return Route(Category.PRIVATE, True, (), Private((), None, "login"))
    if path == "/v5/trade":
        return Route(Category.TRADE, True, (), api=True)
    return Refusal(404, "Not Found")


def streams_target(streams: Sequence[str]) -> str:
    """The public address; its streams are asked for by message."""
    return "/v5/public/linear"


def delivers(route: Enum, stream: str) -> bool:
    """Public topics on the public address."""
    return route is Category.PUBLIC and _TOPIC.match(stream) is not None


def parse_request(text: bytes) -> Request:
    """Read what a client sent on the public websocket; one topic that is none refuses the whole message."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return WrongRequest(_answer(False, "error:invalid json", None, ""))
    if not isinstance(value, dict):
        return WrongRequest(_answer(False, "error:invalid request", None, ""))
    named, op, args = value.get("req_id"), value.get("op"), value.get("args")
    number = named if isinstance(named, str) else None
    if op == "ping":
        return Answered(_answer(True, "pong", number, "ping"))
    if op not in ("subscribe", "unsubscribe"):
        return WrongRequest(_answer(False, f"error:unknown op:{op}", number, str(op)))
    if not isinstance(args, list) or not args or not all(isinstance(topic, str) for topic in args):
        return WrongRequest(_answer(False, "error:invalid args", number, op))
    if sum(map(len, args)) > MOST_CHARACTERS:
        return WrongRequest(_answer(False, "error:args too long", number, op))
    for topic in args:
        if not _TOPIC.match(topic):
            return WrongRequest(_answer(False, f"error:handler not found,topic:{topic}", number, op))
    return (Subscribe if op == "subscribe" else Unsubscribe)(number, tuple(args))


def result_answer(result: object, request_id: RequestId, request: Request) -> bytes:
    """Answer a subscription, or its end."""
    op = "unsubscribe" if isinstance(request, Unsubscribe) else "subscribe"
    return _answer(True, "", None if request_id is None else str(request_id), op)


def too_many_streams_answer(request_id: RequestId) -> bytes:
    """Answer a request for more topics than a connection may have."""
    return _answer(False, "error:args too long", None if request_id is None else str(request_id), "subscribe")


def shutdown_event(now_ms: int) -> bytes:
    """None: this exchange says nothing before it closes a connection."""
    return b""


def _answer(success: bool, words: str, number: str | None, op: str) -> bytes:
    return orjson.dumps({"success": success, "ret_msg": words, "conn_id": "sim", "req_id": number or "", "op": op})
