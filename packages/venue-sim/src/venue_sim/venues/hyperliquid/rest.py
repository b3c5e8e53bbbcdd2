"""Hyperliquid's REST: everything is a POST to `/info` whose body says what is asked (exchange.md section 5).

Here the type may also stand in the query, `?type=meta`, which is how the simulator's own desk names requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from venue_sim.face import Ask, AskDepth, AskInstruments, AskTime, AskWrong, Body
from venue_sim.limits import POOLS, OrderPool
from venue_sim.market import BookState, Instrument

PATH = "/info"
instruments_path = "/info?type=meta"
time_path = "/info?type=exchangeStatus"
LEVELS = 20
least_weight_per_minute = 20
_WEIGHTS = {"l2Book": 2, "exchangeStatus": 2, "meta": 20}


def parse(method: str, path: str, query: Mapping[str, str], symbols: Iterable[str]) -> Ask:
    """Read a request."""
    path, _, inline = path.partition("?type=")
    kind = inline or query.get("type", "")
    if path != PATH or kind not in _WEIGHTS:
        return AskWrong(
            1, Body(422 if path == PATH else 404, b"Failed to deserialize the JSON body into the target type")
        )
    weight = _WEIGHTS[kind]
    if kind == "meta":
        return AskInstruments(weight)
    if kind == "exchangeStatus":
        return AskTime(weight)
    symbol = query.get("coin", query.get("symbol", "")).lower()
    return AskDepth(weight, symbol, LEVELS, None if symbol in symbols else Body(200, b"null"))


def depth_target(symbol: str) -> str:
    """A whole book: twenty levels."""
    return f"{PATH}?type=l2Book&coin={symbol.upper()}"


def read_instruments(body: bytes) -> Mapping[str, Instrument]:
    """Read `meta`: it tells the digits of quantities only, and prices have five significant ones."""
    found = {}
    for row in orjson.loads(body)["universe"]:
        digits = row["szDecimals"]
        step = "1" if digits == 0 else f"0.{'0' * (digits - 1)}1"
        found[row["name"].lower()] = Instrument(row["name"].lower(), row.get("tick", "0.1"), step, row["name"], "USDC")
    return found


def read_time(body: bytes) -> int:
    """Read the exchange's time."""
    return int(orjson.loads(body)["time"])


def ping_body() -> bytes:
    """There is no ping."""
    return b"{}"


def time_body(now_ms: int) -> bytes:
    """The answer to `exchangeStatus`."""
    return orjson.dumps({"specialStatuses": None, "time": now_ms})


def depth_body(book: BookState, limit: int) -> bytes:
    """The answer to `l2Book`: at most twenty levels a side."""
    most = min(limit, LEVELS)
    levels = [[{"px": p, "sz": q, "n": 1} for p, q in side[:most]] for side in (book.bids, book.asks)]
    return orjson.dumps({"coin": "", "time": book.transact_ms, "levels": levels})


def too_many(status: int, now_ms: int, retry_after_s: int, per_minute: int) -> Body:
    """Too much weight: 429 without a word."""
    return Body(429, b"null")


def no_book() -> Body:
    """The answer to a depth request whose book did not become known in time."""
    return Body(503, b"null")


def error(code: int, text: str, status: int) -> Body:
    """An error: a text with a status."""
    return Body(status, orjson.dumps(text))


def fault(status: int) -> Body | None:
    """A scripted HTTP error comes from the gateway, as a page."""
    return None


def usage_headers(used: int) -> Mapping[str, str]:
    """What an address has used is not told."""
    return {}


def instruments_body(
    instruments: Iterable[Instrument],
    now_ms: int,
    per_minute: int,
    pools: Iterable[OrderPool] = POOLS,
    next_first: int | None = None,
) -> bytes:
    """The answer to `meta`."""
    universe = [
        {"name": one.symbol.upper(), "szDecimals": one.quantity_precision, "maxLeverage": 50} for one in instruments
    ]
    return orjson.dumps({"universe": universe})
