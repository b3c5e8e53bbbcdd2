"""The text of a file in blocks, whatever became of it: plain text, gzip of one or many members, torn or damaged.

A collector that is killed leaves a torn member, and the next start appends a new one behind it. Inflating across that
seam would give garbage, so wherever a gzip header stands inside an unfinished member and what follows it inflates
to text, the member before is taken as torn there: its whole lines are kept, the rest is counted.

A machine that stops leaves zeros where text never reached the disk: such a hole is a tear too. What is no recording costs
neither memory nor more than the time to read it once.
"""

from __future__ import annotations

import mmap
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from isal import isal_zlib

from data_convert.errors import InputError

_MAGIC: Final = b"\x1f\x8b\x08"
_INFLATE_ERROR: Final = cast(type[Exception], isal_zlib.error)
_BLOCK: Final = 1 << 18
_TEXT_BLOCK: Final = 1 << 20
_GZIP_WBITS: Final = 31
_PEEK: Final = 256
_SEARCHED: Final = 1 << 22
_AROUND: Final = 1 << 22
_DONTNEED: Final[int | None] = getattr(mmap, "MADV_DONTNEED", None)
_HOLE_BYTES: Final = 64
"""Zeros in a row that are no text any more; at the end of a text one is enough."""
_TEXT: Final = frozenset(b"\t\r\n") | frozenset(range(0x20, 0x7F))


Blocks = Iterator[tuple[bytes, bool]]
"""(text, torn) of a file: after a torn block the next one starts a new line."""


@dataclass(slots=True)
class ReadStats:
    """What was read of one file, and what could not be; filled while its lines are taken."""

    path: Path
    compressed: bool = False
    size_bytes: int = 0
    text_bytes: int = 0
    members: int = 0
    lines: int = 0
    lost_bytes: int = 0
    lost_lines: int = 0
    damage: list[str] = field(default_factory=list)
    done_bytes: int = 0


def open_check(path: Path) -> None:
    """Raise InputError, naming the remedy, unless `path` is a readable file that may hold lines."""
    if path.is_dir():
        raise InputError(path, "is a directory", f"name the files in it, in order: {path}/*.gz")
    if not path.exists():
        raise InputError(path, "does not exist", "check the name")
    if not os.access(path, os.R_OK):
        raise InputError(path, "cannot be read", "check its permissions")


def lose_line(stats: ReadStats, number: int, piece: bytes) -> None:
    """Count a last piece that is no whole line."""
    stats.lost_lines += 1
    stats.lost_bytes += len(piece)
    stats.damage.append(f"line {number} is cut off after {len(piece)} bytes and left out")


def lose_text(stats: ReadStats, count: int, what: str) -> None:
    """Count text that is left out, and say what it is."""
    stats.lost_bytes += count
    stats.damage.append(f"{what} left out")


def text_blocks(path: Path, stats: ReadStats) -> Blocks:
    """Yield (text, torn) in blocks of at most 1 MiB, counted: after a torn block the next one starts a new line."""
    yield from _without_holes(_counted(path, stats), stats)


def _counted(path: Path, stats: ReadStats) -> Blocks:
    for block, torn in _all_text(path, stats):
        stats.text_bytes += len(block)
        yield block, torn


def _without_holes(blocks: Blocks, stats: ReadStats) -> Blocks:
    """Tear the text where zeros stand in it, and leave them out."""
    zeros = 0  # at the end of what was read
    for block, torn in blocks:
        if not zeros and b"\0" not in block:
            yield block, torn
            continue
        start = len(block) - len(block.lstrip(b"\0")) if zeros else 0
        if zeros and (start < len(block) or torn):
            zeros += start
            if zeros < _HOLE_BYTES and start < len(block):
                block, start = bytes(zeros) + block[start:], 0
            else:
                yield _hole(stats, zeros, torn and start == len(block))
            zeros = 0
        elif zeros:
            zeros += start
            continue
        stop = len(block.rstrip(b"\0"))
        for run in _ZEROS.finditer(block, start, max(stop, start)):
            yield block[start : run.start()], False
            yield _hole(stats, len(run[0]), False)
            start = run.end()
        zeros = len(block) - max(stop, start)
        yield block[start : max(stop, start)], torn and not zeros
        if torn and zeros:
            yield _hole(stats, zeros, True)
            zeros = 0
    if zeros:
        yield _hole(stats, zeros, True)


def _hole(stats: ReadStats, zeros: int, last: bool) -> tuple[bytes, bool]:
    what = f"a torn tail of {zeros} zero bytes is" if last else f"a hole of {zeros} zero bytes in the text is"
    lose_text(stats, zeros, f"{what} what a crash kept from the disk:")
    return b"", True


_ZEROS: Final = re.compile(rb"\0{%d,}" % _HOLE_BYTES)


def _all_text(path: Path, stats: ReadStats) -> Blocks:
    if stats.size_bytes == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        head = data[:6]
        if head[:2] == _MAGIC[:2]:
            stats.compressed = True
            yield from _inflate(data, stats)
            return
        for magic, name, remedy in _FOREIGN:
            if head.startswith(magic):
                raise InputError(path, f"is a {name}", remedy)
        for start in range(0, len(data), _BLOCK):
            stats.done_bytes = min(start + _BLOCK, len(data))
            block = data[start : stats.done_bytes]
            _release(data, start, stats.done_bytes)
            yield block, False


_FOREIGN: Final = (
    (b"PK\x03\x04", "zip or npz archive, not a recording", "use `data-convert validate` for an .npz, unzip a .zip"),
    (b"\x28\xb5\x2f\xfd", "zstd file", "decompress it first: zstd -d"),
    (b"\xfd7zXZ\x00", "xz file", "decompress it first: xz -d"),
    (b"BZh", "bzip2 file", "decompress it first: bunzip2"),
    (b"\x93NUMPY", "npy array, not a recording", "name a recording"),
)


def _inflate(data: mmap.mmap, stats: ReadStats) -> Blocks:
    position, size = 0, len(data)
    while position < size:
        if data[position : position + 3] != _MAGIC:
            following = _next_member(data, position, size)
            skipped = (size if following is None else following) - position
            short = size - position < len(_MAGIC) and _MAGIC.startswith(data[position:size])
            if data[position : position + skipped].strip(b"\0"):
                stats.lost_bytes += skipped
                what = "the first bytes of a gzip member" if short else "bytes that are no gzip member"
                stats.damage.append(f"{skipped} {what} at byte {position} skipped")
            if following is None:
                return
            position = following
        stats.members += 1
        start, inflater, problem = position, isal_zlib.decompressobj(_GZIP_WBITS), ""
        searched, seam = position + 1, None
        while not inflater.eof and not problem:
            stop = min(position + _BLOCK, size)
            if seam is None and searched < stop:
                searched, seam = stop, _next_member(data, searched, stop)
            stop = stop if seam is None else min(stop, seam)
            if position >= stop:
                problem = "is cut off"
                break
            pending, inflated, text = data[position:stop], 0, b""
            # A full block may leave more behind in the inflater, after its last input too.
            while (pending or len(text) == _TEXT_BLOCK) and not inflater.eof:
                try:
                    text = inflater.decompress(pending, _TEXT_BLOCK)
                    pending = inflater.unconsumed_tail
                except _INFLATE_ERROR as error:
                    for piece in _until_error(data, start, position, stop, inflated):
                        yield piece, False
                    text, pending, problem = b"", b"", f"is damaged ({error})"
                inflated += len(text)
                if text:
                    yield text, False
            _release(data, position, stop)
            position = stop
            stats.done_bytes = position
        if not problem:
            position -= len(inflater.unused_data)
            continue
        if seam is None:
            seam = _next_member(data, searched, size)
        stats.damage.append(f"gzip member {stats.members} at byte {start} {problem} at byte {position}")
        yield b"", True
        position = size if seam is None else seam


def _until_error(data: mmap.mmap, start: int, position: int, stop: int, skip: int) -> Iterator[bytes]:
    """Inflate the bytes from `position` to where the member that began at `start` breaks, one byte at a time.

    The first `skip` bytes of text are known. All of it is inflated in pieces: a byte may stand for a thousand.
    """
    inflater = zlib.decompressobj(_GZIP_WBITS)

    def inflate(packed: bytes) -> Iterator[bytes]:
        while packed or inflater.unconsumed_tail:
            text = inflater.decompress(packed, _TEXT_BLOCK)
            packed = inflater.unconsumed_tail
            if not text and not packed:
                return
            yield text
            if len(text) < _TEXT_BLOCK and not packed:
                return

    for begin in range(start, position, _BLOCK):
        for _ in inflate(data[begin : min(begin + _BLOCK, position)]):
            pass
    held = bytearray()
    try:
        for at in range(position, stop):
            for text in inflate(data[at : at + 1]):
                held += text[skip:]
                skip = max(skip - len(text), 0)
                if len(held) >= _TEXT_BLOCK:
                    yield bytes(held)
                    held.clear()
    except zlib.error:
        pass
    if held:
        yield bytes(held)


def _next_member(data: mmap.mmap, position: int, stop: int) -> int | None:
    """Find the first gzip header in data[position:stop] behind which text is inflated, None if there is none.

    The header may go on behind `stop`.
    """
    while (position := _find_magic(data, position, stop)) >= 0:
        try:
            peek = isal_zlib.decompressobj(_GZIP_WBITS).decompress(data[position : position + 4096], _PEEK)
        except _INFLATE_ERROR:
            peek = b""
        if peek and _TEXT.issuperset(peek):
            return position
        position += 1
    return None


def _find_magic(data: mmap.mmap, position: int, stop: int) -> int:
    """Find what may be a gzip header beginning in data[position:stop], -1 if nothing is; holds no more than a part."""
    while position < stop:
        end = min(position + _SEARCHED, stop)
        found = data.find(_MAGIC, position, end + len(_MAGIC) - 1)
        if found >= 0:
            return found
        if end < stop:
            _release(data, position, end)
        position = end
    return -1


def _release(data: mmap.mmap, start: int, stop: int) -> None:
    """Give back the memory of a part that was read: a mapped file would stay in it as a whole."""
    if _DONTNEED is not None and stop > start:
        first = max(start - start % mmap.PAGESIZE - _AROUND, 0)  # a look at one byte maps what lies around it again
        data.madvise(_DONTNEED, first, stop - first)
