"""What Binance's exchangeInfo says: instruments with the bounds of their orders, and limits (docs/venues/binance.md)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from marketlink.venues.base import ExchangeInfo, Instrument, OrderBounds, WeightLimit
from marketlink.venues.fields import Unusable, amount, decimals, json_object, text, whole
from marketlink.venues.trading import OrderLimit

SECONDS_OF: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}


def read_info(body: bytes, weight_limit: WeightLimit) -> ExchangeInfo:
    """Read it; `weight_limit` stands where none is stated. Raises Unusable.

    An instrument without usable steps is left out: the others must not suffer for it.
    """
    data = json_object(body)
    symbols, limits = data.get("symbols"), data.get("rateLimits", [])
    if type(symbols) is not list:
        raise Unusable("symbols")
    if type(limits) is not list:
        raise Unusable("rateLimits")
    instruments: dict[str, Instrument] = {}
    for row in symbols:
        try:
            instrument = _instrument(row)
        except Unusable:
            continue
        instruments[instrument.symbol] = instrument
    if symbols and not instruments:
        raise Unusable("symbols")
    weights = _limits(limits, "REQUEST_WEIGHT")
    try:
        orders = read_order_limits(limits)
    except Unusable:  # market data must not suffer for it
        orders = ()
    return ExchangeInfo(instruments, WeightLimit(*weights[0]) if weights else weight_limit, orders)


def read_order_limits(rows: Sequence[object]) -> Sequence[OrderLimit]:
    """Read the limits on the number of orders out of a list of limits. Raises Unusable."""
    return tuple(OrderLimit(*limit) for limit in _limits(rows, "ORDERS"))


def _instrument(row: object) -> Instrument:
    if type(row) is not dict or type(row.get("filters")) is not list:
        raise Unusable("filters")
    filters = {word: one for one in row["filters"] if type(one) is dict and type(word := one.get("filterType")) is str}
    tick_text = text(filters.get("PRICE_FILTER", {}), "tickSize")
    lot_text = text(filters.get("LOT_SIZE", {}), "stepSize")
    tick, lot = decimals([tick_text, lot_text], "filters")
    if not (tick and lot):
        raise Unusable("filters")
    trading = row.get("status", row.get("contractStatus")) == "TRADING"  # COIN-M's word is the second
    base = row.get("baseAsset")
    return Instrument(
        text(row, "symbol").lower(),
        tick,
        lot,
        tick_text,
        lot_text,
        trading,
        _bounds(filters),
        base if type(base) is str else "",
        Decimal(size) if type(size := row.get("contractSize")) is int and size > 0 else None,
    )


def _bounds(filters: Mapping[str, Mapping[str, object]]) -> OrderBounds:
    """What is not stated in a usable way, and a most of zero, bounds nothing: the exchange refuses what it must."""

    def bound(kind: str, name: str) -> Decimal | None:
        try:
            return amount(filters.get(kind, {}), name) or None
        except Unusable:
            return None

    return OrderBounds(
        min_notional=bound("MIN_NOTIONAL", "notional")  # futures; the next two: spot, today's and the older filter
        or bound("NOTIONAL", "minNotional")
        or bound("MIN_NOTIONAL", "minNotional"),
        min_qty=bound("LOT_SIZE", "minQty"),
        max_qty=bound("LOT_SIZE", "maxQty"),
        max_market_qty=bound("MARKET_LOT_SIZE", "maxQty"),
        min_price=bound("PRICE_FILTER", "minPrice"),
        max_price=bound("PRICE_FILTER", "maxPrice"),
    )


def _limits(rows: Sequence[object], kind: str) -> list[tuple[int, int]]:
    """How much in how many seconds, for every limit of a kind."""
    found = []
    for row in rows:
        if type(row) is dict and row.get("rateLimitType") == kind:
            most, per_s = whole(row, "limit"), whole(row, "intervalNum") * SECONDS_OF.get(text(row, "interval"), 0)
            if not (most and per_s):
                raise Unusable("rateLimits")
            found.append((most, per_s))
    return found
