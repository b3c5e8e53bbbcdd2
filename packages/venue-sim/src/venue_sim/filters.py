"""What an order must satisfy before it may meet the book: steps, bounds, notional, distance from the market (R11).

Each rule that is broken is a value with its numbers; the face knows the exchange's code and words for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from fractions import Fraction

from venue_sim.market import Instrument


class Rule(Enum):
    """Why an order is refused."""

    PRICE_NOT_POSITIVE = "price not positive"
    PRICE_PRECISION = "too many digits"
    PRICE_TICK = "price not on a tick"
    PRICE_TOO_HIGH = "price above the band"
    PRICE_TOO_LOW = "price below the band"
    QUANTITY_NOT_POSITIVE = "quantity not positive"
    QUANTITY_PRECISION = "too many digits of quantity"
    QUANTITY_STEP = "quantity not on a step"
    QUANTITY_TOO_LARGE = "quantity too large"
    NOTIONAL = "notional too small"
    TOO_MANY_ORDERS = "too many open orders"
    MARGIN = "margin insufficient"
    REDUCE_ONLY = "reduce-only would not reduce"
    POST_ONLY = "post-only would take"
    FILL_OR_KILL = "cannot be filled whole at once"
    DUPLICATE_ID = "client id in use"
    UNKNOWN_ORDER = "no such open order"
    NO_SUCH_ORDER = "no such order"
    NOTHING_TO_MODIFY = "nothing to modify"
    TOO_MANY_CHANGES = "too many changes of one order"
    NOT_A_LIMIT = "only limit orders can be modified"
    POSITION_SIDE = "account keeps positions in two ways"
    NOT_LESS = "new quantity not below the old one"


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule and what the order would have had to satisfy, as text of a number."""

    rule: Rule
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a contract that its steps do not say."""

    most_quantity: Decimal = Decimal(1_000_000)
    least_notional: Decimal = Decimal(5)
    band: Decimal = Decimal("0.05")
    open_orders: int = 200
    changes: int = 10_000
    kills_are_orders: bool = False  # a fill-or-kill order that can't be filled was an order, and expired


def parse_decimal(text: str) -> Decimal | None:
    """Read a plain decimal number; None for an exponent, a sign other than minus, spaces, NaN or anything else."""
    if not text or any(letter not in "-.0123456789" for letter in text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def check_price(price: Decimal, instrument: Instrument, limits: Limits, mark: Fraction | None) -> Broken | None:
    """Check a limit price; `mark` is the price the band is around, None for no band."""
    if price <= 0:
        return Broken(Rule.PRICE_NOT_POSITIVE)
    if _digits(price) > instrument.price_precision:
        return Broken(Rule.PRICE_PRECISION)
    if price % Decimal(instrument.tick_size):
        return Broken(Rule.PRICE_TICK, instrument.tick_size)
    if mark is not None:
        high, low = mark * (1 + Fraction(limits.band)), mark * (1 - Fraction(limits.band))
        if Fraction(price) > high:
            return Broken(Rule.PRICE_TOO_HIGH, f"{float(high):.{instrument.price_precision}f}")
        if Fraction(price) < low:
            return Broken(Rule.PRICE_TOO_LOW, f"{float(low):.{instrument.price_precision}f}")
    return None


def check_quantity(quantity: Decimal, instrument: Instrument, limits: Limits) -> Broken | None:
    """Check a quantity."""
    if quantity <= 0:
        return Broken(Rule.QUANTITY_NOT_POSITIVE)
    if _digits(quantity) > instrument.quantity_precision:
        return Broken(Rule.QUANTITY_PRECISION)
    if quantity % Decimal(instrument.step_size):
        return Broken(Rule.QUANTITY_STEP, instrument.step_size)
    if quantity > limits.most_quantity:
        return Broken(Rule.QUANTITY_TOO_LARGE, str(limits.most_quantity))
    return None


def check_notional(price: Fraction, quantity: Decimal, limits: Limits) -> Broken | None:
    """Check the smallest notional; reduce-only orders are exempt and not asked."""
    if price * Fraction(quantity) < Fraction(limits.least_notional):
        return Broken(Rule.NOTIONAL, str(limits.least_notional))
    return None


def _digits(number: Decimal) -> int:
    """Digits behind the point that are no trailing zeros."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
