"""A recording in blocks of whole lines, inflated ahead of its reader in a thread of its own.

The same lines as `lines.read_lines` gives one by one, and the same damage, for readers that take bytes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from data_convert.files.ahead import ahead
from data_convert.files.lines import Text, bounded, cut_lines
from data_convert.files.readers import ReadStats, open_check, text_blocks


class Piece(NamedTuple):
    """Lines: text[start:stop], which ends in a newline and behind which PADDING more bytes can be read.

    If it is not `whole`, it is one line that the end of the file or a tear cut off, without a newline or padding.
    `damage` is what was found since the piece before; the taker adds it to the file's, in its place among its own.
    """

    text: bytes
    start: int
    stop: int
    whole: bool
    damage: tuple[str, ...]


class Pieces:
    """The pieces of one file; when all are taken, `stats` has what was read (its lines are the taker's to count)."""

    def __init__(self, path: Path, stats: ReadStats) -> None:
        self.path, self.stats = path, stats
        self._found = ReadStats(path)
        self._told = 0

    @contextmanager
    def opened(self) -> Iterator[Iterator[Piece]]:
        """Give the pieces in order. Raises InputError, where they are taken, for a file that cannot be read."""
        with ahead(self._read()) as pieces:
            yield self._counted(pieces)

    def _counted(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        stats, found = self.stats, self._found
        for piece in pieces:
            stats.done_bytes = found.done_bytes
            yield piece
        stats.compressed, stats.size_bytes, stats.text_bytes = found.compressed, found.size_bytes, found.text_bytes
        stats.members, stats.done_bytes = found.members, found.done_bytes
        stats.lost_bytes += found.lost_bytes

    def _read(self) -> Generator[Piece, None, None]:
        open_check(self.path)
        found = self._found
        found.size_bytes = self.path.stat().st_size
        for text in cut_lines(bounded(text_blocks(self.path, found), found)):
            if isinstance(text, Text):
                yield self._piece(text.buffer, text.start, text.stop)
            elif text.text:
                line = text.text if text.torn else text.text.removesuffix(b"\r")
                yield self._piece(line, 0, len(line), whole=False)
        if len(found.damage) > self._told:
            yield self._piece(b"", 0, 0)

    def _piece(self, text: bytes, start: int, stop: int, whole: bool = True) -> Piece:
        damage = tuple(self._found.damage[self._told :])
        self._told += len(damage)
        return Piece(text, start, stop, whole, damage)
