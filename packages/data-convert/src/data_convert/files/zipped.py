"""The text of the one file in a zip archive, in blocks."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final, cast

from data_convert.errors import InputError
from data_convert.files.readers import Blocks, ReadStats

_ZIP: Final = b"PK\x03\x04"
_BLOCK: Final = 1 << 18
_PIECE: Final = 4096
# All that zipfile raises for archives that are none, cut off, encrypted or packed in a way it does not know.
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError, struct.error)


def is_zip(path: Path) -> bool:
    """Tell whether a file is a zip archive, by its first bytes."""
    with path.open("rb") as file:
        return file.read(4) == _ZIP


def zip_blocks(path: Path, stats: ReadStats) -> Blocks:
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
                    yield b"".join(pieces), False
                    pieces, size = [], 0
    except _DAMAGE as error:
        stats.text_bytes += size
        yield b"".join(pieces), False
        if not stats.lines:
            raise InputError(path, f"is no readable zip archive ({error})", "download it again") from error
        stats.damage.append(f"the archive is damaged behind line {stats.lines} ({error})")
        return
    stats.text_bytes += size
    yield b"".join(pieces), False


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    if len(names) != 1:
        raise InputError(path, f"holds {len(names)} files", "unzip it and name the file")
    return names[0]
