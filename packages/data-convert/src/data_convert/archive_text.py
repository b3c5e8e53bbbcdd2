"""Text of archives (plain, gzip, zip) in blocks of whole lines: the same lines as `tables.text_lines`, for parsers of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_convert.errors import InputError
from data_convert.readers import ReadStats, lose_line, open_check, text_blocks
from data_convert.stream.lines import LONGEST_LINE, Text, padded
from data_convert.tables import is_zip, zip_blocks


def archive_blocks(path: Path, stats: ReadStats) -> Iterator[Text]:
    r"""Yield the text of a file in whole lines; `stats` is filled but for `lines`, which is the reader's to count.

    `stats.lines` must be right when the next block is asked for. A last line without a newline gets one; a piece before
    damage is lost and counted. Raises InputError for a file that cannot be read and for a line of over 16 MiB.
    """
    open_check(path)
    zipped = is_zip(path)
    rest = b""
    for block, torn in _zip_blocks(path, stats) if zipped else _plain_blocks(path, stats):
        last = block.rfind(b"\n") + 1
        if last:
            yield padded(rest + block[:last])
            rest = block[last:]
        else:
            rest += block
        if len(rest) > LONGEST_LINE:
            raise InputError(path, f"has a line of over {LONGEST_LINE >> 20} MiB", "name a CSV file")
        if torn and rest:
            stats.lines += 1
            lose_line(stats, stats.lines, rest)
            rest = b""
    if rest and stats.damage and zipped:
        stats.text_bytes -= len(rest)
    elif rest and stats.damage:
        stats.lines += 1
        lose_line(stats, stats.lines, rest)
    elif rest:
        yield padded(rest + b"\n")


def _plain_blocks(path: Path, stats: ReadStats) -> Iterator[tuple[bytes, bool]]:
    stats.size_bytes = path.stat().st_size
    for block, torn in text_blocks(path, stats):
        stats.text_bytes += len(block)
        yield block, torn


def _zip_blocks(path: Path, stats: ReadStats) -> Iterator[tuple[bytes, bool]]:
    for block in zip_blocks(path, stats):
        yield block, False
