"""Lines `<ns> <json>` out of bytes: stamps, keys, numbers, decimals, and values nobody wants.

Whatever is read here is JSON as the exchanges write it: no space between tokens, plain ASCII without escapes, numbers
without exponents. Everything else gives place -1 and is left to a decoder, which knows all of JSON. Importing this module
imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, load_byte, load_word, tight, trailing_zeros
from data_convert.files.number_kernels import EXACT, FIVE, FOUR, MOST_DIGITS, POWERS, eight_digits, read_decimal
from data_convert.messages.columns import Block
from data_convert.recordings.venues.scan_states import FILE, FIRST_ROW, LENGTH, START

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

SPACE, QUOTE, COMMA, MINUS, POINT, COLON = 32, 34, 44, 45, 46, 58
OPEN_LIST, CLOSE_LIST, OPEN, CLOSE, NEWLINE, RETURN = 91, 93, 123, 125, 10, 13
_SMALL_F, _SMALL_N, _SMALL_T = 102, 110, 116
_DEEPEST: Final = 30

_ONES = np.int64(0x0101010101010101)
_HIGHS = np.int64(0x8080808080808080 - (1 << 64))
_QUOTES = np.int64(0x2222222222222222)
_BACKSLASHES = np.int64(0x5C5C5C5C5C5C5C5C)
_SPACES = np.int64(0x2020202020202020)
_TRUE = np.int64(int.from_bytes(b"true", "little"))
_FALSE = np.int64(int.from_bytes(b"false", "little"))
_NULL = np.int64(int.from_bytes(b"null", "little"))
LEVEL = np.int64(int.from_bytes(b'["', "little"))
AND_TEXT = np.int64(int.from_bytes(b',"', "little"))
TWO = np.int64(0xFFFF)
SEVEN = np.int64(0xFFFFFFFFFFFFFF)
_MAX_MS = np.int64(9_223_372_036_854)


class Tables(NamedTuple):
    """Streams and symbols that the decoder has met, and the counts of lines, of messages and of what is left out (`fixed`)."""

    streams: _I64
    symbols: _I64
    texts: _U8
    fixed: _I64
    counts: _I64


def key(text: str) -> np.int64:
    """Return what `read_key` makes of a key of at most seven characters."""
    return np.int64(int.from_bytes(text.encode(), "little"))


@inner
def read_stamp(text: _U8, pos: int) -> np.int64:
    """Return the time that nineteen digits before a space write, -1 for anything else."""
    high = eight_digits(load_word(text, pos))
    low = eight_digits(load_word(text, pos + 8))
    if high < 0 or low < 0 or high >= 90_000_000 or load_byte(text, pos + 19) != SPACE:
        return np.int64(-1)
    value = high * 100_000_000 + low
    for i in range(16, 19):
        digit = load_byte(text, pos + i) - 48
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = value * 10 + digit
    return value


@tight
def read_integer(text: _U8, pos: int) -> tuple[int, np.int64]:
    """Read a JSON integer from 0 to below 9 * 10**18; return (place behind it, value), -1 if there is none."""
    begin = pos
    value = np.int64(0)
    while 48 <= load_byte(text, pos) <= 57 and pos - begin < 20:
        value = value * 10 + (load_byte(text, pos) - 48)
        pos += 1
    digits = pos - begin
    first = load_byte(text, begin)
    if digits == 0 or digits > 19 or (digits > 1 and first == 48) or (digits == 19 and first == 57):
        return -1, np.int64(-1)
    return pos, value


@tight
def read_text_decimal(text: _U8, pos: int) -> tuple[int, float]:
    """Read digits with at most one point up to a quote; return (behind the quote, value), -1 if it is not exact."""
    pos, before, after, mantissa = read_decimal(text, pos)
    if load_byte(text, pos) != QUOTE or not 0 < before + after <= MOST_DIGITS:
        return -1, 0.0
    while mantissa >= EXACT and after > 0 and mantissa % 10 == 0:
        mantissa //= 10
        after -= 1
    if mantissa >= EXACT:
        return -1, 0.0
    return pos + 1, np.float64(mantissa) / POWERS[after]


@tight
def words_end(text: _U8, pos: int) -> int:
    """Return the place of the quote that ends a plain text, -1 if an escape or a byte beyond ASCII is in it."""
    marks = np.int64(0)
    at = np.int64(pos) - 8
    while marks == 0:
        at += 8
        word = load_word(text, at)
        quotes = word ^ _QUOTES
        escapes = word ^ _BACKSLASHES
        marks = ((quotes - _ONES) & ~quotes) | ((escapes - _ONES) & ~escapes) | ((word - _SPACES) & ~word) | word
        marks &= _HIGHS
    # The lowest mark is always right; those above it need not be.
    at += trailing_zeros(marks) >> 3
    return int(at) if load_byte(text, at) == QUOTE else -1


@tight
def read_key(text: _U8, pos: int) -> tuple[int, np.int64]:
    """Read `"key":`; return (place behind it, the key's bytes as a word), 0 for keys of over seven bytes, place -1 if odd."""
    if load_byte(text, pos) != QUOTE:
        return -1, np.int64(0)
    pos += 1
    word = load_word(text, pos)
    end = words_end(text, pos)
    if end < 0 or load_byte(text, end + 1) != COLON:
        return -1, np.int64(0)
    length = end - pos
    if length > 7:
        return end + 2, np.int64(0)
    return end + 2, word & ((np.int64(1) << (8 * length)) - 1)


@inner
def _skip_plain(text: _U8, pos: int) -> int:
    """Return the place behind a text, number or literal that begins at `pos`, -1 if there is none."""
    byte = load_byte(text, pos)
    if byte == QUOTE:
        end = words_end(text, pos + 1)
        return -1 if end < 0 else end + 1
    word = load_word(text, pos)
    if byte in (_SMALL_T, _SMALL_N):
        return pos + 4 if word & FOUR == _TRUE or word & FOUR == _NULL else -1
    if byte == _SMALL_F:
        return pos + 5 if word & FIVE == _FALSE else -1
    if byte == MINUS:
        pos += 1
    pos, _ = read_integer(text, pos)
    if pos >= 0 and load_byte(text, pos) == POINT:
        begin = pos + 1
        pos = begin
        while 48 <= load_byte(text, pos) <= 57:
            pos += 1
        if pos == begin or pos - begin > MOST_DIGITS:
            return -1
    return pos


@inner
def skip_value(text: _U8, pos: int) -> int:
    """Return the place behind the value that begins at `pos`, -1 if it is odd. What follows it is not looked at."""
    byte = load_byte(text, pos)
    if byte != OPEN and byte != OPEN_LIST:
        return _skip_plain(text, pos)
    depth = 0
    objects = np.int64(0)  # one bit a level: whether it is an object
    while True:
        # A value begins at `pos`.
        byte = load_byte(text, pos)
        if byte in (OPEN, OPEN_LIST):
            depth += 1
            if depth > _DEEPEST:
                return -1
            objects = objects << 1 | (1 if byte == OPEN else 0)
            pos += 1
            if load_byte(text, pos) != (CLOSE if byte == OPEN else CLOSE_LIST):
                if byte == OPEN:
                    pos, _ = read_key(text, pos)
                    if pos < 0:
                        return -1
                continue
        else:
            pos = _skip_plain(text, pos)
            if pos < 0:
                return -1
        # Something ends or goes on.
        while True:
            byte = load_byte(text, pos)
            if byte == COMMA:
                pos += 1
                if objects & 1:
                    pos, _ = read_key(text, pos)
                    if pos < 0:
                        return -1
                break
            if byte != (CLOSE if objects & 1 else CLOSE_LIST):
                return -1
            pos += 1
            objects >>= 1
            depth -= 1
            if depth == 0:
                return pos


@inner
def read_levels(text: _U8, pos: int, begin: int, px: _F64, qty: _F64) -> tuple[int, int]:
    """Read `[["price","quantity"],...]` into places from `begin` on; return (behind the list, next place), -1 if odd or full."""
    if load_byte(text, pos) != OPEN_LIST:
        return -1, begin
    pos += 1
    at = begin
    if load_byte(text, pos) == CLOSE_LIST:
        return pos + 1, at
    while True:
        if at >= len(px) or load_word(text, pos) & TWO != LEVEL:
            return -1, at
        pos, price = read_text_decimal(text, pos + 2)
        if pos < 0 or not price > 0.0 or load_word(text, pos) & TWO != AND_TEXT:
            return -1, at
        pos, quantity = read_text_decimal(text, pos + 2)
        if pos < 0 or load_byte(text, pos) != CLOSE_LIST:
            return -1, at
        px[at] = price
        qty[at] = quantity
        at += 1
        pos += 2
        if load_byte(text, pos - 1) != COMMA:
            return (pos if load_byte(text, pos - 1) == CLOSE_LIST else -1), at


@inner
def millis_ns(value: np.int64) -> np.int64:
    """Convert ms since the epoch to ns; -1 for what is no time in ms."""
    return value * 1_000_000 if 0 <= value <= _MAX_MS else np.int64(-1)


@inner
def find_text(text: _U8, pos: int, length: int, table: _I64, texts: _U8) -> int:
    """Return the row of a table that has the text at `pos`, -1 if none has. PADDING of `texts` can be read."""
    for row in range(len(table)):
        if table[row, LENGTH] != length:
            continue
        at = table[row, START]
        left = length
        here = pos
        while left >= 8 and load_word(text, here) == load_word(texts, at):
            at += 8
            here += 8
            left -= 8
        if left < 8 and (left == 0 or (load_word(text, here) ^ load_word(texts, at)) << (64 - 8 * left) == 0):
            return row
    return -1


@inner
def read_known(text: _U8, pos: int, table: _I64, texts: _U8) -> tuple[int, int]:
    """Read a quoted text that a table has; return (place behind it, its row), place -1 if it is none of them."""
    end = words_end(text, pos + 1) if load_byte(text, pos) == QUOTE else -1
    if end < 0:
        return -1, -1
    row = find_text(text, pos + 1, end - pos - 1, table, texts)
    return (end + 1 if row >= 0 else -1), row


@inner
def place_message(out: Block, message: int, line: int, local: np.int64, begin: int, end: int, state: _I64) -> None:
    """Write what every message of these kernels has: its place, its local time, no first and previous id, its rows."""
    out.ints[message, 0] = state[FILE]
    out.ints[message, 1] = line
    out.ints[message, 2] = local
    out.ints[message, 4] = -1
    out.ints[message, 6] = -1
    out.ints[message, 7] = state[FIRST_ROW] + begin
    out.ints[message, 8] = state[FIRST_ROW] + end


@inner
def line_ends(text: _U8, pos: int) -> int:
    """Return the place behind a line's end that stands at `pos`, -1 if none does."""
    if load_byte(text, pos) == RETURN:
        pos += 1
    return pos + 1 if load_byte(text, pos) == NEWLINE else -1
