"""Spot's websockets: one path for all streams, an option for microseconds, and the WebSocket API (exchange.md section 3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

from venue_sim.face import Refusal, RequestId, Route
from venue_sim.venues.usdm.streams import error_answer, parse_request, result_answer, shutdown_event

__all__ = [
    "delivers",
    "most_streams",
    "parse_request",
    "parse_target",
    "result_answer",
    "shutdown_event",
    "streams_target",
    "too_many_streams_answer",
]

most_streams = 1024
_STREAM = re.compile(
    r"(depth(@100ms)?|depth(5|10|20)(@100ms)?|bookTicker|trade|aggTrade|avgPrice|ticker(_(1h|4h|1d))?|miniTicker|kline_.+)\Z"
)
_UNITS = {"": False, "MILLISECOND": False, "millisecond": False, "MICROSECOND": True, "microsecond": True}
_MILLISECONDS = re.compile(rb'"(E|T)":(\d{1,16})(?=[,}])')


class Category(Enum):
    """What a connection is for."""

    STREAMS = "streams"
    API = "api"


def parse_target(target: str) -> Route | Refusal:
    """Read the address a websocket client asked for: `/ws/<stream>`, `/stream?streams=a/b&timeUnit=MICROSECOND`,
    `/ws-api/v3`."""
    parts = urlsplit(target)
    path = [unquote(piece) for piece in parts.path.split("/") if piece]
    query = parse_qsl(parts.query)
    unit = next((value for key, value in query if key == "timeUnit"), "")
    if unit not in _UNITS:
        return Refusal(400, "Invalid time unit")
    if path == ["ws-api", "v3"]:
        return Route(Category.API, True, (), api=True)  # events of accounts come wrapped
    if not path or path[0] not in ("ws", "stream"):
        return Refusal(404, "Not Found")
    combined = path.pop(0) == "stream"
    if combined and path:
        return Refusal(404, "Not Found")
    named = [stream for key, value in query if key == "streams" for stream in value.split("/") if stream]
    streams = tuple(dict.fromkeys(named if combined else [*path, *named]))
    if len(streams) > most_streams:
        return Refusal(400, "Too many streams")
    return Route(Category.STREAMS, combined, streams, rewrite=in_microseconds if _UNITS[unit] else None)


def in_microseconds(payload: bytes) -> bytes:
    """A message with its times in microseconds."""
    return _MILLISECONDS.sub(rb'"\1":\g<2>000', payload)


def streams_target(streams: Sequence[str]) -> str:
    """The combined path of streams."""
    return f"/stream?streams={'/'.join(streams)}"


def delivers(route: Enum, stream: str) -> bool:
    """Say whether a route delivers a stream; a name the exchange does not have is acknowledged and silent."""
    symbol, _, name = stream.partition("@")
    return route is Category.STREAMS and bool(symbol) and _STREAM.match(name) is not None


def too_many_streams_answer(request_id: RequestId) -> bytes:
    """Answer a request for more streams than a connection may have."""
    return error_answer(2, f"Invalid request: more than {most_streams} streams", request_id)
