"""A live shell that sends orders, on a link in memory, beside a small exchange that holds, fills and refuses them.

What is true is the exchange's: `position` and `open`. Requests and answers travel when they are told to, so that any order can be
sent, unknown, working or ended elsewhere at any moment.
"""

import dataclasses
from collections import deque
from pathlib import Path

import numpy as np
from marketlink.events import BUY as BUYS
from marketlink.events import DEPTH, DEPTH_CLEAR, EVENT_DTYPE, EXCH, LOCAL, Events
from marketlink.events import SELL as SELLS
from marketlink.link.port import MemoryConnectorPort, MemoryLink
from marketlink.messages import Batch, ErrorEvent, FeedEvent, PositionEvent, SubmitOrder
from marketlink.messages import OrderEvent as Told
from marketlink.notices import OrderProblem, to_error
from marketlink.orders import Order, Side, Status
from marketlink.times import MonoNs, WallNs
from obi_mm.config import Config, parse_config
from obi_mm.decisions import Header, LoggedSymbol, Writer, read_log
from obi_mm.live import Shell, make_strategies
from obi_mm.trading import Trading

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
LOT, TICK = 0.001, 0.1
GRID, ORDER_LOTS, MOST_LOTS = 3, 10, 100


def config(**live: float) -> Config:
    small = {
        "window": 3,
        "volatility_window": 2,
        "update_interval_ns": SECOND // 10,
        "volatility_interval_ns": SECOND // 5,
    }
    stop = {"volatility_mean": 1.0, "change_mean": 1.0}
    params = {**small, "stale_seconds": 5.0, "live_seconds": 0.5}
    return parse_config({"params": params, "stop_loss": stop, "live": live}, "test")


def rows(time_ns: int, bid: float, qty: float, whole: bool) -> Events:
    events: Events = np.zeros(2 + whole, EVENT_DTYPE)
    events["exch_ts"], events["local_ts"] = time_ns, time_ns + 1000
    if whole:
        events["ev"][0] = EXCH | LOCAL | DEPTH_CLEAR
    for row, side, price in ((-2, BUYS, bid), (-1, SELLS, bid + TICK)):
        events["ev"][row], events["px"][row], events["qty"][row] = EXCH | LOCAL | DEPTH | side, price, qty
    return events


class Clock:
    """A clock that stands until it is moved; in the end it runs, because leaving the link waits for cancels."""

    def __init__(self) -> None:
        self.passed_ns, self.runs = SECOND, False

    def wall_ns(self) -> WallNs:
        return WallNs(START + self.passed_ns)

    def mono_ns(self) -> MonoNs:
        self.passed_ns += SECOND if self.runs else 0
        return MonoNs(self.passed_ns)


class World:
    """Shell, connector's end and exchange."""

    def __init__(self, path: Path, settings: Config | None = None) -> None:
        self.clock, self.path = Clock(), path
        self.link = MemoryLink()
        self.port: MemoryConnectorPort = self.link.connector()
        self.writer = Writer(path, Header((LoggedSymbol("btcusdt", TICK, LOT),), {}, "test"))
        self.notes: list[str] = []
        settings = settings or config()
        strategies = make_strategies({"btcusdt": (TICK, LOT)}, settings, 1)
        self.trading = Trading(list(strategies.items()), settings, self.writer.happened, self.notes.append)
        self.shell = Shell(
            "bf", strategies, port=self.link.bot(7), writer=self.writer, trading=self.trading, note=self.notes.append,
            clock=self.clock,
        )  # fmt: skip
        self.asked: deque[Order] = deque()
        self.back: deque[Batch] = deque()
        self.open: dict[int, Order] = {}
        self.position = 0
        self.exch_ns = START
        self.submits = self.cancels = 0
        self.refuse: OrderProblem | None = None
        self.bid = 50_000.0
        self.port.send(Batch((FeedEvent("btcusdt", rows(START, self.bid, 2.0, True)),)))

    def close(self) -> None:
        self.clock.runs = True
        self.shell.close()
        self.writer.close()

    # -- what the shell does

    def look(self) -> int:
        """Let the shell take in all that is there; returns how many orders it sent."""
        before = self.submits
        while self.shell.step(0.0):
            pass
        self.hear()
        return self.submits - before

    def hear(self) -> None:
        """Take the bot's requests off the link: from here on they are under way."""
        for request in self.port.requests():
            if isinstance(request.request, SubmitOrder):
                self.asked.append(request.request.order)
                self.submits += request.request.order.req is Status.NEW
                self.cancels += request.request.order.req is Status.CANCELED

    # -- what the exchange does

    def pass_time(self, seconds: float) -> None:
        self.clock.passed_ns += round(seconds * 1e9)

    def silence(self, seconds: float) -> None:
        """Time passes everywhere, and nothing is heard of it."""
        self.pass_time(seconds)
        self.exch_ns += round(seconds * 1e9)

    def market(self, seconds: float, move: int = 0) -> None:
        """Time passes at the exchange, and the book is told."""
        self.exch_ns += round(seconds * 1e9)
        self.bid = round(self.bid + move * TICK, 1)
        qty = 1.0 + (self.exch_ns // (SECOND // 10)) % 5
        self.port.send(Batch((FeedEvent("btcusdt", rows(self.exch_ns, self.bid, qty, move != 0)),)))

    def serve(self, count: int = 1_000) -> None:
        """Carry out so many of the requests that are under way; answers wait for `answer`."""
        for _ in range(min(count, len(self.asked))):
            order = self.asked.popleft()
            if order.req is Status.NEW:
                if self.refuse is not None:
                    gone = dataclasses.replace(
                        order, status=Status.EXPIRED, req=Status.NONE, exch_timestamp=self.exch_ns
                    )
                    problem = dataclasses.replace(self.refuse, order_id=order.order_id)
                    self.back.append(Batch((Told("btcusdt", gone), ErrorEvent(to_error(problem))), 7, framed=False))
                    continue
                self.open[order.order_id] = dataclasses.replace(order, status=Status.NEW, req=Status.NONE)
                self._tell(self.open[order.order_id])
            elif order.order_id in self.open:
                self._tell(dataclasses.replace(self.open.pop(order.order_id), status=Status.CANCELED))

    def fill(self, which: int, lots: int, *, word: bool = True, word_first: bool = True) -> None:
        """Fill a part of an open order."""
        if not self.open:
            return
        order = self.open[sorted(self.open)[which % len(self.open)]]
        lots = min(lots, round(order.leaves_qty / LOT))
        left = round(order.leaves_qty / LOT) - lots
        self.position += lots if order.side is Side.BUY else -lots
        order = dataclasses.replace(
            order, leaves_qty=left * LOT, exec_qty=lots * LOT, exec_price_tick=order.price_tick, maker=True,
            status=Status.PARTIALLY_FILLED if left else Status.FILLED,
        )  # fmt: skip
        if left:
            self.open[order.order_id] = dataclasses.replace(order, exec_qty=0.0)
        else:
            del self.open[order.order_id]
        if word and word_first:
            self._word()
        self._tell(order)
        if word and not word_first:
            self._word()

    def answer(self, count: int = 1_000) -> None:
        """Let so many answers reach the bot's queue."""
        for _ in range(min(count, len(self.back))):
            self.port.send(self.back.popleft())

    def restart(self) -> None:
        """Another connector takes the name; what was on its way to the old one is lost, what the exchange told waits for it."""
        self.hear()
        self.asked.clear()
        self.port = self.link.connector()
        self.port.send(Batch((FeedEvent("btcusdt", rows(self.exch_ns, self.bid, 2.0, True)),), 7))

    def round(self, seconds: float = 0.1, move: int = 0) -> int:
        """One quiet turn of everything."""
        self.pass_time(seconds)
        self.market(seconds, move)
        sent = self.look()
        self.serve()
        self.answer()
        self.look()
        return sent

    def quote(self) -> None:
        """Go on until it quotes."""
        for _ in range(30):
            self.round()
            if self.open:
                return
        raise AssertionError(f"it never quotes: {self.notes}")

    def check(self) -> None:
        """By the exchange's truth, position and all that may still fill of a side stay within the limit."""
        waiting = [order for order in self.asked if order.req is Status.NEW]
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            working = sum(round(one.leaves_qty / LOT) for one in [*self.open.values(), *waiting] if one.side is side)
            assert sign * self.position + working <= MOST_LOTS, (self.position, working, side)

    def events(self, what: int) -> int:
        return int((read_log(self.path).events["what"] == what).sum())

    def _word(self) -> None:
        self.back.append(Batch((PositionEvent("btcusdt", self.position * LOT, self.exch_ns),), framed=False))

    def _tell(self, order: Order) -> None:
        order = dataclasses.replace(order, exch_timestamp=self.exch_ns, local_timestamp=order.local_timestamp)
        self.back.append(Batch((Told("btcusdt", order),), 7, framed=False))
