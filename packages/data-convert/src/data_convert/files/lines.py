"""Text in blocks of whole lines, for parsers that read bytes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_convert.errors import InputError
from data_convert.files.readers import LONGEST_LINE, ReadStats, open_check, text_blocks

PADDING: Final = 32


@dataclass(frozen=True, slots=True)
class Text:
    """Whole lines: buffer[start:stop], which ends in a newline. PADDING more bytes can be read behind them."""

    buffer: bytes
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Rest:
    """What stands behind the last newline before a tear or the end; it may begin with whole lines."""

    text: bytes
    torn: bool


def cut_lines(blocks: Iterable[tuple[bytes, bool]]) -> Iterator[Text | Rest]:
    """Cut blocks of text (`readers.text_blocks`) at newlines, copying no more than the seams.

    A Rest follows every tear, and the end if anything is left there.
    """
    rest: list[bytes] = []
    for block, torn in blocks:
        last = block.rfind(b"\n", 0, max(len(block) - PADDING, 0)) + 1
        if last:
            first = block.find(b"\n") + 1 if any(rest) else 0
            if first:
                yield padded(b"".join((*rest, block[:first])))
            if last > first:
                yield Text(block, first, last)
            rest.clear()
        rest.append(block[last:])
        if torn:
            yield Rest(b"".join(rest), True)
            rest.clear()
    if any(rest):
        yield Rest(b"".join(rest), False)


def line_blocks(path: Path, stats: ReadStats) -> Generator[Text, None, None]:
    r"""Yield the text of a file in whole lines.

    A last line without a newline gets one. A piece before a tear is lost and counted: its last number may be cut.
    Raises InputError for a file that cannot be read and for a line of over 16 MiB.
    """
    open_check(path)
    stats.size_bytes = path.stat().st_size
    try:
        for text in cut_lines(_refused(path, stats)):
            if isinstance(text, Text):
                yield text
                continue
            cut = text.text.rfind(b"\n") + 1 if text.torn else len(text.text)
            if whole := text.text[:cut]:
                yield padded(whole if whole.endswith(b"\n") else whole + b"\n")
            if lost := text.text[cut:]:
                stats.lost_lines += 1
                stats.lost_bytes += len(lost)
                stats.damage.append(f"a line is cut off after {len(lost)} bytes and left out")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the file and the disk") from error


def _refused(path: Path, stats: ReadStats) -> Iterator[tuple[bytes, bool]]:
    """Refuse a line that is no line of a CSV file."""
    length = 0
    for block, torn in text_blocks(path, stats):
        last = block.rfind(b"\n")
        length = len(block) - last - 1 if last >= 0 else length + len(block)
        if length > LONGEST_LINE:
            raise InputError(path, f"has a line of over {LONGEST_LINE >> 20} MiB", "name a CSV file")
        if torn:
            length = 0
        yield block, torn


def padded(lines: bytes) -> Text:
    """Return lines with room behind them."""
    return Text(lines + bytes(PADDING), 0, len(lines))
