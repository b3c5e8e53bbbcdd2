"""Is a live book the exchange's: one symbol's messages in, its top and a verdict out. Pure.

Four things are judged: the best bid is below the best ask after every update; the best of both sides is what the exchange's best-quote
stream says at the same update id (where it has one with ids of the same kind); at the end the book is in step; and it equals a whole book
fetched then and brought to the same id by the same updates.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from marketlink.book.fused import FusedBook
from marketlink.book.sync import Apply, AskSnapshot, DepthSync, OutOfSync, Replace
from marketlink.book.sync import Effect as SyncEffect
from marketlink.events import BUY, DEPTH_BBO, KIND_MASK, Events
from marketlink.times import Moment
from marketlink.venues.base import BASE, Book, Depth, Instrument, PublicVenue, Ticks, VenueMessage

from connector.effects import Effect, FetchSnapshot, Level, Note, Resubscribe

_HELD: Final = 100_000  # tops and quotes that wait for each other; older ones can't be compared any more
QUOTES: Final = "bookTicker"


class Top(NamedTuple):
    """The best of both sides at an update id."""

    update_id: int
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One of the four: whether it holds, and in words. None: it can't be judged on this exchange."""

    name: str
    holds: bool | None
    text: str


@dataclass(slots=True)
class Tops:
    """Compares the book's tops with best quotes of the same ids, whichever comes first."""

    compared: int = 0
    wrong: int = 0
    first_wrong: tuple[Top, Top] | None = None
    _tops: deque[Top] = field(default_factory=lambda: deque(maxlen=_HELD))
    _quotes: deque[Top] = field(default_factory=lambda: deque(maxlen=_HELD))

    def on_top(self, top: Top) -> None:
        """Take the book's top after an update."""
        self._tops.append(top)
        self._compare()

    def on_quote(self, quote: Top) -> None:
        """Take a best quote."""
        self._quotes.append(quote)
        self._compare()

    def forget(self) -> None:
        """Compare nothing over an outage: quotes may have been missed."""
        self._tops.clear()
        self._quotes.clear()

    def _compare(self) -> None:
        """Compare tops that a later quote has passed with the last quote not later than they are."""
        tops, quotes = self._tops, self._quotes
        while tops and quotes and quotes[-1].update_id > tops[0].update_id:
            top = tops.popleft()
            while len(quotes) > 1 and quotes[1].update_id <= top.update_id:
                quotes.popleft()
            if quotes[0].update_id > top.update_id:  # what held then was said before we listened
                continue
            self.compared += 1
            if quotes[0][1:] != top[1:]:
                self.wrong += 1
                self.first_wrong = self.first_wrong or (top, quotes[0])


class Copy:
    """One copy of the book, which does as it is told: what the connector would put right in it shows."""

    def __init__(self, instrument: Instrument, sync: DepthSync, *, in_stream: bool = False) -> None:
        self.instrument, self.sync, self._in_stream = instrument, sync, in_stream
        self.book = FusedBook(instrument.tick_size, instrument.lot_size)
        self.known = False
        self.losses = 0
        self.reach = (0.0, np.inf)  # of the last snapshot: the lowest bid, the highest ask

    @property
    def last_id(self) -> int:
        """The id of the last update in the book."""
        return self.sync.last_id

    def carry_out(self, effects: list[SyncEffect]) -> list[Effect]:
        """Do what the synchroniser says; return what is to be done outside."""
        symbol = self.instrument.symbol
        result: list[Effect] = []
        for effect in effects:
            match effect:
                case Apply(update):
                    self.book.apply(update.events)
                case Replace(snapshot, updates, last_id):
                    self.book = FusedBook(self.instrument.tick_size, self.instrument.lot_size)
                    for events in (snapshot.events, *(update.events for update in updates)):
                        self.book.apply(events)
                    self.known, self.reach = True, reach_of(snapshot.events)
                    result.append(Note(Level.INFO, f"{symbol}: in sync at update {last_id}"))
                case OutOfSync(trouble, after_id):
                    self.losses += 1
                    result.append(
                        Note(Level.WARNING, f"{symbol}: out of sync after update {after_id}: {trouble.value}")
                    )
                case AskSnapshot() if self._in_stream:
                    result.append(Resubscribe(symbol, BASE))
                case AskSnapshot(ticket):
                    result.append(FetchSnapshot(symbol, ticket))
        return result


class BookCheck:
    """One symbol's book and what is thought of it."""

    def __init__(self, venue: PublicVenue, instrument: Instrument, rng: random.Random) -> None:
        self._venue, self._instrument, self._rng = venue, instrument, rng
        self.live = Copy(instrument, DepthSync(venue.rule, rng), in_stream=venue.snapshot_in_stream)
        self.closing: Copy | None = None
        self.tops = Tops()
        symbol = instrument.symbol
        quotes = [stream for stream in venue.recorded_streams(symbol) if stream.endswith(f"@{QUOTES}")]
        self.streams = [venue.depth_stream(symbol), *quotes]
        self._has_quotes = bool(quotes)
        self.updates = self.crossed = 0
        self.first_crossed: Top | None = None
        self.compared_at: int | None = None
        self.different: list[str] = []
        self.levels_compared = 0

    def on_subscribed(self, now: Moment) -> list[Effect]:
        """Expect updates."""
        return self.live.carry_out(self.live.sync.on_subscribed(now.mono))

    def on_message(self, message: VenueMessage, now: Moment) -> tuple[list[Effect], list[Effect]]:
        """Take a message; return what is to be done for the live book, and for the closing one."""
        match message:
            case Depth(update=update, window=window) if window == BASE:
                first = self.live.carry_out(self.live.sync.on_update(update, now.mono))
                self._look()
                second: list[Effect] = []
                if self.closing is not None and self.compared_at is None:
                    second = self.closing.carry_out(self.closing.sync.on_update(update, now.mono))
                    self._compare_when_level()
                return first, second
            case Book(snapshot=snapshot, window=window) if window == BASE:
                first = self.live.carry_out(self.live.sync.on_stream_snapshot(snapshot, now.mono))
                self._look()
                return first, []
            case Ticks(events=events) if self._has_quotes:
                self._quote(events)
        return [], []

    def on_snapshot(self, market: Copy, effects: list[SyncEffect]) -> list[Effect]:
        """Take what a synchroniser made of a snapshot, or of its failure."""
        done = market.carry_out(effects)
        self._compare_when_level()
        return done

    def on_time(self, now: Moment) -> tuple[list[Effect], list[Effect]]:
        """Let time pass; see `on_message`."""
        found: list[list[Effect]] = []
        for market in (self.live, self.closing):
            due = None if market is None else market.sync.due_ns
            is_due = market is not None and due is not None and due <= now.mono
            found.append(market.carry_out(market.sync.on_time(now.mono)) if is_due and market is not None else [])
        return found[0], found[1]

    def on_disconnected(self, now: Moment) -> list[Effect]:
        """Start anew."""
        self.tops.forget()
        return self.live.carry_out(self.live.sync.on_reconnect(now.mono))

    def close(self, now: Moment) -> list[Effect]:
        """Begin the closing comparison: a second book, from a snapshot that is fetched now; none where it could not be judged."""
        if self._venue.snapshot_in_stream:
            return []
        self.closing = Copy(self._instrument, DepthSync(self._venue.rule, self._rng))
        return self.closing.carry_out(self.closing.sync.on_subscribed(now.mono))

    def compare(self) -> None:
        """Compare both books as they are; for an exchange that says nothing more, whose ids then need not be equal."""
        if self.compared_at is None and self.closing is not None and self.closing.known and self.live.sync.in_sync:
            self.compared_at = self.closing.last_id
            reach = within_both(self.live.reach, self.closing.reach)
            self.levels_compared, self.different = differences(self.live.book, self.closing.book, reach)

    def top(self) -> Top | None:
        """The best of both sides; None while a side is empty or the book is not in step."""
        book = self.live.book
        if not self.live.sync.in_sync or not book.bid_count or not book.ask_count:
            return None
        return Top(self.live.last_id, book.best_bid, book.best_bid_qty, book.best_ask, book.best_ask_qty)

    def verdict(self) -> list[Judged]:
        """The four judgements."""
        in_step = self.live.sync.in_sync and self.updates > 0
        loss = f", lost and found again {self.live.losses} times" if self.live.losses else ""
        step = (
            f"{self.updates:,} updates, the last {self.live.last_id}{loss}"
            if in_step
            else "not in step with the exchange"
        )
        crossed = (
            f"{self.crossed:,} times not, first {_words(self.first_crossed)}"
            if self.first_crossed
            else "after every update"
        )
        return [
            Judged("synchronised", in_step, step),
            Judged(
                "best bid below best ask",
                self.updates > 0 and not self.crossed,
                crossed if self.updates else "no update came",
            ),
            self._quotes_judged(),
            self._closing_judged(),
        ]

    def _quotes_judged(self) -> Judged:
        name, tops = "equal to the best quotes", self.tops
        if not self._has_quotes:
            return Judged(name, None, "this exchange has no such stream with ids of the book")
        if tops.first_wrong is not None:
            ours, theirs = tops.first_wrong
            return Judged(
                name,
                False,
                f"{tops.wrong:,} of {tops.compared:,} are not, first {_words(ours)} against {_words(theirs)}",
            )
        return Judged(name, tops.compared > 0, f"{tops.compared:,} compared")

    def _closing_judged(self) -> Judged:
        name = "equal to a closing snapshot"
        if self._venue.snapshot_in_stream:
            return Judged(name, None, "the ids of this exchange's streams are not those of its REST books")
        if self.compared_at is None:
            return Judged(name, False, "there was none to compare with")
        if self.different:
            shown = "; ".join(self.different[:3])
            return Judged(
                name,
                False,
                f"{len(self.different)} of {self.levels_compared:,} levels differ at update {self.compared_at}: {shown}",
            )
        return Judged(name, self.levels_compared > 0, f"{self.levels_compared:,} levels at update {self.compared_at}")

    def _look(self) -> None:
        """Look at the top after an update."""
        if not self.live.sync.in_sync or not self.live.known:
            return
        self.updates += 1
        top = self.top()
        if top is None:
            return
        if top.bid >= top.ask:
            self.crossed += 1
            self.first_crossed = self.first_crossed or top
        if self._has_quotes:
            self.tops.on_top(top)

    def _quote(self, events: Events) -> None:
        kinds = events["ev"] & np.uint64(KIND_MASK)
        rows = events[kinds == DEPTH_BBO]
        if len(rows) != 2:
            return
        bids = (rows["ev"] & np.uint64(BUY)) != 0
        bid, ask = rows[bids], rows[~bids]
        if len(bid) == len(ask) == 1:
            quote = (float(bid[0]["px"]), float(bid[0]["qty"]), float(ask[0]["px"]), float(ask[0]["qty"]))
            self.tops.on_quote(Top(int(rows[0]["ival"]), *quote))

    def _compare_when_level(self) -> None:
        closing = self.closing
        if closing is not None and closing.known and closing.sync.in_sync and closing.last_id == self.live.last_id:
            self.compare()


def reach_of(snapshot: Events) -> tuple[float, float]:
    """The lowest bid and the highest ask of a snapshot: beyond them it says nothing."""
    bids = (snapshot["ev"] & np.uint64(BUY)) != 0
    return float(snapshot["px"][bids].min(initial=np.inf)), float(snapshot["px"][~bids].max(initial=0.0))


def within_both(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The prices that both snapshots reach: a level beyond the first one's that never changed is in no update."""
    return max(one[0], other[0]), min(one[1], other[1])


def differences(live: FusedBook, closing: FusedBook, reach: tuple[float, float]) -> tuple[int, list[str]]:
    """Compare two books from the price `reach[0]` to `reach[1]`; return how many levels were compared, and where they differ in words."""
    found: list[str] = []
    count = 0
    low, high = ((price / closing.tick_size if np.isfinite(price) else price) for price in reach)
    for name, side, other in (("bid", live.bids(), closing.bids()), ("ask", live.asks(), closing.asks())):
        ours, theirs = (
            {
                tick: qty
                for tick, qty in zip(ticks.tolist(), qtys.tolist(), strict=True)
                if low - 0.5 < tick < high + 0.5
            }
            for ticks, qtys in (side, other)
        )
        count += len(theirs)
        found += [
            f"{name} {tick * closing.tick_size:.10g}: {ours.get(tick, 0):g} here, {theirs.get(tick, 0):g} there"
            for tick in sorted(ours.keys() | theirs.keys())
            if ours.get(tick) != theirs.get(tick)
        ]
    return count, found


def picture(book: FusedBook, levels: int) -> list[str]:
    """The best levels of both sides, a line a level: quantity and price of the bid, price and quantity of the ask."""
    bids, asks = book.bids(levels), book.asks(levels)
    lines = []
    for n in range(max(len(bids[0]), len(asks[0]))):
        bid = f"{bids[1][n]:>16.10g} {bids[0][n] * book.tick_size:>14.10g}" if n < len(bids[0]) else " " * 31
        ask = f"{asks[0][n] * book.tick_size:<14.10g} {asks[1][n]:<16.10g}" if n < len(asks[0]) else ""
        lines.append(f"{bid} | {ask}".rstrip())
    return lines


def _words(top: Top | None) -> str:
    return (
        ""
        if top is None
        else f"{top.bid_qty:g} x {top.bid:.10g} | {top.ask:.10g} x {top.ask_qty:g} at update {top.update_id}"
    )
