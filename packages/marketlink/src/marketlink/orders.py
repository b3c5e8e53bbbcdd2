"""An order as it travels on the link, and its enumerations.

The numbers of the enums are those of the source's records; the index that travels on the wire is the order of declaration
(docs/link.md).
"""

from dataclasses import dataclass
from enum import IntEnum


class Side(IntEnum):
    """The side of an order or trade."""

    BUY = 1
    SELL = -1
    NONE = 0
    UNSUPPORTED = 127


class Status(IntEnum):
    """The state of an order; as `req`, what has been asked of the exchange and is not answered yet."""

    NONE = 0
    NEW = 1
    EXPIRED = 2
    FILLED = 3
    CANCELED = 4
    PARTIALLY_FILLED = 5
    REJECTED = 6
    REPLACED = 7
    UNSUPPORTED = 255


class TimeInForce(IntEnum):
    """How long an order stays; GTX is post-only."""

    GTC = 0
    GTX = 1
    FOK = 2
    IOC = 3
    UNSUPPORTED = 255


class OrderType(IntEnum):
    """Limit or market."""

    LIMIT = 0
    MARKET = 1
    UNSUPPORTED = 255


@dataclass(frozen=True, slots=True)
class Order:
    """One order, its fields in the order in which they travel. Prices are integer ticks, times are ns."""

    qty: float
    leaves_qty: float
    exec_qty: float
    exec_price_tick: int
    price_tick: int
    tick_size: float
    exch_timestamp: int
    local_timestamp: int
    order_id: int
    maker: bool
    order_type: OrderType
    req: Status
    status: Status
    side: Side
    time_in_force: TimeInForce

    @property
    def price(self) -> float:
        """The limit price."""
        return self.price_tick * self.tick_size

    @property
    def exec_price(self) -> float:
        """The price of the fill that the event tells; means something only when `exec_qty` is not 0."""
        return self.exec_price_tick * self.tick_size

    @property
    def active(self) -> bool:
        """Whether the order is working at the exchange, as far as is known."""
        return self.status in (Status.NEW, Status.PARTIALLY_FILLED)

    @property
    def cancellable(self) -> bool:
        """Whether a cancel may be asked for: active, and nothing else is asked."""
        return self.active and self.req is Status.NONE

    @property
    def pending(self) -> bool:
        """Whether an answer of the exchange is awaited."""
        return self.req is not Status.NONE
