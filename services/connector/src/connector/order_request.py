"""A bot's order request as exact numbers, what goes back to it when it is refused, and what the journal keeps of it. Pure."""

import dataclasses
from decimal import Decimal

from marketlink.messages import Batch, ErrorEvent, LiveEvent
from marketlink.notices import OrderProblem, to_error
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.venues.base import Instrument

from connector.effects import Effect, Publish
from connector.risk import Wanted
from connector.tracked import ZERO, Tracked


def read_wanted(
    symbol: str, order: Order, instrument: Instrument, replaces: Tracked | None = None
) -> tuple[Wanted | None, str]:
    """Read what a bot asks for; what can't be a number of an order is named, with the rule."""
    tick, lot = Decimal(instrument.tick_text), Decimal(instrument.lot_text)
    if order.side not in (Side.BUY, Side.SELL):
        return None, f"side {order.side.name} can't be traded"
    if order.order_type not in (OrderType.LIMIT, OrderType.MARKET):
        return None, f"order type {order.order_type.name} is not known"
    if order.time_in_force is TimeInForce.UNSUPPORTED:
        return None, "the time in force is not known"
    if not 0.0 < order.qty < 1e15:  # NaN fails too
        return None, f"quantity {order.qty} is no positive number"
    if order.tick_size and abs(order.tick_size - instrument.tick_size) > 1e-9 * instrument.tick_size:
        return None, f"tick size {order.tick_size} is not the exchange's {instrument.tick_size}"
    lots = round(order.qty / instrument.lot_size)
    if abs(order.qty - lots * instrument.lot_size) > 1e-6 * instrument.lot_size or not lots:
        return None, f"lot_size: quantity {order.qty} is no positive multiple of {lot:f}"
    if replaces is not None and replaces.order_type is not OrderType.LIMIT:
        return None, "only limit orders can be modified"
    order_type = order.order_type if replaces is None else replaces.order_type
    side = order.side if replaces is None else replaces.side
    price = ZERO
    if order_type is OrderType.LIMIT:
        if not 0 < order.price_tick < 1 << 53:
            return None, f"tick_size: price {order.price_tick} ticks is no price"
        price = order.price_tick * tick
    return Wanted(symbol, side, order_type, price, lots * lot, False, replaces), ""


def refused_order(order: Order, *, keep: bool = False) -> Order:
    """A bot's order back: nothing is asked any more. A refused submit is Expired, which every bot takes for final.

    `keep`: nothing is known of the order's state, and nothing is said of it.
    """
    status = Status.EXPIRED if order.req is Status.NEW and not keep else order.status
    return dataclasses.replace(order, exec_qty=0.0, exec_price_tick=0, maker=False, req=Status.NONE, status=status)


def tell(bot_id: int, notice: OrderProblem, *events: LiveEvent) -> Effect:
    """Send a bot order events, and behind them what is to be said of them."""
    return Publish(Batch((*events, ErrorEvent(to_error(notice))), bot_id, framed=False))


def record_of(tracked: Tracked) -> dict[str, object]:
    """What the journal keeps of a new order."""
    return {
        "t": "order",
        "c": tracked.client_id,
        "b": tracked.bot_id,
        "i": tracked.order_id,
        "s": tracked.symbol,
        "side": tracked.side.name,
        "type": tracked.order_type.name,
        "tif": tracked.time_in_force.name,
        "p": f"{tracked.terms.price:f}",
        "q": f"{tracked.terms.qty:f}",
        "ns": tracked.placed_ns,
        "local": tracked.local_ns,
    }
