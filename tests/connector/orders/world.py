"""A trader, an exchange and the road between them, which a test can break at every point.

Both sides are the real cores: the exchange is venue_sim's, the trader the connector's; what travels between them are the bytes
that would travel over sockets. Time moves only when a test says so, and the same seed gives the same run.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import orjson
from connector.calls import NoAnswer, NotSent, Outcome, Replied
from connector.client_ids import ClientIds
from connector.effects import Ask, Effect, Journal, Level, Note, Publish, Restream, TellPrivate
from connector.lifecycle import Phase
from connector.restored import read_records
from connector.risk import Risk, RiskLimits
from connector.tracked import Tracked
from connector.trader import Settings, Trader
from marketlink.errors import MalformedMessage
from marketlink.messages import ErrorEvent, OrderEvent, PositionEvent, SubmitOrder
from marketlink.notices import OrderProblem, read_notice
from marketlink.orders import Order, OrderType, Side, Status, TimeInForce
from marketlink.run.limits import OrderBudget, WeightBudget
from marketlink.times import Moment, MonoNs, WallNs
from marketlink.venues.base import Instrument as LiveInstrument
from marketlink.venues.base import OrderBounds, WeightLimit
from marketlink.venues.binance import COINM_TRADING, PAPI_TRADING, SPOT_TRADING, USDM_TRADING
from marketlink.venues.bybit import LINEAR_TRADING
from marketlink.venues.signing import HmacSigner
from marketlink.venues.trading import ORDER_OPS, Op, OrderLimit, StreamStep, TradingVenue
from venue_sim.accounts import Account, AnyAccount, Fees, HoldingAccount, InverseAccount, Kind
from venue_sim.auth import Key
from venue_sim.book import LoggedBook
from venue_sim.config import parse_fault
from venue_sim.desk import Desk, Reply
from venue_sim.exchange import Exchange, Rules
from venue_sim.face import Route
from venue_sim.faults import FaultScript
from venue_sim.filters import Limits
from venue_sim.limits import OrderPool
from venue_sim.links import Close, Deliver, Eof, Reset
from venue_sim.market import BookHistory, BookState, Frame, Instrument, Trade, Update
from venue_sim.matching import BUY, SELL, End
from venue_sim.timeline import Timeline
from venue_sim.trade_desk import Credentials, TradeDesk
from venue_sim.trading import OPEN, NewOrder, OrderState, Trading
from venue_sim.venues import find as find_face

START_MS = 1_700_000_000_000
NO_FEES = Fees(Fraction(0), Fraction(0))
TERMINAL = (Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED)
COIN = Instrument("btcusdt", "0.10", "0.001", "BTC", "USDT")
LIVE_COIN = LiveInstrument(
    "btcusdt",
    0.1,
    0.001,
    "0.10",
    "0.001",
    True,
    OrderBounds(min_notional=Decimal(5), min_qty=Decimal("0.001")),
    "BTC",
)


@dataclass(frozen=True)
class Venue:
    """An exchange: the connector's side of it, and the simulator's name of it."""

    trading: TradingVenue
    face: str
    symbol: str = "btcusdt"  # as the connector spells it
    hand: Callable[[dict[str, Any]], dict[str, Any]] = lambda values: values  # USD-M's parameters in its own words
    pools: tuple[OrderPool, ...] | None = None  # its limits on the number of orders, where a case is not about them


_BYBIT_NAMES = {
    "type": "orderType",
    "quantity": "qty",
    "origClientOrderId": "orderLinkId",
    "newClientOrderId": "orderLinkId",
    "selfTradePreventionMode": "smpType",
}
_BYBIT_WORDS = {
    "BUY": "Buy",
    "SELL": "Sell",
    "LIMIT": "Limit",
    "MARKET": "Market",
    "EXPIRE_MAKER": "CancelMaker",
    "EXPIRE_TAKER": "CancelTaker",
    "EXPIRE_BOTH": "CancelBoth",
}


def _in_bybits_words(values: dict[str, Any]) -> dict[str, Any]:
    words = {_BYBIT_NAMES.get(name, name): _BYBIT_WORDS.get(str(value), value) for name, value in values.items()}
    return {"category": "linear", **words}


VENUES = {
    "U": Venue(USDM_TRADING, "usdm"),
    "S": Venue(SPOT_TRADING, "spot"),
    "C": Venue(COINM_TRADING, "coinm"),
    "P": Venue(PAPI_TRADING, "papi"),
    "B": Venue(LINEAR_TRADING, "bybit", "BTCUSDT", _in_bybits_words, (OrderPool(1, 1_000),)),
}
"""By the letter that the order cases have for them (C: COIN-M). A new exchange is one more row: the cases run on it too (conftest)."""


class Still:
    """A market that does what a test says."""

    name = "still"
    total: int | None = None
    topics = frozenset({("btcusdt", "depth"), ("btcusdt", "trade")})
    recorded_streams: frozenset[str] = frozenset()
    exchange_start_ms = START_MS

    def __init__(self) -> None:
        self.instruments = {"btcusdt": COIN}
        bids, asks = [("100.00", "1.000"), ("99.90", "2.000")], [("100.10", "1.000"), ("100.20", "2.000")]
        self.books: dict[str, BookHistory] = {"btcusdt": LoggedBook(BookState(100, 0, 0, bids, asks))}
        self.frames: list[Frame] = []

    def next_due_ns(self) -> int | None:
        return 0 if self.frames else None

    def take(self, until_ns: int | None, limit: int) -> list[Frame]:
        out, self.frames = self.frames[:limit], self.frames[limit:]
        return out


@dataclass
class Seen:
    """What a bot was told of one of its numbers. A `life` begins with each submit that uses the number anew."""

    events: list[Order] = field(default_factory=list)
    problems: list[OrderProblem] = field(default_factory=list)
    lives: list[int] = field(default_factory=list)  # where in `events` each begins

    @property
    def last(self) -> Order:
        return self.events[-1]

    @property
    def executed(self) -> float:
        return round(sum(order.exec_qty for order in self.events), 9)

    @property
    def statuses(self) -> list[str]:
        """How its state went, repeats left out."""
        names = [order.status.name for order in self.events]
        return [name for at, name in enumerate(names) if not at or names[at - 1] != name]

    @property
    def states(self) -> list[str]:
        """What its problems said of its state."""
        return [problem.state for problem in self.problems]

    def life(self, at: int = -1) -> list[Order]:
        """The events of one use of the number."""
        starts = [*self.lives, len(self.events)]
        return self.events[starts[at - 1] : starts[at]] if at < 0 else self.events[starts[at] : starts[at + 1]]

    def check(self) -> None:
        """Hold what a bot may be told of an order (invariants 1, 2, 3, 4)."""
        for at in range(len(self.lives)):
            life = self.life(at)
            ends = [index for index, order in enumerate(life) if order.status in TERMINAL]
            corrections = life[ends[0] + 1 :] if ends else []
            assert all(order.exec_qty for order in corrections), ("told again after the end", life)
            times = [order.exch_timestamp for order in life if order.exch_timestamp]  # 0: never there
            assert times == sorted(times), ("its time falls", times)
            executed = 0.0
            for order in life:
                executed = round(executed + order.exec_qty, 9)
                assert order.exec_qty >= 0, order
                assert 0 <= order.leaves_qty <= order.qty + 1e-12, order
                assert round(order.qty - order.leaves_qty, 9) == executed, ("cumulative", executed, order, life)


Instead = Outcome | Callable[[Reply], Outcome]
"""What comes in place of an answer, or is made of it."""
Road = Callable[[Op, bytes | None], float | None]
"""How long something travels, ms; None: it is lost. `op` says what it belongs to, the bytes are an answer's or None for a request."""


class World:
    """One account, one connector, any number of bots."""

    letter: ClassVar[str] = "U"
    """Which of `VENUES` a world is of that does not say."""
    held: ClassVar[int] = 0
    """How much of the base asset there is where accounts hold assets, so that it can be sold."""

    def __init__(
        self,
        *,
        prefix: str = "mm",
        limits: RiskLimits | None = None,
        seed: int = 1,
        weight: int = 1_000_000,
        of: Venue | None = None,
        **settings: Any,
    ) -> None:
        of = of or VENUES[self.letter]
        public, trade = find_face(of.face)
        assert trade is not None
        self.venue, self.face = of.trading, trade
        self.of, self.symbol = of, of.symbol
        self.market = Still()
        self.exchange = Exchange(self.market, Timeline(1.0), FaultScript([]), Rules(start_on_subscribe=False), public)
        self.exchange.timeline.start(0)
        instruments = self.market.instruments
        account: AnyAccount = Account("a", Fraction(1_000_000))
        if public.habits.accounts is Kind.INVERSE:
            account = InverseAccount("a", {"BTC": Fraction(200)}, instruments)
        if public.habits.accounts is Kind.ASSETS:
            account = HoldingAccount(
                "a", {"BTC": Fraction(self.held), "USDT": Fraction(1_000_000)}, instruments, NO_FEES
            )
        limits_there = Limits(kills_are_orders=public.habits.kills_are_orders)
        self.trading = Trading(instruments, {"a": account}, limits=limits_there)
        self.exchange.let_trade(self.trading, trade)
        self.desk = Desk(
            self.exchange, trade=TradeDesk(self.exchange, self.trading, {"key": Key("a", "secret")}, trade, of.pools),
            weight_per_minute=weight, private_per_minute=weight if trade.weight_per_minute else None,
        )  # fmt: skip
        self.signer = HmacSigner("key", "secret")
        self.random = random.Random(seed)
        self.now_ms = 1.0
        self.clock_ms = 0.0  # how far the connector's clock is off
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.counter = 0
        self.request_road: Road = lambda op, answer: 1.0
        self.answer_road: Road = lambda op, answer: 1.0
        self.push_road: Callable[[bytes], list[float]] = lambda push: [1.0]
        self.answers: dict[Op, list[Instead]] = {}  # answers to give instead of the exchange's, after it has acted
        self.instead: dict[Op, list[Outcome]] = {}  # and without its having acted
        self.timeout_ms = 3_000.0
        self.weights: WeightBudget | None = None
        self.orders: OrderBudget | None = None
        self.refused: list[int] = []  # HTTP statuses of limits that the exchange answered
        self.asked: list[tuple[float, Op, dict[str, str]]] = []
        self.seen: dict[tuple[int, int], Seen] = {}
        self.pending: dict[tuple[int, int], float] = {}  # requests of bots that nothing has answered, and since when
        self.requested: dict[
            tuple[int, int], Status
        ] = {}  # what a bot believes to be asked, by its own requests and what it heard
        self.owners: dict[str, tuple[int, int]] = {}  # by client id: the bot and its number
        self.others: list[Any] = []
        self.positions: list[PositionEvent] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.told: list[TellPrivate] = []  # on the account's own service
        self.connection = 0
        self.streams_opened = 0
        self.stream_delay_ms = 50.0
        self._last_push = 0.0
        self.prefix, self.limits, self.settings = prefix, limits, settings
        self.mid: Decimal | None = Decimal("100.05")
        self.restarts = 0
        self.trader = self._new_trader()
        self.bots: list[tuple[int, str]] = []

    def _new_trader(self) -> Trader:
        risk = Risk(self.limits or RiskLimits(), {})
        ids = ClientIds(self.prefix)
        trader = Trader(self.venue, ids, risk, Settings(**self.settings), lambda symbol, now: (self.mid, 0.0))
        trader.instruments = {self.symbol: replace(LIVE_COIN, symbol=self.symbol)}
        return trader

    # -- time and road ------------------------------------------------------------------------------------------------

    def moment(self) -> Moment:
        ms = self.now_ms
        return Moment(MonoNs(int(ms * 1e6)), WallNs(int((START_MS + ms + self.clock_ms) * 1e6)))

    @property
    def now_ns(self) -> int:
        return int(self.now_ms * 1e6)

    @property
    def epoch_s(self) -> float:
        """The exchange machine's wall clock."""
        return 6000.0 + self.now_ms / 1000

    @property
    def trade_desk(self) -> TradeDesk:
        """The private half of the exchange."""
        assert self.desk.trade is not None
        return self.desk.trade

    def later(self, delay_ms: float, what: Callable[[], None]) -> None:
        self.counter += 1
        heapq.heappush(self.queue, (self.now_ms + delay_ms, self.counter, what))

    def run(self, for_ms: float) -> None:
        """Let time pass, in steps of 50 ms at most, as the connector's own timer."""
        end = self.now_ms + for_ms
        while self.now_ms < end:
            step = min(end, (self.now_ms // 50 + 1) * 50)
            while self.queue and self.queue[0][0] <= step:
                when, _, what = heapq.heappop(self.queue)
                self.now_ms = max(self.now_ms, when)
                what()
            self.now_ms = step
            self.trade_desk.due(self.now_ns, self.epoch_s)
            self._deliver(self.exchange.tick(self.now_ns))
            self._pushed()
            self.carry(self.trader.on_time(self.moment()))

    def settle(self, within_ms: float = 5_000) -> None:
        """Run until nothing is in doubt or outstanding; fail when that takes longer than allowed."""
        for _ in range(int(within_ms / 100)):
            if not self.busy():
                break
            self.run(100)
        self.run(5)  # events that overtook nothing have come too
        assert not self.busy(), {one.client_id: (one.phase, one.doubt) for one in self.trader.ledger.active.values()}

    def busy(self) -> bool:
        outstanding = (Phase.LIVE,)
        return any(one.phase not in outstanding or one.doubt for one in self.trader.ledger.active.values())

    # -- the connector ------------------------------------------------------------------------------------------------

    def start(self, *bots: int) -> World:
        """Open the stream, compare, register bots."""
        self._open_stream()
        self.run(200)
        assert self.trader.ready
        for bot in bots:
            self.register(bot)
        return self

    def register(self, bot: int, symbol: str = "") -> list[OrderEvent]:
        symbol = symbol or self.symbol
        self.bots.append((bot, symbol))
        return self._registered(bot, symbol)

    def _registered(self, bot: int, symbol: str) -> list[OrderEvent]:
        """As the hub does: what was held for the bot, then its working orders."""
        self.carry(self.trader.on_bot(bot, symbol))
        working = self.trader.working(bot, symbol)
        for event in working:
            self._hear(bot, event)
        if (position := self.trader.positions.word(symbol)) is not None:
            self._hear(bot, self.trader.position_event(position))
        return working

    def carry(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    self._send(effect, self.trader)
                case Publish(batch):
                    for event in batch.events:
                        self._hear(batch.to, event)
                case Journal(record):
                    self.records.append(dict(record))
                case TellPrivate():
                    self.told.append(effect)
                case Restream():
                    self._close_stream()
                    self._open_later(self.stream_delay_ms)
                case Note(level, text):
                    self.notes.append(text)
                    if level is Level.WARNING:
                        self.warnings.append(text)

    def _hear(self, bot: int, event: Any) -> None:
        if isinstance(event, OrderEvent):
            key = (bot, event.order.order_id)
            self.seen.setdefault(key, Seen()).events.append(event.order)
            self.pending.pop(key, None)
            self.requested[key] = event.order.req
        elif isinstance(event, PositionEvent):
            self.positions.append(event)
        elif isinstance(event, ErrorEvent) and isinstance(notice := read_notice(event.error), OrderProblem):
            self.seen.setdefault((bot, notice.order_id), Seen()).problems.append(notice)
            self.pending.pop((bot, notice.order_id), None)
        else:
            self.others.append(event)

    def obey_limits(self, weight: int, *orders: OrderLimit) -> None:
        """Let requests wait for room in the limits, as the connector's HTTP client does, with its own cores."""
        self.weights, self.orders = WeightBudget(WeightLimit(weight, 60)), OrderBudget(orders)

    def _send(self, ask: Ask, trader: Trader, asked_ms: float | None = None) -> None:
        call = ask.call
        asked_ms = self.now_ms if asked_ms is None else asked_ms
        done: list[bool] = []

        def finish(outcome: Outcome) -> None:
            if not done and trader is self.trader:
                done.append(True)
                if call.op is Op.TIME and isinstance(outcome, Replied) and outcome.status == 200:
                    server_ms = self.venue.read_time(outcome.body)
                    trader.offset_ns = int((server_ms - (START_MS + self.now_ms + self.clock_ms)) * 1e6)
                self.carry(trader.on_outcome(ask.number, outcome, self.moment()))

        if self.weights is not None and self.orders is not None:
            now = MonoNs(self.now_ns)
            wait_ns = max(
                self.weights.wait_ns(call.weight, now, urgent=ask.urgent), self.orders.wait_ns(call.orders, now)
            )
            if wait_ns:
                if asked_ms + (self.timeout_ms if call.op in ORDER_OPS else 30_000) < self.now_ms + wait_ns / 1e6:
                    self.later(0.0, lambda: finish(NotSent("no room in the limits")))
                else:
                    self.later(wait_ns / 1e6, lambda: self._send(ask, trader, asked_ms))
                return
            self.weights.spend(call.weight, now)
            self.orders.spend(call.orders, now)
        self.asked.append((self.now_ms, call.op, dict(call.params)))
        stamp_ms = (int((START_MS + self.now_ms + self.clock_ms) * 1e6) + trader.offset_ns) // 1_000_000
        trader.on_sent(ask.number, stamp_ms * 1_000_000)
        path, headers, body = self.venue.rest_request(call, self.signer, stamp_ms, 2_000)
        if self.instead.get(call.op):
            given = self.instead[call.op].pop(0)
            self.later(1.0, lambda: finish(given))
            return
        travel = self.request_road(call.op, None)
        self.later(self.timeout_ms, lambda: finish(NoAnswer("no answer in time")))
        if travel is None:
            return

        def arrive() -> None:
            parts = urlsplit(path)
            query = dict(parse_qsl(parts.query))
            lower = {name.lower(): value for name, value in headers.items()}
            who = self.face.credentials(parts.query, body.decode(), lower)
            reply = self.desk.ask(call.method, parts.path, query, "1", self.now_ns, self.epoch_s, who)
            assert isinstance(reply, Reply)
            self._pushed()
            if reply.status in (418, 429):
                self.refused.append(reply.status)
            outcome: Outcome = Replied(reply.status, reply.body)
            if reply.hang_up:
                outcome = NoAnswer(reply.hang_up)
            if self.answers.get(call.op):
                given = self.answers[call.op].pop(0)
                outcome = given(reply) if callable(given) else given
            back = self.answer_road(call.op, reply.body)
            if back is not None and not reply.never:
                self.later(back + 1000 * reply.delay_s, lambda: finish(outcome))

        self.later(travel, arrive)

    # -- the account's stream -----------------------------------------------------------------------------------------

    def _open_stream(self) -> None:
        key = ""
        if (call := self.venue.stream_start()) is not None:
            who = Credentials({}, "key", "", "")
            answer = self.desk.ask(call.method, call.path, {}, "1", self.now_ns, self.epoch_s, who)
            assert isinstance(answer, Reply)
            key = self.venue.read_stream_key(answer.body)
        self.connection += 1
        self.streams_opened += 1
        address = self.venue.stream_url("", key, self.venue.stream_forms[0])
        route = self.exchange.face.talk.parse_target(address)
        assert isinstance(route, Route)
        self.exchange.open(self.connection, route, self.now_ns)
        for message in self.venue.stream_login(self.signer, int(START_MS + self.now_ms), 2_000):
            if route.api:
                said = self.desk.ask_api(message, "1", self.now_ns, self.epoch_s, self.connection).body
            else:
                (answer,) = self.exchange.on_text(self.connection, message, self.now_ns)
                assert isinstance(answer, Deliver)
                said = answer.payloads[0]
            assert self.venue.read_private(said) == (StreamStep(),), said
        self.carry(self.trader.on_stream_open(self.moment()))

    def _open_later(self, delay_ms: float) -> None:
        trader = self.trader
        self.later(delay_ms, lambda: self._open_stream() if trader is self.trader else None)

    def _close_stream(self) -> None:
        self._pushed()
        self.exchange.closed(self.connection)

    def cut_stream(self, for_ms: float = 500) -> None:
        """Lose the account's stream, with all that is pushed meanwhile."""
        self._close_stream()
        self.connection += 1  # what was on its way is lost too
        self.trader.on_stream_lost("cut", self.moment())
        self._open_later(for_ms)

    def travel(self, *, request: float = 1.0, answer: float = 1.0, push: float = 1.0) -> None:
        """How long everything travels from now on, ms."""
        self.request_road = lambda op, body: request
        self.answer_road = lambda op, body: answer
        self.push_road = lambda payload: [push]

    def asks(self, *ops: Op) -> list[dict[str, str]]:
        """The parameters of the requests of these kinds, oldest first."""
        return [params for _, op, params in self.asked if op in ops]

    def tell(self, payload: bytes) -> None:
        """An event of the account that the exchange never sent."""
        self._push_later(payload, 0.0, self.connection, self.trader)
        self.run(1)

    def fault(self, kind: str, **fields: Any) -> None:
        """Script a fault of the exchange's, as docs/venue-sim.md names them."""
        self.exchange.script.add(parse_fault({"kind": kind, **fields}))

    def _pushed(self) -> None:
        self._deliver(self.exchange.flush())

    def _deliver(self, effects: Iterable[object]) -> None:
        for effect in effects:
            if isinstance(effect, Close | Eof | Reset) and effect.connection == self.connection:
                self.cut_stream(self.stream_delay_ms)
            if isinstance(effect, Deliver) and effect.connection == self.connection:
                for payload in effect.payloads:
                    for delay in self.push_road(payload):
                        self._push_later(payload, delay, self.connection, self.trader)

    def _push_later(self, payload: bytes, delay: float, connection: int, trader: Trader) -> None:
        def arrive() -> None:
            if connection != self.connection or trader is not self.trader:
                return
            try:
                messages = self.venue.read_private(payload)
            except MalformedMessage:
                self.carry(trader.on_malformed(self.moment()))
                return
            for message in messages:
                self.carry(trader.on_private(message, self.moment()))

        self.later(delay, arrive)

    # -- bots ---------------------------------------------------------------------------------------------------------

    def order(self, bot: int, number: int, **changes: Any) -> Order:
        values: dict[str, Any] = dict(
            qty=1.0, exec_qty=0.0, exec_price_tick=0, price_tick=999, tick_size=0.1, exch_timestamp=0,
            local_timestamp=int(self.moment().wall), order_id=number, maker=False, order_type=OrderType.LIMIT,
            req=Status.NEW, status=Status.NEW, side=Side.BUY, time_in_force=TimeInForce.GTC,
        )  # fmt: skip
        values.update(changes)
        values.setdefault("leaves_qty", values["qty"])
        return Order(**values)

    def submit(self, bot: int, number: int, symbol: str = "", **changes: Any) -> Seen:
        symbol = symbol or self.symbol
        seen = self.seen.setdefault((bot, number), Seen())
        known = self.trader.ledger.find(bot, symbol, number)
        if known is None or known.phase is Phase.ENDED:
            seen.lives.append(len(seen.events))
            self._note_request(bot, number, Status.NEW)
        self.carry(self.trader.on_order(bot, SubmitOrder(symbol, self.order(bot, number, **changes)), self.moment()))
        placed = self.trader.ledger.find(bot, symbol, number)
        if placed is not None:
            self.owners[placed.client_id] = (bot, number)
        return seen

    def cancel(self, bot: int, number: int) -> None:
        self._ask(bot, number, req=Status.CANCELED)

    def modify(self, bot: int, number: int, price_tick: int, qty: float) -> None:
        self._ask(bot, number, req=Status.REPLACED, price_tick=price_tick, qty=qty)

    def ask(self, bot: int, number: int) -> None:
        """A bot asks what became of a submit of which it never heard."""
        order = self.order(bot, number, req=Status.NONE)
        self.carry(self.trader.on_order(bot, SubmitOrder(self.symbol, order), self.moment()))

    def _note_request(self, bot: int, number: int, req: Status) -> None:
        self.pending.setdefault((bot, number), self.now_ms)
        self.requested[(bot, number)] = req

    def _ask(self, bot: int, number: int, **changes: Any) -> None:
        """Ask something of an order, as a bot that may not have heard of its end yet: its own record goes along."""
        order = self.order(bot, number, **changes)
        seen = self.seen.get((bot, number))
        if seen is not None and seen.lives and seen.events:
            last = seen.last
            if last.status in TERMINAL and self.trader.ledger.find(bot, self.symbol, number) is None:
                return  # nobody asks for what he knows to be over
            values = dict(changes, local_timestamp=order.local_timestamp, exec_qty=0.0)
            values["leaves_qty"] = max(0.0, changes.get("qty", last.qty) - last.qty + last.leaves_qty)
            order = replace(last, **values)
            if last.status not in TERMINAL:
                self._note_request(bot, number, changes["req"])
        self.carry(self.trader.on_order(bot, SubmitOrder(self.symbol, order), self.moment()))

    # -- the market and others ----------------------------------------------------------------------------------------

    def hand(self, method: str = "POST", **parameters: Any) -> dict[str, Any]:
        """The account's owner does something by hand, or another program of his."""
        values = {"symbol": "BTCUSDT", **parameters}
        if method == "POST":
            market = values.get("type") == "MARKET"
            values = {
                "side": "BUY",
                "type": "LIMIT",
                "quantity": "1",
                **({} if market else {"timeInForce": "GTC"}),
                **values,
            }
        values = self.of.hand(values)
        ask = self.trade_desk.parse(method, self.face.order_path, {key: str(value) for key, value in values.items()})
        assert ask is not None
        body = self.trade_desk.act(ask.what, "a", self.now_ns)
        assert body.status == 200, body
        self._pushed()
        answer: dict[str, Any] = orjson.loads(body.body)
        assert not answer.get("retCode"), answer
        told: dict[str, Any] = answer.get("result", answer)
        number = told.get("orderId")
        return {**told, "orderId": UUID(number).int} if isinstance(number, str) else told

    def trade(self, price: str, qty: str, *, seller: bool = True) -> None:
        """Somebody trades; `seller`: he sells, and so fills bids."""
        now = int(START_MS + self.now_ms)
        self._market("trade", Trade(self.counter, now, now, price, qty, seller))

    def _market(self, kind: str, message: Update | Trade) -> None:
        self.market.frames.append(Frame(0, "btcusdt", kind, 0, message))
        self._deliver(self.exchange.advance(1, self.now_ns))
        self._pushed()

    def by_hand(self, side: str, qty: str) -> None:
        """The account's owner trades at the market by himself."""
        new = NewOrder("btcusdt", BUY if side == "BUY" else SELL, None, Decimal(qty), f"web_{self.counter}")
        _, pushes = self.trading.place("a", new, int(START_MS + self.now_ms))
        self.exchange.push(pushes, self.now_ns)
        self._pushed()

    def kill(self, for_ms: float = 100, *, bots_first: bool = False) -> None:
        """SIGKILL and restart: all that this process knew is gone but for its journal. `bots_first`: before it has compared."""
        self._close_stream()
        self.restarts += 1
        self.pending.clear()  # what was on its way to it is gone
        self.trader = self._new_trader()
        self.run_dead(for_ms)
        self.carry(self.trader.restore(read_records(self.records)))
        if not bots_first:
            self._open_stream()
            self.run(300)
        for bot, symbol in self.bots:
            self._registered(bot, symbol)
        if bots_first:
            self._open_stream()
            self.run(300)

    def stop(self, within_ms: float = 10_000) -> bool:
        """End in order, as the shell does; True: everything of ours was seen to be gone."""
        self.trader.accepting = False
        start_ns = self.trader.exchange_ns(self.moment())
        end_ms, again_ms = self.now_ms + within_ms, 0.0
        while self.now_ms < end_ms and not self.trader.is_clean(start_ns):
            if self.now_ms >= again_ms:
                again_ms = self.now_ms + 500
                effects = self.trader.cancel_own(self.moment())
                self.carry(effects or self.trader.verify(self.moment()))
            self.run(10)
        return self.trader.is_clean(start_ns)

    def run_dead(self, for_ms: float) -> None:
        """Let time pass at the exchange while no connector is there."""
        end = self.now_ms + for_ms
        while self.queue and self.queue[0][0] <= end:
            when, _, what = heapq.heappop(self.queue)
            self.now_ms = max(self.now_ms, when)
            what()
        self.exchange.flush()
        self.now_ms = end

    # -- truth --------------------------------------------------------------------------------------------------------

    def true_order(self, bot: int, number: int) -> OrderState:
        """The exchange's own state of a bot's newest order of a number."""
        tracked = self.tracked(bot, number)
        return self.true_orders()[tracked.client_id]

    def tracked(self, bot: int, number: int) -> Tracked:
        """What the connector knows of it."""
        found = self.trader.ledger.find(bot, self.symbol, number)
        assert found is not None
        return found

    def true_position(self) -> float:
        """The account's position."""
        return float(self.trading.accounts["a"].position("btcusdt").amount)

    def working(self) -> set[tuple[int, int]]:
        """The bots' orders that are open at the exchange, by bot and number."""
        return {
            self.owners[state.new.client_id]
            for state in self.trading.open_orders("a")
            if state.new.client_id in self.owners
        }

    def true_orders(self) -> dict[str, OrderState]:
        """Every order that the exchange ever had, by client id."""
        return {state.new.client_id: state for state in self.trading.orders.values()}

    def check(self) -> None:
        """Hold what the trader and its bots know against the exchange's truth, and the invariants."""
        true = self.true_orders()
        for client_id, tracked in self.trader.ledger.orders.items():
            state = true.get(client_id)
            if state is None:
                assert (tracked.phase, tracked.final) == (Phase.ENDED, Status.EXPIRED), (client_id, tracked)
                continue
            assert tracked.filled == state.executed, (client_id, tracked, state)
            if state.status in OPEN:
                assert tracked.phase is Phase.LIVE, (client_id, tracked)
                assert (tracked.terms.price, tracked.terms.qty) == (state.new.price or 0, state.new.quantity)
            else:
                assert tracked.phase is Phase.ENDED, (client_id, tracked)
                word = {"EXPIRED_IN_MATCH": "EXPIRED"}.get(state.status.value, state.status.value)
                if state.why is End.POST and self.letter == "B":
                    word = "EXPIRED"  # where a post-only order is refused late, the venue calls it cancelled
                assert tracked.final.name == word, (client_id, tracked.final, state)
        for state in self.trading.open_orders("a"):
            if state.new.client_id.startswith(self.prefix) and len(state.new.client_id) == len(self.prefix) + 23:
                assert state.new.client_id in self.trader.ledger.active, ("not known", state)
        self.check_bots()

    def check_bots(self) -> None:
        """What bots were told is in order by itself."""
        for seen in self.seen.values():
            seen.check()


def kind_of(payload: bytes) -> str:
    """What an event of the account is: an order's by what happened to it (`NEW`, `TRADE`), else by its name."""
    event = event_of(payload)
    if "topic" in event:
        word = event["data"][0].get("orderStatus")
        return str(word or event["topic"])
    if event["e"] == "executionReport":
        return {"REPLACED": "AMENDMENT", "TRADE_PREVENTION": "EXPIRED"}.get(event["x"], str(event["x"]))
    return str(event["o"]["x"]) if event["e"] == "ORDER_TRADE_UPDATE" else str(event["e"])


def event_of(payload: bytes) -> dict[str, Any]:
    """An event of the account without what it is wrapped in."""
    event: dict[str, Any] = orjson.loads(payload)
    inner: dict[str, Any] = event.get("event", event)
    return inner


def is_of_orders(payload: bytes) -> bool:
    """Whether an event is about orders, and not the account."""
    event = event_of(payload)
    if "topic" in event:
        return event["topic"] in ("order", "execution", "execution.fast")
    return event["e"] in ("ORDER_TRADE_UPDATE", "TRADE_LITE", "executionReport")


def refusal(code: int, text: str = "no", status: int = 400) -> Replied:
    """An error answer."""
    return Replied(status, orjson.dumps({"code": code, "msg": text}))


def outcome_lost() -> NoAnswer:
    """An answer that never comes."""
    return NoAnswer("reset")


def outcome_not_sent() -> NotSent:
    """A request that never leaves."""
    return NotSent("no budget")
