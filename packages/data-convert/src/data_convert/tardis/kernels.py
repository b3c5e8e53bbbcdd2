"""Tardis CSV bytes straight into 64-byte records. Slow twin: tests/data_convert/support/tardis_naive.py.

Rows are eight 8-byte words (data_convert.events), given once as int64 and once as float64 over the same memory.
Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit, load_byte, load_word, trailing_zeros

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

# Places in `state`, which a caller keeps from one call to the next.
POS, LINE, SOD, SLOW, SNAPSHOTS, DROPPED, OTHERS, EMPTY, SMALLEST, SMALLEST_LINE, STATUS = range(11)
STATE_WORDS: Final = 11
PADDING: Final = 32
# Why a call ended: text used up, an array full, a row of another instrument, a row that is none.
DONE, FULL, OTHER, BAD = range(4)
# Modes
PROCESS, IGNORE_SOD, IGNORE = range(3)

_POWERS = np.array([10.0**i for i in range(23)])
_WHOLE_POWERS = np.array([10**i for i in range(8)])
_EXACT = np.int64(1) << 53
_MAX_US = np.int64((1 << 63) - 1) // 1000
_INTEGER_DIGITS = 200  # with an exponent of two digits no number is infinite
_COMMA, _NEWLINE, _RETURN, _POINT = 44, 10, 13, 46
_TRADE, _DEPTH, _SNAPSHOT = 2, 1, 4
_BUY = np.int64(1) << 29
_SELL = np.int64(1) << 28

# Text as words of eight bytes, the first byte lowest.
_FOUR = np.int64(0xFFFFFFFF)
_FIVE = np.int64(0xFFFFFFFFFF)
_SIX = np.int64(0xFFFFFFFFFFFF)
_LOWER_FIVE = np.int64(0x2020202020)
_LOWER_FOUR = np.int64(0x20202020)
_FALSE = np.int64(int.from_bytes(b"false,", "little"))
_TRUE = np.int64(int.from_bytes(b"true,", "little"))
_IS_BUY = np.int64(int.from_bytes(b"buy,", "little"))
_IS_SELL = np.int64(int.from_bytes(b"sell,", "little"))
_IS_BID = np.int64(int.from_bytes(b"bid,", "little"))
_IS_ASK = np.int64(int.from_bytes(b"ask,", "little"))
_ZEROS = np.int64(0x3030303030303030)
_ABOVE_NINE = np.int64(0x7676767676767676)
_HIGH_BITS = np.int64(0x8080808080808080 - (1 << 64))
_BYTES = np.int64(0x00FF00FF00FF00FF)
_PAIRS = np.int64(0x0000FFFF0000FFFF)

_TIMES_WIDTH = 34
"""Two times of 16 digits, each with its comma."""
_TIMES_AT = (8, 16, 24, 26)


@jit
def _eight_digits(word: np.int64) -> np.int64:
    """Return the number that eight digits write, negative if they are none."""
    digits = word ^ _ZEROS
    if ((digits + _ABOVE_NINE) | digits) & _HIGH_BITS:
        return np.int64(-1)
    pairs = (digits * 2561 >> 8) & _BYTES
    fours = (pairs * 6553601 >> 16) & _PAIRS
    return (fours * 42949672960001 >> 32) & _FOUR


@jit
def _digits(word: np.int64, count: np.int64) -> np.int64:
    """Return the number that the lowest `count` (under 8) bytes write; they are digits without their 0x30."""
    # Two shifts, for one by 64 bits is undefined.
    digits = word << (56 - 8 * count) << 8
    pairs = (digits * 2561 >> 8) & _BYTES
    fours = (pairs * 6553601 >> 16) & _PAIRS
    return (fours * 42949672960001 >> 32) & _FOUR


@jit
def parse_rows(
    text: _U8,
    stop: int,
    is_depth: bool,
    mode: int,
    skip_others: bool,
    prefix: _I64,
    words: _I64,
    floats: _F64,
    slow: _I64,
    state: _I64,
) -> int:
    """Parse whole lines of text[state[POS]:stop] (the last one ends in a newline) into rows; return how many.

    `text` has PADDING more bytes. `prefix`: `exchange,symbol,` of the rows wanted, its length, then pairs of word
    and mask. A number that cannot be converted exactly here is entered in `slow` (row, word, first and last byte).
    Ends early, with state[STATUS] saying why, when an array is full, before a line that is no row, and before a row
    that has another prefix if `skip_others` is false.
    """
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
        differs = np.int64(1)
        if start + width < stop:
            differs = np.int64(0)
            for i in range(1, len(prefix), 2):
                differs |= (load_word(text, pos) ^ prefix[i]) & prefix[i + 1]
                pos += 8
        if differs != 0:
            pos = start
            blank = load_byte(text, pos) == _NEWLINE or (
                load_byte(text, pos) == _RETURN and load_byte(text, pos + 1) == _NEWLINE
            )
            if not blank and not skip_others:
                state[STATUS] = OTHER
                break
            while load_byte(text, pos) != _NEWLINE:
                pos += 1
            pos += 1
            line += 1
            state[EMPTY if blank else OTHERS] += 1
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
                    high = _eight_digits(load_word(text, pos))
                    low = _eight_digits(load_word(text, pos + 8))
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
            if (word | _LOWER_FIVE) & _SIX == _FALSE:
                pos += 6
            elif (word | _LOWER_FOUR) & _FIVE == _TRUE:
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
        four = word & _FOUR
        if four == _IS_BUY or (is_depth and four == _IS_BID):
            event |= _BUY
            pos += 4
        elif is_depth and four == _IS_ASK:
            event |= _SELL
            pos += 4
        elif word & _FIVE == _IS_SELL:
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
            # A whole part and a fraction of at most eight digits: each is one word, moved up so that zeros lead.
            word = load_word(text, pos) ^ _ZEROS
            before = trailing_zeros(((word + _ABOVE_NINE) | word) & _HIGH_BITS) >> 3
            pos += before
            mantissa = np.int64(0)
            after = np.int64(0)
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
            digits = before + after
            if load_byte(text, pos) == end and digits - 1 < 18 and digits > 0 and mantissa < _EXACT:
                floats[n, column] = np.float64(mantissa) / _POWERS[after]
            else:
                # An exponent or many digits: converted by the caller. What is no number at all is found here.
                good = bool(digits > 0 and before <= _INTEGER_DIGITS)
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
            if column == 3 and (mantissa == 0 or digits > 18):
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
