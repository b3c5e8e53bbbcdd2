"""Whole arrays of event records to and from the link's one-record messages: the typed face of `link.kernels`."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from marketlink.errors import WireError
from marketlink.events import Events, empty_events
from marketlink.link.kernels import decode_rows, encode_rows
from marketlink.link.wire import put_text

HEADER_BYTES = 16
TRAILER_BYTES = 16
_MOST_BYTES_A_ROW = 96  # header, five integers of nine bytes, three doubles, trailer, and three to spare


@lru_cache(maxsize=4096)
def feed_head(symbol: str) -> NDArray[np.uint8]:
    """What each row of a symbol's feed begins with; not to be changed."""
    return np.frombuffer(b"\x02" + put_text(symbol), np.uint8)


class FeedEncoder:
    """Encodes feeds into a buffer that it keeps; what it returns holds until the next call."""

    def __init__(self) -> None:
        self._make_room(1 << 14, 1 << 8)

    def _make_room(self, size: int, count: int) -> None:
        self._out, self._offsets = np.empty(size, np.uint8), np.empty(count, np.int64)
        self._address = int(self._out.ctypes.data)

    def encode(self, symbol: str, events: Events, to: int, session: int, first_seq: int) -> tuple[int, list[int]]:
        """Encode each record as a sample: header, message, trailer.

        Returns the address of the first byte and n + 1 offsets: sample i is the bytes from offset i to offset i + 1.
        """
        head, count = feed_head(symbol), len(events)
        most = (_MOST_BYTES_A_ROW + len(head)) * count
        if most > len(self._out) or count >= len(self._offsets):
            self._make_room(2 * most, 2 * count + 1)
        rows = np.ascontiguousarray(events).view(np.uint64).reshape(count, 8)
        numbers = np.uint64(to), np.uint64(session), np.uint64(first_seq)
        encode_rows(head, rows, *numbers, self._out, self._offsets)
        return self._address, self._offsets[: count + 1].tolist()

    def samples(self, symbol: str, events: Events, to: int = 0, session: int = 0, first_seq: int = 0) -> list[bytes]:
        """Encode and copy out."""
        _, offsets = self.encode(symbol, events, to, session, first_seq)
        return [self._out[start:end].tobytes() for start, end in pairwise(offsets)]


def load_kernels() -> None:
    """Compile or load the kernels now: a reader that did so at its first sample would lose what comes meanwhile."""
    decode_feed(FeedEncoder().samples("x", empty_events(1)))


def feed_symbol(sample: bytes) -> str:
    """Return the symbol of a feed sample. Raises WireError."""
    at = HEADER_BYTES
    size = sample[at + 1] if len(sample) > at + 1 else 255
    if sample[at : at + 1] != b"\x02" or size >= 251 or len(sample) < at + 2 + size:
        raise WireError("not a feed of a symbol of up to 250 bytes", 0, sample[at:])
    try:
        return sample[at + 2 : at + 2 + size].decode()
    except UnicodeDecodeError:
        raise WireError("a symbol that is not UTF-8", 2, sample[at:]) from None


def decode_feed(samples: Sequence[bytes]) -> Events:
    """Decode feed samples (header, message, and whatever is behind it) that are all of the first one's symbol. Raises WireError."""
    head = feed_head(feed_symbol(samples[0]))
    offsets = np.zeros(len(samples) + 1, np.int64)
    np.cumsum([len(sample) for sample in samples], out=offsets[1:])
    events = empty_events(len(samples))
    raw = np.frombuffer(b"".join(samples), np.uint8)
    read = decode_rows(raw, offsets, head, events.view(np.uint64).reshape(len(samples), 8))
    if read < len(samples):
        raise WireError("not a feed record, or of another symbol", 0, samples[read][HEADER_BYTES:])
    return events
