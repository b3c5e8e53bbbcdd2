"""Lines `<ns> <json>` that follow known templates, out of bytes into the columns of messages.

A template is a small program: texts that stand in every line of one stream, and what is read between them. What it means
was decided by whoever made it (`binance_scan`). The first line that no template fits ends the call; so does one with a
number that is not exact here: an integer of over 18 digits, a decimal that is no integer below 2**53 over a power of ten.
The caller decodes such a line by `binance.DirectDecoder`, which is the slow twin as well.

Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit, load_byte, load_word
from data_convert.files.number_kernels import (
    EXACT,
    FIVE,
    FOUR,
    MOST_DIGITS,
    POWERS,
    eight_digits,
    nanoseconds,
    read_decimal,
)
from data_convert.messages.columns import Block
from data_convert.recordings.venues.binance_template import (
    BEFORE_FIRST,
    DECIMAL,
    FLAG,
    LEVELS,
    NONE,
    NUMBER,
    OTHER,
    QUOTE,
    TRADE,
    WORDS,
)

_I64 = npt.NDArray[np.int64]
_I32 = npt.NDArray[np.int32]
_U32 = npt.NDArray[np.uint32]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

# Places in `state`: where the text is read, what was written.
POS, LINE, MESSAGES, ROWS, FILE, FIRST_ROW, QUOTES = range(7)
STATE_WORDS: Final = 7

# Words of a step of a program: place and length of its text, what is read behind that, and its value.
TEXT_AT, TEXT_LEN, OPERATION, VALUE = range(4)
STEP_WORDS: Final = 4

# Columns of `templates`. EXCH, FIRST, LAST, PREV and SELLER are registers.
NEXT, BEGIN, END, KIND, SYMBOL, EXCH, FIRST, LAST, PREV, SELLER, HITS = range(11)
TEMPLATE_WORDS: Final = 11
SLOTS: Final = 8192
TEXTS_PADDING: Final = 8

_MIX = np.int64(0x1F58476D1CE4E5B9)
_BOUGHT = np.uint32(2 | 1 << 29)
_SOLD = np.uint32(2 | 1 << 28)
_SPACE, _QUOTE, _COMMA, _POINT, _CLOSE, _BACKSLASH, _NEWLINE, _RETURN = 32, 34, 44, 46, 93, 92, 10, 13

# Text as words of eight bytes, the first byte lowest.
_LEVEL = np.int64(int.from_bytes(b'["', "little"))
_AND_TEXT = np.int64(int.from_bytes(b',"', "little"))
_TRUE = np.int64(int.from_bytes(b"true", "little"))
_FALSE = np.int64(int.from_bytes(b"false", "little"))
_TWO = np.int64(0xFFFF)


def slot_of(first: bytes) -> int:
    """Return the slot of lines whose JSON has these sixteen bytes behind its first eleven."""
    hashed = int.from_bytes(first[:8], "little") * 31 + int.from_bytes(first[8:16], "little")
    return (hashed * int(_MIX) >> 40) & (SLOTS - 1)


@inner
def _stamp(text: _U8, pos: int) -> np.int64:
    """Return the time that nineteen digits before a space write, -1 for anything else."""
    high = eight_digits(load_word(text, pos))
    low = eight_digits(load_word(text, pos + 8))
    if high < 0 or low < 0 or high >= 90_000_000 or load_byte(text, pos + 19) != _SPACE:
        return np.int64(-1)
    value = high * 100_000_000 + low
    for i in range(16, 19):
        digit = load_byte(text, pos + i) - 48
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = value * 10 + digit
    return value


@inner
def _number(text: _U8, pos: int, numbers: _I64, register: int) -> int:
    """Read a JSON integer of at most 18 digits into a register; return the place behind it, -1 if there is none."""
    begin = pos
    value = np.int64(0)
    while 48 <= load_byte(text, pos) <= 57 and pos - begin < 19:
        value = value * 10 + (load_byte(text, pos) - 48)
        pos += 1
    numbers[register] = value
    if pos == begin or pos - begin > 18 or (pos - begin > 1 and load_byte(text, begin) == 48):
        return -1
    return pos


@inner
def _decimal(text: _U8, pos: int) -> tuple[int, float]:
    """Read digits with at most one point up to a quote; return (behind the quote, value), -1 if it is not exact."""
    pos, before, after, mantissa = read_decimal(text, pos)
    if load_byte(text, pos) != _QUOTE or not 0 < before + after <= MOST_DIGITS:
        return -1, 0.0
    while mantissa >= EXACT and after > 0 and mantissa % 10 == 0:
        mantissa //= 10
        after -= 1
    if mantissa >= EXACT:
        return -1, 0.0
    return pos + 1, np.float64(mantissa) / POWERS[after]


@inner
def _levels(text: _U8, pos: int, side: int, row: int, ev: _U32, px: _F64, qty: _F64) -> tuple[int, int]:
    """Read `["price","quantity"],...]` into rows from `row` on; return (behind the list, next row), -1 if it is odd."""
    if load_byte(text, pos) == _CLOSE:
        return pos + 1, row
    while True:
        if load_word(text, pos) & _TWO != _LEVEL:
            return -1, row
        pos, price = _decimal(text, pos + 2)
        if pos < 0 or not price > 0.0 or load_word(text, pos) & _TWO != _AND_TEXT:
            return -1, row
        pos, quantity = _decimal(text, pos + 2)
        if pos < 0 or load_byte(text, pos) != _CLOSE:
            return -1, row
        ev[row] = side
        px[row] = price
        qty[row] = quantity
        row += 1
        pos += 2
        if load_byte(text, pos - 1) != _COMMA:
            return (pos if load_byte(text, pos - 1) == _CLOSE else -1), row


@inner
def _same_end(text: _U8, pos: int, texts: _U8, at: int, length: int) -> int:
    """Return the place behind texts[at:at + length] where it stands at `pos`, else -1; TEXTS_PADDING can be read."""
    while length >= 8:
        if load_word(text, pos) != load_word(texts, at):
            return -1
        pos += 8
        at += 8
        length -= 8
    if length > 0 and (load_word(text, pos) ^ load_word(texts, at)) << (64 - 8 * length) != 0:
        return -1
    return pos + length


@inner
def _words_end(text: _U8, pos: int) -> int:
    """Return the place of the quote that ends a plain text, -1 if an escape or a byte beyond ASCII is in it."""
    while True:
        byte = load_byte(text, pos)
        if byte == _QUOTE:
            return pos
        if byte < _SPACE or byte > 126 or byte == _BACKSLASH:
            return -1
        pos += 1


class Rules(NamedTuple):
    """What lines are read by: `slots` has by hash the first of the templates that are linked by NEXT, -1 where there is none.

    HITS of `templates` are counted; `program` has their steps, `texts` the texts of all programs.
    """

    slots: _I32
    templates: _I64
    program: _I64
    texts: _U8


class Registers(NamedTuple):
    """What was read of a line."""

    numbers: _I64
    decimals: _F64


@jit
def scan_lines(text: _U8, stop: int, rules: Rules, registers: Registers, state: _I64, out: Block) -> bool:
    """Take whole lines of text[state[POS]:stop] up to the first odd one; tell whether all of them were taken.

    32 more bytes of `text` can be read. An odd line stays unread at state[POS] and leaves nothing behind. Messages are
    written from state[MESSAGES] on, rows, counted from state[FIRST_ROW], from state[ROWS] on, quotes from state[QUOTES] on.
    """
    slots, templates, program, texts = rules
    numbers, decimals = registers
    what, symbol, ints, ev, px, qty, quotes = out
    quote_prices = quotes.view(np.float64)
    pos = state[POS]
    line = state[LINE]
    message = state[MESSAGES]
    row = state[ROWS]
    quote = state[QUOTES]
    numbers[NONE] = -1
    while pos < stop:
        local = _stamp(text, pos)
        if local < 0:
            break
        hashed = (load_word(text, pos + 31) * 31 + load_word(text, pos + 39)) * _MIX
        template = np.int64(slots[(hashed >> 40) & (SLOTS - 1)])
        at = pos
        end_row = row
        while template >= 0:
            at = pos + 20
            end_row = row
            for i in range(templates[template, BEGIN], templates[template, END]):
                at = _same_end(text, at, texts, program[i, TEXT_AT], program[i, TEXT_LEN])
                if at < 0:
                    break
                operation = program[i, OPERATION]
                value = program[i, VALUE]
                if operation == NUMBER:
                    at = _number(text, at, numbers, value)
                elif operation == WORDS:
                    at = _words_end(text, at)
                elif operation == LEVELS:
                    at, after = _levels(text, at, value, end_row, ev, px, qty)
                    if value > 0:
                        end_row = after
                elif operation == DECIMAL:
                    at, decimals[value] = _decimal(text, at)
                elif operation == FLAG:
                    numbers[value] = load_word(text, at) & FOUR == _TRUE
                    if numbers[value] == 0 and load_word(text, at) & FIVE != _FALSE:
                        at = -6
                    at += 5 - numbers[value]
                if at < 0:
                    break
            if at >= 0 and load_byte(text, at) == _RETURN:
                at += 1
            if at >= 0 and load_byte(text, at) == _NEWLINE:
                break
            template = templates[template, NEXT]
        if template < 0:
            break
        kind = templates[template, KIND]
        if kind == QUOTE:
            quotes[quote, 0] = templates[template, SYMBOL]
            quotes[quote, 1] = state[FILE]
            quotes[quote, 2] = line + 1
            quotes[quote, 3] = local
            quotes[quote, 4] = numbers[templates[template, LAST]]
            quote_prices[quote, 5] = decimals[0]
            quote_prices[quote, 6] = decimals[1]
            quote += 1
        elif kind != OTHER:
            exch = nanoseconds(numbers[templates[template, EXCH]])
            if exch < 0 or (kind == TRADE and not (decimals[0] > 0.0 and decimals[1] > 0.0)):
                break
            first = numbers[templates[template, FIRST]]
            previous = numbers[templates[template, PREV]]
            what[message] = 0
            if kind == BEFORE_FIRST:
                previous = max(first - 1, np.int64(0))
            elif kind == TRADE:
                what[message] = 2
                ev[row] = _SOLD if numbers[templates[template, SELLER]] else _BOUGHT
                px[row] = decimals[0]
                qty[row] = decimals[1]
                end_row = row + 1
            symbol[message] = templates[template, SYMBOL]
            ints[message, 0] = state[FILE]
            ints[message, 1] = line + 1
            ints[message, 2] = local
            ints[message, 3] = exch
            ints[message, 4] = first
            ints[message, 5] = numbers[templates[template, LAST]]
            ints[message, 6] = previous
            ints[message, 7] = state[FIRST_ROW] + row
            ints[message, 8] = state[FIRST_ROW] + end_row
            message += 1
            row = end_row
        templates[template, HITS] += 1
        line += 1
        pos = at + 1
    state[POS] = pos
    state[LINE] = line
    state[MESSAGES] = message
    state[ROWS] = row
    state[QUOTES] = quote
    whole: bool = pos >= stop
    return whole
