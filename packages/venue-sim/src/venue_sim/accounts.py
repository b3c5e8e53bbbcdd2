"""Balances, positions, fees and what they allow, of one account of either kind: one-way positions with cross margin, or
assets that are held and locked (spot). Exact: money is a `Fraction`, rounded only when it is written out.

    realized profit = what was received for sales - what was paid for purchases + the cost of what is still open

holds after every fill to the last digit, so what one account wins at the market's or another's expense is no rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import NamedTuple, Protocol

from venue_sim.market import Instrument

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


class Kind(Enum):
    """What an exchange's accounts are: margin in one asset, margin in each contract's base asset, or assets that are held."""

    MARGIN = "margin"
    INVERSE = "inverse"
    ASSETS = "assets"


class Resting(NamedTuple):
    """What is left of an order: `price` is its limit, or the market's where it has none."""

    symbol: str
    side: int
    price: Fraction
    quantity: Fraction
    reduce_only: bool = False


class AnyAccount(Protocol):
    """What the trading needs of an account of either kind."""

    name: str
    fees_paid: Fraction

    @property
    def locks(self) -> bool:
        """True where orders lock what they may spend, which the owner is told."""

    def wallet_in(self, symbol: str) -> Fraction:
        """What is held of the asset that a symbol is settled in."""

    def locked(self, symbol: str, orders: Iterable[Resting]) -> tuple[Fraction, Fraction]:
        """What orders lock of a symbol's base and quote asset."""

    def position(self, symbol: str) -> Position:
        """The position in a symbol."""

    def fill(self, symbol: str, side: int, price: Fraction, quantity: Fraction, *, maker: bool) -> Booked:
        """Book an execution: `side` is 1 for a purchase, -1 for a sale."""

    def funding(self, symbol: str, rate: Fraction, mark: Fraction) -> Fraction:
        """Pay funding on what is open; return what was paid."""

    def affords(
        self, new: Resting, orders: Sequence[Resting], replaced: Resting | None, marks: Mapping[str, Fraction]
    ) -> bool:
        """Say whether an order may be taken beside the open ones; `replaced` is what it was before, in `orders` too."""


@dataclass(slots=True)
class Account:
    """One account: its wallet in the margin asset and its positions by symbol."""

    name: str
    wallet: Fraction
    leverage: int = 20
    fees: Fees = Fees()
    positions: dict[str, Position] = field(default_factory=dict)
    fees_paid: Fraction = NOTHING

    @property
    def locks(self) -> bool:
        """False: margin is counted when it is needed."""
        return False

    def wallet_in(self, symbol: str) -> Fraction:
        """The wallet, whatever the symbol."""
        return self.wallet

    def locked(self, symbol: str, orders: Iterable[Resting]) -> tuple[Fraction, Fraction]:
        """Nothing."""
        return NOTHING, NOTHING

    def affords(
        self, new: Resting, orders: Sequence[Resting], replaced: Resting | None, marks: Mapping[str, Fraction]
    ) -> bool:
        """Initial margin after it is not above equity, or not more than before."""
        open_now = _open_quantities(orders)
        with_new = _open_quantities([*(one for one in orders if one is not replaced), new])
        known = {new.symbol: new.price, **marks}
        needed = self.required(known, with_new)
        return needed <= self.required(known, open_now) or needed <= self.equity(known)

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


def _open_quantities(orders: Iterable[Resting]) -> dict[str, tuple[Fraction, Fraction]]:
    """What is left of open purchases and sales by symbol, reduce-only orders left out."""
    found: dict[str, tuple[Fraction, Fraction]] = {}
    for one in orders:
        if not one.reduce_only:
            bought, sold = found.get(one.symbol, (NOTHING, NOTHING))
            found[one.symbol] = (bought + one.quantity, sold) if one.side > 0 else (bought, sold + one.quantity)
    return found


@dataclass(slots=True)
class HoldingAccount:
    """One account of assets: what is bought or sold changes hands, the fee is paid in what is received, and open orders lock what they
    may spend."""

    name: str
    assets: dict[str, Fraction]
    instruments: Mapping[str, Instrument]
    fees: Fees = Fees(Fraction(1, 1000), Fraction(1, 1000))
    fees_paid: Fraction = NOTHING

    @property
    def locks(self) -> bool:
        """True."""
        return True

    def held(self, asset: str) -> Fraction:
        """What is held of an asset, locked or not."""
        return self.assets.get(asset, NOTHING)

    def wallet_in(self, symbol: str) -> Fraction:
        """What is held of the quote asset."""
        return self.held(self.instruments[symbol].quote_asset)

    def position(self, symbol: str) -> Position:
        """What is held of the base asset, as a position that cost nothing."""
        return Position(self.held(self.instruments[symbol].base_asset))

    def fill(self, symbol: str, side: int, price: Fraction, quantity: Fraction, *, maker: bool) -> Booked:
        """Book an execution; the fee is in the base asset for a purchase, in the quote asset for a sale."""
        one, rate = self.instruments[symbol], self.fees.maker if maker else self.fees.taker
        fee = rate * (quantity if side > 0 else quantity * price)
        for asset, change in ((one.base_asset, side * quantity), (one.quote_asset, -side * quantity * price)):
            self.assets[asset] = self.held(asset) + change - (fee if change > 0 else NOTHING)
        self.fees_paid += fee
        return Booked(NOTHING, fee, self.held(one.base_asset), NOTHING)

    def funding(self, symbol: str, rate: Fraction, mark: Fraction) -> Fraction:
        """Nothing: there is none."""
        return NOTHING

    def locked(self, symbol: str, orders: Iterable[Resting]) -> tuple[Fraction, Fraction]:
        """What orders of any symbol lock of this one's two assets."""
        one = self.instruments[symbol]
        return tuple(sum(self._locks(asset, orders), NOTHING) for asset in (one.base_asset, one.quote_asset))  # type: ignore[return-value]

    def affords(
        self, new: Resting, orders: Sequence[Resting], replaced: Resting | None, marks: Mapping[str, Fraction]
    ) -> bool:
        """What it and the open orders may spend is held."""
        one = self.instruments[new.symbol]
        asset = one.quote_asset if new.side > 0 else one.base_asset
        others = [each for each in orders if each is not replaced]
        return sum(self._locks(asset, [*others, new]), NOTHING) <= self.held(asset)

    def _locks(self, asset: str, orders: Iterable[Resting]) -> Iterable[Fraction]:
        for order in orders:
            one = self.instruments[order.symbol]
            if order.side > 0 and one.quote_asset == asset:
                yield order.price * order.quantity
            elif order.side < 0 and one.base_asset == asset:
                yield order.quantity


@dataclass(slots=True)
class InversePosition(Position):
    """A position in contracts of `size` dollars each, settled in the coin: what a contract costs is `-size / price` coins, and with
    that for a price everything adds up as in a linear one."""

    size: int = 1

    @property
    def entry(self) -> Fraction:
        """The average price of what is open, 0 when nothing is."""
        return -self.size * self.amount / self.cost if self.amount else NOTHING

    def unrealized(self, mark: Fraction) -> Fraction:
        """Profit in coins if all were closed at `mark`."""
        return self.amount * -self.size / mark - self.cost if mark else NOTHING

    def fill(self, signed: Fraction, price: Fraction) -> Fraction:
        """Add contracts at a price; return the profit realized, in coins."""
        return Position.fill(self, signed, -self.size / price)


@dataclass(slots=True)
class InverseAccount:
    """One account of contracts that are settled in coins: a wallet for each coin, and positions by symbol."""

    name: str
    assets: dict[str, Fraction]
    instruments: Mapping[str, Instrument]
    fees: Fees = Fees()
    leverage: int = 20
    positions: dict[str, InversePosition] = field(default_factory=dict)
    fees_paid: Fraction = NOTHING

    @property
    def locks(self) -> bool:
        """False: margin is counted when it is needed."""
        return False

    def wallet_in(self, symbol: str) -> Fraction:
        """What is held of the symbol's coin."""
        return self.assets.get(self.instruments[symbol].base_asset, NOTHING)

    def locked(self, symbol: str, orders: Iterable[Resting]) -> tuple[Fraction, Fraction]:
        """Nothing."""
        return NOTHING, NOTHING

    def position(self, symbol: str) -> InversePosition:
        """The position in a symbol, an empty one at first."""
        return self.positions.setdefault(symbol, InversePosition(size=self.instruments[symbol].contract or 1))

    def fill(self, symbol: str, side: int, price: Fraction, quantity: Fraction, *, maker: bool) -> Booked:
        """Book an execution; profit and fee are in the coin."""
        position, coin = self.position(symbol), self.instruments[symbol].base_asset
        realized = position.fill(side * quantity, price)
        fee = quantity * position.size / price * (self.fees.maker if maker else self.fees.taker)
        self.assets[coin] = self.assets.get(coin, NOTHING) + realized - fee
        self.fees_paid += fee
        return Booked(realized, fee, position.amount, position.entry)

    def funding(self, symbol: str, rate: Fraction, mark: Fraction) -> Fraction:
        """Pay (or, negative, receive) funding on what is open; return what was paid, in the coin."""
        position, coin = self.position(symbol), self.instruments[symbol].base_asset
        paid = position.amount * position.size / mark * rate
        self.assets[coin] = self.assets.get(coin, NOTHING) - paid
        return paid

    def equity(self, coin: str, marks: Mapping[str, Fraction]) -> Fraction:
        """Wallet of a coin and the profit of what is open in it."""
        open_ = [one for one in self.positions if self.instruments[one].base_asset == coin]
        profit = sum((self.positions[one].unrealized(marks.get(one, NOTHING)) for one in open_), NOTHING)
        return self.assets.get(coin, NOTHING) + profit

    def required(self, coin: str, marks: Mapping[str, Fraction], orders: Iterable[Resting]) -> Fraction:
        """Initial margin in a coin: of each symbol the worse of both sides filling whole."""
        total, open_ = NOTHING, _open_quantities(orders)
        for symbol in {*self.positions, *open_}:
            if self.instruments[symbol].base_asset == coin and (mark := marks.get(symbol)):
                position, (bought, sold) = self.position(symbol), open_.get(symbol, (NOTHING, NOTHING))
                worst = max(abs(position.amount + bought), abs(position.amount - sold), abs(position.amount))
                total += worst * position.size / mark / self.leverage
        return total

    def affords(
        self, new: Resting, orders: Sequence[Resting], replaced: Resting | None, marks: Mapping[str, Fraction]
    ) -> bool:
        """Initial margin in the coin after it is not above equity, or not more than before."""
        coin, known = self.instruments[new.symbol].base_asset, {new.symbol: new.price, **marks}
        needed = self.required(coin, known, [*(one for one in orders if one is not replaced), new])
        return needed <= self.required(coin, known, orders) or needed <= self.equity(coin, known)
