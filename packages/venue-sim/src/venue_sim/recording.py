"""Read a recording in the direct dialect: lines of `<ns> <json>`, gzip (one member or many) or plain
(docs/formats.md section 2).

Parsing a line is pure; `RecordingFile` is the only part that touches a file. A torn last gzip member or line costs
only what it tore.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from venue_sim.errors import BadRecording
from venue_sim.market import BookState

_WRAPPER = re.compile(rb'\s*\{\s*"stream"\s*:\s*"([^"\\]*)"\s*,\s*"data"\s*:\s*')
_DEPTH_IDS = re.compile(rb'"U":(\d+),"u":(\d+),"pu":(\d+)')
_LAST_ID = re.compile(rb'"u":(\d+)')


@dataclass(frozen=True, slots=True)
class FrameLine:
    """A websocket frame of the recording: its receive time, its stream and the exact bytes of both forms."""

    recv_ns: int
    stream: str
    wrapped: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class SnapshotLine:
    """A REST depth body of the recording."""

    recv_ns: int
    state: BookState


def parse_line(line: bytes) -> FrameLine | SnapshotLine | None:
    """Parse one line without its newline; None for JSON that is neither a wrapped frame nor a depth snapshot (an
    acknowledgement, say).

    Raises `ValueError` when the line is not `<ns> <json>`.
    """
    stamp, space, body = line.partition(b" ")
    if not space or not stamp.isdigit():
        raise ValueError("no nanoseconds before the first space")
    body = body.strip()
    match = _WRAPPER.match(body)
    if match and body.endswith(b"}"):
        data = body[match.end() : -1].rstrip()
        # a flat object ends at its first brace; after anything else another member may follow
        if data.find(b"}") == len(data) - 1 or _is_one_value(data):
            return FrameLine(int(stamp), match[1].decode(), body, data)
    value = orjson.loads(body)
    if not isinstance(value, dict):
        return None
    if "lastUpdateId" in value and "bids" in value and "asks" in value:
        event_ms = int(value.get("E") or 0)
        bids, asks = ([(price, quantity) for price, quantity, *_ in value[side]] for side in ("bids", "asks"))
        return SnapshotLine(
            int(stamp), BookState(int(value["lastUpdateId"]), event_ms, int(value.get("T") or event_ms), bids, asks)
        )
    if isinstance(value.get("stream"), str) and "data" in value:
        return FrameLine(int(stamp), value["stream"], body, _exact_member(body, "data"))
    return None


def depth_ids(data: bytes) -> tuple[int, int, int] | None:
    """Read `U`, `u`, `pu` of a depth update without parsing its levels; None when it is no futures depth update."""
    match = _DEPTH_IDS.search(data)
    if match:
        return int(match[1]), int(match[2]), int(match[3])
    value = orjson.loads(data)
    try:
        return int(value["U"]), int(value["u"]), int(value["pu"])
    except (KeyError, TypeError):
        return None


def last_id(data: bytes) -> int:
    """Read the update id `u` of a bookTicker, 0 when there is none."""
    match = _LAST_ID.search(data)
    return int(match[1]) if match else 0


def kind_of(stream: str) -> str:
    """The kind of a stream name: `depth` for `btcusdt@depth@0ms`, otherwise the word after the at sign."""
    return stream.partition("@")[2].partition("@")[0]


def symbol_of(stream: str) -> str:
    """The lower-case symbol of a stream name, empty for streams of the whole market."""
    return "" if stream.startswith("!") else stream.partition("@")[0].lower()


def _is_one_value(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _exact_member(body: bytes, name: str) -> bytes:
    """Cut the bytes of one member's value out of an object whose layout is not the usual one."""
    text = body.decode()
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,:]*")
    at = text.index("{") + 1
    while True:
        at = space.match(text, at).end()  # type: ignore[union-attr]
        key, at = decoder.raw_decode(text, at)
        start = space.match(text, at).end()  # type: ignore[union-attr]
        _, at = decoder.raw_decode(text, start)
        if key == name:
            return text[start:at].encode()


class RecordingFile:
    """A recording on disk that can be read from the start any number of times."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
                    parsed = parse_line(line.rstrip(b"\r\n"))
                except (ValueError, UnicodeDecodeError) as error:
                    if not line.endswith(b"\n"):
                        return
                    raise BadRecording(str(self.path), str(error), number) from error
                yield parsed
