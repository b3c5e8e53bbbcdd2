"""Text in blocks of whole lines, for parsers that read bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data_convert.errors import InputError
from data_convert.readers import ReadStats, open_check, text_blocks

LONGEST_LINE: Final = 16 << 20


def line_blocks(path: Path, stats: ReadStats) -> Iterator[bytes | memoryview]:
    r"""Yield the text of a file in pieces that end in a newline, without copying more than the seams.

    A last line without a newline gets one. A piece before a tear is lost and counted: its last number may be cut.
    Raises InputError for a file that cannot be read and for a line of over 16 MiB.
    """
    open_check(path)
    stats.size_bytes = path.stat().st_size
    rest = b""
    try:
        for block, torn in text_blocks(path, stats):
            stats.text_bytes += len(block)
            first = block.find(b"\n") + 1 if rest else 0
            if first or not rest:
                last = block.rfind(b"\n") + 1
                if rest:
                    yield rest + block[:first]
                if last > first:
                    yield memoryview(block)[first:last]
                rest = block[last:]
            else:
                rest += block
            if len(rest) > LONGEST_LINE:
                raise InputError(path, f"has a line of over {LONGEST_LINE >> 20} MiB", "name a CSV file")
            if torn and rest:
                stats.lost_lines += 1
                stats.lost_bytes += len(rest)
                stats.damage.append(f"a line is cut off after {len(rest)} bytes and left out")
                rest = b""
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the file and the disk") from error
    if rest:
        yield rest + b"\n"
