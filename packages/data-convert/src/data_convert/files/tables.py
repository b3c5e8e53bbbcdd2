"""Comma separated files, plain, gzip or zip, as rows of fields with their line numbers."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

from data_convert.errors import InputError
from data_convert.files.readers import ReadStats, bounded, lose_line, open_check, read_lines

_ZIP: Final = b"PK\x03\x04"
_BLOCK: Final = 1 << 18
_PIECE: Final = 4096
# All that zipfile raises for archives that are none, cut off, encrypted or packed in a way it does not know.
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError, struct.error)


def is_zip(path: Path) -> bool:
    """Tell whether a file is a zip archive, by its first bytes."""
    with path.open("rb") as file:
        return file.read(4) == _ZIP


def text_lines(path: Path, stats: ReadStats) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line) of a plain, gzip or zip file; a cut last line is lost and counted.

    Of a zip archive the one file in it is read. Damage ends the lines and stands in `stats`. Raises InputError.
    """
    open_check(path)
    if not is_zip(path):
        lines = read_lines(path, stats)
        for at, line, ended in lines:
            if not ended and stats.damage:
                lose_line(stats, at, line)
                continue
            yield at, line
        return
    rest: list[bytes] = []
    for block, torn in bounded(((block, False) for block in zip_blocks(path, stats)), stats):
        pieces = block.split(b"\n")
        rest.append(pieces.pop(0))
        if pieces:
            pieces.insert(0, b"".join(rest))
            rest = [pieces.pop()]
        for piece in pieces:
            stats.lines += 1
            yield stats.lines, piece.rstrip(b"\r")
        if torn:
            stats.lines += 1
            lose_line(stats, stats.lines, b"".join(rest))
            rest = []
    last = b"".join(rest)
    if last and stats.damage:
        stats.text_bytes -= len(last)
    elif last:
        stats.lines += 1
        yield stats.lines, last.rstrip(b"\r")


def zip_blocks(path: Path, stats: ReadStats) -> Iterator[bytes]:
    """Yield the text of the one file in a zip archive; `stats.lines` must be right when the next block is asked for.

    What stands behind the last newline before damage is of no use; the reader takes it off `text_bytes` again. Raises
    InputError, also where damage comes before the first line.
    """
    stats.size_bytes, stats.compressed, stats.members = path.stat().st_size, True, 1
    pieces: list[bytes] = []
    size = 0
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_member(path, archive)) as file:
            # zipfile loses the piece in which damage shows, so pieces are small.
            while piece := cast(zipfile.ZipExtFile, file).read1(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size >= _BLOCK:
                    stats.text_bytes += size
                    yield b"".join(pieces)
                    pieces, size = [], 0
    except _DAMAGE as error:
        stats.text_bytes += size
        yield b"".join(pieces)
        if not stats.lines:
            raise InputError(path, f"is no readable zip archive ({error})", "download it again") from error
        stats.damage.append(f"the archive is damaged behind line {stats.lines} ({error})")
        return
    stats.text_bytes += size
    yield b"".join(pieces)


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    if len(names) != 1:
        raise InputError(path, f"holds {len(names)} files", "unzip it and name the file")
    return names[0]
