"""A market for benches: a block of synthetic frames made once and repeated for ever, with ids and times written
anew each time.

The block ends with depth updates that bring every book back to where it began, so each lap starts from the same
book and the `pu` chain holds across laps. A frame costs one bytes formatting; the true book at any id ever sent is
computed from the block, so there is no history to keep.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from venue_sim.book import LoggedBook, decode_depth
from venue_sim.market import BookState, Frame, Instrument, Level, decimals
from venue_sim.synthetic import NOMINAL_RATE, SyntheticMarket

_NUMBERS = re.compile(rb'"(E|T|U|u|pu|t)":(\d+)')
_RESTORE_LEVELS = 100


class _Template:
    """One frame of the block: where its numbers go and what they are on the first lap."""

    __slots__ = ("data", "first_id", "kind", "names", "numbers", "prefix", "stream", "symbol")

    def __init__(self, frame: Frame) -> None:
        self.symbol, self.kind, self.stream = frame.symbol, frame.kind, frame.stream
        self.prefix = b'{"stream":"%b","data":' % frame.stream.encode()
        found = [(match[1].decode(), int(match[2])) for match in _NUMBERS.finditer(frame.data)]
        self.names = [name for name, _ in found]
        self.numbers = [number for _, number in found]
        self.data = _NUMBERS.sub(rb'"\1":%d', frame.data)


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
        self.streams: frozenset[str] | None = source.streams
        starts = {symbol: state for symbol, log in source.books.items() if (state := log.at())}
        frames = source.take(None, block)
        for symbol, start in starts.items():
            frames.extend(_restoring(symbol, start, source.books[symbol]))
        self._block = [_Template(frame) for frame in frames]
        self.length = len(frames)
        self.books: Mapping[str, FloodBook] = {
            symbol: self._book(symbol, start.last_id, source.books[symbol]) for symbol, start in starts.items()
        }
        self._spans = {symbol: book.span for symbol, book in self.books.items()}
        self._trades = sum(frame.kind == "trade" for frame in frames)

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
            last_id, values = 0, []
            for name, number in zip(template.names, template.numbers, strict=True):
                if name in ("E", "T"):
                    values.append(now_ms)
                elif name == "t":
                    values.append(number + lap * self._trades)
                else:
                    values.append(number + shift)
                    if name == "u":
                        last_id = number + shift
            data = template.data % tuple(values)
            wrapped = b"%b%b}" % (template.prefix, data)
            out.append(
                Frame(
                    int(index / self._rate * 1e9),
                    template.symbol,
                    template.kind,
                    template.stream,
                    wrapped,
                    data,
                    last_id,
                )
            )
        self.sent += len(out)
        return out

    def _book(self, symbol: str, first_id: int, log: LoggedBook) -> FloodBook:
        places = [place for place, frame in enumerate(self._block) if frame.symbol == symbol and frame.kind == "depth"]
        ids = [first_id] + [
            dict(zip(t.names, t.numbers, strict=True))["u"] for t in (self._block[place] for place in places)
        ]
        return FloodBook(self, log, ids, places)


def _restoring(symbol: str, start: BookState, log: LoggedBook) -> list[Frame]:
    """Make the frames that bring a book back to `start`: a depth update for every hundred levels, then the
    bookTicker of that top."""
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
    stream = f"{symbol}@depth@0ms"
    for piece in pieces:
        prev_id = log.last_id
        sides = [
            ",".join(f'["{price}","{quantity}"]' for which, price, quantity in piece if which == side)
            for side in (0, 1)
        ]
        data = (
            f'{{"e":"depthUpdate","E":{end.event_ms},"T":{end.event_ms},"s":"{symbol.upper()}",'
            f'"U":{prev_id + 1},"u":{prev_id + 50},"pu":{prev_id},'
            f'"b":[{sides[0]}],"a":[{sides[1]}]}}'
        ).encode()
        log.append(decode_depth(data).last_id, data)
        frames.append(Frame(0, symbol, "depth", stream, b"", data, prev_id + 50))
    (bid, bid_quantity), (ask, ask_quantity) = start.bids[0], start.asks[0]
    ticker = (
        f'{{"e":"bookTicker","u":{log.last_id},"s":"{symbol.upper()}","b":"{bid}","B":"{bid_quantity}","a":"{ask}","A":"{ask_quantity}",'
        f'"T":{end.event_ms},"E":{end.event_ms}}}'
    ).encode()
    frames.append(Frame(0, symbol, "bookTicker", f"{symbol}@bookTicker", b"", ticker, log.last_id))
    return frames


def _difference(wanted: Sequence[Level], present: Sequence[Level]) -> list[Level]:
    """List the absolute levels that turn `present` into `wanted`."""
    before, after = dict(present), dict(wanted)
    gone = [(price, f"{0:.{decimals(quantity)}f}") for price, quantity in before.items() if price not in after]
    return gone + [(price, quantity) for price, quantity in after.items() if before.get(price) != quantity]
