"""Blocks of lines of a Binance recording by kernel, what deviates by `DirectDecoder`, in the order of the file.

The decoder meets every stream, market and note first; the kernel takes what is like something the decoder took. So
results, counts and their order are the decoder's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from data_convert.formats.binance import NO_CAUSE, DirectDecoder, event_word
from data_convert.messages import Block, Ints, MessagesBuilder

_PREFIX: Final = b'{"stream":"'
_SHORTEST_LEVEL: Final = len('["1","1"],')
_SHORTEST_LINE: Final = len('1700000000000000000 {"stream":"","data":{"e":""}}\n')
_MOST_STREAMS: Final = 4096
_PATIENCE: Final = 32
"""After so many odd lines in a row ..."""
_REST: Final = 1024
"""... so many lines are decoded without trying the kernel."""

OddLine = Callable[[int, bytes], None]
"""Decodes the line of a number (without its end)."""


class BinanceScanner:
    """Takes whole lines of one file after another into a builder, as `decoder` would. Loads numba."""

    def __init__(self, decoder: DirectDecoder, builder: MessagesBuilder) -> None:
        from data_convert.formats import binance_kernels

        self._kernels = binance_kernels
        self._decoder, self._builder = decoder, builder
        self._known: set[bytes] = set()
        self._stream_names: list[str] = []
        self._symbols: list[str] = []
        self._slots: npt.NDArray[np.int32] = np.full(binance_kernels.SLOTS, -1, np.int32)
        self._streams: Ints = np.zeros((16, binance_kernels.STREAM_WORDS), np.int64)
        self._names: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._state: Ints = np.zeros(binance_kernels.STATE_WORDS, np.int64)
        self._room = 0
        self._block = Block.with_room(0, 0)
        self._odd = 0

    def take(self, text: bytes, start: int, stop: int, file: int, line: int, odd_line: OddLine) -> int:
        """Take text[start:stop], whole lines behind line number `line` of a file; return the last line's number.

        PADDING more bytes of `text` can be read. What the kernel does not take is handed to `odd_line`.
        """
        data = np.frombuffer(text, np.uint8)
        self._make_room(stop - start)
        pos = start
        while pos < stop:
            if self._odd < _PATIENCE:
                pos, line, whole = self._scan(data, pos, stop, file, line)
                if whole:
                    break
            for _ in range(1 if self._odd < _PATIENCE else _REST):
                end = text.index(b"\n", pos)
                piece = text[pos : end - 1 if text[end - 1 : end] == b"\r" and end > pos else end]
                line, pos = line + 1, end + 1
                odd_line(line, piece)
                self._meet(piece)
                if pos >= stop:
                    break
            self._odd = 0 if self._odd >= _PATIENCE else self._odd + 1
        return line

    def _scan(self, data: npt.NDArray[np.uint8], pos: int, stop: int, file: int, line: int) -> tuple[int, int, bool]:
        """Run the kernel and hand what it wrote to the builder; return (place, line number, whether all was taken)."""
        at, state, decoder, builder = self._kernels, self._state, self._decoder, self._builder
        state[:] = 0
        state[at.POS], state[at.LINE], state[at.FILE], state[at.FIRST_ROW] = pos, line, file, len(builder.ev)
        state[at.BY_EVENT_TIME] = decoder.time == "E"
        state[at.SPOT] = -1 if decoder.spot is None else decoder.spot
        state[at.MAY_DATE], state[at.MAY_OMIT] = decoder.other_time_note in decoder.notes, NO_CAUSE in decoder.notes
        block = self._block
        whole = at.scan_lines(
            data,
            stop,
            self._slots,
            self._streams,
            self._names,
            state,
            block.what,
            block.symbol,
            block.ints,
            block.ev,
            block.px,
            block.qty,
        )
        messages = int(state[at.MESSAGES])
        if int(state[at.LINE]) != line:
            self._odd = 0
        if messages:
            decoder.seen(builder, block.ints[:messages, 3])
            builder.extend(block, messages, int(state[at.ROWS]))
        self._count()
        return int(state[at.POS]), int(state[at.LINE]), bool(whole)

    def _count(self) -> None:
        at, decoder = self._kernels, self._decoder
        hits = self._streams[:, at.HITS]
        for number in np.flatnonzero(hits).tolist():
            decoder.streams[self._stream_names[number]] += int(hits[number])
            if taken := int(self._streams[number, at.TAKEN]):
                self._builder.symbol_counts[self._symbols[number]] += taken
        self._streams[:, at.HITS] = self._streams[:, at.TAKEN] = 0
        for note, count in ((decoder.other_time_note, at.OTHER_TIMES), (NO_CAUSE, at.NO_CAUSES)):
            if counted := int(self._state[count]):
                decoder.notes[note] += counted

    def _make_room(self, size: int) -> None:
        """Make the columns large enough for whatever `size` bytes can hold."""
        if size <= self._room:
            return
        self._room = size
        self._block = Block.with_room(size // _SHORTEST_LINE + 1, size // _SHORTEST_LEVEL + 1)

    def _meet(self, line: bytes) -> None:
        """Enter the stream of a line the decoder has taken, so that the kernel takes what is like it."""
        begin = line.find(b" ") + 1
        if not line.startswith(_PREFIX, begin):
            return
        begin += len(_PREFIX)
        stream = line[begin : line.find(b'"', begin)]
        if stream in self._known or len(self._known) >= _MOST_STREAMS or not _plain(stream):
            return
        try:
            data = orjson.loads(line[begin - len(_PREFIX) :])["data"]
        except (orjson.JSONDecodeError, KeyError):
            return
        if not isinstance(data, dict):
            return
        name = stream.decode().partition("@")[2] or stream.decode()
        word, own = event_word(name, data), data.get("e")
        kind = {"depthUpdate": self._kernels.UPDATE, "trade": self._kernels.TRADE}.get(str(word), self._kernels.OTHER)
        symbol = data.get("s") if kind != self._kernels.OTHER else ""
        if word is None or name not in self._decoder.streams or not (own is None or isinstance(own, str)):
            return
        if not isinstance(symbol, str) or (symbol and symbol not in self._builder.symbols):
            return
        if ("e" in data) != (own is not None) or (kind != self._kernels.OTHER and not symbol):
            return
        self._enter(stream, kind, name, own, symbol)

    def _enter(self, stream: bytes, kind: int, name: str, word: str | None, symbol: str) -> None:
        at, number = self._kernels, len(self._known)
        self._known.add(stream)
        self._stream_names.append(name)
        self._symbols.append(symbol)
        if number == len(self._streams):
            self._streams = np.concatenate((self._streams, np.zeros_like(self._streams)))
        row = self._streams[number]
        row[at.KIND], row[at.NUMBER] = kind, self._builder.symbols.get(symbol, -1)
        for text, place, length in (
            (stream, at.NAME_AT, at.NAME_LEN),
            ((word or "").encode(), at.WORD_AT, at.WORD_LEN),
            (symbol.encode(), at.SYMBOL_AT, at.SYMBOL_LEN),
        ):
            row[place], row[length] = len(self._names), len(text)
            self._names = np.concatenate((self._names, np.frombuffer(text, np.uint8)))
        if word is None:
            row[at.WORD_LEN] = -1
        hashed = 0
        for byte in stream:
            hashed = (hashed * 31 + byte) % (1 << 64)
        slot = hashed % at.SLOTS
        while self._slots[slot] >= 0:
            slot = (slot + 1) % at.SLOTS
        self._slots[slot] = number


def _plain(text: bytes) -> bool:
    return bool(text) and all(32 <= byte < 127 and byte not in b'"\\' for byte in text)
