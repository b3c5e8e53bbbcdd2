"""What becomes of a request: its answer, its refusal by the venue's table of errors, or neither. Pure.

Each end is turned into steps: what the ledger says, notes, further requests, and the few things that only the trader can do (`Halt`,
`Positioned`).
"""

from dataclasses import dataclass

from marketlink.errors import MalformedMessage
from marketlink.times import Moment
from marketlink.venues.trading import (
    Accepted,
    AccountReport,
    BalanceReport,
    Op,
    OrderReport,
    PositionReport,
    Refusal,
    TradingVenue,
    Verdict,
    judge,
)

from connector.calls import Asked, Calls, NoAnswer, NotSent, Outcome
from connector.comparing import Comparing, Step
from connector.counts import Counts
from connector.effects import Level, Note
from connector.holdings import Holdings
from connector.ledger import Ledger, Remarked
from connector.owners import Owners
from connector.positions import Positions
from connector.reconcile import Reconcile
from connector.tracked import Tracked

_ABOUT_ONE = (Op.SUBMIT, Op.MODIFY, Op.CANCEL)


@dataclass(frozen=True, slots=True)
class Halt:
    """Let only cancels pass from here on."""

    why: str


@dataclass(frozen=True, slots=True)
class Positioned:
    """The exchange's word on a position."""

    report: PositionReport


OutcomeStep = Step | Halt | Positioned | BalanceReport | AccountReport


class Outcomes:
    """Takes what became of requests."""

    def __init__(
        self,
        venue: TradingVenue,
        ledger: Ledger,
        owners: Owners,
        calls: Calls,
        comparing: Comparing,
        reconcile: Reconcile,
        positions: Positions,
        holdings: Holdings,
        counts: Counts,
    ) -> None:
        self._venue, self._ledger, self._owners, self._calls = venue, ledger, owners, calls
        self._comparing, self._reconcile, self._positions, self._counts = comparing, reconcile, positions, counts
        self._holdings = holdings

    def take(self, number: int, outcome: Outcome, now: Moment) -> list[OutcomeStep]:
        """Take what became of the request of this number."""
        asked = self._calls.take(number)
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

    def _refused(self, number: int, asked: Asked, refusal: Refusal, now: Moment) -> list[OutcomeStep]:
        op = asked.call.op
        decision = judge(self._venue.decisions, op, refusal)
        text = f"{decision.meaning}: {refusal.text}" if decision.meaning else refusal.text
        self._counts.post_only += decision.post_only
        verdict = decision.verdict
        if verdict is Verdict.CLOCK and not asked.repeated:
            words = f"{op.value}: {text}: the exchange's clock is measured, then it is repeated once"
            return [self._calls.measure_first(number, asked, self._venue.server_time()), Note(Level.WARNING, words)]
        steps: list[OutcomeStep] = []
        if op in _ABOUT_ONE and verdict in (Verdict.CLOCK, Verdict.FATAL):
            steps.append(Halt(f"{op.value}: {text}"))
        elif op in _ABOUT_ONE and not decision.post_only:
            steps.append(Note(Level.WARNING, f"{op.value}: HTTP {refusal.status} code {refusal.code}: {text}"))
        return [*steps, *self._failed(number, asked, verdict, text, refusal.code, now)]

    def _failed(
        self, number: int, asked: Asked, verdict: Verdict, text: str, code: int | None, now: Moment
    ) -> list[OutcomeStep]:
        """Draw the consequences of a request that brought nothing."""
        op = asked.call.op
        if op in _ABOUT_ONE:
            return self._judged(asked.orders[0], op, number, verdict, text, code, now)
        if op is Op.CANCEL_MANY:
            # It is about several: "gone" or "done" of all of them says nothing of one.
            each = verdict if verdict is Verdict.UNKNOWN else Verdict.REFUSED
            return [
                step
                for one in asked.orders
                for step in self._judged(one, Op.CANCEL, number, each, text, code, now)
            ]  # fmt: skip
        if op is Op.QUERY and asked.orders:
            tracked = asked.orders[0]
            if tracked.doubt is not None:
                tracked.doubt.waiting = 0
            if verdict is Verdict.GONE:
                return [*self._ledger.on_absent(tracked, Op.QUERY, asked.sent_ns, now)]
            return [Remarked("questions without an answer", text)]
        if op is Op.QUERY and verdict is Verdict.GONE and asked.strange:
            return [*self._comparing.forgotten(asked, now)]
        if op is Op.TIME and asked.then is not None:
            words = f"{text}; and the clock can't be measured"
            return self._failed(asked.then_number, asked.then, Verdict.REFUSED, words, code, now)
        if op in (Op.OPEN_ORDERS, Op.TRADES, Op.POSITIONS):
            self._reconcile.failed(op, asked.symbol, now.mono)
            remark = Remarked("parts of a comparison that failed", f"{op.value} {asked.symbol}: {text}")
            return [Halt(f"{op.value}: {text}"), remark] if verdict is Verdict.FATAL else [remark]
        if op in (Op.BALANCES, Op.ACCOUNT):
            return [Remarked("questions about the account that failed", f"{op.value}: {text}")]
        if op is Op.CANCEL_ALL and verdict is Verdict.UNKNOWN:
            self._ledger.ask_all(asked.symbol, "everything was perhaps cancelled", now)
        return [Note(Level.WARNING, f"{op.value}: {text}")]

    def _judged(
        self, tracked: Tracked, op: Op, number: int, verdict: Verdict, text: str, code: int | None, now: Moment
    ) -> list[OutcomeStep]:
        ledger = self._ledger
        match verdict:
            case Verdict.UNKNOWN:
                return [*ledger.lost(tracked, op, number, text, now)]
            case Verdict.GONE:
                return [*ledger.gone(tracked, op, number, text, code, now)]
            case Verdict.SUCCESS:
                return [*ledger.applied(tracked, op, number, now)]
        return [*ledger.refused(tracked, op, number, text, code, now)]

    def _answered(self, number: int, asked: Asked, body: bytes, now: Moment) -> list[OutcomeStep]:
        venue, op, ledger = self._venue, asked.call.op, self._ledger
        match op:
            case Op.SUBMIT | Op.CANCEL | Op.MODIFY:
                return self._of_order(asked.orders[0], op, number, venue.read_order(body), now)
            case Op.CANCEL_MANY:
                return self._cancelled_many(number, asked, body, now)
            case Op.QUERY:
                return self._queried(asked, venue.read_query(body), now)
            case Op.OPEN_ORDERS:
                page = venue.next_page(op, body)
                steps, complete = self._comparing.listed(asked, venue.read_open_orders(body), page, now)
                if complete:
                    self._reconcile.got(op, asked.symbol)
                return [*steps]
            case Op.TRADES:
                page = venue.next_page(op, body)
                steps, complete = self._comparing.traded(asked, venue.read_trades(body), page, now)
                if complete:
                    self._reconcile.got(op, asked.symbol)
                return [*steps]
            case Op.POSITIONS:
                reports = self._holdings.listed(venue.read_positions(body))
                listed = self._positions.listed(reports, asked.sent_ns, self._owners.symbols())
                self._reconcile.got(op, "")
                return [Positioned(report) for report in listed]
            case Op.BALANCES:
                return [*venue.read_balances(body)]
            case Op.ACCOUNT:
                return [venue.read_account(body)]
            case Op.TIME:  # measured by the shell, which knows when the request went
                venue.read_time(body)
                again = self._calls.repeat(asked, now)
                return [again] if again is not None else []
            case Op.CANCEL_ALL:  # each order ends by its own push, or by being asked about
                ledger.ask_all(asked.symbol, "everything was to be cancelled", now)
            case Op.HEDGE_MODE if venue.read_hedge_mode(body):
                return [Halt("the account keeps positions in two ways (hedge mode): switch it to one-way mode")]
        return []

    def _queried(self, asked: Asked, report: OrderReport | None, now: Moment) -> list[OutcomeStep]:
        """Take the answer to a question about one order, of ours or, without `orders`, by the exchange's id."""
        if not asked.orders:
            return [] if report is None else [*self._comparing.identified(report, asked, now)]
        tracked = asked.orders[0]
        if report is None and not asked.past:
            call = self._venue.query_past(tracked.symbol, tracked.client_id)
            if call is not None:
                ask = self._calls.ask(call, now, tracked, from_ns=asked.sent_ns, past=True)
                if tracked.doubt is None:
                    return [ask]
                tracked.doubt.waiting = ask.number
                symbol = tracked.symbol  # the rest of the proof that it never arrived is asked for beside it
                return [ask, *self._comparing.ask_open(symbol, now), *self._comparing.ask_trades(symbol, now)]
        if tracked.doubt is not None:
            tracked.doubt.waiting = 0
        if report is None:  # not there at the earlier of both questions
            return [*self._ledger.on_absent(tracked, Op.QUERY, asked.from_ns or asked.sent_ns, now)]
        if not _is_of(report, tracked):
            return [Remarked("answers about another order", tracked.client_id)]
        return [*self._ledger.on_report(tracked, report, asked.sent_ns, now)]

    def _of_order(
        self, tracked: Tracked, op: Op, number: int, report: OrderReport | Accepted, now: Moment
    ) -> list[OutcomeStep]:
        if isinstance(report, Accepted) and report.client_id in ("", tracked.client_id):
            return [*self._ledger.accepted(tracked, op, number, report.exchange_id, now)]
        if isinstance(report, Accepted) or not _is_of(report, tracked):
            return [*self._ledger.lost(tracked, op, number, "the answer is about another order", now)]
        return [*self._ledger.answered(tracked, op, number, report, now)]

    def _cancelled_many(self, number: int, asked: Asked, body: bytes, now: Moment) -> list[OutcomeStep]:
        answers = self._venue.read_many(body)
        if len(answers) != len(asked.orders):
            text = f"{len(answers)} answers to {len(asked.orders)} cancels"
            return self._failed(number, asked, Verdict.UNKNOWN, text, None, now)
        steps: list[OutcomeStep] = []
        for tracked, answer in zip(asked.orders, answers, strict=True):
            if isinstance(answer, OrderReport | Accepted):
                steps += self._of_order(tracked, Op.CANCEL, number, answer, now)
            else:
                verdict = judge(self._venue.decisions, Op.CANCEL, answer).verdict
                steps += self._judged(tracked, Op.CANCEL, number, verdict, answer.text, answer.code, now)
        return steps


def _is_of(report: OrderReport, tracked: Tracked) -> bool:
    """Whether an answer is about the order asked for. An exchange may give an order another name when it is cancelled, not another id."""
    return report.client_id == tracked.client_id or ("" != tracked.exchange_id == report.exchange_id)
