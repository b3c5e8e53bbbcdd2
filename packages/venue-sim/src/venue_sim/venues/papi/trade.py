"""Portfolio Margin's private language as one `TradeFace`."""

from __future__ import annotations

from venue_sim.limits import OrderPool
from venue_sim.venues.papi.answers import (
    account,
    acknowledgement,
    balance,
    hedge,
    order,
    orders,
    positions,
    stream_kept,
)
from venue_sim.venues.papi.events import key_expired, push, quick
from venue_sim.venues.papi.requests import parse, parse_api
from venue_sim.venues.usdm.private_answers import (
    api_answer,
    broken,
    countdown,
    denied,
    done_all,
    listed,
    logged_on,
    no_such_order,
    no_such_stream,
    pool_headers,
    pools,
    stream_ended,
    stream_key,
    subscribed,
    subscribed_already,
    too_many_orders,
    trades,
    wrap,
)
from venue_sim.venues.usdm.private_events import again, liquidation_id
from venue_sim.venues.usdm.trade import api_login, credentials, late_rules, on_stream

key_header = "X-MBX-APIKEY"
order_path = "/papi/v1/um/order"
order_pools = (OrderPool(60, 1200),)
weight_per_minute: int | None = 6000

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
