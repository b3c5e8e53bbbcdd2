"""Combined Binance frames (`<ns> {"stream":...,"data":{...}}`) out of bytes into the columns of messages.

Only what the exchange itself writes is taken: compact JSON, plain ASCII, whole numbers of at most 18 digits, decimals
that are exact as an integer over a power of ten, streams that are entered in a table. The first line that deviates in
anything ends the call, and the caller decodes it by `binance.DirectDecoder`, which is the slow twin as well.

Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit, load_byte, load_word

_I64 = npt.NDArray[np.int64]
_I32 = npt.NDArray[np.int32]
_U32 = npt.NDArray[np.uint32]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

PADDING: Final = 32

# Places in `state`: where the text is read, what was written, what the decoder knows.
POS, LINE, MESSAGES, ROWS, OTHER_TIMES, NO_CAUSES, FILE, FIRST_ROW, BY_EVENT_TIME, SPOT, MAY_DATE, MAY_OMIT = range(12)
STATE_WORDS: Final = 12

# Kinds of streams, and the columns of `streams`: texts are (first byte in `names`, length), a missing word has -1.
UPDATE, TRADE, OTHER = range(3)
KIND, NAME_AT, NAME_LEN, WORD_AT, WORD_LEN, SYMBOL_AT, SYMBOL_LEN, NUMBER, HITS, TAKEN = range(10)
STREAM_WORDS: Final = 10
SLOTS: Final = 8192
"""Slots of the hash table over streams, a power of two; at least half of them stay empty."""

# Members of `data` that mean something, as bits.
_WORD, _SYMBOL, _PRICE, _QUANTITY, _CAUSE, _MAKER, _BIDS, _ASKS = 1, 2, 4, 8, 16, 32, 64, 128
_FIRST_NUMBER = 8  # bits of E, T, U, u, pu, t; their places among the numbers of a frame follow from them
_E, _T, _FIRST, _LAST, _PREV, _ID = 256, 512, 1024, 2048, 4096, 8192
_NUMBERS = _E | _T | _FIRST | _LAST | _PREV | _ID
_TEXTS = _WORD | _SYMBOL | _CAUSE
_IDS = _FIRST | _LAST
_OF_UPDATE = _WORD | _SYMBOL | _BIDS | _ASKS | _E | _T | _FIRST | _LAST | _PREV
_OF_TRADE = _WORD | _SYMBOL | _PRICE | _QUANTITY | _CAUSE | _MAKER | _E | _T | _ID
_BIT_OF = np.zeros(128, np.int64)
for _key, _bit in zip("espqXmbaETUut", (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 8192), strict=True):
    _BIT_OF[ord(_key)] = _bit

_POWERS = np.array([10.0**i for i in range(23)])
_EXACT = np.int64(1) << 53
_MAX_MS = np.int64(9_223_372_036_854)
_FIRST_US = np.int64(100_000_000_000_000)
_MAX_US = np.int64(9_223_372_036_854_775)
_BID = np.uint32(1 | 1 << 29)
_ASK = np.uint32(1 | 1 << 28)
_BOUGHT = np.uint32(2 | 1 << 29)
_SOLD = np.uint32(2 | 1 << 28)
_QUOTE, _COMMA, _COLON, _POINT, _OPEN, _CLOSE, _END, _NEWLINE, _RETURN = 34, 44, 58, 46, 91, 93, 125, 10, 13

# Text as words of eight bytes, the first byte lowest.
_STREAM = np.int64(int.from_bytes(b'{"stream', "little"))
_STREAM_END = np.int64(int.from_bytes(b'":"', "little"))
_DATA = np.int64(int.from_bytes(b'","data"', "little"))
_DATA_END = np.int64(int.from_bytes(b":{", "little"))
_MARKET = np.int64(int.from_bytes(b'MARKET"', "little"))
_TRUE = np.int64(int.from_bytes(b"true", "little"))
_FALSE = np.int64(int.from_bytes(b"false", "little"))
_TWO = np.int64(0xFFFF)
_THREE = np.int64(0xFFFFFF)
_FOUR = np.int64(0xFFFFFFFF)
_FIVE = np.int64(0xFFFFFFFFFF)
_SEVEN = np.int64(0xFFFFFFFFFFFFFF)
_ZEROS = np.int64(0x3030303030303030)
_ABOVE_NINE = np.int64(0x7676767676767676)
_HIGH_BITS = np.int64(0x8080808080808080 - (1 << 64))
_BYTES = np.int64(0x00FF00FF00FF00FF)
_PAIRS = np.int64(0x0000FFFF0000FFFF)


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
def _decimal(text: _U8, pos: int) -> tuple[int, float]:
    """Read digits with at most one point up to a quote; return (behind the quote, value), -1 if it is not exact."""
    mantissa = np.int64(0)
    begin = pos
    while 48 <= load_byte(text, pos) <= 57:
        mantissa = mantissa * 10 + (load_byte(text, pos) - 48)
        pos += 1
    digits = pos - begin
    after = 0
    if digits > 0 and load_byte(text, pos) == _POINT:
        pos += 1
        point = pos
        while 48 <= load_byte(text, pos) <= 57:
            mantissa = mantissa * 10 + (load_byte(text, pos) - 48)
            pos += 1
        after = pos - point
        digits += after
    if load_byte(text, pos) != _QUOTE or digits == 0 or digits > 18:
        return -1, 0.0
    while mantissa >= _EXACT and after > 0 and mantissa % 10 == 0:
        mantissa //= 10
        after -= 1
    if mantissa >= _EXACT:
        return -1, 0.0
    return pos + 1, np.float64(mantissa) / _POWERS[after]


@jit
def _levels(text: _U8, pos: int, side: np.uint32, row: int, ev: _U32, px: _F64, qty: _F64) -> tuple[int, int]:
    """Read `["price","quantity"],...]` into rows from `row` on; return (behind the list, next row), -1 if it is odd."""
    if load_byte(text, pos) == _CLOSE:
        return pos + 1, row
    while True:
        if load_byte(text, pos) != _OPEN or load_byte(text, pos + 1) != _QUOTE:
            return -1, row
        pos, price = _decimal(text, pos + 2)
        if pos < 0 or not price > 0.0 or load_byte(text, pos) != _COMMA or load_byte(text, pos + 1) != _QUOTE:
            return -1, row
        pos, quantity = _decimal(text, pos + 2)
        if pos < 0 or load_byte(text, pos) != _CLOSE:
            return -1, row
        ev[row] = side
        px[row] = price
        qty[row] = quantity
        row += 1
        pos += 2
        if load_byte(text, pos - 1) == _CLOSE:
            return pos, row
        if load_byte(text, pos - 1) != _COMMA:
            return -1, row


@jit
def _same(text: _U8, begin: int, end: int, names: _U8, at: int, length: int) -> bool:
    """Tell whether text[begin:end] is names[at:at + length]."""
    if end - begin != length:
        return False
    for i in range(length):  # noqa: SIM110 - a generator is no kernel
        if load_byte(text, begin + i) != load_byte(names, at + i):
            return False
    return True


@jit
def _nanoseconds(value: np.int64) -> np.int64:
    """Convert ms or µs since the epoch, told by their size, to ns; -1 for what is neither."""
    if value <= _MAX_MS:
        return value * 1_000_000
    if _FIRST_US <= value <= _MAX_US:
        return value * 1_000
    return np.int64(-1)


@jit
def _text_end(text: _U8, pos: int) -> int:
    """Return the place of the quote that ends a plain text, -1 if an escape or a byte beyond ASCII is in it."""
    while True:
        byte = load_byte(text, pos)
        if byte == _QUOTE:
            return pos
        if byte < 32 or byte > 126 or byte == 92:
            return -1
        pos += 1


@jit
def scan_lines(
    text: _U8,
    stop: int,
    slots: _I32,
    streams: _I64,
    names: _U8,
    state: _I64,
    what: _U8,
    symbol: _I32,
    ints: _I64,
    ev: _U32,
    px: _F64,
    qty: _F64,
) -> bool:
    """Take whole lines of text[state[POS]:stop] up to the first odd one; tell whether all of them were taken.

    `text` has PADDING more bytes. An odd line stays unread at state[POS] and leaves nothing behind. `slots` are
    stream numbers by hash, -1 where empty; `streams` and `names` describe them, with HITS and TAKEN counted here.
    Messages are written from state[MESSAGES] on, rows from state[ROWS] on; `ints` are file, line, local, exchange
    time, first, last, previous id, first row and row behind the last, these two counted from state[FIRST_ROW].
    """
    numbers = np.zeros(6, np.int64)
    pos = state[POS]
    line = state[LINE]
    message = state[MESSAGES]
    row = state[ROWS]
    chosen, other = (_E, _T) if state[BY_EVENT_TIME] else (_T, _E)
    chosen_at, other_at = (0, 1) if state[BY_EVENT_TIME] else (1, 0)
    spot = state[SPOT]
    odd = False
    while pos < stop:
        start = pos
        odd = True  # until all of the line is read
        high = _eight_digits(load_word(text, pos))
        low = _eight_digits(load_word(text, pos + 8))
        one = load_byte(text, pos + 16) - 48
        two = load_byte(text, pos + 17) - 48
        three = load_byte(text, pos + 18) - 48
        if high < 0 or low < 0 or high >= 90_000_000 or load_byte(text, pos + 19) != 32:
            break
        if one < 0 or one > 9 or two < 0 or two > 9 or three < 0 or three > 9:
            break
        local = (high * 100_000_000 + low) * 1000 + one * 100 + two * 10 + three
        if load_word(text, pos + 20) != _STREAM or load_word(text, pos + 28) & _THREE != _STREAM_END:
            break
        begin = pos + 31
        pos = begin
        hashed = np.int64(0)
        byte = load_byte(text, pos)
        while byte != _QUOTE and byte >= 32:
            hashed = hashed * 31 + byte
            pos += 1
            byte = load_byte(text, pos)
        slot = hashed & (SLOTS - 1)
        stream = slots[slot]
        while stream >= 0 and not _same(text, begin, pos, names, streams[stream, NAME_AT], streams[stream, NAME_LEN]):
            slot = (slot + 1) & (SLOTS - 1)
            stream = slots[slot]
        if stream < 0 or load_word(text, pos) != _DATA or load_word(text, pos + 8) & _TWO != _DATA_END:
            break
        pos += 10
        kind = streams[stream, KIND]
        meant = _WORD
        if kind == UPDATE:
            meant = _OF_UPDATE
        elif kind == TRADE:
            meant = _OF_TRADE
        met = 0
        end_row = row
        bids = row
        price = 0.0
        quantity = 0.0
        sold = False
        good = True
        while good:
            if load_byte(text, pos) != _QUOTE:
                good = False
                break
            byte = load_byte(text, pos + 1)
            bit = 0
            if load_byte(text, pos + 2) == _QUOTE and 32 <= byte <= 126 and byte != _QUOTE and byte != 92:
                bit = _BIT_OF[byte] & meant
                pos += 3
            elif load_word(text, pos) & _FOUR == 0x22757022:  # "pu"
                bit = _PREV & meant
                pos += 4
            else:
                pos = _text_end(text, pos + 1) + 1
            good = pos > 0 and load_byte(text, pos) == _COLON and met & bit == 0
            if not good:
                break
            met |= bit
            pos += 1
            byte = load_byte(text, pos)
            if byte == _QUOTE:
                pos += 1
                if bit & (_PRICE | _QUANTITY):
                    pos, value = _decimal(text, pos)
                    good = pos >= 0
                    if bit == _PRICE:
                        price = value
                    else:
                        quantity = value
                else:
                    begin = pos
                    pos = _text_end(text, pos)
                    good = pos >= 0 and (bit == 0 or bit & _TEXTS != 0)
                    if good and bit == _WORD:
                        good = _same(text, begin, pos, names, streams[stream, WORD_AT], streams[stream, WORD_LEN])
                    elif good and bit == _SYMBOL:
                        good = _same(text, begin, pos, names, streams[stream, SYMBOL_AT], streams[stream, SYMBOL_LEN])
                    elif good and bit == _CAUSE:
                        good = load_word(text, begin) & _SEVEN == _MARKET
                    pos += 1
            elif 48 <= byte <= 57:
                begin = pos
                number = np.int64(0)
                while 48 <= byte <= 57 and pos - begin < 19:
                    number = number * 10 + (byte - 48)
                    pos += 1
                    byte = load_byte(text, pos)
                good = pos - begin < 19 and (pos - begin == 1 or load_byte(text, begin) != 48)
                if bit & _NUMBERS:
                    at = 0
                    while bit >> (_FIRST_NUMBER + at) > 1:
                        at += 1
                    numbers[at] = number
                elif bit:
                    good = False
            elif byte == _OPEN:
                if bit == _BIDS:
                    bids = end_row
                    pos, end_row = _levels(text, pos + 1, _BID, end_row, ev, px, qty)
                elif bit == _ASKS:
                    pos, end_row = _levels(text, pos + 1, _ASK, end_row, ev, px, qty)
                elif kind == OTHER and bit == 0:
                    pos, _ = _levels(text, pos + 1, _BID, end_row, ev, px, qty)
                else:
                    good = False
                good = good and pos >= 0
            else:
                good = bit == 0 or bit == _MAKER
                sold_here = load_word(text, pos) & _FOUR == _TRUE
                if sold_here:
                    pos += 4
                else:
                    good = good and load_word(text, pos) & _FIVE == _FALSE
                    pos += 5
                if bit == _MAKER:
                    sold = sold_here
            if not good:
                break
            byte = load_byte(text, pos)
            pos += 1
            if byte == _END:
                break
            good = byte == _COMMA
        if not good or (met & _WORD != 0) != (streams[stream, WORD_LEN] >= 0):
            break
        if load_byte(text, pos) != _END:
            break
        pos += 1
        if load_byte(text, pos) == _RETURN:
            pos += 1
        if load_byte(text, pos) != _NEWLINE:
            break
        pos += 1
        if kind != OTHER:
            exch = np.int64(-1)
            if met & chosen:
                exch = _nanoseconds(numbers[chosen_at])
            elif met & other and state[MAY_DATE]:
                exch = _nanoseconds(numbers[other_at])
            if exch < 0 or met & _SYMBOL == 0:
                break
            first = np.int64(-1)
            last = np.int64(-1)
            before = np.int64(-1)
            if kind == UPDATE:
                if met & _IDS != _IDS or (met & _PREV == 0) != (spot == 1) or spot < 0:
                    break
                if met & _BIDS == 0 or met & _ASKS == 0 or (bids > row):
                    break
                first = numbers[2]
                last = numbers[3]
                before = numbers[4]
                if spot == 1:
                    before = first - 1 if first > 0 else first
            else:
                if met & _PRICE == 0 or met & _QUANTITY == 0 or met & _MAKER == 0:
                    break
                if not price > 0.0 or not quantity > 0.0:
                    break
                if met & _CAUSE == 0:
                    if not state[MAY_OMIT]:
                        break
                    state[NO_CAUSES] += 1
                if met & _ID:
                    last = numbers[5]
                ev[row] = _SOLD if sold else _BOUGHT
                px[row] = price
                qty[row] = quantity
                end_row = row + 1
            if met & chosen == 0:
                state[OTHER_TIMES] += 1
            what[message] = 0 if kind == UPDATE else 2
            symbol[message] = streams[stream, NUMBER]
            ints[message, 0] = state[FILE]
            ints[message, 1] = line + 1
            ints[message, 2] = local
            ints[message, 3] = exch
            ints[message, 4] = first
            ints[message, 5] = last
            ints[message, 6] = before
            ints[message, 7] = state[FIRST_ROW] + row
            ints[message, 8] = state[FIRST_ROW] + end_row
            message += 1
            row = end_row
            streams[stream, TAKEN] += 1
        streams[stream, HITS] += 1
        line += 1
        odd = False
    state[POS] = start if odd else pos
    state[LINE] = line
    state[MESSAGES] = message
    state[ROWS] = row
    return not odd
