"""Rows of archives into messages: a trade each, quotes as changes of a book of one level, levels by what they share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from data_convert.archives.columns import Words
from data_convert.archives.ops import DELETES, KNOWN, MESSAGES, ROWS, VERSION
from data_convert.choice import few
from data_convert.events import DEPTH_SNAPSHOT, KIND_MASK
from data_convert.messages.columns import NO_ID, Block, MessagesBuilder, What
from data_convert.recordings.venues.bybit import Adder
from data_convert.recordings.venues.decoder import Counts
from data_convert.recordings.venues.windows import Windows

_NS_A_QUOTE: Final = 15_000
_FLOATS: Final = np.float64


class Sink(Protocol):
    """What takes the good rows of one file, block by block."""

    def take(self, words: Words) -> None:
        """Take rows in the order of the file; they may be written to."""

    def finish(self) -> None:
        """Hand over what is still held."""


@dataclass(slots=True)
class TradeSink:
    """Trades of one file; those without price or quantity are counted."""

    builder: MessagesBuilder
    counts: Counts
    stream: str
    file: int

    def take(self, words: Words) -> None:
        """Take trades in the order of the file: ev, time, symbol, price, quantity, line."""
        self.counts.streams[self.stream] += len(words)
        floats = words.view(_FLOATS)
        good = (floats[:, 3] > 0) & (floats[:, 4] > 0)
        if not good.all():
            self.counts.filtered["trade without price or quantity"] += int(len(words) - good.sum())
            words = words[good]
            floats = words.view(_FLOATS)
        block, begin = Block.with_room(len(words), len(words)), len(self.builder.ev) + np.arange(len(words))
        _place(block, self.file, words[:, 5], words[:, 1], begin, begin + 1)
        block.ints[:, 4:7] = NO_ID
        block.what[:], block.ev[:], block.px[:], block.qty[:] = What.TRADE, words[:, 0], floats[:, 3], floats[:, 4]
        add_messages(self.builder, words[:, 2], block, len(words), len(words))

    def finish(self) -> None:
        """Nothing is held."""


@dataclass(slots=True)
class QuoteSink:
    """Quotes of one file as a book of one level; quotes that change nothing give no message.

    The kernel takes a quote whose sides do not cross, not older than the one before. From any other on `Windows` decides,
    until a quote that the kernel would take: the book is then what that one says, whatever was before.
    """

    builder: MessagesBuilder
    streams: Counter[str]
    file: int
    symbol: str
    _state: Words = field(default_factory=lambda: np.array([0, 0, 0, -1], np.int64))
    _book: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    _windows: Windows | None = None

    def take(self, words: Words) -> None:
        """Take quotes in the order of the file: time, id, symbol, bid, quantity, ask, quantity, line."""
        self.streams["bookTicker"] += len(words)
        floats, builder = words.view(_FLOATS), self.builder
        if few(len(words), _NS_A_QUOTE):
            for ints, numbers in zip(words, floats, strict=True):
                self._take_oddly(ints, numbers)
            return
        from data_convert.archives import kernels

        block = Block.with_room(len(words), 4 * len(words))
        at = 0
        while at < len(words):
            if self._windows is None:
                state = self._state
                at += kernels.quote_changes(words, at, self.file, len(builder.ev), state, self._book, block)
                add_messages(builder, self.symbol, block, int(state[MESSAGES]), int(state[ROWS]))
            if at < len(words):
                self._take_oddly(words[at], floats[at])
                at += 1

    def finish(self) -> None:
        """Nothing is held."""

    def _take_oddly(self, ints: Words, floats: npt.NDArray[np.float64]) -> None:
        windows, book = self._windows, self._book
        if windows is None:
            windows = self._windows = Windows()
            if self._state[KNOWN]:
                bid, ask = [(float(book[0]), float(book[1]))], [(float(book[2]), float(book[3]))]
                windows.snapshot(1, bid, ask, int(self._state[VERSION]), restart=False)
        line, version, exch_ns = int(ints[7]), int(ints[1]), int(ints[0])
        levels = [(float(floats[3]), float(floats[4])), (float(floats[5]), float(floats[6]))]
        bids, asks = ([level] if level[0] > 0 and level[1] > 0 else [] for level in levels)
        result = windows.snapshot(1, bids, asks, version, restart=False)
        if result.rows:
            Adder(self.builder, self.symbol, (self.file, line), 0, exch_ns, version).result(result)
        self._state[KNOWN] = 1  # the windows are anchored, whatever they hold
        if bids and asks and bids[0][0] < asks[0][0] and version >= self._state[VERSION]:
            book[:] = [*bids[0], *asks[0]]
            self._windows = None
        self._state[VERSION] = max(version, int(self._state[VERSION]))


@dataclass(slots=True)
class LevelSink:
    """Levels of one file as messages: rows that follow each other and are alike but for side, price and quantity."""

    builder: MessagesBuilder
    streams: Counter[str]
    file: int
    _held: Words = field(default_factory=lambda: np.empty((0, 9), np.int64))

    def take(self, words: Words) -> None:
        """Take levels in the order of the file: time, first, last, previous id, ev, price, quantity, line, symbol."""
        self.streams["depth"] += len(words)
        self._add(np.concatenate((self._held, words)), last=False)

    def finish(self) -> None:
        """Hand over the last message."""
        self._add(self._held, last=True)

    def _add(self, words: Words, last: bool) -> None:
        if not len(words):
            return
        snapshot = (words[:, 4] & KIND_MASK) == DEPTH_SNAPSHOT
        key = np.column_stack((words[:, (8, 0, 1, 2, 3)], snapshot))
        begins = np.flatnonzero(np.append(True, np.any(key[1:] != key[:-1], axis=1)))
        ends = np.append(begins[1:], len(words))
        if not last:
            self._held = words[begins[-1] :].copy()
            begins, ends = begins[:-1], ends[:-1]
        if not len(begins):
            return
        heads, rows = words[begins], int(ends[-1])
        block, before = Block.with_room(len(begins), rows), len(self.builder.ev)
        _place(block, self.file, heads[:, 7], heads[:, 0], before + begins, before + ends)
        block.ints[:, 4:7] = heads[:, 1:4]
        block.ints[snapshot[begins], 4] = block.ints[snapshot[begins], 6] = NO_ID
        ev, floats = words[:rows, 4], words.view(_FLOATS)[:rows]
        block.what[:] = np.where(snapshot[begins], What.SNAPSHOT, What.UPDATE)
        block.ev[:], block.px[:] = ev & ~DELETES, floats[:, 5]
        block.qty[:] = np.where(ev & DELETES, 0.0, floats[:, 6])
        add_messages(self.builder, heads[:, 8], block, len(begins), rows)


def _place(block: Block, file: int, line: Words, exch_ns: Words, begin: Words, end: Words) -> None:
    """Write where messages stand, when they were and which rows are theirs; local times come later."""
    for word, values in ((0, file), (1, line), (2, 0), (3, exch_ns), (7, begin), (8, end)):
        block.ints[:, word] = values


def add_messages(builder: MessagesBuilder, symbol: str | Words, block: Block, messages: int, rows: int) -> None:
    """Append the first messages of a block, all of one symbol or with the number of each's, and count them."""
    if not messages:
        return
    numbers = builder.symbols.setdefault(symbol, len(builder.symbols)) if isinstance(symbol, str) else symbol
    block.symbol[:messages] = numbers
    builder.count_symbols(block.symbol[:messages])
    builder.extend(block, messages, rows, 0)
