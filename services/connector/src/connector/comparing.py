"""What the exchange is asked about orders and executions, one by one and as a whole, and what its lists say. Pure.

    a doubt ──► is the order there? ──not found──► open orders, and executions since it was placed
    executions of an order that nobody knows ──► whose is it? asked by the exchange's id, before it counts as a stranger's

Each method returns steps: what the ledger says, and requests.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from marketlink.orders import OrderType, Status, TimeInForce
from marketlink.private import ForeignOrder
from marketlink.times import SECOND_NS, Moment
from marketlink.venues.base import Instrument
from marketlink.venues.trading import Fill, Op, OrderReport, TradingVenue

from connector.calls import Asked, Calls
from connector.client_ids import ClientIds
from connector.counts import Counts
from connector.effects import Effect, Level, Note, TellPrivate
from connector.ledger import Ledger, LedgerEffect, Remarked
from connector.lifecycle import Phase
from connector.owners import Owners
from connector.tracked import ZERO, Terms, Tracked

Step = LedgerEffect | Effect
MS_NS: Final = 1_000_000
MOST_QUESTIONS: Final = 8
"""Questions about single orders under way at a time."""
MOST_FOREIGN: Final = 20_000
_EXCHANGES_OWN: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-")


class Comparing:
    """Asks about orders, and finds out whose the orders are that the exchange tells of."""

    def __init__(
        self, venue: TradingVenue, ids: ClientIds, ledger: Ledger, owners: Owners, calls: Calls, counts: Counts
    ) -> None:
        self._venue, self._ids, self._ledger, self._owners, self._calls = venue, ids, ledger, owners, calls
        self._foreign: dict[
            str, None
        ] = {}  # exchange ids of orders that are not ours, or had ended before, oldest first
        self._clean: dict[str, int] = {}  # by symbol: when the exchange last listed no open order of ours
        self._empty: dict[str, int] = {}  # ... and none of anybody
        self._counts = counts
        self.instruments: Mapping[str, Instrument] = {}
        self.settled_ns = 0
        """The exchange's time from which on no request of an earlier process can arrive any more."""

    # -- asking -------------------------------------------------------------------------------------------------------

    def questions(self, now: Moment) -> list[Step]:
        """Ask about every order in doubt whose time has come."""
        steps: list[Step] = [*self._ledger.overdue(now)]
        under_way = self._calls.count(Op.QUERY)
        for one in self._ledger.doubtful():
            doubt = one.doubt
            if doubt is None or doubt.due > now.mono or doubt.waiting:
                continue
            if one.missing or one.held or Op.QUERY in doubt.absent:
                steps += self.ask_trades(one.symbol, now)
            if Op.QUERY in doubt.absent and not one.done:
                steps += self.ask_open(one.symbol, now)
            if one.phase is not Phase.SETTLING or one.held:
                if under_way >= MOST_QUESTIONS:
                    break
                under_way += 1
                ask = self._calls.ask(self._venue.query(one.symbol, one.client_id), now, one)
                doubt.waiting = ask.number
                steps.append(ask)
            steps += self._ledger.next_question(one, doubt, now.mono)
        return steps

    def ask_open(self, symbol: str, now: Moment) -> list[Step]:
        """Ask for the open orders of a symbol, or of all; not while they are being asked for."""
        if self._calls.is_asked(Op.OPEN_ORDERS, symbol):
            return []
        return [self._calls.ask(self._venue.open_orders(symbol or None), now, symbol=symbol)]

    def ask_trades(self, symbol: str, now: Moment) -> list[Step]:
        """Ask for executions since the oldest moment that an order of the symbol lacks any."""
        if self._calls.is_asked(Op.TRADES, symbol):
            return []
        lacking = [one.even_ns or one.placed_ns for one in self._ledger.active.values() if one.symbol == symbol]
        from_ns = min(lacking, default=self._calls.exchange_ns(now)) - SECOND_NS
        call = self._venue.trades(symbol, start_ms=max(0, from_ns // MS_NS))
        return [self._calls.ask(call, now, symbol=symbol, from_ns=from_ns)]

    # -- what is said -------------------------------------------------------------------------------------------------

    def find(self, fill: Fill) -> Tracked | None:
        """Return the order that an execution is of, if it is one of ours."""
        return self._ledger.orders.get(fill.client_id) or self._ledger.by_exchange_id.get(fill.exchange_id)

    def known(self, report: OrderReport, now: Moment) -> Tracked | None:
        """Return the order that a report is of; one of this prefix that is not known is taken over: an earlier process placed it."""
        known = self._ledger.orders.get(report.client_id)
        return known or self._inquired(report, now) or self._adopted(report, now)

    def listed(self, asked: Asked, page: Sequence[OrderReport], more: str, now: Moment) -> tuple[list[Step], bool]:
        """Take a page of the open orders; False: the next one, `more`, is asked for."""
        reports, asked_ns = [*asked.listed, *page], asked.from_ns or asked.sent_ns
        if more:
            call = self._venue.open_orders(asked.symbol or None, more)
            return [self._calls.ask(call, now, symbol=asked.symbol, from_ns=asked_ns, listed=tuple(reports))], False
        return self._whole_list(asked, reports, asked_ns, now), True

    def _whole_list(self, asked: Asked, reports: Sequence[OrderReport], asked_ns: int, now: Moment) -> list[Step]:
        steps: list[Step] = []
        found: set[str] = set()
        for report in reports:
            tracked = self.known(report, now)
            if tracked is None:
                steps += self.strangers(report, now)
                continue
            found.add(report.client_id)
            steps += self._ledger.on_report(tracked, report, asked_ns, now)
        if asked.symbol and not found:
            self._clean[asked.symbol] = asked_ns
        if asked.symbol and not reports:
            self._empty[asked.symbol] = asked_ns
        steps += self._ledger.on_listed((asked.symbol,) if asked.symbol else None, found, asked_ns, now)
        return steps

    def traded(self, asked: Asked, rows: Sequence[Fill], page: str, now: Moment) -> tuple[list[Step], bool]:
        """Take executions; False: there is another page of them, and it is asked for."""
        steps: list[Step] = []
        strange = list(asked.strange)
        for fill in sorted(rows, key=lambda one: one.time_ns):
            tracked = self.find(fill)
            if tracked is not None:
                steps += self._ledger.on_fill(tracked, fill, now)
            elif fill.exchange_id not in self._foreign:
                strange.append(fill)
        if page:
            more = self._venue.trades(asked.symbol, from_id=page, start_ms=max(0, asked.from_ns // MS_NS))
            ask = self._calls.ask(more, now, symbol=asked.symbol, from_ns=asked.from_ns, strange=tuple(strange))
            return [*steps, ask], False
        whose: set[str] = set()
        for one in self._ledger.doubtful():
            if one.symbol != asked.symbol or one.doubt is None or one.placed_ns < asked.from_ns:
                continue
            perhaps = {fill.exchange_id for fill in strange if _could_be(fill, one)}
            if not perhaps:
                steps += self._ledger.on_absent(one, Op.TRADES, asked.sent_ns, now)
            whose |= perhaps
        for each in sorted(whose)[:MOST_QUESTIONS]:
            executed = tuple(fill for fill in strange if fill.exchange_id == each)
            call = self._venue.query(asked.symbol, "", each)
            steps.append(self._calls.ask(call, now, symbol=asked.symbol, from_ns=asked.from_ns, strange=executed))
        return steps, True

    def identified(self, report: OrderReport, asked: Asked, now: Moment) -> list[Step]:
        """Take the answer to whose order it was that executed: one of ours, or none that is in doubt."""
        tracked = self._ledger.orders.get(report.client_id) or self._inquired(report, now)
        if tracked is not None:
            return [*self._ledger.on_report(tracked, report, asked.sent_ns, now)]
        return self.strangers(report, now)

    def forgotten(self, asked: Asked, now: Moment) -> list[Step]:
        """Take that the exchange no longer has the order of these executions: they are those of the one order in doubt that they fit.

        The order must not be found by our own id either, and must be one that can't rest: whole, or of those that end at once. Where two
        could be meant, nothing is decided.
        """
        fills, executed = asked.strange, sum((fill.qty for fill in asked.strange), ZERO)
        fitting = [
            one
            for one in self._ledger.doubtful()
            if one.symbol == asked.symbol
            and one.doubt is not None
            and Op.QUERY in one.doubt.absent
            and not one.done
            and not one.filled
            and all(_could_be(fill, one) and _within(fill, one) for fill in fills)
            and (executed == one.terms.qty or (executed < one.terms.qty and _ends_at_once(one)))
        ]
        if len(fitting) != 1:
            return [Remarked("executions of an order that the exchange has forgotten", fills[0].exchange_id, loud=True)]
        one = fitting[0]
        end = Status.FILLED if executed == one.terms.qty else Status.EXPIRED
        report = OrderReport(
            one.symbol,
            one.client_id,
            fills[0].exchange_id,
            end,
            one.side,
            one.order_type,
            one.time_in_force,
            one.terms.price,
            one.terms.qty,
            executed,
            max(fill.time_ns for fill in fills),
        )
        steps: list[Step] = [*self._ledger.on_report(one, report, asked.sent_ns, now)]
        for fill in fills:
            steps += self._ledger.on_fill(one, fill, now)
        return steps

    def strangers(self, report: OrderReport, now: Moment) -> list[Step]:
        """Note an order of somebody else's: by hand, of another program, or of the exchange itself.

        One of ours that is not tracked had ended before this process, and is nobody else's.
        """
        if report.exchange_id in self._foreign:
            return []
        self._foreign[report.exchange_id] = None
        while len(self._foreign) > MOST_FOREIGN:
            del self._foreign[next(iter(self._foreign))]
        if self._ids.read(report.client_id, now.wall) is not None:
            return []
        self._counts.foreign += 1
        level = Level.WARNING if report.client_id.startswith(_EXCHANGES_OWN) else Level.INFO
        status, side = report.status.name.lower(), report.side.name.lower()
        text = f"{report.symbol}: an order that is not of this connector: {report.client_id!r} {status}"
        told = ForeignOrder(
            report.symbol,
            report.client_id,
            report.exchange_id,
            side,
            status,
            report.price,
            report.qty,
            report.executed,
            report.time_ns,
        )
        return [Note(level, text), TellPrivate(told)]

    def is_clean(self, symbols: Sequence[str], since_ns: int, *, everything: bool) -> bool:
        """Whether the exchange has said since then, of each symbol, that nothing of ours is open there; `everything`: of anybody."""
        last = self._empty if everything else self._clean
        return not self._ledger.active and all(last.get(symbol, 0) > since_ns for symbol in symbols)

    def _inquired(self, report: OrderReport, now: Moment) -> Tracked | None:
        """Return the order that is asked about because only its bot knows of it, if this report is of it."""
        owner = self._ids.read(report.client_id, now.wall)
        if owner is None:
            return None
        tracked = self._ledger.find(self._owners.of_digest(owner.digest), report.symbol, owner.order_id)
        if tracked is None or not tracked.inquired or tracked.done:
            return None
        self._ids.after(report.client_id)
        self._ledger.rename(tracked, report.client_id)
        return tracked

    def _adopted(self, report: OrderReport, now: Moment) -> Tracked | None:
        owner = self._ids.read(report.client_id, now.wall)
        instrument = self.instruments.get(report.symbol)
        if owner is None or instrument is None:
            return None
        if report.status not in (Status.NEW, Status.PARTIALLY_FILLED) and report.fill is None:
            return None
        self._ids.after(report.client_id)
        tracked = Tracked(
            report.client_id,
            self._owners.of_digest(owner.digest),
            owner.digest,
            owner.order_id,
            report.symbol,
            Decimal(instrument.tick_text),
            instrument.tick_size,
            report.side,
            report.order_type,
            report.time_in_force,
            Terms(report.price, report.qty),
            phase=Phase.LIVE,
            exchange_id=report.exchange_id,
            adopted=True,
        )
        own = report.fill.qty if report.fill is not None else ZERO
        tracked.filled = report.executed - own  # what was executed before is of no bot that is known
        tracked.told, tracked.even_ns, tracked.terms_ns = tracked.filled, report.time_ns, 0
        tracked.exch_ns = report.time_ns
        self._ledger.add(tracked)
        tracked.shown = None  # its bot, which may be there already and in doubt of it, is told
        return tracked


def _could_be(fill: Fill, order: Tracked) -> bool:
    """Whether an execution whose order is not known could be one of this order."""
    if order.exchange_id:
        return fill.exchange_id == order.exchange_id
    return fill.side is order.side and fill.qty <= order.terms.qty and fill.time_ns >= order.placed_ns - SECOND_NS


def _within(fill: Fill, order: Tracked) -> bool:
    """Whether an execution's price is within an order's limit."""
    return order.order_type is OrderType.MARKET or (fill.price - order.terms.price) * int(order.side) <= 0


def _ends_at_once(order: Tracked) -> bool:
    """Whether an order never rests."""
    return order.order_type is OrderType.MARKET or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
