"""Tardis CSV bytes straight into 64-byte records. Slow twin: tests/data_convert/support/tardis_naive.py.

Rows are eight 8-byte words (data_convert.events), integers or floats.
Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit, load_byte, load_word
from data_convert.files.number_kernels import FIVE, FOUR, MOST_DIGITS, POWERS, SIX, eight_digits, is_exact, read_decimal
from data_convert.letters import COMMA, MINUS, NEWLINE, PLUS, RETURN, SMALL, SMALL_E, lower, packed
from data_convert.tardis import states as at
from data_convert.tardis.states import Room, Wanted

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]

_MAX_US = np.int64((1 << 63) - 1) // 1000
_INTEGER_DIGITS = 200  # with an exponent of two digits no number is infinite
_TRADE, _DEPTH, _SNAPSHOT = 2, 1, 4
_BUY = np.int64(1) << 29
_SELL = np.int64(1) << 28

_LOWER_FIVE, _LOWER_FOUR = lower(5), lower(4)
_FALSE, _TRUE = packed(b"false,"), packed(b"true,")
_IS_BUY, _IS_SELL, _IS_BID, _IS_ASK = packed(b"buy,"), packed(b"sell,"), packed(b"bid,"), packed(b"ask,")

_TIMES_WIDTH = 34
"""Two times of 16 digits, each with its comma."""
_TIMES_AT = (8, 16, 24, 26)


@inner
def _begins_with(text: _U8, pos: int, stop: int, prefix: _I64) -> bool:
    """Tell whether the line at `pos` begins with a text: its length, then pairs of word and mask."""
    if pos + prefix[0] >= stop:
        return False
    differs = np.int64(0)
    for i in range(1, len(prefix), 2):
        differs |= (load_word(text, pos) ^ prefix[i]) & prefix[i + 1]
        pos += 8
    return bool(differs == 0)


@inner
def _pass_over(text: _U8, pos: int, skip_others: bool, state: _I64) -> int:
    """Return the place behind a line of another instrument, or a blank one, counted; -1 before one that must be told."""
    blank = load_byte(text, pos) == NEWLINE or (load_byte(text, pos) == RETURN and load_byte(text, pos + 1) == NEWLINE)
    if not blank and not skip_others:
        state[at.STATUS] = at.OTHER
        return -1
    while load_byte(text, pos) != NEWLINE:
        pos += 1
    state[at.EMPTY if blank else at.OTHERS] += 1
    return pos + 1


@inner
def _decimal_end(text: _U8, pos: int) -> tuple[int, int, int, np.int64, bool]:
    """Read a decimal and its exponent of one or two digits, if it has one.

    Returns the place behind both, -1 for what is no number at all, and of the decimal its digits before and behind the point,
    all of them as one integer, and whether that is exact: then it is the number.
    """
    pos, before, after, mantissa = read_decimal(text, pos)
    if load_byte(text, pos) | SMALL != SMALL_E:
        good = before + after > 0 and before <= _INTEGER_DIGITS
        return (pos if good else -1), before, after, mantissa, is_exact(before, after, mantissa)
    pos += 1
    if load_byte(text, pos) == PLUS or load_byte(text, pos) == MINUS:
        pos += 1
    power = pos
    while 48 <= load_byte(text, pos) <= 57:
        pos += 1
    good = before + after > 0 and before <= _INTEGER_DIGITS and 0 < pos - power < 3
    return (pos if good else -1), before, after, mantissa, False


@inner
def _enter(slow: _I64, n_slow: int, row: int, word: int, field: int, pos: int) -> int:
    """Leave a number to the caller; return how many are."""
    slow[n_slow, 0], slow[n_slow, 1], slow[n_slow, 2], slow[n_slow, 3] = row, word, field, pos
    return n_slow + 1


@jit
def parse_rows(text: _U8, stop: int, wanted: Wanted, room: Room) -> int:
    """Parse whole lines of text[state[POS]:stop] (the last one ends in a newline) into rows; return how many.

    `text` has PADDING more bytes. A number that cannot be converted exactly here is entered in `slow`. Ends early, with
    state[STATUS] saying why, when an array is full, before a line that is no row, and before one of another instrument.
    """
    is_depth, mode, skip_others, prefix = wanted
    words, slow, state = room
    floats = words.view(np.float64)
    pos = state[at.POS]
    line = state[at.LINE]
    sod = state[at.SOD]
    n = 0
    n_slow = 0
    width = prefix[0]
    capacity = len(words)
    smallest = state[at.SMALLEST]
    times = np.int64(-1)
    exch = np.int64(0)
    local = np.int64(0)
    state[at.STATUS] = at.DONE
    while pos < stop:
        if n >= capacity or n_slow + 2 > len(slow):
            state[at.STATUS] = at.FULL
            break
        start = pos
        if not _begins_with(text, pos, stop, prefix):
            behind = _pass_over(text, pos, skip_others, state)
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
                if load_byte(text, pos + 16) == COMMA:
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
                good = bool(good and value <= _MAX_US and load_byte(text, pos) == COMMA and pos > field)
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
            while load_byte(text, pos) != COMMA and load_byte(text, pos) != NEWLINE:
                pos += 1
            good = good and load_byte(text, pos) == COMMA
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
        end = COMMA
        for column in range(3, 5):
            if not good:
                break
            field = pos
            pos, before, after, mantissa, exact = _decimal_end(text, pos)
            if pos < 0:
                good = False
                break
            number_end = pos
            if end == NEWLINE and load_byte(text, pos) == RETURN:
                pos += 1
            good = load_byte(text, pos) == end
            if exact:
                floats[n, column] = np.float64(mantissa) / POWERS[after]
            else:
                n_slow = _enter(slow, n_slow, n, column, field, number_end)
            if column == 3 and (mantissa == 0 or before + after > MOST_DIGITS):
                # A price of 0 is none, however it is written.
                any_digit = False
                for place in range(field, pos):
                    byte = load_byte(text, place)
                    if byte | SMALL == SMALL_E:
                        break
                    any_digit = bool(any_digit or 48 < byte <= 57)
                good = good and any_digit
            pos += 1
            end = NEWLINE
        if not good:
            # What is wrong with a row, the caller finds out.
            pos = start
            n_slow = first_slow
            state[at.STATUS] = at.BAD
            break
        line += 1
        snapshot = event & 0xFF == _SNAPSHOT
        if snapshot and (mode == at.IGNORE or (mode == at.IGNORE_SOD and sod == 1)):
            state[at.DROPPED] += 1
            n_slow = first_slow
            continue
        if snapshot:
            state[at.SNAPSHOTS] += 1
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
            state[at.SMALLEST_LINE] = line
        n += 1
    state[at.POS] = pos
    state[at.LINE] = line
    state[at.SOD] = sod
    state[at.SLOW] = n_slow
    state[at.SMALLEST] = smallest
    return n


@jit
def parse_columns(text: _U8, stop: int, wanted: Wanted, room: Room) -> int:
    """Parse whole lines of text[state[POS]:stop] into rows (exchange ns, local ns, line, numbers); return how many.

    As `parse_rows`; an empty field is NaN, a minus is allowed.
    """
    _, _, skip_others, prefix = wanted
    words, slow, state = room
    floats = words.view(np.float64)
    pos = state[at.POS]
    line = state[at.LINE]
    columns = words.shape[1] - 3
    n = 0
    n_slow = 0
    width = prefix[0]
    state[at.STATUS] = at.DONE
    while pos < stop:
        if n >= len(words) or n_slow + columns > len(slow):
            state[at.STATUS] = at.FULL
            break
        start = pos
        if not _begins_with(text, pos, stop, prefix):
            behind = _pass_over(text, pos, skip_others, state)
            if behind < 0:
                break
            pos = behind
            line += 1
            continue
        pos = start + width
        good = True
        for column in range(2):
            field = pos
            value = np.int64(0)
            while 48 <= load_byte(text, pos) <= 57:
                if value <= _MAX_US:
                    value = value * 10 + (load_byte(text, pos) - 48)
                pos += 1
            good = bool(good and value <= _MAX_US and load_byte(text, pos) == COMMA and pos > field)
            pos += 1 if good else 0
            words[n, column] = value * 1000
        first_slow = n_slow
        for column in range(columns):
            if not good:
                break
            field = pos
            last = column == columns - 1
            ends = load_byte(text, pos)
            if ends in (COMMA, NEWLINE) or (last and ends == RETURN):
                floats[n, 3 + column] = np.nan
            else:
                negative = ends == MINUS
                pos, _, after, mantissa, exact = _decimal_end(text, pos + 1 if negative else pos)
                if pos < 0:
                    good = False
                    break
                if exact:
                    number = np.float64(mantissa) / POWERS[after]
                    floats[n, 3 + column] = -number if negative else number
                else:
                    n_slow = _enter(slow, n_slow, n, 3 + column, field, pos)
            if last and load_byte(text, pos) == RETURN:
                pos += 1
            good = good and load_byte(text, pos) == (NEWLINE if last else COMMA)
            pos += 1
        if not good:
            pos = start
            n_slow = first_slow
            state[at.STATUS] = at.BAD
            break
        line += 1
        words[n, 2] = line
        n += 1
    state[at.POS] = pos
    state[at.LINE] = line
    state[at.SLOW] = n_slow
    return n
