"""Tardis CSV files: which of them a header names, and their rows (https://docs.tardis.dev/downloadable-csv-files).

Times are microseconds; every row names its exchange and symbol. A day of depth opens with a block of snapshot rows,
and another one follows every reconnection of the recorder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.errors import FormatError, InputError, StrictError, SymbolError
from data_convert.readers import ReadStats
from data_convert.stream.ahead import ahead
from data_convert.stream.lines import line_blocks

_EXAMPLES: Final = 5
_ROWS: Final = 1 << 15
_REPORTED: Final = 256
_LEAST_ROW_BYTES: Final = 16
_NEVER: Final = (1 << 63) - 1
_TIME: Final = re.compile(rb"[0-9]{1,16}")

Words = npt.NDArray[np.int64]


class Kind(StrEnum):
    """What a file holds."""

    TRADES = "trades"
    DEPTH = "incremental_book_L2"
    TICKER = "book_ticker"


HEADERS: Final = {
    b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount": Kind.TRADES,
    b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount": Kind.DEPTH,
    b"exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount": Kind.TICKER,
}
MODES: Final = ("process", "ignore_sod", "ignore")
REASONS: Final = (
    "row has too few columns",
    "row has too many columns",
    "time is no number of microseconds",
    "is_snapshot is neither true nor false",
    "unknown side",
    "price or amount is no decimal number",
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Rows in the order they leave, eight words each (word 5: the line), and the smallest latency so far."""

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


def read_kind(path: Path, line: bytes) -> Kind:
    """Tell a file's kind by its header; raise FormatError for a header that is not known."""
    found = HEADERS.get(line.removeprefix(b"\xef\xbb\xbf").strip())
    if found is None:
        shown = line[:100].decode("utf-8", "replace")
        raise FormatError(
            path,
            f"line 1 is no Tardis header of trades or incremental_book_L2 but {shown!r}",
            "download one of these two, with its header line",
        )
    return found


def probe(path: Path, symbol: str | None) -> Probe:
    """Look at a file's header and its first good row (of `symbol`). Raises InputError and FormatError."""
    kind: Kind | None = None
    for block in line_blocks(path, ReadStats(path)):
        lines = bytes(block).split(b"\n")
        if kind is None:
            kind = read_kind(path, lines.pop(0))
        for line in lines:
            parts = line.split(b",", 4)
            if len(parts) < 5 or not _TIME.fullmatch(parts[2]) or not _TIME.fullmatch(parts[3]):
                continue
            if symbol is None or parts[1].decode("utf-8", "replace").upper() == symbol.upper():
                return Probe(path, kind, b",".join(parts[:2]) + b",", int(parts[3]))
    if kind is None:
        raise InputError(path, "holds no text", "download it again; a file of no rows has a header line all the same")
    return Probe(path, kind, b"", _NEVER)


class TardisRows:
    """Reads one file; `counts` is filled while its rows are taken."""

    def __init__(self, path: Path, prefix: bytes, mode: str, *, symbol: str | None, strict: bool) -> None:
        self.path, self.prefix, self.symbol, self.strict = path, prefix, symbol, strict
        self.mode = MODES.index(mode)
        self.counts = Counts(ReadStats(path), Kind.TRADES)

    def __iter__(self) -> Iterator[Parsed]:
        """Yield rows. Raises InputError, FormatError, SymbolError; StrictError at the first flaw if strict."""
        from data_convert.formats import tardis_kernels as kernels

        counts = self.counts
        state = np.zeros(kernels.STATE_WORDS, np.int64)
        state[kernels.SOD], state[kernels.SMALLEST] = 1, _NEVER
        waiting: Words = np.empty((0, 8), np.int64)
        with ahead(line_blocks(self.path, counts.stats)) as blocks:
            text = next(blocks, None)
            if text is None:
                raise InputError(self.path, "holds no text", "download it again")
            header = bytes(text).split(b"\n", 1)[0]
            counts.kind = read_kind(self.path, header)
            state[kernels.POS], state[kernels.LINE] = len(header) + 1, 1
            while text is not None:
                for rows in self._rows(text, state):
                    if state[kernels.SNAPSHOTS] or len(waiting):
                        rows, waiting = self._place(np.concatenate((waiting, rows)), False)
                        state[kernels.SNAPSHOTS] = 0
                    if len(rows):
                        yield self._parsed(rows, state)
                state[kernels.POS] = 0
                text = next(blocks, None)
        counts.stats.lines = int(state[kernels.LINE])
        if self.strict and counts.stats.damage:
            raise StrictError(self.path, counts.stats.lines, counts.stats.damage[0])
        if len(waiting):
            yield self._parsed(self._place(waiting, True)[0], state)

    def _parsed(self, rows: Words, state: Words) -> Parsed:
        from data_convert.formats import tardis_kernels as kernels

        counts = self.counts
        counts.rows += len(rows)
        counts.dropped, counts.empty = int(state[kernels.DROPPED]), int(state[kernels.EMPTY])
        counts.others = int(state[kernels.OTHERS])
        counts.smallest_ns, counts.smallest_line = int(state[kernels.SMALLEST]), int(state[kernels.SMALLEST_LINE])
        return Parsed(rows, counts.smallest_ns, counts.smallest_line)

    def _place(self, rows: Words, last: bool) -> tuple[Words, Words]:
        from data_convert.formats import tardis_kernels as kernels

        out, kept = np.empty((2 * len(rows) + 2, 8), np.int64), np.zeros(1, np.int64)
        count = kernels.place_blocks(rows, rows.view(np.float64), len(rows), last, out, out.view(np.float64), kept)
        return out[:count], rows[int(kept[0]) :]

    def _rows(self, text: bytes | memoryview, state: Words) -> Iterator[Words]:
        """Parse one piece of whole lines, as often as arrays fill."""
        from data_convert.formats import tardis_kernels as kernels

        raw = np.frombuffer(text, np.uint8)
        prefix = np.frombuffer(self.prefix or b"\n", np.uint8)
        while state[kernels.POS] < len(raw):
            rows = np.empty((min(_ROWS, len(raw) // _LEAST_ROW_BYTES + 1), 8), np.int64)
            floats = rows.view(np.float64)
            bad, slow = np.empty((_REPORTED, 5), np.int64), np.empty((_REPORTED, 4), np.int64)
            count = kernels.parse_rows(
                raw,
                len(raw),
                self.counts.kind is Kind.DEPTH,
                self.mode,
                self.symbol is not None,
                prefix,
                rows,
                floats,
                bad,
                slow,
                state,
            )
            for row, word, start, stop in slow[: state[kernels.SLOW]].tolist():
                floats[row, word] = float(bytes(text[start:stop]))
            for line, column, reason, start, stop in bad[: state[kernels.BAD]].tolist():
                self._count_bad(line, column, reason, bytes(text[start : min(stop, start + 40)]))
            if count:
                yield rows[:count]
            if state[kernels.STATUS] == kernels.OTHER:
                self._other_line(_line_at(raw, int(state[kernels.POS])), state)

    def _other_line(self, line: bytes, state: Words) -> None:
        """Pass over a line that does not begin with the instrument wanted, or say what is wrong with it."""
        from data_convert.formats import tardis_kernels as kernels

        state[kernels.LINE] += 1
        state[kernels.POS] += len(line) + 1
        number, columns = int(state[kernels.LINE]), line.rstrip(b"\r").split(b",")
        if HEADERS.get(line.strip()) is self.counts.kind:
            self.counts.headers += 1
        elif len(columns) != 8:
            self._count_bad(number, min(len(columns), 8) + 1, kernels.SHORT if len(columns) < 8 else kernels.LONG, b"")
        elif not _TIME.fullmatch(columns[2]) or not _TIME.fullmatch(columns[3]) or not self.prefix:
            self._count_bad(number, 3, kernels.TIME, columns[2])
        else:
            exchange, symbol = self.prefix.decode("utf-8", "replace").split(",")[:2]
            found = [part.decode("utf-8", "replace") for part in columns[:2]]
            names = (symbol, found[1]) if symbol != found[1] else (f"{exchange} {symbol}", " ".join(found))
            raise SymbolError(None, {names[0]: self.counts.rows, f"{names[1]} at {self.path}:{number}": 1})

    def _count_bad(self, line: int, column: int, reason: int, found: bytes) -> None:
        names = next(header for header, kind in HEADERS.items() if kind is self.counts.kind).decode().split(",")
        name = names[column - 1] if column <= len(names) else "none"
        detail = f"column {column} ({name})" + (f": {found.decode('utf-8', 'replace')!r}" if found else "")
        text = REASONS[reason]
        if self.strict:
            raise StrictError(self.path, line, f"{text}, {detail}")
        self.counts.bad[text] += 1
        examples = self.counts.examples.setdefault(text, [])
        if len(examples) < _EXAMPLES:
            examples.append(f"{self.path}:{line}: {detail}")


def _line_at(raw: npt.NDArray[np.uint8], start: int) -> bytes:
    """Return the line that begins at `start`, without its newline."""
    step = 256
    while True:
        ends = np.flatnonzero(raw[start : start + step] == ord("\n"))
        if len(ends):
            return raw[start : start + int(ends[0])].tobytes()
        step *= 4
