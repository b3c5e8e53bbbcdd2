"""What an order must keep before it may leave: sanity always, limits where they are configured. Pure.

Each refusal names its rule and the numbers. Worst cases count everything that could still execute: working, sent and unknown orders,
and of a modify the larger of old and new.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Final

from marketlink.orders import OrderType, Side
from marketlink.times import SECOND_NS, MonoNs
from marketlink.venues.base import Instrument

from connector.ledger import worst_case
from connector.tracked import ZERO, Tracked

Look = tuple[Decimal | None, float]
"""The middle of a symbol's market, None while its book is not known, and how old the look is, ms."""
_BPS: Final = Decimal(10_000)


class Mode(Enum):
    """What may pass."""

    ACTIVE = "active"
    REDUCING = "reducing"  # only what makes the position smaller
    HALTED = "halted"  # only cancels


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """The limits of `[risk]`; None is no limit. Quantities are in the base asset, amounts in the quote asset."""

    max_order_qty: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_position: Decimal | None = None
    max_account_notional: Decimal | None = None
    price_band_bps: Decimal | None = None
    max_orders_s: int | None = None
    max_open_orders: int | None = None
    stale_book_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is about to be asked: a new order, or a modify to these terms. `price` is 0 for a market order."""

    symbol: str
    side: Side
    order_type: OrderType
    price: Decimal
    qty: Decimal
    reduce_only: bool = False
    replaces: Tracked | None = None


@dataclass(frozen=True, slots=True)
class View:
    """The market and the account as they are now. `mid` None: no book that can be believed; `age_ms` of the last look at it.

    `position` is the smallest and the largest that it may be (`positions`); None: not known yet.
    """

    instrument: Instrument
    mid: Decimal | None
    age_ms: float
    position: tuple[Decimal, Decimal] | None
    others_notional: Decimal = ZERO
    active: tuple[Tracked, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Broken:
    """The rule that refuses, and its numbers in words."""

    rule: str
    text: str


class Risk:
    """The gate before every placing and modifying request. Cancels always pass."""

    def __init__(self, limits: RiskLimits, per_symbol: dict[str, RiskLimits]) -> None:
        self._limits, self._per_symbol = limits, per_symbol
        self._sent: list[MonoNs] = []
        self.mode = Mode.ACTIVE
        self.why = ""

    def check(self, wanted: Wanted, view: View, now: MonoNs) -> Broken | None:
        """Return the first rule that is broken. `count` what passes and is sent."""
        broken = _insane(wanted, view)
        if broken is not None:
            return broken
        if self.mode is Mode.HALTED:
            return Broken("halted", f"trading is halted: {self.why}; only cancels pass")
        if self.mode is Mode.REDUCING and not reduces(wanted, view):
            return Broken("reducing", f"only what reduces the position passes: {self.why}")
        return self._over(wanted, view, now)

    def count(self, now: MonoNs) -> None:
        """Note that an order is sent."""
        self._sent.append(now)

    def _over(self, wanted: Wanted, view: View, now: MonoNs) -> Broken | None:
        limits = self._per_symbol.get(wanted.symbol, self._limits)
        price = wanted.price or view.mid or ZERO
        notional = view.instrument.notional(wanted.qty, price)
        if limits.max_order_qty is not None and wanted.qty > limits.max_order_qty:
            return Broken("max_order_qty", f"quantity {wanted.qty:f} is more than {limits.max_order_qty:f}")
        if limits.max_order_notional is not None:
            if not price:
                return Broken("max_order_notional", "no price to judge a market order by: the book is not known")
            if notional > limits.max_order_notional:
                return Broken("max_order_notional", f"{notional:f} is more than {limits.max_order_notional:f}")
        if limits.stale_book_ms is not None and (view.mid is None or view.age_ms > limits.stale_book_ms):
            state = "not known" if view.mid is None else f"{view.age_ms:.0f} ms old"
            return Broken("stale_book_ms", f"the book is {state}; at most {limits.stale_book_ms} ms are allowed")
        if limits.price_band_bps is not None and wanted.price:
            if view.mid is None:
                return Broken("price_band_bps", "no price to compare with: the book is not known")
            off = abs(wanted.price - view.mid) / view.mid * _BPS
            if off > limits.price_band_bps:
                text = f"price {wanted.price:f} is {off:.1f} bps off the middle {view.mid:f}"
                return Broken("price_band_bps", f"{text}; {limits.price_band_bps:f} are allowed")
        if limits.max_orders_s is not None:
            self._sent = [then for then in self._sent if now - then < SECOND_NS]
            if len(self._sent) >= limits.max_orders_s:
                return Broken(
                    "max_orders_s", f"{len(self._sent)} orders in the last second; {limits.max_orders_s} allowed"
                )
        mine = [one for one in view.active if one is not wanted.replaces]
        if limits.max_open_orders is not None and wanted.replaces is None and len(mine) >= limits.max_open_orders:
            return Broken("max_open_orders", f"{len(mine)} orders are open; {limits.max_open_orders} are allowed")
        worst = self._worst(wanted, view, mine)
        if limits.max_position is not None:
            if view.position is None:
                return Broken("max_position", "the position is not known yet")
            if worst > limits.max_position and not reduces(wanted, view):
                position = view.position[wanted.side is Side.BUY]
                text = f"position {position:f} and all that could execute make {worst:f}"
                return Broken("max_position", f"{text}; {limits.max_position:f} are allowed")
        if limits.max_account_notional is not None:
            if not price:
                return Broken("max_account_notional", "no price to judge by: the book is not known")
            whole = view.instrument.notional(worst, price) + view.others_notional
            if whole > limits.max_account_notional and not reduces(wanted, view):
                return Broken("max_account_notional", f"{whole:f} is more than {limits.max_account_notional:f}")
        return None

    def _worst(self, wanted: Wanted, view: View, mine: Iterable[Tracked]) -> Decimal:
        """The largest position on the order's side, if all that could execute there does."""
        buy = wanted.side is Side.BUY
        old = wanted.replaces.most if wanted.replaces is not None else ZERO
        filled = wanted.replaces.filled if wanted.replaces is not None else ZERO
        open_ = worst_case(mine, buy) + max(old, wanted.qty - filled)
        lowest, highest = view.position or (ZERO, ZERO)
        return highest + open_ if buy else open_ - lowest


def reduces(wanted: Wanted, view: View) -> bool:
    """Whether the position can only get smaller, even when all else on this side executes too."""
    if view.position is None:
        return False
    buy = wanted.side is Side.BUY
    lowest, highest = view.position
    against = -highest if buy else lowest
    others = worst_case((one for one in view.active if one is not wanted.replaces), buy)
    return wanted.qty + others <= against


def _insane(wanted: Wanted, view: View) -> Broken | None:
    """What no exchange would take."""
    instrument, bounds = view.instrument, view.instrument.bounds
    if not instrument.trading:
        return Broken("trading", f"{instrument.symbol} is not traded now")
    lot, tick = Decimal(instrument.lot_text), Decimal(instrument.tick_text)
    if wanted.qty <= 0 or wanted.qty % lot:
        return Broken("lot_size", f"quantity {wanted.qty:f} is no positive multiple of {lot:f}")
    if wanted.order_type is OrderType.LIMIT and (wanted.price <= 0 or wanted.price % tick):
        return Broken("tick_size", f"price {wanted.price:f} is no positive multiple of {tick:f}")
    for name, value, least, most in (
        ("price", wanted.price, bounds.min_price, bounds.max_price),
        ("quantity", wanted.qty, bounds.min_qty, bounds.max_qty),
    ):
        if name == "price" and wanted.order_type is not OrderType.LIMIT:
            continue
        if least and value < least:
            return Broken(f"min_{name}", f"{name} {value:f} is below {least:f}")
        if most and value > most:
            return Broken(f"max_{name}", f"{name} {value:f} is above {most:f}")
    if wanted.order_type is OrderType.MARKET and bounds.max_market_qty and wanted.qty > bounds.max_market_qty:
        return Broken("max_quantity", f"quantity {wanted.qty:f} is above {bounds.max_market_qty:f} for market orders")
    price = wanted.price or view.mid
    notional = view.instrument.notional(wanted.qty, price) if price else None
    if bounds.min_notional and notional is not None and not wanted.reduce_only and notional < bounds.min_notional:
        text = f"{wanted.qty:f} at {price:f} makes {notional:f}"
        return Broken("min_notional", f"{text}; the exchange takes {bounds.min_notional:f} and more")
    return None
