"""Portfolio Margin's websockets: USD-M's market data, and the account's stream at `/pm/ws/<listenKey>`, the path form kept
(exchange.md section 2). A stream of this account asked for on USD-M's private route is open and silent.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from venue_sim.face import Private, Refusal, Route
from venue_sim.venues.usdm import streams as usdm
from venue_sim.venues.usdm.streams import (
    Category,
    delivers,
    most_streams,
    parse_request,
    result_answer,
    shutdown_event,
    streams_target,
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


def parse_target(target: str) -> Route | Refusal:
    """Read the address a websocket client asked for: `/pm/ws/<key>`, `/pm/stream?streams=<key>`, or one of USD-M's."""
    parts = urlsplit(target)
    path = [piece for piece in parts.path.split("/") if piece]
    if path[:1] != ["pm"]:
        found = usdm.parse_target(target)
        if isinstance(found, Route) and found.api:
            return Refusal(404, "Not Found")  # orders have no websocket
        return replace(found, private=None) if isinstance(found, Route) else found
    if path[1:2] == ["ws"]:
        keys = tuple(path[2:])
    elif path[1:] == ["stream"]:
        named = (value for name, value in parse_qsl(parts.query) if name == "streams")
        keys = tuple(key for value in named for key in value.split("/") if key)
    else:
        return Refusal(404, "Not Found")
    private = Private(keys, None, "path") if keys else None
    return Route(Category.PRIVATE, path[1] == "stream", (), private)
