"""Rows of numbers of Tardis files into columns of 8-byte words. Slow twin: tests/data_convert/support/tardis_naive.py."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit, load_byte
from data_convert.files.number_kernels import POWERS, is_exact, read_decimal
from data_convert.tardis.kernels import INTEGER_DIGITS, begins_with, pass_over
from data_convert.tardis.states import BAD, DONE, FULL, LINE, POS, SLOW, STATUS

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

_MAX_US = np.int64((1 << 63) - 1) // 1000
_COMMA, _NEWLINE, _RETURN, _POINT, _MINUS = 44, 10, 13, 46, 45


@jit
def parse_columns(text: _U8, stop: int, skip_others: bool, prefix: _I64, words: _I64, slow: _I64, state: _I64) -> int:
    """Parse whole lines of text[state[POS]:stop] into rows (exchange ns, local ns, line, numbers); return how many.

    As `kernels.parse_rows`, of which `state` and `prefix` are. An empty field is NaN, a minus is allowed, any
    number not exact here is entered in `slow` (row, word, first and last byte).
    """
    floats = words.view(np.float64)
    pos = state[POS]
    line = state[LINE]
    columns = words.shape[1] - 3
    n = 0
    n_slow = 0
    width = prefix[0]
    state[STATUS] = DONE
    while pos < stop:
        if n >= len(words) or n_slow + columns > len(slow):
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
        for column in range(2):
            field = pos
            value = np.int64(0)
            while 48 <= load_byte(text, pos) <= 57:
                if value <= _MAX_US:
                    value = value * 10 + (load_byte(text, pos) - 48)
                pos += 1
            good = bool(good and value <= _MAX_US and load_byte(text, pos) == _COMMA and pos > field)
            pos += 1 if good else 0
            words[n, column] = value * 1000
        first_slow = n_slow
        for column in range(columns):
            if not good:
                break
            field = pos
            negative = load_byte(text, pos) == _MINUS
            pos += 1 if negative else 0
            pos, before, after, mantissa = read_decimal(text, pos)
            number_end = pos
            exponent = (load_byte(text, pos) | 32) == 101
            if exponent:
                pos += 1
                if load_byte(text, pos) == 43 or load_byte(text, pos) == _MINUS:
                    pos += 1
                power = pos
                while 48 <= load_byte(text, pos) <= 57:
                    pos += 1
                good = 0 < pos - power < 3
                number_end = pos
            if number_end == field:
                floats[n, 3 + column] = np.nan
            elif before + after == 0 or before > INTEGER_DIGITS:
                good = False
            elif is_exact(before, after, mantissa) and not exponent:
                value_here = np.float64(mantissa) / POWERS[after]
                floats[n, 3 + column] = -value_here if negative else value_here
            else:
                slow[n_slow, 0] = n
                slow[n_slow, 1] = 3 + column
                slow[n_slow, 2] = field
                slow[n_slow, 3] = pos
                n_slow += 1
            last = column == columns - 1
            if last and load_byte(text, pos) == _RETURN:
                pos += 1
            good = good and load_byte(text, pos) == (_NEWLINE if last else _COMMA)
            pos += 1
        if not good:
            pos = start
            n_slow = first_slow
            state[STATUS] = BAD
            break
        line += 1
        words[n, 2] = line
        n += 1
    state[POS] = pos
    state[LINE] = line
    state[SLOW] = n_slow
    return n
