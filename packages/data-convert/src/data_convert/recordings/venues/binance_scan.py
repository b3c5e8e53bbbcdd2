"""Blocks of lines of a Binance recording by kernel, what deviates by `DirectDecoder`, in the order of the file.

The decoder meets every kind of frame first. A template is made of what it has taken (`frame_template`), and lines that
fit the template are taken by the kernel. So every stream, market and note is the decoder's first, and results, counts
and their order are the decoder's own.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from data_convert.events import Ints
from data_convert.messages.columns import Block, MessagesBuilder
from data_convert.recordings.venues.binance import DirectDecoder
from data_convert.recordings.venues.binance_template import HEAD, QUOTE, REGISTERS, Template, frame_template
from data_convert.recordings.venues.scanning import LineScanner

_SHORTEST_LEVEL: Final = len('["1","1"],')
_SHORTEST_LINE: Final = len('1700000000000000000 {"stream":"","data":{"":0}}\n')
_MOST_STREAMS: Final = 4096
_MOST_TRIES: Final = 16
"""Odd lines of one stream of which a template is made, where it is a new one."""


class BinanceScanner(LineScanner):
    """Takes whole lines of one file after another into a builder, as `decoder` would. Loads numba."""

    def __init__(self, decoder: DirectDecoder, builder: MessagesBuilder) -> None:
        from data_convert.recordings.venues import binance_kernels

        super().__init__()
        self._kernels = at = binance_kernels
        self._decoder, self._builder = decoder, builder
        self._tries: Counter[bytes] = Counter()
        self._known: list[Template] = []
        self._slots: npt.NDArray[np.int32] = np.full(at.SLOTS, -1, np.int32)
        self._templates: Ints = np.zeros((0, at.TEMPLATE_WORDS), np.int64)
        self._program: Ints = np.zeros((0, at.STEP_WORDS), np.int64)
        self._texts: npt.NDArray[np.uint8] = np.zeros(at.TEXTS_PADDING, np.uint8)
        self._state: Ints = np.zeros(at.STATE_WORDS, np.int64)
        self._registers = at.Registers(np.zeros(REGISTERS, np.int64), np.zeros(2))
        self._room = 0
        self._block = Block.with_room(0, 0)

    def scan(self, data: npt.NDArray[np.uint8], pos: int, stop: int, file: int, line: int) -> tuple[int, int, bool]:
        """Run the kernel and hand what it wrote to the builder; return (place, line number, whether all was taken)."""
        at, state, builder, block = self._kernels, self._state, self._builder, self._block
        state[:] = 0
        state[at.POS], state[at.LINE], state[at.FILE], state[at.FIRST_ROW] = pos, line, file, len(builder.ev)
        rules = at.Rules(self._slots, self._templates, self._program, self._texts)
        whole = at.scan_lines(data, stop, rules, self._registers, state, block)
        messages, quotes = int(state[at.MESSAGES]), int(state[at.QUOTES])
        if messages:
            self._decoder.seen(builder, block.ints[:messages, 3])
        if messages or quotes:
            builder.extend(block, messages, int(state[at.ROWS]), quotes)
        if int(state[at.LINE]) != line:
            self._count()
        return int(state[at.POS]), int(state[at.LINE]), bool(whole)

    def _count(self) -> None:
        decoder, hits = self._decoder, self._templates[:, self._kernels.HITS]
        for number in np.flatnonzero(hits).tolist():
            template, lines = self._known[number], int(hits[number])
            decoder.streams[template.name] += lines
            if template.symbol and template.kind != QUOTE:
                self._builder.symbol_counts[template.symbol] += lines
            for note in template.notes:
                decoder.notes[note] += lines
        hits[:] = 0

    def make_room(self, size: int) -> None:
        """Make the columns large enough for whatever `size` bytes can hold."""
        if size > self._room:
            self._room = size
            self._block = Block.with_room(size // _SHORTEST_LINE + 1, size // _SHORTEST_LEVEL + 1)

    def meet(self, line: bytes) -> None:
        """Make a template of a line the decoder has seen, so that the kernel takes what is like it."""
        begin = line.find(b" ") + 1
        if not line.startswith(HEAD, begin):
            return
        stream = line[begin + len(HEAD) : line.find(b'"', begin + len(HEAD))]
        if self._tries[stream] >= _MOST_TRIES or len(self._tries) > _MOST_STREAMS:
            return
        self._tries[stream] += 1
        try:
            frame = orjson.loads(line[begin:])
        except orjson.JSONDecodeError:
            return
        template = frame_template(frame, self._decoder)
        if template is None or template in self._known or template.name not in self._decoder.streams:
            return
        # What the decoder has not counted yet, it shall count first.
        if (template.symbol and template.symbol not in self._builder.symbols) or any(
            note not in self._decoder.notes for note in template.notes
        ):
            return
        self._enter(template)

    def _enter(self, template: Template) -> None:
        at, number = self._kernels, len(self._known)
        self._known.append(template)
        steps = []
        texts = self._texts[: -at.TEXTS_PADDING].tobytes()
        for text, operation, value in template.program:
            steps.append((len(texts), len(text), operation, value))
            texts += text
        self._texts = np.frombuffer(texts + bytes(at.TEXTS_PADDING), np.uint8).copy()
        slot = at.slot_of(template.program[0][0][len(HEAD) :])
        row = np.zeros((1, at.TEMPLATE_WORDS), np.int64)
        row[0, at.NEXT], self._slots[slot] = self._slots[slot], number
        row[0, at.BEGIN], row[0, at.END] = len(self._program), len(self._program) + len(steps)
        row[0, at.KIND], row[0, at.SYMBOL] = template.kind, self._builder.symbols.get(template.symbol, -1)
        row[0, at.EXCH : at.SELLER + 1] = template.registers
        self._program = np.concatenate((self._program, np.array(steps, np.int64)))
        self._templates = np.concatenate((self._templates, row))
