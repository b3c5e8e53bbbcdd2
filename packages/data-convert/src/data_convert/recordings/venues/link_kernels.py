"""Lines of a connector's recording out of bytes into messages. Slow twin: `link.LinkDecoder`.

Lines chained by `more` are one message; the rows of one that is not whole yet lie in `held`. The first line that is not
plainly good, or that does what is rare (a gap, a torn batch, a snapshot of the source's older recorder), ends the call and is
left to the decoder. Importing this module imports numba; do so only where a kernel runs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit, load_byte, load_word
from data_convert.files.number_kernels import FIVE, FOUR
from data_convert.messages.columns import Block
from data_convert.recordings.venues.json_kernels import (
    CLOSE,
    COMMA,
    OPEN,
    QUOTE,
    Tables,
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
)
from data_convert.recordings.venues.scan_states import (
    COUNT,
    DONE,
    FILE,
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

_I64 = npt.NDArray[np.int64]
_U32 = npt.NDArray[np.uint32]
_U8 = npt.NDArray[np.uint8]
_F64 = npt.NDArray[np.float64]

# What lines are, as `meaning` of their stream.
UPDATE, SNAPSHOT, CLEAR, TRADE, QUOTES = range(5)
# Place in `fixed`.
NO_QUANTITY: Final = 0
# Words of the message that is held: rows (0: none is), rows before and with its last full clear, symbol, file, line, times,
# last id, lines that are still to come, whether it is the whole book.
HELD, CUT, SYMBOL, IN_FILE, AT_LINE, LOCAL_NS, EXCH_NS, LAST_ID, MORE, WHOLE = range(10)
HELD_WORDS: Final = 10

_E, _MS, _S, _B, _A, _NS, _U, _MORE = (key(k) for k in ("e", "E", "s", "b", "a", "ns", "u", "more"))
_P, _Q, _M, _T, _SIDE = (key(k) for k in ("p", "q", "m", "t", "side"))
_OTHERS = (key("ev"), key("T"), key("U"), key("pu"), key("X"), key("stream"), key("bids"), key("asks"), key("data"))
_TRUE = np.int64(int.from_bytes(b"true", "little"))
_FALSE = np.int64(int.from_bytes(b"false", "little"))
_CLEAR = np.uint32(3)
_BUY = np.uint32(1 << 29)
_SELL = np.uint32(1 << 28)
_TRADED = np.uint32(2)


class Held(NamedTuple):
    """The message that is not whole yet: its rows and its words."""

    ev: _U32
    px: _F64
    qty: _F64
    words: _I64


@jit
def scan_link(text: _U8, stop: int, tables: Tables, held: Held, px: _F64, qty: _F64, state: _I64, out: Block) -> None:
    """Take whole lines of text[state[POS]:stop] up to the first odd one; state[STATUS] says why the call ended.

    PADDING more bytes of `text` can be read. `px`, `qty` have room for the one level of a line, and another.
    """
    streams, symbols, texts, fixed, counts = tables
    words = held.words
    state[STATUS] = DONE
    while state[POS] < stop:
        local = read_stamp(text, state[POS])
        at = state[POS] + 20
        stream = -1
        symbol = -1
        sent = np.int64(-1)
        exch = np.int64(-1)
        last = np.int64(-1)
        more = np.int64(-1)
        trade = np.int64(-1)
        bids = -1
        asks = -1
        sold = -1
        side = -1
        price = np.nan
        quantity = np.nan
        seen = 0
        state[STATUS] = ODD
        if local < 0 or load_byte(text, at) != OPEN:
            break
        while True:
            at, name = read_key(text, at + 1)
            if at < 0:
                break
            bit = 0
            if name == _MS:
                bit = 1
                at, number = read_integer(text, at)
                sent = millis_ns(number)
                at = at if sent >= 0 else -1
            elif name == _S:
                bit = 2
                at, symbol = read_known(text, at, symbols, texts)
            elif name == _NS:
                bit = 4
                at, exch = read_integer(text, at)
            elif name in (_B, _A):
                bit = 8 if name == _B else 16
                if load_byte(text, at) == QUOTE:
                    at = skip_value(text, at)
                else:
                    begin = max(bids, 0) + max(asks, 0)
                    at, end = read_levels(text, at, begin, px, qty)
                    if name == _B:
                        bids = end - begin
                    else:
                        asks = end - begin
            elif name == _U:
                bit = 32
                at, last = read_integer(text, at)
            elif name == _MORE:
                bit = 64
                at, more = read_integer(text, at)
            elif name == _E:
                bit = 128
                at, stream = read_known(text, at, streams, texts)
            elif name in (_P, _Q):
                bit = 256 if name == _P else 512
                if load_byte(text, at) != QUOTE:
                    at = -1
                    break
                at, value = read_text_decimal(text, at + 1)
                if name == _P:
                    price = value
                else:
                    quantity = value
            elif name == _M:
                bit = 1024
                word = load_word(text, at)
                sold = 1 if word & FOUR == _TRUE else 0
                if sold == 0 and word & FIVE != _FALSE:
                    at = -1
                    break
                at += 5 - sold
            elif name == _T:
                bit = 2048
                at, trade = read_integer(text, at)
            elif name == _SIDE:
                bit = 4096
                byte = load_byte(text, at + 1)
                if load_byte(text, at) != QUOTE or load_byte(text, at + 2) != QUOTE or (byte != 97 and byte != 98):
                    at = -1
                    break
                side = 0 if byte == 98 else 1
                at += 3
            else:
                other = name == 0
                for i in range(len(_OTHERS)):
                    other = other or name == _OTHERS[i]
                at = -1 if other else skip_value(text, at)
            if at < 0 or seen & bit:
                at = -1
                break
            seen |= bit
            if load_byte(text, at) != COMMA:
                break
        if at < 0 or load_byte(text, at) != CLOSE or stream < 0 or symbol < 0:
            break
        behind = line_ends(text, at + 1)
        exch = exch if exch >= 0 else sent
        if behind < 0 or exch < 0:
            break
        meaning = streams[stream, MEANING]
        if meaning <= CLEAR:
            event = _CLEAR
            if meaning == CLEAR:
                quantity = 0.0
                if side < 0:
                    price = 0.0
                else:
                    event = _CLEAR | (_BUY if side == 0 else _SELL)
            else:
                if bids < 0 or asks < 0 or bids + asks != 1:
                    break
                event = np.uint32(1 if meaning == UPDATE else 4) | (_BUY if bids else _SELL)
                price = px[0]
                quantity = qty[0]
            whole = meaning == SNAPSHOT or event == _CLEAR
            n = words[HELD]
            if n == 0:
                # A snapshot outside of a batch may go on in the next line.
                if more < 0 and whole:
                    break
                words[CUT] = 0
                words[SYMBOL] = symbol
                words[IN_FILE] = state[FILE]
                words[AT_LINE] = state[LINE] + 1
                words[LOCAL_NS] = 0
                words[EXCH_NS] = 0
                words[LAST_ID] = -1
                words[WHOLE] = 0
            elif symbol != words[SYMBOL] or more < 0 or more != words[MORE] - 1:
                break
            rows = state[ROWS]
            if n >= len(held.ev) or (more <= 0 and (state[MESSAGES] >= len(out.what) or rows + n >= len(out.ev))):
                state[STATUS] = FULL
                break
            held.ev[n] = event
            held.px[n] = price
            held.qty[n] = quantity
            n += 1
            if event == _CLEAR:
                words[CUT] = n
            if whole:
                words[WHOLE] = 1
            words[LOCAL_NS] = max(words[LOCAL_NS], local)
            words[EXCH_NS] = max(words[EXCH_NS], exch)
            words[LAST_ID] = max(words[LAST_ID], last)
            words[MORE] = more
            words[HELD] = n
            if more <= 0:
                message = state[MESSAGES]
                cut = words[CUT]
                for i in range(cut, n):
                    out.ev[rows + i - cut] = held.ev[i]
                    out.px[rows + i - cut] = held.px[i]
                    out.qty[rows + i - cut] = held.qty[i]
                out.what[message] = 1 if words[WHOLE] else 0
                out.symbol[message] = symbols[words[SYMBOL], NUMBER]
                out.ints[message, 3] = words[EXCH_NS]
                out.ints[message, 5] = words[LAST_ID]
                place_message(out, message, words[AT_LINE], words[LOCAL_NS], rows, rows + n - cut, state)
                out.ints[message, 0] = words[IN_FILE]
                counts[symbols[words[SYMBOL], COUNT]] += 1
                words[HELD] = 0
                state[MESSAGES] += 1
                state[ROWS] = rows + n - cut
        elif meaning == TRADE:
            if sold < 0 or not seen & 256 or not seen & 512:
                break
            if price > 0.0 and quantity > 0.0:
                message = state[MESSAGES]
                row = state[ROWS]
                if message >= len(out.what) or row >= len(out.ev):
                    state[STATUS] = FULL
                    break
                out.ev[row] = _TRADED | (_SELL if sold else _BUY)
                out.px[row] = price
                out.qty[row] = quantity
                out.what[message] = 2
                out.symbol[message] = symbols[symbol, NUMBER]
                out.ints[message, 3] = exch
                out.ints[message, 5] = trade
                place_message(out, message, state[LINE] + 1, local, row, row + 1, state)
                counts[symbols[symbol, COUNT]] += 1
                state[MESSAGES] += 1
                state[ROWS] += 1
            else:
                if fixed[NO_QUANTITY] < 0:
                    break
                counts[fixed[NO_QUANTITY]] += 1
        counts[streams[stream, COUNT]] += 1
        state[LINE] += 1
        state[POS] = behind
        state[STATUS] = DONE
