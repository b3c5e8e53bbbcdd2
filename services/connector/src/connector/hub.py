"""The connector's core: bots' requests and the venue's messages in, effects out. No socket, clock or file in here.

It says who is told what; what a symbol's book is and how it travels is `books`.
Orders are `trader`'s business: without that half every order request is answered that trading is not configured.
"""

import dataclasses
import difflib
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from marketlink.book.rules import Snapshot
from marketlink.book.sync import DepthSync, SyncLimits
from marketlink.book.sync import Effect as SyncEffect
from marketlink.errors import MalformedMessage
from marketlink.events import Events
from marketlink.messages import (
    TO_ALL,
    Batch,
    BotRequest,
    ErrorEvent,
    FeedEvent,
    LiveEvent,
    OrderEvent,
    Progress,
    RegisterInstrument,
    SubmitOrder,
)
from marketlink.notices import Contradicted, Notice, OrderProblem, OutOfSync, Refused, Remark, Sizes, Stated, to_error
from marketlink.orders import Status
from marketlink.times import SECOND_NS, Moment, MonoNs
from marketlink.venues.base import (
    BASE,
    Book,
    Depth,
    ExchangeInfo,
    Instrument,
    NotUsed,
    PublicVenue,
    Ticks,
    VenueMessage,
)

from connector.books import Market
from connector.effects import Answer, Effect, Level, Note, Publish, Subscribe
from connector.risk import Look
from connector.trader import Trader

HEARTBEAT_NS: Final = SECOND_NS
FETCHED_NS: Final = 120 * SECOND_NS
IN_STREAM_NS: Final = 5 * SECOND_NS
"""How long a whole book is waited for: many are fetched within the venue's limits; in a stream it is the first that comes."""
MAX_WAITING: Final = 10_000
"""Registrations held while the exchange's instruments are not known yet; more are refused."""


@dataclass(slots=True)
class HubCounts:
    """What happened since the start, by name; for status lines and metrics."""

    published_events: int = 0
    published_batches: int = 0
    registrations: int = 0
    malformed: int = 0
    not_used: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    orders_refused: int = 0
    faults: int = 0


class Hub:
    """Everything the connector decides."""

    def __init__(
        self,
        venue: PublicVenue,
        rng: random.Random,
        limits: SyncLimits | None = None,
        make_trader: Callable[[Callable[[str, Moment], Look]], Trader] | None = None,
    ) -> None:
        """`make_trader` makes the trading half, given how to look at a symbol's market; without it orders are refused."""
        self._venue, self._rng, self._limits = venue, rng, limits
        self.trader = make_trader(self.look) if make_trader is not None else None
        self._info: ExchangeInfo | None = None
        self._waiting: dict[tuple[int, str], BotRequest] = {}
        self._left: Mapping[str, Events] = {}
        self._left_owners: Mapping[str, Iterable[int]] = {}
        self._last_sent: MonoNs | None = None
        self.markets: dict[str, Market] = {}
        self.owners: dict[
            str, set[int]
        ] = {}  # bots that number nothing, by symbol: they never register again by themselves
        self.counts = HubCounts()

    # -- bots ---------------------------------------------------------------------------------------------------------

    def on_request(self, request: BotRequest, now: Moment) -> list[Effect]:
        """Take a bot's request."""
        if request.bot_id == TO_ALL:
            return [Note(Level.WARNING, "a request without a bot id can't be answered and is left out")]
        match request.request:
            case RegisterInstrument(symbol=symbol):
                if self._info is not None:
                    return self._register(request, request.request, now)
                if len(self._waiting) >= MAX_WAITING:
                    text = "too many registrations are waiting for the exchange's instrument list"
                    return [self._tell(request.bot_id, Refused(symbol, text)), Note(Level.WARNING, text)]
                known = (request.bot_id, symbol) in self._waiting
                self._waiting[(request.bot_id, symbol)] = request
                text = f"bot {request.bot_id} asks for {symbol}: held until the exchange's instruments are known"
                return [] if known else [Note(Level.INFO, text)]
            case SubmitOrder():
                if self.trader is None:
                    return self._refuse_order(request.bot_id, request.request)
                return self.trader.on_order(request.bot_id, request.request, now)
            case Progress():
                return []  # the outbox's business

    def on_failed_request(self, request: BotRequest, error: Exception) -> list[Effect]:
        """Answer a request that this program failed at: whoever asked must not wait for ever."""
        self.counts.faults += 1
        text = f"a fault of the connector: {type(error).__name__}"
        match request.request:
            case RegisterInstrument(symbol=symbol):
                return [self._tell(request.bot_id, Remark(symbol, text))]
            case SubmitOrder(symbol, order):
                return [self._tell(request.bot_id, OrderProblem(symbol, order.order_id, text))]
            case Progress():
                return []

    def on_info(self, info: ExchangeInfo, now: Moment) -> list[Effect]:
        """Take the exchange's instruments, and answer the registrations that waited for them."""
        self._info = info
        if self.trader is not None:
            self.trader.instruments = info.instruments
        effects: list[Effect] = []
        for symbol, left in self._left.items():
            if symbol in info.instruments:
                effects += [*self._market(symbol)[1], Note(Level.INFO, f"{symbol}: served again after a restart")]
                self.markets[symbol].left = left
                self.owners[symbol] = set(self._left_owners.get(symbol, ()))
                if self.trader is not None:
                    for bot_id in self.owners[symbol]:
                        effects += self.trader.on_bot(bot_id, symbol)
        waiting, self._waiting = list(self._waiting.values()), {}
        for request in waiting:
            effects += self.on_request(request, now)
        return effects

    def on_left(self, left: Mapping[str, Events], owners: Mapping[str, Iterable[int]]) -> None:
        """Take what an earlier process left: symbols whose bots never ask again, with levels that they may hold, and those bots."""
        self._left, self._left_owners = left, owners

    def _market(self, symbol: str) -> tuple[Market, list[Effect]]:
        assert self._info is not None  # held in `on_request` until then
        market = self.markets.get(symbol)
        if market is not None:
            return market, []
        venue, in_stream = self._venue, self._venue.snapshot_in_stream
        limits = self._limits or SyncLimits(answer_within_ns=IN_STREAM_NS if in_stream else FETCHED_NS)
        base, *quicker = (DepthSync(venue.rule, self._rng, limits) for _ in (BASE, *venue.windows))
        by_window = dict(zip(venue.windows, quicker, strict=True))
        market = self.markets[symbol] = Market(self._info.instruments[symbol], base, by_window, in_stream)
        return market, [Subscribe(symbol)]

    def _register(self, request: BotRequest, wanted: RegisterInstrument, now: Moment) -> list[Effect]:
        assert self._info is not None
        bot_id, symbol = request.bot_id, self._venue.normal_symbol(wanted.symbol)
        instrument = self._info.instruments.get(symbol)
        if instrument is None:
            near = difflib.get_close_matches(symbol, self._info.instruments, 1)
            text = f"{self._venue.name} has no instrument {wanted.symbol!r}" + (
                f"; did you mean {near[0]!r}?" if near else ""
            )
            return [self._tell(bot_id, Refused(wanted.symbol, text)), Note(Level.WARNING, f"bot {bot_id}: {text}")]
        if self.trader is not None and self.trader.clash(bot_id):
            text = f"bot id {bot_id} can't be told from another bot's in order ids: choose another one"
            return [self._tell(bot_id, Refused(wanted.symbol, text)), Note(Level.WARNING, text)]
        self.counts.registrations += 1
        _, effects = self._market(symbol)
        if self.trader is not None:
            effects += self.trader.on_bot(bot_id, symbol)
        if not request.numbered:
            self.owners.setdefault(symbol, set()).add(bot_id)
        effects.append(Note(Level.INFO, f"bot {bot_id} registered {symbol}"))
        notices = _sizes(wanted, symbol, instrument)
        effects += [
            Note(Level.WARNING, f"bot {bot_id}: {notice.text}")
            for notice in notices
            if isinstance(notice, Contradicted)
        ]
        return [*effects, Answer(bot_id, symbol, notices)]

    def whole(self, symbol: str, now: Moment) -> Batch:
        """Return a symbol's book for everybody; a heartbeat while none is known."""
        market = self.markets[symbol]
        if not market.book_known:
            return Batch()
        events: list[LiveEvent] = [FeedEvent(symbol, market.whole(now))]
        if not market.sync.in_sync:
            events.append(ErrorEvent(to_error(OutOfSync(symbol, "resynchronising", market.last_id))))
        return Batch(tuple(events))

    def answer(self, answer: Answer, now: Moment, *, book: bool = True) -> Batch:
        """Return what answers a registration now: position, the whole book if wanted, and what is to be said of it."""
        symbol, market = answer.symbol, self.markets[answer.symbol]
        events: list[LiveEvent] = []
        if self.trader is not None:
            events += self.trader.working(answer.bot_id, symbol)
            if (position := self.trader.positions.word(symbol)) is not None:
                events.append(self.trader.position_event(position))
        if market.book_known and book:
            events.append(FeedEvent(symbol, market.whole(now)))
        notices: list[Notice] = list(answer.notices)
        if market.book_known and book and not market.sync.in_sync:
            notices.append(OutOfSync(symbol, "resynchronising", market.last_id))
        events += [ErrorEvent(to_error(notice)) for notice in notices]
        return Batch(tuple(events), answer.bot_id)

    def look(self, symbol: str, now: Moment) -> Look:
        """The middle of a symbol's market, and how old the book is, ms; no middle while the book is not the exchange's."""
        market = self.markets.get(symbol)
        if market is None or not market.book_known or not market.sync.in_sync:
            return None, math.inf
        book = market.book
        if not book.bid_count or not book.ask_count or book.best_bid_tick >= book.best_ask_tick:
            return None, math.inf
        tick = Decimal(market.instrument.tick_text)
        return (book.best_bid_tick + book.best_ask_tick) * tick / 2, (now.mono - market.changed) / 1e6

    def _tell(self, bot_id: int, notice: Notice) -> Effect:
        return Publish(Batch((ErrorEvent(to_error(notice)),), bot_id))

    def _refuse_order(self, bot_id: int, request: SubmitOrder) -> list[Effect]:
        """The order never left this process, so that its end is certain: the bot is told, and what it asked is answered."""
        self.counts.orders_refused += 1
        order = request.order
        text = "trading is not configured on this connector: the order was not sent to the exchange"
        status = Status.EXPIRED if order.req is Status.NEW else order.status
        answer = OrderEvent(request.symbol, dataclasses.replace(order, req=Status.NONE, status=status))
        refusal = ErrorEvent(to_error(OrderProblem(request.symbol, order.order_id, text, state="refused")))
        return [
            Publish(Batch((answer, refusal), bot_id, framed=False)),
            Note(Level.WARNING, f"bot {bot_id}: order {order.order_id} on {request.symbol}: {text}"),
        ]

    # -- venue --------------------------------------------------------------------------------------------------------

    def on_message(self, message: VenueMessage, now: Moment) -> list[Effect]:
        """Take one decoded message of the venue."""
        match message:
            case Depth(symbol, update, window):
                market = self.markets.get(symbol)
                if market is None:
                    return []
                return market.carry_out(market.sync_of(window).on_update(update, now.mono), now, window)
            case Book(symbol, snapshot, window):
                market = self.markets.get(symbol)
                if market is None:
                    return []
                return market.carry_out(market.sync_of(window).on_stream_snapshot(snapshot, now.mono), now, window)
            case Ticks(symbol, events):
                market = self.markets.get(symbol)
                if market is None or not len(events):
                    return []
                market.trades += len(events)
                return [Publish(Batch((FeedEvent(symbol, events),), framed=False))]
            case NotUsed(kind, known):
                counts = self.counts.not_used if known else self.counts.unknown
                counts[kind] = counts.get(kind, 0) + 1
                first_unknown = not known and counts[kind] == 1
                return (
                    [Note(Level.WARNING, f"{self._venue.name} sends events of an unknown kind {kind!r}")]
                    if first_unknown
                    else []
                )
            case _:
                return []  # answers and farewells are the feed's business

    def on_malformed(self, error: MalformedMessage, now: Moment) -> list[Effect]:
        """Take a message that could not be decoded: if it may have been a depth update, that book is out of sync."""
        self.counts.malformed += 1
        note = Note(Level.WARNING, f"message left out: {error}")
        if error.stream not in ("depth", None):
            return [note]
        return [note, *self._lost(error.symbol, now)]

    def on_failed_message(self, symbol: str | None, error: Exception, now: Moment) -> list[Effect]:
        """Take a message that this program failed at: what it said is lost, of its symbol or, not known whose, of all."""
        self.counts.faults += 1
        effects = [effect for each in ([symbol] if symbol else self.markets) for effect in self._lost(each, now)]
        return [Note(Level.WARNING, f"message left out by a fault of this program: {error!r}"), *effects]

    def _lost(self, symbol: str | None, now: Moment) -> list[Effect]:
        return self._each([symbol or ""], lambda sync: sync.on_bad_message(now.mono), now)

    def on_subscribed(self, symbols: Iterable[str], now: Moment, window: int | None = None) -> list[Effect]:
        """The venue has acknowledged these symbols' depth streams, or those of one window."""
        return self._each(symbols, lambda sync: sync.on_subscribed(now.mono), now, window)

    def on_refused(self, symbols: Iterable[str], text: str, now: Moment) -> list[Effect]:
        """The venue refused these symbols' streams."""
        errors = tuple(ErrorEvent(to_error(Remark(symbol, f"subscription refused: {text}"))) for symbol in symbols)
        return [Note(Level.WARNING, f"subscription refused: {text}"), Publish(Batch(errors, framed=False))]

    def on_stale(self, symbols: Iterable[str], now: Moment, window: int | None = None) -> list[Effect]:
        """These symbols' depth streams, or those of one window, are silent though they should not be: they are out of sync."""
        return self._each(symbols, lambda sync: sync.on_stale(now.mono), now, window)

    def on_disconnected(self, symbols: Iterable[str], reason: str, now: Moment) -> list[Effect]:
        """A connection with these symbols is gone: all their books are out of sync from here on."""
        lost = self._each(symbols, lambda sync: sync.on_reconnect(now.mono), now)
        return [Note(Level.WARNING, f"connection lost: {reason}"), *lost]

    def on_snapshot(self, symbol: str, ticket: int, snapshot: Snapshot, now: Moment) -> list[Effect]:
        """Take the answer to a FetchSnapshot."""
        market = self.markets[symbol]
        too_old = market.sync.counts.too_old
        effects = market.carry_out(market.sync.on_snapshot(ticket, snapshot, now.mono), now)
        if market.sync.counts.too_old > too_old:
            effects.append(
                Note(Level.INFO, f"{symbol}: snapshot {snapshot.last_id} is older than the updates held; asking again")
            )
        return effects

    def on_snapshot_failed(
        self, symbol: str, ticket: int, text: str, now: Moment, retry_after_ns: int = 0
    ) -> list[Effect]:
        """Take the failure of a FetchSnapshot."""
        market = self.markets[symbol]
        effects = market.carry_out(market.sync.on_snapshot_failed(ticket, now.mono, retry_after_ns), now)
        return [Note(Level.WARNING, f"{symbol}: no snapshot: {text}; asking again later"), *effects]

    def on_time(self, now: Moment) -> list[Effect]:
        """Let time pass: due snapshots, and the heartbeat when nothing else was sent."""
        effects: list[Effect] = []
        for market in self.markets.values():
            for window, sync in market.syncs():
                due_ns = sync.due_ns
                if due_ns is not None and due_ns <= now.mono:
                    effects += market.carry_out(sync.on_time(now.mono), now, window)
        if self._last_sent is None or now.mono - self._last_sent >= HEARTBEAT_NS:
            effects.append(Publish(Batch()))
        return effects

    def on_sent(self, batch: Batch, now: MonoNs) -> None:
        """Note that a batch went out."""
        self.on_sent_rows(sum(len(event.events) if isinstance(event, FeedEvent) else 1 for event in batch.events), now)

    def on_sent_rows(self, count: int, now: MonoNs) -> None:
        """Note that a batch of so many events went out."""
        self._last_sent = now
        self.counts.published_batches += 1
        self.counts.published_events += count

    def _each(
        self,
        symbols: Iterable[str],
        step: Callable[[DepthSync], list[SyncEffect]],
        now: Moment,
        window: int | None = None,
    ) -> list[Effect]:
        effects: list[Effect] = []
        for symbol in symbols:
            if (market := self.markets.get(symbol)) is not None:
                for one, sync in market.syncs():
                    if window is None or window == one:
                        effects += market.carry_out(step(sync), now, one)
        return effects


def _sizes(request: RegisterInstrument, symbol: str, instrument: Instrument) -> tuple[Notice, ...]:
    """What a registration is to be told of the symbol's spelling and sizes; the exchange's word stands."""
    notices: list[Notice] = []
    if request.symbol != symbol:
        notices.append(Contradicted(symbol, Stated.SYMBOL, request.symbol, symbol))
    for what, stated, true in (
        (Stated.TICK_SIZE, request.tick_size, instrument.tick_size),
        (Stated.LOT_SIZE, request.lot_size, instrument.lot_size),
    ):
        if stated and not abs(stated - true) <= 1e-9 * true:  # NaN is no size either
            notices.append(Contradicted(symbol, what, stated, true))
    if not (request.tick_size and request.lot_size):
        notices.append(Sizes(symbol, instrument.tick_size, instrument.lot_size))
    return tuple(notices)
