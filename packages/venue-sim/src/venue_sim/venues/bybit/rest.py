"""Bybit's REST: paths, limits, bodies and codes (exchange.md section 4). Errors come with HTTP 200 and a code of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from venue_sim.face import Ask, AskDepth, AskInstruments, AskTime, AskWrong, Body
from venue_sim.limits import POOLS, OrderPool
from venue_sim.market import BookState, Instrument

DEPTH_PATH = "/v5/market/orderbook"
instruments_path = "/v5/market/instruments-info"
time_path = "/v5/market/time"
MOST_LEVELS = 500
DEFAULT_LEVELS = 25
MOST_CONTRACTS, DEFAULT_CONTRACTS = 1000, 500
least_weight_per_minute = 1


def answer(result: object, now_ms: int, code: int = 0, words: str = "OK", status: int = 200) -> Body:
    """The envelope of every answer."""
    return Body(
        status, orjson.dumps({"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}, "time": now_ms})
    )


def parse(method: str, path: str, query: Mapping[str, str], symbols: Iterable[str]) -> Ask:
    """Read a request."""
    match (method, path):
        case ("GET", "/v5/market/time"):
            return AskTime(1)
        case ("GET", "/v5/market/instruments-info"):
            wrong = _category(query)
            if wrong is not None:
                return AskWrong(1, Body(400, wrong.body))
            cursor, limit = query.get("cursor", ""), query.get("limit", "")
            most = int(limit) if limit.isdecimal() and limit.isascii() else DEFAULT_CONTRACTS
            first = int(cursor) if cursor.isdecimal() and cursor.isascii() else 0
            return AskInstruments(1, first, max(1, min(most, MOST_CONTRACTS)))
        case ("GET", "/v5/market/orderbook"):
            return _parse_depth(query, symbols)
        case _:
            return AskWrong(1, Body(404, b""))


def _category(query: Mapping[str, str]) -> Body | None:
    if query.get("category", "linear") == "linear":
        return None
    return answer({}, 0, 10001, "params error: Category is invalid")


def _parse_depth(query: Mapping[str, str], symbols: Iterable[str]) -> AskDepth:
    symbol, text = query.get("symbol", "").lower(), query.get("limit", str(DEFAULT_LEVELS))
    limit = int(text) if text.isdecimal() and text.isascii() else 0
    wrong = _category(query)
    if symbol not in symbols:
        wrong = answer({}, 0, 10001, "params error: symbol invalid")
    elif not 0 < limit <= MOST_LEVELS:
        wrong = answer({}, 0, 10001, "params error: limit invalid")
    return AskDepth(1, symbol, limit, wrong)


def depth_target(symbol: str) -> str:
    """A whole book."""
    return f"{DEPTH_PATH}?category=linear&symbol={symbol.upper()}&limit={MOST_LEVELS}"


def read_instruments(body: bytes) -> Mapping[str, Instrument]:
    """Read `instruments-info`."""
    found = {}
    for row in orjson.loads(body)["result"]["list"]:
        symbol, tick, step = row["symbol"].lower(), row["priceFilter"]["tickSize"], row["lotSizeFilter"]["qtyStep"]
        found[symbol] = Instrument(symbol, tick, step, row["baseCoin"], row["quoteCoin"])
    return found


def read_time(body: bytes) -> int:
    """Read the exchange's time."""
    return int(orjson.loads(body)["result"]["timeNano"]) // 1_000_000


def ping_body() -> bytes:
    """There is no ping."""
    return b"{}"


def time_body(now_ms: int) -> bytes:
    """The body of `GET /v5/market/time`."""
    return answer({"timeSecond": str(now_ms // 1000), "timeNano": f"{now_ms}000000"}, now_ms).body


def depth_body(book: BookState, limit: int) -> bytes:
    """The body of `GET /v5/market/orderbook`: the best `limit` levels a side."""
    result = {
        "s": "",
        "b": book.bids[:limit],
        "a": book.asks[:limit],
        "ts": book.event_ms,
        "u": book.last_id,
        "seq": book.last_id,
        "cts": book.transact_ms,
    }
    return answer(result, book.event_ms).body


def too_many(status: int, now_ms: int, retry_after_s: int, per_minute: int) -> Body:
    """Too many requests of an address: 403 from the gateway before the exchange; 429 is its word for a high load."""
    if status == 429:
        return Body(403, b"access too frequent, please try again in 10 minutes")
    return Body(403, b"The request could not be satisfied")


def no_book() -> Body:
    """The answer to a depth request whose book did not become known in time."""
    return Body(503, answer({}, 0, 10016, "Server error.").body)


_WORDS = {
    10000: "Server Timeout",
    10001: "params error",
    10002: "invalid request, please check your server timestamp or recv_window param",
    10003: "API key is invalid.",
    10004: "error sign! please check signature generation algorithm.",
    10005: "Permission denied, please check your API key permissions.",
    10006: "Too many visits. Exceeded the API Rate Limit.",
    10016: "Server error.",
    10019: "ws trade service is restarting, do not accept new request, but the request in the process is not affected.",
    10429: "System level frequency protection",
    110001: "order not exists or too late to cancel",
    110007: "ab not enough for new order",
    110072: "OrderLinkedID is duplicate",
}


def error(code: int, text: str, status: int) -> Body:
    """Any error of the exchange; 400 of a script means the usual 200."""
    return answer({}, 0, code, text or _WORDS.get(code, ""), 200 if status == 400 else status)


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
    """The body of `GET /v5/market/instruments-info`: a page."""
    rows = [_row(instrument) for instrument in instruments]
    cursor = "" if next_first is None else str(next_first)
    return answer({"category": "linear", "list": rows, "nextPageCursor": cursor}, now_ms).body


def _row(instrument: Instrument) -> dict[str, object]:
    return {
        "symbol": instrument.symbol.upper(),
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": instrument.base_asset,
        "quoteCoin": instrument.quote_asset,
        "priceScale": str(instrument.price_precision),
        "priceFilter": {"minPrice": instrument.tick_size, "maxPrice": "9999999", "tickSize": instrument.tick_size},
        "lotSizeFilter": {
            "maxOrderQty": "100000",
            "maxMktOrderQty": "50000",
            "minOrderQty": instrument.step_size,
            "qtyStep": instrument.step_size,
            "postOnlyMaxOrderQty": "100000",
            "minNotionalValue": "5",
        },
        "settleCoin": instrument.quote_asset,
    }
