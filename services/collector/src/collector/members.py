"""Gzip members: text into a whole member, and what can be had of a chain of members that does not end, or is not, as it should be.

Level 2 of igzip was chosen by measurement on 28 MB of USD-M frames, one core (text divided by file, MB of text a second):

    member   igzip 0      igzip 1      igzip 2      igzip 3      zlib 1       zlib 6
    4 KiB    3.54, 573    5.05, 328    5.06, 357    5.20, 222    4.71, 123    5.43, 80
    1 MiB    5.05, 791    6.24, 728    6.26, 694    6.46, 282    5.60, 148    7.25, 53
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol, cast

from isal import igzip_lib, isal_zlib

LEVEL: Final = 2
_MAGIC: Final = b"\x1f\x8b\x08"
_GZIP: Final = 31  # zlib's wbits for: gzip header, gzip trailer, checksum verified
_Corrupt = cast("type[Exception]", igzip_lib.IsalError)  # its stub calls it an instance
_LONG: Final = 1 << 23  # text of a member that is held in memory; those of a recorder are shorter
_STEP: Final = 1 << 16  # small, because what follows a member in the same step is copied


class Bytes(Protocol):
    """What is read of a file or of bytes in memory: slices."""

    def __len__(self) -> int:
        """How many bytes there are."""

    def __getitem__(self, span: slice, /) -> bytes:
        """Return the bytes from `span.start` to `span.stop`."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What to put in the place of a damaged stretch: whole members only.

    `torn` tells that the stretch was one member cut short at its end, which is all that a killed writer leaves. Anything else is damage,
    whose original is worth keeping: lines that no checksum vouches for are not taken from it.
    """

    data: bytes
    bytes_cut: int
    lines_saved: int
    torn: bool


def pack(text: bytes) -> bytes:
    """Compress text into one whole gzip member."""
    member: bytes = igzip_lib.compress(text, LEVEL, igzip_lib.COMP_GZIP)
    return member


def whole_until(data: Bytes, start: int = 0) -> int:
    """Return where the chain of whole members that begins at `start` ends: at `len(data)` when nothing is wrong."""
    end = start
    while end < len(data):
        after = _member_end(data, end)
        if after is None:
            break
        end = after
    return end


def first_text(data: Bytes, most: int) -> bytes:
    """Return up to `most` bytes of the text that comes first, also of a member cut short; behind damage, of the first whole member."""
    start = 0 if looks_like_member(data) else _next_whole(data[0 : len(data)], 0)
    text = b""
    inflater = isal_zlib.decompressobj(wbits=_GZIP)
    position = len(data) if start is None else start
    while position < len(data) and len(text) < most:
        piece = data[position : position + _STEP]
        position += len(piece)
        try:
            text += inflater.decompress(piece)
        except _Corrupt:
            break
        if inflater.eof:
            position -= len(inflater.unused_data)
            inflater = isal_zlib.decompressobj(wbits=_GZIP)
    return text[:most]


def looks_like_member(data: Bytes) -> bool:
    """Tell whether these bytes may be the start of a member, however short."""
    head = data[0 : len(_MAGIC)]
    return _MAGIC.startswith(head)


def mend(tail: bytes) -> Mended:
    """Keep all that is proven of `tail`, a stretch that does not begin with a whole member.

    A last member that was cut short inflates to the text that was written first: its whole lines come back as a member of their own.
    Whole members behind a damaged place are kept as they are; what stands before them was not cut short, so nothing in it is proven.
    """
    parts: list[bytes] = []
    cut = lines = position = 0
    torn = True
    while position < len(tail):
        end = whole_until(tail, position)
        parts.append(tail[position:end])
        if end == len(tail):
            break
        following = _next_whole(tail, end)
        stretch = tail[end : len(tail) if following is None else following]
        text = _inflate_cut_short(stretch) if following is None else None
        torn = torn and text is not None
        saved = b"" if text is None else text[: text.rfind(b"\n") + 1]
        if saved:
            parts.append(pack(saved))
            lines += saved.count(b"\n")
        cut += len(stretch)
        position = end + len(stretch)
    return Mended(b"".join(parts), cut, lines, torn)


def walk(data: Bytes, start: int = 0) -> Iterator[tuple[bytes, int | None]]:
    """Yield the text of whole members, from a member's `start` on, and where each ends: None for a part of one that is long.

    Ends where no whole member follows. Nothing of a member is yielded that is not whole.
    """
    begin = start
    while begin < len(data):
        inflater = isal_zlib.decompressobj(wbits=_GZIP)
        position, parts, size, proven = begin, list[bytes](), 0, False
        while not inflater.eof:
            piece = data[position : position + _STEP]
            if not piece:
                return
            position += len(piece)
            try:
                parts.append(inflater.decompress(piece))
            except _Corrupt:
                return
            size += len(parts[-1])
            if size > _LONG and not inflater.eof:
                if not proven and _member_end(data, begin) is None:
                    return
                proven = True
                text, _, rest = b"".join(parts).rpartition(b"\n")
                yield text, None
                parts, size = [rest], len(rest)
        begin = position - len(inflater.unused_data)
        yield b"".join(parts), begin


def _member_end(data: Bytes, start: int) -> int | None:
    """Return the end of the member at `start`; None if it is cut short or its checksum is wrong."""
    inflater = isal_zlib.decompressobj(wbits=_GZIP)
    position = start
    while position < len(data):
        piece = data[position : position + _STEP]
        position += len(piece)
        try:
            inflater.decompress(piece)
        except _Corrupt:
            return None
        if inflater.eof:
            return position - len(inflater.unused_data)
    return None


def _next_whole(data: bytes, start: int) -> int | None:
    return next((at for at in _places(data, _MAGIC, start + 1) if _member_end(data, at) is not None), None)


def _places(data: bytes, pattern: bytes, start: int) -> Iterator[int]:
    at = data.find(pattern, start)
    while at >= 0:
        yield at
        at = data.find(pattern, at + 1)


def _inflate_cut_short(stretch: bytes) -> bytes | None:
    """Return the text at the start of a member that ends too early; None if it is wrong in another way."""
    inflater = zlib.decompressobj(wbits=_GZIP)
    try:
        return inflater.decompress(stretch)
    except zlib.error:
        return None
