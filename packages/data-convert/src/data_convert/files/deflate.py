"""Raw deflate in independent blocks, packed in threads and joined into one stream; CRC-32 of the whole from the parts.

A block ends with a full flush, so the next one needs nothing of it and any of them may be packed first (RFC 1951
section 3.2). The stream ends with an empty final block.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Final, Literal, Protocol

from isal import isal_zlib
from zlib_ng import zlib_ng

Compress = Literal["fast", "default", "small", "none"]
COMPRESSIONS: Final = ("fast", "default", "small", "none")

_CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS: Final = min(max(_CORES, 2), 6)
"""Six are as fast as one thread can hand them blocks; each holds another 5 MB."""
IN_FLIGHT: Final = THREADS + 2
LAST_BLOCK: Final = b"\x03\x00"
_RAW_DEFLATE: Final = -15
_MEMORY_LEVEL: Final = 9
_POLYNOMIAL: Final = 0xEDB88320


class _Compressor(Protocol):
    def compress(self, data: memoryview, /) -> bytes: ...

    def flush(self, mode: int, /) -> bytes: ...


Packed = tuple[bytes, int, int]
"""Packed bytes, CRC-32 and length of what was packed."""


def compressor(compress: Compress) -> Callable[[], _Compressor] | None:
    """Return what makes a block's compressor: isal level 1, zlib-ng 5 or zlib-ng 8; None for no compression."""
    match compress:
        case "fast":
            return lambda: isal_zlib.compressobj(1, isal_zlib.DEFLATED, _RAW_DEFLATE)
        case "default":
            return lambda: zlib_ng.compressobj(5, zlib_ng.DEFLATED, _RAW_DEFLATE, _MEMORY_LEVEL)
        case "small":
            return lambda: zlib_ng.compressobj(8, zlib_ng.DEFLATED, _RAW_DEFLATE, _MEMORY_LEVEL)
        case "none":
            return None


def stored_block(data: bytes) -> bytes:
    """Return `data` (under 64 KiB) as a deflate block that is not compressed and not the last."""
    return struct.pack("<BHH", 0, len(data), len(data) ^ 0xFFFF) + data


class BlockPacker:
    """Packs blocks in threads; gives them back in the order they came in. At most IN_FLIGHT are held."""

    def __init__(self, make: Callable[[], _Compressor] | None) -> None:
        self._make = make
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="deflate")
        self._waiting: deque[Future[Packed]] = deque()

    def put(self, block: memoryview) -> Iterator[Packed]:
        """Take a block, which must not change until it is given back; yield what is due."""
        while len(self._waiting) >= IN_FLIGHT:
            yield self._waiting.popleft().result()
        self._waiting.append(self._threads.submit(self._pack, block))

    def drain(self) -> Iterator[Packed]:
        """Yield what is left."""
        while self._waiting:
            yield self._waiting.popleft().result()

    def close(self) -> None:
        """End the threads; what is not yet packed is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _pack(self, block: memoryview) -> Packed:
        crc = isal_zlib.crc32(block)
        if self._make is None:
            return bytes(block), crc, len(block)
        made = self._make()
        return made.compress(block) + made.flush(zlib.Z_FULL_FLUSH), crc, len(block)


def combine_crc32(first: int, second: int, second_length: int) -> int:
    """Return the CRC-32 of two byte strings joined, from theirs and the length of the second.

    The first is moved on by multiplying with x^(8 length) modulo the polynomial (as in zlib's crc32_combine).
    """
    return _multiply(_power(8 * second_length), first) ^ second


def _multiply(left: int, right: int) -> int:
    """Multiply modulo the CRC's polynomial; the highest bit is the coefficient of x^0."""
    product = 0
    for bit in range(31, -1, -1):
        if left >> bit & 1:
            product ^= right
        right = right >> 1 ^ (_POLYNOMIAL if right & 1 else 0)
    return product


@lru_cache(maxsize=8)
def _power(exponent: int) -> int:
    """Return x^exponent modulo the polynomial; all blocks but the last are of one length."""
    result, square = 1 << 31, 1 << 30
    while exponent:
        if exponent & 1:
            result = _multiply(square, result)
        square = _multiply(square, square)
        exponent >>= 1
    return result
