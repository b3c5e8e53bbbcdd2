"""One order as the connector knows it, and what its bot is shown of it."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import MonoNs
from marketlink.venues.trading import Fill, Op, OrderReport

from connector.lifecycle import DONE, IN_DOUBT, Phase

NOBODY: Final = 0
"""The owner of an order whose bot has not been heard of since a restart."""
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Terms:
    """Price and total quantity. The price of a market order is 0."""

    price: Decimal
    qty: Decimal


@dataclass(slots=True)
class Doubt:
    """Why and when the exchange is to be asked about an order, and what it has answered so far.

    `absent`: for each kind of question that found nothing, the exchange's time when it was asked. `from_ns`: the exchange's time from which
    on an answer settles the matter: before that, what was sent could still arrive.
    """

    why: str
    due: MonoNs
    from_ns: int
    asked: int = 0
    waiting: int = 0  # the number of the question that is under way
    absent: dict[Op, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tracked:
    """One order. Times are the exchange's, ns, but for `local_ns`, which is the bot's own stamp of its last request."""

    client_id: str
    bot_id: int
    digest: int
    order_id: int
    symbol: str
    tick: Decimal
    tick_size: float
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    terms: Terms
    phase: Phase = Phase.SENT
    reduce_only: bool = False
    exchange_id: str = ""
    wanted: Terms | None = None  # what a modify asked for
    placed_ns: int = 0  # when its submit went out
    sent_ns: int = 0  # when the last request went out
    even_ns: int = 0  # when all executions were last known to be known
    terms_ns: int = 0
    exch_ns: int = 0
    local_ns: int = 0
    told: Decimal = ZERO  # executed by the exchange's word
    filled: Decimal = ZERO  # the sum of the executions that are known
    fills: dict[str, Decimal] = field(default_factory=dict)
    held: dict[str, Fill] = field(default_factory=dict)  # executions beyond the quantity: the exchange is asked
    requests: dict[Op, int] = field(default_factory=dict)  # the number of the newest request of each kind
    final: Status = Status.NONE
    reason: str = ""
    wants_cancel: bool = False
    cancels_repeated: int = 0
    doubt: Doubt | None = None
    shown: Order | None = None
    accepted: dict[Op, tuple[int, MonoNs]] = field(default_factory=dict)
    """Requests that were only taken so far: their numbers, and when their outcome is overdue."""
    adopted: bool = False
    inquired: bool = False  # only its bot knows of it: whether it was placed, and under which client id, is not known
    confirmed: bool = False  # a push told of it: the account's stream works

    @property
    def in_doubt(self) -> bool:
        """Whether the outcome of what was asked is not known."""
        return self.phase in IN_DOUBT

    @property
    def done(self) -> bool:
        """Whether the exchange has ended it."""
        return self.phase in DONE

    @property
    def missing(self) -> Decimal:
        """What the exchange counts as executed beyond the executions that are known."""
        return max(ZERO, self.told - self.filled)

    @property
    def most(self) -> Decimal:
        """How much could still execute: the larger of what works and what a modify asks for; 0 when it has ended."""
        if self.done:
            return self.missing
        qty = self.terms.qty if self.wanted is None else max(self.terms.qty, self.wanted.qty)
        return max(ZERO, qty - self.filled)

    @property
    def request(self) -> Status:
        """What is asked and not answered, in the words of the link."""
        match self.phase:
            case Phase.SENT | Phase.SUBMIT_IN_DOUBT:
                return Status.NEW
            case Phase.MODIFYING | Phase.MODIFY_IN_DOUBT:
                return Status.REPLACED
            case Phase.CANCELING | Phase.CANCEL_IN_DOUBT:
                return Status.CANCELED
            case Phase.SETTLING if self.shown is not None:
                return self.shown.req
        return Status.NONE

    @property
    def status(self) -> Status:
        """Its state in the words of the link. The source's bots take Rejected for not final, so a refusal is Expired."""
        if self.phase is Phase.ENDED:
            return self.final
        return Status.PARTIALLY_FILLED if self.filled else Status.NEW

    def as_order(self, fill: Fill | None = None) -> Order:
        """What its bot is told; `fill` is what this event executed."""
        return Order(
            qty=float(self.terms.qty),
            leaves_qty=float(max(ZERO, self.terms.qty - self.filled)),
            exec_qty=float(fill.qty) if fill is not None else 0.0,
            exec_price_tick=round(fill.price / self.tick) if fill is not None else 0,
            price_tick=round(self.terms.price / self.tick),
            tick_size=self.tick_size,
            exch_timestamp=self.exch_ns,
            local_timestamp=self.local_ns,
            order_id=self.order_id,
            maker=fill.maker if fill is not None else False,
            order_type=self.order_type,
            req=self.request,
            status=self.status,
            side=self.side,
            time_in_force=self.time_in_force,
        )


def final_status(report: OrderReport) -> Status:
    """How an order ended, in the words that every bot takes for final."""
    return Status.EXPIRED if report.status is Status.REJECTED else report.status
