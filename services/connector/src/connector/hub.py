"""The connector's core: bots' requests and the venue's messages in, effects out. No socket, clock or file in here.

One `Market` a symbol holds its synchroniser and its book. Every update that the synchroniser lets through becomes one batch
for all bots; a resync becomes one batch that replaces the whole book; a registration is answered with one batch for that
bot alone.

Orders come in a later version: until a trading half is given, every order request is answered that trading is not configured.
"""

import dataclasses
import difflib
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from marketlink.book.fused import FusedBook
from marketlink.book.rules import Snapshot
from marketlink.book.sync import Apply, AskSnapshot, DepthSync, OutOfSync, Replace, SyncLimits
from marketlink.book.sync import Effect as SyncEffect
from marketlink.errors import MalformedMessage
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, EXCH, LOCAL, Events, empty_events
from marketlink.messages import (
    TO_ALL,
    Batch,
    ErrorEvent,
    ErrorKind,
    Feed,
    LiveError,
    LiveEvent,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    Request,
    SubmitOrder,
    Value,
)
from marketlink.orders import Status
from marketlink.venues.base import Depth, ExchangeInfo, Instrument, NotUsed, PublicVenue, Ticks, VenueMessage

from connector.effects import Effect, FetchSnapshot, Level, Note, Publish, Subscribe

HEARTBEAT_NS: Final = 1_000_000_000
MAX_WAITING: Final = 10_000
"""Registrations held while the exchange's instruments are not known yet; more are refused."""


@dataclass(slots=True)
class Market:
    """One registered symbol."""

    instrument: Instrument
    sync: DepthSync
    book: FusedBook
    book_known: bool = False  # whether it ever was the exchange's
    last_exch_ns: int = 0
    trades: int = 0
    updates: int = 0
    position: PositionEvent | None = None


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


class Hub:
    """Everything the connector decides."""

    def __init__(self, venue: PublicVenue, rng: random.Random, limits: SyncLimits | None = None) -> None:
        self._venue, self._rng, self._limits = venue, rng, limits
        self._info: ExchangeInfo | None = None
        self._waiting: dict[tuple[int, str], Request] = {}
        self._last_sent_ns = 0
        self.markets: dict[str, Market] = {}
        self.counts = HubCounts()

    # -- bots ---------------------------------------------------------------------------------------------------------

    def on_request(self, request: Request, now_ns: int) -> list[Effect]:
        """Take a bot's request."""
        if request.bot_id == TO_ALL:
            return [Note(Level.WARNING, "a request without a bot id can't be answered and is left out")]
        match request.request:
            case RegisterInstrument(symbol=symbol):
                if self._info is not None:
                    return self._register(request.bot_id, request.request, now_ns)
                if len(self._waiting) >= MAX_WAITING:
                    text = "too many registrations are waiting for the exchange's instrument list"
                    return [*self._refuse(request.bot_id, symbol, text), Note(Level.WARNING, text)]
                self._waiting[(request.bot_id, symbol)] = request
                return [
                    Note(
                        Level.INFO,
                        f"bot {request.bot_id} asks for {symbol}: held until the exchange's instruments are known",
                    )
                ]
            case SubmitOrder():
                return self._refuse_order(request.bot_id, request.request)

    def on_info(self, info: ExchangeInfo, now_ns: int) -> list[Effect]:
        """Take the exchange's instruments, and answer the registrations that waited for them."""
        self._info = info
        waiting, self._waiting = list(self._waiting.values()), {}
        effects: list[Effect] = []
        for request in waiting:
            effects += self.on_request(request, now_ns)
        return effects

    def _register(self, bot_id: int, request: RegisterInstrument, now_ns: int) -> list[Effect]:
        assert self._info is not None  # held in `on_request` until then
        symbol = self._venue.normal_symbol(request.symbol)
        instrument = self._info.instruments.get(symbol)
        if instrument is None:
            near = difflib.get_close_matches(symbol, self._info.instruments, 1)
            text = f"{self._venue.name} has no instrument {request.symbol!r}" + (
                f"; did you mean {near[0]!r}?" if near else ""
            )
            return [*self._refuse(bot_id, request.symbol, text), Note(Level.WARNING, f"bot {bot_id}: {text}")]
        self.counts.registrations += 1
        effects: list[Effect] = []
        market = self.markets.get(symbol)
        if market is None:
            book = FusedBook(instrument.tick_size, instrument.lot_size)
            market = Market(instrument, DepthSync(self._venue.rule, self._rng, self._limits), book)
            self.markets[symbol] = market
            effects.append(Subscribe(symbol))
        effects.append(Note(Level.INFO, f"bot {bot_id} registered {symbol}"))
        errors = [*_contradictions(request, symbol, instrument)]
        effects += [
            Note(Level.WARNING, f"bot {bot_id}: {error.value['msg']}")
            for error in errors
            if isinstance(error.value, dict)
        ]
        if market.book_known and not market.sync.in_sync:
            errors.append(_out_of_sync(symbol, "resynchronising", market.sync.last_id))
        events: list[LiveEvent] = [market.position] if market.position is not None else []
        if market.book_known:
            events.append(Feed(symbol, self._whole_book(market, now_ns)))
        events += [ErrorEvent(error) for error in errors]
        return [*effects, *self._publish(Batch(tuple(events), bot_id), now_ns)]

    def _whole_book(self, market: Market, now_ns: int) -> Events:
        """A clear that dates the book, and its levels: what a bot that joins late needs."""
        levels = market.book.levels()
        events = empty_events(len(levels) + 1)
        events[0]["ev"] = EXCH | LOCAL | DEPTH_CLEAR
        events[0]["exch_ts"] = market.last_exch_ns
        events[1:] = levels
        events["local_ts"] = now_ns
        events["ival"] = market.sync.last_id
        return events

    def _refuse(self, bot_id: int, symbol: str, text: str) -> list[Effect]:
        error = LiveError(ErrorKind.CUSTOM, {"symbol": symbol, "msg": text, "refused": True}, 1)
        return [Publish(Batch((ErrorEvent(error),), bot_id))]

    def _refuse_order(self, bot_id: int, request: SubmitOrder) -> list[Effect]:
        """The order never left this process, so that its end is certain: the bot is told, and what it asked is answered."""
        self.counts.orders_refused += 1
        order = request.order
        text = "trading is not configured on this connector: the order was not sent to the exchange"
        detail: dict[str, Value] = {"symbol": request.symbol, "order_id": order.order_id, "msg": text}
        status = Status.EXPIRED if order.req is Status.NEW else order.status
        answer = OrderEvent(request.symbol, dataclasses.replace(order, req=Status.NONE, status=status))
        batch = Batch((answer, ErrorEvent(LiveError(ErrorKind.ORDER_ERROR, detail))), bot_id, framed=False)
        return [
            Publish(batch),
            Note(Level.WARNING, f"bot {bot_id}: order {order.order_id} on {request.symbol}: {text}"),
        ]

    # -- venue --------------------------------------------------------------------------------------------------------

    def on_message(self, message: VenueMessage, now_ns: int) -> list[Effect]:
        """Take one decoded message of the venue."""
        match message:
            case Depth(symbol, update):
                market = self.markets.get(symbol)
                return self._synced(market, market.sync.on_update(update, now_ns), now_ns) if market is not None else []
            case Ticks(symbol, events):
                market = self.markets.get(symbol)
                if market is None or not len(events):
                    return []
                market.trades += len(events)
                return self._publish(Batch((Feed(symbol, events),), framed=False), now_ns)
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

    def on_malformed(self, error: MalformedMessage, now_ns: int) -> list[Effect]:
        """Take a message that could not be decoded: if it may have been a depth update, that book is out of sync."""
        self.counts.malformed += 1
        note = Note(Level.WARNING, f"message left out: {error}")
        market = self.markets.get(error.symbol or "")
        if market is None or error.stream not in ("depth", None):
            return [note]
        return [note, *self._synced(market, market.sync.on_bad_message(now_ns), now_ns)]

    def on_subscribed(self, symbols: Iterable[str], now_ns: int) -> list[Effect]:
        """The venue has acknowledged these symbols' depth streams."""
        effects: list[Effect] = []
        for symbol in symbols:
            if (market := self.markets.get(symbol)) is not None:
                effects += self._synced(market, market.sync.on_subscribed(now_ns), now_ns)
        return effects

    def on_refused(self, symbols: Iterable[str], text: str, now_ns: int) -> list[Effect]:
        """The venue refused these symbols' streams."""
        errors = tuple(ErrorEvent(_custom(symbol, f"subscription refused: {text}")) for symbol in symbols)
        return [
            Note(Level.WARNING, f"subscription refused: {text}"),
            *self._publish(Batch(errors, framed=False), now_ns),
        ]

    def on_disconnected(self, symbols: Iterable[str], reason: str, now_ns: int) -> list[Effect]:
        """A connection with these symbols is gone: all their books are out of sync from here on."""
        effects: list[Effect] = [Note(Level.WARNING, f"connection lost: {reason}")]
        for symbol in symbols:
            if (market := self.markets.get(symbol)) is not None:
                effects += self._synced(market, market.sync.on_reconnect(now_ns), now_ns)
        return effects

    def on_snapshot(self, symbol: str, ticket: int, snapshot: Snapshot, now_ns: int) -> list[Effect]:
        """Take the answer to a FetchSnapshot."""
        market = self.markets[symbol]
        too_old = market.sync.counts.too_old
        effects = self._synced(market, market.sync.on_snapshot(ticket, snapshot, now_ns), now_ns)
        if market.sync.counts.too_old > too_old:
            effects.append(
                Note(Level.INFO, f"{symbol}: snapshot {snapshot.last_id} is older than the updates held; asking again")
            )
        return effects

    def on_snapshot_failed(
        self, symbol: str, ticket: int, text: str, now_ns: int, retry_after_ns: int = 0
    ) -> list[Effect]:
        """Take the failure of a FetchSnapshot."""
        market = self.markets[symbol]
        effects = self._synced(market, market.sync.on_snapshot_failed(ticket, now_ns, retry_after_ns), now_ns)
        return [Note(Level.WARNING, f"{symbol}: no snapshot: {text}; asking again later"), *effects]

    def on_time(self, now_ns: int) -> list[Effect]:
        """Let time pass: due snapshots, and the heartbeat when nothing else was sent."""
        effects: list[Effect] = []
        for market in self.markets.values():
            due_ns = market.sync.due_ns
            if due_ns is not None and due_ns <= now_ns:
                effects += self._synced(market, market.sync.on_time(now_ns), now_ns)
        if now_ns - self._last_sent_ns >= HEARTBEAT_NS:
            effects += self._publish(Batch(), now_ns)
        return effects

    def _publish(self, batch: Batch, now_ns: int) -> list[Effect]:
        self._last_sent_ns = now_ns
        self.counts.published_batches += 1
        for event in batch.events:
            self.counts.published_events += len(event.events) if isinstance(event, Feed) else 1
        return [Publish(batch)]

    def _synced(self, market: Market, effects: list[SyncEffect], now_ns: int) -> list[Effect]:
        symbol = market.instrument.symbol
        result: list[Effect] = []
        for effect in effects:
            match effect:
                case Apply(update):
                    result += self._update(market, update.events, update.last_id, now_ns)
                case Replace(snapshot, updates, last_id):
                    result += self._replace(market, snapshot, now_ns)
                    for update in updates:  # heard now, so none is older on the local clock than the snapshot
                        events = update.events.copy()
                        events["local_ts"] = np.maximum(events["local_ts"], _local_ns(snapshot))
                        result += self._update(market, events, update.last_id, now_ns)
                    behind = f"snapshot {snapshot.last_id} and {len(updates)} updates behind it"
                    result.append(Note(Level.INFO, f"{symbol}: in sync at update {last_id}: {behind}"))
                case OutOfSync(trouble, after_id):
                    batch = Batch((ErrorEvent(_out_of_sync(symbol, trouble.value, after_id)),), framed=False)
                    text = f"{symbol}: out of sync after update {after_id}: {trouble.value}"
                    result += [*self._publish(batch, now_ns), Note(Level.WARNING, text)]
                case AskSnapshot(ticket):
                    result.append(FetchSnapshot(symbol, ticket))
        return result

    def _update(self, market: Market, events: Events, last_id: int, now_ns: int) -> list[Effect]:
        """Apply an update to the book and publish what it changed, as one batch."""
        market.updates += 1
        rows = market.book.fuse(events, sequenced=True)
        if len(events):
            market.last_exch_ns = int(events[0]["exch_ts"])
        if not len(rows):
            # An update that changes nothing still moves the book's id, and bots know it by their rows: one is said again.
            rows = events[:1] if len(events) else self._restate(market, last_id, now_ns)
        return self._publish(Batch((Feed(market.instrument.symbol, rows),) if len(rows) else ()), now_ns)

    def _restate(self, market: Market, last_id: int, now_ns: int) -> Events:
        """The best bid as it is, under this update's id; empty when there is none."""
        rows = empty_events(1 if market.book.bid_count else 0)
        if len(rows):
            row = (LOCAL | BUY | DEPTH, market.last_exch_ns, now_ns, market.book.best_bid, market.book.best_bid_qty)
            rows[0] = (*row, 0, last_id, 0.0)
        return rows

    def _replace(self, market: Market, snapshot: Snapshot, now_ns: int) -> list[Effect]:
        """Make the book anew, and publish the one batch that does the same for every bot.

        Its rows: deletions of what is no longer there (the source's bots know no clear), the clear, and the levels.
        """
        book = FusedBook(market.instrument.tick_size, market.instrument.lot_size)
        book.fuse(snapshot.events, sequenced=True)
        gone = _gone(market.book, book)
        rows = empty_events(len(gone) + 1 + len(snapshot.events))
        rows[: len(gone)] = gone
        rows[len(gone)]["ev"] = LOCAL | DEPTH_CLEAR
        rows[len(gone) + 1 :] = snapshot.events
        if len(snapshot.events):
            market.last_exch_ns = int(snapshot.events[0]["exch_ts"])
        rows["exch_ts"], rows["local_ts"], rows["ival"] = market.last_exch_ns, _local_ns(snapshot), snapshot.last_id
        market.book, market.book_known = book, True
        return self._publish(Batch((Feed(market.instrument.symbol, rows),)), now_ns)


def _local_ns(snapshot: Snapshot) -> int:
    return int(snapshot.events[0]["local_ts"]) if len(snapshot.events) else 0


def _gone(before: FusedBook, after: FusedBook) -> Events:
    """Deletions of the levels of `before` that `after` does not have."""
    levels = before.levels()
    keep = np.concatenate([np.isin(before.bids()[0], after.bids()[0]), np.isin(before.asks()[0], after.asks()[0])])
    gone: Events = levels[~keep]
    gone["ev"] = (gone["ev"] & ~np.uint64(EXCH | 0xFF)) | np.uint64(DEPTH)
    gone["qty"] = 0.0
    return gone


def _out_of_sync(symbol: str, reason: str, after_id: int) -> LiveError:
    return LiveError(
        ErrorKind.CONNECTION_INTERRUPTED,
        {"symbol": symbol, "state": "out_of_sync", "reason": reason, "after_id": after_id},
    )


def _contradictions(request: RegisterInstrument, symbol: str, instrument: Instrument) -> list[LiveError]:
    """What a registration says that the exchange says otherwise; the exchange's word stands."""
    errors: list[LiveError] = []
    if request.symbol != symbol:
        text = f"the symbol is spelled {symbol!r} here, not {request.symbol!r}: its events go by that name"
        errors.append(_custom(symbol, text, contradicts="symbol", stated=request.symbol, true=symbol))
    for name, stated, true in (
        ("tick_size", request.tick_size, instrument.tick_size),
        ("lot_size", request.lot_size, instrument.lot_size),
    ):
        if stated and abs(stated - true) > 1e-9 * true:
            text = f"{name} of {symbol} is {true}, not {stated}: the exchange's is used"
            errors.append(_custom(symbol, text, contradicts=name, stated=stated, true=true))
    return errors


def _custom(symbol: str, text: str, **facts: Value) -> LiveError:
    return LiveError(ErrorKind.CUSTOM, {"symbol": symbol, "msg": text, **facts}, 1)
