"""One symbol's orders, live: what of a decision is sent, what is cancelled and cancelled again, when nothing is sent; sans-I/O.

        decision ──> act ──> Submit / Cancel / Held                  QUOTING  ──silence, no book──>  PULLED: all own orders are cancelled,
        clock ─────> tend ─> Cancel, again until it is answered         ^────── the book is back ──────┘      and nothing is sent

Own orders are the bot's order map, whatever their state: sent, unknown, working. A cancel that was refused is asked for again, ever
later; one that the connector may never have heard (`renew`), at once. One whose order the exchange is being asked about is left to the
connector, which cancels again by itself: each further request of it would put off the proof that it is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from marketlink.notices import OrderProblem
from marketlink.orders import Order

from obi_mm.backoff import BackOff, Kind, kind_of
from obi_mm.exposure import ENDED, Position, admitted_lots, working_lots
from obi_mm.layout import A_ID, A_KIND, A_LOTS, A_SIDE, A_TICK, BUY, CANCEL, CLOSE, SELL, Rules, Table

CANCEL_AGAIN_S: Final = 1.0
LONGEST_AGAIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Submit:
    """Send a limit order: post-only, or, closing, one that fills at once or expires."""

    order_id: int
    side: int
    tick: int
    lots: int
    closing: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask to cancel an order."""

    order_id: int


@dataclass(frozen=True, slots=True)
class Held:
    """An order of a decision that is not sent."""

    order_id: int
    side: int
    tick: int
    lots: int
    why: str


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the user."""

    text: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the run: orders are of no use here."""

    text: str


Effect = Submit | Cancel | Held | Say | GiveUp


@dataclass(frozen=True, slots=True)
class Own:
    """The bot's own orders of the symbol, and the ids of those that are being asked about."""

    orders: Mapping[int, Order]
    unsure: frozenset[int] = frozenset()

    def open(self) -> list[Order]:
        """Every order that has not ended, as far as is known, by id."""
        return sorted(
            (order for order in self.orders.values() if order.status not in ENDED), key=lambda order: order.order_id
        )

    def free(self, order: Order) -> bool:
        """Whether a cancel may be asked for."""
        return order.cancellable or (order.active and order.order_id in self.unsure)


@dataclass(slots=True)
class Desk:
    """One symbol's desk; the rules say lots and limits, `min_notional` (0: not known) is the exchange's smallest order."""

    rules: Rules
    min_notional: float
    back_off: BackOff
    position: Position = field(default_factory=Position)
    pulled: str = ""  # why everything is cancelled and nothing sent; empty: it is not
    held: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # how often, by what was said
    _going: dict[int, tuple[float, float]] = field(
        default_factory=dict
    )  # orders to cancel: when to ask, and how long after that again

    def act(self, actions: Table, own: Own, now_s: float) -> list[Effect]:
        """Carry out a decision, as far as it may be: cancels always, orders within the limit, none while pulled or refused of late."""
        self.position.on_time(now_s)
        effects: list[Effect] = []
        sent = {side: working_lots(own.orders.values(), side, self.rules.lot_size) for side in (BUY, SELL)}
        for row in actions.tolist():
            kind, side, tick, lots, order_id = (row[at] for at in (A_KIND, A_SIDE, A_TICK, A_LOTS, A_ID))
            if kind == CANCEL:
                self._going.setdefault(order_id, (now_s, CANCEL_AGAIN_S))
                continue
            closing = kind == CLOSE
            why = self._closed(closing, tick, lots, now_s)
            admitted = admitted_lots(
                side,
                lots,
                closing=closing,
                position=self.position,
                working=sent[side],
                max_lots=self.rules.max_lots,
            )
            if not why and not admitted:
                why = "it could turn the position" if closing else "position and orders could exceed max_position"
            if why:
                self.held += 1
                effects.append(Held(order_id, side, tick, lots, why))
                continue
            sent[side] += admitted
            effects.append(Submit(order_id, side, tick, admitted, closing))
        return [*self.tend(own, now_s), *effects]

    def _closed(self, closing: bool, tick: int, lots: int, now_s: float) -> str:
        """Say why no order is sent now; empty: it may be."""
        if self.pulled:
            return self.pulled
        if closing:
            return ""  # has a pace of its own, retry_seconds, and may not wait for a minute
        if self.back_off.waits(now_s):
            return "orders were refused just now"
        if lots * self.rules.lot_size * tick * self.rules.tick_size < self.min_notional:
            return f"it is worth less than the exchange takes, {self.min_notional:g}"
        return ""

    def pull(self, why: str, own: Own, now_s: float) -> list[Effect]:
        """Cancel everything and send nothing until `resume`; each time, also what came to be known since."""
        said: list[Effect] = []
        if not self.pulled:
            count = len(own.open())
            said.append(Say(f"nothing is sent{f' and {count} orders are cancelled' if count else ''}: {why}"))
        self.pulled = self.pulled or why
        for order in own.open():
            self._going.setdefault(order.order_id, (now_s, CANCEL_AGAIN_S))
        return [*said, *self.tend(own, now_s)]

    def renew(self) -> None:
        """Another connector is there, or something that it told was lost: what was asked for may not be known there."""
        self._going = {order_id: (0.0, CANCEL_AGAIN_S) for order_id in self._going}

    def resume(self) -> list[Effect]:
        """Send again, from the next decision on."""
        if not self.pulled:
            return []
        self.pulled = ""
        return [Say("orders are sent again")]

    def tend(self, own: Own, now_s: float) -> list[Effect]:
        """Ask for the cancels that are due: those not asked for yet, and those whose answer may never come."""
        self.position.on_time(now_s)
        effects: list[Effect] = []
        for order_id, (due_s, wait_s) in list(self._going.items()):
            order = own.orders.get(order_id)
            if order is None or order.status in ENDED:
                del self._going[order_id]
            elif own.free(order) and now_s >= due_s:
                doubtful = order_id in own.unsure
                self._going[order_id] = (
                    now_s + (LONGEST_AGAIN_S if doubtful else wait_s),
                    min(2 * wait_s, LONGEST_AGAIN_S),
                )
                effects.append(Cancel(order_id))
        return effects

    def on_problem(self, problem: OrderProblem, now_s: float) -> list[Effect]:
        """Take what the connector says of an order: a refused one makes the next ones wait, and is said once."""
        kind = kind_of(problem)
        if problem.state != "refused" or (problem.op not in ("submit", "") and kind is not Kind.NO_TRADING):
            return []
        if kind is Kind.NO_TRADING:
            return [GiveUp(f"{problem.text}: give that connector the keys of an account (docs/trading.md)")]
        said = kind.value if kind is not Kind.REFUSED else self._cause(problem)
        self.refused[said] = self.refused.get(said, 0) + 1
        too_many = self.back_off.refused(kind, now_s)
        if too_many:
            return [GiveUp(f"{self.back_off.in_a_row} times in a row orders were refused; the last: {problem.text}")]
        if self.refused[said] > 1 or kind is Kind.POST_ONLY:
            return []
        return [Say(f"an order was refused: {problem.text}; the next ones wait (said once)")]

    @staticmethod
    def _cause(problem: OrderProblem) -> str:
        """What refusals of one cause have in common: the exchange's number, or the connector's rule before the numbers."""
        return f"code {problem.code}" if problem.code is not None else problem.text.partition(":")[0]
