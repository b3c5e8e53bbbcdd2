"""An archive's table read in blocks of columns: a kernel takes the rows that are plainly good, Python the others.

What a row means, and what is wrong with it, is said once, by `Table.parse`; the kernel only takes rows of which that is
certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.archives.fields import fields
from data_convert.archives.ops import LINE, ODD, POS, SKIP, Layout, Out
from data_convert.choice import few
from data_convert.errors import BadLine, StrictError
from data_convert.files.lines import Text, archive_blocks
from data_convert.files.readers import ReadStats
from data_convert.files.zipped import is_zip
from data_convert.report.counted import BadCounter

Words = npt.NDArray[np.int64]
Parse = Callable[[Mapping[str, str], "Row"], str]

_ROWS: Final = 1 << 14
_ODD: Final = 1 << 10
_NS_A_ROW: Final = 9_000
_NO_NAME: Final = b"\xff\xff"  # no text has these bytes, so the first name is taken by Python


@dataclass(slots=True)
class Row:
    """One row of a table being filled: its words as integers and, over the same memory, as floats."""

    ints: Words
    floats: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """How rows of a file become words.

    `names`: the columns that are used or not, in the order of the file, of which there are `width` (those without a name
    are never used). `columns`: for those used what they are (`ops`) and the word they go to. `first`: what every row begins
    as. `parse` fills a row from fields by name and returns the symbol they name ("" when none does); it raises BadLine.
    """

    names: Sequence[str]
    width: int
    columns: Mapping[str, tuple[int, int]]
    first: tuple[int, ...]
    line_word: int
    symbol_word: int
    parse: Parse

    def layout(self) -> Words:
        """Return (what, word) of every column of the file, for the kernel."""
        out: Words = np.full((self.width, 2), SKIP, np.int64)
        for name, at in {name: at for at, name in enumerate(self.names)}.items():
            out[at] = self.columns.get(name, (SKIP, 0))
        return out


class TableReader:
    """Reads one file; `stats`, `empty` (blank lines), `bad` and `symbols` (numbers by name) are filled while its rows are taken."""

    def __init__(
        self,
        path: Path,
        table: Table,
        header: bool,
        symbol: str,
        symbols: dict[str, int],
        bad: BadCounter,
        strict: bool,
    ) -> None:
        self.stats = ReadStats(path)
        self.empty = 0
        self._path, self._table, self._header, self._symbol = path, table, header, symbol
        self._symbols, self._bad, self._strict = symbols, bad, strict
        self._zipped = is_zip(path)
        self._named = any(name == "symbol" for name in table.columns)
        self._name = _NO_NAME if self._named else b""

    def __iter__(self) -> Iterator[Words]:
        """Yield good rows in the order of the file. Raises InputError; StrictError at the first bad row if strict."""
        table, layout = self._table, self._table.layout()
        first = np.array(table.first, np.int64)
        state = np.zeros(3, np.int64)
        for text in archive_blocks(self._path, self.stats):
            raw = np.frombuffer(text.buffer, np.uint8)
            state[POS], state[LINE] = text.start, self.stats.lines
            if self._header and not self.stats.lines:
                state[POS], state[LINE] = text.buffer.index(b"\n") + 1, 1
            if few(text.buffer.count(b"\n", int(state[POS]), text.stop), _NS_A_ROW):
                odd = _lines_at(raw, int(state[POS]), text.stop, int(state[LINE]))
                state[POS], state[LINE] = text.stop, state[LINE] + len(odd)
                if len(good := self._with_odd(text, np.empty((len(odd), len(first)), np.int64), odd)):
                    yield good
            while state[POS] < text.stop:
                from data_convert.archives import kernels

                words, odd = np.empty((_ROWS, len(first)), np.int64), np.empty((_ODD, 4), np.int64)
                read = Layout(layout, first, table.line_word, np.frombuffer(self._name, np.uint8))
                count = kernels.parse_columns(raw, text.stop, read, Out(words, odd, state))
                good = self._with_odd(text, words[:count], odd[: state[ODD]])
                if len(good):
                    yield good
            self.stats.lines = int(state[LINE])

    def _with_odd(self, text: Text, words: Words, odd: Words) -> Words:
        """Let Python take the rows that the kernel left; return those that are good."""
        if self._table.symbol_word >= 0 and len(words) > len(odd):
            words[:, self._table.symbol_word] = self._number(
                self._name.decode("utf-8", "replace") if self._named else self._symbol
            )
        if not len(odd):
            return words
        good = np.ones(len(words), np.bool_)
        for at, line, start, stop in odd.tolist():
            piece = text.buffer[start:stop]
            piece = piece.rstrip(b"\r") if self._zipped else piece.removesuffix(b"\r")
            blank = not piece.strip()
            self.empty += blank
            good[at] = not blank and self._take(piece, line, words[at])
        return words[good]

    def _take(self, piece: bytes, line: int, words: Words) -> bool:
        table = self._table
        words[:] = table.first
        words[table.line_word] = line
        try:
            found = fields(piece, table.width)
            row = {name: found[at] for at, name in enumerate(table.names)}
            symbol = table.parse(row, Row(words, words.view(np.float64)))
        except BadLine as error:
            if self._strict:
                raise StrictError(self._path, line, str(error)) from error
            self._bad.add(self._path, line, error)
            return False
        if self._named:
            self._name = symbol.encode()
        if table.symbol_word >= 0:
            words[table.symbol_word] = self._number(symbol if self._named else self._symbol)
        return True

    def _number(self, symbol: str) -> int:
        return self._symbols.setdefault(symbol, len(self._symbols))


def _lines_at(raw: npt.NDArray[np.uint8], start: int, stop: int, line: int) -> Words:
    """Return (row, line, first byte, newline) of every line, as the kernel does of those that it leaves to Python."""
    newlines = start + np.flatnonzero(raw[start:stop] == ord("\n"))
    rows = np.arange(len(newlines))
    return np.column_stack((rows, line + 1 + rows, np.append(start, newlines[:-1] + 1)[: len(rows)], newlines))
