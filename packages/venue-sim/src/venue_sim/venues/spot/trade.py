"""Spot's private language as one `TradeFace`."""

from __future__ import annotations

from venue_sim.venues.spot.private_answers import (
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
from venue_sim.venues.spot.private_events import again, key_expired, liquidation_id, push, quick
from venue_sim.venues.spot.private_requests import parse, parse_api
from venue_sim.venues.spot.rest import POOLS
from venue_sim.venues.usdm.trade import api_login, credentials, late_rules, on_stream

key_header = "X-MBX-APIKEY"
order_path = "/api/v3/order"
order_pools = POOLS
weight_per_minute: int | None = None

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
