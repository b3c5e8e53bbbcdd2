"""The live shell: follows books over the link, asks the strategy when a decision is due, carries it out or only notes it.

Time is the exchange's: a decision is due at its boundary when the first depth message at or after it arrives, and is made
on the book without that message. What `send` is given is all that separates a live run from a dry one.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from marketlink.bot import Confidence, Instrument, LiveBot
from marketlink.link.port import BotPort, Peer
from marketlink.messages import Heard, LiveError
from marketlink.notices import Contradicted, OutOfSync, Stated, read_notice
from marketlink.orders import Order, Side
from marketlink.run.clock import Clock

from obi_mm import kernels
from obi_mm.config import Config
from obi_mm.decisions import Writer
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

Send = Callable[[int, Table], None]
"""Carries out the actions of an asset's decision."""
MOST_MISSED: Final = 1_000
"""Boundaries without any message that are decided one by one; beyond, the clock skips ahead."""
_KEPT_TIMINGS: Final = 10_000


@dataclass(slots=True)
class Asset:
    """One symbol that is followed, and what the view shows of it."""

    symbol: str
    strategy: Strategy
    started: bool = False
    wake_ns: int = 0
    feed_ns: int = 0
    decisions: int = 0
    skipped: int = 0
    last: Log | None = None
    last_actions: Table = field(default_factory=lambda: np.zeros((0, 5), np.int64))
    confidence: Confidence = Confidence.UNKNOWN
    interruptions: int = 0
    warmth: str = "cold"


class Shell:
    """Several symbols on one connector, one strategy each.

    `writer` gets every decision; `send` None is a dry run. `note` is told what changes, in words. `step` raises
    InstrumentRefused when the connector does not know a symbol, or knows it with other sizes than given.
    """

    def __init__(
        self,
        name: str,
        strategies: Mapping[str, Strategy],
        *,
        port: BotPort,
        writer: Writer | None = None,
        send: Send | None = None,
        note: Callable[[str], None] = lambda text: None,
        clock: Clock | None = None,
        timer_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.assets = [Asset(symbol, strategy) for symbol, strategy in strategies.items()]
        self._numbers = {asset.symbol: number for number, asset in enumerate(self.assets)}
        self._port = PacedPort(port)
        self._writer, self._send, self._note, self._timer_ns = writer, send, note, timer_ns
        instruments = [
            Instrument(name, asset.symbol, asset.strategy.rules.tick_size, asset.strategy.rules.lot_size)
            for asset in self.assets
        ]
        self.bot = LiveBot(instruments, open_port=lambda _: self._port, on_error=self._on_error, clock=clock)
        self.timings_ns: deque[int] = deque(maxlen=_KEPT_TIMINGS)

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
        head = self._port.peek()
        if head is None:
            self._port.wait(timeout_s)
            head = self._port.peek()
        if head is not None:
            self.before(head)
            self._port.release()
        self.bot.elapse(0)
        if head is not None:
            self._after(head)
        for number, asset in enumerate(self.assets):
            self._look_at_confidence(number, asset)
        return head is not None

    def before(self, head: Heard) -> None:
        """Make the decisions that are due before a message."""
        for symbol, time_ns in depth_times(head).items():
            number = self._numbers.get(symbol)
            if number is None:
                continue
            asset = self.assets[number]
            if not asset.wake_ns or time_ns < asset.wake_ns:
                continue
            missed = (time_ns - asset.wake_ns) // asset.strategy.rules.update_ns
            trusted = self.bot.depth(number).confidence is not Confidence.UNKNOWN
            if missed > (MOST_MISSED if trusted else 0):
                if asset.started:
                    self.decide(number, asset.wake_ns)
                    asset.skipped += missed
                asset.wake_ns = time_ns // asset.strategy.rules.update_ns * asset.strategy.rules.update_ns
            while asset.wake_ns <= time_ns:
                self.decide(number, asset.wake_ns)

    def decide(self, number: int, now_ns: int) -> None:
        """Make one asset's decision for a time."""
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
        decision, actions = strategy.decide(
            now_ns,
            best_bid,
            best_ask,
            bids,
            asks,
            position_lots=round(self.bot.position(number) / rules.lot_size),
            orders=orders_table(self.bot.orders(number), rules.lot_size),
            trouble=trouble,
        )
        asset.wake_ns = strategy.wake_ns
        self.timings_ns.append(self._timer_ns() - start_ns)
        decision["symbol"] = number
        asset.last, asset.last_actions = decision, actions
        asset.decisions += 1
        if self._writer is not None:
            self._writer.put(decision, actions)
        if self._send is not None:
            self._send(number, actions)

    def close(self) -> None:
        """Leave the link."""
        self.bot.close()

    def _after(self, head: Heard) -> None:
        for symbol, time_ns in feed_times(head).items():
            number = self._numbers.get(symbol)
            if number is not None:
                self.assets[number].feed_ns = max(self.assets[number].feed_ns, time_ns)
        for symbol, time_ns in depth_times(head).items():
            number = self._numbers.get(symbol)
            if number is None:
                continue
            asset = self.assets[number]
            if not asset.wake_ns and self.bot.depth(number).confidence is Confidence.SYNCED:
                asset.wake_ns = kernels.next_boundary(time_ns, asset.strategy.rules.update_ns)

    def _look_at_confidence(self, number: int, asset: Asset) -> None:
        view = self.bot.depth(number)
        now = view.confidence
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
        self._note(f"connector: {error.kind.name.lower()} {error.value}")


def orders_table(orders: Mapping[int, Order], lot_size: float) -> Table:
    """Return working orders as the strategy takes them, by id, shape (n, ORDER_COLUMNS); at most MOST_ORDERS."""
    working = sorted(
        (order for order in orders.values() if order.active or order.pending), key=lambda order: order.order_id
    )[:MOST_ORDERS]
    table: Table = np.zeros((len(working), ORDER_COLUMNS), np.int64)
    for row, order in enumerate(working):
        table[row, O_ID], table[row, O_SIDE] = order.order_id, 1 if order.side is Side.BUY else -1
        table[row, O_TICK], table[row, O_LOTS] = order.price_tick, round(order.leaves_qty / lot_size)
        table[row, O_FREE] = int(order.cancellable)
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
        symbol: Strategy(config, tick, lot, first_id=first_id + number * 1_000_000_000)
        for number, (symbol, (tick, lot)) in enumerate(symbols.items())
    }
