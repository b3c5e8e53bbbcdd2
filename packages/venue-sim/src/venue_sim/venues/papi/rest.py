"""Portfolio Margin's public REST: it has none, so this is USD-M's, which a client asks at another host."""

from __future__ import annotations

from collections.abc import Iterable

from venue_sim.limits import POOLS, OrderPool
from venue_sim.market import Instrument
from venue_sim.venues.usdm.rest import (
    WEIGHT_PER_MINUTE,
    depth_body,
    depth_target,
    error,
    fault,
    instruments_path,
    least_weight_per_minute,
    no_book,
    parse,
    ping_body,
    read_instruments,
    read_time,
    time_body,
    time_path,
    too_many,
    usage_headers,
)
from venue_sim.venues.usdm.rest import instruments_body as usdm_instruments_body

__all__ = [
    "depth_body",
    "depth_target",
    "error",
    "fault",
    "instruments_body",
    "instruments_path",
    "least_weight_per_minute",
    "no_book",
    "parse",
    "ping_body",
    "read_instruments",
    "read_time",
    "time_body",
    "time_path",
    "too_many",
    "usage_headers",
]


def instruments_body(
    instruments: Iterable[Instrument],
    now_ms: int,
    per_minute: int = WEIGHT_PER_MINUTE,
    pools: Iterable[OrderPool] = POOLS,
    next_first: int | None = None,
) -> bytes:
    """Contracts, with USD-M's own order limits: those of this account are told by `/papi/v1/rateLimit/order` alone."""
    return usdm_instruments_body(instruments, now_ms, per_minute, POOLS)
