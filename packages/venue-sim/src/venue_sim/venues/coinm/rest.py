"""COIN-M's REST: USD-M's under `/dapi/`, with contracts of a number of dollars each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import orjson

from venue_sim.face import Ask, AskWrong, Body
from venue_sim.limits import POOLS, OrderPool
from venue_sim.market import Instrument
from venue_sim.venues.coinm.messages import pair_of
from venue_sim.venues.usdm import rest as usdm
from venue_sim.venues.usdm.rest import (
    WEIGHT_PER_MINUTE,
    depth_body,
    error,
    error_body,
    fault,
    least_weight_per_minute,
    no_book,
    ping_body,
    read_time,
    time_body,
    too_many,
    usage_headers,
)

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

instruments_path = "/dapi/v1/exchangeInfo"
time_path = "/dapi/v1/time"


def read_instruments(body: bytes) -> Mapping[str, Instrument]:
    """Read `exchangeInfo`; what has no term in its name is no contract."""
    sizes = {row["symbol"].lower(): row["contractSize"] for row in orjson.loads(body)["symbols"]}
    found = usdm.read_instruments(body)
    return {symbol: replace(one, contract=sizes[symbol] if "_" in symbol else 0) for symbol, one in found.items()}


def parse(method: str, path: str, query: Mapping[str, str], symbols: Iterable[str]) -> Ask:
    """Read a request."""
    if path.startswith("/dapi/"):
        return usdm.parse(method, f"/fapi/{path.removeprefix('/dapi/')}", query, symbols)
    return AskWrong(1, Body(404, error_body(-5000, f"Path {path}, Method {method} is invalid")))


def depth_target(symbol: str) -> str:
    """A whole book: 1000 levels a side."""
    return f"/dapi/v1/depth?symbol={symbol.upper()}&limit=1000"


def instruments_body(
    instruments: Iterable[Instrument],
    now_ms: int,
    per_minute: int = WEIGHT_PER_MINUTE,
    pools: Iterable[OrderPool] = POOLS,
    next_first: int | None = None,
) -> bytes:
    """The body of `GET /dapi/v1/exchangeInfo`."""
    known = list(instruments)
    sizes = {one.symbol: one.contract or 10 for one in known}
    body = orjson.loads(usdm.instruments_body(known, now_ms, per_minute, pools))
    for row in body["symbols"]:
        symbol = row["symbol"].lower()
        row |= {
            "pair": pair_of(symbol),
            "contractStatus": row.pop("status"),
            "contractSize": sizes[symbol],
            "marginAsset": row["baseAsset"],
            "equalQtyPrecision": 4,
            "filters": [one for one in row["filters"] if one["filterType"] != "MIN_NOTIONAL"],
        }
    return orjson.dumps(body)
