"""Text of archives (plain, gzip, zip) in blocks of whole lines: the same lines as `tables.text_lines`, for parsers of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_convert.errors import InputError
from data_convert.files.lines import Text, padded
from data_convert.files.readers import LONGEST_LINE, ReadStats, lose_line, open_check, text_blocks
from data_convert.files.tables import is_zip, zip_blocks


def archive_blocks(path: Path, stats: ReadStats) -> Iterator[Text]:
    r"""Yield the text of a file in whole lines; `stats` is filled but for `lines`, which is the reader's to count.

    `stats.lines` must be right when the next block is asked for. A last line without a newline gets one; a piece before
    damage is lost and counted. Raises InputError for a file that cannot be read and for a line of over 16 MiB.
    """
    open_check(path)
    zipped = is_zip(path)
    rest: list[bytes] = []
    held = 0
    for block, torn in _zip_blocks(path, stats) if zipped else _plain_blocks(path, stats):
        last = block.rfind(b"\n") + 1
        if last:
            yield padded(b"".join((*rest, block[:last])))
            rest, held = [], 0
        rest.append(block[last:])
        held += len(rest[-1])
        if held > LONGEST_LINE:
            raise InputError(path, f"has a line of over {LONGEST_LINE >> 20} MiB", "name a CSV file")
        if torn and held:
            stats.lines += 1
            lose_line(stats, stats.lines, b"".join(rest))
            rest, held = [], 0
    left = b"".join(rest)
    if left and stats.damage and zipped:
        stats.text_bytes -= len(left)
    elif left and stats.damage:
        stats.lines += 1
        lose_line(stats, stats.lines, left)
    elif left:
        yield padded(left + b"\n")


def _plain_blocks(path: Path, stats: ReadStats) -> Iterator[tuple[bytes, bool]]:
    stats.size_bytes = path.stat().st_size
    yield from text_blocks(path, stats)


def _zip_blocks(path: Path, stats: ReadStats) -> Iterator[tuple[bytes, bool]]:
    for block in zip_blocks(path, stats):
        yield block, False
