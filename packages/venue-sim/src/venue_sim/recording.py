"""Read a recording in the direct dialect: lines of `<ns> <json>`, gzip (one member or many) or plain
(docs/formats.md section 2).

Parsing a line is pure; `RecordingFile` is the only part that touches a file. A torn last gzip member or line costs
only what it tore.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from venue_sim.errors import BadRecording
from venue_sim.face import FrameLine, SnapshotLine

ReadLine = Callable[[int, bytes], FrameLine | SnapshotLine | None]


def parse_line(line: bytes, read: ReadLine) -> FrameLine | SnapshotLine | None:
    """Parse one line without its newline; None for a text that is neither a stream's message nor a depth snapshot
    (an acknowledgement, say).

    Raises `ValueError` when the line is not `<ns> <text>` or the text cannot be read.
    """
    stamp, space, body = line.partition(b" ")
    if not space or not stamp.isdigit():
        raise ValueError("no nanoseconds before the first space")
    return read(int(stamp), body.strip())


class RecordingFile:
    """A recording on disk that can be read from the start any number of times."""

    def __init__(self, path: Path, read: ReadLine) -> None:
        self.path = path
        self._read = read

    def lines(self) -> Iterator[FrameLine | SnapshotLine | None]:
        """Yield every line parsed, in file order. Raises `BadRecording` naming the line; a torn end is the end."""
        number = 0
        with self.path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(self.path, "rb") if packed else self.path.open("rb") as file:
            while True:
                try:
                    line = file.readline()
                except (EOFError, zlib.error, gzip.BadGzipFile):
                    return
                if not line:
                    return
                number += 1
                try:
                    parsed = parse_line(line.rstrip(b"\r\n"), self._read)
                except (ValueError, UnicodeDecodeError) as error:
                    if not line.endswith(b"\n"):
                        return
                    raise BadRecording(str(self.path), str(error), number) from error
                yield parsed
