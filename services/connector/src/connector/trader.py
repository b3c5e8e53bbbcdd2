"""The connector's trading core: bots' orders and the exchange's word in, requests and events out. No socket, clock or file in here.

    bot ──► sanity, risk ──► ledger ──► Ask ──► the exchange
    bot ◄── Publish ◄─────── ledger ◄── answers, pushes, questions, lists

What is in doubt is asked on a schedule; orders, executions and positions are compared as a whole at the start, after every gap of the
account's stream and on a timer (`reconcile`). Nothing is cancelled that was not asked for. What bots ask is `intake`, what becomes
of a request `outcomes`, what is asked about orders `comparing`, who is told `owners`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from marketlink.link.port import Present
from marketlink.messages import Batch, ErrorEvent, OrderEvent, PositionEvent, SubmitOrder
from marketlink.notices import to_error
from marketlink.private import Balance, Compared, Execution, OrderEnd, RiskState
from marketlink.times import SECOND_NS, Moment, MonoNs, after
from marketlink.venues.base import Instrument
from marketlink.venues.trading import (
    AccountReport,
    BalanceReport,
    Fill,
    HedgeModeChanged,
    HoldingReport,
    Op,
    OrderReport,
    PositionReport,
    PrivateMessage,
    StreamKeyEnded,
    StreamStep,
    TradingVenue,
    Unused,
)

from connector.absence import Absence, Orphans
from connector.calls import Calls, Outcome
from connector.client_ids import ClientIds
from connector.comparing import MS_NS, Comparing
from connector.counts import Counts
from connector.effects import Effect, Journal, Level, Note, Publish, Restream, TellPrivate
from connector.holdings import Holdings
from connector.intake import Intake
from connector.ledger import MARGIN_NS, CancelAgain, Executed, Ledger, Problem, Remarked, Told
from connector.lifecycle import Phase
from connector.margin import Margin
from connector.order_request import record_of
from connector.outcomes import Halt, Outcomes, OutcomeStep, Positioned
from connector.owners import Owners
from connector.positions import Positions
from connector.reconcile import Reconcile
from connector.restored import Restored, tracked_orders
from connector.risk import Look, Mode, Risk
from connector.tracked import Tracked

MOST_UNMATCHED: Final = 1_000
"""Orders that are not known, whose executions are held."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the trading core behaves; see docs/trading.md for the keys behind it."""

    window_ms: int = 2_000
    reconcile_ns: int = 30 * SECOND_NS
    schedule_ns: tuple[int, ...] = (200 * MS_NS, 500 * MS_NS, 1000 * MS_NS, 2000 * MS_NS)
    silence_ns: int = 10 * SECOND_NS
    dead_man_ns: int = 0
    timeout_ns: int = 3 * SECOND_NS  # how long an order request may wait for its turn
    bot_timeout_ns: int = 0
    uni_mmr_min: Decimal | None = None
    orphans: Orphans = Orphans.KEEP
    cancel_on_register: bool = False


class Trader:
    """Everything that is decided about orders."""

    def __init__(
        self,
        venue: TradingVenue,
        ids: ClientIds,
        risk: Risk,
        settings: Settings,
        look: Callable[[str, Moment], Look],
    ) -> None:
        self._venue, self._ids, self._settings = venue, ids, settings
        self.risk = risk
        self.ledger = Ledger(settings.window_ms * MS_NS, settings.schedule_ns)
        self.positions = Positions()
        self._holdings = Holdings()
        self.reconcile = Reconcile(settings.reconcile_ns)
        self.counts = Counts()
        self._owners = Owners(self.ledger)
        self._calls = Calls()
        self._comparing = Comparing(venue, ids, self.ledger, self._owners, self._calls, self.counts)
        self._outcomes = Outcomes(
            venue,
            self.ledger,
            self._owners,
            self._calls,
            self._comparing,
            self.reconcile,
            self.positions,
            self._holdings,
            self.counts,
        )
        self._intake = Intake(
            venue,
            ids,
            risk,
            look,
            self.ledger,
            self._owners,
            self._calls,
            self._comparing,
            self.positions,
            self.counts,
        )
        self.margin = Margin(venue, self._calls, settings.uni_mmr_min)
        self.streaming = False
        self.accepting = True
        self.guarded = True  # whether a watchdog is there, where one is demanded
        self._found: dict[str, int] = {}  # the remarks counted when all was compared last
        self._dead_man_due = MonoNs(0)
        self._countdowns: set[str] = set()
        self._to_clear: set[str] = set()
        self._unmatched: dict[str, dict[str, Fill]] = {}  # by the exchange's id of the order
        self._absence = Absence(settings.bot_timeout_ns, settings.orphans)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The exchange's instruments, once they are known."""
        return self._comparing.instruments

    @instruments.setter
    def instruments(self, instruments: Mapping[str, Instrument]) -> None:
        self._comparing.instruments = instruments
        self._holdings.know(instruments)

    @property
    def offset_ns(self) -> int:
        """The exchange's clock against this machine's."""
        return self._calls.offset_ns

    @offset_ns.setter
    def offset_ns(self, offset_ns: int) -> None:
        self._calls.offset_ns = offset_ns

    def exchange_ns(self, now: Moment) -> int:
        """The exchange's time, as far as its clock was measured."""
        return self._calls.exchange_ns(now)

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
        if self.margin.lacks:
            return self.margin.lacks
        return "" if self.guarded else 'no watchdog is there, and the configuration demands one (watchdog = "required")'

    def on_bot(self, bot_id: int, symbol: str) -> list[Effect]:
        """Take a registration. Two bots whose digests meet could not be told apart: refused by `clash` before."""
        if self._settings.cancel_on_register and symbol not in self._owners.symbols():
            self._to_clear.add(symbol)
        return self._owners.register(bot_id, symbol)

    def clash(self, bot_id: int) -> bool:
        """Whether another bot has this bot's digest."""
        return self._owners.clash(bot_id)

    def working(self, bot_id: int, symbol: str) -> list[OrderEvent]:
        """What a bot that registers is told of its orders."""
        return self._owners.working(bot_id, symbol)

    def on_order(self, bot_id: int, request: SubmitOrder, now: Moment) -> list[Effect]:
        """Take a bot's order request."""
        lacks = self.lacks
        changes = "" if self.accepting and self.guarded else lacks  # without the stream an order may still be changed
        compared = self.reconcile.done_once
        return self._intake.take(bot_id, request, now, closed=lacks, closed_for_changes=changes, compared=compared)

    @property
    def _settled_ns(self) -> int:
        """How long after a process has ended a request of its may still arrive: it waited for its turn, and its time window is not over."""
        return self._settings.timeout_ns + self._settings.window_ms * MS_NS + MARGIN_NS

    def restore(self, found: Restored) -> list[Effect]:
        """Take what an earlier process left; the exchange's instruments must be known."""
        for bot_id in found.bots:
            self._owners.remember(bot_id)
        for tracked in tracked_orders(found, self.instruments, self._settled_ns):
            self._ids.after(tracked.client_id)
            self.ledger.add(tracked)
            tracked.shown = None
        if not found.orders:
            return []
        text = f"{len(self.ledger.active)} orders of before are asked for"
        if found.unusable:
            text += f"; {found.unusable} records of the journal make no sense and are left out"
        return [Note(Level.WARNING if found.unusable else Level.INFO, text)]

    # -- the exchange's word ------------------------------------------------------------------------------------------

    def on_sent(self, number: int, stamp_ns: int) -> None:
        """Note the time stamp with which a request left."""
        self._calls.on_sent(number, stamp_ns)

    def on_outcome(self, number: int, outcome: Outcome, now: Moment) -> list[Effect]:
        """Take what became of a request."""
        effects = self._carry(self._outcomes.take(number, outcome, now), now)
        return [*effects, *self._matched(now), *self._compared(now)]

    def on_private(self, message: PrivateMessage, now: Moment) -> list[Effect]:
        """Take an event of the account's stream."""
        match message:
            case OrderReport():
                return self._order_pushed(message, now)
            case Fill():
                tracked = self._comparing.find(message)
                if tracked is None:
                    self._hold(message)
                    return []
                tracked.confirmed = True
                return self._carry(self.ledger.on_fill(tracked, message, now), now)
            case PositionReport():
                return self._position(message)
            case HoldingReport():
                return [effect for report in self._holdings.take(message) for effect in self._position(report)]
            case BalanceReport() | AccountReport():
                return self._carry([message], now)
            case StreamKeyEnded():
                return self.on_stream_lost("its key has ended", now)
            case HedgeModeChanged(on):
                return self.halt("positions are kept in two ways from now on (hedge mode)") if on else []
            case StreamStep():  # the shell's own business
                return []
            case Unused(kind, known):
                first = kind not in self.counts.unused
                self.counts.unused[kind] = self.counts.unused.get(kind, 0) + 1
                return (
                    [Note(Level.WARNING, f"the account's stream sends {kind!r}, which is not known")]
                    if first and not known
                    else []
                )

    def _order_pushed(self, report: OrderReport, now: Moment) -> list[Effect]:
        tracked = self._comparing.known(report, now)
        if tracked is None:
            return self._carry(self._comparing.strangers(report, now), now)
        return [*self._carry(self.ledger.on_push(tracked, report, now), now), *self._matched(now)]

    def _hold(self, fill: Fill) -> None:
        """Keep an execution that names only the exchange's id of an order, which is not known yet: it may be one of ours."""
        self._unmatched.setdefault(fill.exchange_id, {})[fill.trade_id] = fill
        while len(self._unmatched) > MOST_UNMATCHED:
            del self._unmatched[next(iter(self._unmatched))]

    def _matched(self, now: Moment) -> list[Effect]:
        """Count the executions that were held, of orders that are known by now."""
        effects: list[Effect] = []
        for exchange_id in sorted(self._unmatched.keys() & self.ledger.by_exchange_id.keys()):
            tracked = self.ledger.by_exchange_id[exchange_id]
            tracked.confirmed = True
            for fill in self._unmatched.pop(exchange_id).values():
                effects += self._carry(self.ledger.on_fill(tracked, fill, now), now)
        return effects

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

    def on_stream_open(self, now: Moment) -> list[Effect]:
        """The account's stream is there: what happened before is fetched."""
        self.streaming = True
        if not self._comparing.settled_ns:
            self._comparing.settled_ns = self.exchange_ns(now) + self._settled_ns
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
        steps: list[OutcomeStep] = [
            Remarked("positions moved otherwise than own executions say", f"{symbol}: by {qty:+f} in all", False)
            for symbol, qty in self.positions.on_time(self.exchange_ns(now))
        ]
        symbols = {one.symbol for one in self.ledger.active.values()} | self._owners.symbols()
        for op, symbol in self.reconcile.due(now.mono, symbols) if self.streaming else ():
            if op is Op.OPEN_ORDERS:
                steps.append(self._calls.ask(self._venue.open_orders(symbol or None), now, symbol=symbol))
            elif op is Op.POSITIONS:
                steps.append(self._calls.ask(self._venue.positions(), now))
            elif op is Op.TRADES:
                steps += self._comparing.ask_trades(symbol, now)
        steps += self._comparing.questions(now)
        effects = [*self._carry(steps, now), *self._silence(now), *self._dead_man(now)]
        if self.streaming or self.reconcile.done_once:  # nothing is asked before the account's half of the shell runs
            effects += self.margin.on_time(now)
        if self._to_clear and self.reconcile.done_once:  # what is of this process was placed after the registration
            cleared, self._to_clear = self._to_clear, set()
            effects += self.cancel_own(now, lambda one: one.adopted and one.symbol in cleared)
        return effects

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
        wanted = [*((symbol, ms) for symbol in sorted(symbols)), *((symbol, 0) for symbol in sorted(idle))]
        calls = ((symbol, self._venue.countdown(symbol, after_ms)) for symbol, after_ms in wanted)
        return [self._calls.ask(call, now, symbol=symbol) for symbol, call in calls if call is not None]

    # -- bots that are gone -------------------------------------------------------------------------------------------

    @property
    def cares_for_absent(self) -> bool:
        """Whether anything happens when a bot is gone."""
        return self._absence.matters

    def on_present(self, present: Present, now: Moment) -> list[Effect]:
        """Take which bots' processes live, once a second: orders of those that are gone get what is configured."""
        if not self.reconcile.done_once or not self.accepting:
            return []
        owners = {one.bot_id for one in self.ledger.active.values()}
        leave, orphaned = self._absence.look(owners, present, now.mono)
        effects: list[Effect] = []
        if leave and (cancels := self.cancel_own(now, lambda one: one.bot_id in leave)):
            whose = ", ".join(map(str, sorted(leave)))
            effects += [Note(Level.WARNING, f"bots that are gone: {whose}: their orders are cancelled"), *cancels]
        for one in [one for one in self.ledger.active.values() if one.bot_id in orphaned]:
            effects += self._adopt(one, present)
        return effects

    def _adopt(self, one: Tracked, present: Present) -> list[Effect]:
        """Give an order whose bot does not come back to the first bot that registered its symbol and has no order of that number."""
        for bot_id, symbols in self._owners.registered():
            known = self.ledger.find(bot_id, one.symbol, one.order_id)
            if one.symbol in symbols and bot_id in present.bots and (known is None or known.phase is Phase.ENDED):
                before = one.bot_id
                self.ledger.own(one, bot_id)
                text = f"{one.symbol}: order {one.order_id} of bot {before}, which is gone, belongs to bot {bot_id} now"
                told = Publish(Batch((OrderEvent(one.symbol, one.as_order()),), bot_id, framed=False))
                return [Note(Level.WARNING, text), Journal(record_of(one)), told]
        return []

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

    def cancel_own(self, now: Moment, of: Callable[[Tracked], bool] = lambda one: True) -> list[Effect]:
        """Cancel every order of this connector that is not being cancelled yet, as many in a request as the exchange takes.

        Those whose submit is open go by themselves.
        """
        effects: list[Effect] = []
        by_symbol: dict[str, list[Tracked]] = {}
        for one in self.ledger.active.values():
            if (
                not of(one)
                or one.done
                or one.phase is Phase.CANCELING
                or (one.wants_cancel and Op.CANCEL in one.requests)
            ):
                continue
            if one.phase in (Phase.SENT, Phase.SUBMIT_IN_DOUBT, Phase.CANCEL_IN_DOUBT):
                effects.append(self._intake.send_cancel(one, now))
            else:
                by_symbol.setdefault(one.symbol, []).append(one)
        for symbol, orders in by_symbol.items():
            for start in range(0, len(orders), self._venue.most_cancels):
                some = orders[start : start + self._venue.most_cancels]
                if len(some) == 1:
                    effects.append(self._intake.send_cancel(some[0], now))
                    continue
                call = self._venue.cancel_many(symbol, [one.client_id for one in some])
                ask = self._calls.ask(call, now, *some, symbol=symbol)
                effects.append(ask)
                for one in some:
                    one.requests.pop(Op.CANCEL_MANY, None)
                    self.ledger.ask_cancel(one, ask.number)
        return effects

    def verify(self, now: Moment, *, everything: bool = False) -> list[Effect]:
        """Ask for the open orders of every symbol that had any; `everything`: of every symbol in use."""
        steps = [step for symbol in self._concerned(everything) for step in self._comparing.ask_open(symbol, now)]
        return self._carry(steps, now)

    def is_clean(self, since_ns: int, *, everything: bool = False) -> bool:
        """Whether the exchange has said since then, of every symbol, that nothing of ours is open there; `everything`: of anybody."""
        return self._comparing.is_clean(self._concerned(everything), since_ns, everything=everything)

    def cancel_everything(self, now: Moment) -> list[Effect]:
        """Cancel every order of the account on the symbols in use, whoever placed it."""
        symbols = [one for one in self._concerned(True) if not self._calls.is_asked(Op.CANCEL_ALL, one)]
        return [self._calls.ask(self._venue.cancel_all(symbol), now, symbol=symbol) for symbol in symbols]

    def _concerned(self, everything: bool) -> list[str]:
        touched = {one.symbol for one in self.ledger.orders.values()}
        return sorted(touched | self._owners.symbols() if everything else touched)

    # -- effects ------------------------------------------------------------------------------------------------------

    def _carry(self, steps: Iterable[OutcomeStep], now: Moment) -> list[Effect]:
        """Turn steps into what is sent to bots, asked, noted and kept."""
        out: list[Effect] = []
        for step in steps:
            match step:
                case Told(tracked, order):
                    told = self._owners.told(tracked, order)
                    if told is None:
                        words = "news of an order whose number is in use again"
                        told = [self._count(words, tracked.client_id, loud=True)]
                    out += told
                    if tracked.phase is Phase.ENDED:
                        out += [TellPrivate(_end_of(tracked)), *self._owners.ended(tracked)]
                case Problem(tracked, notice):
                    out += self._owners.tell(tracked, ErrorEvent(to_error(notice)))
                case Executed(tracked, fill, _, again):
                    out.append(TellPrivate(_execution(tracked, fill)))
                    if not again:
                        self.positions.executed(fill)
                        record = {"t": "fill", "c": tracked.client_id, "id": fill.trade_id, "q": f"{fill.qty:f}"}
                        out += self._owners.when_told(tracked, Journal({**record, "ns": fill.time_ns}))
                case CancelAgain(tracked):
                    out.append(self._intake.send_cancel(tracked, now))
                case Remarked(what, text, loud):
                    out.append(self._count(what, text, loud=loud))
                case Halt(why):
                    out += self.halt(why)
                case Positioned(report):
                    out += self._position(report)
                case BalanceReport(asset, wallet, time_ns, total):
                    out.append(TellPrivate(Balance(asset, wallet, time_ns, total)))
                case AccountReport():
                    told_of, why = self.margin.take(step, now)
                    out += [*told_of, *(self.halt(why) if why else ())]
                case effect:
                    out.append(effect)
        return out

    def _count(self, what: str, text: str, *, loud: bool = False) -> Effect:
        self.counts.remarks[what] = self.counts.remarks.get(what, 0) + 1
        return Note(Level.WARNING if loud else Level.INFO, f"{what}: {text}")


def _end_of(tracked: Tracked) -> OrderEnd:
    return OrderEnd(
        tracked.symbol,
        tracked.bot_id,
        tracked.order_id,
        tracked.client_id,
        tracked.exchange_id,
        tracked.status.name.lower(),
        tracked.reason,
        tracked.filled,
        tracked.exch_ns,
    )


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
