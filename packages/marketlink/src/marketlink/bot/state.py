"""What a bot knows of one connector, sans-I/O: what is heard goes in, requests to send come out.

A symbol's book is
    UNKNOWN   nothing was told yet, samples were lost, or the connector was restarted: the symbol is registered again
    SYNCED    from a whole replacement of the book (its clear and levels in one batch), and every update since
    STALE     the connector says that its own book is out of sync, or is not heard at all
A replacement is built aside and swapped in at the end of its batch, so that nobody ever looks at half a book.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np

from marketlink.book.fused import FusedBook
from marketlink.events import BUY, DEPTH_CLEAR, DEPTH_SNAPSHOT, KIND_MASK, SELL, TRADE, Events, empty_events
from marketlink.messages import (
    Batch,
    ErrorEvent,
    ErrorKind,
    Feed,
    Heard,
    LiveError,
    LiveRequest,
    NewSession,
    OrderEvent,
    PositionEvent,
    RegisterInstrument,
    SamplesLost,
    Unreadable,
)
from marketlink.orders import Order, Status

SECOND_NS: Final = 1_000_000_000
SILENT_NS: Final = 3 * SECOND_NS
"""A connector of ours sends at least once a second."""
ASK_AGAIN_NS: Final = SECOND_NS
ASK_AGAIN_CEILING_NS: Final = 10 * SECOND_NS
_FINISHED: Final = (Status.CANCELED, Status.EXPIRED, Status.FILLED)


class Confidence(Enum):
    """How far a book can be believed."""

    UNKNOWN = "unknown"
    STALE = "stale"
    SYNCED = "synced"


@dataclass(slots=True)
class Asset:
    """All that is known of one registered symbol."""

    symbol: str
    tick_size: float
    lot_size: float
    trades_capacity: int = 0
    book: FusedBook = field(init=False)
    known: bool = False
    out_of_sync: str = ""
    refused: str = ""
    update_id: int = 0
    position: float = 0.0
    position_ts: int = 0
    orders: dict[int, Order] = field(default_factory=dict)
    trades: Events = field(default_factory=empty_events)
    trade_count: int = 0
    trades_dropped: int = 0
    feed_latency: tuple[int, int] | None = None
    order_latency: tuple[int, int, int] | None = None
    resyncs: int = 0
    asked_ns: int | None = None  # when the registration that awaits its answer was sent
    ask_again_ns: int = ASK_AGAIN_NS

    def __post_init__(self) -> None:
        self.book = FusedBook(self.tick_size, self.lot_size)

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
    """What one round of hearing brought: which assets got market data, which order ids were told of, errors, and requests to send."""

    feeds: set[int] = field(default_factory=set)
    orders: list[tuple[int, int]] = field(default_factory=list)
    errors: list[LiveError] = field(default_factory=list)
    requests: list[LiveRequest] = field(default_factory=list)


class BotState:
    """One bot's knowledge of one connector."""

    def __init__(self, bot_id: int, assets: Sequence[Asset]) -> None:
        self._bot_id = bot_id
        self.assets = list(assets)
        self._index = {asset.symbol: number for number, asset in enumerate(self.assets)}
        self._heard_ns: int | None = None
        self._heartbeats = False
        self.lost_samples = 0
        self.sessions = 0
        self.unreadable = 0
        self.silent = False

    def confidence(self, number: int) -> Confidence:
        """How far the book of an asset can be believed now."""
        asset = self.assets[number]
        if not asset.known:
            return Confidence.UNKNOWN
        return Confidence.STALE if asset.out_of_sync or self.silent else Confidence.SYNCED

    def why(self, number: int) -> str:
        """Why the book of an asset is not synced; empty when it is."""
        asset = self.assets[number]
        if asset.refused:
            return asset.refused
        if not asset.known:
            return "no book was received yet"
        return asset.out_of_sync or ("the connector is silent" if self.silent else "")

    def start(self, now_ns: int) -> list[LiveRequest]:
        """Register every asset."""
        return [self._register(asset, now_ns) for asset in self.assets]

    def on_time(self, now_ns: int) -> list[LiveRequest]:
        """Notice silence, and register again what was not answered."""
        if self._heartbeats and self._heard_ns is not None and now_ns - self._heard_ns > SILENT_NS:
            self.silent = True
        requests: list[LiveRequest] = []
        for asset in self.assets:
            if asset.asked_ns is not None and now_ns - asset.asked_ns >= asset.ask_again_ns:
                asset.ask_again_ns = min(2 * asset.ask_again_ns, ASK_AGAIN_CEILING_NS)
                requests.append(self._register(asset, now_ns))
        return requests

    def hear(self, heard: Sequence[Heard], now_ns: int, *, heartbeats: bool = True) -> Changes:
        """Take what the link brought; `heartbeats`: whether this connector sends them, so that its silence means something."""
        changes = Changes()
        for item in heard:
            if isinstance(item, Batch):
                self._batch(item, now_ns, changes)
            elif isinstance(item, SamplesLost):
                self.lost_samples += item.count
                self._forget(now_ns, changes)
            elif isinstance(item, NewSession):
                self.sessions += 1
                self._forget(now_ns, changes)
            elif isinstance(item, Unreadable):
                self.unreadable += 1
        if heard:
            self._heard_ns, self.silent, self._heartbeats = now_ns, False, heartbeats
        changes.requests.extend(self.on_time(now_ns))
        return changes

    def _register(self, asset: Asset, now_ns: int) -> LiveRequest:
        asset.asked_ns = now_ns
        return RegisterInstrument(asset.symbol, asset.tick_size, asset.lot_size)

    def _forget(self, now_ns: int, changes: Changes) -> None:
        """Hold no book for true any more, and ask for each anew (at most once a second)."""
        for asset in self.assets:
            asset.known = False
            if asset.asked_ns is None or now_ns - asset.asked_ns >= ASK_AGAIN_NS:
                asset.ask_again_ns = ASK_AGAIN_NS
                changes.requests.append(self._register(asset, now_ns))

    def _batch(self, batch: Batch, now_ns: int, changes: Changes) -> None:
        if not batch.events and batch.framed and batch.to == 0:
            return
        answered: Asset | None = None
        feeds: dict[str, list[Events]] = {}
        errors: list[LiveError] = []
        for event in batch.events:
            if isinstance(event, Feed):
                feeds.setdefault(event.symbol, []).append(event.events)
            elif isinstance(event, ErrorEvent):
                errors.append(event.error)
            elif event.symbol in self._index:
                number = self._index[event.symbol]
                answered = self.assets[number]
                if isinstance(event, PositionEvent):
                    self._position(answered, event)
                elif isinstance(event, OrderEvent):
                    self._order(answered, event.order, now_ns)
                    changes.orders.append((number, event.order.order_id))
        for symbol, parts in feeds.items():
            if symbol in self._index:
                number = self._index[symbol]
                answered = self.assets[number]
                self._feed(
                    answered, parts[0] if len(parts) == 1 else np.concatenate(parts), addressed=batch.to == self._bot_id
                )
                changes.feeds.add(number)
        for (
            error
        ) in errors:  # behind the book: a registration reply says so when the book that it brings is out of sync
            named = self._error(error)
            answered = named or answered
            changes.errors.append(error)
        if batch.to == self._bot_id and batch.framed:
            # The source answers a symbol without a book by an empty batch: replies come in the order of the requests.
            waiting = [asset for asset in self.assets if asset.asked_ns is not None]
            asset = answered or (waiting[0] if waiting else None)
            if asset is not None:
                asset.asked_ns, asset.ask_again_ns = None, ASK_AGAIN_NS

    def _feed(self, asset: Asset, events: Events, addressed: bool) -> None:
        kinds = events["ev"] & KIND_MASK
        last = events[-1]
        asset.feed_latency = (int(last["exch_ts"]), int(last["local_ts"]))
        trades = kinds == TRADE
        if trades.any():
            asset.add_trades(events[trades])
            if trades.all():
                return
        clears = np.flatnonzero((kinds == DEPTH_CLEAR) & (events["ev"] & (BUY | SELL) == 0))
        whole = len(clears) > 0 or (addressed and bool((kinds == DEPTH_SNAPSHOT).any()))
        if whole:
            book = FusedBook(asset.tick_size, asset.lot_size)
            book.apply(events[clears[-1] :] if len(clears) else events)
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

    def _order(self, asset: Asset, order: Order, now_ns: int) -> None:
        asset.order_latency = (order.local_timestamp, order.exch_timestamp, now_ns)
        known = asset.orders.get(order.order_id)
        if known is None or (order.exch_timestamp >= known.exch_timestamp and known.status not in _FINISHED):
            asset.orders[order.order_id] = order

    def _error(self, error: LiveError) -> Asset | None:
        """Draw the consequences of an error; returns the asset that it names."""
        detail = error.value if isinstance(error.value, dict) else {}
        symbol = detail.get("symbol")
        asset = self.assets[self._index[symbol]] if isinstance(symbol, str) and symbol in self._index else None
        if error.kind is ErrorKind.CONNECTION_INTERRUPTED:
            reason = str(detail.get("reason") or detail.get("msg") or error.value or "connection interrupted")
            # The source names no symbol: any of its books may be wrong until it is replaced.
            for affected in [asset] if asset else ([] if isinstance(symbol, str) and symbol else self.assets):
                affected.out_of_sync = reason
        elif asset is not None and detail.get("refused"):
            asset.refused = str(detail.get("msg"))
            asset.ask_again_ns = ASK_AGAIN_CEILING_NS
        return asset
