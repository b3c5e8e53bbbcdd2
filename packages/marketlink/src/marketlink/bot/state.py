"""What a bot knows of one connector, sans-I/O: what is heard goes in, requests to send come out.

A symbol's book is
    UNKNOWN   nothing was told yet, samples were lost, or the connector was restarted: the symbol is registered again
    SYNCED    from a whole replacement of the book (its clear and levels in one batch), and every update since
    STALE     the connector says that its own book is out of sync, or is not heard at all; or the book has not both sides, or crosses
A replacement is built aside and swapped in at the end of its batch, so that nobody ever looks at half a book.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np

from marketlink.book.fused import FusedBook
from marketlink.bot.asking import Asking
from marketlink.bot.orders import OwnOrders
from marketlink.bot.whole import whole_from
from marketlink.events import KIND_MASK, TRADE, Events, empty_events
from marketlink.link.port import Peer
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    FeedEvent,
    Heard,
    LiveError,
    LiveRequest,
    NewSession,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    SamplesLost,
    SubmitOrder,
    Unreadable,
)
from marketlink.notices import (
    Contradicted,
    Farewell,
    Notice,
    OrderProblem,
    OutOfSync,
    Refused,
    Sizes,
    Stated,
    read_notice,
)
from marketlink.orders import Order
from marketlink.times import SECOND_NS, MonoNs, WallNs

SILENT_NS: Final = 3 * SECOND_NS
"""A connector of ours sends at least once a second."""
SETTLED_NS: Final = SECOND_NS
"""A connector that starts is for a moment like one of another kind: its kind counts when it has stood so long."""


class Confidence(Enum):
    """How far a book can be believed."""

    UNKNOWN = "unknown"
    STALE = "stale"
    SYNCED = "synced"


@dataclass(slots=True)
class Asset:
    """All that is known of one registered symbol. A size of 0 is not known yet: the exchange's is taken when it is told."""

    symbol: str
    tick_size: float
    lot_size: float
    trades_capacity: int = 0
    book: FusedBook = field(init=False)
    known: bool = False
    unknown: str = "no book was received yet"  # why, while it is not known
    out_of_sync: str = ""
    refused: str = ""
    stated: tuple[str, float, float] = field(init=False)  # symbol and sizes as registered
    asking: Asking = field(default_factory=Asking)
    update_id: int = 0
    position: float = 0.0
    position_ts: int = 0
    orders: OwnOrders = field(default_factory=OwnOrders)
    trades: Events = field(default_factory=empty_events)
    trade_count: int = 0
    trades_dropped: int = 0
    feed_latency: tuple[int, int] | None = None
    resyncs: int = 0

    def __post_init__(self) -> None:
        self.stated = (self.symbol, self.tick_size, self.lot_size)
        self.book = self.empty_book()

    @property
    def sized(self) -> bool:
        """Whether tick and lot size are known."""
        return self.tick_size > 0.0 and self.lot_size > 0.0

    def empty_book(self) -> FusedBook:
        """A book without levels; of any grid while the sizes are not known, because nothing goes into it then."""
        return FusedBook(self.tick_size, self.lot_size) if self.sized else FusedBook(1.0, 1.0)

    @property
    def flaw(self) -> str:
        """Why the levels that are there can't be the exchange's whole book; empty when they can."""
        book = self.book
        if not book.bid_count or not book.ask_count:
            return "the book is empty" if book.bid_count == book.ask_count else "the book has one side only"
        return "the book crosses" if book.best_bid_tick >= book.best_ask_tick else ""

    @property
    def last_trades(self) -> Events:
        """The trades since the last clear, oldest first; valid until the next message."""
        return self.trades[: self.trade_count]

    def add_trades(self, events: Events) -> None:
        """Keep the newest `trades_capacity` trades."""
        if not self.trades_capacity:
            return
        if len(self.trades) < self.trades_capacity:
            self.trades = (
                np.resize(self.trades, self.trades_capacity) if len(self.trades) else empty_events(self.trades_capacity)
            )
        events = events[-self.trades_capacity :]
        surplus = self.trade_count + len(events) - self.trades_capacity
        if surplus > 0:
            self.trades[: self.trade_count - surplus] = self.trades[surplus : self.trade_count].copy()
            self.trade_count -= surplus
            self.trades_dropped += surplus
        self.trades[self.trade_count : self.trade_count + len(events)] = events
        self.trade_count += len(events)


@dataclass(slots=True)
class Changes:
    """What one round of hearing brought.

    Which assets got market data, which orders were told of, by asset and id, and what that changed (before, after); errors, and requests to
    send.
    """

    feeds: set[int] = field(default_factory=set)
    orders: list[tuple[int, int]] = field(default_factory=list)
    moved: list[tuple[Order | None, Order]] = field(default_factory=list)
    errors: list[LiveError] = field(default_factory=list)
    requests: list[LiveRequest] = field(default_factory=list)


class BotState:
    """One bot's knowledge of one connector. `now` is of a monotonic clock; `wall_ns` stamps."""

    def __init__(self, bot_id: int, assets: Sequence[Asset]) -> None:
        self._bot_id = bot_id
        self.assets = list(assets)
        self._index = {asset.symbol: number for number, asset in enumerate(self.assets)}
        self._heard: MonoNs | None = None
        self._looked: MonoNs | None = None
        self._heartbeats = False
        self._peer_since: MonoNs | None = None
        self.peer: Peer | None = None  # None: nobody has looked yet
        self.lost_samples = 0
        self.sessions = 0
        self.unreadable = 0
        self.unreadable_why = ""
        self.silent = False

    def confidence(self, number: int, now: MonoNs | None = None) -> Confidence:
        """How far the book of an asset can be believed; `now` notices also that nobody has looked for long."""
        asset = self.assets[number]
        if not asset.known:
            return Confidence.UNKNOWN
        return Confidence.STALE if self._trouble(asset, now) else Confidence.SYNCED

    def why(self, number: int, now: MonoNs | None = None) -> str:
        """Why the book of an asset is not synced; empty when it is."""
        asset = self.assets[number]
        if asset.refused:
            return asset.refused
        if not asset.known:
            return "no connector of this name runs" if self.peer is Peer.NOBODY else asset.unknown
        return self._trouble(asset, now)

    def _trouble(self, asset: Asset, now: MonoNs | None) -> str:
        if asset.out_of_sync:
            return asset.out_of_sync
        if self.silent:
            return "no connector of this name runs" if self.peer is Peer.NOBODY else "the connector is silent"
        if now is not None and self._looked is not None and now - self._looked > SILENT_NS:
            return f"the link was not looked at for {(now - self._looked) / SECOND_NS:.0f} s"
        return asset.flaw

    def start(self, now: MonoNs) -> list[LiveRequest]:
        """Register every asset whose sizes are stated; the others when it is clear that the connector does not take sizes from bots."""
        self._looked = self._peer_since = now
        for asset in self.assets:
            asset.asking.want(now)
        return self.on_time(now)

    def on_peer(self, peer: Peer, now: MonoNs) -> None:
        """Note who publishes on the link; look about once a second."""
        if peer is not self.peer:
            if (
                self.peer is Peer.NOBODY
            ):  # one that was not there knows nothing of this bot, and may never say a word before it does
                for asset in self.assets:
                    asset.orders.doubt()
                    asset.asking.anew(now)
            self.peer, self._peer_since = peer, now
        if peer is Peer.NOBODY and self._heard is not None:
            self.silent = True

    def missing_ns(self, now: MonoNs) -> int:
        """For how long no connector of this name has been there."""
        if self.peer is not Peer.NOBODY or self._peer_since is None:
            return 0
        return now - self._peer_since

    def unsized(self, now: MonoNs) -> list[Asset]:
        """The assets that can't be asked for: the connector takes sizes from its bots, and none are known."""
        if self.peer is not Peer.SOURCE or self._peer_since is None or now - self._peer_since < SETTLED_NS:
            return []
        return [asset for asset in self.assets if not asset.sized]

    def on_time(self, now: MonoNs) -> list[LiveRequest]:
        """Notice silence, and register what is to be registered now."""
        quiet_ns = 0 if self._heard is None else now - self._heard
        if self._heartbeats and quiet_ns > SILENT_NS:
            self.silent = True
        elif self.peer is Peer.SOURCE and quiet_ns > SILENT_NS:
            # It speaks only when there is news, and after a quick restart never of itself: its answer tells whether it knows this bot.
            self.silent = self.silent or quiet_ns > 2 * SILENT_NS
            for asset in self.assets:
                asset.asking.want(now)
        requests: list[LiveRequest] = []
        for asset in self.assets:
            if asset.asking.is_due(now) and ((asset.stated[1] and asset.stated[2]) or self.peer is Peer.OURS):
                asset.asking.asked(now)
                requests.append(RegisterInstrument(*asset.stated))
        return requests

    def hear(self, heard: Sequence[Heard], now: MonoNs, wall_ns: WallNs, *, heartbeats: bool = True) -> Changes:
        """Take what the link brought; `heartbeats`: whether this connector sends them, so that its silence means something."""
        changes = Changes()
        self._looked = now
        if heard:
            self._heartbeats = heartbeats
        for item in heard:
            if isinstance(item, Batch):
                self._batch(item, now, wall_ns, changes)
            elif isinstance(item, SamplesLost):
                self.lost_samples += item.count
                for asset in self.assets:
                    asset.known, asset.unknown = False, "samples of the link were lost"
                    asset.orders.doubt()
                    asset.asking.want(now)
            elif isinstance(item, NewSession):
                self.sessions += 1
                for asset in self.assets:
                    asset.known, asset.refused, asset.unknown = False, "", "the connector was restarted"
                    asset.orders.restarted(wall_ns)
                    asset.asking.anew(now)
            elif isinstance(item, Unreadable):
                self.unreadable += 1
                self.unreadable_why = item.reason
        if heard:
            self._heard, self.silent = now, False
        changes.requests.extend(self.on_time(now))
        return changes

    def _batch(self, batch: Batch, now: MonoNs, wall_ns: WallNs, changes: Changes) -> None:
        if not batch.events and batch.framed and batch.to == 0:
            return
        answered: Asset | None = None
        feeds: dict[str, list[Events]] = {}
        notices: list[tuple[LiveError, Notice | None]] = []
        for event in batch.events:
            if isinstance(event, FeedEvent):
                feeds.setdefault(event.symbol, []).append(event.events)
            elif isinstance(event, ErrorEvent):
                notices.append((event.error, self._before_the_book(event.error)))
            elif event.symbol in self._index:
                number = self._index[event.symbol]
                answered = self.assets[number]
                if isinstance(event, PositionEvent):
                    self._position(answered, event)
                elif isinstance(event, OrderEvent):
                    moved = answered.orders.on_event(event.order, wall_ns, stamped=self._heartbeats)
                    changes.moved += [moved] if moved is not None else []
                    changes.orders.append((number, event.order.order_id))
        for symbol, parts in feeds.items():
            if symbol in self._index:
                number = self._index[symbol]
                answered = self.assets[number]
                events = parts[0] if len(parts) == 1 else np.concatenate(parts)
                self._feed(answered, events, framed=batch.framed, addressed=batch.to == self._bot_id)
                changes.feeds.add(number)
        # behind the book: a registration's answer says so when the book that it brings is out of sync
        for error, notice in notices:
            answered = self._behind_the_book(error, notice) or answered
            if isinstance(notice, OrderProblem) and notice.symbol in self._index:
                number = self._index[notice.symbol]
                if self.assets[number].orders.on_problem(notice.order_id, notice.op, notice.state):
                    changes.orders.append((number, notice.order_id))
            changes.errors.append(error)
        about_orders = bool(batch.events) and all(
            isinstance(event, OrderEvent)
            or (isinstance(event, ErrorEvent) and event.error.kind is ErrorKind.ORDER_ERROR)
            for event in batch.events
        )
        if batch.to == self._bot_id and batch.framed and not about_orders:
            # The source answers a symbol without a book by an empty batch: answers come in the order of the requests.
            waiting = [asset for asset in self.assets if asset.asking.awaited]
            asset = answered or (waiting[0] if waiting else None)
            if asset is not None:
                asset.asking.answered(now)
                if (
                    self._heartbeats
                ):  # ours tells in the answer what it knows of this bot's orders, and is asked about the rest
                    changes.requests += [SubmitOrder(asset.symbol, question) for question in asset.orders.unheard()]

    def _feed(self, asset: Asset, events: Events, *, framed: bool, addressed: bool) -> None:
        kinds = events["ev"] & KIND_MASK
        last = events[-1]
        asset.feed_latency = (int(last["exch_ts"]), int(last["local_ts"]))
        trades = kinds == TRADE
        if trades.any():
            asset.add_trades(events[trades])
            if trades.all():
                return
        if not asset.sized:
            return
        start = whole_from(events, framed=framed, addressed=addressed)
        if start is not None:
            book = asset.empty_book()
            book.apply(events[start:])
            asset.book, asset.known, asset.out_of_sync, asset.refused = book, True, "", ""
            asset.resyncs += 1
        else:
            asset.book.apply(events)
        depth_ids = events["ival"][~trades]
        if len(depth_ids) and depth_ids[-1]:
            asset.update_id = int(depth_ids[-1])

    def _position(self, asset: Asset, event: PositionEvent) -> None:
        if event.exch_ts >= asset.position_ts:
            asset.position, asset.position_ts = event.qty, event.exch_ts

    def _before_the_book(self, error: LiveError) -> Notice | None:
        """Take what an answer says of the symbol itself: its book is made by that."""
        notice = read_notice(error)
        if isinstance(notice, Contradicted) and notice.what is Stated.SYMBOL:
            for number, asset in enumerate(self.assets):
                if asset.stated[0] == notice.stated and isinstance(notice.true, str):
                    asset.symbol = notice.true
                    self._index[notice.true] = number
        elif isinstance(notice, Sizes):
            self._resize(notice.symbol, notice.tick_size, notice.lot_size)
        elif isinstance(notice, Contradicted) and isinstance(notice.true, int | float):
            ticks = notice.what is Stated.TICK_SIZE
            self._resize(notice.symbol, notice.true if ticks else 0.0, 0.0 if ticks else notice.true)
        return notice

    def _resize(self, symbol: str, tick_size: float, lot_size: float) -> None:
        """Take the exchange's sizes (0: as it is): levels on another grid are no book."""
        number = self._index.get(symbol)
        if number is None:
            return
        asset = self.assets[number]
        sizes = (tick_size or asset.tick_size, lot_size or asset.lot_size)
        if sizes != (asset.tick_size, asset.lot_size) and min(sizes) >= 0.0 and max(sizes) < float("inf"):
            asset.tick_size, asset.lot_size = sizes
            asset.book, asset.known = asset.empty_book(), False

    def _behind_the_book(self, error: LiveError, notice: Notice | None) -> Asset | None:
        """Draw the consequences of an error for books; returns the asset that it names."""
        named = notice.symbol if notice is not None and not isinstance(notice, Farewell) else None
        asset = self.assets[self._index[named]] if named is not None and named in self._index else None
        match notice:
            case OutOfSync(reason=reason):
                if asset is not None:
                    asset.out_of_sync = reason
            case Refused(text=text):
                if asset is not None:
                    asset.refused = text
            case Farewell(text=text):
                for affected in self.assets:
                    affected.out_of_sync = text
            case None if error.kind is ErrorKind.CONNECTION_INTERRUPTED:
                # The source names no symbol: any of its books may be wrong until it is replaced.
                for affected in self.assets:
                    affected.out_of_sync = str(error.value or "connection interrupted")
        return asset
