"""Hyperliquid's websocket: one address, one subscription a message, answers without a number (exchange.md section 5).

A stream is called `type:COIN` here; coins are spelt as on the wire. The market behind knows a contract by its lower-case name.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit

import orjson

from venue_sim.face import Answered, Refusal, Request, RequestId, Route, Subscribe, Unsubscribe, WrongRequest

most_streams = 1_000
TYPES = ("l2Book", "bbo", "trades")


class Category(Enum):
    """There is one address."""

    ALL = "all"


def parse_target(target: str) -> Route | Refusal:
    """Read the address a websocket client asked for."""
    path = urlsplit(target).path.rstrip("/")
    return Route(Category.ALL, True, ()) if path == "/ws" else Refusal(404, "Not Found")


def streams_target(streams: Sequence[str]) -> str:
    """The address; its streams are asked for by message."""
    return "/ws"


def delivers(route: Enum, stream: str) -> bool:
    """Every stream of a known type."""
    return stream.partition(":")[0] in TYPES


def parse_request(text: bytes) -> Request:
    """Read what a client sent."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return WrongRequest(_error(f"Error parsing JSON into valid websocket request: {text[:80]!r}"))
    method = value.get("method") if isinstance(value, dict) else None
    if method == "ping":
        return Answered(b'{"channel":"pong"}')
    wanted = value.get("subscription") if isinstance(value, dict) else None
    kind, coin = (wanted.get("type"), wanted.get("coin")) if isinstance(wanted, dict) else (None, None)
    if method not in ("subscribe", "unsubscribe") or kind not in TYPES or not isinstance(coin, str) or not coin:
        return WrongRequest(_error(f"Invalid subscription {text.decode(errors='replace')[:80]}"))
    return (Subscribe if method == "subscribe" else Unsubscribe)(None, (f"{kind}:{coin}",))


def result_answer(result: object, request_id: RequestId, request: Request) -> bytes:
    """Answer a subscription, or its end, by repeating it."""
    streams = request.streams if isinstance(request, Subscribe | Unsubscribe) else (":",)
    kind, _, coin = streams[0].partition(":")
    method = "unsubscribe" if isinstance(request, Unsubscribe) else "subscribe"
    data = {"method": method, "subscription": {"type": kind, "coin": coin}}
    return orjson.dumps({"channel": "subscriptionResponse", "data": data})


def too_many_streams_answer(request_id: RequestId) -> bytes:
    """Answer a subscription that is one too many."""
    return _error("Cannot track more than 1000 total subscriptions.")


def shutdown_event(now_ms: int) -> bytes:
    """None."""
    return b""


def _error(words: str) -> bytes:
    return orjson.dumps({"channel": "error", "data": words})
