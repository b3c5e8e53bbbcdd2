"""Numbers out of the bytes of a text, eight digits at a time: the parts that kernels of every format share.

Text is loaded in words of eight bytes, the first byte lowest; 8 more bytes than the number must be there to be read.
Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, load_byte, load_word, trailing_zeros

_U8 = npt.NDArray[np.uint8]

POWERS = np.array([10.0**i for i in range(23)])
EXACT = np.int64(1) << 53
"""Integers below it are floats, and over a power of ten the nearest float of that decimal."""
MOST_DIGITS = 18
FOUR = np.int64(0xFFFFFFFF)
"""Masks of the lowest four, five, ... bytes of a word."""
FIVE = np.int64(0xFFFFFFFFFF)
SIX = np.int64(0xFFFFFFFFFFFF)

_MAX_MS = np.int64(9_223_372_036_854)
_FIRST_US = np.int64(100_000_000_000_000)
_MAX_US = np.int64(9_223_372_036_854_775)
_POINT = 46
_WHOLE_POWERS = np.array([10**i for i in range(8)])
_ZEROS = np.int64(0x3030303030303030)
_ABOVE_NINE = np.int64(0x7676767676767676)
_HIGH_BITS = np.int64(0x8080808080808080 - (1 << 64))
_BYTES = np.int64(0x00FF00FF00FF00FF)
_PAIRS = np.int64(0x0000FFFF0000FFFF)


@inner
def eight_digits(word: np.int64) -> np.int64:
    """Return the number that eight digits write, negative if they are none."""
    digits = word ^ _ZEROS
    if ((digits + _ABOVE_NINE) | digits) & _HIGH_BITS:
        return np.int64(-1)
    pairs = (digits * 2561 >> 8) & _BYTES
    fours = (pairs * 6553601 >> 16) & _PAIRS
    return (fours * 42949672960001 >> 32) & FOUR


@inner
def _digits(word: np.int64, count: int) -> np.int64:
    """Return the number that the lowest `count` (under 8) bytes write; they are digits without their 0x30."""
    # Two shifts, for one by 64 bits is undefined.
    digits = word << (56 - 8 * count) << 8
    pairs = (digits * 2561 >> 8) & _BYTES
    fours = (pairs * 6553601 >> 16) & _PAIRS
    return (fours * 42949672960001 >> 32) & FOUR


@inner
def read_decimal(text: _U8, pos: int) -> tuple[int, int, int, np.int64]:
    """Read digits with at most one point; return (place behind, digits before the point, digits behind it, all as one integer).

    The integer is right up to MOST_DIGITS digits.
    """
    # A whole part and a fraction of at most seven digits: each is one word, moved up so that zeros lead.
    field = pos
    word = load_word(text, pos) ^ _ZEROS
    before = trailing_zeros(((word + _ABOVE_NINE) | word) & _HIGH_BITS) >> 3
    pos += before
    mantissa = np.int64(0)
    after = 0
    if before < 8:
        mantissa = _digits(word, before)
    else:
        while 48 <= load_byte(text, pos) <= 57:
            pos += 1
        before = pos - field
        for at in range(field, pos):
            mantissa = mantissa * 10 + (load_byte(text, at) - 48)
    if load_byte(text, pos) == _POINT:
        pos += 1
        word = load_word(text, pos) ^ _ZEROS
        after = trailing_zeros(((word + _ABOVE_NINE) | word) & _HIGH_BITS) >> 3
        if after < 8:
            mantissa = mantissa * _WHOLE_POWERS[after] + _digits(word, after)
            pos += after
        else:
            point = pos
            while 48 <= load_byte(text, pos) <= 57:
                mantissa = mantissa * 10 + (load_byte(text, pos) - 48)
                pos += 1
            after = pos - point
    return pos, before, after, mantissa


@inner
def is_exact(before: int, after: int, mantissa: np.int64) -> bool:
    """Tell whether a decimal of so many digits is `mantissa / POWERS[after]`, to the last bit."""
    return bool(0 < before + after <= MOST_DIGITS and mantissa < EXACT)


@inner
def nanoseconds(value: np.int64) -> np.int64:
    """Convert ms or µs since the epoch, told by their size, to ns; -1 for what is neither."""
    if value <= _MAX_MS:
        return value * 1_000_000
    if _FIRST_US <= value <= _MAX_US:
        return value * 1_000
    return np.int64(-1)
