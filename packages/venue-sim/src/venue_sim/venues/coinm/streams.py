"""COIN-M's websockets: as USD-M's before its paths were split by category. Market data and the account's stream share
`/ws` and `/stream`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

from venue_sim.face import Private, Refusal, Route
from venue_sim.venues.usdm.streams import (
    category_of,
    most_streams,
    parse_request,
    result_answer,
    shutdown_event,
    too_many_streams_answer,
)

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


class Category(Enum):
    """What a connection is for."""

    STREAMS = "streams"
    PRIVATE = "private"
    API = "api"


def parse_target(target: str) -> Route | Refusal:
    """Read the address a websocket client asked for: `/ws/<stream or listenKey>`, `/stream?streams=a/b`."""
    parts = urlsplit(target)
    path = [unquote(piece) for piece in parts.path.split("/") if piece]
    if path == ["ws-dapi", "v1"]:
        return Route(Category.API, False, (), api=True)
    if not path or path[0] not in ("ws", "stream"):
        return Refusal(404, "Not Found")
    combined = path.pop(0) == "stream"
    named = [
        stream for key, value in parse_qsl(parts.query) if key == "streams" for stream in value.split("/") if stream
    ]
    if combined and path:
        return Refusal(404, "Not Found")
    streams = tuple(dict.fromkeys(named if combined else [*path, *named]))
    if len(streams) > most_streams:
        return Refusal(400, "Too many streams")
    keys = tuple(stream for stream in streams if "@" not in stream and not stream.startswith("!"))
    if keys and len(keys) == len(streams):
        return Route(Category.PRIVATE, combined, (), Private(keys, None, "path"))
    return Route(Category.STREAMS, combined, streams)


def streams_target(streams: Sequence[str]) -> str:
    """The combined path of streams."""
    return f"/stream?streams={'/'.join(streams)}"


def delivers(route: Enum, stream: str) -> bool:
    """Say whether a route delivers a stream: every one the exchange has."""
    return route is Category.STREAMS and category_of(stream) is not None
