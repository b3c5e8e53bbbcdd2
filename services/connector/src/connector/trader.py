"""The connector's trading core: bots' orders and the exchange's word in, requests and events out. No socket, clock or file in here.

    bot ──► sanity, risk ──► ledger ──► Ask ──► the exchange
    bot ◄── Publish ◄─────── ledger ◄── answers, pushes, questions, lists

What is in doubt is asked on a schedule; orders, executions and positions are compared as a whole at the start, after every gap of the
account's stream and on a timer (`reconcile`). Nothing is cancelled that was not asked for.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from marketlink.errors import MalformedMessage
from marketlink.messages import Batch, ErrorEvent, LiveEvent, OrderEvent, PositionEvent, SubmitOrder
from marketlink.notices import OrderProblem, to_error
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.private import Balance, Compared, Execution, ForeignOrder, RiskState
from marketlink.times import SECOND_NS, Moment, MonoNs, after
from marketlink.venues.base import Instrument
from marketlink.venues.trading import (
    ORDER_OPS,
    BalanceReport,
    Call,
    Change,
    Fill,
    HedgeModeChanged,
    Op,
    OrderReport,
    Placement,
    PositionReport,
    PrivateMessage,
    Refusal,
    StreamKeyEnded,
    TradingVenue,
    Unused,
    Verdict,
    judge,
)

from connector.client_ids import ClientIds, digest_of
from connector.effects import Ask, Effect, Journal, Level, Note, Publish, Restream, TellPrivate
from connector.ledger import MARGIN_NS, CancelAgain, Executed, Ledger, LedgerEffect, Problem, Remarked, Told
from connector.lifecycle import Phase
from connector.positions import Positions
from connector.reconcile import Reconcile
from connector.restored import Restored, tracked_orders
from connector.risk import Mode, Risk, View, Wanted, reduces
from connector.tracked import NOBODY, ZERO, Terms, Tracked

MS_NS: Final = 1_000_000
MOST_QUESTIONS: Final = 8
"""Questions about single orders under way at a time."""
MOST_HELD: Final = 10_000
"""Events held for a bot that has not registered since the start."""
MOST_ENDED: Final = 1_000
"""Ended orders of a bot and symbol that it is told again when it registers again."""
MOST_FOREIGN: Final = 20_000
_PAGE: Final = 1000  # executions in one answer


@dataclass(frozen=True, slots=True)
class Settings:
    """How the trading core behaves; see docs/trading.md for the keys behind it."""

    window_ms: int = 2_000
    reconcile_ns: int = 30 * SECOND_NS
    schedule_ns: tuple[int, ...] = (200 * MS_NS, 500 * MS_NS, 1000 * MS_NS, 2000 * MS_NS)
    silence_ns: int = 10 * SECOND_NS
    dead_man_ns: int = 0
    timeout_ns: int = 3 * SECOND_NS  # how long an order request may wait for its turn


@dataclass(frozen=True, slots=True)
class Replied:
    """An answer came: HTTP status and body, errors too."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly never left this process."""

    why: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No usable answer came: whether the request was carried out is not known."""

    why: str


Outcome = Replied | NotSent | NoAnswer


@dataclass(slots=True)
class Asked:
    """A request under way. `sent_ns` is the time stamp in it, of the exchange's clock."""

    call: Call
    orders: tuple[Tracked, ...] = ()
    sent_ns: int = 0
    symbol: str = ""
    from_ns: int = 0  # of TRADES: from when on they are asked for
    repeated: bool = False
    then: "Asked | None" = None  # to repeat under `then_number`, once the clock is measured
    then_number: int = 0


@dataclass(slots=True)
class Counts:
    """What happened, by name."""

    submitted: int = 0
    refused_here: int = 0
    foreign: int = 0
    post_only: int = 0
    remarks: dict[str, int] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)


class Trader:
    """Everything that is decided about orders. `look` tells a symbol's market for risk: its middle, and how old the look is in ms."""

    def __init__(
        self,
        venue: TradingVenue,
        ids: ClientIds,
        risk: Risk,
        settings: Settings,
        look: Callable[[str, Moment], tuple[Decimal | None, float]],
    ) -> None:
        self._venue, self._ids, self._settings, self._look = venue, ids, settings, look
        self.risk = risk
        self.ledger = Ledger(settings.window_ms * MS_NS, settings.schedule_ns)
        self.counts = Counts()
        self.instruments: Mapping[str, Instrument] = {}
        self.positions = Positions()
        self.bots: dict[int, int] = {}  # digest -> bot id
        self._registered: dict[int, set[str]] = {}
        self._held: dict[int, deque[LiveEvent | Journal]] = {}  # and what the journal is to say once they are told
        self._found: dict[str, int] = {}  # the remarks counted when all was compared last
        self._again: set[tuple[int, str]] = set()  # bots and symbols that have registered more than once
        self._ended: dict[tuple[int, str], deque[Tracked]] = {}
        self._asked: dict[int, Asked] = {}
        self._number = 0
        self._foreign: dict[str, None] = {}  # exchange ids of orders that are not ours, oldest first
        self._trades_due: dict[str, MonoNs] = {}
        self.reconcile = Reconcile(settings.reconcile_ns)
        self.streaming = False
        self.accepting = True
        self.guarded = True  # whether a watchdog is there, where one is demanded
        self.offset_ns = 0
        self._clean: dict[str, int] = {}  # by symbol: when the exchange last listed no open order of ours
        self._dead_man_due = MonoNs(0)
        self._countdowns: set[str] = set()

    # -- bots ---------------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether orders are taken: the account's stream is there, and all was compared since."""
        return not self.lacks

    @property
    def lacks(self) -> str:
        """Why no orders are taken; empty when they are."""
        if not self.accepting:
            return "the connector is stopping"
        if not (self.streaming and self.reconcile.done_once):
            return "the account's stream is not there yet"
        return "" if self.guarded else 'no watchdog is there, and the configuration demands one (watchdog = "required")'

    def on_bot(self, bot_id: int, symbol: str) -> list[Effect]:
        """Take a registration. Two bots whose digests meet could not be told apart: refused by `clash` before."""
        digest = digest_of(bot_id)
        fresh = self.bots.get(digest) != bot_id
        if symbol in self._registered.get(bot_id, ()):
            self._again.add((bot_id, symbol))
        self.bots[digest] = bot_id
        self._registered.setdefault(bot_id, set()).add(symbol)
        effects: list[Effect] = [Journal({"t": "bot", "id": bot_id})] if fresh else []
        for one in list(self.ledger.active.values()):
            if one.bot_id == NOBODY and one.digest == digest:
                self.ledger.own(one, bot_id)
        for kept in self._held.pop(bot_id, ()):
            if isinstance(kept, Journal):
                effects.append(kept)
            else:
                effects.append(Publish(Batch((kept,), bot_id, framed=False)))
        return effects

    def clash(self, bot_id: int) -> bool:
        """Whether another bot has this bot's digest."""
        return self.bots.get(digest_of(bot_id), bot_id) != bot_id

    def working(self, bot_id: int, symbol: str) -> list[OrderEvent]:
        """What a bot that registers is told of its orders: those that have not ended.

        Of one that an earlier process left, nothing is said before the exchange has spoken: the bot may know more of it than the journal.
        A bot that registers again may have lost the ends of others: it is told those too.
        """
        ended = self._ended.get((bot_id, symbol), ()) if (bot_id, symbol) in self._again else ()
        newest = [one for one in ended if self.ledger.find(bot_id, symbol, one.order_id) is one]
        known = [one for one in self.ledger.of_bot(bot_id, symbol) if one.shown is not None]
        return [OrderEvent(symbol, one.as_order()) for one in [*newest, *known]]

    def on_order(self, bot_id: int, request: SubmitOrder, now: Moment) -> list[Effect]:
        """Take a bot's order request."""
        match request.order.req:
            case Status.NEW:
                return self._submit(bot_id, request.symbol, request.order, now)
            case Status.CANCELED:
                return self._cancel(bot_id, request.symbol, request.order, now)
            case Status.REPLACED:
                return self._modify(bot_id, request.symbol, request.order, now)
        return self._refuse(bot_id, request, "", f"an order request of kind {request.order.req.name} is not known")

    def _submit(self, bot_id: int, symbol: str, order: Order, now: Moment) -> list[Effect]:
        request = SubmitOrder(symbol, order)
        known = self.ledger.find(bot_id, symbol, order.order_id)
        if known is not None and known.phase is not Phase.ENDED:
            notice = OrderProblem(
                symbol, order.order_id, "an order of this number is still open", "submit", state="refused"
            )
            return [_tell(bot_id, notice)]  # the first one is untouched, so no order event
        if symbol not in self._registered.get(bot_id, ()):
            return self._refuse(bot_id, request, "submit", f"{symbol!r} is not registered by this bot")
        if not self.ready:
            return self._refuse(bot_id, request, "submit", f"not sent: {self.lacks}")
        instrument = self.instruments[symbol]
        wanted, why_not = _wanted(symbol, order, instrument, None)
        if wanted is None:
            return self._refuse(bot_id, request, "submit", why_not)
        view = self._view(symbol, now)
        least = instrument.bounds.min_notional
        price = wanted.price or view.mid
        if reduces(wanted, view) and (
            self.risk.mode is Mode.REDUCING or (least and price and wanted.qty * price < least)
        ):  # the exchange takes a small order, and only one that can't turn the position
            wanted = dataclasses.replace(wanted, reduce_only=True)
        broken = self.risk.check(wanted, view, now.mono)
        if broken is not None:
            return self._refuse(bot_id, request, "submit", f"{broken.rule}: {broken.text}")
        client_id = self._ids.make(bot_id, order.order_id, now.wall)
        tracked = Tracked(
            client_id,
            bot_id,
            digest_of(bot_id),
            order.order_id,
            symbol,
            Decimal(instrument.tick_text),
            instrument.tick_size,
            order.side,
            order.order_type,
            order.time_in_force,
            Terms(wanted.price, wanted.qty),
            local_ns=order.local_timestamp,
            placed_ns=self.exchange_ns(now),
        )
        tracked.sent_ns = tracked.even_ns = tracked.placed_ns
        self.ledger.add(tracked)
        self.risk.count(now.mono)
        self.counts.submitted += 1
        price = wanted.price if order.order_type is OrderType.LIMIT else None
        placement = Placement(
            symbol, client_id, order.side, order.order_type, order.time_in_force, price, wanted.qty, wanted.reduce_only
        )
        ask = self._ask(self._venue.submit(placement), now, tracked)
        return [ask, Journal(record_of(tracked))]

    def _cancel(self, bot_id: int, symbol: str, order: Order, now: Moment) -> list[Effect]:
        tracked = self.ledger.find(bot_id, symbol, order.order_id)
        if tracked is None:
            return self._refuse(
                bot_id, SubmitOrder(symbol, order), "cancel", "this connector knows no such order", keep=True
            )
        if tracked.done:
            text = f"the order has ended already: {tracked.final.name.lower()}"
            notice = OrderProblem(symbol, order.order_id, text, "cancel", None, tracked.client_id, "ended")
            return [_tell(bot_id, notice)]
        if tracked.phase is Phase.CANCELING:
            return []  # it is on its way: its answer is the answer
        tracked.local_ns = order.local_timestamp
        return [self._send_cancel(tracked, now)]

    def _modify(self, bot_id: int, symbol: str, order: Order, now: Moment) -> list[Effect]:
        tracked = self.ledger.find(bot_id, symbol, order.order_id)
        request = SubmitOrder(symbol, order)
        if tracked is None:
            return self._refuse(bot_id, request, "modify", "this connector knows no such order", keep=True)

        def back(text: str) -> list[Effect]:
            """The order as it was goes back to its bot, whose own record has the new terms."""
            self.counts.refused_here += 1
            notice = OrderProblem(symbol, order.order_id, text, "modify", None, tracked.client_id, "refused")
            return [_tell(bot_id, notice, OrderEvent(symbol, tracked.as_order()))]

        if tracked.done:  # its end is told once, and gives the old terms back
            text = f"the order has ended already: {tracked.final.name.lower()}"
            notice = OrderProblem(symbol, order.order_id, text, "modify", None, tracked.client_id, "ended")
            return [_tell(bot_id, notice)]
        if tracked.phase is not Phase.LIVE:
            return back(f"something else is asked of it: {tracked.phase.value}")
        if not (self.accepting and self.guarded):
            return back(self.lacks)
        wanted, why_not = _wanted(symbol, order, self.instruments[symbol], tracked)
        if wanted is None:
            return back(why_not)
        broken = self.risk.check(wanted, self._view(symbol, now), now.mono)
        if broken is not None:
            return back(f"{broken.rule}: {broken.text}")
        tracked.local_ns = order.local_timestamp
        change = Change(symbol, tracked.client_id, tracked.side, wanted.price, wanted.qty)
        ask = self._ask(self._venue.modify(change), now, tracked)
        self.ledger.ask_modify(tracked, Terms(wanted.price, wanted.qty), self._number)
        self.risk.count(now.mono)
        record = {"t": "modify", "c": tracked.client_id, "p": f"{wanted.price:f}", "q": f"{wanted.qty:f}"}
        return [ask, Journal({**record, "ns": self.exchange_ns(now), "local": tracked.local_ns})]

    def restore(self, found: Restored) -> list[Effect]:
        """Take what an earlier process left; the exchange's instruments must be known."""
        for bot_id in found.bots:
            self.bots.setdefault(digest_of(bot_id), bot_id)
        settled_ns = self._settings.timeout_ns + self._settings.window_ms * MS_NS + MARGIN_NS
        for tracked in tracked_orders(found, self.instruments, settled_ns):
            self._ids.after(tracked.client_id)
            self.ledger.add(tracked)
            tracked.shown = None
        if not found.orders:
            return []
        text = f"{len(self.ledger.active)} orders of before are asked for"
        if found.unusable:
            text += f"; {found.unusable} records of the journal make no sense and are left out"
        return [Note(Level.WARNING if found.unusable else Level.INFO, text)]

    def _refuse(self, bot_id: int, request: SubmitOrder, op: str, text: str, *, keep: bool = False) -> list[Effect]:
        """Answer a request that never leaves. `keep`: nothing is known of the order's state, and nothing is said of it."""
        self.counts.refused_here += 1
        order = request.order
        notice = OrderProblem(request.symbol, order.order_id, text, op, state="refused")
        return [
            _tell(bot_id, notice, OrderEvent(request.symbol, refused_order(order, keep=keep))),
            Note(Level.WARNING, f"bot {bot_id}: {op} of order {order.order_id} on {request.symbol}: {text}"),
        ]

    def _view(self, symbol: str, now: Moment) -> View:
        mid, age_ms = self._look(symbol, now)
        others = ZERO
        for other, report in self.positions.items():
            if other != symbol and report.qty:
                price = self._look(other, now)[0] or report.entry_price
                others += abs(report.qty) * price
        active = tuple(one for one in self.ledger.active.values() if one.symbol == symbol)
        known = self.positions.range_of(symbol) if symbol in self.positions or self.reconcile.done_once else None
        return View(self.instruments[symbol], mid, age_ms, known, others, active)

    # -- requests -----------------------------------------------------------------------------------------------------

    def exchange_ns(self, now: Moment) -> int:
        """The exchange's time, as far as its clock was measured."""
        return now.wall + self.offset_ns

    def _ask(self, call: Call, now: Moment, *orders: Tracked, symbol: str = "", from_ns: int = 0) -> Ask:
        self._number += 1
        self._asked[self._number] = Asked(call, orders, self.exchange_ns(now), symbol, from_ns)
        for tracked in orders:
            tracked.requests[call.op] = self._number
        return Ask(self._number, call, urgent=call.op in (Op.CANCEL, Op.CANCEL_MANY, Op.CANCEL_ALL, Op.QUERY))

    def _send_cancel(self, tracked: Tracked, now: Moment) -> Ask:
        ask = self._ask(self._venue.cancel(tracked.symbol, tracked.client_id), now, tracked)
        self.ledger.ask_cancel(tracked, self._number)
        return ask

    def on_sent(self, number: int, stamp_ns: int) -> None:
        """Note the time stamp with which a request left."""
        asked = self._asked.get(number)
        if asked is None:
            return
        asked.sent_ns = stamp_ns
        if asked.call.op in ORDER_OPS:
            for tracked in asked.orders:
                tracked.sent_ns = max(tracked.sent_ns, stamp_ns)
                if asked.call.op is Op.SUBMIT:
                    tracked.placed_ns = max(tracked.placed_ns, stamp_ns)

    def on_outcome(self, number: int, outcome: Outcome, now: Moment) -> list[Effect]:
        """Take what became of a request."""
        asked = self._asked.pop(number, None)
        if asked is None:
            return []
        match outcome:
            case NotSent(why):
                note = Note(Level.WARNING, f"{asked.call.op.value}: not sent: {why}")
                return [note, *self._failed(number, asked, Verdict.REFUSED, f"not sent: {why}", None, now)]
            case NoAnswer(why):
                return self._failed(number, asked, Verdict.UNKNOWN, why, None, now)
        refusal = self._venue.read_refusal(outcome.status, outcome.body)
        if refusal is not None:
            return self._refused(number, asked, refusal, now)
        try:
            return self._answered(number, asked, outcome.body, now)
        except MalformedMessage as error:
            return self._failed(number, asked, Verdict.UNKNOWN, str(error), None, now)

    def _refused(self, number: int, asked: Asked, refusal: Refusal, now: Moment) -> list[Effect]:
        decision = judge(self._venue.decisions, asked.call.op, refusal)
        text = f"{decision.meaning}: {refusal.text}" if decision.meaning else refusal.text
        self.counts.post_only += decision.post_only
        verdict = decision.verdict
        effects: list[Effect] = []
        if verdict is Verdict.CLOCK and not asked.repeated:
            asked.repeated = True
            self._number += 1
            self._asked[self._number] = Asked(self._venue.server_time(), then=asked, then_number=number)
            return [
                Ask(self._number, self._venue.server_time(), urgent=True),
                Note(
                    Level.WARNING,
                    f"{asked.call.op.value}: {text}: the exchange's clock is measured, then it is repeated once",
                ),
            ]
        if verdict in (Verdict.CLOCK, Verdict.FATAL) and asked.call.op in (Op.SUBMIT, Op.MODIFY, Op.CANCEL):
            effects += self.halt(f"{asked.call.op.value}: {text}")
        elif not decision.post_only and asked.call.op in (Op.SUBMIT, Op.MODIFY, Op.CANCEL):
            effects.append(
                Note(Level.WARNING, f"{asked.call.op.value}: HTTP {refusal.status} code {refusal.code}: {text}")
            )
        return [*effects, *self._failed(number, asked, verdict, text, refusal.code, now)]

    def _failed(
        self, number: int, asked: Asked, verdict: Verdict, text: str, code: int | None, now: Moment
    ) -> list[Effect]:
        """Draw the consequences of a request that brought nothing."""
        op, ledger = asked.call.op, self.ledger
        out: list[LedgerEffect] = []
        if op in (Op.SUBMIT, Op.CANCEL, Op.MODIFY):
            tracked = asked.orders[0]
            match verdict:
                case Verdict.UNKNOWN:
                    out = ledger.lost(tracked, op, number, text, now)
                case Verdict.GONE:
                    out = ledger.gone(tracked, op, number, text, code, now)
                case Verdict.SUCCESS:
                    out = ledger.applied(tracked, op, number, now)
                case _:
                    out = ledger.refused(tracked, op, number, text, code, now)
            return self._carry(out, now)
        if op is Op.CANCEL_MANY:
            for tracked in asked.orders:
                if verdict is Verdict.UNKNOWN:
                    out += ledger.lost(tracked, Op.CANCEL, number, text, now)
                else:
                    out += ledger.refused(tracked, Op.CANCEL, number, text, code, now)
            return self._carry(out, now)
        if op is Op.QUERY and asked.orders:
            tracked = asked.orders[0]
            if tracked.doubt is not None:
                tracked.doubt.waiting = 0
            if verdict is Verdict.GONE:
                return self._carry(ledger.on_absent(tracked, Op.QUERY, asked.sent_ns, now), now)
            return [self._count("questions without an answer", text)]
        if op is Op.TIME and asked.then is not None:
            return self._failed(
                asked.then_number, asked.then, Verdict.REFUSED, f"{text}; and the clock can't be measured", code, now
            )
        if op in (Op.OPEN_ORDERS, Op.TRADES, Op.POSITIONS):
            self.reconcile.failed(op, asked.symbol, now.mono)
            if verdict is Verdict.FATAL:
                return [*self.halt(f"{op.value}: {text}"), self._count("parts of a comparison that failed", text)]
            return [self._count("parts of a comparison that failed", f"{op.value} {asked.symbol}: {text}")]
        if op is Op.CANCEL_ALL and verdict is Verdict.UNKNOWN:
            ledger.ask_all(asked.symbol, "everything was perhaps cancelled", now)
        return [Note(Level.WARNING, f"{op.value}: {text}")]

    def _answered(self, number: int, asked: Asked, body: bytes, now: Moment) -> list[Effect]:
        venue, op, ledger = self._venue, asked.call.op, self.ledger
        match op:
            case Op.SUBMIT | Op.CANCEL | Op.MODIFY:
                tracked = asked.orders[0]
                report = venue.read_order(body)
                if report.client_id != tracked.client_id:
                    return self._failed(number, asked, Verdict.UNKNOWN, "the answer is about another order", None, now)
                return self._carry(ledger.answered(tracked, op, number, report, now), now)
            case Op.CANCEL_MANY:
                return self._cancelled_many(number, asked, body, now)
            case Op.QUERY if not asked.orders:
                return self._identified(venue.read_order(body), asked, now)
            case Op.QUERY:
                tracked = asked.orders[0]
                report = venue.read_order(body)
                if tracked.doubt is not None:
                    tracked.doubt.waiting = 0
                if report.client_id != tracked.client_id:
                    return [self._count("answers about another order", tracked.client_id)]
                return self._carry(ledger.on_report(tracked, report, asked.sent_ns, now), now)
            case Op.OPEN_ORDERS:
                return self._listed(asked, venue.read_open_orders(body), now)
            case Op.TRADES:
                return self._traded(asked, venue.read_trades(body), now)
            case Op.POSITIONS:
                effects: list[Effect] = []
                for position in self.positions.listed(
                    venue.read_positions(body), asked.sent_ns, sorted(set().union(*self._registered.values(), set()))
                ):
                    effects += self._position(position)
                self.reconcile.got(Op.POSITIONS, "")
                return [*effects, *self._compared(now)]
            case Op.TIME:
                return self._time(asked, venue.read_time(body), now)
            case Op.CANCEL_ALL:  # each order ends by its own push, or by being asked about
                ledger.ask_all(asked.symbol, "everything was to be cancelled", now)
                return []
            case Op.HEDGE_MODE:
                if venue.read_hedge_mode(body):
                    return self.halt("the account keeps positions in two ways (hedge mode): switch it to one-way mode")
                return []
        return []

    def _cancelled_many(self, number: int, asked: Asked, body: bytes, now: Moment) -> list[Effect]:
        answers = self._venue.read_many(body)
        if len(answers) != len(asked.orders):
            text = f"{len(answers)} answers to {len(asked.orders)} cancels"
            return self._failed(number, asked, Verdict.UNKNOWN, text, None, now)
        out: list[LedgerEffect] = []
        for tracked, answer in zip(asked.orders, answers, strict=True):
            if isinstance(answer, OrderReport):
                if answer.client_id == tracked.client_id:
                    out += self.ledger.answered(tracked, Op.CANCEL, number, answer, now)
                else:
                    out += self.ledger.lost(tracked, Op.CANCEL, number, "the answer is about another order", now)
                continue
            verdict = judge(self._venue.decisions, Op.CANCEL, answer).verdict
            if verdict is Verdict.GONE:
                out += self.ledger.gone(tracked, Op.CANCEL, number, answer.text, answer.code, now)
            elif verdict is Verdict.UNKNOWN:
                out += self.ledger.lost(tracked, Op.CANCEL, number, answer.text, now)
            else:
                out += self.ledger.refused(tracked, Op.CANCEL, number, answer.text, answer.code, now)
        return self._carry(out, now)

    def _time(self, asked: Asked, server_ms: int, now: Moment) -> list[Effect]:
        """The clock is measured by the shell, which knows when the request went: here only what waited for it goes on."""
        if asked.then is None:
            return []
        number, again = asked.then_number, asked.then
        again.sent_ns = self.exchange_ns(now)
        self._asked[number] = again
        return [Ask(number, again.call, urgent=True)]

    # -- the exchange's own word --------------------------------------------------------------------------------------

    def on_private(self, message: PrivateMessage, now: Moment) -> list[Effect]:
        """Take an event of the account's stream."""
        match message:
            case OrderReport():
                return self._order_pushed(message, now)
            case Fill():
                tracked = self._find(message)
                if tracked is None:
                    return []
                tracked.confirmed = True
                return self._carry(self.ledger.on_fill(tracked, message, now), now)
            case PositionReport():
                return self._position(message)
            case BalanceReport(asset, wallet, time_ns):
                return [TellPrivate(Balance(asset, wallet, time_ns))]
            case StreamKeyEnded():
                return self.on_stream_lost("its key has ended", now)
            case HedgeModeChanged(on):
                return self.halt("positions are kept in two ways from now on (hedge mode)") if on else []
            case Unused(kind, known):
                first = kind not in self.counts.unused
                self.counts.unused[kind] = self.counts.unused.get(kind, 0) + 1
                return (
                    [Note(Level.WARNING, f"the account's stream sends {kind!r}, which is not known")]
                    if first and not known
                    else []
                )

    def _order_pushed(self, report: OrderReport, now: Moment) -> list[Effect]:
        tracked = self.ledger.orders.get(report.client_id) or self._adopted(report, now)
        if tracked is None:
            return self._foreign_order(report)
        return self._carry(self.ledger.on_push(tracked, report, now), now)

    def _adopted(self, report: OrderReport, now: Moment) -> Tracked | None:
        """Take over an order of this prefix that is not known: an earlier process placed it."""
        owner = self._ids.read(report.client_id, now.wall)
        instrument = self.instruments.get(report.symbol)
        if owner is None or instrument is None:
            return None
        if report.status not in (Status.NEW, Status.PARTIALLY_FILLED) and report.fill is None:
            return None
        bot_id = self.bots.get(owner.digest, NOBODY)
        self._ids.after(report.client_id)
        tracked = Tracked(
            report.client_id,
            bot_id,
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
        self.ledger.add(tracked)
        return tracked

    def _foreign_order(self, report: OrderReport) -> list[Effect]:
        if report.exchange_id in self._foreign:
            return []
        self.counts.foreign += 1
        self._foreign[report.exchange_id] = None
        while len(self._foreign) > MOST_FOREIGN:
            del self._foreign[next(iter(self._foreign))]
        loud = report.client_id.startswith(("autoclose-", "adl_autoclose", "settlement_autoclose-"))
        text = f"{report.symbol}: an order that is not of this connector: {report.client_id!r} {report.status.name.lower()}"
        told = ForeignOrder(
            report.symbol,
            report.client_id,
            report.exchange_id,
            report.side.name.lower(),
            report.status.name.lower(),
            report.price,
            report.qty,
            report.executed,
            report.time_ns,
        )
        return [Note(Level.WARNING if loud else Level.INFO, text), TellPrivate(told)]

    def _find(self, fill: Fill) -> Tracked | None:
        return self.ledger.orders.get(fill.client_id) or self.ledger.by_exchange_id.get(fill.exchange_id)

    def _position(self, report: PositionReport) -> list[Effect]:
        if report.side != "BOTH":
            if not report.qty:
                return []
            return self.halt(f"{report.symbol}: a position kept in two ways (hedge mode): {report.side} {report.qty:f}")
        if not self.positions.take(report):
            return []
        return [Publish(Batch((self.position_event(report),), framed=False))]

    @staticmethod
    def position_event(report: PositionReport) -> PositionEvent:
        """A position as it travels."""
        return PositionEvent(report.symbol, float(report.qty), report.time_ns)

    # -- comparing ----------------------------------------------------------------------------------------------------

    def on_stream_open(self, now: Moment) -> list[Effect]:
        """The account's stream is there: what happened before is fetched."""
        self.streaming = True
        self.reconcile.start(now.mono)
        return self.on_time(now)

    def on_stream_lost(self, why: str, now: Moment) -> list[Effect]:
        """The account's stream is gone: what happens is no longer heard. Orders rest."""
        was, self.streaming = self.streaming, False
        return [Note(Level.WARNING, f"the account's stream is lost: {why}"), Restream()] if was else []

    def on_malformed(self, now: Moment) -> list[Effect]:
        """An event of the account could not be read: what it said is found by comparing everything."""
        self.reconcile.start(now.mono)
        return [self._count("events of the account that can't be read", "everything is compared anew", loud=True)]

    def _listed(self, asked: Asked, reports: Sequence[OrderReport], now: Moment) -> list[Effect]:
        out: list[LedgerEffect] = []
        effects: list[Effect] = []
        found: set[str] = set()
        for report in reports:
            tracked = self.ledger.orders.get(report.client_id) or self._adopted(report, now)
            if tracked is None:
                effects += self._foreign_order(report)
                continue
            found.add(report.client_id)
            out += self.ledger.on_report(tracked, report, asked.sent_ns, now)
        if asked.symbol and not found:
            self._clean[asked.symbol] = asked.sent_ns
        out += self.ledger.on_listed((asked.symbol,) if asked.symbol else None, found, asked.sent_ns, now)
        self.reconcile.got(Op.OPEN_ORDERS, asked.symbol)
        return [*effects, *self._carry(out, now), *self._compared(now)]

    def _traded(self, asked: Asked, rows: Sequence[Fill], now: Moment) -> list[Effect]:
        out: list[LedgerEffect] = []
        strange: list[Fill] = []
        whose: set[str] = set()
        for fill in sorted(rows, key=lambda one: one.time_ns):
            tracked = self._find(fill)
            if tracked is not None:
                out += self.ledger.on_fill(tracked, fill, now)
            elif fill.exchange_id not in self._foreign:
                strange.append(fill)
        if len(rows) >= _PAGE:
            more = self._venue.trades(asked.symbol, from_id=str(int(rows[-1].trade_id) + 1))
            return [*self._carry(out, now), self._ask(more, now, symbol=asked.symbol, from_ns=asked.from_ns)]
        for one in self.ledger.doubtful():
            if one.symbol != asked.symbol or one.doubt is None or one.placed_ns < asked.from_ns:
                continue
            perhaps = {fill.exchange_id for fill in strange if _could_be(fill, one)}
            if not perhaps:
                out += self.ledger.on_absent(one, Op.TRADES, asked.sent_ns, now)
            whose |= perhaps
        questions = [
            self._ask(self._venue.query(asked.symbol, "", each), now, symbol=asked.symbol)
            for each in sorted(whose)[:MOST_QUESTIONS]
        ]
        self.reconcile.got(Op.TRADES, asked.symbol)
        return [*self._carry(out, now), *questions, *self._compared(now)]

    def _identified(self, report: OrderReport, asked: Asked, now: Moment) -> list[Effect]:
        """Take the answer to whose order it was that executed: one of ours, or none that is in doubt."""
        tracked = self.ledger.orders.get(report.client_id)
        if tracked is not None:
            return self._carry(self.ledger.on_report(tracked, report, asked.sent_ns, now), now)
        return self._foreign_order(report)

    def _compared(self, now: Moment) -> list[Effect]:
        if not self.reconcile.finish(now.mono):
            return []
        lacking = len(self.ledger.doubtful())
        text = f"orders and positions compared with the exchange: {len(self.ledger.active)} open, {lacking} in doubt"
        found, self._found = self._found, dict(self.counts.remarks)
        news = {name: count - found.get(name, 0) for name, count in self._found.items() if count > found.get(name, 0)}
        return [Note(Level.INFO, text), TellPrivate(Compared(len(self.ledger.active), lacking, news))]

    # -- time ---------------------------------------------------------------------------------------------------------

    def on_time(self, now: Moment) -> list[Effect]:
        """Ask what is due."""
        effects: list[Effect] = []
        self.positions.on_time(self.exchange_ns(now))
        symbols = {one.symbol for one in self.ledger.active.values()} | set().union(*self._registered.values(), set())
        for op, symbol in self.reconcile.due(now.mono, symbols) if self.streaming else ():
            if op is Op.OPEN_ORDERS:
                effects.append(self._ask(self._venue.open_orders(symbol or None), now, symbol=symbol))
            elif op is Op.POSITIONS:
                effects.append(self._ask(self._venue.positions(), now))
            elif op is Op.TRADES:
                effects += self._ask_trades(symbol, now)
        effects += self._questions(now)
        effects += self._silence(now)
        effects += self._dead_man(now)
        return effects

    def _questions(self, now: Moment) -> list[Effect]:
        effects: list[Effect] = []
        under_way = sum(1 for one in self._asked.values() if one.call.op is Op.QUERY)
        for one in self.ledger.doubtful():
            doubt = one.doubt
            if doubt is None or doubt.due > now.mono or doubt.waiting:
                continue
            if one.missing or one.held or Op.QUERY in doubt.absent:
                effects += self._ask_trades(one.symbol, now)
            if Op.QUERY in doubt.absent and not one.done:
                effects += self._ask_open(one.symbol, now)
            if one.phase is not Phase.SETTLING or one.held:
                if under_way >= MOST_QUESTIONS:
                    break
                under_way += 1
                ask = self._ask(self._venue.query(one.symbol, one.client_id), now, one)
                doubt.waiting = ask.number
                effects.append(ask)
            effects += self._carry(self.ledger.next_question(one, doubt, now.mono), now)
        return effects

    def _is_asked(self, op: Op, symbol: str) -> bool:
        return any(one.call.op is op and one.symbol == symbol for one in self._asked.values())

    def _ask_open(self, symbol: str, now: Moment) -> list[Effect]:
        if self._is_asked(Op.OPEN_ORDERS, symbol):
            return []
        return [self._ask(self._venue.open_orders(symbol), now, symbol=symbol)]

    def _ask_trades(self, symbol: str, now: Moment) -> list[Effect]:
        """Ask for executions since the oldest moment that an order of the symbol lacks any."""
        if self._is_asked(Op.TRADES, symbol):
            return []
        lacking = [one.even_ns or one.placed_ns for one in self.ledger.active.values() if one.symbol == symbol]
        from_ns = min(lacking, default=self.exchange_ns(now)) - SECOND_NS
        call = self._venue.trades(symbol, start_ms=max(0, from_ns // MS_NS))
        return [self._ask(call, now, symbol=symbol, from_ns=from_ns)]

    def _silence(self, now: Moment) -> list[Effect]:
        """An order that works by an answer and of which no push tells: the stream is open and silent."""
        if not self.streaming:
            return []
        late_ns = self.exchange_ns(now) - self._settings.silence_ns
        for one in self.ledger.active.values():
            if one.phase is Phase.LIVE and not one.confirmed and not one.adopted and 0 < one.sent_ns < late_ns:
                for each in self.ledger.active.values():
                    each.confirmed = True  # asked once: the comparison that follows tells the rest
                text = f"{one.symbol}: order {one.order_id} works and the account's stream says nothing of it"
                return [Note(Level.WARNING, text), *self.on_stream_lost("open but silent", now)]
        return []

    def _dead_man(self, now: Moment) -> list[Effect]:
        """Have the exchange cancel everything of a symbol unless this process goes on saying that it lives."""
        if not self._settings.dead_man_ns or now.mono < self._dead_man_due or not self.streaming:
            return []
        self._dead_man_due = after(now.mono, self._settings.dead_man_ns // 4)
        symbols = {one.symbol for one in self.ledger.active.values()}
        idle, self._countdowns = self._countdowns - symbols, symbols
        ms = self._settings.dead_man_ns // MS_NS
        return [
            *(self._ask(self._venue.countdown(symbol, ms), now, symbol=symbol) for symbol in sorted(symbols)),
            *(self._ask(self._venue.countdown(symbol, 0), now, symbol=symbol) for symbol in sorted(idle)),
        ]

    # -- ending -------------------------------------------------------------------------------------------------------

    def halt(self, why: str) -> list[Effect]:
        """Let only cancels pass from here on."""
        if self.risk.mode is Mode.HALTED:
            return []
        return self.set_mode(Mode.HALTED, why)

    def set_mode(self, mode: Mode, why: str) -> list[Effect]:
        """Let all pass, or only what reduces a position, or only cancels, from here on."""
        self.risk.mode, self.risk.why = mode, "" if mode is Mode.ACTIVE else why
        note = Note(Level.INFO if mode is Mode.ACTIVE else Level.WARNING, f"{mode.name}: {why}")
        return [note, TellPrivate(RiskState(mode.value, why))]

    def cancel_own(self, now: Moment) -> list[Effect]:
        """Cancel every order of this connector that is not being cancelled yet, ten at a time; those whose submit is open by themselves."""
        effects: list[Effect] = []
        by_symbol: dict[str, list[Tracked]] = {}
        for one in self.ledger.active.values():
            if one.done or one.phase is Phase.CANCELING or (one.wants_cancel and Op.CANCEL in one.requests):
                continue
            if one.phase in (Phase.SENT, Phase.SUBMIT_IN_DOUBT, Phase.CANCEL_IN_DOUBT):
                effects.append(self._send_cancel(one, now))
            else:
                by_symbol.setdefault(one.symbol, []).append(one)
        for symbol, orders in by_symbol.items():
            for start in range(0, len(orders), 10):
                some = orders[start : start + 10]
                if len(some) == 1:
                    effects.append(self._send_cancel(some[0], now))
                    continue
                call = self._venue.cancel_many(symbol, [one.client_id for one in some])
                effects.append(self._ask(call, now, *some, symbol=symbol))
                for one in some:
                    one.requests.pop(Op.CANCEL_MANY, None)
                    self.ledger.ask_cancel(one, self._number)
        return effects

    def verify(self, now: Moment) -> list[Effect]:
        """Ask for the open orders of every symbol that had any."""
        return [effect for symbol in sorted(self._touched()) for effect in self._ask_open(symbol, now)]

    def is_clean(self, since_ns: int) -> bool:
        """Whether the exchange has said since then, of every symbol, that nothing of ours is open there."""
        return not self.ledger.active and all(self._clean.get(symbol, 0) > since_ns for symbol in self._touched())

    def cancel_everything(self, now: Moment) -> list[Effect]:
        """Cancel every order of the account on the symbols in use, whoever placed it."""
        symbols = self._touched() | set().union(*self._registered.values(), set())
        return [self._ask(self._venue.cancel_all(symbol), now, symbol=symbol) for symbol in sorted(symbols)]

    def _touched(self) -> set[str]:
        return {one.symbol for one in self.ledger.orders.values()}

    # -- effects ------------------------------------------------------------------------------------------------------

    def _carry(self, effects: list[LedgerEffect], now: Moment) -> list[Effect]:
        """Turn what the ledger says into what is sent to bots, asked, noted and kept."""
        out: list[Effect] = []
        for effect in effects:
            match effect:
                case Told(tracked, order):
                    if self.ledger.find(tracked.bot_id, tracked.symbol, tracked.order_id) is tracked:
                        out += self._to_owner(tracked, OrderEvent(tracked.symbol, order))
                    else:  # its bot would take it for news of the order that has the number now
                        out.append(
                            self._count("news of an order whose number is in use again", tracked.client_id, loud=True)
                        )
                    if tracked.phase is Phase.ENDED:
                        ended = self._ended.setdefault((tracked.bot_id, tracked.symbol), deque(maxlen=MOST_ENDED))
                        ended.append(tracked)
                        out += self._when_told(tracked, Journal({"t": "end", "c": tracked.client_id}))
                case Problem(tracked, notice):
                    out += self._to_owner(tracked, ErrorEvent(to_error(notice)))
                case Executed(tracked, fill, _, again):
                    out.append(TellPrivate(_execution(tracked, fill)))
                    if not again:
                        self.positions.executed(fill)
                        record = {"t": "fill", "c": tracked.client_id, "id": fill.trade_id, "q": f"{fill.qty:f}"}
                        out += self._when_told(tracked, Journal({**record, "ns": fill.time_ns}))
                case CancelAgain(tracked):
                    out.append(self._send_cancel(tracked, now))
                case Remarked(what, text, loud):
                    out.append(self._count(what, text, loud=loud))
        return out

    def _to_owner(self, tracked: Tracked, event: LiveEvent) -> list[Effect]:
        bot_id = tracked.bot_id
        if bot_id == NOBODY:
            return []
        if bot_id not in self._registered:
            self._held.setdefault(bot_id, deque(maxlen=MOST_HELD)).append(event)
            return []
        return [Publish(Batch((event,), bot_id, framed=False))]

    def _when_told(self, tracked: Tracked, record: Journal) -> list[Effect]:
        """Keep a record behind what its bot is told: what waits for the bot is found anew when this process is killed before."""
        if tracked.bot_id != NOBODY and tracked.bot_id not in self._registered:
            self._held.setdefault(tracked.bot_id, deque(maxlen=MOST_HELD)).append(record)
            return []
        return [record]

    def _count(self, what: str, text: str, *, loud: bool = False) -> Effect:
        self.counts.remarks[what] = self.counts.remarks.get(what, 0) + 1
        return Note(Level.WARNING if loud else Level.INFO, f"{what}: {text}")


def _execution(tracked: Tracked, fill: Fill) -> Execution:
    return Execution(
        tracked.symbol,
        tracked.bot_id,
        tracked.order_id,
        tracked.client_id,
        tracked.exchange_id,
        fill.trade_id,
        tracked.side.name.lower(),
        fill.price,
        fill.qty,
        fill.maker,
        fill.time_ns,
        fill.fee,
        fill.fee_asset,
    )


def _tell(bot_id: int, notice: OrderProblem, *events: LiveEvent) -> Effect:
    return Publish(Batch((*events, ErrorEvent(to_error(notice))), bot_id, framed=False))


def refused_order(order: Order, *, keep: bool = False) -> Order:
    """A bot's order back: nothing is asked any more. A refused submit is Expired, which every bot takes for final."""
    status = Status.EXPIRED if order.req is Status.NEW and not keep else order.status
    return Order(
        order.qty, order.leaves_qty, 0.0, 0, order.price_tick, order.tick_size, order.exch_timestamp, order.local_timestamp,
        order.order_id, False, order.order_type, Status.NONE, status, order.side, order.time_in_force,
    )  # fmt: skip


def record_of(tracked: Tracked) -> dict[str, object]:
    """What the journal keeps of a new order."""
    return {
        "t": "order",
        "c": tracked.client_id,
        "b": tracked.bot_id,
        "i": tracked.order_id,
        "s": tracked.symbol,
        "side": tracked.side.name,
        "type": tracked.order_type.name,
        "tif": tracked.time_in_force.name,
        "p": f"{tracked.terms.price:f}",
        "q": f"{tracked.terms.qty:f}",
        "ns": tracked.placed_ns,
        "local": tracked.local_ns,
    }


def _wanted(symbol: str, order: Order, instrument: Instrument, replaces: Tracked | None) -> tuple[Wanted | None, str]:
    """Read what a bot asks for as exact numbers; what can't be one is named."""
    tick, lot = Decimal(instrument.tick_text), Decimal(instrument.lot_text)
    if order.side not in (Side.BUY, Side.SELL):
        return None, f"side {order.side.name} can't be traded"
    if order.order_type not in (OrderType.LIMIT, OrderType.MARKET):
        return None, f"order type {order.order_type.name} is not known"
    if order.time_in_force is TimeInForce.UNSUPPORTED:
        return None, "the time in force is not known"
    if not 0.0 < order.qty < 1e15:  # NaN fails too
        return None, f"quantity {order.qty} is no positive number"
    if order.tick_size and abs(order.tick_size - instrument.tick_size) > 1e-9 * instrument.tick_size:
        return None, f"tick size {order.tick_size} is not the exchange's {instrument.tick_size}"
    lots = round(order.qty / instrument.lot_size)
    if abs(order.qty - lots * instrument.lot_size) > 1e-6 * instrument.lot_size or not lots:
        return None, f"lot_size: quantity {order.qty} is no positive multiple of {lot:f}"
    if replaces is not None and replaces.order_type is not OrderType.LIMIT:
        return None, "only limit orders can be modified"
    order_type = order.order_type if replaces is None else replaces.order_type
    side = order.side if replaces is None else replaces.side
    price = ZERO
    if order_type is OrderType.LIMIT:
        if not 0 < order.price_tick < 1 << 53:
            return None, f"tick_size: price {order.price_tick} ticks is no price"
        price = order.price_tick * tick
    return Wanted(symbol, side, order_type, price, lots * lot, False, replaces), ""


def _could_be(fill: Fill, order: Tracked) -> bool:
    """Whether an execution whose order is not known could be one of this order."""
    if order.exchange_id:
        return fill.exchange_id == order.exchange_id
    return fill.side is order.side and fill.qty <= order.terms.qty and fill.time_ns >= order.placed_ns - SECOND_NS
