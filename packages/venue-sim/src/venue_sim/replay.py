"""A market that plays a recording: every frame once, byte for byte, in file order, with the true book the recording
implies.

The recording is read twice, the first time only to learn its symbols, streams, length and snapshots, so memory does
not grow with the file. Time begins at the first frame; a receive time that goes back counts as the latest one
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from venue_sim.book import DEFAULT_KEEP, ChainedBook, SnapshotPool
from venue_sim.errors import BadRecording
from venue_sim.face import FrameLine, Messages, SnapshotLine
from venue_sim.instruments import derive_instrument
from venue_sim.market import DEPTH, QUOTE, BookState, Frame, Instrument, Recorded

Lines = Callable[[], Iterable[FrameLine | SnapshotLine | None]]


class Contents:
    """What a first reading of a recording finds out."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self.total = 0
        self.ignored = 0
        self.first_recv_ns: int | None = None
        self.exchange_ms: int | None = None
        self.streams: set[str] = set()
        self.snapshots: list[BookState] = []
        self.prices: dict[str, list[tuple[str, str]]] = {}

    def see(self, line: FrameLine | SnapshotLine | None) -> None:
        """Take one line into account."""
        if line is None:
            self.ignored += 1
        elif isinstance(line, SnapshotLine):
            self.snapshots.append(line.state)
        else:
            self.total += 1
            if self.first_recv_ns is None:
                self.first_recv_ns = line.recv_ns
                self.exchange_ms = self._messages.read_event_ms(line.data)
            symbol = self._messages.read_stream(line.stream).symbol
            if line.stream not in self.streams or len(self.prices.get(symbol, [])) < 200:
                self._sample(symbol, line)
            self.streams.add(line.stream)

    def _sample(self, symbol: str, line: FrameLine) -> None:
        if self._messages.read_stream(line.stream).kind == DEPTH and self._messages.read_ids(line.data):
            update = self._messages.read_update(line.data)
            levels = [(price, quantity) for price, quantity in (*update.bids, *update.asks)]
            self.prices.setdefault(symbol, []).extend(levels)


class ReplayMarket:
    """A recording as a `Market`. `symbols` limits it to some of the recorded ones."""

    name = "replay"

    def __init__(
        self,
        source: str,
        recordings: Sequence[Lines],
        messages: Messages,
        symbols: Sequence[str] = (),
        keep: int = DEFAULT_KEEP,
    ) -> None:
        self._messages = messages
        wanted = {symbol.lower() for symbol in symbols}
        self._wanted = wanted
        found = [_contents(recording, messages, wanted) for recording in recordings]
        starts = [contents.first_recv_ns for contents in found if contents.first_recv_ns is not None]
        if not starts:
            raise BadRecording(source, "no frame of the asked symbols in it" if wanted else "no frame in it")
        self._start_ns = min(starts)
        self.total: int | None = sum(contents.total for contents in found)
        self.ignored_lines = sum(contents.ignored for contents in found)
        self.topics: frozenset[tuple[str, str]] = frozenset()
        self.recorded_streams: frozenset[str] = frozenset().union(*(contents.streams for contents in found))
        first = min((c for c in found if c.first_recv_ns is not None), key=lambda c: c.first_recv_ns or 0)
        self.exchange_start_ms = first.exchange_ms or self._start_ns // 1_000_000
        self.instruments: Mapping[str, Instrument] = {}
        self._chains: dict[str, ChainedBook] = {}
        self._chain_stream: dict[str, str] = {}
        instruments: dict[str, Instrument] = {}
        for contents in found:
            pool = SnapshotPool(contents.snapshots)
            for stream in sorted(contents.streams, key=lambda name: (messages.read_stream(name).speed, name)):
                symbol, kind = messages.read_stream(stream).symbol, messages.read_stream(stream).kind
                if not symbol:
                    continue
                if symbol not in instruments or symbol in contents.prices:
                    instruments[symbol] = derive_instrument(symbol, contents.prices.get(symbol, []))
                if kind == DEPTH and symbol not in self._chains and symbol in contents.prices:
                    self._chains[symbol] = ChainedBook(pool, keep, messages.read_update)
                    self._chain_stream[symbol] = stream
        self.instruments = instruments
        self._frames = _merged([recording() for recording in recordings])
        self._due_ns = 0
        self._next: Frame | None = None
        self._step()

    @property
    def books(self) -> Mapping[str, ChainedBook]:
        """The true books by symbol."""
        return self._chains

    def next_due_ns(self) -> int | None:
        """When the next frame is due; None after the last."""
        return None if self._next is None else self._next.due_ns

    def take(self, until_ns: int | None, limit: int) -> list[Frame]:
        """Hand out the frames due; see `Market.take`."""
        out: list[Frame] = []
        while self._next is not None and len(out) < limit and (until_ns is None or self._next.due_ns <= until_ns):
            frame = self._next
            out.append(frame)
            raw = frame.raw
            if frame.kind == DEPTH and raw is not None and self._chain_stream.get(frame.symbol) == raw.stream:
                ids = self._messages.read_ids(raw.data)
                if ids:
                    self._chains[frame.symbol].on_depth(*ids, raw.data)
            self._step()
        return out

    def _step(self) -> None:
        for line in self._frames:
            name = self._messages.read_stream(line.stream)
            symbol, kind = name.symbol, name.kind
            if self._wanted and symbol not in self._wanted:
                continue
            self._due_ns = max(self._due_ns, line.recv_ns - self._start_ns)
            update_id = self._messages.read_quote_id(line.data) if kind in (DEPTH, QUOTE) else 0
            self._next = Frame(
                self._due_ns, symbol, kind, update_id, None, Recorded(line.stream, line.wrapped, line.data)
            )
            return
        self._next = None


def _contents(recording: Lines, messages: Messages, wanted: set[str]) -> Contents:
    contents = Contents(messages)
    for line in recording():
        if not (wanted and isinstance(line, FrameLine) and messages.read_stream(line.stream).symbol not in wanted):
            contents.see(line)
    return contents


def _merged(recordings: Sequence[Iterable[FrameLine | SnapshotLine | None]]) -> Iterator[FrameLine]:
    """Merge recordings by receive time; each keeps its own order. Ties go to the earlier file."""
    readers = [(line for line in recording if isinstance(line, FrameLine)) for recording in recordings]
    heads = [next(reader, None) for reader in readers]
    while True:
        ready = [index for index, head in enumerate(heads) if head is not None]
        if not ready:
            return
        index = min(ready, key=lambda at: heads[at].recv_ns)  # type: ignore[union-attr]
        head = heads[index]
        heads[index] = next(readers[index], None)
        if head is not None:
            yield head
