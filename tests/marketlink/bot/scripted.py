"""A small connector on the in-memory link, to trade against without a clock, a socket or a process.

It answers a registration with a book, the bot's working orders and the position, accepts orders, cancels and modifies them, and does
what a test sets in `refuse`, `silent` and `problem`. Time passes when the bot waits.
"""

from dataclasses import replace

from marketlink.bot import BotInstrument, LiveBot
from marketlink.clock import ManualClock
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, LOCAL, SELL, TRADE, Events, empty_events
from marketlink.link.port import BotPort, MemoryBotPort, MemoryLink, Peer
from marketlink.messages import (
    Batch,
    ErrorEvent,
    FeedEvent,
    Heard,
    LiveEvent,
    LiveRequest,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    SubmitOrder,
)
from marketlink.notices import OrderProblem, to_error
from marketlink.orders import Order, Status

MS = 1_000_000
BOT = 77


def rows(*given: tuple[int, float, float]) -> Events:
    events = empty_events(len(given))
    for event, (ev, px, qty) in zip(events, given, strict=True):
        event["ev"], event["px"], event["qty"], event["exch_ts"], event["local_ts"] = ev, px, qty, 5, 6
    return events


BOOK = rows((LOCAL | DEPTH_CLEAR, 0, 0), (LOCAL | BUY | DEPTH, 100.0, 1), (LOCAL | SELL | DEPTH, 101.0, 2))
PRINT = rows((LOCAL | BUY | TRADE, 101.0, 0.5))


class Market:
    """The connector's side; `serve` takes the requests that have come."""

    def __init__(self, clock: ManualClock, bot_id: int = BOT) -> None:
        self.clock, self.bot_id = clock, bot_id
        self.link = MemoryLink()
        self.port = self.link.connector()
        self.orders: dict[tuple[str, int], Order] = {}
        self.positions: dict[str, float] = {}
        self.requests: list[LiveRequest] = []
        self.refuse = self.silent = False
        self.problem: OrderProblem | None = None

    def tell(self, *events: LiveEvent, framed: bool = False) -> None:
        self.port.send(Batch(events, to=self.bot_id, framed=framed))

    def update(self, symbol: str, order_id: int, **changes: object) -> Order:
        order = self.orders[symbol, order_id]
        settled = {"req": Status.NONE, "exec_qty": 0.0, "exec_price_tick": 0, "maker": False}
        changes = {**settled, "exch_timestamp": self.clock.wall_ns(), **changes}
        self.orders[symbol, order_id] = order = replace(order, **changes)  # type: ignore[arg-type]
        self.tell(OrderEvent(symbol, order))
        return order

    def fill(self, symbol: str, order_id: int, qty: float) -> None:
        order = self.orders[symbol, order_id]
        left = order.leaves_qty - qty
        self.update(
            symbol,
            order_id,
            status=Status.PARTIALLY_FILLED if left > 1e-12 else Status.FILLED,
            leaves_qty=left,
            exec_qty=qty,
            exec_price_tick=order.price_tick,
            maker=True,
        )

    def print_trade(self, symbol: str) -> None:
        self.port.send(Batch((FeedEvent(symbol, PRINT),), framed=False))

    def restart(self, forget: bool = False) -> None:
        """Die with the requests that were not taken, and come back."""
        self.port.requests()
        self.port.close()
        self.port = self.link.connector()
        if forget:
            self.orders.clear()
        self.port.send(Batch())

    def serve(self) -> None:
        for one in self.port.requests():
            self.requests.append(one.request)
            match one.request:
                case RegisterInstrument(symbol):
                    own = [
                        OrderEvent(symbol, replace(order, exec_qty=0.0, exec_price_tick=0, maker=False))
                        for (name, _), order in self.orders.items()
                        if name == symbol and order.active
                    ]
                    self.tell(
                        FeedEvent(symbol, BOOK),
                        *own,
                        PositionEvent(symbol, self.positions.get(symbol, 0.0), 5),
                        framed=True,
                    )
                case SubmitOrder(symbol, order) if not self.silent:
                    self._order(symbol, order)
                case _:
                    pass

    def _order(self, symbol: str, order: Order) -> None:
        key = (symbol, order.order_id)
        if self.problem is not None:
            self.tell(ErrorEvent(to_error(self.problem)))
        elif order.req is Status.NEW:
            self.orders[key] = order
            self.update(*key, status=Status.EXPIRED if self.refuse else Status.NEW)
        elif order.req is Status.NONE:
            if key not in self.orders:  # it never left
                self.tell(OrderEvent(symbol, replace(order, status=Status.EXPIRED)))
        elif order.req is Status.CANCELED:
            status = self.orders[key].status if self.refuse else Status.CANCELED
            self.update(*key, status=status, local_timestamp=order.local_timestamp)
        else:
            known = self.orders[key]
            asked = known if self.refuse else order
            leaves = asked.qty - (known.qty - known.leaves_qty)
            self.update(
                *key,
                price_tick=asked.price_tick,
                qty=asked.qty,
                leaves_qty=leaves,
                local_timestamp=order.local_timestamp,
            )


class Waiting:
    """A bot's end on which waiting serves the connector and lets time pass: a millisecond, or what was asked for when nothing comes."""

    def __init__(self, port: MemoryBotPort, market: Market) -> None:
        self._port, self._market = port, market

    @property
    def bot_id(self) -> int:
        return self._port.bot_id

    @property
    def checked(self) -> bool:
        return True

    def peer(self) -> Peer:
        return self._port.peer()

    def receive(self) -> list[Heard]:
        return self._port.receive()

    def request(self, request: LiveRequest) -> None:
        self._port.request(request)

    def wait(self, timeout_s: float) -> bool:
        self._market.serve()
        came = self._port.wait(timeout_s)
        self._market.clock.advance(MS if came else max(MS, int(timeout_s * 1e9)))
        return came

    def close(self) -> None:
        self._port.close()


def open_bot(market: Market, *symbols: str, capacity: int = 0, **options: object) -> LiveBot:
    def open_port(name: str) -> BotPort:
        return Waiting(market.link.bot(market.bot_id), market)

    wanted = [BotInstrument("bf", symbol, 0.5, 0.25, capacity) for symbol in symbols]
    bot = LiveBot(wanted, open_port=open_port, clock=market.clock, **options)  # type: ignore[arg-type]
    bot.elapse(5 * MS)
    return bot
