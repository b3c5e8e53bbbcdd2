"""Event arrays into `.npz` files that numpy and HftBacktest's own reader take.

One member `data.npy` of a zip64 archive, written by hand so that any deflate can be used and equal arrays give equal
bytes. A file appears whole or not at all: it is written beside its place under another name, then renamed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import numpy as np
from isal import isal_zlib

from data_convert.errors import OutputError
from data_convert.events import EVENT_DTYPE, FIELDS, Events
from data_convert.files.deflate import (
    COMPRESSIONS,
    LAST_BLOCK,
    BlockPacker,
    Compress,
    Packed,
    combine_crc32,
    compressor,
    stored_block,
)
from data_convert.files.leftovers import partial_file

BLOCK_ROWS: Final = (4 << 20) // EVENT_DTYPE.itemsize
_MEMBER: Final = b"data.npy"
_ZIP64_VERSION: Final = 45
_DOS_1980: Final = 0x0021 << 16  # 1 January 1980, midnight: equal arrays give equal bytes
_PREAMBLE_BYTES: Final = 10
_ALIGN: Final = 64
_U32_MAX: Final = 0xFFFFFFFF
_HEADER_BYTES: Final = 256  # numpy's own size for this record; room for any number of rows, so it can be set later


_deflate = compressor


def save(events: Events, path: str | os.PathLike[str], *, force: bool = False, compress: Compress = "default") -> None:
    """Write an event array to `path` (`.npz`).

    `compress`: fast, default, small or none (files.deflate.compressor). Raises OutputError when the file exists
    and `force` is not set, when its directory does not, or when the name does not end in .npz; TypeError for another
    dtype; ValueError for another `compress`.
    """
    if events.dtype != EVENT_DTYPE or events.ndim != 1:
        raise TypeError(f"events must be a one-dimensional array of EVENT_DTYPE, not {events.dtype}")
    if compress not in COMPRESSIONS:
        raise ValueError(f"compress is one of {', '.join(COMPRESSIONS)}, not {compress!r}")
    target = Path(path)
    check_target(target, force, ".npz")
    with NpzWriter(target, force=force, compress=compress) as writer:
        writer.write(np.ascontiguousarray(events))


class NpzWriter:
    """An `.npz` written block by block, in memory that does not grow; a context that leaves a whole file or none.

    The number of rows is known at the end only. The npy header is therefore a deflate block of its own that is not
    compressed, and is written over when the last row is in.
    """

    def __init__(self, path: str | os.PathLike[str], *, force: bool = False, compress: Compress = "default") -> None:
        if compress not in COMPRESSIONS:
            raise ValueError(f"compress is one of {', '.join(COMPRESSIONS)}, not {compress!r}")
        self.path, self.rows = Path(path), 0
        check_target(self.path, force, ".npz")
        self._stored = compress == "none"
        self._compress, self._force = compress, force
        self._crc = self._packed = 0

    def __enter__(self) -> NpzWriter:
        """Open the file under its temporary name."""
        self._packer = BlockPacker(_deflate(self._compress))
        self._whole = whole_file(self.path, self._force)
        try:
            self._file = self._whole.__enter__()
            self._file.write(_local_header(self._method, 0, 0, 0))
            self._packed += self._file.write(self._header_block())
        except BaseException:
            self._packer.close()
            raise
        return self

    def write(self, events: Events) -> None:
        """Append rows, whole blocks of BLOCK_ROWS but for the last; `events` is contiguous.

        It must not change before IN_FLIGHT more blocks are written.
        """
        for start in range(0, len(events), BLOCK_ROWS):
            block = events[start : start + BLOCK_ROWS]
            self.rows += len(block)
            self._take(self._packer.put(block.view(np.uint8).data))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the archive and give it its name; on an exception remove it."""
        try:
            if kind is None:
                self._take(self._packer.drain())
                self._finish()
        except BaseException as failure:
            self._packer.close()
            if not self._whole.__exit__(type(failure), failure, failure.__traceback__):
                raise
        else:
            self._packer.close()
            self._whole.__exit__(kind, error, trace)

    def _take(self, due: Iterator[Packed]) -> None:
        for packed, crc, length in due:
            self._packed += self._file.write(packed)
            self._crc = combine_crc32(self._crc, crc, length)

    @property
    def _method(self) -> int:
        return 0 if self._stored else 8

    def _header_block(self) -> bytes:
        header = _header(self.rows)
        return header if self._stored else stored_block(header)

    def _finish(self) -> None:
        if not self._stored:
            self._packed += self._file.write(LAST_BLOCK)
        header = _header(self.rows)
        data_bytes = self.rows * EVENT_DTYPE.itemsize
        crc = combine_crc32(isal_zlib.crc32(header), self._crc, data_bytes)
        size = len(header) + data_bytes
        directory_at = self._file.tell()
        self._file.write(_directory(self._method, crc, size, self._packed))
        self._file.write(_end(directory_at, self._file.tell() - directory_at))
        self._file.seek(0)
        self._file.write(_local_header(self._method, crc, size, self._packed))
        self._file.write(self._header_block())


def check_target(path: Path, force: bool, suffix: str) -> None:
    """Raise OutputError unless a file may be written to `path`."""
    if path.suffix != suffix:
        raise OutputError(path, f"does not end in {suffix}", f"name the output file {path.name}{suffix}")
    if path.is_dir():
        raise OutputError(path, "is a directory", "name a file in it")
    if not path.parent.is_dir():
        raise OutputError(path, "its directory does not exist", f"create it: mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(path, "its directory cannot be written to", "name another one, or check its permissions")
    if path.exists() and not force:
        raise OutputError(path, "exists", "choose another name or give --force")


@contextmanager
def whole_file(path: Path, force: bool) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` only when the block ends without an exception."""
    try:
        with partial_file(path) as (partial, file):
            yield file
            file.flush()
            os.fsync(file.fileno())
            _put(partial, path, force)
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise OutputError(path, problem, "check space and permissions") from error


def _put(partial: Path, path: Path, force: bool) -> None:
    if force:
        partial.replace(path)
        return
    try:
        # A link fails when the name is taken meanwhile; a rename would write over it.
        os.link(partial, path)
    except FileExistsError:
        raise OutputError(path, "exists", "choose another name or give --force") from None
    except OSError:
        partial.rename(path)


def _header(rows: int) -> bytes:
    """Npy format 1.0 header, padded so that the data begins at a multiple of 64."""
    described = repr({"descr": FIELDS, "fortran_order": False, "shape": (rows,)})
    length = max(-(-(_PREAMBLE_BYTES + len(described) + 1) // _ALIGN) * _ALIGN, _HEADER_BYTES) - _PREAMBLE_BYTES
    text = described.ljust(length - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


def _local_header(method: int, crc: int, size: int, packed: int) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, size, packed)
    fields = (0x04034B50, _ZIP64_VERSION, 0, method, _DOS_1980, crc, _U32_MAX, _U32_MAX, len(_MEMBER), len(extra))
    return struct.pack("<IHHHIIIIHH", *fields) + _MEMBER + extra


def _directory(method: int, crc: int, size: int, packed: int) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, size, packed)
    made_by, version = (3 << 8) | _ZIP64_VERSION, _ZIP64_VERSION
    times = (0x02014B50, made_by, version, 0, method, _DOS_1980, crc, _U32_MAX, _U32_MAX)
    lengths = (len(_MEMBER), len(extra), 0, 0, 0, 0o600 << 16, 0)
    return struct.pack("<IHHHHIIII", *times) + struct.pack("<HHHHHII", *lengths) + _MEMBER + extra


def _end(directory_at: int, directory_size: int) -> bytes:
    end64_at = directory_at + directory_size
    end64 = (0x06064B50, 44, _ZIP64_VERSION, _ZIP64_VERSION, 0, 0, 1, 1, directory_size, directory_at)
    locator = struct.pack("<IIQI", 0x07064B50, 0, end64_at, 1)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, directory_size, min(directory_at, _U32_MAX), 0)
    return struct.pack("<IQHHIIQQQQ", *end64) + locator + end
