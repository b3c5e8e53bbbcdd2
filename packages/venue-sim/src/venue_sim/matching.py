"""The book of one symbol in which the market's liquidity and orders of clients meet by price and time: the rules
R1 to R9 of the trading specification. Integers only: ticks, lots, ms.

A level is a queue: what the market shows is anonymous pieces of it, a client's order is an entry of its own.

    front | market 7 | order A 2 | market 3 | order B 5 | back

R1  The market's increase joins at the back, and so does an order.
R2  A decrease that no print explains is a cancel, taken from the market's pieces `proportional`ly, from the `front` or
    from the `back`; never below zero. Orders never lose anything by it.
R3  A print at a level by the opposite aggressor eats the queue from the front: pieces vanish, orders fill. A printed
    lot is spent once. A print told after the update that already shows it eats what that update cancelled first.
R4  A print through an order's price fills it, best price first, before the print reaches its own level.
R5  A level of the market that crosses an order fills it, at the order's price; the level shows the rest.
R6  A taker walks levels from the best. What it took stays taken until the market tells the level anew. The rest rests
    (GTC), expires (IOC, market) or nothing happens at all (FOK).
R7  Post-only is decided at arrival: it would take, or it rests.
R8  An order never meets one of its own account: the taker's mode says who expires.
R9  A modified order keeps its identity and goes to the back; at or below what is executed it is cancelled.

A reduce-only order never has more left than its account's position: after every fill it shrinks in its place, and is
over when there is nothing left to reduce.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from sortedcontainers import SortedDict

BUY, SELL = 1, -1


class Tif(Enum):
    """How long an order lives; POST is GTC that must not take."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST = "GTX"


class SelfTrade(Enum):
    """What happens when an order would meet one of its own account."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class CancelFrom(Enum):
    """Where in the queue the market's cancels are taken from (R2)."""

    PROPORTIONAL = "proportional"
    FRONT = "front"
    BACK = "back"


class End(Enum):
    """Why an order is over."""

    FILLED = "filled"
    CANCELED = "canceled"
    IOC = "expired: the rest of an immediate order"
    FOK = "expired: could not be filled whole"
    MARKET = "expired: no more liquidity for a market order"
    POST = "post-only would take"
    SELF_TRADE = "expired: would meet an order of its own account"
    AMENDED = "canceled: amended to what is executed or less"
    REDUCE_ONLY = "expired: nothing left to reduce"


@dataclass(frozen=True, slots=True)
class Order:
    """A client's order. `tick` None is a market order. `done` lots are executed."""

    id: int
    account: str
    side: int
    tick: int | None
    lots: int
    tif: Tif = Tif.GTC
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    done: int = 0
    reduce_only: bool = False

    @property
    def leaves(self) -> int:
        """Lots not executed."""
        return self.lots - self.done


@dataclass(frozen=True, slots=True)
class Rested:
    """An order waits in the book behind `ahead` lots of its level."""

    order: Order
    ahead: int


@dataclass(frozen=True, slots=True)
class Fill:
    """`lots` of an order executed at `tick`; `order` is how it stands after. `other` is the client's order on the
    other side, None for the market. `why` names the rule."""

    order: Order
    tick: int
    lots: int
    maker: bool
    other: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An order is over, with what it had left."""

    order: Order
    why: End


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A reduce-only order has fewer lots, because its account's position has; it kept its place."""

    order: Order


Event = Rested | Fill | Ended | Shrunk


class Piece:
    """Lots of the market within a queue. `gone` were cancelled by the level's last message: a late print finds them."""

    __slots__ = ("gone", "lots")

    def __init__(self, lots: int) -> None:
        self.lots = lots
        self.gone = 0


Entry = Piece | int
"""An entry of a queue: the market's lots, or an order's id."""


class Matching:
    """The book of one symbol. Every method returns what happened, in order."""

    def __init__(self, cancels: CancelFrom = CancelFrom.PROPORTIONAL) -> None:
        self._cancels = cancels
        self._market: dict[int, SortedDict] = {BUY: SortedDict(), SELL: SortedDict()}
        self._queues: dict[int, SortedDict] = {BUY: SortedDict(), SELL: SortedDict()}
        self._told_ms: dict[tuple[int, int], int] = {}
        self._net: dict[str, int] = {}
        self.orders: dict[int, Order] = {}

    # what can be asked

    def best(self, side: int) -> int | None:
        """The best tick of the market's side."""
        levels = self._market[side]
        return None if not levels else int(levels.keys()[-1 if side == BUY else 0])

    def shown(self, side: int, tick: int) -> int:
        """Lots the market has at a level, less what was taken."""
        return int(self._market[side].get(tick, 0))

    def ticks(self, side: int) -> list[int]:
        """The market's levels of a side, lowest first."""
        return list(self._market[side])

    def ahead(self, order_id: int) -> int:
        """Lots before an order in its level's queue, the market's and clients'."""
        order = self.orders[order_id]
        total = 0
        for entry in self._queues[order.side][order.tick]:
            if entry == order_id:
                break
            total += entry.lots if isinstance(entry, Piece) else self.orders[entry].leaves
        return total

    # what the market tells

    def on_levels(
        self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], at_ms: int = 0
    ) -> list[Event]:
        """Take absolute lots of levels (0: gone), then let crossing levels fill orders."""
        for side, levels in ((BUY, bids), (SELL, asks)):
            for tick, lots in levels:
                self._tell(side, tick, lots, at_ms)
        return self._cross()

    def on_best(self, bid: tuple[int, int], ask: tuple[int, int], at_ms: int = 0) -> list[Event]:
        """Take the best level of each side; what the market had beyond them is gone."""
        for side, (best, lots) in ((BUY, bid), (SELL, ask)):
            beyond = []
            for tick in self._walk(self._market[side], side):
                if (tick - best) * side <= 0:
                    break
                beyond.append(tick)
            for tick in beyond:
                self._tell(side, tick, 0, at_ms)
            self._tell(side, best, lots, at_ms)
        return self._cross()

    def on_print(self, taker_side: int, tick: int, lots: int, at_ms: int = 0) -> list[Event]:
        """Take an execution of the market: `taker_side` is the aggressor's."""
        side, left, out = -taker_side, lots, list[Event]()
        for level in list(self._walk(self._queues[side], side)):
            if left == 0 or (level - tick) * side < 0:
                break
            if level != tick:  # R4
                for order_id in self._waiting(side, level):
                    left -= self._make(order_id, left, None, "R4", out)
                continue
            late = at_ms <= self._told_ms.get((side, level), -1)
            for entry in list(self._queues[side].get(level, ())):  # R3
                if not isinstance(entry, Piece):
                    left -= self._make(entry, left, None, "R3", out)
                    continue
                if late:
                    known = min(left, entry.gone)
                    entry.gone -= known
                    left -= known
                left -= self._eat(side, level, entry, min(left, entry.lots))
            return out
        if left and tick in self._market[side] and at_ms > self._told_ms.get((side, tick), -1):
            self._lessen(side, tick, min(left, self.shown(side, tick)))
        return out

    # what clients ask

    def place(self, order: Order) -> list[Event]:
        """Take a new order. Raises `ValueError` for an id in use or no lots."""
        if order.id in self.orders or order.leaves <= 0:
            raise ValueError(f"order {order.id}: id in use or nothing to execute")
        return self._arrive(order)

    def cancel(self, order_id: int) -> list[Event]:
        """End a resting order. Raises `KeyError` when none has that id."""
        return [Ended(self._remove(order_id), End.CANCELED)]

    def modify(self, order_id: int, tick: int, lots: int) -> list[Event]:
        """Give a resting order another price and total quantity (R9). Raises `KeyError` when none has that id."""
        old = self._remove(order_id)
        if lots <= old.done:
            return [Ended(old, End.AMENDED)]
        return self._arrive(replace(old, tick=tick, lots=lots))

    def lower(self, order_id: int, lots: int) -> list[Event]:
        """Give a resting order a smaller total quantity, above what is executed, in its place of the queue."""
        order = replace(self.orders[order_id], lots=lots)
        self.orders[order_id] = order
        return [Shrunk(order)]

    # how it is done

    def _arrive(self, order: Order) -> list[Event]:
        out: list[Event] = []
        reach = self._reach(order)
        if order.tif is Tif.POST and reach:
            return [Ended(order, End.POST)]
        if order.tif is Tif.FOK and reach < order.leaves:
            return [Ended(order, End.FOK)]
        order, stopped = self._take(order, out)
        if order.leaves == 0:
            out.append(Ended(order, End.FILLED))
        elif stopped:
            out.append(Ended(order, End.SELF_TRADE))
        elif order.tick is None:
            out.append(Ended(order, End.MARKET))
        elif order.tif in (Tif.IOC, Tif.FOK):
            out.append(Ended(order, End.IOC if order.tif is Tif.IOC else End.FOK))
        else:
            self.orders[order.id] = order
            self._queue(order.side, order.tick).append(order.id)
            out.append(Rested(order, self.ahead(order.id)))
        return out

    def _levels(self, order: Order) -> Iterator[int]:
        """Ticks an arriving order may take from, best first."""
        side = -order.side
        ticks = sorted({*self._market[side], *self._queues[side]}, reverse=side == BUY)
        for tick in ticks:
            if order.tick is not None and (tick - order.tick) * order.side > 0:
                return
            yield tick

    def _reach(self, order: Order) -> int:
        """Lots an arriving order could execute at once, at most its own; orders of its own account do not count
        unless it may meet them. A post-only order is refused by any of them."""
        side, total = -order.side, 0
        for tick in self._levels(order):
            for entry in self._queues[side].get(tick, ()) or [Piece(self.shown(side, tick))]:
                if isinstance(entry, Piece):
                    total += entry.lots
                    continue
                other = self.orders[entry]
                if other.account != order.account or order.self_trade is SelfTrade.NONE or order.tif is Tif.POST:
                    total += other.leaves
                elif order.self_trade is not SelfTrade.EXPIRE_MAKER:
                    return total
            if total >= order.leaves:
                return order.leaves
        return total

    def _take(self, order: Order, out: list[Event]) -> tuple[Order, bool]:
        """Walk the other side (R6); the second value says that self-trade prevention ended the order."""
        side = -order.side
        for tick in list(self._levels(order)):
            if tick not in self._queues[side]:
                lots = min(order.leaves, self.shown(side, tick))
                self._lessen(side, tick, lots)
                order = self._took(order, tick, lots, None, out)
            for entry in list(self._queues[side].get(tick, ())):
                if order.leaves == 0:
                    break
                if isinstance(entry, Piece):
                    lots = self._eat(side, tick, entry, min(order.leaves, entry.lots))
                    order = self._took(order, tick, lots, None, out)
                    continue
                if entry not in self.orders:
                    continue  # shrunk to nothing by an earlier fill
                other = self.orders[entry]
                if other.account == order.account and order.self_trade is not SelfTrade.NONE:
                    if order.self_trade is not SelfTrade.EXPIRE_TAKER:
                        out.append(Ended(self._remove(entry), End.SELF_TRADE))
                    if order.self_trade is not SelfTrade.EXPIRE_MAKER:
                        return order, True
                    continue
                lots = min(order.leaves, other.leaves)
                order = self._took(order, tick, lots, entry, out)
                self._make(entry, lots, order.id, "R6", out)
                self._shrink(order.account, out)
            if order.leaves == 0:
                break
        return order, False

    def _took(self, order: Order, tick: int, lots: int, other: int | None, out: list[Event]) -> Order:
        if lots == 0:
            return order
        order = replace(order, done=order.done + lots)
        self._net[order.account] = self._net.get(order.account, 0) + order.side * lots
        out.append(Fill(order, tick, lots, False, other, "R6"))
        if other is None:  # else once the other side is booked too: it may be the same account's
            self._shrink(order.account, out)
        return order

    def _make(self, order_id: int, lots: int, other: int | None, why: str, out: list[Event]) -> int:
        """Fill a resting order at its price, up to `lots`; return how many. Nothing for one that is over meanwhile."""
        lots = min(lots, self.orders[order_id].leaves) if order_id in self.orders else 0
        if lots == 0:
            return 0
        order = replace(self.orders[order_id], done=self.orders[order_id].done + lots)
        self.orders[order_id] = order
        assert order.tick is not None, "only orders with a price rest"
        self._net[order.account] = self._net.get(order.account, 0) + order.side * lots
        out.append(Fill(order, order.tick, lots, True, other, why))
        if order.leaves == 0:
            out.append(Ended(self._remove(order_id), End.FILLED))
        self._shrink(order.account, out)
        return lots

    def _shrink(self, account: str, out: list[Event]) -> None:
        """Let an account's reduce-only orders follow its position."""
        net = self._net[account]
        for order in [one for one in self.orders.values() if one.reduce_only and one.account == account]:
            most = max(0, -order.side * net)
            if most == 0:
                out.append(Ended(self._remove(order.id), End.REDUCE_ONLY))
            elif order.leaves > most:
                self.orders[order.id] = replace(order, lots=order.done + most)
                out.append(Shrunk(self.orders[order.id]))

    def _cross(self) -> list[Event]:
        """R5, for both sides."""
        out: list[Event] = []
        for side in (BUY, SELL):
            for tick in list(self._walk(self._queues[side], side)):
                for order_id in self._waiting(side, tick):
                    while order_id in self.orders:
                        best = self.best(-side)
                        if best is None or (tick - best) * side < 0:
                            break
                        lots = min(self.orders[order_id].leaves, self.shown(-side, best))
                        self._lessen(-side, best, lots)
                        self._make(order_id, lots, None, "R5", out)
        return out

    def _waiting(self, side: int, tick: int) -> list[int]:
        """Clients' orders at a level, in order."""
        return [entry for entry in self._queues[side].get(tick, ()) if not isinstance(entry, Piece)]

    def _tell(self, side: int, tick: int, lots: int, at_ms: int) -> None:
        """R1 and R2: the market's lots at a level are now these."""
        self._told_ms[side, tick] = at_ms
        queue = self._queues[side].get(tick)
        if queue is not None:
            pieces = [entry for entry in queue if isinstance(entry, Piece)]
            for piece in pieces:
                piece.gone = 0
            change = lots - sum(piece.lots for piece in pieces)
            if change > 0:
                if queue and isinstance(queue[-1], Piece):
                    queue[-1].lots += change
                else:
                    queue.append(Piece(change))
            elif change < 0:
                for piece, gone in zip(
                    pieces, cancelled([p.lots for p in pieces], -change, self._cancels), strict=True
                ):
                    piece.lots -= gone
                    piece.gone = gone
        if lots > 0:
            self._market[side][tick] = lots
        else:
            self._market[side].pop(tick, None)
            if queue is None:
                del self._told_ms[side, tick]

    def _lessen(self, side: int, tick: int, lots: int) -> None:
        """Take lots from the front of what the market shows at a level."""
        queue = self._queues[side].get(tick)
        if queue is None:
            left = self.shown(side, tick) - lots
            if left > 0:
                self._market[side][tick] = left
            else:
                self._market[side].pop(tick, None)
            return
        for entry in queue:
            if isinstance(entry, Piece):
                lots -= self._eat(side, tick, entry, min(lots, entry.lots))

    def _eat(self, side: int, tick: int, piece: Piece, lots: int) -> int:
        piece.lots -= lots
        left = self.shown(side, tick) - lots
        if left > 0:
            self._market[side][tick] = left
        else:
            self._market[side].pop(tick, None)
        return lots

    def _queue(self, side: int, tick: int | None) -> list[Entry]:
        queues = self._queues[side]
        if tick not in queues:
            lots = self.shown(side, tick or 0)
            queues[tick] = [Piece(lots)] if lots else []
        found: list[Entry] = queues[tick]
        return found

    def _remove(self, order_id: int) -> Order:
        order = self.orders.pop(order_id)
        queue = self._queues[order.side][order.tick]
        queue.remove(order_id)
        if all(isinstance(entry, Piece) for entry in queue):
            del self._queues[order.side][order.tick]
            if order.tick not in self._market[order.side]:
                self._told_ms.pop((order.side, order.tick or 0), None)
        return order

    @staticmethod
    def _walk(levels: SortedDict, side: int) -> Iterator[int]:
        return reversed(levels) if side == BUY else iter(levels)


def cancelled(pieces: list[int], lots: int, how: CancelFrom) -> list[int]:
    """Share `lots` cancelled over a queue's pieces (R2), front first. Proportional shares are rounded down; what is
    left is taken from the back. Never more than a piece has; beyond their sum nothing is taken."""
    total = sum(pieces)
    lots = min(lots, total)
    shares = [lots * piece // total if total and how is CancelFrom.PROPORTIONAL else 0 for piece in pieces]
    left = lots - sum(shares)
    order = range(len(pieces)) if how is CancelFrom.FRONT else range(len(pieces) - 1, -1, -1)
    for at in order:
        more = min(left, pieces[at] - shares[at])
        shares[at] += more
        left -= more
    return shares
