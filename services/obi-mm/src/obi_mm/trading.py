"""What a live run that sends orders does beyond watching: carries desks' effects out by the bot, and keeps account of what came of it.

No decision is made here: `desk` says what is sent and cancelled, `exposure` how much may be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from marketlink.bot import LiveBot
from marketlink.bot.orders import Code
from marketlink.errors import LinkError
from marketlink.messages import Batch, Heard, NewSession, OrderEvent, PositionEvent, SamplesLost
from marketlink.notices import OrderProblem
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce

from obi_mm.backoff import BackOff, Kind, kind_of
from obi_mm.config import Config
from obi_mm.desk import Cancel, Desk, Effect, GiveUp, Held, Own, Say, Submit
from obi_mm.layout import (
    ANSWER,
    ASK_CANCEL,
    ASK_SUBMIT,
    BUY,
    DECIDED,
    EVENT_DTYPE,
    FILL,
    HELD,
    POSITION,
    PROBLEM,
    PULL,
    SELL,
    Log,
    Table,
)
from obi_mm.strategy import Strategy

SUBMIT_GIVEN_UP: Final = "the link takes no requests"


@dataclass(slots=True)
class Tally:
    """What came of one symbol's orders."""

    submitted: int = 0
    cancels: int = 0
    fills: int = 0
    bought_lots: int = 0
    sold_lots: int = 0
    value: float = 0.0
    post_only: int = 0
    missed_fills: int = 0  # that were told by their sum only


@dataclass(slots=True)
class _Side:
    """One symbol: its desk, its account, and what it still has to learn of the bot's fills."""

    symbol: str
    desk: Desk
    tally: Tally = field(default_factory=Tally)
    own_lots: int = 0


class Trading:
    """The order half of a live shell, one desk a symbol, numbered as the bot's instruments."""

    def __init__(
        self,
        strategies: Sequence[tuple[str, Strategy]],
        config: Config,
        put: Callable[[Log], None],
        note: Callable[[str], None],
    ) -> None:
        self.config, self._put, self._note = config, put, note
        self.stop = ""  # why the run should end; empty: it should not
        self._sides = [
            _Side(
                symbol,
                Desk(
                    strategy.rules,
                    config.symbols[symbol].min_notional if symbol in config.symbols else 0.0,
                    BackOff(config.live.stop_after),
                ),
            )
            for symbol, strategy in strategies
        ]

    def desk(self, number: int) -> Desk:
        """A symbol's desk."""
        return self._sides[number].desk

    def tally(self, number: int) -> Tally:
        """What came of a symbol's orders."""
        return self._sides[number].tally

    def act(self, bot: LiveBot, number: int, actions: Table, now_s: float) -> None:
        """Carry out a decision."""
        bot.clear_inactive_orders(number)
        self._carry(bot, number, self._sides[number].desk.act(actions, _own(bot, number), now_s))

    def decided(self, bot: LiveBot, number: int, boundary_ns: int) -> None:
        """Note by the clock here when the decision for a boundary is made: what arrived until then was known to it."""
        self._event(bot, number, DECIDED, exch_ns=boundary_ns)

    def pull(self, bot: LiveBot, number: int, why: str, now_s: float) -> None:
        """Cancel everything of a symbol and send nothing until `resume`."""
        side = self._sides[number]
        if not side.desk.pulled:
            self._event(bot, number, PULL, text=why)
        self._carry(bot, number, side.desk.pull(why, _own(bot, number), now_s))

    def resume(self, bot: LiveBot, number: int) -> None:
        """Send again, from the next decision on."""
        self._carry(bot, number, self._sides[number].desk.resume())

    def tend(self, bot: LiveBot, number: int, now_s: float) -> None:
        """Ask for the cancels that are due."""
        self._carry(bot, number, self._sides[number].desk.tend(_own(bot, number), now_s))

    def open_orders(self, bot: LiveBot) -> list[tuple[str, Order, bool]]:
        """Every own order that has not ended as far as is known, with its symbol, and whether it is in doubt."""
        return [
            (side.symbol, order, order.order_id in bot.unsure(number))
            for number, side in enumerate(self._sides)
            for order in _own(bot, number).open()
        ]

    def heard(self, bot: LiveBot, head: Heard, numbers: dict[str, int], now_s: float) -> None:
        """Take a message that the bot has taken in: positions, what became of orders, and what was filled."""
        if isinstance(head, NewSession | SamplesLost):
            for side in self._sides:
                side.desk.renew()
        if not isinstance(head, Batch):
            return
        told: dict[int, list[Order]] = {}
        for event in head.events:
            if not isinstance(event, PositionEvent | OrderEvent) or (number := numbers.get(event.symbol)) is None:
                continue
            if isinstance(event, PositionEvent):
                position, lot = self._sides[number].desk.position, self._sides[number].desk.rules.lot_size
                before = (position.known, position.word_lots)
                position.told(round(event.qty / lot), event.exch_ts, now_s)
                if before != (True, position.word_lots):
                    self._event(bot, number, POSITION, exch_ns=event.exch_ts)
            else:
                told.setdefault(number, []).append(event.order)
        for number, orders in told.items():
            self._orders_told(bot, number, orders, now_s)

    def on_problem(self, bot: LiveBot, number: int, problem: OrderProblem, now_s: float) -> None:
        """Take what the connector says of an order."""
        side = self._sides[number]
        if problem.state == "refused" and kind_of(problem) is Kind.POST_ONLY:
            side.tally.post_only += 1
        self._event(
            bot, number, PROBLEM, order_id=problem.order_id, code=problem.code or 0, text=f"{problem.op} {problem.state}: {problem.text}"
        )  # fmt: skip
        self._carry(bot, number, side.desk.on_problem(problem, now_s))

    def _orders_told(self, bot: LiveBot, number: int, orders: Sequence[Order], now_s: float) -> None:
        """The bot knows which of the events are news: what was filled is the growth of its own sum."""
        side = self._sides[number]
        desk, lot = side.desk, side.desk.rules.lot_size
        own_lots = round(bot.own_position(number) / lot)
        grown, side.own_lots = own_lots - side.own_lots, own_lots
        exch_ns = max(order.exch_timestamp for order in orders)
        if grown:
            desk.position.filled(grown, exch_ns, now_s)
        left = abs(grown)
        for order in orders:
            sign = BUY if order.side is Side.BUY else SELL
            self._event(
                bot, number, ANSWER, exch_ns=order.exch_timestamp, side=sign, status=int(order.status), order_id=order.order_id,
                tick=order.price_tick, lots=round(order.qty / lot), leaves_lots=round(order.leaves_qty / lot),
            )  # fmt: skip
            if order.active and order.req is Status.NONE:
                desk.back_off.accepted(now_s)
            lots = min(left, round(order.exec_qty / lot))
            if lots:
                left -= lots
                self._filled(bot, number, order, lots, order.exec_price_tick, sign)
        if left:  # told by the cumulative quantity alone: samples were lost, or the connector was restarted
            side.tally.missed_fills += 1
            self._filled(bot, number, orders[-1], left, orders[-1].price_tick, BUY if grown > 0 else SELL)

    def _filled(self, bot: LiveBot, number: int, order: Order, lots: int, tick: int, sign: int) -> None:
        side = self._sides[number]
        tally, rules = side.tally, side.desk.rules
        tally.fills += 1
        tally.bought_lots += lots if sign == BUY else 0
        tally.sold_lots += lots if sign == SELL else 0
        tally.value += lots * rules.lot_size * tick * rules.tick_size
        self._event(
            bot, number, FILL, exch_ns=order.exch_timestamp, side=sign, status=int(order.status), maker=int(order.maker),
            order_id=order.order_id, tick=tick, lots=lots, leaves_lots=round(order.leaves_qty / rules.lot_size),
        )  # fmt: skip

    def _carry(self, bot: LiveBot, number: int, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Submit():
                    self._submit(bot, number, effect)
                case Cancel(order_id):
                    self._cancel(bot, number, order_id)
                case Held(order_id, side, tick, lots, why):
                    self._event(bot, number, HELD, side=side, order_id=order_id, tick=tick, lots=lots, text=why)
                case Say(text):
                    self._note(f"{self._sides[number].symbol}: {text}")
                case GiveUp(text):
                    self.stop = self.stop or f"{self._sides[number].symbol}: {text}"

    def _submit(self, bot: LiveBot, number: int, order: Submit) -> None:
        rules, tally = self._sides[number].desk.rules, self._sides[number].tally
        ask = bot.submit_buy_order if order.side == BUY else bot.submit_sell_order
        price, qty = order.tick * rules.tick_size, order.lots * rules.lot_size
        in_force = TimeInForce.IOC if order.closing else TimeInForce.GTX
        try:
            code = ask(number, order.order_id, price, qty, in_force, OrderType.LIMIT, False)
        except LinkError as error:
            self._note(f"{self._sides[number].symbol}: an order could not be sent: {error}")
            code = Code.TIMEOUT
        sent = code is Code.OK
        tally.submitted += sent
        self._event(
            bot, number, ASK_SUBMIT if sent else HELD, side=order.side, order_id=order.order_id, tick=order.tick,
            lots=order.lots, text="closes the position" if order.closing else "" if sent else SUBMIT_GIVEN_UP,
        )  # fmt: skip

    def _cancel(self, bot: LiveBot, number: int, order_id: int) -> None:
        order = bot.orders(number)[order_id]
        try:
            sent = bot.cancel(number, order_id, False) is Code.OK
        except LinkError as error:  # asked for again a second later
            self._note(f"{self._sides[number].symbol}: a cancel could not be sent: {error}")
            sent = False
        if sent:
            self._sides[number].tally.cancels += 1
            self._event(
                bot, number, ASK_CANCEL, side=BUY if order.side is Side.BUY else SELL, order_id=order_id, tick=order.price_tick,
                lots=round(order.leaves_qty / self._sides[number].desk.rules.lot_size),
            )  # fmt: skip

    def _event(self, bot: LiveBot, number: int, what: int, *, text: str = "", **fields: int) -> None:
        event = np.zeros(1, EVENT_DTYPE)
        event["time_ns"], event["symbol"], event["what"] = bot.current_timestamp, number, what
        event["position_lots"] = self._sides[number].desk.position.lots
        event["text"] = text.encode(errors="replace")[:92]
        for name, value in fields.items():
            event[name] = value
        self._put(event)


def _own(bot: LiveBot, number: int) -> Own:
    return Own(bot.orders(number), bot.unsure(number))
