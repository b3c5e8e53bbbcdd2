"""The blocking client that strategies use, its methods named as in hftbacktest's Python API.

It runs in one thread and has no hidden ones: messages are handled inside the waiting calls.
A batch is handled whole before any call returns. Waiting is measured on a monotonic clock, whatever the wall clock does.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from marketlink.bot.depth import DepthView
from marketlink.bot.orders import FINISHED, Code, OrderDict, OwnOrders, StateValues
from marketlink.bot.state import Asset, BotState, Changes
from marketlink.clock import Clock, SystemClock
from marketlink.errors import InstrumentRefused
from marketlink.events import Events
from marketlink.link.port import BotPort, Peer
from marketlink.messages import LiveError, SubmitOrder
from marketlink.notices import Contradicted, Refused, Stated, read_notice
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.times import SECOND_NS, MonoNs, after

log = logging.getLogger(__name__)
_MISSING_NS: Final = 2 * SECOND_NS
_LOOK_NS: Final = SECOND_NS // 2
ALL_ASSETS: Final = -1
"""Every instrument, where a call says so; hftbacktest's number, also as it reads without a sign."""


@dataclass(frozen=True, slots=True)
class BotInstrument:
    """What a bot wants from which connector.

    A size that is left out is the exchange's own, told by the connector; one that is stated and is not the exchange's ends the bot's first
    waiting call with InstrumentRefused. The source's own connector knows no sizes: there both must be stated.
    """

    connector_name: str
    symbol: str
    tick_size: float = 0.0
    lot_size: float = 0.0
    last_trades_capacity: int = 0


class LiveBot:
    """A bot on one or more running connectors.

    `bot_id` is random unless stated; a bot that comes back under its id gets its working orders back, one that is random does not.
    `open_port` makes a bot's end of the link to a connector of a name; the default is shared memory. Errors that the connector tells go to
    `on_error`, orders that changed to `on_order`, before (None: not known until now) and after; both may raise to end the waiting call.
    `poll_us`: for so long a waiting call looks for messages all the time, which takes a core, before it sleeps until woken; by default
    as MARKETLINK_POLL_US says, else not at all.
    `answer_timeout` is how long `wait=True` waits, ns, and `close_timeout` how long `close` does. A waiting call raises InstrumentRefused
    when the connector does not have a symbol, or has it with other sizes than stated; a connector that does not run is waited for, and said
    once in the log.
    """

    depth_class: ClassVar[type[DepthView]] = DepthView

    def __init__(
        self,
        instruments: Sequence[BotInstrument],
        *,
        bot_id: int | None = None,
        open_port: Callable[[str], BotPort] | None = None,
        on_error: Callable[[LiveError], None] | None = None,
        on_order: Callable[[Order | None, Order], None] | None = None,
        answer_timeout: int = 60 * SECOND_NS,
        close_timeout: int = 3 * SECOND_NS,
        poll_us: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        seen = {(one.connector_name, one.symbol) for one in instruments}
        if not instruments or len(seen) < len(instruments):
            raise ValueError("at least one instrument, and each symbol of a connector only once")
        if (bot_id is not None or poll_us is not None) and open_port is not None:
            raise ValueError(
                "a port has its bot's id and its way to wait: state bot_id or open_port, poll_us or open_port"
            )
        self.clock, self._on_error, self._on_order = clock or SystemClock(), on_error, on_order
        self._answer_timeout, self._close_timeout = answer_timeout, close_timeout
        self._stopped = False
        self._places: list[tuple[BotState, int]] = []
        self._links: list[_Link] = []
        self._link_of: dict[int, int] = {}
        opener = open_port or (lambda name: _shared_memory(name, bot_id, poll_us))
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
            link = _Link(name, port, BotState(port.bot_id, assets), mine, self.clock.mono_ns())
            self._links.append(link)
            for index, number in enumerate(mine):
                places[number] = (link.state, index)
                self._link_of[number] = len(self._links) - 1
            now = self.clock.mono_ns()
            link.state.on_peer(port.peer(), now)
            for request in link.state.start(now):
                port.request(request)
        self._places = [places[number] for number in range(len(instruments))]
        self._depths = [self.depth_class(*place, self.clock) for place in self._places]

    @property
    def num_assets(self) -> int:
        """How many instruments there are."""
        return len(self._places)

    @property
    def current_timestamp(self) -> int:
        """The wall clock, ns."""
        return self.clock.wall_ns()

    def depth(self, asset_no: int) -> DepthView:
        """The book of an instrument."""
        return self._depths[asset_no]

    def last_trades(self, asset_no: int) -> Events:
        """The trades since the last clear, oldest first: the newest `last_trades_capacity` of them."""
        return self._asset(asset_no).last_trades.copy()

    def clear_last_trades(self, asset_no: int) -> None:
        """Forget the trades of an instrument, or of ALL_ASSETS."""
        for asset in self._assets(asset_no):
            asset.trade_count = 0

    def position(self, asset_no: int) -> float:
        """The account's position, as the connector last told it."""
        return self._asset(asset_no).position

    def own_position(self, asset_no: int) -> float:
        """The sum of this bot's own fills since it began."""
        asset = self._asset(asset_no)
        return asset.orders.position(asset.lot_size)

    def state_values(self, asset_no: int) -> StateValues:
        """The account's position, and what the own fills add up to."""
        asset = self._asset(asset_no)
        return asset.orders.state_values(asset.position)

    def orders(self, asset_no: int) -> OrderDict:
        """This bot's orders by id, always as they are now."""
        return self._asset(asset_no).orders.map

    def unsure(self, asset_no: int) -> frozenset[int]:
        """The ids of orders that the exchange or the connector is being asked about; they may rest, be filled or be gone."""
        return frozenset(self._asset(asset_no).orders.unsure)

    def clear_inactive_orders(self, asset_no: int) -> None:
        """Forget orders that neither work nor wait for an answer, of an instrument or of ALL_ASSETS."""
        for asset in self._assets(asset_no):
            asset.orders.clear_inactive()

    def feed_latency(self, asset_no: int) -> tuple[int, int] | None:
        """Exchange and local time of the last market data, ns."""
        return self._asset(asset_no).feed_latency

    def order_latency(self, asset_no: int) -> tuple[int, int, int] | None:
        """Request, exchange and response time of the last order event, ns."""
        return self._asset(asset_no).orders.latency

    def submit_buy_order(
        self,
        asset_no: int,
        order_id: int,
        price: float,
        qty: float,
        time_in_force: int,
        order_type: int,
        wait: bool,
    ) -> Code:
        """Ask for a buy order; OK when it is sent, or with `wait` when it is answered, whatever the answer.

        ORDER_ID_EXIST while the map has the id, an ended order's too. The price is rounded to the tick. Raises ValueError for a quantity or
        a price that is no positive number, or while the tick size is unknown.
        """
        return self._submit(Side.BUY, asset_no, order_id, price, qty, time_in_force, order_type, wait)

    def submit_sell_order(
        self,
        asset_no: int,
        order_id: int,
        price: float,
        qty: float,
        time_in_force: int,
        order_type: int,
        wait: bool,
    ) -> Code:
        """Ask for a sell order; as `submit_buy_order`."""
        return self._submit(Side.SELL, asset_no, order_id, price, qty, time_in_force, order_type, wait)

    def cancel(self, asset_no: int, order_id: int, wait: bool) -> Code:
        """Ask to cancel an order. ORDER_NOT_FOUND, or INVALID_ORDER_STATUS when it has ended or something is asked for it."""
        if not self._has(asset_no):
            return Code.INSTRUMENT_NOT_FOUND
        made = self._asset(asset_no).orders.cancel(int(order_id), self.clock.wall_ns())
        return self._send(asset_no, made, wait)

    def modify(self, asset_no: int, order_id: int, price: float, qty: float, wait: bool) -> Code:
        """Ask for another price and total quantity, which the order shows at once, and no longer if it is refused; codes as `cancel`."""
        if not self._has(asset_no):
            return Code.INSTRUMENT_NOT_FOUND
        made = self._asset(asset_no).orders.modify(int(order_id), float(price), float(qty), self.clock.wall_ns())
        return self._send(asset_no, made, wait)

    def _submit(
        self,
        side: Side,
        asset_no: int,
        order_id: int,
        price: float,
        qty: float,
        time_in_force: int,
        order_type: int,
        wait: bool,
    ) -> Code:
        if not self._has(asset_no):
            return Code.INSTRUMENT_NOT_FOUND
        asset = self._asset(asset_no)
        if not asset.sized:
            raise ValueError(f"order {order_id}: the tick size of {asset.symbol} is not known yet")
        made = asset.orders.submit(
            int(order_id),
            side,
            float(price),
            float(qty),
            TimeInForce(time_in_force),
            OrderType(order_type),
            asset.tick_size,
            self.clock.wall_ns(),
        )
        return self._send(asset_no, made, wait)

    def _send(self, asset_no: int, made: Order | Code, wait: bool) -> Code:
        """Send a request, note it, and wait for its answer if wanted. Raises LinkError when it can't be sent; then it is not asked."""
        if isinstance(made, Code):
            return made
        link = self._links[self._link_of[asset_no]]
        asset = self._asset(asset_no)
        link.port.request(SubmitOrder(asset.symbol, made))
        asset.orders.sent(made)
        if not wait:
            return Code.OK
        ended = self._wait(
            self._answer_timeout, lambda _: None if _awaited(asset.orders, made) else Code.ORDER_RESPONSE
        )
        return {Code.ORDER_RESPONSE: Code.OK, Code.OK: Code.TIMEOUT}.get(ended, ended)

    def lost_samples(self) -> int:
        """How many samples never reached this bot."""
        return sum(link.state.lost_samples for link in self._links)

    def elapse(self, duration: int | None = None, *, duration_ns: int | None = None) -> Code:
        """Handle messages for so long, ns; `duration_ns` is the same by another name."""
        return self._wait(_one_of(duration, duration_ns), lambda changes: None)

    def elapse_bt(self, duration: int) -> Code:
        """Do nothing: it is for backtests, where computing takes no time."""
        return Code.OK

    def wait_next_feed(
        self, include_order_resp: bool, timeout: int | None = None, *, timeout_ns: int | None = None
    ) -> Code:
        """Wait until market data arrived, or, if asked for, an order event or an answer; `timeout_ns` is `timeout` by another name."""

        def ended(changes: list[tuple[Changes, list[int]]]) -> Code | None:
            if include_order_resp and any(change.orders for change, _ in changes):
                return Code.ORDER_RESPONSE
            return Code.MARKET_FEED if any(change.feeds for change, _ in changes) else None

        return self._wait(_one_of(timeout, timeout_ns), ended)

    def wait_order_response(
        self, asset_no: int, order_id: int, timeout: int | None = None, *, timeout_ns: int | None = None
    ) -> Code:
        """Wait until an event of this order arrived, or an error that answers what was asked for it."""

        def ended(changes: list[tuple[Changes, list[int]]]) -> Code | None:
            told = any(
                (numbers[asset], number) == (asset_no, order_id)
                for change, numbers in changes
                for asset, number in change.orders
            )
            return Code.ORDER_RESPONSE if told else None

        return self._wait(_one_of(timeout, timeout_ns), ended)

    def stop(self) -> None:
        """End the waiting call that runs, and every later one, with END_OF_DATA; may be called from a signal handler."""
        self._stopped = True

    def close(self) -> Code:
        """Wait, no longer than `close_timeout`, until the cancels that were sent are answered, and leave the link; orders stay as they are.

        Returns OK, or TIMEOUT when an answer is missing. Nothing is waited for where no connector runs. Calling it again does nothing.
        """
        result = Code.OK
        try:
            result = self._wait_for_cancels()
        finally:
            for link in self._links:
                link.port.close()
            self._links = []
        return result

    def _wait_for_cancels(self) -> Code:
        def left() -> bool:
            return any(
                order.req is Status.CANCELED and order.active
                for link in self._links
                if link.port.peer() is not Peer.NOBODY
                for asset in link.state.assets
                for order in asset.orders.map.values()
            )

        if not left():
            return Code.OK
        self._stopped = False
        ended = self._wait(self._close_timeout, lambda _: None if left() else Code.ORDER_RESPONSE)
        return Code.OK if ended is Code.ORDER_RESPONSE else Code.TIMEOUT

    def _has(self, asset_no: int) -> bool:
        return 0 <= asset_no < len(self._places)

    def _asset(self, asset_no: int) -> Asset:
        state, index = self._places[asset_no]
        return state.assets[index]

    def _assets(self, asset_no: int) -> list[Asset]:
        if asset_no in (ALL_ASSETS, ALL_ASSETS & ((1 << 64) - 1)):
            return [state.assets[index] for state, index in self._places]
        return [self._asset(asset_no)]

    def _hear(self) -> list[tuple[Changes, list[int]]]:
        heard: list[tuple[Changes, list[int]]] = []
        for link in self._links:
            port, state = link.port, link.state
            now = self.clock.mono_ns()
            self._look_for(link, now)
            changes = state.hear(port.receive(), now, self.clock.wall_ns(), heartbeats=port.checked)
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
            if self._on_order is not None:
                for before, after_ in changes.moved:
                    self._on_order(before, after_)
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

    def _wait(self, timeout_ns: int, ended: Callable[[list[tuple[Changes, list[int]]]], Code | None]) -> Code:
        end = after(self.clock.mono_ns(), timeout_ns)
        while True:
            result = ended(self._hear())
            if result is not None:
                return result
            if self._stopped:
                return Code.END_OF_DATA
            left_ns = end - self.clock.mono_ns()
            if left_ns <= 0:
                return Code.OK
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


def _awaited(orders: OwnOrders, request: Order) -> bool:
    """Tell whether a request is still to be answered: it is as long as the order shows it."""
    order = orders.map.get(request.order_id)
    return order is not None and order.req is request.req and order.status not in FINISHED


def _shared_memory(name: str, bot_id: int | None, poll_us: int | None) -> BotPort:
    from marketlink.link.iceoryx import IceoryxBotPort
    from marketlink.link.settings import read_settings

    settings = read_settings()
    return IceoryxBotPort(name, bot_id, settings if poll_us is None else replace(settings, poll_us=poll_us))


def _one_of(duration: int | None, duration_ns: int | None) -> int:
    if (duration is None) == (duration_ns is None):
        raise TypeError("one time is needed, in ns")
    return int(duration if duration is not None else duration_ns)  # type: ignore[arg-type]
