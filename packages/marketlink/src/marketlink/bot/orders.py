"""A bot's own orders in one symbol: what was asked, what was told since, and what was filled; sans-I/O.

        submit            events                           terminal event
    ──────────► asked ──────────► working, asked again ──────────────────► ended, until it is cleared
                  │  restart, loss, "unknown"   │
                  └──────────► unsure ◄─────────┘  ends with the next event of the order, and with nothing else

An order is never taken for dead without the connector's word. What is filled is read off the cumulative quantity, `qty - leaves_qty`, and
never off the number of events: a fill that is told twice counts once, one that was missed counts with the next event, and one that is told
after the end still counts (docs/bot.md).
"""

import itertools
import math
from collections.abc import Iterator, Mapping, ValuesView
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

FINISHED: Final = (Status.CANCELED, Status.EXPIRED, Status.FILLED)
_UNFILLED: Final = (Status.CANCELED, Status.EXPIRED, Status.REJECTED)  # an order that is filled whole is none of these
_REMEMBERED: Final = 10_000  # cleared orders whose filled quantity is kept, for a fill that is told after the end
_MOST_ID: Final = (1 << 64) - 1


class Code(IntEnum):
    """How a call ended; the numbers are those of hftbacktest's live bot."""

    OK = 0  # done; of a wait: the time is over
    END_OF_DATA = 1  # asked to stop
    MARKET_FEED = 2
    ORDER_RESPONSE = 3
    ORDER_ID_EXIST = 10
    ORDER_NOT_FOUND = 12
    INVALID_ORDER_STATUS = 14
    INSTRUMENT_NOT_FOUND = 16
    TIMEOUT = 17


@dataclass(frozen=True, slots=True)
class StateValues:
    """The position as the connector tells it, and what the bot's own fills add up to. `fee` is 0: the link does not carry fees."""

    position: float
    balance: float
    fee: float
    num_trades: int
    trading_volume: float
    trading_value: float


class Values(ValuesView[Order]):
    """The orders of a map, also by hftbacktest's cursor: `has_next` steps and `get` returns, or `next` does both.

    It goes through the orders that there were when it was made, each as it is when its turn comes; one that was cleared is left out.
    """

    def __init__(self, orders: Mapping[int, Order]) -> None:
        super().__init__(orders)
        self._orders, self._waiting = orders, iter(list(orders))
        self._order: Order | None = None

    def has_next(self) -> bool:
        """Step to the next order; False when there is none."""
        return self.next() is not None

    def get(self) -> Order:
        """The order that `has_next` stepped to."""
        if self._order is None:
            raise RuntimeError("get() without a has_next() that was true")
        return self._order

    def next(self) -> Order | None:
        """Step to the next order and return it; None when there is none."""
        for order_id in self._waiting:
            self._order = self._orders.get(order_id)
            if self._order is not None:
                return self._order
        self._order = None
        return None


class OrderDict(Mapping[int, Order]):
    """Orders by id, always as they are now."""

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}

    def __getitem__(self, order_id: int) -> Order:
        return self._orders[order_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._orders)

    def __len__(self) -> int:
        return len(self._orders)

    def values(self) -> Values:
        """The orders, to be iterated over or stepped through."""
        return Values(self)


class OwnOrders:
    """The order map of one symbol. A request is made, sent by the caller, and noted by `sent`: what could not be sent leaves no trace."""

    def __init__(self) -> None:
        self.map = OrderDict()
        self.unsure: set[int] = set()  # asked for, because their state is not known
        self._orders = self.map._orders
        self._filled: dict[int, float] = {}  # by id: the cumulative quantity that is counted
        self._cleared: dict[int, None] = {}  # ids that are no longer in the map but in `_filled`, oldest first
        self._submitted: dict[int, int] = {}  # when, of those in the map that were
        self._earlier: dict[
            int, float
        ] = {}  # by id: what the order before that had the same id had filled, oldest first
        self._before: dict[
            int, tuple[int, float, float]
        ] = {}  # a modify in flight: price_tick, qty, leaves_qty before it
        self._position = self.balance = self.trading_volume = self.trading_value = 0.0
        self.num_trades = self._restarted_ns = 0
        self.latency: tuple[int, int, int] | None = None

    def position(self, lot_size: float) -> float:
        """The sum of the own fills, on the grid of the lot size as long as it is on it but for noise."""
        if lot_size <= 0.0:
            return self._position
        on_grid = round(self._position / lot_size) * lot_size
        return on_grid if abs(on_grid - self._position) < 1e-6 * lot_size else self._position

    def state_values(self, position: float) -> StateValues:
        """The values that hftbacktest keeps, with the account's position."""
        return StateValues(position, self.balance, 0.0, self.num_trades, self.trading_volume, self.trading_value)

    def submit(
        self,
        order_id: int,
        side: Side,
        price: float,
        qty: float,
        time_in_force: TimeInForce,
        order_type: OrderType,
        tick_size: float,
        now_ns: int,
    ) -> Order | Code:
        """Return the order to send, its price rounded to the tick. Raises ValueError for numbers that no order can have."""
        if not 0 <= order_id <= _MOST_ID:
            raise ValueError(f"order id {order_id} is not of 64 bits")
        if order_id in self._orders:
            return Code.ORDER_ID_EXIST
        _check(f"order {order_id}", price, qty, order_type)
        return Order(
            qty=qty,
            leaves_qty=qty,
            exec_qty=0.0,
            exec_price_tick=0,
            price_tick=to_tick(price, tick_size),
            tick_size=tick_size,
            exch_timestamp=0,
            local_timestamp=now_ns,
            order_id=order_id,
            maker=False,
            order_type=order_type,
            req=Status.NEW,
            status=Status.NEW,
            side=side,
            time_in_force=time_in_force,
        )

    def cancel(self, order_id: int, now_ns: int) -> Order | Code:
        """Return the order with the cancel to send. One that is unsure may be canceled whatever was asked before: that may be lost."""
        order = self._free(order_id)
        return replace(order, req=Status.CANCELED, local_timestamp=now_ns) if isinstance(order, Order) else order

    def modify(self, order_id: int, price: float, qty: float, now_ns: int) -> Order | Code:
        """Return the order with its new price and total quantity to send. Raises ValueError for numbers that no order can have."""
        order = self._free(order_id)
        if not isinstance(order, Order):
            return order
        _check(f"order {order_id}", price, qty, order.order_type)
        return replace(
            order,
            price_tick=to_tick(price, order.tick_size),
            qty=qty,
            leaves_qty=max(0.0, qty - (order.qty - order.leaves_qty)),
            req=Status.REPLACED,
            local_timestamp=now_ns,
        )

    def _free(self, order_id: int) -> Order | Code:
        order = self._orders.get(order_id)
        if order is None:
            return Code.ORDER_NOT_FOUND
        return order if order.cancellable or (order.active and order_id in self.unsure) else Code.INVALID_ORDER_STATUS

    def sent(self, order: Order) -> None:
        """Note that a request of `submit`, `cancel` or `modify` is on its way."""
        number, before = order.order_id, self._orders.get(order.order_id)
        if before is None:
            if number in self._filled:
                self._earlier.pop(number, None)
                self._earlier[number] = self._filled[number]
                _shorten(self._earlier)
            self._filled[number], self._submitted[number] = 0.0, order.local_timestamp
            self._cleared.pop(number, None)
        elif order.req is Status.REPLACED:
            self._before.setdefault(number, (before.price_tick, before.qty, before.leaves_qty))
        self._orders[number] = order

    def on_event(self, told: Order, now_ns: int, *, stamped: bool = False) -> tuple[Order | None, Order] | None:
        """Take an order event; returns the order before and after, None when it changes nothing.

        `stamped`: the connector gives back the time of the newest request that it has taken, as ours does; the source's gives back the
        submit's. So an event of ours that bears an older time was told before the request that waits, and does not answer it, unless
        that request went to a connector that is gone.

        Applied is what is not older than what is known, of an order that has not ended. The time of the own request stays, and so does a
        request that a fill overtook: the connector did not know of it when it told the fill.
        """
        number = told.order_id
        self.latency = (told.local_timestamp, told.exch_timestamp, now_ns)
        if 0 < told.local_timestamp < self._submitted.get(number, 0):
            self._count(told, self._earlier)  # an order that ended before this one took its id
            return None
        self._count(told, self._filled)
        if number in self._cleared:
            return None  # it ended: what is told again, or late, must not bring it back
        known = self._orders.get(number)
        if known is None:
            self._orders[number] = told
            return None, told
        if told.exch_timestamp < known.exch_timestamp or known.status in FINISHED:
            return None
        overtaken = (
            known.pending
            and (told.exec_qty > 0.0 or (stamped and known.local_timestamp > self._restarted_ns))
            and told.req is Status.NONE
            and told.status not in FINISHED
            and told.local_timestamp < known.local_timestamp
        )
        after = replace(
            told,
            local_timestamp=known.local_timestamp,
            exch_timestamp=told.exch_timestamp if told.exch_timestamp > 0 else known.exch_timestamp,
            req=known.req if overtaken else told.req,
        )
        self._orders[number] = after
        self.unsure.discard(number)
        if not after.pending or after.status in FINISHED:
            self._before.pop(number, None)
        return known, after

    def on_problem(self, order_id: int, op: str, state: str) -> bool:
        """Take a problem that the connector tells; returns whether it answers what was asked.

        `unknown`: the exchange is being asked, nothing changes. Any other answers a cancel or a modify, and the order is as it was before;
        of a submit, its event says what became of it.
        """
        order = self._orders.get(order_id)
        if order is None or order.status in FINISHED:
            return False
        if state in ("unknown", "gone"):
            self.unsure.add(order_id)
        if state == "unknown" or order.req not in (Status.CANCELED, Status.REPLACED) or op == "submit":
            return False
        price_tick, qty, leaves_qty = self._before.pop(order_id, (order.price_tick, order.qty, order.leaves_qty))
        self._orders[order_id] = replace(order, req=Status.NONE, price_tick=price_tick, qty=qty, leaves_qty=leaves_qty)
        return True

    def restarted(self, now_ns: int) -> None:
        """Note that the connector is another one: what was asked before may never have been heard."""
        self._restarted_ns = now_ns
        self.doubt()

    def doubt(self) -> None:
        """Note that events may have been missed: what works or waits is no longer known to."""
        self.unsure.update(number for number, order in self._orders.items() if order.status not in FINISHED)

    def unheard(self) -> list[Order]:
        """Return the questions to send about submits in doubt of which nothing was ever told: requests that ask for nothing."""
        return [
            replace(order, req=Status.NONE)
            for number, order in self._orders.items()
            if number in self.unsure and order.pending and not order.exch_timestamp
        ]

    def clear_inactive(self) -> None:
        """Forget the orders that neither work nor wait for an answer; a late fill of theirs still counts."""
        for number in [number for number, order in self._orders.items() if not order.active and not order.pending]:
            del self._orders[number]
            self.unsure.discard(number)
            self._before.pop(number, None)
            self._submitted.pop(number, None)
            self._cleared[number] = None
        for oldest in _shorten(self._cleared):
            del self._filled[oldest]

    def _count(self, told: Order, filled_by_id: dict[int, float]) -> None:
        filled = told.qty - told.leaves_qty
        if told.status in _UNFILLED and told.leaves_qty <= 0.0:
            filled = filled_by_id.get(told.order_id, 0.0) + told.exec_qty  # a peer that leaves nothing of what it ended
        # What an order had filled before this bot heard of it is not counted: with a fixed id, it belongs to an earlier run.
        grown = filled - filled_by_id.setdefault(told.order_id, filled - told.exec_qty)
        if not grown > 1e-9 * abs(told.qty):
            return
        filled_by_id[told.order_id] = filled
        price = (told.exec_price_tick if told.exec_qty > 0.0 else told.price_tick) * told.tick_size
        sign = {Side.BUY: 1, Side.SELL: -1}.get(told.side, 0)
        self._position += sign * grown
        self.balance -= sign * grown * price
        self.num_trades += 1
        self.trading_volume += grown
        self.trading_value += grown * price


def to_tick(price: float, tick_size: float) -> int:
    """Return the tick nearest to a price, a half away from zero."""
    exact = abs(price / tick_size)
    whole = math.floor(exact)
    tick = whole + (exact - whole >= 0.5)
    return tick if price >= 0.0 else -tick


def _shorten(memory: dict[int, Any]) -> list[int]:
    """Forget the oldest of what is remembered beyond the limit; returns their ids."""
    surplus = list(itertools.islice(memory, max(0, len(memory) - _REMEMBERED)))
    for number in surplus:
        del memory[number]
    return surplus


def _check(what: str, price: float, qty: float, order_type: OrderType) -> None:
    if not 0.0 < qty < math.inf:
        raise ValueError(f"{what}: the quantity is {qty!r}, not a positive number")
    if order_type is OrderType.MARKET:
        if not math.isfinite(price):
            raise ValueError(
                f"{what}: the price is {price!r}; of a market order it does not matter, but it must be a number"
            )
    elif not 0.0 < price < math.inf:
        raise ValueError(f"{what}: the price is {price!r}, not a positive number")
