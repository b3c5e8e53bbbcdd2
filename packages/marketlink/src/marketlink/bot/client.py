"""The blocking client that strategies use, its methods named as in hftbacktest's Python API.

It runs in one thread and has no hidden ones: messages are handled inside the waiting calls.
A batch is handled whole before any call returns. Waiting is measured on a monotonic clock, whatever the wall clock does.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketlink.bot.state import Asset, BotState, Changes, Confidence
from marketlink.errors import InstrumentRefused
from marketlink.events import Events
from marketlink.link.port import BotPort, Peer
from marketlink.messages import LiveError
from marketlink.notices import Contradicted, Refused, Stated, read_notice
from marketlink.orders import Order
from marketlink.run.clock import Clock, SystemClock
from marketlink.times import SECOND_NS, MonoNs, after

log = logging.getLogger(__name__)
_MISSING_NS: Final = 2 * SECOND_NS
_LOOK_NS: Final = SECOND_NS // 2


class Waited(IntEnum):
    """How a waiting call ended; the numbers are hftbacktest's."""

    OK = 0  # the time is over
    END_OF_DATA = 1  # asked to stop
    MARKET_FEED = 2
    ORDER_RESPONSE = 3


@dataclass(frozen=True, slots=True)
class Instrument:
    """What a bot wants from which connector.

    A size that is left out is the exchange's own, told by the connector; one that is stated and is not the exchange's ends the bot's first
    waiting call with InstrumentRefused. The source's own connector knows no sizes: there both must be stated.
    """

    connector_name: str
    symbol: str
    tick_size: float = 0.0
    lot_size: float = 0.0
    last_trades_capacity: int = 0


class DepthView:
    """The book of one asset as it is now; reads through to the newest one."""

    def __init__(self, state: BotState, number: int, clock: Clock) -> None:
        self._state, self._number, self._clock = state, number, clock
        self._asset = state.assets[number]

    @property
    def confidence(self) -> Confidence:
        """How far this book can be believed."""
        return self._state.confidence(self._number, self._clock.mono_ns())

    @property
    def why(self) -> str:
        """Why it can't be, in words; empty when it can."""
        return self._state.why(self._number, self._clock.mono_ns())

    @property
    def update_id(self) -> int:
        """The exchange's id of the last update in the book; 0 when the connector tells none."""
        return self._asset.update_id

    @property
    def tick_size(self) -> float:
        """The price step; 0 until it is known."""
        return self._asset.tick_size

    @property
    def lot_size(self) -> float:
        """The quantity step; 0 until it is known."""
        return self._asset.lot_size

    @property
    def best_bid(self) -> float:
        """The best bid price; NaN when there is none."""
        return self._asset.book.best_bid

    @property
    def best_ask(self) -> float:
        """The best ask price; NaN when there is none."""
        return self._asset.book.best_ask

    @property
    def best_bid_tick(self) -> int:
        """The best bid in ticks; the smallest i64 when there is none."""
        return self._asset.book.best_bid_tick

    @property
    def best_ask_tick(self) -> int:
        """The best ask in ticks; the largest i64 when there is none."""
        return self._asset.book.best_ask_tick

    @property
    def best_bid_qty(self) -> float:
        """The quantity at the best bid."""
        return self._asset.book.best_bid_qty

    @property
    def best_ask_qty(self) -> float:
        """The quantity at the best ask."""
        return self._asset.book.best_ask_qty

    def bid_qty_at_tick(self, price_tick: int) -> float:
        """The quantity bid at a price; 0 when there is none."""
        return self._asset.book.bid_qty_at_tick(price_tick)

    def ask_qty_at_tick(self, price_tick: int) -> float:
        """The quantity asked at a price; 0 when there is none."""
        return self._asset.book.ask_qty_at_tick(price_tick)

    def bids(self, count: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ticks and quantities of the best `count` bids, best first."""
        return self._asset.book.bids(count)

    def asks(self, count: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ticks and quantities of the best `count` asks, best first."""
        return self._asset.book.asks(count)

    def levels(self) -> Events:
        """The whole book as snapshot records: bids from the best down, then asks from the best up."""
        return self._asset.book.levels()


class LiveBot:
    """A bot on one or more running connectors.

    `open_port` makes a bot's end of the link to a connector of a name; the default is shared memory. Errors that the connector tells go to
    `on_error`, which may raise to end the waiting call. A waiting call raises InstrumentRefused when the connector does not have a symbol,
    or has it with other sizes than stated; a connector that does not run is waited for, and said once in the log.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        open_port: Callable[[str], BotPort] | None = None,
        on_error: Callable[[LiveError], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        seen = {(one.connector_name, one.symbol) for one in instruments}
        if not instruments or len(seen) < len(instruments):
            raise ValueError("at least one instrument, and each symbol of a connector only once")
        self._clock, self._on_error = clock or SystemClock(), on_error
        self._stopped = False
        self._places: list[tuple[BotState, int]] = []
        self._links: list[_Link] = []
        opener = open_port or _shared_memory
        numbers: dict[str, list[int]] = {}
        for number, one in enumerate(instruments):
            numbers.setdefault(one.connector_name, []).append(number)
        places: dict[int, tuple[BotState, int]] = {}
        for name, mine in numbers.items():
            port = opener(name)
            assets = [
                Asset(one.symbol, one.tick_size, one.lot_size, one.last_trades_capacity)
                for one in (instruments[number] for number in mine)
            ]
            link = _Link(name, port, BotState(port.bot_id, assets), mine, self._clock.mono_ns())
            self._links.append(link)
            for index, number in enumerate(mine):
                places[number] = (link.state, index)
            now = self._clock.mono_ns()
            link.state.on_peer(port.peer(), now)
            for request in link.state.start(now):
                port.request(request)
        self._places = [places[number] for number in range(len(instruments))]
        self._depths = [DepthView(*place, self._clock) for place in self._places]

    @property
    def num_assets(self) -> int:
        """How many instruments there are."""
        return len(self._places)

    @property
    def current_timestamp(self) -> int:
        """The wall clock, ns."""
        return self._clock.wall_ns()

    def depth(self, asset_no: int) -> DepthView:
        """The book of an instrument."""
        return self._depths[asset_no]

    def last_trades(self, asset_no: int) -> Events:
        """The trades since the last clear, oldest first: the newest `last_trades_capacity` of them."""
        return self._asset(asset_no).last_trades.copy()

    def clear_last_trades(self, asset_no: int) -> None:
        """Forget the trades."""
        self._asset(asset_no).trade_count = 0

    def position(self, asset_no: int) -> float:
        """The position, as the connector last told it."""
        return self._asset(asset_no).position

    def orders(self, asset_no: int) -> dict[int, Order]:
        """The orders that the connector told of, by id."""
        return self._asset(asset_no).orders

    def clear_inactive_orders(self, asset_no: int) -> None:
        """Forget orders that are no longer working."""
        asset = self._asset(asset_no)
        asset.orders = {number: order for number, order in asset.orders.items() if order.active}

    def feed_latency(self, asset_no: int) -> tuple[int, int] | None:
        """Exchange and local time of the last market data, ns."""
        return self._asset(asset_no).feed_latency

    def order_latency(self, asset_no: int) -> tuple[int, int, int] | None:
        """Request, exchange and response time of the last order event, ns."""
        return self._asset(asset_no).order_latency

    def lost_samples(self) -> int:
        """How many samples never reached this bot."""
        return sum(link.state.lost_samples for link in self._links)

    def elapse(self, duration_ns: int) -> Waited:
        """Handle messages for so long."""
        return self._wait(duration_ns, lambda changes: None)

    def wait_next_feed(self, include_order_resp: bool, timeout_ns: int) -> Waited:
        """Wait until market data arrived, or, if asked for, an order event."""

        def ended(changes: list[tuple[Changes, list[int]]]) -> Waited | None:
            if include_order_resp and any(change.orders for change, _ in changes):
                return Waited.ORDER_RESPONSE
            return Waited.MARKET_FEED if any(change.feeds for change, _ in changes) else None

        return self._wait(timeout_ns, ended)

    def wait_order_response(self, asset_no: int, order_id: int, timeout_ns: int) -> Waited:
        """Wait until an event of this order arrived."""

        def ended(changes: list[tuple[Changes, list[int]]]) -> Waited | None:
            told = any(
                (numbers[asset], number) == (asset_no, order_id)
                for change, numbers in changes
                for asset, number in change.orders
            )
            return Waited.ORDER_RESPONSE if told else None

        return self._wait(timeout_ns, ended)

    def stop(self) -> None:
        """End the waiting call that runs, and every later one, with END_OF_DATA; may be called from a signal handler."""
        self._stopped = True

    def close(self) -> None:
        """Leave the link; orders are left as they are."""
        for link in self._links:
            link.port.close()
        self._links = []

    def _asset(self, asset_no: int) -> Asset:
        state, index = self._places[asset_no]
        return state.assets[index]

    def _hear(self) -> list[tuple[Changes, list[int]]]:
        heard: list[tuple[Changes, list[int]]] = []
        for link in self._links:
            port, state = link.port, link.state
            now = self._clock.mono_ns()
            self._look_for(link, now)
            changes = state.hear(port.receive(), now, self._clock.wall_ns(), heartbeats=port.checked)
            if state.unreadable >= link.unreadable_told:
                log.warning(
                    "connector %r: %d samples that can't be read: %s", link.name, state.unreadable, state.unreadable_why
                )
                link.unreadable_told = 10 * state.unreadable
            for request in changes.requests:
                port.request(request)
            heard.append((changes, link.numbers))
            for error in changes.errors:
                self._check(link, error)
                if self._on_error is not None:
                    self._on_error(error)
        return heard

    def _look_for(self, link: "_Link", now: MonoNs) -> None:
        """Look who the connector is, twice a second; say it when there is none. Raises InstrumentRefused."""
        if now < link.look_at:
            return
        link.look_at = after(now, _LOOK_NS)
        peer = link.port.peer()
        link.state.on_peer(peer, now)
        missing = link.state.missing_ns(now) >= _MISSING_NS
        if missing and not link.told:
            log.warning("no connector %r runs here; waiting for it", link.name)
        elif link.told and peer is not Peer.NOBODY:
            log.warning("connector %r is there", link.name)
        link.told = (link.told or missing) and peer is Peer.NOBODY
        for asset in link.state.unsized(now):
            what = "its tick and lot size are not stated, and this connector is hftbacktest's own, which takes them from its bots"
            raise InstrumentRefused(link.name, asset.symbol, what, "State tick_size and lot_size.")

    def _check(self, link: "_Link", error: LiveError) -> None:
        match read_notice(error):
            case Refused(symbol, text) if any(asset.stated[0] == symbol for asset in link.state.assets):
                raise InstrumentRefused(link.name, symbol, text, "Correct the symbol.")
            case Contradicted(symbol, what, stated, true) if what is not Stated.SYMBOL and any(
                asset.symbol == symbol and stated in asset.stated[1:] for asset in link.state.assets
            ):
                text = f"{what.value} is stated as {stated}, and is {true}"
                raise InstrumentRefused(link.name, symbol, text, f"Write {what.value}={true}, or leave it out.")

    def _wait(self, timeout_ns: int, ended: Callable[[list[tuple[Changes, list[int]]]], Waited | None]) -> Waited:
        end = after(self._clock.mono_ns(), timeout_ns)
        while True:
            result = ended(self._hear())
            if result is not None:
                return result
            if self._stopped:
                return Waited.END_OF_DATA
            left_ns = end - self._clock.mono_ns()
            if left_ns <= 0:
                return Waited.OK
            # With several connectors only one can be slept on: look at the others often.
            limit_s = 0.2 if len(self._links) == 1 else 0.002
            for link in self._links:
                if link.port.wait(min(left_ns / 1e9, limit_s)):
                    break


@dataclass(slots=True)
class _Link:
    """One connector that a bot follows."""

    name: str
    port: BotPort
    state: BotState
    numbers: list[int]  # of this link's assets among the bot's
    look_at: MonoNs
    told: bool = False  # that no connector runs
    unreadable_told: int = 1  # with so many samples it is said again


def _shared_memory(name: str) -> BotPort:
    from marketlink.link.iceoryx import IceoryxBotPort

    return IceoryxBotPort(name)
