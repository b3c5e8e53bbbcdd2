"""What Bybit's instruments-info says: instruments with the bounds of their orders, page by page (docs/venues/bybit.md)."""

from collections.abc import Mapping
from decimal import Decimal

from marketlink.venues.base import ExchangeInfo, Instrument, OrderBounds, WeightLimit
from marketlink.venues.bybit.words import result_of, rows_of, word
from marketlink.venues.fields import Unusable, amount, decimals, text


def read_info(body: bytes, weight_limit: WeightLimit) -> ExchangeInfo:
    """Read a page. Raises Unusable.

    An instrument without usable steps is left out: the others must not suffer for it.
    """
    result = result_of(body)
    rows = rows_of(result)
    instruments: dict[str, Instrument] = {}
    for row in rows:
        try:
            instrument = _instrument(row)
        except Unusable:
            continue
        instruments[instrument.symbol] = instrument
    if rows and not instruments:
        raise Unusable("list")
    return ExchangeInfo(instruments, weight_limit, next_page=word(result, "nextPageCursor"))


def _instrument(row: Mapping[str, object]) -> Instrument:
    prices, lots = row.get("priceFilter"), row.get("lotSizeFilter")
    if type(prices) is not dict or type(lots) is not dict:
        raise Unusable("priceFilter and lotSizeFilter")
    tick_text, lot_text = text(prices, "tickSize"), text(lots, "qtyStep")
    tick, lot = decimals([tick_text, lot_text], "steps")
    if not (tick and lot):
        raise Unusable("steps")
    bounds = OrderBounds(
        min_notional=_bound(lots, "minNotionalValue"),
        min_qty=_bound(lots, "minOrderQty"),
        max_qty=_bound(lots, "maxOrderQty"),
        max_market_qty=_bound(lots, "maxMktOrderQty"),
        min_price=_bound(prices, "minPrice"),
        max_price=_bound(prices, "maxPrice"),
    )
    return Instrument(text(row, "symbol"), tick, lot, tick_text, lot_text, row.get("status") == "Trading", bounds)


def _bound(data: Mapping[str, object], name: str) -> Decimal | None:
    """What is not stated in a usable way, and a bound of zero, bounds nothing: the exchange refuses what it must."""
    try:
        return amount(data, name) or None
    except Unusable:
        return None
