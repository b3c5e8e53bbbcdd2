"""A market that is another venue's: its public frames pass through as they come, and the true book follows their chain.
A core: what arrives is handed to it by the shell (`following`).

    UNKNOWN --a snapshot is joined--> KNOWN --the chain breaks--> UNKNOWN, and a new snapshot is wanted
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from venue_sim.book import DEFAULT_KEEP, ChainedBook, SnapshotPool
from venue_sim.face import FrameLine, Messages
from venue_sim.market import DEPTH, QUOTE, TRADE, BookState, Frame, Instrument, Recorded

HELD_UPDATES = 5_000
_AN_HOUR_NS = 3_600_000_000_000


class FollowMarket:
    """Another venue's frames as a `Market`; `exchange_start_ms` is that venue's time now."""

    name = "follow"
    total: int | None = None
    topics: frozenset[tuple[str, str]] = frozenset()

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        messages: Messages,
        exchange_start_ms: int,
        keep: int = DEFAULT_KEEP,
    ) -> None:
        self._messages = messages
        self._keep = keep
        self.instruments = instruments
        self.exchange_start_ms = exchange_start_ms
        self.recorded_streams = frozenset(
            messages.stream_of(symbol, kind) for symbol in instruments for kind in (DEPTH, TRADE, QUOTE)
        )
        self._depth_streams = {messages.stream_of(symbol, DEPTH) for symbol in instruments}
        self._books = {symbol: ChainedBook(SnapshotPool(), keep, messages.read_update) for symbol in instruments}
        self._held: dict[str, deque[tuple[tuple[int, int, int], bytes]]] = {
            symbol: deque(maxlen=HELD_UPDATES) for symbol in instruments
        }
        self._ahead: dict[str, int] = {}
        self._frames: deque[FrameLine] = deque()
        self._now_ns = 0

    @property
    def books(self) -> Mapping[str, ChainedBook]:
        """The true books by symbol."""
        return self._books

    @property
    def wanted(self) -> list[str]:
        """Symbols whose book is not known although updates of it have come: they need a snapshot, or another one."""
        return [symbol for symbol, held in self._held.items() if held and symbol not in self._ahead]

    def on_text(self, recv_ns: int, text: bytes) -> None:
        """Take a message of the venue followed; what is no whole frame of its streams is left out, and the chain of
        updates shows it."""
        try:
            line = self._messages.read_line(recv_ns, text)
            if not isinstance(line, FrameLine) or line.stream not in self.recorded_streams:
                return
            kind = self._messages.read_stream(line.stream).kind
            if self._messages.read_message(kind, line.data) is None and kind == DEPTH:
                return
        except ValueError:
            return
        self._frames.append(line)

    def on_snapshot(self, symbol: str, state: BookState) -> bool:
        """Take a snapshot; True when the updates that have left the market follow it, or those to come may."""
        held = self._held[symbol]
        if not held:
            return True
        book = ChainedBook(SnapshotPool([state]), self._keep, self._messages.read_update)
        for ids, data in held:
            book.on_depth(*ids, data)
        (_, last_id, _), _ = held[-1]
        if book.last_id is not None:
            held.clear()
        elif last_id < state.last_id:
            self._ahead[symbol] = state.last_id
        else:
            return False
        self._books[symbol] = book
        return True

    def next_due_ns(self) -> int | None:
        """At once when a frame has come; else in an hour, which never comes first."""
        return self._now_ns if self._frames else self._now_ns + _AN_HOUR_NS

    def take(self, until_ns: int | None, limit: int) -> list[Frame]:
        """Hand out the frames that have come; see `Market.take`."""
        self._now_ns = max(self._now_ns, until_ns or 0)
        out: list[Frame] = []
        while self._frames and len(out) < limit:
            line = self._frames.popleft()
            name = self._messages.read_stream(line.stream)
            update_id = self._messages.read_quote_id(line.data) if name.kind in (DEPTH, QUOTE) else 0
            raw = Recorded(line.stream, line.wrapped, line.data)
            out.append(Frame(self._now_ns, name.symbol, name.kind, update_id, None, raw))
            if line.stream in self._depth_streams:
                self._follow(name.symbol, line.data)
        return out

    def _follow(self, symbol: str, data: bytes) -> None:
        ids = self._messages.read_ids(data)
        if ids is None:
            return
        book, held = self._books[symbol], self._held[symbol]
        book.on_depth(*ids, data)
        _, last_id, prev_id = ids
        if book.last_id is not None:
            held.clear()
            self._ahead.pop(symbol, None)
            return
        if held and held[-1][0][1] != prev_id:  # what was held before belongs to another chain
            held.clear()
        held.append((ids, data))
        if last_id > self._ahead.get(symbol, last_id):
            del self._ahead[symbol]  # passed and not joined


def streams_followed(market: FollowMarket) -> Iterable[str]:
    """The streams to subscribe to at the venue followed."""
    return sorted(market.recorded_streams)
