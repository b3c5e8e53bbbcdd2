"""Whole lines out of blocks of text: the one place where text is cut at newlines.

Four readers share it: recordings line by line (`read_lines`) or in blocks (`pieces`), archives line by line (`text_lines`)
or in blocks (`archive_blocks`), Tardis files in blocks (`line_blocks`). They differ in what becomes of a line that a tear or
the end of the file cut off, and of one that is too long.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_convert.errors import InputError
from data_convert.files.readers import Blocks, ReadStats, lose_line, lose_text, open_check, text_blocks
from data_convert.files.zipped import is_zip, zip_blocks

LONGEST_LINE: Final = 16 << 20
PADDING: Final = 32


@dataclass(frozen=True, slots=True)
class Text:
    """Whole lines: buffer[start:stop], which ends in a newline. PADDING more bytes can be read behind them."""

    buffer: bytes
    start: int
    stop: int

    def lines(self) -> list[bytes]:
        """Return the lines without their newlines."""
        return self.buffer[self.start : self.stop - 1].split(b"\n")


@dataclass(frozen=True, slots=True)
class Rest:
    """What stands behind the last newline before a tear or the end."""

    text: bytes
    torn: bool


def cut_lines(blocks: Blocks, exact: bool = False) -> Iterator[Text | Rest]:
    """Cut blocks of text at newlines, copying no more than the seams.

    A Rest follows every tear, and the end if anything is left there. `exact`: every whole line of a block leaves before the
    next block is asked for, which takes a copy.
    """
    room = 0 if exact else PADDING
    rest: list[bytes] = []
    for block, torn in blocks:
        last = block.rfind(b"\n", 0, max(len(block) - room, 0)) + 1
        if last:
            first = last if exact else block.find(b"\n") + 1 if any(rest) else 0
            if first:
                yield padded(b"".join((*rest, block[:first])))
            if last > first:
                yield Text(block, first, last)
            rest.clear()
        rest.append(block[last:])
        if torn:
            yield from _rest(rest, True)
            rest.clear()
    if any(rest):
        yield from _rest(rest, False)


def _rest(parts: list[bytes], torn: bool) -> Iterator[Text | Rest]:
    """Yield the lines that were held back for their room, and what is behind them."""
    text = b"".join(parts)
    cut = text.rfind(b"\n") + 1
    if cut:
        yield padded(text[:cut])
    if torn or text[cut:]:
        yield Rest(text[cut:], torn)


def padded(lines: bytes) -> Text:
    """Return lines with room behind them."""
    return Text(lines + bytes(PADDING), 0, len(lines))


def read_lines(path: Path, stats: ReadStats) -> Iterator[tuple[int, bytes, bool]]:
    r"""Yield (line number from 1, line without its end, whole) of a recording.

    `whole` is false only for a last piece without a newline before the end of the file or a tear; the caller decides
    whether it can be used and says so with `lose_line`. Carriage returns before the newline are removed.
    """
    open_check(path)
    stats.size_bytes = path.stat().st_size
    return _numbered(cut_lines(bounded(text_blocks(path, stats), stats)), stats)


def _numbered(texts: Iterable[Text | Rest], stats: ReadStats) -> Iterator[tuple[int, bytes, bool]]:
    for text in texts:
        if isinstance(text, Text):
            first = stats.lines + 1
            stats.lines += text.buffer.count(b"\n", text.start, text.stop)
            for number, line in enumerate(text.lines(), first):
                yield number, line.removesuffix(b"\r"), True
        elif text.text:
            stats.lines += 1
            yield stats.lines, text.text if text.torn else text.text.removesuffix(b"\r"), False


def text_lines(path: Path, stats: ReadStats) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) of a plain, gzip or zip file; a cut last line is lost and counted.

    Of a zip archive the one file in it is read. Damage ends the lines and stands in `stats`. Raises InputError.
    """
    open_check(path)
    if not is_zip(path):
        for number, line, ended in read_lines(path, stats):
            if ended or not stats.damage:
                yield number, line
            else:
                lose_line(stats, number, line)
        return
    for text in cut_lines(bounded(zip_blocks(path, stats), stats), exact=True):
        lines = text.lines() if isinstance(text, Text) else _end_of_archive(text, stats, zipped=True)
        for line in lines:
            stats.lines += 1
            yield stats.lines, line.rstrip(b"\r")


def archive_blocks(path: Path, stats: ReadStats) -> Iterator[Text]:
    r"""Yield the lines of `text_lines` in blocks; `stats` is filled but for `lines`, which is the reader's to count.

    `stats.lines` must be right when the next block is asked for. A last line without a newline gets one; a piece before
    damage is lost and counted. Raises InputError for a file that cannot be read and for a line of over 16 MiB.
    """
    open_check(path)
    zipped = is_zip(path)
    stats.size_bytes = path.stat().st_size
    for text in cut_lines(_refused(path, zip_blocks(path, stats) if zipped else text_blocks(path, stats)), exact=True):
        if isinstance(text, Text):
            yield text
            continue
        for line in _end_of_archive(text, stats, zipped):
            yield padded(line + b"\n")


def _end_of_archive(rest: Rest, stats: ReadStats, zipped: bool) -> list[bytes]:
    """Return the last line if it is whole: no tear cut it off, and nothing was lost in the file."""
    if not rest.text:
        return []
    if not rest.torn and not stats.damage:
        return [rest.text]
    if zipped and not rest.torn:
        stats.text_bytes -= len(rest.text)
    else:
        stats.lines += 1
        lose_line(stats, stats.lines, rest.text)
    return []


def line_blocks(path: Path, stats: ReadStats) -> Generator[Text, None, None]:
    r"""Yield the text of a file in whole lines.

    A last line without a newline gets one. A piece before a tear is lost and counted: its last number may be cut.
    Raises InputError for a file that cannot be read and for a line of over 16 MiB.
    """
    open_check(path)
    stats.size_bytes = path.stat().st_size
    try:
        for text in cut_lines(_refused(path, text_blocks(path, stats))):
            if isinstance(text, Text):
                yield text
            elif not text.torn:
                yield padded(text.text + b"\n")
            elif text.text:
                stats.lost_lines += 1
                lose_text(stats, len(text.text), f"a line is cut off after {len(text.text)} bytes and")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})", "check the file and the disk") from error


def _refused(path: Path, blocks: Blocks) -> Blocks:
    """Refuse a line that is no line of a CSV file."""
    length = 0
    for block, torn in blocks:
        last = block.rfind(b"\n")
        length = len(block) - last - 1 if last >= 0 else length + len(block)
        if length > LONGEST_LINE:
            raise InputError(path, f"has a line of over {LONGEST_LINE >> 20} MiB", "name a CSV file")
        if torn:
            length = 0
        yield block, torn


def bounded(blocks: Blocks, stats: ReadStats) -> Blocks:
    """Cut lines at LONGEST_LINE, as if torn there: what is behind is counted and left out up to the next line."""
    length = dropped = 0
    dropping = False
    for block, torn in blocks:
        if not dropping:
            end = block.find(b"\n")
            if length + (len(block) if end < 0 else end) > LONGEST_LINE:
                room = max(LONGEST_LINE - length, 0)
                yield block[:room], True
                block, dropping = block[room:], True
        if dropping:
            end = block.find(b"\n") + 1
            dropped += end or len(block)
            if not end and not torn:
                continue
            lose_text(stats, dropped, f"a line is longer than {LONGEST_LINE >> 20} MiB: its last {dropped} bytes are")
            block, dropped, dropping, length = block[end or len(block) :], 0, False, 0
        last = block.rfind(b"\n")
        length = len(block) - last - 1 if last >= 0 else length + len(block)
        length = 0 if torn else length
        yield block, torn
    if dropping:
        lose_text(
            stats, dropped, f"the last line is longer than {LONGEST_LINE >> 20} MiB: its last {dropped} bytes are"
        )
