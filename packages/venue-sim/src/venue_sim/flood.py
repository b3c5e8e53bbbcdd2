"""A market for benches: a block of synthetic frames made once and repeated for ever, with ids and times written
anew each time.

The block ends with depth updates that bring every book back to where it began, so each lap starts from the same
book and the `pu` chain holds across laps. A frame costs one bytes formatting; the true book at any id ever sent is
computed from the block, so there is no history to keep.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from venue_sim.book import LoggedBook, pack
from venue_sim.face import Messages
from venue_sim.market import (
    DEPTH,
    QUOTE,
    TRADE,
    BookState,
    Frame,
    Instrument,
    Level,
    Quote,
    Recorded,
    Update,
    decimals,
)
from venue_sim.synthetic import NOMINAL_RATE, SyntheticMarket

_RESTORE_LEVELS = 100
_TIMES = ("event_ms", "transact_ms")


class _Template:
    """One frame of the block, written by the face with holes for its numbers."""

    __slots__ = ("kind", "last_id", "stencil", "symbol")

    def __init__(self, frame: Frame, messages: Messages) -> None:
        assert frame.value is not None, "synthetic frames are values"
        self.symbol, self.kind, self.last_id = frame.symbol, frame.kind, frame.last_id
        self.stencil = messages.stencil(frame.symbol, frame.value)


class FloodBook:
    """The true book of one symbol of a flood, for every id the flood has sent."""

    def __init__(self, market: FloodMarket, log: LoggedBook, ids: list[int], indexes: list[int]) -> None:
        self._market = market
        self._log = log
        self._ids = ids
        self._indexes = indexes
        self.span = ids[-1] - ids[0]

    @property
    def last_id(self) -> int:
        """Id of the last update sent."""
        return self._id_of(self._count())

    def at(self, last_id: int | None = None) -> BookState | None:
        """The book right after update `last_id` (None: now)."""
        wanted = self.last_id if last_id is None else last_id
        lap, rest = divmod(wanted - self._ids[0], self.span)
        offset = bisect_left(self._ids, self._ids[0] + rest)
        if lap < 0 or wanted > self.last_id or self._ids[offset] != self._ids[0] + rest:
            return None
        state = self._log.at(self._ids[offset])
        if state is None:
            return None
        index = self._indexes[offset - 1] + lap * self._market.length if offset else lap * self._market.length - 1
        now_ms = self._market.time_ms(max(0, index))
        return BookState(wanted, now_ms, now_ms, state.bids, state.asks)

    def id_before(self, updates: int) -> int:
        """Id of the update `updates` before the newest."""
        return self._id_of(max(0, self._count() - updates))

    def first_id_of(self, last_id: int) -> int | None:
        """Id with which the update that ends with `last_id` begins; None when that one has not been sent."""
        if not self._ids[0] < last_id <= self.last_id:
            return None
        lap, rest = divmod(
            last_id - self._ids[0] - 1, self.span
        )  # the last update of a lap ends at the next one's base
        first_id = self._log.first_id_of(self._ids[0] + rest + 1)
        return None if first_id is None else first_id + lap * self.span

    def _count(self) -> int:
        lap, place = divmod(self._market.sent, self._market.length)
        return lap * len(self._indexes) + bisect_left(self._indexes, place)

    def _id_of(self, count: int) -> int:
        lap, offset = divmod(count, len(self._indexes))
        return self._ids[offset] + lap * self.span


class FloodMarket:
    """A repeated block of `block` synthetic frames as a `Market`, at `rate` a second or, with 0, always due."""

    name = "flood"

    def __init__(
        self,
        symbols: Sequence[str],
        messages: Messages,
        *,
        rate: float,
        seed: int,
        start_ms: int,
        levels: float = 20.0,
        block: int = 10_000,
    ) -> None:
        self._rate = rate or NOMINAL_RATE
        self.exchange_start_ms = start_ms
        self.total: int | None = None
        self.sent = 0
        source = SyntheticMarket(symbols, rate=self._rate, seed=seed, start_ms=start_ms, levels=levels)
        self.instruments: Mapping[str, Instrument] = source.instruments
        self.topics = source.topics
        self.recorded_streams: frozenset[str] = frozenset()
        starts = {symbol: state for symbol, log in source.books.items() if (state := log.at())}
        frames = source.take(None, block)
        for symbol, start in starts.items():
            frames.extend(_restoring(symbol, start, source.books[symbol]))
        self._block = [_Template(frame, messages) for frame in frames]
        self.length = len(frames)
        self.books: Mapping[str, FloodBook] = {
            symbol: self._book(symbol, start.last_id, source.books[symbol]) for symbol, start in starts.items()
        }
        self._spans = {symbol: book.span for symbol, book in self.books.items()}
        self._trades = sum(frame.kind == TRADE for frame in frames)

    def time_ms(self, index: int) -> int:
        """Exchange time of the frame with that number since the beginning."""
        return self.exchange_start_ms + int(index / self._rate * 1000)

    def next_due_ns(self) -> int | None:
        """When the next frame is due; there always is one."""
        return int(self.sent / self._rate * 1e9)

    def take(self, until_ns: int | None, limit: int) -> list[Frame]:
        """Hand out the frames due; see `Market.take`."""
        if until_ns is not None:
            limit = min(limit, max(0, int(until_ns / 1e9 * self._rate) + 1 - self.sent))
        out: list[Frame] = []
        for index in range(self.sent, self.sent + limit):
            lap, place = divmod(index, self.length)
            template = self._block[place]
            now_ms = self.time_ms(index)
            shift = lap * self._spans[template.symbol]
            stencil, values = template.stencil, []
            for name, number in zip(stencil.fields, stencil.values, strict=True):
                if name in _TIMES:
                    values.append(now_ms)
                elif name == "trade_id":
                    values.append(number + lap * self._trades)
                else:
                    values.append(number + shift)
            data = stencil.data % tuple(values)
            raw = Recorded(stencil.stream, b"%b%b%b" % (stencil.prefix, data, stencil.suffix), data)
            last_id = template.last_id + shift if template.last_id else 0
            due_ns = int(index / self._rate * 1e9)
            out.append(Frame(due_ns, template.symbol, template.kind, last_id, None, raw))
        self.sent += len(out)
        return out

    def _book(self, symbol: str, first_id: int, log: LoggedBook) -> FloodBook:
        places = [place for place, frame in enumerate(self._block) if frame.symbol == symbol and frame.kind == DEPTH]
        ids = [first_id] + [self._block[place].last_id for place in places]
        return FloodBook(self, log, ids, places)


def _restoring(symbol: str, start: BookState, log: LoggedBook) -> list[Frame]:
    """Make the frames that bring a book back to `start`: a depth update for every hundred levels, then the
    quote of that top."""
    end = log.at()
    if end is None:
        return []
    bids, asks = _difference(start.bids, end.bids), _difference(start.asks, end.asks)
    # quantities first removed, then set, so that no update on the way leaves the book crossed
    changes = sorted(
        [(0, *level) for level in bids] + [(1, *level) for level in asks], key=lambda change: float(change[2]) != 0
    )
    frames = []
    pieces = [changes[at : at + _RESTORE_LEVELS] for at in range(0, len(changes), _RESTORE_LEVELS)] or [[]]
    for piece in pieces:
        prev_id = log.last_id
        bids, asks = ([(price, quantity) for which, price, quantity in piece if which == side] for side in (0, 1))
        update = Update(prev_id + 1, prev_id + 50, prev_id, end.event_ms, end.event_ms, bids, asks)
        log.append(update.last_id, pack(update))
        frames.append(Frame(0, symbol, DEPTH, update.last_id, update))
    quote = Quote(log.last_id, end.event_ms, end.event_ms, start.bids[0], start.asks[0])
    frames.append(Frame(0, symbol, QUOTE, log.last_id, quote))
    return frames


def _difference(wanted: Sequence[Level], present: Sequence[Level]) -> list[Level]:
    """List the absolute levels that turn `present` into `wanted`."""
    before, after = dict(present), dict(wanted)
    gone = [(price, f"{0:.{decimals(quantity)}f}") for price, quantity in before.items() if price not in after]
    return gone + [(price, quantity) for price, quantity in after.items() if before.get(price) != quantity]
