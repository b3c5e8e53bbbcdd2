"""What is known of every order, from answers, pushes, questions and lists in any order, doubled, late or never.

The table of `lifecycle` says what may follow what; here stands what each message means for it. Three rules carry the rest:
executions are counted by trade id, so nothing counts twice; an end is told when every execution that the exchange counts is known, so
that a bot's sum is its filled quantity; and what is not clear is asked (`Doubt`), never assumed. Pure: time is an argument.

It is one module and long because every kind of message meets every other on one order: apart, no half could be read alone.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from marketlink.notices import OrderProblem
from marketlink.orders import Order, Status
from marketlink.times import SECOND_NS, Moment, MonoNs, after
from marketlink.venues.trading import Fill, Op, OrderReport

from connector.lifecycle import NEXT, WORKING, News, Phase
from connector.tracked import ZERO, Doubt, Terms, Tracked, final_status

MARGIN_NS: Final = SECOND_NS // 2
"""How much longer than its time window a request may still arrive: the exchange's clock is known to less than that."""
MOST_ENDED: Final = 20_000
"""Ended orders that are remembered, for messages that come late."""
PATIENCE: Final = 3
"""At this question about an end that lacks executions its bot is told why it waits."""
MOST_REPEATS: Final = 5
"""So often a cancel that came before its order is sent again."""
ACCEPTED_NS: Final = SECOND_NS // 2
"""So long after a request was accepted its outcome must have been told."""
_MISSING: Final = "executions are missing"
_ENDS: Final = (Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED)
_ASKED: Final = {Status.NEW: Op.SUBMIT, Status.REPLACED: Op.MODIFY, Status.CANCELED: Op.CANCEL}
_OPS: Final = {
    Phase.SENT: Op.SUBMIT,
    Phase.SUBMIT_IN_DOUBT: Op.SUBMIT,
    Phase.MODIFYING: Op.MODIFY,
    Phase.MODIFY_IN_DOUBT: Op.MODIFY,
    Phase.CANCELING: Op.CANCEL,
    Phase.CANCEL_IN_DOUBT: Op.CANCEL,
}


@dataclass(frozen=True, slots=True)
class Told:
    """An order event for its owner."""

    tracked: Tracked
    order: Order


@dataclass(frozen=True, slots=True)
class Problem:
    """An error for an order's owner."""

    tracked: Tracked
    notice: OrderProblem


@dataclass(frozen=True, slots=True)
class Executed:
    """An execution that counts; `late`: its order had ended already. `again`: known before, and its fee is known now."""

    tracked: Tracked
    fill: Fill
    late: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class CancelAgain:
    """A cancel that came before its order is to be sent once more."""

    tracked: Tracked


@dataclass(frozen=True, slots=True)
class Remarked:
    """Something for the counters and, when loud, for a person."""

    what: str
    text: str = ""
    loud: bool = False


LedgerEffect = Told | Problem | Executed | CancelAgain | Remarked


class Ledger:
    """Every order of this connector.

    `window_ns` is how long a request stays valid at the exchange; `schedule_ns` the waits before each question about a doubt, the
    last one repeating.
    """

    def __init__(self, window_ns: int, schedule_ns: Sequence[int]) -> None:
        self._final_ns = window_ns + MARGIN_NS
        self._schedule_ns = tuple(schedule_ns)
        self.orders: dict[str, Tracked] = {}  # by client id; those that have ended too, for a while
        self.by_exchange_id: dict[str, Tracked] = {}
        self.active: dict[str, Tracked] = {}  # by client id: not ended
        self._of_bot: dict[
            tuple[int, str, int], Tracked
        ] = {}  # by bot, symbol and the bot's number: not ended, or ended last
        self._ended: deque[Tracked] = deque()

    # -- looking ------------------------------------------------------------------------------------------------------

    def find(self, bot_id: int, symbol: str, order_id: int) -> Tracked | None:
        """Return a bot's newest order of this number."""
        return self._of_bot.get((bot_id, symbol, order_id))

    def of_bot(self, bot_id: int, symbol: str) -> list[Tracked]:
        """Return a bot's orders of a symbol that have not ended, oldest first."""
        return [one for one in self.active.values() if one.bot_id == bot_id and one.symbol == symbol]

    def doubtful(self) -> list[Tracked]:
        """Return the orders about which the exchange is to be asked."""
        return [one for one in self.active.values() if one.doubt is not None]

    def lacking(self) -> set[str]:
        """Return the symbols with executions that the exchange counts and that are not known."""
        return {one.symbol for one in self.active.values() if one.missing}

    # -- what bots ask ------------------------------------------------------------------------------------------------

    def add(self, tracked: Tracked) -> None:
        """Track an order: a new one, or one of an earlier process."""
        self.orders[tracked.client_id] = self.active[tracked.client_id] = tracked
        self._of_bot[(tracked.bot_id, tracked.symbol, tracked.order_id)] = tracked
        if tracked.exchange_id:
            self.by_exchange_id[tracked.exchange_id] = tracked
        tracked.shown = tracked.as_order()

    def own(self, tracked: Tracked, bot_id: int) -> None:
        """Give an order whose bot was not known to its owner."""
        self._of_bot.pop((tracked.bot_id, tracked.symbol, tracked.order_id), None)
        tracked.bot_id = bot_id
        self._of_bot[(bot_id, tracked.symbol, tracked.order_id)] = tracked

    def rename(self, tracked: Tracked, client_id: str) -> None:
        """Give an order that only its bot knew the client id under which the exchange has it."""
        del self.orders[tracked.client_id], self.active[tracked.client_id]
        tracked.client_id, tracked.inquired = client_id, False
        self.orders[client_id] = self.active[client_id] = tracked

    def ask_cancel(self, tracked: Tracked, number: int) -> None:
        """Note that a cancel goes out; `number` names the request."""
        tracked.requests[Op.CANCEL] = number
        tracked.wants_cancel = True
        self._move(tracked, News.ASK_CANCEL)
        if tracked.phase is Phase.CANCELING:
            tracked.doubt = None
        tracked.shown = tracked.as_order()  # its bot knows what it asked for

    def ask_modify(self, tracked: Tracked, terms: Terms, number: int) -> None:
        """Note that a modify goes out."""
        tracked.requests[Op.MODIFY] = number
        tracked.wanted = terms
        self._move(tracked, News.ASK_MODIFY)
        tracked.shown = tracked.as_order()

    def ask_all(self, symbol: str, why: str, now: Moment) -> None:
        """Have the exchange asked about every working order of a symbol, unless its own news comes before."""
        for one in self.active.values():
            if one.symbol == symbol and one.phase in WORKING:
                self._doubt(one, why, now)

    # -- answers ------------------------------------------------------------------------------------------------------

    def answered(self, tracked: Tracked, op: Op, number: int, report: OrderReport, now: Moment) -> list[LedgerEffect]:
        """Take the answer to a request as the exchange's word on the order."""
        current = self._is_current(tracked, op, number)
        effects = self._take(tracked, report, now)
        if tracked.done or not current:
            return effects
        if report.status is Status.UNSUPPORTED:
            return effects + self.lost(tracked, op, number, "an answer whose status is not known", now)
        if op is Op.CANCEL:  # accepted, and the order works: the exchange must be asked
            return effects + self.lost(tracked, op, number, "the answer shows the order working", now)
        if op is Op.MODIFY and tracked.wanted is not None and not report.terms:
            tracked.terms = tracked.wanted
        return effects + self._settle(tracked, op, now)

    def accepted(self, tracked: Tracked, op: Op, number: int, exchange_id: str, now: Moment) -> list[LedgerEffect]:
        """Take the answer that a request was taken, no more: it makes no order live, and ends none. Its outcome is awaited for a while."""
        if exchange_id and tracked.exchange_id != exchange_id:
            tracked.exchange_id = exchange_id
            self.by_exchange_id[exchange_id] = tracked
        if (
            not tracked.done
            and self._is_current(tracked, op, number)
            and (op is not Op.SUBMIT or tracked.phase is Phase.SENT)
        ):
            tracked.accepted[op] = (number, after(now.mono, ACCEPTED_NS))
        return []

    def overdue(self, now: Moment) -> list[LedgerEffect]:
        """Ask about requests that were accepted, and of whose outcome nothing was told in time."""
        effects: list[LedgerEffect] = []
        for one in self.active.values():
            for op, (number, due) in list(one.accepted.items()) if one.accepted else ():
                if one.requests.get(op) != number:
                    del one.accepted[op]
                elif due <= now.mono:
                    del one.accepted[op]
                    effects += self.lost(one, op, number, "accepted, and nothing tells what came of it", now)
        return effects

    def applied(self, tracked: Tracked, op: Op, number: int, now: Moment) -> list[LedgerEffect]:
        """Take the answer that what was asked is so already."""
        if tracked.done or not self._is_current(tracked, op, number):
            return []
        return self._settle(tracked, op, now)

    def refused(
        self, tracked: Tracked, op: Op, number: int, text: str, code: int | None, now: Moment
    ) -> list[LedgerEffect]:
        """Take a definite refusal of a request: it was not carried out."""
        if not self._is_current(tracked, op, number):
            return [Remarked("late refusals", f"{tracked.client_id}: {op.value}: {text}")]
        if op is Op.SUBMIT:
            if tracked.phase not in (Phase.SENT, Phase.SUBMIT_IN_DOUBT):
                if not tracked.done:  # it works, and its submit is refused: one of both is wrong
                    self._doubt(tracked, f"refused though it works: {text}", now)
                what = f"{tracked.client_id}: submit refused while {tracked.phase.value}"
                return [Remarked("contradictions", what, loud=True)]
            tracked.final, tracked.reason, tracked.doubt = Status.EXPIRED, text, None
            self._move(tracked, News.REFUSED)
            return [self._problem(tracked, op, text, code, "refused"), *self._complete(tracked, now)]
        if tracked.done:
            return []
        tracked.requests.pop(op, None)
        if op is Op.CANCEL:
            tracked.wants_cancel = False
        else:
            tracked.wanted = None
        if _OPS.get(tracked.phase) is op:
            self._move(tracked, News.REFUSED)
            tracked.doubt = None
            self._back_to_modify(tracked, now)
        return [*self._tell(tracked), self._problem(tracked, op, text, code, "refused")]

    def gone(
        self, tracked: Tracked, op: Op, number: int, text: str, code: int | None, now: Moment
    ) -> list[LedgerEffect]:
        """Take "no such order" as the answer to a cancel or modify: filled, ended, or not there yet. The exchange is asked."""
        if tracked.done or not self._is_current(tracked, op, number):
            return []
        tracked.requests.pop(op, None)
        if op is Op.MODIFY:
            tracked.wanted = None
        if _OPS.get(tracked.phase) is not op:  # the submit's own fate is still open, and decides
            unknown = tracked.phase is Phase.SUBMIT_IN_DOUBT
            return [self._problem(tracked, op, text, code, "unknown")] if unknown else []
        self._move(tracked, News.GONE)
        self._doubt(tracked, f"{op.value}: {text}", now)
        return [self._problem(tracked, op, text, code, "unknown")]

    def lost(self, tracked: Tracked, op: Op, number: int, why: str, now: Moment) -> list[LedgerEffect]:
        """Take a request without a usable answer: carried out or not."""
        if tracked.done or not self._is_current(tracked, op, number):
            return []
        if _OPS.get(tracked.phase) is not op:
            if op is Op.SUBMIT:
                return []
            tracked.requests.pop(op, None)  # a push has not told of it: it is open as long as what came after it
            return [self._problem(tracked, op, why, None, "unknown")]
        self._move(tracked, News.LOST)
        self._doubt(tracked, f"{op.value}: {why}", now, settle_ns=tracked.sent_ns + self._final_ns)
        return [self._problem(tracked, op, why, None, "unknown")]

    # -- the exchange's own word --------------------------------------------------------------------------------------

    def on_push(self, tracked: Tracked, report: OrderReport, now: Moment) -> list[LedgerEffect]:
        """Take a push of the account's stream."""
        tracked.confirmed = True
        return self._take(tracked, report, now)

    def on_report(self, tracked: Tracked, report: OrderReport, asked_ns: int, now: Moment) -> list[LedgerEffect]:
        """Take what a question or a list says; `asked_ns`: the exchange's time when it was asked."""
        effects = self._take(tracked, report, now)
        if tracked.held:
            effects += self._judge_held(tracked, report)
            effects += self._complete(tracked, now)
            if tracked.phase is Phase.ENDED:
                tracked.doubt = None
                self.active.pop(tracked.client_id, None)
        doubt = tracked.doubt
        if tracked.done or doubt is None or report.status is Status.UNSUPPORTED:
            return effects
        if tracked.phase is Phase.MODIFY_IN_DOUBT and tracked.wanted is not None and asked_ns < doubt.from_ns:
            return effects  # the old terms: what was sent may still arrive
        op = _OPS.get(tracked.phase)
        if op is None:
            tracked.doubt = doubt if tracked.missing else None
            return effects
        return effects + self._settle(tracked, op, now)

    def on_absent(self, tracked: Tracked, op: Op, asked_ns: int, now: Moment) -> list[LedgerEffect]:
        """Take a question that did not find an order. Only order, open orders and trades together, all asked late enough, are proof."""
        doubt = tracked.doubt
        if tracked.done or doubt is None:
            return []
        doubt.absent[op] = max(asked_ns, doubt.absent.get(op, 0))
        proof = [doubt.absent.get(one, 0) for one in (Op.QUERY, Op.OPEN_ORDERS, Op.TRADES)]
        if min(proof) <= max(doubt.from_ns, tracked.placed_ns + self._final_ns) or tracked.missing:
            return []
        lived = bool(tracked.exchange_id)
        tracked.final = Status.EXPIRED
        tracked.reason = "the exchange no longer knows it" if lived else "it never arrived at the exchange"
        tracked.doubt = None
        self._move(tracked, News.ABSENT)
        notice = self._problem(tracked, _OPS.get(tracked.phase, Op.SUBMIT), tracked.reason, None, "refused")
        return [notice, *self._complete(tracked, now)]

    def on_listed(
        self, symbols: Iterable[str] | None, found: set[str], asked_ns: int, now: Moment
    ) -> list[LedgerEffect]:
        """Take a whole list of open orders: which of ours stand in it. What is not in it is asked about, and decides nothing by itself."""
        wanted = None if symbols is None else set(symbols)
        effects: list[LedgerEffect] = []
        for one in list(self.active.values()):
            if (wanted is not None and one.symbol not in wanted) or one.client_id in found or one.done:
                continue
            if one.doubt is not None:
                effects += self.on_absent(one, Op.OPEN_ORDERS, asked_ns, now)
            elif one.phase in WORKING:
                doubt = self._doubt(one, "it is not among the open orders", now)
                if max(one.sent_ns, one.exch_ns) + MARGIN_NS < asked_ns:  # else the list may be older than the order
                    doubt.absent[Op.OPEN_ORDERS] = asked_ns
                    effects.append(Remarked("orders missing from the list", one.client_id))
        return effects

    def on_fill(self, tracked: Tracked, fill: Fill, now: Moment) -> list[LedgerEffect]:
        """Take an execution by itself: the quick form of a push, or one out of the list of trades."""
        effects = self._fill(tracked, fill, now)
        return [*effects, *self._complete(tracked, now)]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _take(self, tracked: Tracked, report: OrderReport, now: Moment) -> list[LedgerEffect]:
        if report.exchange_id and tracked.exchange_id != report.exchange_id:
            tracked.exchange_id = report.exchange_id
            self.by_exchange_id[report.exchange_id] = tracked
        reached = self._take_terms(tracked, report)
        tracked.exch_ns = max(tracked.exch_ns, report.time_ns)
        tracked.told = max(tracked.told, tracked.terms.qty if report.status is Status.FILLED else report.executed)
        if not tracked.missing:
            tracked.even_ns = max(tracked.even_ns, report.time_ns)
        effects: list[LedgerEffect] = []
        if not tracked.done:
            if report.status in _ENDS:
                tracked.final, tracked.reason = final_status(report), report.reason
                tracked.wanted, tracked.doubt = None, None
                self._move(tracked, News.OVER)
            elif report.status in (Status.NEW, Status.PARTIALLY_FILLED):
                effects += self._seen(tracked)
                if reached:
                    self._reached(tracked)
        if report.fill is not None:
            effects += self._fill(tracked, report.fill, now)
        if tracked.done:
            return [*effects, *self._complete(tracked, now)]
        if tracked.missing and tracked.doubt is None:
            self._doubt(tracked, _MISSING, now)
        return [*self._tell(tracked), *effects] if report.fill is None else [*effects, *self._tell(tracked)]

    def _take_terms(self, tracked: Tracked, report: OrderReport) -> bool:
        """Take price and quantity, unless they are older than what is known; True: they are what a modify asked for."""
        if not report.terms or report.time_ns < tracked.terms_ns:
            return False
        tracked.terms_ns = report.time_ns
        tracked.terms = Terms(report.price, report.qty)
        return tracked.wanted is not None and tracked.terms == tracked.wanted

    def _seen(self, tracked: Tracked) -> list[LedgerEffect]:
        """It works: whether it arrived is no question any more. A cancel that came before it is sent again."""
        arriving = tracked.phase in (Phase.SENT, Phase.SUBMIT_IN_DOUBT)
        self._move(tracked, News.SEEN)
        if not arriving:
            return []
        tracked.doubt = None
        if not tracked.wants_cancel:
            return []
        if Op.CANCEL in tracked.requests:
            self._move(tracked, News.ASK_CANCEL)
            return []
        return self._cancel_again(tracked)

    def _reached(self, tracked: Tracked) -> None:
        """The terms that a modify asked for stand."""
        tracked.wanted = None
        tracked.requests.pop(Op.MODIFY, None)
        if _OPS.get(tracked.phase) is Op.MODIFY:
            self._move(tracked, News.SETTLED)
            tracked.doubt = None

    def _fill(self, tracked: Tracked, fill: Fill, now: Moment) -> list[LedgerEffect]:
        if fill.trade_id in tracked.fills or fill.trade_id in tracked.held:
            return [Executed(tracked, fill, again=True)] if fill.fee is not None else []
        if tracked.filled + fill.qty > tracked.terms.qty:
            tracked.held[fill.trade_id] = fill
            self._doubt(tracked, "executed beyond its quantity", now)
            self.active[tracked.client_id] = tracked
            what = f"{tracked.client_id}: trade {fill.trade_id}"
            return [Remarked("executions beyond the quantity", what, loud=True)]
        return self._count(tracked, fill, now)

    def _count(self, tracked: Tracked, fill: Fill, now: Moment) -> list[LedgerEffect]:
        late = tracked.phase is Phase.ENDED
        tracked.fills[fill.trade_id] = fill.qty
        tracked.filled += fill.qty
        tracked.exch_ns = max(tracked.exch_ns, fill.time_ns)
        effects: list[LedgerEffect] = [Executed(tracked, fill, late)]
        whole = tracked.filled == tracked.terms.qty
        if late:
            what = f"{tracked.client_id}: trade {fill.trade_id}"
            effects.append(Remarked("executions after the end", what, loud=True))
            tracked.final = Status.FILLED if whole else tracked.final
        elif not tracked.done:
            effects += self._seen(tracked)  # an execution proves that it arrived
            if not tracked.missing and tracked.doubt is not None and tracked.doubt.why == _MISSING:
                tracked.doubt = None  # a push told of the order before one told of its execution
            if whole and tracked.doubt is None:
                self._doubt(tracked, "executed whole, and not said to have ended", now)
        elif not tracked.missing and not tracked.held:
            self._end(tracked)
        return [*self._tell(tracked, fill), *effects]

    def _judge_held(self, tracked: Tracked, report: OrderReport) -> list[LedgerEffect]:
        """Take or drop executions beyond the quantity, as the exchange's own sum says."""
        effects: list[LedgerEffect] = []
        for trade_id, fill in list(tracked.held.items()):
            del tracked.held[trade_id]
            if tracked.filled + fill.qty <= report.executed:
                tracked.fills[trade_id] = fill.qty
                tracked.filled += fill.qty
                late = tracked.phase is Phase.ENDED
                effects += [*self._tell(tracked, fill), Executed(tracked, fill, late)]
            else:
                tracked.fills[trade_id] = ZERO  # heard again, it is dropped again
                effects.append(Remarked("executions dropped", f"{tracked.client_id}: trade {trade_id}", loud=True))
        tracked.told = max(tracked.filled, report.executed)  # the sum that came with what was dropped was wrong too
        return effects

    def _settle(self, tracked: Tracked, op: Op, now: Moment) -> list[LedgerEffect]:
        """What was asked is clear, and the order works with the terms that are known."""
        if op is Op.MODIFY and _OPS.get(tracked.phase) is not op:
            self._reached(tracked)
            return self._tell(tracked)
        if _OPS.get(tracked.phase) is not op:
            return self._tell(tracked)
        effects: list[LedgerEffect] = []
        as_before = tracked.phase is Phase.MODIFY_IN_DOUBT and tracked.wanted not in (None, tracked.terms)
        never_there = tracked.phase is Phase.CANCEL_IN_DOUBT and Op.CANCEL not in tracked.requests
        if op is Op.SUBMIT:
            effects += self._seen(tracked)
            return [*self._tell(tracked), *effects]
        tracked.requests.pop(op, None)
        tracked.doubt = None
        self._move(tracked, News.SETTLED)
        if op is Op.MODIFY:
            tracked.wanted = None
            if as_before:
                effects.append(self._problem(tracked, op, "not modified: the order works as before", None, "working"))
        elif never_there:  # the cancel found no order, and now there is one
            effects += self._cancel_again(tracked)
        else:
            tracked.wants_cancel = False
            effects.append(self._problem(tracked, op, "not cancelled: the order works", None, "working"))
            self._back_to_modify(tracked, now)
        return [*self._tell(tracked), *effects]

    def _back_to_modify(self, tracked: Tracked, now: Moment) -> None:
        """A cancel is settled while a modify before it is not: that one counts again."""
        if tracked.wanted is None or tracked.phase is not Phase.LIVE:
            return
        self._move(tracked, News.ASK_MODIFY)
        if Op.MODIFY not in tracked.requests:
            self._move(tracked, News.LOST)
            self._doubt(tracked, "modify: its answer was lost", now, settle_ns=tracked.sent_ns + self._final_ns)

    def _cancel_again(self, tracked: Tracked) -> list[LedgerEffect]:
        if Op.CANCEL in tracked.requests or tracked.cancels_repeated >= MOST_REPEATS:
            return []
        tracked.cancels_repeated += 1
        return [CancelAgain(tracked)]

    def _complete(self, tracked: Tracked, now: Moment) -> list[LedgerEffect]:
        """End an order whose executions are all known; else the list of trades is asked for."""
        if tracked.phase is not Phase.SETTLING:
            return []
        if tracked.missing or tracked.held:
            if tracked.doubt is None:
                self._doubt(tracked, _MISSING, now)
            return []
        self._end(tracked)
        return self._tell(tracked)

    def _end(self, tracked: Tracked) -> None:
        if tracked.filled == tracked.terms.qty:
            tracked.final = Status.FILLED
        self._move(tracked, News.COMPLETE)
        tracked.doubt, tracked.wanted = None, None
        tracked.requests.clear()
        self.active.pop(tracked.client_id, None)
        self._ended.append(tracked)
        while len(self._ended) > MOST_ENDED:
            old = self._ended.popleft()
            self.orders.pop(old.client_id, None)
            self.by_exchange_id.pop(old.exchange_id, None)
            key = (old.bot_id, old.symbol, old.order_id)
            if self._of_bot.get(key) is old:
                del self._of_bot[key]

    def _doubt(self, tracked: Tracked, why: str, now: Moment, *, settle_ns: int = 0) -> Doubt:
        if tracked.doubt is None:
            tracked.doubt = Doubt(why, after(now.mono, self._schedule_ns[0]), settle_ns)
        else:
            tracked.doubt.why = why
            tracked.doubt.from_ns = max(tracked.doubt.from_ns, settle_ns)
        return tracked.doubt

    def next_question(self, tracked: Tracked, doubt: Doubt, now: MonoNs) -> list[LedgerEffect]:
        """Set when a doubt is asked about next, once more than before. A bot that waits for an end that can't be told yet hears so."""
        doubt.asked += 1
        doubt.due = after(now, self._schedule_ns[min(doubt.asked, len(self._schedule_ns) - 1)])
        asked = tracked.shown.req if tracked.shown is not None else Status.NONE
        if doubt.asked != PATIENCE or tracked.phase is not Phase.SETTLING or asked is Status.NONE:
            return []
        text = "it has ended at the exchange, and its executions are not known yet"
        return [self._problem(tracked, _ASKED[asked], text, None, "unknown")]

    def _tell(self, tracked: Tracked, fill: Fill | None = None) -> list[LedgerEffect]:
        """Tell the owner, if there is news for it: of an ended order only executions that came late."""
        order = tracked.as_order(fill)
        shown = tracked.shown
        if fill is None and shown is not None and _visible(shown) == _visible(order):
            return []
        tracked.shown = order
        return [Told(tracked, order)]

    def _problem(self, tracked: Tracked, op: Op, text: str, code: int | None, state: str) -> Problem:
        notice = OrderProblem(tracked.symbol, tracked.order_id, text, op.value, code, tracked.client_id, state)
        return Problem(tracked, notice)

    def _is_current(self, tracked: Tracked, op: Op, number: int) -> bool:
        return tracked.requests.get(op) == number

    def _move(self, tracked: Tracked, news: News) -> None:
        tracked.phase = NEXT[(tracked.phase, news)]


def _visible(order: Order) -> tuple[object, ...]:
    """What of an order is news when it differs; the times alone are none."""
    return (order.qty, order.leaves_qty, order.price_tick, order.req, order.status)


def worst_case(orders: Iterable[Tracked], buy: bool) -> Decimal:
    """How much orders of one side could still execute: sent, unknown and settling ones too."""
    return sum((one.most for one in orders if (one.side > 0) == buy), ZERO)
