"""A market that plays a recording: every frame once, byte for byte, in file order, with the true book the recording
implies.

The recording is read twice, the first time only to learn its symbols, streams, length and snapshots, so memory does
not grow with the file. Time begins at the first frame; a receive time that goes back counts as the latest one
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import orjson

from venue_sim.book import DEFAULT_KEEP, ChainedBook, SnapshotPool, decode_depth
from venue_sim.errors import BadRecording
from venue_sim.instruments import derive_instrument
from venue_sim.market import BookState, Frame, Instrument
from venue_sim.recording import FrameLine, SnapshotLine, depth_ids, kind_of, last_id, symbol_of

Lines = Callable[[], Iterable[FrameLine | SnapshotLine | None]]
_SPEED_ORDER = {"0ms": 0, "100ms": 1, "": 2, "250ms": 2, "500ms": 3}


class Contents:
    """What a first reading of a recording finds out."""

    def __init__(self) -> None:
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
                self.exchange_ms = _event_ms(line.data)
            if line.stream not in self.streams or len(self.prices.get(symbol_of(line.stream), [])) < 200:
                self._sample(line)
            self.streams.add(line.stream)

    def _sample(self, line: FrameLine) -> None:
        if kind_of(line.stream) == "depth" and depth_ids(line.data):
            update = decode_depth(line.data)
            levels = [(price, quantity) for price, quantity in (*update.bids, *update.asks)]
            self.prices.setdefault(symbol_of(line.stream), []).extend(levels)


class ReplayMarket:
    """A recording as a `Market`. `symbols` limits it to some of the recorded ones."""

    name = "replay"

    def __init__(
        self, source: str, recordings: Sequence[Lines], symbols: Sequence[str] = (), keep: int = DEFAULT_KEEP
    ) -> None:
        wanted = {symbol.lower() for symbol in symbols}
        self._wanted = wanted
        found = [_contents(recording, wanted) for recording in recordings]
        starts = [contents.first_recv_ns for contents in found if contents.first_recv_ns is not None]
        if not starts:
            raise BadRecording(source, "no frame of the asked symbols in it" if wanted else "no frame in it")
        self._start_ns = min(starts)
        self.total: int | None = sum(contents.total for contents in found)
        self.ignored_lines = sum(contents.ignored for contents in found)
        self.streams: frozenset[str] | None = frozenset().union(*(contents.streams for contents in found))
        first = min((c for c in found if c.first_recv_ns is not None), key=lambda c: c.first_recv_ns or 0)
        self.exchange_start_ms = first.exchange_ms or self._start_ns // 1_000_000
        self.instruments: Mapping[str, Instrument] = {}
        self._chains: dict[str, ChainedBook] = {}
        self._chain_stream: dict[str, str] = {}
        instruments: dict[str, Instrument] = {}
        for contents in found:
            pool = SnapshotPool(contents.snapshots)
            for stream in sorted(contents.streams, key=_fastest_first):
                symbol = symbol_of(stream)
                if not symbol:
                    continue
                if symbol not in instruments or symbol in contents.prices:
                    instruments[symbol] = derive_instrument(symbol, contents.prices.get(symbol, []))
                if kind_of(stream) == "depth" and symbol not in self._chains and symbol in contents.prices:
                    self._chains[symbol] = ChainedBook(pool, keep)
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
            if frame.kind == "depth" and self._chain_stream.get(frame.symbol) == frame.stream:
                ids = depth_ids(frame.data)
                if ids:
                    self._chains[frame.symbol].on_depth(*ids, frame.data)
            self._step()
        return out

    def _step(self) -> None:
        for line in self._frames:
            symbol = symbol_of(line.stream)
            if self._wanted and symbol not in self._wanted:
                continue
            self._due_ns = max(self._due_ns, line.recv_ns - self._start_ns)
            kind = kind_of(line.stream)
            update_id = last_id(line.data) if kind in ("depth", "bookTicker") else 0
            self._next = Frame(self._due_ns, symbol, kind, line.stream, line.wrapped, line.data, update_id)
            return
        self._next = None


def _contents(recording: Lines, wanted: set[str]) -> Contents:
    contents = Contents()
    for line in recording():
        if not (wanted and isinstance(line, FrameLine) and symbol_of(line.stream) not in wanted):
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


def _fastest_first(stream: str) -> tuple[int, str]:
    return _SPEED_ORDER.get(stream.partition("@")[2].partition("@")[2], 9), stream


def _event_ms(data: bytes) -> int | None:
    value = orjson.loads(data)
    event_ms = value.get("E") if isinstance(value, dict) else None
    return event_ms if isinstance(event_ms, int) else None
