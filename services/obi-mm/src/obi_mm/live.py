"""The live shell: follows books over the link, asks the strategy when a decision is due, has it carried out or only notes it.

Time is the exchange's: a decision is due at its boundary when the first depth message at or after it arrives, and is made
on the book without that message. `trading` is all that separates a live run from a dry one: with it

- only the newest boundary that is due, by all that has arrived, is acted on; those before it are decided, and marked as missed;
- where nothing arrives, the clock here goes on: a decision is made when its boundary is GRACE_S ago, and what stands at the exchange
  is cancelled when the connector, the book or the market data is missing for longer than may be.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from marketlink.bot import BotInstrument, Confidence, LiveBot
from marketlink.clock import Clock
from marketlink.link.port import BotPort, Peer
from marketlink.messages import Heard, LiveError
from marketlink.notices import Contradicted, OrderProblem, OutOfSync, Stated, read_notice
from marketlink.orders import Order, Side

from obi_mm import kernels
from obi_mm.config import Config
from obi_mm.exposure import ENDED
from obi_mm.layout import (
    FINE,
    NO_ASK_TICK,
    NO_BID_TICK,
    O_FREE,
    O_ID,
    O_LOTS,
    O_SIDE,
    O_SINCE,
    O_TICK,
    ORDER_COLUMNS,
    STALE_BOOK,
    UNSYNCED_BOOK,
    Log,
    Table,
)
from obi_mm.pace import PacedPort, depth_times, feed_times
from obi_mm.strategy import MOST_ORDERS, Strategy
from obi_mm.trading import Trading

MOST_MISSED: Final = 1_000
"""Boundaries without any message that are decided one by one; beyond, the clock skips ahead."""
GRACE_S: Final = 1.0
"""So long after its boundary a decision for which no message came is made by the clock, when orders are sent."""
_KEPT_TIMINGS: Final = 10_000


class Sink(Protocol):
    """Takes every decision with its actions."""

    def put(self, decision: Log, actions: Table) -> None:
        """Take one."""


@dataclass(slots=True)
class Asset:
    """One symbol that is followed, and what the view shows of it."""

    symbol: str
    strategy: Strategy
    started: bool = False
    wake_ns: int = 0
    feed_ns: int = 0
    feed_s: float | None = None  # when, on the clock here
    depth_ns: int = 0  # the newest depth time taken in, and when, on the clock here
    depth_s: float = 0.0
    unsynced_s: float | None = None  # since when the book is not in sync
    decisions: int = 0
    missed: int = 0
    skipped: int = 0
    last: Log | None = None
    last_actions: Table = field(default_factory=lambda: np.zeros((0, 5), np.int64))
    confidence: Confidence = Confidence.UNKNOWN
    interruptions: int = 0
    warmth: str = "cold"


class Shell:
    """Several symbols on one connector, one strategy each.

    `writer` gets every decision; `trading` None is a dry run. `note` is told what changes, in words. `step` raises
    InstrumentRefused when the connector does not know a symbol, or knows it with other sizes than given.
    """

    def __init__(
        self,
        name: str,
        strategies: Mapping[str, Strategy],
        *,
        port: BotPort,
        writer: Sink | None = None,
        trading: Trading | None = None,
        note: Callable[[str], None] = lambda text: None,
        clock: Clock | None = None,
        timer_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.assets = [Asset(symbol, strategy) for symbol, strategy in strategies.items()]
        self._numbers = {asset.symbol: number for number, asset in enumerate(self.assets)}
        self._port = PacedPort(port)
        self._writer, self.trading, self._note, self._timer_ns = writer, trading, note, timer_ns
        self._ending = False
        instruments = [
            BotInstrument(name, asset.symbol, asset.strategy.rules.tick_size, asset.strategy.rules.lot_size)
            for asset in self.assets
        ]
        self.bot = LiveBot(instruments, open_port=lambda _: self._port, on_error=self._on_error, clock=clock)
        self.timings_ns: deque[int] = deque(maxlen=_KEPT_TIMINGS)
        self._heard_s = self.now_s()
        for asset in self.assets:
            asset.unsynced_s = self._heard_s

    def now_s(self) -> float:
        """The clock that waits are measured by."""
        return self.bot.clock.mono_ns() / 1e9

    @property
    def backlog(self) -> int:
        """How many messages wait to be taken in."""
        return self._port.backlog

    @property
    def nobody(self) -> bool:
        """Whether no process is the connector now."""
        return self._port.peer() is Peer.NOBODY

    def step(self, timeout_s: float) -> bool:
        """Take in one message, deciding first what is due before it; waits for it so long. False: there was none."""
        if self.trading is not None:
            self._port.fill()
        head = self._port.peek()
        if head is None:
            self._port.wait(timeout_s)
            if self.trading is not None:
                self._port.fill()
            head = self._port.peek()
        if head is not None:
            self.before(head)
            self._port.release()
        self.bot.elapse(0)
        if head is not None:
            self._after(head)
        for number, asset in enumerate(self.assets):
            self._look_at_confidence(number, asset)
        if self.trading is not None:
            self._on_time(self.trading)
        return head is not None

    def before(self, head: Heard) -> None:
        """Make the decisions that are due before a message."""
        if self._ending:
            return
        for symbol, time_ns in depth_times(head).items():
            number = self._numbers.get(symbol)
            if number is None:
                continue
            asset = self.assets[number]
            if not asset.wake_ns or time_ns < asset.wake_ns:
                continue
            missed = (time_ns - asset.wake_ns) // asset.strategy.rules.update_ns
            trusted = self.bot.depth(number).confidence is not Confidence.UNKNOWN
            newest_ns = max(time_ns, self._port.newest_ns.get(symbol, 0))
            if missed > (MOST_MISSED if trusted else 0):
                if asset.started:
                    self.decide(number, asset.wake_ns, newest_ns=newest_ns)
                    asset.skipped += missed
                asset.wake_ns = time_ns // asset.strategy.rules.update_ns * asset.strategy.rules.update_ns
            while asset.wake_ns <= time_ns:
                self.decide(number, asset.wake_ns, newest_ns=newest_ns)

    def decide(self, number: int, now_ns: int, *, newest_ns: int = 0) -> None:
        """Make one asset's decision for a time; only the last one until `newest_ns`, where the exchange is known to be, is acted on."""
        asset, depth = self.assets[number], self.bot.depth(number)
        start_ns = self._timer_ns()
        strategy, rules = asset.strategy, asset.strategy.rules
        synced = depth.confidence is Confidence.SYNCED
        best_bid, best_ask = depth.best_bid_tick, depth.best_ask_tick
        sound = best_bid != NO_BID_TICK and best_ask != NO_ASK_TICK and best_bid < best_ask
        if not asset.started and not (synced and sound):
            asset.wake_ns = kernels.next_boundary(now_ns, rules.update_ns)
            return
        asset.started = True
        trouble = FINE if synced else UNSYNCED_BOOK
        if synced and now_ns - asset.feed_ns > rules.stale_ns:
            trouble = STALE_BOOK
        most = strategy.most_levels(best_bid, best_ask)
        bids, asks = strategy.sums(*depth.bids(most), *depth.asks(most))
        trading = self.trading
        position_lots = (
            round(self.bot.position(number) / rules.lot_size) if trading is None else trading.desk(number).position.lots
        )
        decision, actions = strategy.decide(
            now_ns,
            best_bid,
            best_ask,
            bids,
            asks,
            position_lots=position_lots,
            orders=orders_table(self.bot.orders(number), rules.lot_size, self.bot.unsure(number)),
            trouble=trouble,
        )
        asset.wake_ns = strategy.wake_ns
        self.timings_ns.append(self._timer_ns() - start_ns)
        decision["symbol"] = number
        acted = trading is not None and asset.wake_ns > newest_ns
        if trading is not None:
            trading.decided(self.bot, number, now_ns)
        if trading is not None and not acted:
            decision["missed"] = 1
            asset.missed += 1
        asset.last, asset.last_actions = decision, actions
        asset.decisions += 1
        if self._writer is not None:
            self._writer.put(decision, actions)
        if trading is not None and acted:
            trading.act(self.bot, number, actions, self.now_s())

    def end(self, timeout_s: float, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Cancel every own order and wait, so long at most, until each has ended by the connector's word; tell whether all have."""
        trading, until_s = self.trading, self.now_s() + timeout_s
        self._ending = True
        if trading is None:
            return True
        while not give_up():
            for number in range(len(self.assets)):
                trading.pull(self.bot, number, "the run ends", self.now_s())
            if not trading.open_orders(self.bot):
                return True
            if self.now_s() >= until_s:
                break
            self.step(0.05)
        return not trading.open_orders(self.bot)

    def close(self) -> None:
        """Leave the link."""
        self.bot.close()

    def _after(self, head: Heard) -> None:
        self._heard_s = now_s = self.now_s()
        if self.trading is not None:
            self.trading.heard(self.bot, head, self._numbers, now_s)
        for symbol, time_ns in feed_times(head).items():
            number = self._numbers.get(symbol)
            if number is not None:
                self.assets[number].feed_ns = max(self.assets[number].feed_ns, time_ns)
                self.assets[number].feed_s = now_s
        for symbol, time_ns in depth_times(head).items():
            number = self._numbers.get(symbol)
            if number is None:
                continue
            asset = self.assets[number]
            if time_ns >= asset.depth_ns:
                asset.depth_ns, asset.depth_s = time_ns, now_s
            if not asset.wake_ns and self.bot.depth(number).confidence is Confidence.SYNCED:
                asset.wake_ns = kernels.next_boundary(time_ns, asset.strategy.rules.update_ns)

    def _on_time(self, trading: Trading) -> None:
        """Look at what no message tells: silence, boundaries that pass, cancels whose answer does not come."""
        now_s, most_s = self.now_s(), trading.config.live.max_silence_s
        silent_s = now_s - self._heard_s
        for number, asset in enumerate(self.assets):
            if self._ending:
                trading.tend(self.bot, number, now_s)
                continue
            why = ""
            stale_s = asset.strategy.rules.stale_ns / 1e9
            if silent_s > most_s:
                why = f"nothing is heard of the connector for {most_s:g} s"
            elif asset.unsynced_s is not None and now_s - asset.unsynced_s > most_s:
                why = f"the book is not in sync for {most_s:g} s"
            elif asset.feed_s is not None and now_s - asset.feed_s > stale_s:
                why = f"no market data for {stale_s:g} s"
            if why:
                trading.pull(self.bot, number, why, now_s)
            elif asset.unsynced_s is None:
                trading.resume(self.bot, number)
            if not self.backlog:
                self._decide_by_clock(number, asset, now_s)
            trading.tend(self.bot, number, now_s)

    def _decide_by_clock(self, number: int, asset: Asset, now_s: float) -> None:
        if not asset.started or not asset.depth_ns:
            return
        passed_ns = asset.depth_ns + round((now_s - asset.depth_s - GRACE_S) * 1e9)
        update_ns = asset.strategy.rules.update_ns
        if passed_ns < asset.wake_ns:
            return
        if passed_ns - asset.wake_ns >= update_ns:  # as after a stop of this process: only the newest is of use
            asset.skipped += (passed_ns - asset.wake_ns) // update_ns
            asset.wake_ns = passed_ns // update_ns * update_ns
        self.decide(number, asset.wake_ns)

    def _look_at_confidence(self, number: int, asset: Asset) -> None:
        view = self.bot.depth(number)
        now = view.confidence
        if now is Confidence.SYNCED:
            asset.unsynced_s = None
        elif asset.unsynced_s is None:
            asset.unsynced_s = self.now_s()
        if now is asset.confidence:
            return
        if now is Confidence.SYNCED:
            self._note(f"{asset.symbol}: the book is synced")
        else:
            asset.interruptions += 1
            self._note(f"{asset.symbol}: the book is {now.value}: {view.why}")
        asset.confidence = now

    def _on_error(self, error: LiveError) -> None:
        match read_notice(error):
            case Contradicted(what=Stated.SYMBOL, stated=stated, true=str(true)) if stated in self._numbers:
                self._numbers[true] = self._numbers[str(stated)]
            case OutOfSync():
                return  # told as the book's confidence
            case OrderProblem(symbol=symbol) as problem if self.trading is not None and symbol in self._numbers:
                self.trading.on_problem(self.bot, self._numbers[symbol], problem, self.now_s())
                return
        self._note(f"connector: {error.kind.name.lower()} {error.value}")


def orders_table(orders: Mapping[int, Order], lot_size: float, unsure: frozenset[int] = frozenset()) -> Table:
    """Return own orders, sent, unknown and working, as the strategy takes them, by id, shape (n, ORDER_COLUMNS); at most MOST_ORDERS."""
    working = sorted(
        (order for order in orders.values() if order.status not in ENDED), key=lambda order: order.order_id
    )[:MOST_ORDERS]
    table: Table = np.zeros((len(working), ORDER_COLUMNS), np.int64)
    for row, order in enumerate(working):
        table[row, O_ID], table[row, O_SIDE] = order.order_id, 1 if order.side is Side.BUY else -1
        table[row, O_TICK], table[row, O_LOTS] = order.price_tick, round(order.leaves_qty / lot_size)
        table[row, O_FREE] = int(order.cancellable or (order.active and order.order_id in unsure))
        table[row, O_SINCE] = order.exch_timestamp or order.local_timestamp
    return table


def percentiles_us(timings_ns: Sequence[int]) -> tuple[float, float]:
    """Return the median and the 99th percentile, µs; 0 where there are none."""
    if not timings_ns:
        return 0.0, 0.0
    median, high = np.percentile(np.array(timings_ns), (50, 99))
    return float(median) / 1e3, float(high) / 1e3


def make_strategies(symbols: Mapping[str, tuple[float, float]], config: Config, first_id: int) -> dict[str, Strategy]:
    """Return a strategy for each symbol's tick and lot size; ids of different symbols never meet."""
    return {
        symbol: Strategy(config.of_symbol(symbol), tick, lot, first_id=first_id + number * 1_000_000_000)
        for number, (symbol, (tick, lot)) in enumerate(symbols.items())
    }
