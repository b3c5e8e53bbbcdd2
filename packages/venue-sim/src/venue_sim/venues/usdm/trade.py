"""USD-M's private language as one `TradeFace`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from venue_sim.auth import Key, payload_of
from venue_sim.filters import Rule
from venue_sim.limits import POOLS
from venue_sim.trade_face import Credentials, StreamSays
from venue_sim.venues.usdm.private_answers import (
    account,
    acknowledgement,
    api_answer,
    balance,
    broken,
    countdown,
    denied,
    done_all,
    hedge,
    listed,
    logged_on,
    no_such_order,
    no_such_stream,
    order,
    orders,
    pool_headers,
    pools,
    positions,
    stream_ended,
    stream_kept,
    stream_key,
    subscribed,
    subscribed_already,
    too_many_orders,
    trades,
    wrap,
)
from venue_sim.venues.usdm.private_events import again, key_expired, liquidation_id, push, quick
from venue_sim.venues.usdm.private_requests import parse, parse_api

key_header = "X-MBX-APIKEY"
order_path = "/fapi/v1/order"
order_pools = POOLS
weight_per_minute: int | None = None
late_rules: frozenset[Rule] = frozenset()


def credentials(query: str, body: str, headers: Mapping[str, str]) -> Credentials:
    """The key stands in a header, all else among the parameters, in the query or in the body; the signature comes last."""
    payload, signature = payload_of(query, body)
    parameters = dict([*parse_qsl(query, keep_blank_values=True), *parse_qsl(body, keep_blank_values=True)])
    return Credentials(parameters, headers.get(key_header.lower(), ""), payload, signature)


def on_stream(text: bytes, keys: Mapping[str, Key], now_ms: int) -> StreamSays | None:
    """None: the key in the address is enough."""
    return None


def api_login(text: bytes, keys: Mapping[str, Key], now_ms: int) -> tuple[bytes, str] | None:
    """None: each request is signed."""
    return None


__all__ = [
    "account",
    "acknowledgement",
    "again",
    "api_answer",
    "api_login",
    "balance",
    "broken",
    "countdown",
    "credentials",
    "denied",
    "done_all",
    "hedge",
    "key_expired",
    "key_header",
    "late_rules",
    "liquidation_id",
    "listed",
    "logged_on",
    "no_such_order",
    "no_such_stream",
    "on_stream",
    "order",
    "order_path",
    "order_pools",
    "orders",
    "parse",
    "parse_api",
    "pool_headers",
    "pools",
    "positions",
    "push",
    "quick",
    "stream_ended",
    "stream_kept",
    "stream_key",
    "subscribed",
    "subscribed_already",
    "too_many_orders",
    "trades",
    "weight_per_minute",
    "wrap",
]
