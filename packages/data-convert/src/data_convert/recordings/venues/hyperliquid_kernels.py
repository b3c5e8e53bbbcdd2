"""Lines of a Hyperliquid recording out of bytes into messages. Slow twin: `hyperliquid.HyperliquidDecoder`.

The first line that is not plainly good, or that does what is rare (the first statement of a window), ends the call and is
left to the decoder. One kernel and its parts stay in one module. Importing it imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit, load_byte, load_word
from data_convert.files.number_kernels import FIVE
from data_convert.messages.columns import Block
from data_convert.recordings.venues.json_kernels import (
    CLOSE,
    CLOSE_LIST,
    COMMA,
    OPEN,
    OPEN_LIST,
    QUOTE,
    SEVEN,
    Tables,
    key,
    line_ends,
    millis_ns,
    place_message,
    read_integer,
    read_key,
    read_known,
    read_stamp,
    read_text_decimal,
    skip_value,
)
from data_convert.recordings.venues.scan_states import (
    ANCHORED,
    BOOK,
    COUNT,
    DEPTH_OF,
    DONE,
    FULL,
    LINE,
    MEANING,
    MESSAGES,
    NUMBER,
    ODD,
    POS,
    ROWS,
    STATUS,
)
from data_convert.recordings.venues.window_kernels import Books, Rows, Said, find_window, has_room, state_window

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

# What lines are, as `meaning` of their stream.
OTHER, BOOK_STREAM, BEST, TRADES = range(4)
# Places in `fixed`: the counts of what is left out by rule.
NOT_CHOSEN, NO_QUANTITY = range(2)

_CHANNEL, _DATA, _COIN, _TIME, _LEVELS, _BBO = (key(k) for k in ("channel", "data", "coin", "time", "levels", "bbo"))
_PX, _SZ, _SIDE, _TID = (key(k) for k in ("px", "sz", "side", "tid"))
_PX_FIRST = np.int64(int.from_bytes(b'{"px":"', "little"))
_AND_PX = np.int64(int.from_bytes(b',"px":"', "little"))
_AND_SZ = np.int64(int.from_bytes(b',"sz":"', "little"))
_N_FIRST = np.int64(int.from_bytes(b'{"n":', "little"))
_AND_N = np.int64(int.from_bytes(b',"n":', "little"))
_BOUGHT = np.uint32(2 | 1 << 29)
_SOLD = np.uint32(2 | 1 << 28)


@inner
def _usual_level(text: _U8, pos: int, px: _F64, qty: _F64, at: int) -> int:
    """Read `{"px":"1","sz":"2","n":3}`, or the same with `n` before them, into a place; -1 for any other order."""
    behind = True
    if load_word(text, pos) & SEVEN == _PX_FIRST:
        pos += 7
    elif load_word(text, pos) & FIVE == _N_FIRST:
        pos, _ = read_integer(text, pos + 5)
        if pos < 0 or load_word(text, pos) & SEVEN != _AND_PX:
            return -1
        pos += 7
        behind = False
    else:
        return -1
    pos, px[at] = read_text_decimal(text, pos)
    if pos < 0 or load_word(text, pos) & SEVEN != _AND_SZ or not px[at] > 0.0:
        return -1
    pos, qty[at] = read_text_decimal(text, pos + 7)
    if pos >= 0 and behind:
        pos = read_integer(text, pos + 5)[0] if load_word(text, pos) & FIVE == _AND_N else -1
    return pos + 1 if pos >= 0 and load_byte(text, pos) == CLOSE else -1


@inner
def _level(text: _U8, pos: int, px: _F64, qty: _F64, at: int) -> int:
    """Read `{"px":"1","sz":"2",...}` into a place; return the place behind it, -1 if odd."""
    usual = _usual_level(text, pos, px, qty, at)
    if usual >= 0:
        return usual
    if load_byte(text, pos) != OPEN:
        return -1
    seen = 0
    while True:
        pos, name = read_key(text, pos + 1)
        if pos < 0:
            return -1
        if name in (_PX, _SZ):
            bit = 1 if name == _PX else 2
            if seen & bit or load_byte(text, pos) != QUOTE:
                return -1
            seen |= bit
            pos, value = read_text_decimal(text, pos + 1)
            if name == _PX:
                px[at] = value
            else:
                qty[at] = value
        else:
            pos = skip_value(text, pos)
        if pos < 0:
            return -1
        byte = load_byte(text, pos)
        if byte == CLOSE:
            return pos + 1 if seen == 3 and px[at] > 0.0 else -1
        if byte != COMMA:
            return -1


@inner
def _side(text: _U8, pos: int, px: _F64, qty: _F64, begin: int, bids: bool) -> tuple[int, int]:
    """Read a list of levels; return (behind it, next place), -1 unless each is worse than the one before."""
    if load_byte(text, pos) != OPEN_LIST:
        return -1, begin
    at = begin
    if load_byte(text, pos + 1) == CLOSE_LIST:
        return pos + 2, at
    while True:
        if at >= len(px):
            return -1, at
        pos = _level(text, pos + 1, px, qty, at)
        if pos < 0:
            return -1, at
        if qty[at] > 0.0:
            if at > begin and (px[at] >= px[at - 1] if bids else px[at] <= px[at - 1]):
                return -1, at
            at += 1
        byte = load_byte(text, pos)
        if byte != COMMA:
            return (pos + 1 if byte == CLOSE_LIST else -1), at


@inner
def _both_sides(text: _U8, pos: int, px: _F64, qty: _F64) -> tuple[int, int, int]:
    """Read `[[...],[...]]`; return (behind it, where asks begin, where they end), -1 if odd."""
    asks = 0
    end = 0
    # In a loop, so that reading a side is compiled once and not for either side.
    for side in range(2):
        if load_byte(text, pos) != (OPEN_LIST if side == 0 else COMMA):
            return -1, 0, 0
        asks = end
        pos, end = _side(text, pos + 1, px, qty, end, side == 0)
        if pos < 0:
            return -1, 0, 0
    if load_byte(text, pos) != CLOSE_LIST:
        return -1, 0, 0
    return pos + 1, asks, end


@inner
def _quotes(text: _U8, pos: int, px: _F64, qty: _F64) -> tuple[int, int, int]:
    """Read `[{...},{...}]`, null for a side without quote; return as `_both_sides`."""
    at = 0
    asks = 0
    if load_byte(text, pos) != OPEN_LIST:
        return -1, 0, 0
    for side in range(2):
        if load_byte(text, pos + 1) == OPEN:
            pos = _level(text, pos + 1, px, qty, at)
            if pos < 0:
                return -1, 0, 0
            at += 1 if qty[at] > 0.0 else 0
        else:
            begin = pos + 1
            pos = skip_value(text, begin)
            if pos != begin + 4 or load_byte(text, begin) != 110:
                return -1, 0, 0
        if load_byte(text, pos) != (COMMA if side == 0 else CLOSE_LIST):
            return -1, 0, 0
        asks = at if side == 0 else asks
    return pos + 1, asks, at


@inner
def _trade(text: _U8, pos: int, tables: Tables, message: int, row: int, out: Block) -> tuple[int, int]:
    """Read one trade into a message and a row; return (behind it, row of its symbol), -1 if odd. Its id is -1 without one."""
    if load_byte(text, pos) != OPEN:
        return -1, -1
    seen = 0
    symbol = -1
    out.ints[message, 5] = -1
    while True:
        pos, name = read_key(text, pos + 1)
        if pos < 0:
            return -1, -1
        bit = 0
        if name == _COIN:
            bit = 1
            pos, symbol = read_known(text, pos, tables.symbols, tables.texts)
        elif name == _SIDE:
            bit = 2
            side = load_byte(text, pos + 1)
            if load_byte(text, pos) != QUOTE or load_byte(text, pos + 2) != QUOTE or (side != 65 and side != 66):
                return -1, -1
            out.ev[row] = _SOLD if side == 65 else _BOUGHT
            pos += 3
        elif name in (_PX, _SZ):
            bit = 4 if name == _PX else 8
            if load_byte(text, pos) != QUOTE:
                return -1, -1
            pos, value = read_text_decimal(text, pos + 1)
            if name == _PX:
                out.px[row] = value
            else:
                out.qty[row] = value
        elif name == _TIME:
            bit = 16
            pos, number = read_integer(text, pos)
            out.ints[message, 3] = millis_ns(number)
            if out.ints[message, 3] < 0:
                return -1, -1
        elif name == _TID:
            bit = 32
            pos, out.ints[message, 5] = read_integer(text, pos)
        else:
            pos = skip_value(text, pos)
        if pos < 0 or seen & bit:
            return -1, -1
        seen |= bit
        byte = load_byte(text, pos)
        if byte == CLOSE:
            return (pos + 1 if seen & 31 == 31 else -1), symbol
        if byte != COMMA:
            return -1, -1


@inner
def _book_data(
    text: _U8, at: int, meaning: int, tables: Tables, px: _F64, qty: _F64
) -> tuple[int, int, np.int64, int, int]:
    """Read the data of a book or best quotes: (place behind, row of the symbol, time, where asks begin and end), -1 if odd."""
    symbol = -1
    sides = False
    exch = np.int64(-1)
    asks = 0
    end = 0
    if load_byte(text, at) != OPEN:
        return -1, symbol, exch, asks, end
    while True:
        at, name = read_key(text, at + 1)
        if at < 0:
            break
        if name == _COIN:
            again = symbol >= 0
            at, symbol = read_known(text, at, tables.symbols, tables.texts)
        elif name == _TIME:
            again = bool(exch >= 0)
            at, number = read_integer(text, at)
            exch = millis_ns(number)
            again = bool(again or exch < 0)
        elif name == (_LEVELS if meaning == BOOK_STREAM else _BBO):
            again = sides
            sides = True
            if meaning == BOOK_STREAM:
                at, asks, end = _both_sides(text, at, px, qty)
            else:
                at, asks, end = _quotes(text, at, px, qty)
        else:
            again = False
            at = skip_value(text, at)
        if at < 0 or again:
            return -1, symbol, exch, asks, end
        if load_byte(text, at) != COMMA:
            break
    if at < 0 or load_byte(text, at) != CLOSE or symbol < 0 or exch < 0 or not sides:
        return -1, symbol, exch, asks, end
    return at + 1, symbol, exch, asks, end


@inner
def _trades_data(
    text: _U8, at: int, tables: Tables, local: np.int64, state: _I64, message: int, row: int, out: Block
) -> tuple[int, int, int, int]:
    """Read a list of trades into messages; return (place behind, next message, next row, left out), place -1 if odd, -2 if full.

    `out.symbol` becomes the row of a trade's symbol in the table.
    """
    left_out = 0
    if load_byte(text, at) != OPEN_LIST:
        return -1, message, row, left_out
    if load_byte(text, at + 1) == CLOSE_LIST:
        return at + 2, message, row, left_out
    while True:
        if message >= len(out.what) or row >= len(out.ev):
            return -2, message, row, left_out
        at, symbol = _trade(text, at + 1, tables, message, row, out)
        if at < 0:
            return -1, message, row, left_out
        if out.px[row] > 0.0 and out.qty[row] > 0.0:
            out.what[message] = 2
            out.symbol[message] = symbol
            place_message(out, message, state[LINE] + 1, local, row, row + 1, state)
            message += 1
            row += 1
        else:
            left_out += 1
        if load_byte(text, at) != COMMA:
            break
    if load_byte(text, at) != CLOSE_LIST or (left_out and tables.fixed[NO_QUANTITY] < 0):
        return -1, message, row, left_out
    return at + 1, message, row, left_out


@jit
def scan_hyperliquid(
    text: _U8, stop: int, tables: Tables, books: Books, chosen: int, px: _F64, qty: _F64, state: _I64, out: Block
) -> None:
    """Take whole lines of text[state[POS]:stop] up to the first odd one; state[STATUS] says why the call ended.

    PADDING more bytes of `text` can be read. `chosen`: the one window wanted, by its depth, 0 for all. `px`, `qty` have room
    for the levels of a line.
    """
    streams, symbols, texts, fixed, counts = tables
    rows = Rows(out.ev, out.px, out.qty)
    state[STATUS] = DONE
    while state[POS] < stop:
        local = read_stamp(text, state[POS])
        at = state[POS] + 20
        stream = -1
        meaning = -1
        symbol = -1
        exch = np.int64(-1)
        data = False
        asks = 0
        end = 0
        left_out = 0
        message = state[MESSAGES]
        row = state[ROWS]
        state[STATUS] = ODD
        if local < 0 or load_byte(text, at) != OPEN:
            break
        while True:
            at, name = read_key(text, at + 1)
            if at < 0:
                break
            if name == _CHANNEL and stream < 0:
                at, stream = read_known(text, at, streams, texts)
                if at >= 0:
                    meaning = streams[stream, MEANING]
            elif name == _DATA and stream >= 0 and not data:
                data = True
                if meaning in (BOOK_STREAM, BEST):
                    at, symbol, exch, asks, end = _book_data(text, at, meaning, tables, px, qty)
                elif meaning == TRADES:
                    at, message, row, left_out = _trades_data(text, at, tables, local, state, message, row, out)
                else:
                    at = skip_value(text, at)
            else:
                at = -1 if name in (_CHANNEL, _DATA) else skip_value(text, at)
            if at < 0 or load_byte(text, at) != COMMA:
                break
        if at < 0 or load_byte(text, at) != CLOSE or stream < 0 or (meaning != OTHER and not data):
            state[STATUS] = FULL if at == -2 else ODD
            break
        behind = line_ends(text, at + 1)
        if behind < 0:
            break
        if meaning in (BOOK_STREAM, BEST):
            depth = streams[stream, DEPTH_OF]
            if chosen and depth != chosen:
                if fixed[NOT_CHOSEN] < 0:
                    break
                counts[fixed[NOT_CHOSEN]] += 1
            else:
                book = symbols[symbol, BOOK]
                window = find_window(books, book, depth) if book >= 0 else -1
                if window < 0 or not books.window[book, window, ANCHORED]:
                    break
                said = Said(px, qty, asks, end)
                if message >= len(out.what) or not has_room(books, book, window, said, rows, row):
                    state[STATUS] = FULL
                    break
                row = state_window(books, book, window, said, exch, rows, row)
                if row > state[ROWS]:
                    out.what[message] = 0
                    out.symbol[message] = symbols[symbol, NUMBER]
                    out.ints[message, 3] = exch
                    out.ints[message, 5] = -1
                    place_message(out, message, state[LINE] + 1, local, state[ROWS], row, state)
                    counts[symbols[symbol, COUNT]] += 1
                    message += 1
        elif meaning == TRADES:
            for i in range(state[MESSAGES], message):
                symbol = out.symbol[i]
                out.symbol[i] = symbols[symbol, NUMBER]
                counts[symbols[symbol, COUNT]] += 1
            if left_out:
                counts[fixed[NO_QUANTITY]] += left_out
        counts[streams[stream, COUNT]] += 1
        state[MESSAGES] = message
        state[ROWS] = row
        state[LINE] += 1
        state[POS] = behind
        state[STATUS] = DONE
