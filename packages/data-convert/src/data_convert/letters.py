"""Bytes and short texts as numbers, for kernels that compare words of eight bytes, the first byte lowest."""

from __future__ import annotations

import numpy as np

PLUS, COMMA, MINUS, POINT, NEWLINE, RETURN = 43, 44, 45, 46, 10, 13
SPACE, QUOTE, CLOSE, BACKSLASH = 32, 34, 93, 92
SMALL = 32
"""The bit that makes a letter a small one."""
SMALL_E = 101


def packed(text: bytes) -> np.int64:
    """Return a text of at most seven bytes as the number that its bytes are."""
    return np.int64(int.from_bytes(text, "little"))


def lower(count: int) -> np.int64:
    """Return the bits that make `count` letters small ones."""
    return packed(b" " * count)
