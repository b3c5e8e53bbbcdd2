"""Blocks of lines of Bybit, Hyperliquid and connectors by kernels, what deviates by their decoders, in the order of the file.

The decoder meets every stream, symbol and reason first; a kernel takes only lines of what is known by then. So results, counts
and their order are the decoder's own. Books are held by whoever took the last line of their symbol.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert.events import Ints
from data_convert.messages.columns import Block, MessagesBuilder
from data_convert.recordings.venues import scan_states as at
from data_convert.recordings.venues.bybit import BybitDecoder
from data_convert.recordings.venues.decoder import Counted
from data_convert.recordings.venues.hyperliquid import BOOK_LEVELS, NOT_CHOSEN, HyperliquidDecoder
from data_convert.recordings.venues.link import LinkDecoder, PartialBatch
from data_convert.recordings.venues.scanning import LineScanner
from data_convert.recordings.venues.window_store import WindowStore

_SHORTEST_LINE: Final = 32
_SHORTEST_ROW: Final = 8
_ROOM: Final = 1 << 13
_MOST_ROOM: Final = 1 << 24
_LEVELS: Final = 1 << 14
"""Levels of a line; one with more is odd."""
_PADDING: Final = 8
_NO_QUANTITY: Final = "trade without price or quantity"

_Bytes = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float64]
_Key = tuple[str, str]


class Stream(NamedTuple):
    """How a kernel knows a stream: its text in a line, what it is, its levels, the counts of lines not chosen and behind a gap."""

    text: str
    meaning: int
    depth: int = 0
    ignored: _Key | None = None
    behind: _Key | None = None


class FrameScanner(LineScanner):
    """What the scanners have in common: tables of what is known, counts, columns. Loads numba."""

    fixed: tuple[_Key, ...] = ()
    """Counts that a kernel knows by their place: which counter of the decoder, and what is counted."""

    def __init__(self, decoder: Counted, builder: MessagesBuilder) -> None:
        super().__init__()
        self._counted, self._builder = decoder, builder
        self._counters: dict[str, Counter[str]] = {
            "streams": decoder.streams,
            "filtered": decoder.filtered,
            "notes": decoder.notes,
            "symbols": builder.symbol_counts,
        }
        self._known: tuple[int, ...] = ()
        self._places: dict[_Key, int] = {}
        self._counts: Ints = np.zeros(0, np.int64)
        self._state: Ints = np.zeros(at.STATE_WORDS, np.int64)
        self.px, self.qty = np.empty(_LEVELS), np.empty(_LEVELS)
        self._size, self._rows = 0, _ROOM
        self.block = Block.with_room(0, 0)
        self.symbol_rows: dict[str, int] = {}
        self._streams = self._symbols = np.zeros((0, at.TABLE_WORDS), np.int64)
        self._texts: _Bytes = np.zeros(0, np.uint8)
        self._fixed: Ints = np.zeros(0, np.int64)

    @abstractmethod
    def stream(self, name: str) -> Stream:
        """Tell what the lines are that a decoder counts by this name."""

    @abstractmethod
    def run(self, data: _Bytes, stop: int, tables: tuple[Ints, Ints, _Bytes, Ints, Ints], state: Ints) -> None:
        """Run the kernel."""

    def ready(self) -> bool:
        """Take from the decoder what the kernel goes on with; tell whether it can."""
        return True

    def book_of(self, symbol: str) -> int:
        """Return the number of a symbol's book, -1 if it has none here."""
        return -1

    def grow(self) -> bool:
        """Make room for the line that found none; tell whether there is more now."""
        if self._rows >= _MOST_ROOM:
            return False
        self._rows *= 2
        self._size, size = 0, self._size
        self.make_room(size)
        return True

    def make_room(self, size: int) -> None:
        """`LineScanner.make_room`."""
        if size > self._size or not len(self.block.ev):
            self._size = size
            messages = size // _SHORTEST_LINE + self._rows
            self.block = Block.with_room(messages, size // _SHORTEST_ROW + self._rows)

    def scan(self, data: _Bytes, pos: int, stop: int, file: int, line: int) -> tuple[int, int, bool]:
        """`LineScanner.scan`."""
        self._learn()
        if not self.ready():
            return pos, line, False
        state, builder = self._state, self._builder
        while True:
            state[:] = 0
            state[at.POS], state[at.LINE], state[at.FILE], state[at.FIRST_ROW] = pos, line, file, len(builder.ev)
            tables = self._streams, self._symbols, self._texts, self._fixed, self._counts
            self.run(data, stop, tables, state)
            if state[at.MESSAGES]:
                builder.extend(self.block, int(state[at.MESSAGES]), int(state[at.ROWS]), 0)
            begin, pos, line = pos, int(state[at.POS]), int(state[at.LINE])
            if pos != begin:
                self._count()
            if state[at.STATUS] != at.FULL or (pos == begin and not self.grow()):
                return pos, line, bool(state[at.STATUS] == at.DONE)

    def _count(self) -> None:
        places = list(self._places)
        for place in np.flatnonzero(self._counts).tolist():
            counter, name = places[place]
            self._counters[counter][name] += int(self._counts[place])
        self._counts[:] = 0

    def _place(self, key: _Key | None) -> int:
        """Return the place of a count, -1 of one that the decoder has not begun yet."""
        if key is None or key[1] not in self._counters[key[0]]:
            return -1
        return self._places.setdefault(key, len(self._places))

    def _learn(self) -> None:
        """Bring the tables up to what the decoder has met."""
        known = tuple(map(len, self._counters.values()))
        if known == self._known:
            return
        self._known = known
        texts = bytearray()

        def row(text: str, counter: str, name: str, *more: int) -> list[int]:
            start = len(texts)
            texts.extend(text.encode())
            words = [start, len(texts) - start, self._place((counter, name)), *more]
            return words + [-1] * (at.TABLE_WORDS - len(words))

        streams = []
        for name in [name for name in self._counters["streams"] if name][: at.MOST_TEXTS]:
            found = self.stream(name)
            counts = self._place(found.ignored), self._place(found.behind)
            streams.append(row(found.text, "streams", name, found.meaning, found.depth, *counts))
        names = list(self._counters["symbols"])[: at.MOST_TEXTS]
        self.symbol_rows = {name: number for number, name in enumerate(names)}
        symbols = [row(name, "symbols", name, self._builder.symbols[name], self.book_of(name)) for name in names]
        self._streams = np.array(streams, np.int64).reshape(-1, at.TABLE_WORDS)
        self._symbols = np.array(symbols, np.int64).reshape(-1, at.TABLE_WORDS)
        self._texts = np.frombuffer(bytes(texts) + bytes(_PADDING), np.uint8).copy()
        self._fixed = np.array([self._place(key) for key in self.fixed], np.int64)
        self._counts = np.zeros(len(self._places), np.int64)


class _WindowScanner(FrameScanner):
    """Of venues whose streams are windows of one book."""

    def __init__(self, decoder: BybitDecoder | HyperliquidDecoder, builder: MessagesBuilder) -> None:
        super().__init__(decoder, builder)
        self._decoder = decoder
        self.store = WindowStore()
        decoder.before_book = self.store.give_back

    def ready(self) -> bool:
        """`FrameScanner.ready`: books that are with the decoder, where they can be taken."""
        for name in self.symbol_rows:
            book = self.store.take(name, self._decoder.held_book(name))
            self._symbols[self.symbol_rows[name], at.BOOK] = book
        return True

    def grow(self) -> bool:
        """`FrameScanner.grow`."""
        self.store.grow()
        return super().grow()

    def before_odd(self) -> None:
        """Nothing: the decoder asks for the book it needs."""

    def finish(self) -> None:
        """`Scanner.finish`."""
        self.store.give_all_back()


class HyperliquidScanner(_WindowScanner):
    """Takes blocks of lines as `HyperliquidDecoder` would take them one by one."""

    fixed = (("filtered", NOT_CHOSEN), ("filtered", _NO_QUANTITY))

    def __init__(self, decoder: HyperliquidDecoder, builder: MessagesBuilder) -> None:
        from data_convert.recordings.venues import hyperliquid_kernels

        super().__init__(decoder, builder)
        self._kernels, self._chosen = hyperliquid_kernels, decoder.depth or 0

    def stream(self, name: str) -> Stream:
        """`FrameScanner.stream`."""
        of = self._kernels
        meaning = {"l2Book": of.BOOK_STREAM, "bbo": of.BEST, "trades": of.TRADES}.get(name, of.OTHER)
        return Stream(name, meaning, BOOK_LEVELS if name == "l2Book" else 1)

    def run(self, data: _Bytes, stop: int, tables: tuple[Ints, Ints, _Bytes, Ints, Ints], state: Ints) -> None:
        """`FrameScanner.run`."""
        of = self._kernels
        of.scan_hyperliquid(
            data, stop, of.Tables(*tables), self.store.books, self._chosen, self.px, self.qty, state, self.block
        )


class BybitScanner(_WindowScanner):
    """Takes blocks of lines as `BybitDecoder` would take them one by one."""

    fixed = (("filtered", "block trade"), ("filtered", _NO_QUANTITY), ("notes", "order books without cts, dated by ts"))

    def __init__(self, decoder: BybitDecoder, builder: MessagesBuilder) -> None:
        from data_convert.recordings.venues import bybit_kernels

        super().__init__(decoder, builder)
        self._kernels, self._chosen, self._matching = bybit_kernels, decoder.depth or 0, decoder.matching

    def stream(self, name: str) -> Stream:
        """`FrameScanner.stream`."""
        of = self._kernels
        kind, point, levels = name.partition(".")
        if kind == "orderbook" and point and levels.isascii():
            depth = int(levels)
            ignored = "filtered", f"orderbook.{depth}, not the topic chosen"
            behind = "notes", f"orderbook.{depth} updates behind a gap, before their snapshot"
            return Stream(name, of.BOOK_STREAM, depth, ignored, behind)
        return Stream(name, of.TRADES if name == "publicTrade" else of.OTHER)

    def run(self, data: _Bytes, stop: int, tables: tuple[Ints, Ints, _Bytes, Ints, Ints], state: Ints) -> None:
        """`FrameScanner.run`."""
        of, books = self._kernels, self.store.books
        of.scan_bybit(
            data, stop, self._matching, of.Tables(*tables), books, self._chosen, self.px, self.qty, state, self.block
        )


class LinkScanner(FrameScanner):
    """Takes blocks of lines as `LinkDecoder` would take them one by one."""

    fixed = (("filtered", _NO_QUANTITY),)

    def __init__(self, decoder: LinkDecoder, builder: MessagesBuilder) -> None:
        from data_convert.recordings.venues import link_kernels

        super().__init__(decoder, builder)
        self._kernels, self._decoder = link_kernels, decoder
        self._held = self._room_to_hold(_ROOM)

    def _room_to_hold(self, rows: int) -> tuple[npt.NDArray[np.uint32], _Floats, _Floats, Ints]:
        return np.empty(rows, np.uint32), np.empty(rows), np.empty(rows), np.zeros(self._kernels.HELD_WORDS, np.int64)

    def stream(self, name: str) -> Stream:
        """`FrameScanner.stream`."""
        of = self._kernels
        meanings = {"depthUpdate": of.UPDATE, "depthSnapshot": of.SNAPSHOT, "depthClear": of.CLEAR, "trade": of.TRADE}
        meaning = meanings.get(name, of.QUOTES if name == "bookTicker" else -1)
        # What is rare has a text that stands in no line.
        return Stream(name if meaning >= 0 else "\n", meaning)

    def run(self, data: _Bytes, stop: int, tables: tuple[Ints, Ints, _Bytes, Ints, Ints], state: Ints) -> None:
        """`FrameScanner.run`."""
        of = self._kernels
        of.scan_link(data, stop, of.Tables(*tables), of.Held(*self._held), self.px, self.qty, state, self.block)

    def ready(self) -> bool:
        """`FrameScanner.ready`: the message that the decoder holds, if it is one of a batch."""
        of, batch = self._kernels, self._decoder.batch
        if batch is None:
            return True
        if batch.more is None or batch.symbol not in self.symbol_rows or not batch.ev:
            return False
        self._decoder.batch = None
        count = len(batch.ev)
        while count > len(self._held[0]):
            self.grow()
        ev, px, qty, words = self._held
        ev[:count], px[:count], qty[:count] = batch.ev, batch.px, batch.qty
        words[of.HELD], words[of.CUT], words[of.WHOLE] = count, batch.cut, batch.whole
        words[of.SYMBOL] = self.symbol_rows[batch.symbol]
        words[of.IN_FILE], words[of.AT_LINE] = batch.place
        words[of.LOCAL_NS], words[of.EXCH_NS] = batch.local_ns, batch.exch_ns
        words[of.LAST_ID], words[of.MORE] = batch.last_id, batch.more
        return True

    def grow(self) -> bool:
        """`FrameScanner.grow`."""
        ev, px, qty, words = self._held
        more = len(ev)
        self._held = np.pad(ev, (0, more)), np.pad(px, (0, more)), np.pad(qty, (0, more)), words
        return super().grow()

    def before_odd(self) -> None:
        """Give the decoder the message that is not whole yet."""
        of, (ev, px, qty, words) = self._kernels, self._held
        count = int(words[of.HELD])
        if not count:
            return
        words[of.HELD] = 0
        self._decoder.batch = PartialBatch(
            list(self.symbol_rows)[int(words[of.SYMBOL])],
            (int(words[of.IN_FILE]), int(words[of.AT_LINE])),
            int(words[of.LOCAL_NS]),
            int(words[of.EXCH_NS]),
            int(words[of.LAST_ID]),
            int(words[of.MORE]),
            ev[:count].tolist(),
            px[:count].tolist(),
            qty[:count].tolist(),
        )
