"""Recordings written as the recorder writes them: gzip members, each of whole lines."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from typing import Final

MEMBER_BYTES: Final = 1 << 20


def pack(lines: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Yield gzip members, each of whole lines; equal lines give equal bytes."""
    held, size = [], 0
    for stamp, payload in lines:
        held.append(b"%d %s\n" % (stamp, payload))
        size += len(held[-1])
        if size >= MEMBER_BYTES:
            yield gzip.compress(b"".join(held), 6, mtime=0)
            held, size = [], 0
    if held:
        yield gzip.compress(b"".join(held), 6, mtime=0)
