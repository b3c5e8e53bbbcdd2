"""Lines of a Bybit recording out of bytes into messages. Slow twin: `bybit.BybitDecoder`.

The first line that is not plainly good, or that does what is rare (a topic begins, ids with a hole), ends the call and is
left to the decoder. One kernel and its parts stay in one module. Importing it imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit, load_byte, load_word
from data_convert.files.number_kernels import FIVE, FOUR, SIX
from data_convert.messages.columns import Block
from data_convert.recordings.venues.json_kernels import (
    CLOSE,
    CLOSE_LIST,
    COMMA,
    OPEN,
    OPEN_LIST,
    POINT,
    QUOTE,
    SEVEN,
    TWO,
    Tables,
    find_text,
    key,
    line_ends,
    millis_ns,
    place_message,
    read_integer,
    read_key,
    read_known,
    read_levels,
    read_stamp,
    read_text_decimal,
    skip_value,
    words_end,
)
from data_convert.recordings.venues.scan_states import (
    ANCHORED,
    BEHIND,
    BOOK,
    COUNT,
    DEPTH_OF,
    DONE,
    FULL,
    HAS_SEQ,
    IGNORED,
    LAST_U,
    LINE,
    LOST,
    MEANING,
    MESSAGES,
    NUMBER,
    ODD,
    POS,
    ROWS,
    STATUS,
)
from data_convert.recordings.venues.window_kernels import (
    Books,
    Rows,
    Said,
    change_window,
    find_window,
    has_room,
    state_window,
)

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

# What lines are, as `meaning` of their stream.
OTHER, BOOK_STREAM, TRADES = range(3)
# Places in `fixed`: the counts of what is left out by rule or noted.
BLOCK_TRADE, NO_QUANTITY, NO_CTS = range(3)

_TOPIC, _DATA, _TYPE, _TS, _CTS = (key(k) for k in ("topic", "data", "type", "ts", "cts"))
_S, _U, _SEQ, _B, _A = (key(k) for k in ("s", "u", "seq", "b", "a"))
_T, _SIDE, _P, _V, _BT = (key(k) for k in ("T", "S", "p", "v", "BT"))
_SNAPSHOT = np.int64(int.from_bytes(b'"snapsho', "little"))
_T_QUOTE = np.int64(int.from_bytes(b't"', "little"))
_DELTA = np.int64(int.from_bytes(b'"delta"', "little"))
_BUY = np.int64(int.from_bytes(b'"Buy"', "little"))
_SELL = np.int64(int.from_bytes(b'"Sell"', "little"))
_TRUE = np.int64(int.from_bytes(b"true", "little"))
_ORDERBOOK = np.int64(int.from_bytes(b"orderboo", "little"))
_RPI = np.int64(int.from_bytes(b".rpi.", "little"))
_SMALL_K = 107
_BOUGHT = np.uint32(2 | 1 << 29)
_SOLD = np.uint32(2 | 1 << 28)
_BID_ROW = np.uint32(1 | 1 << 29)
_ASK_ROW = np.uint32(1 | 1 << 28)


@inner
def _topic(text: _U8, pos: int, tables: Tables) -> tuple[int, int]:
    """Read a topic; return (place behind it, row of its stream), place -1 if it is not known.

    A stream is the topic's first part, of order books with the number of levels.
    """
    end = words_end(text, pos + 1) if load_byte(text, pos) == QUOTE else -1
    if end < 0:
        return -1, -1
    begin = pos + 1
    at = begin
    while at < end and load_byte(text, at) != POINT:
        at += 1
    book = at == begin + 9 and load_word(text, begin) == _ORDERBOOK and load_byte(text, begin + 8) == _SMALL_K
    if book and load_word(text, at) & FIVE != _RPI:
        at += 1
        while at < end and load_byte(text, at) != POINT:
            at += 1
    stream = find_text(text, begin, at - begin, tables.streams, tables.texts)
    return (end + 1 if stream >= 0 else -1), stream


@inner
def _kind(text: _U8, pos: int) -> tuple[int, int]:
    """Read `"snapshot"` or `"delta"`; return (place behind it, 1 or 2), place -1 for anything else."""
    word = load_word(text, pos)
    if word == _SNAPSHOT and load_word(text, pos + 8) & TWO == _T_QUOTE:
        return pos + 10, 1
    if word & SEVEN == _DELTA:
        return pos + 7, 2
    return -1, 0


@inner
def _book_data(
    text: _U8, at: int, tables: Tables, px: _F64, qty: _F64
) -> tuple[int, int, np.int64, np.int64, int, int]:
    """Read the data of a book: (place behind, row of the symbol, u, seq, where asks begin and end), place -1 if odd.

    `seq` is -1 where there is none. Bids must come before asks.
    """
    symbol = -1
    last = np.int64(-1)
    sequence = np.int64(-1)
    asks = -1
    end = -1
    if load_byte(text, at) != OPEN:
        return -1, symbol, last, sequence, asks, end
    while True:
        at, name = read_key(text, at + 1)
        if at < 0:
            break
        again = False
        if name == _S:
            again = symbol >= 0
            at, symbol = read_known(text, at, tables.symbols, tables.texts)
        elif name == _U:
            again = bool(last >= 0)
            at, last = read_integer(text, at)
        elif name == _SEQ:
            again = bool(sequence >= 0)
            at, sequence = read_integer(text, at)
        elif name == _B:
            again = asks >= 0
            at, asks = read_levels(text, at, 0, px, qty)
        elif name == _A:
            again = bool(asks < 0 or end >= 0)
            if not again:
                at, end = read_levels(text, at, asks, px, qty)
        else:
            at = skip_value(text, at)
        if at < 0 or again:
            return -1, symbol, last, sequence, asks, end
        if load_byte(text, at) != COMMA:
            break
    if at < 0 or load_byte(text, at) != CLOSE or symbol < 0 or last < 0 or end < 0:
        return -1, symbol, last, sequence, asks, end
    return at + 1, symbol, last, sequence, asks, end


@inner
def _trade(text: _U8, pos: int, tables: Tables, message: int, row: int, out: Block) -> tuple[int, int, bool]:
    """Read one trade into a message and a row; return (behind it, row of its symbol, whether it is a block), -1 if odd."""
    seen = 0
    symbol = -1
    block = False
    if load_byte(text, pos) != OPEN:
        return -1, symbol, block
    while True:
        pos, name = read_key(text, pos + 1)
        if pos < 0:
            return -1, symbol, block
        bit = 0
        if name == _T:
            bit = 1
            pos, number = read_integer(text, pos)
            out.ints[message, 3] = millis_ns(number)
            if out.ints[message, 3] < 0:
                return -1, symbol, block
        elif name == _S:
            bit = 2
            pos, symbol = read_known(text, pos, tables.symbols, tables.texts)
        elif name == _SIDE:
            bit = 4
            word = load_word(text, pos)
            if word & FIVE == _BUY:
                out.ev[row] = _BOUGHT
                pos += 5
            elif word & SIX == _SELL:
                out.ev[row] = _SOLD
                pos += 6
            else:
                return -1, symbol, block
        elif name in (_P, _V):
            bit = 8 if name == _P else 16
            if load_byte(text, pos) != QUOTE:
                return -1, symbol, block
            pos, value = read_text_decimal(text, pos + 1)
            if name == _P:
                out.px[row] = value
            else:
                out.qty[row] = value
        elif name == _BT:
            bit = 32
            block = load_word(text, pos) & FOUR == _TRUE
            pos = skip_value(text, pos)
        else:
            pos = skip_value(text, pos)
        if pos < 0 or seen & bit:
            return -1, symbol, block
        seen |= bit
        byte = load_byte(text, pos)
        if byte == CLOSE:
            return (pos + 1 if seen & 31 == 31 else -1), symbol, block
        if byte != COMMA:
            return -1, symbol, block


@inner
def _trades_data(
    text: _U8, at: int, tables: Tables, local: np.int64, state: _I64, message: int, row: int, out: Block
) -> tuple[int, int, int, int, int]:
    """Read a list of trades into messages: (place behind, next message, next row, blocks, others left out).

    Place -1 if odd, -2 if full. `out.symbol` becomes the row of a trade's symbol in the table.
    """
    blocks = 0
    left_out = 0
    if load_byte(text, at) != OPEN_LIST:
        return -1, message, row, blocks, left_out
    if load_byte(text, at + 1) == CLOSE_LIST:
        return at + 2, message, row, blocks, left_out
    while True:
        if message >= len(out.what) or row >= len(out.ev):
            return -2, message, row, blocks, left_out
        at, symbol, block = _trade(text, at + 1, tables, message, row, out)
        if at < 0:
            return -1, message, row, blocks, left_out
        if block:
            blocks += 1
        elif out.px[row] > 0.0 and out.qty[row] > 0.0:
            out.what[message] = 2
            out.symbol[message] = symbol
            out.ints[message, 5] = -1
            place_message(out, message, state[LINE] + 1, local, row, row + 1, state)
            message += 1
            row += 1
        else:
            left_out += 1
        if load_byte(text, at) != COMMA:
            break
    unknown = (blocks and tables.fixed[BLOCK_TRADE] < 0) or (left_out and tables.fixed[NO_QUANTITY] < 0)
    if load_byte(text, at) != CLOSE_LIST or unknown:
        return -1, message, row, blocks, left_out
    return at + 1, message, row, blocks, left_out


@inner
def _in_order(px: _F64, qty: _F64, asks: int, end: int) -> bool:
    """Tell whether every level is worse than the one before and has a quantity."""
    good = True
    for i in range(end):
        better = (0 < i < asks and px[i] >= px[i - 1]) or (i > asks and px[i] <= px[i - 1])
        good = bool(good and qty[i] > 0.0 and not better)
    return good


@inner
def _raw_rows(said: Said, rows: Rows, row: int) -> int:
    """Write the levels of a statement as they are; return the next row."""
    for i in range(said.end):
        rows.ev[row] = _BID_ROW if i < said.asks else _ASK_ROW
        rows.px[row] = said.px[i]
        rows.qty[row] = said.qty[i]
        row += 1
    return row


@jit
def scan_bybit(
    text: _U8,
    stop: int,
    matching: bool,
    tables: Tables,
    books: Books,
    chosen: int,
    px: _F64,
    qty: _F64,
    state: _I64,
    out: Block,
) -> None:
    """Take whole lines of text[state[POS]:stop] up to the first odd one; state[STATUS] says why the call ended.

    PADDING more bytes of `text` can be read. `matching`: books are dated by `cts`, trades by `T`, else both by `ts`.
    `chosen`: the one topic of books wanted, by its depth, 0 for all. `px`, `qty` have room for the levels of a line.
    """
    streams, symbols, _, fixed, counts = tables
    rows = Rows(out.ev, out.px, out.qty)
    state[STATUS] = DONE
    while state[POS] < stop:
        local = read_stamp(text, state[POS])
        at = state[POS] + 20
        stream = -1
        meaning = -1
        symbol = -1
        kind = 0
        last = np.int64(-1)
        sequence = np.int64(-1)
        sent = np.int64(-1)
        matched = np.int64(-1)
        data = False
        asks = 0
        end = 0
        blocks = 0
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
            again = False
            if name == _TOPIC:
                again = stream >= 0
                at, stream = _topic(text, at, tables)
                if at >= 0:
                    meaning = streams[stream, MEANING]
            elif name == _TYPE:
                again = kind != 0
                at, kind = _kind(text, at)
            elif name == _TS:
                again = bool(sent >= 0)
                at, number = read_integer(text, at)
                sent = millis_ns(number)
                again = bool(again or sent < 0)
            elif name == _CTS:
                again = bool(matched >= 0)
                at, number = read_integer(text, at)
                matched = millis_ns(number)
                again = bool(again or matched < 0)
            elif name == _DATA:
                again = bool(data or stream < 0)
                data = True
                if again:
                    at = -1
                elif meaning == BOOK_STREAM:
                    at, symbol, last, sequence, asks, end = _book_data(text, at, tables, px, qty)
                elif meaning == TRADES:
                    at, message, row, blocks, left_out = _trades_data(text, at, tables, local, state, message, row, out)
                else:
                    at = skip_value(text, at)
            else:
                at = skip_value(text, at)
            if again:
                at = -1
            if at < 0 or load_byte(text, at) != COMMA:
                break
        if at < 0 or load_byte(text, at) != CLOSE or stream < 0 or (meaning != OTHER and not data):
            state[STATUS] = FULL if at == -2 else ODD
            break
        behind = line_ends(text, at + 1)
        if behind < 0 or (sent < 0 and not matching and meaning != OTHER):
            break
        if meaning == BOOK_STREAM:
            exch = matched if matching and matched >= 0 else sent
            undated = matching and matched < 0
            if kind == 0 or exch < 0 or (undated and fixed[NO_CTS] < 0):
                break
            depth = streams[stream, DEPTH_OF]
            said = Said(px, qty, asks, end)
            if chosen and depth != chosen:
                if sequence < 0 or streams[stream, IGNORED] < 0:
                    break
                counts[streams[stream, IGNORED]] += 1
            else:
                book = symbols[symbol, BOOK]
                window = find_window(books, book, depth) if book >= 0 else -1
                if window < 0 or (books.book[book, HAS_SEQ] == 1) != (sequence >= 0):
                    break
                version = sequence if sequence >= 0 else exch
                known = books.window[book, window, LAST_U]
                if message >= len(out.what) or not has_room(books, book, window, said, rows, row):
                    state[STATUS] = FULL
                    break
                if kind == 1 or last == 1:
                    # Deeper snapshots begin a book anew; the best quotes are always sent as such.
                    whole = bool(books.window[book, window, ANCHORED] and not books.window[book, window, LOST])
                    if depth != 1 or last == 1 or not whole or not _in_order(px, qty, asks, end):
                        break
                    if asks > 1 or end - asks > 1:
                        break
                    row = state_window(books, book, window, said, version, rows, row)
                    books.window[book, window, LAST_U] = last
                elif books.window[book, window, LOST]:
                    if streams[stream, BEHIND] < 0:
                        break
                    counts[streams[stream, BEHIND]] += 1
                    if chosen:
                        row = _raw_rows(said, rows, row)
                else:
                    if depth == 1 or last != known + 1 or not books.window[book, window, ANCHORED]:
                        break
                    row = change_window(books, book, window, said, version, rows, row)
                    books.window[book, window, LAST_U] = last
                    if chosen:
                        row = _raw_rows(said, rows, state[ROWS])
                if row > state[ROWS]:
                    out.what[message] = 0
                    out.symbol[message] = symbols[symbol, NUMBER]
                    out.ints[message, 3] = exch
                    out.ints[message, 5] = last
                    place_message(out, message, state[LINE] + 1, local, state[ROWS], row, state)
                    counts[symbols[symbol, COUNT]] += 1
                    message += 1
            if undated:
                counts[fixed[NO_CTS]] += 1
        elif meaning == TRADES:
            for i in range(state[MESSAGES], message):
                symbol = out.symbol[i]
                out.symbol[i] = symbols[symbol, NUMBER]
                if not matching:
                    out.ints[i, 3] = sent
                counts[symbols[symbol, COUNT]] += 1
            if blocks:
                counts[fixed[BLOCK_TRADE]] += blocks
            if left_out:
                counts[fixed[NO_QUANTITY]] += left_out
        counts[streams[stream, COUNT]] += 1
        state[MESSAGES] = message
        state[ROWS] = row
        state[LINE] += 1
        state[POS] = behind
        state[STATUS] = DONE
