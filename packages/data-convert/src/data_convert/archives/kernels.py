"""Archive CSV bytes into columns, and quotes into changes of a book. Slow twin: tests/data_convert/support/history_naive.py.

A row of the caller's table is so many 8-byte words, integers or floats.
Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit, load_byte, load_word
from data_convert.archives import ops as op
from data_convert.archives.ops import Layout, Out
from data_convert.files.number_kernels import FIVE, FOUR, MOST_DIGITS, POWERS, SIX, is_exact, nanoseconds, read_decimal
from data_convert.letters import COMMA, MINUS, NEWLINE, POINT, RETURN, lower, packed
from data_convert.messages.columns import Block

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

_BUY = np.int64(1) << 29
_SELL = np.int64(1) << 28
_DEPTH, _SNAPSHOT = 1, 4
_NO_ID = -1

_THREE = np.int64(0xFFFFFF)
_LOWER_THREE, _LOWER_FOUR = lower(3), lower(4)
_TRUE, _TRUE_CAPITAL, _TRUE_UPPER = packed(b"true"), packed(b"True"), packed(b"TRUE")
_FALSE, _FALSE_CAPITAL, _FALSE_UPPER = packed(b"false"), packed(b"False"), packed(b"FALSE")
_IS_BUY, _IS_SELL = packed(b"buy"), packed(b"sell")
_IS_SNAP, _IS_SET, _IS_UPDATE, _IS_DELETE = packed(b"snap"), packed(b"set"), packed(b"update"), packed(b"delete")


@jit
def parse_columns(text: _U8, stop: int, layout: Layout, out: Out) -> int:
    """Parse whole lines of text[state[POS]:stop] (the last one ends in a newline), a row each; return how many.

    Sides and kinds are or-ed into what a row begins as. Every line takes its row and writes its number to the line's word.
    One that is not read for certain here, whether it is good or not, is entered in `odd`. Ends early when an array is full.
    `text` has at least 8 more bytes.
    """
    columns, first, line_word, name = layout
    words, odd, state = out
    floats = words.view(np.float64)
    pos = state[op.POS]
    line = state[op.LINE]
    n = 0
    n_odd = 0
    while pos < stop and n < len(words) and n_odd < len(odd):
        start = pos
        line += 1
        words[n, :] = first
        good = True
        for c in range(len(columns)):
            what = columns[c, 0]
            word = columns[c, 1]
            field = pos
            if what == op.SKIP:
                while load_byte(text, pos) != COMMA and load_byte(text, pos) != NEWLINE:
                    pos += 1
            elif what in (op.NUMBER, op.POSITIVE):
                pos, before, after, mantissa = read_decimal(text, pos)
                good = bool(is_exact(before, after, mantissa) and (mantissa > 0 or what == op.NUMBER))
                if good:
                    floats[n, word] = np.float64(mantissa) / POWERS[after]
            elif what == op.NAME:
                at = 0
                while at < len(name) and load_byte(text, pos) == name[at]:
                    at += 1
                    pos += 1
                good = at == len(name)
            elif what == op.MAKER:
                bytes_ = load_word(text, pos)
                four = bytes_ & FOUR
                five = bytes_ & FIVE
                if four in (_TRUE, _TRUE_CAPITAL, _TRUE_UPPER):
                    words[n, word] |= _SELL
                    pos += 4
                elif five in (_FALSE, _FALSE_CAPITAL, _FALSE_UPPER):
                    words[n, word] |= _BUY
                    pos += 5
                else:
                    good = False
            elif what == op.SIDE:
                bytes_ = load_word(text, pos)
                if (bytes_ | _LOWER_THREE) & _THREE == _IS_BUY:
                    words[n, word] |= _BUY
                    pos += 3
                elif (bytes_ | _LOWER_FOUR) & FOUR == _IS_SELL:
                    words[n, word] |= _SELL
                    pos += 4
                else:
                    good = False
            elif what == op.LEVEL_SIDE:
                letter = load_byte(text, pos)
                good = letter == 97 or letter == 98
                words[n, word] |= _BUY if letter == 98 else _SELL
                pos += 1 if good else 0
            elif what == op.LEVEL_TYPE:
                bytes_ = load_word(text, pos)
                if bytes_ & SIX == _IS_UPDATE:
                    words[n, word] |= _DEPTH
                    pos += 6
                elif bytes_ & SIX == _IS_DELETE:
                    words[n, word] |= _DEPTH | op.DELETES
                    pos += 6
                elif bytes_ & _THREE == _IS_SET:
                    words[n, word] |= _DEPTH
                    pos += 3
                elif bytes_ & FOUR == _IS_SNAP:
                    words[n, word] |= _SNAPSHOT
                    pos += 4
                else:
                    good = False
            else:
                value = np.int64(0)
                while 48 <= load_byte(text, pos) <= 57:
                    value = value * 10 + (load_byte(text, pos) - 48)
                    pos += 1
                digits = pos - field
                good = 0 < digits <= MOST_DIGITS
                if what == op.STAMP:
                    value = nanoseconds(value)
                    good = bool(good and value >= 0)
                elif what == op.SECONDS:
                    good = bool(0 < digits <= 10 and value <= 9_223_372_035)
                    scale = np.int64(1_000_000_000)
                    value *= scale
                    if load_byte(text, pos) == POINT:
                        pos += 1
                        while 48 <= load_byte(text, pos) <= 57:
                            scale //= 10
                            value += scale * (load_byte(text, pos) - 48)
                            pos += 1
                elif what == op.OPTIONAL and digits == 0:
                    value = np.int64(_NO_ID)
                    if load_byte(text, pos) == MINUS and load_byte(text, pos + 1) == 49:
                        pos += 2
                    good = True
                words[n, word] = value
            if not good:
                break
            if c < len(columns) - 1:
                good = load_byte(text, pos) == COMMA
            else:
                pos += 1 if load_byte(text, pos) == RETURN and what != op.SKIP else 0
                good = load_byte(text, pos) == NEWLINE
            if not good:
                break
            pos += 1
        words[n, line_word] = line
        if not good:
            pos = start
            while load_byte(text, pos) != NEWLINE:
                pos += 1
            odd[n_odd, 0] = n
            odd[n_odd, 1] = line
            odd[n_odd, 2] = start
            odd[n_odd, 3] = pos
            n_odd += 1
            pos += 1
        n += 1
    state[op.POS] = pos
    state[op.LINE] = line
    state[op.ODD] = n_odd
    return n


@jit
def quote_changes(words: _I64, begin: int, file: int, rows_before: int, state: _I64, book: _F64, out: Block) -> int:
    """Take quotes words[begin:] (time, id, -, bid, quantity, ask, quantity, line) one by one; return how many were.

    A quote of two sides that do not cross, not older than the book (`state[VERSION]`), replaces it: what is not there
    any more is deleted, bid before ask, then what is new is set. The first one is a snapshot. Stops before any other
    quote. `book`: bid, quantity, ask, quantity. Rows are counted from `rows_before`; `out` has room for four of every quote.
    """
    floats = words.view(np.float64)
    what, _, messages, ev, px, qty, _ = out
    n_messages = 0
    n_rows = 0
    at = begin
    while at < len(words):
        bid, bid_qty, ask, ask_qty = floats[at, 3], floats[at, 4], floats[at, 5], floats[at, 6]
        version = words[at, 1]
        if not (bid > 0 and bid_qty > 0 and ask > bid and ask_qty > 0 and version >= state[op.VERSION]):
            break
        began = n_rows
        known = state[op.KNOWN] != 0
        kind = _DEPTH if known else _SNAPSHOT
        new_bid = not known or book[0] != bid
        new_ask = not known or book[2] != ask
        if known and new_bid:
            ev[n_rows], px[n_rows], qty[n_rows] = kind | _BUY, book[0], 0.0
            n_rows += 1
        if known and new_ask:
            ev[n_rows], px[n_rows], qty[n_rows] = kind | _SELL, book[2], 0.0
            n_rows += 1
        if new_bid or book[1] != bid_qty:
            ev[n_rows], px[n_rows], qty[n_rows] = kind | _BUY, bid, bid_qty
            n_rows += 1
        if new_ask or book[3] != ask_qty:
            ev[n_rows], px[n_rows], qty[n_rows] = kind | _SELL, ask, ask_qty
            n_rows += 1
        book[0], book[1], book[2], book[3] = bid, bid_qty, ask, ask_qty
        state[op.KNOWN] = 1
        state[op.VERSION] = version
        if n_rows > began:
            messages[n_messages, 0] = file
            messages[n_messages, 1] = words[at, 7]
            messages[n_messages, 2] = 0
            messages[n_messages, 3] = words[at, 0]
            messages[n_messages, 4] = _NO_ID
            messages[n_messages, 5] = version
            messages[n_messages, 6] = _NO_ID
            messages[n_messages, 7] = rows_before + began
            messages[n_messages, 8] = rows_before + n_rows
            what[n_messages] = 0 if known else 1
            n_messages += 1
        at += 1
    state[op.MESSAGES] = n_messages
    state[op.ROWS] = n_rows
    return at - begin
