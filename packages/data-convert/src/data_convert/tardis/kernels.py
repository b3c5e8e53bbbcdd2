"""Tardis CSV bytes straight into 64-byte records. Slow twin: tests/data_convert/support/tardis_naive.py.

Rows are eight 8-byte words (data_convert.events), integers or floats.
Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit, load_byte, load_word
from data_convert.files.number_kernels import FIVE, FOUR, MOST_DIGITS, POWERS, SIX, eight_digits, is_exact, read_decimal
from data_convert.tardis.states import (
    BAD,
    DONE,
    DROPPED,
    EMPTY,
    FULL,
    IGNORE,
    IGNORE_SOD,
    LINE,
    OTHER,
    OTHERS,
    POS,
    SLOW,
    SMALLEST,
    SMALLEST_LINE,
    SNAPSHOTS,
    SOD,
    STATUS,
)

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

_MAX_US = np.int64((1 << 63) - 1) // 1000
INTEGER_DIGITS = 200  # with an exponent of two digits no number is infinite
_COMMA, _NEWLINE, _RETURN, _POINT = 44, 10, 13, 46
_TRADE, _DEPTH, _SNAPSHOT = 2, 1, 4
_BUY = np.int64(1) << 29
_SELL = np.int64(1) << 28

# Text as words of eight bytes, the first byte lowest.
_LOWER_FIVE = np.int64(0x2020202020)
_LOWER_FOUR = np.int64(0x20202020)
_FALSE = np.int64(int.from_bytes(b"false,", "little"))
_TRUE = np.int64(int.from_bytes(b"true,", "little"))
_IS_BUY = np.int64(int.from_bytes(b"buy,", "little"))
_IS_SELL = np.int64(int.from_bytes(b"sell,", "little"))
_IS_BID = np.int64(int.from_bytes(b"bid,", "little"))
_IS_ASK = np.int64(int.from_bytes(b"ask,", "little"))

_TIMES_WIDTH = 34
"""Two times of 16 digits, each with its comma."""
_TIMES_AT = (8, 16, 24, 26)


@inner
def begins_with(text: _U8, pos: int, stop: int, prefix: _I64) -> bool:
    """Tell whether the line at `pos` begins with a text: its length, then pairs of word and mask."""
    if pos + prefix[0] >= stop:
        return False
    differs = np.int64(0)
    for i in range(1, len(prefix), 2):
        differs |= (load_word(text, pos) ^ prefix[i]) & prefix[i + 1]
        pos += 8
    return bool(differs == 0)


@inner
def pass_over(text: _U8, pos: int, skip_others: bool, state: _I64) -> int:
    """Return the place behind a line of another instrument, or a blank one, counted; -1 before one that must be told."""
    blank = load_byte(text, pos) == _NEWLINE or (
        load_byte(text, pos) == _RETURN and load_byte(text, pos + 1) == _NEWLINE
    )
    if not blank and not skip_others:
        state[STATUS] = OTHER
        return -1
    while load_byte(text, pos) != _NEWLINE:
        pos += 1
    state[EMPTY if blank else OTHERS] += 1
    return pos + 1


@jit
def parse_rows(
    text: _U8,
    stop: int,
    is_depth: bool,
    mode: int,
    skip_others: bool,
    prefix: _I64,
    words: _I64,
    slow: _I64,
    state: _I64,
) -> int:
    """Parse whole lines of text[state[POS]:stop] (the last one ends in a newline) into rows; return how many.

    `text` has PADDING more bytes. `prefix`: `exchange,symbol,` of the rows wanted, its length, then pairs of word
    and mask. A number that cannot be converted exactly here is entered in `slow` (row, word, first and last byte).
    Ends early, with state[STATUS] saying why, when an array is full, before a line that is no row, and before a row
    that has another prefix if `skip_others` is false.
    """
    floats = words.view(np.float64)
    pos = state[POS]
    line = state[LINE]
    sod = state[SOD]
    n = 0
    n_slow = 0
    width = prefix[0]
    capacity = len(words)
    smallest = state[SMALLEST]
    times = np.int64(-1)
    exch = np.int64(0)
    local = np.int64(0)
    state[STATUS] = DONE
    while pos < stop:
        if n >= capacity or n_slow + 2 > len(slow):
            state[STATUS] = FULL
            break
        start = pos
        if not begins_with(text, pos, stop, prefix):
            behind = pass_over(text, pos, skip_others, state)
            if behind < 0:
                break
            pos = behind
            line += 1
            continue
        pos = start + width
        good = True
        same = False
        if times >= 0:
            # All rows of a message have the same times; text that is equal need not be read again.
            differs = load_word(text, pos) ^ load_word(text, times)
            for i in _TIMES_AT:
                differs |= load_word(text, pos + i) ^ load_word(text, times + i)
            same = differs == 0
        times = pos
        if same:
            pos += _TIMES_WIDTH
        else:
            for _ in range(2):
                field = pos
                value = np.int64(-1)
                if load_byte(text, pos + 16) == _COMMA:
                    high = eight_digits(load_word(text, pos))
                    low = eight_digits(load_word(text, pos + 8))
                    if high >= 0 and low >= 0:
                        value = high * 100000000 + low
                        pos += 16
                if value < 0:
                    value = np.int64(0)
                    while 48 <= load_byte(text, pos) <= 57:
                        if value <= _MAX_US:
                            value = value * 10 + (load_byte(text, pos) - 48)
                        pos += 1
                good = bool(good and value <= _MAX_US and load_byte(text, pos) == _COMMA and pos > field)
                pos += 1 if good else 0
                exch = local
                local = value * 1000
            if not good or pos - times != _TIMES_WIDTH:
                times = np.int64(-1)
        event = np.int64(_TRADE)
        if is_depth:
            # The case of letters does not matter: other writers of CSV say True.
            word = load_word(text, pos)
            event = np.int64(_DEPTH)
            if (word | _LOWER_FIVE) & SIX == _FALSE:
                pos += 6
            elif (word | _LOWER_FOUR) & FIVE == _TRUE:
                event = np.int64(_SNAPSHOT)
                pos += 5
            else:
                good = False
        else:
            while load_byte(text, pos) != _COMMA and load_byte(text, pos) != _NEWLINE:
                pos += 1
            good = good and load_byte(text, pos) == _COMMA
            pos += 1 if good else 0
        word = load_word(text, pos)
        four = word & FOUR
        if four == _IS_BUY or (is_depth and four == _IS_BID):
            event |= _BUY
            pos += 4
        elif is_depth and four == _IS_ASK:
            event |= _SELL
            pos += 4
        elif word & FIVE == _IS_SELL:
            event |= _SELL
            pos += 5
        else:
            good = False
        first_slow = n_slow
        end = _COMMA
        for column in range(3, 5):
            if not good:
                break
            field = pos
            pos, before, after, mantissa = read_decimal(text, pos)
            digits = before + after
            if load_byte(text, pos) == end and is_exact(before, after, mantissa):
                floats[n, column] = np.float64(mantissa) / POWERS[after]
            else:
                # An exponent or many digits: converted by the caller. What is no number at all is found here.
                good = bool(digits > 0 and before <= INTEGER_DIGITS)
                if (load_byte(text, pos) | 32) == 101:
                    pos += 1
                    if load_byte(text, pos) == 43 or load_byte(text, pos) == 45:
                        pos += 1
                    power = pos
                    while 48 <= load_byte(text, pos) <= 57:
                        pos += 1
                    good = good and 0 < pos - power < 3
                slow[n_slow, 0] = n
                slow[n_slow, 1] = column
                slow[n_slow, 2] = field
                slow[n_slow, 3] = pos
                n_slow += 1
                if end == _NEWLINE and load_byte(text, pos) == _RETURN:
                    pos += 1
                good = good and load_byte(text, pos) == end
            if column == 3 and (mantissa == 0 or digits > MOST_DIGITS):
                # A price of 0 is none, however it is written.
                any_digit = False
                for at in range(field, pos):
                    byte = load_byte(text, at)
                    if (byte | 32) == 101:
                        break
                    any_digit = bool(any_digit or 48 < byte <= 57)
                good = good and any_digit
            pos += 1
            end = _NEWLINE
        if not good:
            # What is wrong with a row, the caller finds out.
            pos = start
            n_slow = first_slow
            state[STATUS] = BAD
            break
        line += 1
        snapshot = event & 0xFF == _SNAPSHOT
        if snapshot and (mode == IGNORE or (mode == IGNORE_SOD and sod == 1)):
            state[DROPPED] += 1
            n_slow = first_slow
            continue
        if snapshot:
            state[SNAPSHOTS] += 1
        else:
            sod = 0
        words[n, 0] = event
        words[n, 1] = exch
        words[n, 2] = local
        words[n, 5] = line
        words[n, 6] = 0
        words[n, 7] = 0
        if local - exch < smallest:
            smallest = local - exch
            state[SMALLEST_LINE] = line
        n += 1
    state[POS] = pos
    state[LINE] = line
    state[SOD] = sod
    state[SLOW] = n_slow
    state[SMALLEST] = smallest
    return n
