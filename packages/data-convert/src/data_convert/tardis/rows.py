"""Tardis CSV files: which of them a header names, and their rows (https://docs.tardis.dev/downloadable-csv-files).

Times are microseconds; every row names its exchange and symbol. A day of depth opens with a block of snapshot rows,
and another one follows every reconnection of the recorder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.errors import FormatError, InputError, StrictError, SymbolError
from data_convert.events import DEPTH_CLEAR, DEPTH_SNAPSHOT, KIND_MASK, SELL
from data_convert.files.ahead import ahead
from data_convert.files.lines import Text, line_blocks
from data_convert.files.readers import ReadStats
from data_convert.tardis import plain
from data_convert.tardis import states as at
from data_convert.tardis.columns import Columns, columns_of
from data_convert.tardis.states import Room, Wanted

_EXAMPLES: Final = 5
_ROWS: Final = 1 << 14
_SLOW: Final = 256
_SEAM_BYTES: Final = 1 << 12
_NEVER: Final = (1 << 63) - 1
_LAST_US: Final = _NEVER // 1000
_COLUMNS: Final = 8
_SHOWN: Final = 40
_DECIMAL: Final = re.compile(rb"(?:[0-9]{1,200}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_NOT_ZERO: Final = re.compile(rb"[1-9]")
_TIME: Final = re.compile(rb"[0-9]{1,16}")

Words = npt.NDArray[np.int64]
_Parse = Callable[[Text, Wanted, Room], int]


class Kind(StrEnum):
    """What a file holds."""

    TRADES = "trades"
    DEPTH = "incremental_book_L2"
    TICKER = "book_ticker"
    SNAPSHOT = "book_snapshot"
    DERIVATIVE = "derivative_ticker"


HEADERS: Final = {
    b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount": Kind.TRADES,
    b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount": Kind.DEPTH,
}
_SIDES: Final = {Kind.TRADES: (b"buy", b"sell"), Kind.DEPTH: (b"bid", b"ask", b"buy", b"sell")}
_KERNEL_MODE: Final = {"discard": 0, "process": 0, "ignore_sod": 1, "ignore": 2}
REASONS: Final = (
    "row has too few columns",
    "row has too many columns",
    "time is no number of microseconds",
    "is_snapshot is neither true nor false",
    "unknown side",
    "price or amount is no decimal number",
    "price is 0",
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Rows in the order they leave, eight words each (word 5: the line), and the smallest latency so far.

    The rows are good until the next are asked for: they are in a buffer that is used again.
    """

    rows: Words
    smallest_ns: int
    smallest_line: int


@dataclass(slots=True)
class Counts:
    """What was met in one file."""

    stats: ReadStats
    kind: Kind
    rows: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    dropped: int = 0
    others: int = 0
    empty: int = 0
    headers: int = 0
    smallest_ns: int = _NEVER
    smallest_line: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """A file's kind, and the first instrument (`exchange,symbol,`) and local time (µs) wanted that it names."""

    path: Path
    kind: Kind
    prefix: bytes
    first_local_us: int
    levels: int = 0


def kind_of(header: bytes) -> Kind | None:
    """Tell what a header names, None if it is none of Tardis'."""
    known = HEADERS.get(header)
    if known is not None:
        return known
    found = columns_of(header)
    if found is None:
        return None
    return Kind.SNAPSHOT if found.levels else Kind(found.what)


def read_kind(path: Path, line: bytes) -> Kind:
    """Tell a file's kind by its header; raise FormatError for a header that is not known."""
    found = kind_of(_header(line))
    if found is None:
        shown = line[:100].decode("utf-8", "replace")
        raise FormatError(
            path,
            f"line 1 is no Tardis header of trades or incremental_book_L2 but {shown!r}",
            "download one of these two, with its header line",
        )
    return found


def _header(line: bytes) -> bytes:
    return line.removeprefix(b"\xef\xbb\xbf").strip()


def probe(path: Path, symbol: str | None) -> Probe:
    """Look at a file's header and its first good row (of `symbol`). Raises InputError and FormatError."""
    kind: Kind | None = None
    levels = 0
    for block in line_blocks(path, ReadStats(path)):
        lines = block.buffer[block.start : block.stop].split(b"\n")
        if kind is None:
            header = lines.pop(0)
            kind = read_kind(path, header)
            columns = columns_of(_header(header))
            levels = columns.levels if columns is not None else 0
        for line in lines:
            parts = line.split(b",", 4)
            if len(parts) < 5 or not _TIME.fullmatch(parts[2]) or not _TIME.fullmatch(parts[3]):
                continue
            if symbol is None or parts[1].decode("utf-8", "replace").upper() == symbol.upper():
                return Probe(path, kind, b",".join(parts[:2]) + b",", int(parts[3]), levels)
    if kind is None:
        raise InputError(path, "holds no text", "download it again; a file of no rows has a header line all the same")
    return Probe(path, kind, b"", _NEVER, levels)


class TardisRows:
    """Reads one file; `counts` is filled while its rows are taken."""

    def __init__(
        self, path: Path, prefix: bytes, mode: str, *, symbol: str | None, strict: bool, in_python: bool = False
    ) -> None:
        self.path, self.prefix, self.symbol, self.strict = path, prefix, symbol, strict
        self._plain = in_python
        self.mode, self.discard = _KERNEL_MODE[mode], mode == "discard"
        self.counts = Counts(ReadStats(path), Kind.TRADES)
        self._header = b""
        self._columns: Columns | None = None

    def __iter__(self) -> Iterator[Parsed]:
        """Yield rows. Raises InputError, FormatError, SymbolError; StrictError at the first flaw if strict."""
        counts = self.counts
        state = np.zeros(at.STATE_WORDS, np.int64)
        state[at.SOD], state[at.SMALLEST] = 1, _NEVER
        waiting: Words = np.empty((0, 8), np.int64)
        with ahead(_grouped(line_blocks(self.path, counts.stats))) as groups:
            blocks = chain.from_iterable(groups)
            text = next(blocks, None)
            if text is None:
                raise InputError(self.path, "holds no text", "download it again")
            header = text.buffer[: text.buffer.index(b"\n")]
            counts.kind = read_kind(self.path, header)
            self._header = _header(header)
            self._columns = columns_of(self._header)
            state[at.LINE] = 1
            texts = chain([replace(text, start=len(header) + 1)], blocks)
            for rows in self._rows(texts, state) if self._columns is None else self._numbers(texts, state):
                if state[at.SNAPSHOTS] or len(waiting):
                    rows, waiting = place_blocks(np.concatenate((waiting, rows)), False, self.discard)
                    state[at.SNAPSHOTS] = 0
                if len(rows):
                    yield self._parsed(rows, state)
        counts.stats.lines = int(state[at.LINE])
        if self.strict and counts.stats.damage:
            raise StrictError(self.path, counts.stats.lines, counts.stats.damage[0])
        if len(waiting):
            yield self._parsed(place_blocks(waiting, True, self.discard)[0], state)

    def _parsed(self, rows: Words, state: Words) -> Parsed:
        counts = self.counts
        counts.rows += len(rows)
        counts.dropped, counts.empty = int(state[at.DROPPED]), int(state[at.EMPTY])
        counts.others = int(state[at.OTHERS])
        counts.smallest_ns, counts.smallest_line = int(state[at.SMALLEST]), int(state[at.SMALLEST_LINE])
        return Parsed(rows, counts.smallest_ns, counts.smallest_line)

    def _rows(self, texts: Iterable[Text], state: Words) -> Iterator[Words]:
        """Parse pieces of whole lines; yield the same buffer, filled anew."""

        def parse(text: Text, wanted: Wanted, room: Room) -> int:
            if self._plain:
                return plain.parse_rows(text.buffer, text.stop, wanted, self.prefix or b"\n", self._flaw, room)
            from data_convert.tardis import kernels

            return kernels.parse_rows(np.frombuffer(text.buffer, np.uint8), text.stop, wanted, room)

        yield from self._parse(texts, state, 8, parse)

    def _numbers(self, texts: Iterable[Text], state: Words) -> Iterator[Words]:
        """Parse rows of numbers alone (exchange and local time, line, numbers); those that are none are counted."""
        from data_convert.tardis import kernels

        assert self._columns is not None
        signed = self._columns.what == Kind.DERIVATIVE

        def parse(text: Text, wanted: Wanted, room: Room) -> int:
            return kernels.parse_columns(np.frombuffer(text.buffer, np.uint8), text.stop, wanted, room)

        for rows in self._parse(texts, state, 3 + len(self._columns.names), parse):
            if not signed:
                below = rows.view(np.float64)[:, 3:] < 0
                for row in np.flatnonzero(below.any(axis=1)).tolist():
                    self._count_bad(int(rows[row, 2]), (REASONS[5], int(np.argmax(below[row])) + 5, b"below 0"))
                rows = rows[~below.any(axis=1)]
            latency = rows[:, 1] - rows[:, 0]
            if len(latency) and latency.min() < state[at.SMALLEST]:
                row = int(np.argmin(latency))
                state[at.SMALLEST], state[at.SMALLEST_LINE] = latency[row], rows[row, 2]
            yield rows

    def _parse(self, texts: Iterable[Text], state: Words, width: int, parse: _Parse) -> Iterator[Words]:
        rows = np.empty((max(_ROWS * 8 // width, 1), width), np.int64)
        floats = rows.view(np.float64)
        slow = np.empty((max(_SLOW, 2 * width), 4), np.int64)
        prefix = _prefix_words(self.prefix or b"\n")
        wanted = Wanted(self.counts.kind is Kind.DEPTH, self.mode, self.symbol is not None, prefix)
        begin = 0
        for text in texts:
            state[at.POS] = text.start
            while state[at.POS] < text.stop:
                count = parse(text, wanted, Room(rows[begin:], slow, state))
                for row, word, start, stop in slow[: state[at.SLOW]].tolist():
                    floats[begin + row, word] = float(text.buffer[start:stop])
                begin += count
                if begin == len(rows):
                    yield rows
                    begin = 0
                if state[at.STATUS] in (at.OTHER, at.BAD):
                    pos = int(state[at.POS])
                    line = text.buffer[pos : text.buffer.index(b"\n", pos)]
                    state[at.LINE] += 1
                    state[at.POS] += len(line) + 1
                    number = int(state[at.LINE])
                    if state[at.STATUS] == at.BAD:
                        self._count_bad(number, self._flaw(line.split(b",")))
                    else:
                        self._other_line(number, line)
        if begin:
            yield rows[:begin]

    def _other_line(self, number: int, line: bytes) -> None:
        """Pass over a line that does not begin with the instrument wanted, or say what is wrong with it."""
        columns = line.split(b",")
        timed = len(columns) == self._width and all(map(_TIME.fullmatch, columns[2:4]))
        if line.strip() == self._header:
            self.counts.headers += 1
        elif not timed or not self.prefix:
            self._count_bad(number, self._flaw(columns) or (REASONS[2], 3, columns[2]))
        else:
            exchange, symbol = self.prefix.decode("utf-8", "replace").split(",")[:2]
            found = [part.decode("utf-8", "replace") for part in columns[:2]]
            names = (symbol, found[1]) if symbol != found[1] else (f"{exchange} {symbol}", " ".join(found))
            raise SymbolError(None, {names[0]: self.counts.rows, f"{names[1]} at {self.path}:{number}": 1})

    @property
    def _width(self) -> int:
        return _COLUMNS if self._columns is None else 4 + len(self._columns.names)

    def _flaw(self, columns: Sequence[bytes]) -> tuple[str, int, bytes] | None:
        if self._columns is None:
            return find_flaw(columns, self.counts.kind)
        return find_number_flaw(columns, self._width)

    def _count_bad(self, line: int, flaw: tuple[str, int, bytes] | None) -> None:
        assert flaw is not None, "a row was refused for no reason"
        text, column, found = flaw
        names = self._header.decode().split(",")
        name = names[column - 1] if column <= len(names) else "one too many"
        shown = found[:_SHOWN].decode("utf-8", "replace")
        detail = f"column {column} ({name})" + (f": {shown!r}" if shown else "")
        if self.strict:
            raise StrictError(self.path, line, f"{text}, {detail}")
        self.counts.bad[text] += 1
        examples = self.counts.examples.setdefault(text, [])
        if len(examples) < _EXAMPLES:
            examples.append(f"{self.path}:{line}: {detail}")


def _grouped(texts: Iterable[Text]) -> Generator[list[Text], None, None]:
    """Put the seam before a block with it: handing over costs as much for a line as for a million bytes."""
    group: list[Text] = []
    for text in texts:
        group.append(text)
        if text.stop - text.start > _SEAM_BYTES:
            yield group
            group = []
    if group:
        yield group


def find_flaw(columns: Sequence[bytes], kind: Kind) -> tuple[str, int, bytes] | None:
    """Return what is wrong with a row of Tardis, in which column (from 1), and its text; None if nothing is."""
    if (flaw := _find_in_times(columns, _COLUMNS)) is not None:
        return flaw
    if kind is Kind.DEPTH and columns[4].lower() not in (b"true", b"false"):
        return REASONS[3], 5, columns[4]
    if columns[5] not in _SIDES[kind]:
        return REASONS[4], 6, columns[5]
    for place, text in ((6, columns[6]), (7, columns[7].removesuffix(b"\r"))):
        if not _DECIMAL.fullmatch(text):
            return REASONS[5], place + 1, text
        if place == 6 and not _NOT_ZERO.search(text.lower().partition(b"e")[0]):
            return REASONS[6], place + 1, text
    return None


def find_number_flaw(columns: Sequence[bytes], width: int) -> tuple[str, int, bytes] | None:
    """Return what is wrong with a row of numbers, as `find_flaw`."""
    if (flaw := _find_in_times(columns, width)) is not None:
        return flaw
    for place in range(4, width):
        text = columns[place].removesuffix(b"\r") if place == width - 1 else columns[place]
        if text and not _DECIMAL.fullmatch(text.removeprefix(b"-")):
            return REASONS[5], place + 1, text
    return None


def _find_in_times(columns: Sequence[bytes], width: int) -> tuple[str, int, bytes] | None:
    if len(columns) != width:
        short = len(columns) < width
        return REASONS[0 if short else 1], len(columns) + 1 if short else width + 1, b""
    for place in (2, 3):
        if not columns[place].isdigit() or int(columns[place]) > _LAST_US:
            return REASONS[2], place + 1, columns[place]
    return None


def _prefix_words(prefix: bytes) -> Words:
    """Return the length of a text, then its words of eight bytes, each with the mask of the bytes that count."""
    out = [len(prefix)]
    for start in range(0, len(prefix), 8):
        part = prefix[start : start + 8]
        out += [int.from_bytes(part, "little"), (1 << 8 * len(part)) - 1]
    return np.array(out, np.uint64).view(np.int64)


def place_blocks(rows: Words, last: bool, discard: bool) -> tuple[Words, Words]:
    """Put blocks of snapshot rows in order: bids, then asks, with clears; return the rows, and those that wait.

    A block is a run of snapshot rows. `discard`: it begins with one clear of the whole book, for the recorder was away
    and nothing of what it knew is known any longer (https://docs.tardis.dev/downloadable-csv-files: "existing order
    book state must be discarded"). Otherwise each of its sides begins with a clear to its far edge (lowest bid, highest
    ask), as HftBacktest's converter does. Clears are at the time of the first row of what they begin. Unless `last`, a
    run at the end waits for what follows.
    """
    snapshot = (rows[:, 0] & KIND_MASK) == DEPTH_SNAPSHOT
    used = len(rows)
    if not last:
        others = np.flatnonzero(~snapshot)
        used = int(others[-1]) + 1 if len(others) else 0
    out, waiting = rows[:used], rows[used:]
    snapshot = snapshot[:used]
    begins = ~snapshot
    begins[1:] |= snapshot[1:] & ~snapshot[:-1]
    begins[:1] = True
    first = out[np.flatnonzero(begins & snapshot)]
    block = 2 * np.cumsum(begins) + (snapshot & ((out[:, 0] & SELL) != 0))
    order = np.argsort(block, kind="stable")
    out, block, snapshot = out[order], block[order], snapshot[order]
    run = block // 2 if discard else block
    heads = np.flatnonzero(snapshot & (np.diff(run, prepend=-1) != 0))
    if not len(heads):
        return out, waiting
    if discard:
        clears = first.copy()
        clears[:, 0] = DEPTH_CLEAR
        clears[:, 3:5] = 0
        return np.insert(out, heads, clears, axis=0), waiting
    clears = out[heads]
    sell = (clears[:, 0] & SELL) != 0
    prices = out.view(np.float64)[:, 3]
    # The other rows after a side's last one must not count: they end it.
    bounds = np.unique(np.concatenate((heads, np.flatnonzero(np.diff(block, prepend=-1) != 0))))
    lows, highs = np.minimum.reduceat(prices, bounds), np.maximum.reduceat(prices, bounds)
    at = np.searchsorted(bounds, heads)
    clears.view(np.float64)[:, 3] = np.where(sell, highs[at], lows[at])
    clears.view(np.float64)[:, 4] = 0.0
    clears[:, 0] += DEPTH_CLEAR - DEPTH_SNAPSHOT
    return np.insert(out, heads, clears, axis=0), waiting
