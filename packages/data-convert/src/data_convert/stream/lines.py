"""Text in blocks of whole lines, for parsers that read bytes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_convert.errors import InputError
from data_convert.readers import ReadStats, open_check, text_blocks

LONGEST_LINE: Final = 16 << 20
PADDING: Final = 32


@dataclass(frozen=True, slots=True)
class Text:
    """Whole lines: buffer[start:stop], which ends in a newline. PADDING more bytes can be read behind them."""

    buffer: bytes
    start: int
    stop: int


def line_blocks(path: Path, stats: ReadStats) -> Generator[Text, None, None]:
    r"""Yield the text of a file in whole lines, copying no more than the seams.

    A last line without a newline gets one. A piece before a tear is lost and counted: its last number may be cut.
    Raises InputError for a file that cannot be read and for a line of over 16 MiB.
    """
    open_check(path)
    stats.size_bytes = path.stat().st_size
    rest = b""
    try:
        for block, torn in text_blocks(path, stats):
            stats.text_bytes += len(block)
            last = block.rfind(b"\n", 0, max(len(block) - PADDING, 0)) + 1
            if not last:
                rest += block
            else:
                first = block.find(b"\n") + 1 if rest else 0
                if first:
                    yield _padded(rest + block[:first])
                if last > first:
                    yield Text(block, first, last)
                rest = block[last:]
            if len(rest) > LONGEST_LINE:
                raise InputError(path, f"has a line of over {LONGEST_LINE >> 20} MiB", "name a CSV file")
            if torn:
                whole, rest = rest[: (cut := rest.rfind(b"\n") + 1)], rest[cut:]
                if whole:
                    yield _padded(whole)
                if rest:
                    stats.lost_lines += 1
                    stats.lost_bytes += len(rest)
                    stats.damage.append(f"a line is cut off after {len(rest)} bytes and left out")
                    rest = b""
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the file and the disk") from error
    if rest:
        yield _padded(rest if rest.endswith(b"\n") else rest + b"\n")


def _padded(lines: bytes) -> Text:
    return Text(lines + bytes(PADDING), 0, len(lines))
