"""Balances, positions, fees and margin of one account, one-way and cross margin. Exact: money is a `Fraction`, rounded
only when it is written out.

    realized profit = what was received for sales - what was paid for purchases + the cost of what is still open

holds after every fill to the last digit, so what one account wins at the market's or another's expense is no rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Fees:
    """Shares of the notional; a negative one is a rebate."""

    maker: Fraction = Fraction(2, 10_000)
    taker: Fraction = Fraction(5, 10_000)


@dataclass(frozen=True, slots=True)
class Booked:
    """What a fill did: profit realized (fee not included), fee paid, and the position after it."""

    realized: Fraction
    fee: Fraction
    amount: Fraction
    entry: Fraction


@dataclass(slots=True)
class Position:
    """`amount` is signed; `cost` is what it was bought for (negative for a short)."""

    amount: Fraction = NOTHING
    cost: Fraction = NOTHING
    realized: Fraction = NOTHING

    @property
    def entry(self) -> Fraction:
        """The average price of what is open, 0 when nothing is."""
        return self.cost / self.amount if self.amount else NOTHING

    def unrealized(self, mark: Fraction) -> Fraction:
        """Profit if all were closed at `mark`."""
        return self.amount * mark - self.cost

    def fill(self, signed: Fraction, price: Fraction) -> Fraction:
        """Add a signed quantity at a price; return the profit realized. A fill through zero closes and opens."""
        realized = NOTHING
        if self.amount * signed < 0:
            closing = max(-abs(self.amount), -abs(signed)) * (1 if self.amount > 0 else -1)
            share = self.cost * -closing / self.amount
            realized = -closing * price - share
            self.amount += closing
            self.cost -= share
            signed -= closing
        self.amount += signed
        self.cost += signed * price
        self.realized += realized
        return realized


@dataclass(slots=True)
class Account:
    """One account: its wallet in the margin asset and its positions by symbol."""

    name: str
    wallet: Fraction
    leverage: int = 20
    fees: Fees = Fees()
    positions: dict[str, Position] = field(default_factory=dict)
    fees_paid: Fraction = NOTHING

    def position(self, symbol: str) -> Position:
        """The position in a symbol, an empty one at first."""
        return self.positions.setdefault(symbol, Position())

    def fill(self, symbol: str, side: int, price: Fraction, quantity: Fraction, *, maker: bool) -> Booked:
        """Book an execution: `side` is 1 for a purchase, -1 for a sale."""
        position = self.position(symbol)
        realized = position.fill(side * quantity, price)
        fee = price * quantity * (self.fees.maker if maker else self.fees.taker)
        self.wallet += realized - fee
        self.fees_paid += fee
        return Booked(realized, fee, position.amount, position.entry)

    def funding(self, symbol: str, rate: Fraction, mark: Fraction) -> Fraction:
        """Pay (or, negative, receive) funding on what is open; return what was paid."""
        paid = self.position(symbol).amount * mark * rate
        self.wallet -= paid
        return paid

    def equity(self, marks: Mapping[str, Fraction]) -> Fraction:
        """Wallet and the profit of what is open; a symbol without a mark counts at its entry."""
        return self.wallet + sum(
            (one.unrealized(marks.get(symbol, one.entry)) for symbol, one in self.positions.items()), NOTHING
        )

    def required(
        self, marks: Mapping[str, Fraction], open_quantities: Mapping[str, tuple[Fraction, Fraction]]
    ) -> Fraction:
        """Initial margin of positions and open orders, the worse of both sides filling whole. `open_quantities` are
        what is left of purchases and sales by symbol."""
        total = NOTHING
        for symbol in {*self.positions, *open_quantities}:
            amount = self.positions[symbol].amount if symbol in self.positions else NOTHING
            entry = self.positions[symbol].entry if symbol in self.positions else NOTHING
            bought, sold = open_quantities.get(symbol, (NOTHING, NOTHING))
            worst = max(abs(amount + bought), abs(amount - sold), abs(amount))
            total += worst * marks.get(symbol, entry) / self.leverage
        return total
