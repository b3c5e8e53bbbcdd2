"""Bots' order requests: what may leave as a request to the exchange, and what is answered here. Pure."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from marketlink.messages import Batch, OrderEvent, SubmitOrder
from marketlink.notices import OrderProblem
from marketlink.orders import Order, OrderType, Status
from marketlink.times import SECOND_NS, Moment
from marketlink.venues.base import Instrument
from marketlink.venues.trading import Change, Placement, TradingVenue, Unmodifiable

from connector.calls import Calls
from connector.client_ids import ClientIds, digest_of
from connector.comparing import Comparing
from connector.counts import Counts
from connector.effects import Ask, Effect, Journal, Level, Note, Publish
from connector.ledger import Ledger
from connector.lifecycle import Phase
from connector.order_request import read_wanted, record_of, refused_order, tell
from connector.owners import Owners
from connector.positions import Positions
from connector.risk import Look, Mode, Risk, View, Wanted, reduces
from connector.tracked import ZERO, Doubt, Terms, Tracked

LOOK_BACK_NS: Final = 3600 * SECOND_NS
"""How long before this process an order that only its bot knows may have been placed."""


class Intake:
    """Takes what bots ask for. Cancels always pass; the rest passes sanity and risk, and only while `closed` says nothing."""

    def __init__(
        self,
        venue: TradingVenue,
        ids: ClientIds,
        risk: Risk,
        look: Callable[[str, Moment], Look],
        ledger: Ledger,
        owners: Owners,
        calls: Calls,
        comparing: Comparing,
        positions: Positions,
        counts: Counts,
    ) -> None:
        self._venue, self._ids, self._risk, self._look = venue, ids, risk, look
        self._ledger, self._owners, self._calls, self._comparing = ledger, owners, calls, comparing
        self._positions, self._counts = positions, counts

    def take(
        self, bot_id: int, request: SubmitOrder, now: Moment, *, closed: str, closed_for_changes: str, compared: bool
    ) -> list[Effect]:
        """Take a bot's order request.

        `closed` and `closed_for_changes` say why no new orders and no modifies are taken, empty when they are; `compared`: whether
        positions were ever compared with the exchange, so that one it has not told is none.
        """
        match request.order.req:
            case Status.NEW:
                return self._submit(bot_id, request.symbol, request.order, now, closed, compared)
            case Status.CANCELED:
                return self._cancel(bot_id, request.symbol, request.order, now)
            case Status.REPLACED:
                return self._modify(bot_id, request.symbol, request.order, now, closed_for_changes, compared)
            case Status.NONE:
                return self._asked_about(bot_id, request.symbol, request.order, now)
        return self._refuse(bot_id, request, "", f"an order request of kind {request.order.req.name} is not known")

    def _submit(self, bot_id: int, symbol: str, order: Order, now: Moment, closed: str, compared: bool) -> list[Effect]:
        request = SubmitOrder(symbol, order)
        known = self._ledger.find(bot_id, symbol, order.order_id)
        if known is not None and known.phase is not Phase.ENDED:
            notice = OrderProblem(
                symbol, order.order_id, "an order of this number is still open", "submit", state="refused"
            )
            return [tell(bot_id, notice)]  # the first one is untouched, so no order event
        if not self._owners.has(bot_id, symbol):
            return self._refuse(bot_id, request, "submit", f"{symbol!r} is not registered by this bot")
        if closed:
            return self._refuse(bot_id, request, "submit", f"not sent: {closed}")
        instrument = self._comparing.instruments[symbol]
        wanted, why_not = read_wanted(symbol, order, instrument)
        if wanted is None:
            return self._refuse(bot_id, request, "submit", why_not)
        view = self._view(symbol, now, compared)
        least = instrument.bounds.min_notional
        price = wanted.price or view.mid
        if reduces(wanted, view) and (
            self._risk.mode is Mode.REDUCING or (least and price and instrument.notional(wanted.qty, price) < least)
        ):  # the exchange takes a small order, and only one that can't turn the position
            wanted = dataclasses.replace(wanted, reduce_only=True)
        broken = self._risk.check(wanted, view, now.mono)
        if broken is not None:
            return self._refuse(bot_id, request, "submit", f"{broken.rule}: {broken.text}")
        tracked = self._tracked(bot_id, order, wanted, instrument, now)
        tracked.placed_ns = self._calls.exchange_ns(now)
        tracked.sent_ns = tracked.even_ns = tracked.placed_ns
        self._ledger.add(tracked)
        self._risk.count(now.mono)
        self._counts.submitted += 1
        price = wanted.price if order.order_type is OrderType.LIMIT else None
        placement = Placement(
            symbol,
            tracked.client_id,
            order.side,
            order.order_type,
            order.time_in_force,
            price,
            wanted.qty,
            wanted.reduce_only,
        )
        ask = self._calls.ask(self._venue.submit(placement), now, tracked)
        return [ask, Journal(record_of(tracked))]

    def _cancel(self, bot_id: int, symbol: str, order: Order, now: Moment) -> list[Effect]:
        tracked = self._ledger.find(bot_id, symbol, order.order_id)
        if tracked is None:
            text = "this connector knows no such order"
            refused = self._refuse(bot_id, SubmitOrder(symbol, order), "cancel", text, keep=True)
            if not self._owners.of_before(bot_id):
                return refused
            return [*refused, *self._inquire(bot_id, symbol, order, now, wants_cancel=True)]
        if tracked.done:
            text = f"the order has ended already: {tracked.final.name.lower()}"
            notice = OrderProblem(symbol, order.order_id, text, "cancel", None, tracked.client_id, "ended")
            return [tell(bot_id, notice)]
        if tracked.inquired:
            tracked.wants_cancel = True
            return self._refuse(bot_id, SubmitOrder(symbol, order), "cancel", "the exchange is being asked", keep=True)
        if tracked.phase is Phase.CANCELING:
            return []  # it is on its way: its answer is the answer
        tracked.local_ns = order.local_timestamp
        return [self.send_cancel(tracked, now)]

    def _asked_about(self, bot_id: int, symbol: str, order: Order, now: Moment) -> list[Effect]:
        """Answer a bot that asks what became of a submit, about which the answer to its registration said nothing."""
        tracked = self._ledger.find(bot_id, symbol, order.order_id)
        if tracked is not None:  # of one without a word to its bot yet, the exchange is being asked
            shown = tracked.done or tracked.shown is not None
            return [Publish(Batch((OrderEvent(symbol, tracked.as_order()),), bot_id, framed=False))] if shown else []
        if not self._owners.has(bot_id, symbol):
            return self._refuse(bot_id, SubmitOrder(symbol, order), "", f"{symbol!r} is not registered by this bot")
        return self._inquire(bot_id, symbol, order, now, wants_cancel=False)

    def _inquire(self, bot_id: int, symbol: str, order: Order, now: Moment, *, wants_cancel: bool) -> list[Effect]:
        """Have the exchange asked about an order of which nobody has told its bot yet.

        A process that was killed may have placed it and its record been lost, or never have read the request. Its client id is unknown:
        what executes and what is open tells by its id whose it is, and a question for an id that was never used finds nothing. When it is
        there it is told, and cancelled if wanted; when it is nowhere its end is told.
        """
        instrument = self._comparing.instruments.get(symbol)
        fresh = order.status in (Status.NONE, Status.NEW) and not order.exch_timestamp
        if instrument is None or not fresh:
            return []
        wanted, _ = read_wanted(symbol, order, instrument)
        if wanted is None:
            return []
        tracked = self._tracked(bot_id, order, wanted, instrument, now)
        tracked.phase, tracked.wants_cancel = Phase.SUBMIT_IN_DOUBT, wants_cancel
        tracked.adopted = tracked.inquired = True
        tracked.placed_ns = max(0, self._comparing.settled_ns - LOOK_BACK_NS)
        tracked.even_ns = tracked.placed_ns
        tracked.doubt = Doubt("only its bot knows of it", now.mono, self._comparing.settled_ns)
        self._ledger.add(tracked)
        tracked.shown = None
        return [Note(Level.INFO, f"order {order.order_id} of bot {bot_id} on {symbol}: the exchange is asked about it")]

    def _tracked(self, bot_id: int, order: Order, wanted: Wanted, instrument: Instrument, now: Moment) -> Tracked:
        """A bot's order under a client id of its own."""
        return Tracked(
            self._ids.make(bot_id, order.order_id, now.wall),
            bot_id,
            digest_of(bot_id),
            order.order_id,
            wanted.symbol,
            Decimal(instrument.tick_text),
            instrument.tick_size,
            order.side,
            order.order_type,
            order.time_in_force,
            Terms(wanted.price, wanted.qty),
            local_ns=order.local_timestamp,
        )

    def _modify(self, bot_id: int, symbol: str, order: Order, now: Moment, closed: str, compared: bool) -> list[Effect]:
        tracked = self._ledger.find(bot_id, symbol, order.order_id)
        request = SubmitOrder(symbol, order)
        if tracked is None or (tracked.inquired and not tracked.done):
            return self._refuse(bot_id, request, "modify", "this connector knows no such order", keep=True)

        def back(text: str) -> list[Effect]:
            """The order as it was goes back to its bot, whose own record has the new terms."""
            self._counts.refused_here += 1
            notice = OrderProblem(symbol, order.order_id, text, "modify", None, tracked.client_id, "refused")
            return [tell(bot_id, notice, OrderEvent(symbol, tracked.as_order()))]

        if tracked.done:  # its end is told once, and gives the old terms back
            text = f"the order has ended already: {tracked.final.name.lower()}"
            notice = OrderProblem(symbol, order.order_id, text, "modify", None, tracked.client_id, "ended")
            return [tell(bot_id, notice)]
        if tracked.phase is not Phase.LIVE:
            return back(f"something else is asked of it: {tracked.phase.value}")
        if closed:
            return back(closed)
        wanted, why_not = read_wanted(symbol, order, self._comparing.instruments[symbol], tracked)
        if wanted is None:
            return back(why_not)
        broken = self._risk.check(wanted, self._view(symbol, now, compared), now.mono)
        if broken is not None:
            return back(f"{broken.rule}: {broken.text}")
        old = tracked.terms
        change = Change(symbol, tracked.client_id, tracked.side, wanted.price, wanted.qty, old.price, old.qty)
        try:
            call = self._venue.modify(change)
        except Unmodifiable as error:
            return back(f"not sent: {error}")
        tracked.local_ns = order.local_timestamp
        ask = self._calls.ask(call, now, tracked)
        self._ledger.ask_modify(tracked, Terms(wanted.price, wanted.qty), self._calls.number)
        self._risk.count(now.mono)
        record = {"t": "modify", "c": tracked.client_id, "p": f"{wanted.price:f}", "q": f"{wanted.qty:f}"}
        return [ask, Journal({**record, "ns": self._calls.exchange_ns(now), "local": tracked.local_ns})]

    def _refuse(self, bot_id: int, request: SubmitOrder, op: str, text: str, *, keep: bool = False) -> list[Effect]:
        """Answer a request that never leaves. `keep`: nothing is known of the order's state, and nothing is said of it."""
        self._counts.refused_here += 1
        order = request.order
        notice = OrderProblem(request.symbol, order.order_id, text, op, state="refused")
        return [
            tell(bot_id, notice, OrderEvent(request.symbol, refused_order(order, keep=keep))),
            Note(Level.WARNING, f"bot {bot_id}: {op} of order {order.order_id} on {request.symbol}: {text}"),
        ]

    def _view(self, symbol: str, now: Moment, compared: bool) -> View:
        mid, age_ms = self._look(symbol, now)
        others = ZERO
        for other, report in self._positions.items():
            if other != symbol and report.qty:
                price = self._look(other, now)[0] or report.entry_price
                others += self._worth(other, abs(report.qty), price)
        active = tuple(one for one in self._ledger.active.values() if one.symbol == symbol)
        known = self._positions.range_of(symbol) if symbol in self._positions or compared else None
        return View(self._comparing.instruments[symbol], mid, age_ms, known, others, active)

    def _worth(self, symbol: str, qty: Decimal, price: Decimal) -> Decimal:
        instrument = self._comparing.instruments.get(symbol)
        return qty * price if instrument is None else instrument.notional(qty, price)

    def send_cancel(self, tracked: Tracked, now: Moment) -> Ask:
        """Return the request that cancels an order, and note that it goes out."""
        ask = self._calls.ask(self._venue.cancel(tracked.symbol, tracked.client_id), now, tracked)
        self._ledger.ask_cancel(tracked, ask.number)
        return ask
