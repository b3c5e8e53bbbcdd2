"""Orders of accounts as values: what a client asks for, how an order stands, its executions, and what owners are told."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction

from venue_sim.matching import End, SelfTrade, Tif


class Status(Enum):
    """Where an order stands."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


OPEN = (Status.NEW, Status.PARTIALLY_FILLED)


class Did(Enum):
    """What a push about an order tells."""

    NEW = "NEW"
    TRADE = "TRADE"
    AMENDMENT = "AMENDMENT"
    CALCULATED = "CALCULATED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a client asks for; `price` None is a market order. `client_id` is the client's name for it."""

    symbol: str
    side: int
    price: Decimal | None
    quantity: Decimal
    client_id: str
    tif: Tif = Tif.GTC
    reduce_only: bool = False
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    liquidation: bool = False


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order as the exchange knows it; `notional` is what its fills cost, `changes` how often it was modified."""

    id: int
    account: str
    new: NewOrder
    created_ms: int
    updated_ms: int
    status: Status = Status.NEW
    executed: Decimal = Decimal(0)
    notional: Fraction = Fraction(0)
    changes: int = 0
    why: End | None = None

    @property
    def average(self) -> Fraction:
        """The average price of its fills, 0 without any."""
        return self.notional / Fraction(self.executed) if self.executed else Fraction(0)


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of one order, as its owner sees it."""

    id: int
    order_id: int
    account: str
    symbol: str
    side: int
    price: Decimal
    quantity: Decimal
    maker: bool
    fee: Fraction
    realized: Fraction
    at_ms: int


@dataclass(frozen=True, slots=True)
class OrderPush:
    """Told to the owner of an order; `execution` with TRADE."""

    account: str
    did: Did
    order: OrderState
    execution: Execution | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class AccountPush:
    """Told to the owner of an account: its wallet and one position after a change. `reason` is ORDER or FUNDING; `locked`
    what open orders lock of the symbol's base and quote asset."""

    account: str
    reason: str
    symbol: str
    wallet: Fraction
    amount: Fraction
    entry: Fraction
    realized: Fraction
    unrealized: Fraction
    at_ms: int
    locked: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))


@dataclass(frozen=True, slots=True)
class ConfigPush:
    """Told to the owner of an account: how its positions are kept has changed."""

    account: str
    hedged: bool
    at_ms: int


Push = OrderPush | AccountPush | ConfigPush


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the truth log (R15): what the engine did with an order, why, and the queue before it."""

    at_ms: int
    symbol: str
    what: str
    order_id: int
    client_id: str
    account: str
    tick: int | None
    lots: int
    ahead: int
    rule: str
