"""Tardis CSV bytes straight into 64-byte records. Slow twin: tests/data_convert/support/tardis_naive.py.

Rows are eight 8-byte words (data_convert.events), given once as int64 and once as float64 over the same memory.
Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

# Places in `state`, which a caller keeps from one call to the next.
POS, LINE, SOD, BAD, SLOW, SNAPSHOTS, DROPPED, OTHERS, EMPTY, SMALLEST, SMALLEST_LINE, STATUS = range(12)
STATE_WORDS: Final = 12
# Why a call ended: text used up, an array full, a row of another instrument.
DONE, FULL, OTHER = range(3)
# Columns of `bad`: line, column from 1, reason, first and last byte of the field.
SHORT, LONG, TIME, FLAG, SIDE, NUMBER = range(6)
# Modes
PROCESS, IGNORE_SOD, IGNORE = range(3)

_POWERS = np.array([10.0**i for i in range(23)])
_EXACT = np.int64(1) << 53
_MAX_US = np.int64((1 << 63) - 1) // 1000
_INTEGER_DIGITS = 200  # with an exponent of two digits no number is infinite
_COMMA, _NEWLINE, _RETURN, _POINT = 44, 10, 13, 46
_TRADE, _DEPTH, _CLEAR, _SNAPSHOT = 2, 1, 3, 4
_BUY = np.int64(1) << 29
_SELL = np.int64(1) << 28


@jit
def parse_rows(
    text: _U8,
    stop: int,
    is_depth: bool,
    mode: int,
    skip_others: bool,
    prefix: _U8,
    words: _I64,
    floats: _F64,
    bad: _I64,
    slow: _I64,
    state: _I64,
) -> int:
    """Parse whole lines of text[state[POS]:stop] (the last one ends in a newline) into rows; return how many.

    `prefix` is `exchange,symbol,` of the rows wanted. A line that is no row is entered in `bad`; a number that
    cannot be converted exactly here is entered in `slow` (row, word, first and last byte). Ends early, with
    state[STATUS] saying why, when an array is full or a row has another prefix and `skip_others` is false.
    """
    pos = state[POS]
    line = state[LINE]
    sod = state[SOD]
    n = 0
    n_bad = 0
    n_slow = 0
    width = len(prefix)
    capacity = len(words)
    smallest = state[SMALLEST]
    state[STATUS] = DONE
    while pos < stop:
        if n >= capacity or n_bad >= len(bad) or n_slow + 2 > len(slow):
            state[STATUS] = FULL
            break
        start = pos
        same = start + width < stop
        if same:
            differs = np.uint8(0)
            for i in range(width):
                differs |= text[start + i] ^ prefix[i]
            same = differs == 0
        if not same:
            blank = text[start] == _NEWLINE or (text[start] == _RETURN and text[start + 1] == _NEWLINE)
            if not blank and not skip_others:
                state[STATUS] = OTHER
                break
            line += 1
            while text[pos] != _NEWLINE:
                pos += 1
            pos += 1
            if blank:
                state[EMPTY] += 1
            else:
                state[OTHERS] += 1
            continue
        line += 1
        pos = start + width
        column = 3
        reason = -1
        field = pos
        # Times: 16 digits at once where they are, otherwise one by one.
        exch = np.int64(0)
        local = np.int64(0)
        for which in range(2):
            field = pos
            value = np.int64(0)
            quick = pos + 16 < stop and text[pos + 16] == _COMMA
            if quick:
                high = np.int64(0)
                low = np.int64(0)
                odd = np.int64(0)
                for i in range(8):
                    a = np.int64(text[pos + i]) - 48
                    b = np.int64(text[pos + 8 + i]) - 48
                    odd |= a | b | (9 - a) | (9 - b)
                    high = high * 10 + a
                    low = low * 10 + b
                value = high * 100000000 + low
                quick = odd >= 0
                if quick:
                    pos += 16
            if not quick:
                value = np.int64(0)
                while 48 <= text[pos] <= 57:
                    if value <= _MAX_US:
                        value = value * 10 + (np.int64(text[pos]) - 48)
                    pos += 1
                if pos == field or value > _MAX_US or text[pos] != _COMMA:
                    reason = TIME
                    column = 3 + which
                    break
            pos += 1
            if which == 0:
                exch = value * 1000
            else:
                local = value * 1000
        event = np.int64(_TRADE)
        if reason < 0:
            field = pos
            if is_depth:
                # true or false, in the spellings that CSV writers use: the case of letters does not matter.
                snapshot = False
                if (text[pos] | 32) == 116:
                    snapshot = True
                    ok = (text[pos + 1] | 32) == 114 and (text[pos + 2] | 32) == 117 and (text[pos + 3] | 32) == 101
                    pos += 4 if ok else 0
                else:
                    ok = (text[pos] | 32) == 102 and (text[pos + 1] | 32) == 97 and (text[pos + 2] | 32) == 108
                    ok = ok and (text[pos + 3] | 32) == 115 and (text[pos + 4] | 32) == 101
                    pos += 5 if ok else 0
                if not ok or text[pos] != _COMMA:
                    reason = FLAG
                    column = 5
                event = np.int64(_SNAPSHOT) if snapshot else np.int64(_DEPTH)
            else:
                while text[pos] != _COMMA and text[pos] != _NEWLINE:
                    pos += 1
                if text[pos] != _COMMA:
                    reason = SHORT
                    column = 6
            pos += 1
        if reason < 0:
            field = pos
            buy = text[pos] == 98 and text[pos + 1] == 117 and text[pos + 2] == 121
            sell = text[pos] == 115 and text[pos + 1] == 101 and text[pos + 2] == 108 and text[pos + 3] == 108
            bid = is_depth and text[pos] == 98 and text[pos + 1] == 105 and text[pos + 2] == 100
            ask = is_depth and text[pos] == 97 and text[pos + 1] == 115 and text[pos + 2] == 107
            pos += 4 if sell else (3 if buy or bid or ask else 0)
            if text[pos] != _COMMA or pos == field:
                reason = SIDE
                column = 6
            event |= _BUY if buy or bid else _SELL
            pos += 1
        first_slow = n_slow
        for word in range(3, 5):
            if reason >= 0:
                break
            field = pos
            mantissa = np.int64(0)
            digits = 0
            before = 0
            after = 0
            while 48 <= text[pos] <= 57:
                if digits < 18:
                    mantissa = mantissa * 10 + (np.int64(text[pos]) - 48)
                digits += 1 if mantissa > 0 else 0
                before += 1
                pos += 1
            if text[pos] == _POINT:
                pos += 1
                while 48 <= text[pos] <= 57:
                    if digits < 18:
                        mantissa = mantissa * 10 + (np.int64(text[pos]) - 48)
                    digits += 1 if mantissa > 0 else 0
                    after += 1
                    pos += 1
            end = _COMMA if word == 3 else _NEWLINE
            here = text[pos]
            if word == 4 and here == _RETURN and text[pos + 1] == _NEWLINE:
                here = np.uint8(_NEWLINE)
            if before + after > 0 and here == end and digits < 18 and mantissa < _EXACT and after <= 22:
                floats[n, word] = np.float64(mantissa) / _POWERS[after]
            else:
                # An exponent or too many digits: converted by the caller. What is no number at all is found here.
                good = before + after > 0 and before <= _INTEGER_DIGITS
                if good and (text[pos] | 32) == 101:
                    pos += 1
                    if text[pos] == 43 or text[pos] == 45:
                        pos += 1
                    power = pos
                    while 48 <= text[pos] <= 57:
                        pos += 1
                    good = 0 < pos - power < 3
                last = pos
                if word == 4 and text[pos] == _RETURN and text[pos + 1] == _NEWLINE:
                    pos += 1
                good = good and text[pos] == end
                while text[pos] != _COMMA and text[pos] != _NEWLINE:
                    pos += 1
                if text[pos] != end and last > field:
                    reason = SHORT if text[pos] == _NEWLINE else LONG
                    column = 8 if text[pos] == _NEWLINE else 9
                elif not good:
                    reason = NUMBER
                    column = word + 4
                else:
                    slow[n_slow, 0] = n
                    slow[n_slow, 1] = word
                    slow[n_slow, 2] = field
                    slow[n_slow, 3] = last
                    n_slow += 1
            pos += 1
        # Wherever the row was left, the next one begins behind the next newline.
        if reason >= 0:
            n_slow = first_slow
            pos = start
            commas = 0
            while text[pos] != _NEWLINE:
                commas += text[pos] == _COMMA
                pos += 1
            last = field
            while text[last] != _COMMA and text[last] != _NEWLINE and last < pos:
                last += 1
            if commas < 7:
                reason = SHORT
                column = commas + 1
            bad[n_bad, 0] = line
            bad[n_bad, 1] = column
            bad[n_bad, 2] = reason
            bad[n_bad, 3] = field
            bad[n_bad, 4] = last
            n_bad += 1
            pos += 1
            continue
        if text[pos - 1] != _NEWLINE:
            pos += 1
        if event & 0xFF == _SNAPSHOT:
            if mode == IGNORE or (mode == IGNORE_SOD and sod == 1):
                state[DROPPED] += 1
                n_slow = first_slow
                continue
            state[SNAPSHOTS] += 1
        elif is_depth:
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
    state[BAD] = n_bad
    state[SLOW] = n_slow
    state[SMALLEST] = smallest
    return n


@jit
def place_blocks(words: _I64, floats: _F64, n: int, last: bool, out: _I64, out_floats: _F64, kept: _I64) -> int:
    """Put blocks of snapshot rows in order: clear, bids, clear, asks; return how many rows are out.

    A block is a run of snapshot rows and begins with a clear to its far edge (lowest bid, highest ask), at the time
    of its side's first row. Unless `last`, a run at the end waits: kept[0] is the number of input rows used. `out`
    has 2n + 2 places.
    """
    i = 0
    to = 0
    kept[0] = n
    while i < n:
        if words[i, 0] & 0xFF != _SNAPSHOT:
            for w in range(8):
                out[to, w] = words[i, w]
            to += 1
            i += 1
            continue
        begin = i
        while i < n and words[i, 0] & 0xFF == _SNAPSHOT:
            i += 1
        if i == n and not last:
            kept[0] = begin
            break
        for side in (_BUY, _SELL):
            clear = -1
            for k in range(begin, i):
                if words[k, 0] & side == 0:
                    continue
                if clear < 0:
                    clear = to
                    for w in range(8):
                        out[to, w] = words[k, w]
                    out[to, 0] = _CLEAR | side
                    out_floats[to, 4] = 0.0
                    to += 1
                elif side == _BUY:
                    out_floats[clear, 3] = min(out_floats[clear, 3], floats[k, 3])
                else:
                    out_floats[clear, 3] = max(out_floats[clear, 3], floats[k, 3])
                for w in range(8):
                    out[to, w] = words[k, w]
                to += 1
    return to
