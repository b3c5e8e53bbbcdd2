"""The loops of `venues.scan`: a depth frame's bytes into event records, without a JSON tree in between; Binance's form and Bybit's.

They accept only what they surely read as a full JSON parser and float() would: valid JSON throughout, the fields of a depth update
each once and of the usual form, decimals whose digits fit a float exactly (mantissa below 2^53, at most 18 digits, so that one correctly
rounded division gives the nearest float: W. D. Clinger, "How to read floating point numbers accurately", 1990). All else is odd, and for
the slow way to judge.

One file of more than 400 lines, because numba's cache of a kernel notices changes in the kernel's own file only.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketlink._jit import jit
from marketlink.events import Events

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

# What `found` (int64) holds.
FIRST_ID: Final = 0
LAST_ID: Final = 1
PREV_ID: Final = 2
SYMBOL_FROM: Final = 3
SYMBOL_TO: Final = 4
BIDS: Final = 5
ASKS: Final = 6
ASKS_FIRST: Final = 7
FOUND_SIZE: Final = 8
# ... of Bybit: `u` is LAST_ID.
SEQUENCE: Final = 0
TOPIC_FROM: Final = 2
TOPIC_TO: Final = 8
WHOLE: Final = 9
BOOK_FOUND_SIZE: Final = 10

READ: Final = 0
ODD: Final = -1
MORE_OUT: Final = -2

_QUOTE, _BACKSLASH, _COMMA, _COLON, _POINT, _MINUS, _PLUS = 0x22, 0x5C, 0x2C, 0x3A, 0x2E, 0x2D, 0x2B
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = 0x7B, 0x7D, 0x5B, 0x5D
_0, _9 = 0x30, 0x39
_ESCAPED: Final = (0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74)  # what may follow a backslash, but for u
_DEPTH_UPDATE: Final = np.frombuffer(b'"depthUpdate"', np.uint8)
_TEN_TO: Final = np.array([float(10**power) for power in range(19)])
_MOST_MANTISSA: Final = 1 << 53
_MOST_DIGITS: Final = 18
_MOST_DEPTH: Final = 60
_MOST_NUMBER: Final = 40
_LAST_NS: Final = (1 << 63) - 1
_MS_NS: Final = 1_000_000
_LAST_MS: Final = _LAST_NS // _MS_NS

# The fields of a depth update, as bits.
_TYPE, _EVENT_MS, _TRADE_MS, _SYMBOL, _FIRST, _LAST, _PREV, _BID_LEVELS, _ASK_LEVELS = 1, 2, 4, 8, 16, 32, 64, 128, 256
FUTURES_FIELDS: Final = 511
SPOT_FIELDS: Final = FUTURES_FIELDS & ~(_TRADE_MS | _PREV)
"""Spot's updates name no update before them, and their only time is the event's."""
_UNKNOWN, _DATA = 0, 512
# Those of Bybit's order book, inside `data` and around it; `cts` may be absent, then `ts` dates the book.
_B_SYMBOL, _B_LAST, _B_SEQUENCE, _B_BIDS, _B_ASKS, _B_TOPIC, _B_TYPE, _B_TIME, _B_ENGINE_TIME = (
    1,
    2,
    4,
    8,
    16,
    32,
    64,
    128,
    256,
)
_B_NEEDED: Final = 255
_TOPIC: Final = np.frombuffer(b"topic", np.uint8)
_KIND: Final = np.frombuffer(b"type", np.uint8)
_TIME: Final = np.frombuffer(b"ts", np.uint8)
_ENGINE_TIME: Final = np.frombuffer(b"cts", np.uint8)
_PAYLOAD: Final = np.frombuffer(b"data", np.uint8)
_SEQUENCE: Final = np.frombuffer(b"seq", np.uint8)
_SNAPSHOT_WORD: Final = np.frombuffer(b'"snapshot"', np.uint8)
_DELTA_WORD: Final = np.frombuffer(b'"delta"', np.uint8)

_LOCAL_BUY_DEPTH: Final = np.uint64((1 << 30) | (1 << 29) | 1)
_LOCAL_SELL_DEPTH: Final = np.uint64((1 << 30) | (1 << 28) | 1)


@jit
def _byte(text: Bytes, at: int) -> int:
    """The byte at a place, 0 (which no JSON has) behind the end."""
    return int(np.int64(text[at])) if at < text.size else 0


@jit
def _blank(text: Bytes, at: int) -> int:
    """The next place that is not white space."""
    while at < text.size and (text[at] == 0x20 or text[at] == 0x0A or text[at] == 0x0D or text[at] == 0x09):
        at += 1
    return at


@jit
def _name(text: Bytes, at: int) -> int:
    """Behind a string of plain ASCII without escapes."""
    if _byte(text, at) != _QUOTE:
        return ODD
    at += 1
    while True:
        byte = _byte(text, at)
        if byte == _QUOTE:
            return at + 1
        if byte < 0x20 or byte > 0x7F or byte == _BACKSLASH:
            return ODD
        at += 1


@jit
def _hex(byte: int) -> int:
    if _0 <= byte <= _9:
        return byte - _0
    lower = byte | 0x20
    return lower - 0x57 if 0x61 <= lower <= 0x66 else ODD


@jit
def _past_string(text: Bytes, at: int) -> int:
    """Behind a string of ASCII; surrogates, which need their other half, are odd."""
    at += 1
    while True:
        byte = _byte(text, at)
        if byte == _QUOTE:
            return at + 1
        if byte < 0x20 or byte > 0x7F:
            return ODD
        at += 1
        if byte != _BACKSLASH:
            continue
        letter = _byte(text, at)
        at += 1
        if letter == 0x75:  # \u
            code = 0
            for _ in range(4):
                digit = _hex(_byte(text, at))
                if digit < 0:
                    return ODD
                code = code * 16 + digit
                at += 1
            if 0xD800 <= code <= 0xDFFF:
                return ODD
        elif letter not in _ESCAPED:
            return ODD


@jit
def _past_digits(text: Bytes, at: int) -> int:
    """Behind one digit or more."""
    start = at
    while _0 <= _byte(text, at) <= _9:
        at += 1
    return at if at > start else ODD


@jit
def _past_number(text: Bytes, at: int) -> int:
    """Behind a number of JSON's grammar that no parser finds too large."""
    start = at
    if _byte(text, at) == _MINUS:
        at += 1
    if _byte(text, at) == _0:
        at += 1
    else:
        at = _past_digits(text, at)
    if at > 0 and _byte(text, at) == _POINT:
        at = _past_digits(text, at + 1)
    if at > 0 and _byte(text, at) | 0x20 == 0x65:  # e, E
        at += 1
        if _byte(text, at) == _PLUS or _byte(text, at) == _MINUS:
            at += 1
        exponent = at
        at = _past_digits(text, at)
        if at > exponent + 2:
            return ODD
    return at if at <= start + _MOST_NUMBER else ODD


@jit
def _past_literal(text: Bytes, at: int) -> int:
    """Behind true, false or null."""
    one, two, three, four = _byte(text, at), _byte(text, at + 1), _byte(text, at + 2), _byte(text, at + 3)
    if one == 0x74 and two == 0x72 and three == 0x75 and four == 0x65:
        return at + 4
    if one == 0x6E and two == 0x75 and three == 0x6C and four == 0x6C:
        return at + 4
    if one == 0x66 and two == 0x61 and three == 0x6C and four == 0x73 and _byte(text, at + 4) == 0x65:
        return at + 5
    return ODD


@jit
def _past_key(text: Bytes, at: int) -> int:
    """Behind an object's key and the colon."""
    at = _blank(text, at)
    if _byte(text, at) != _QUOTE:
        return ODD
    at = _past_string(text, at)
    if at < 0:
        return ODD
    at = _blank(text, at)
    return at + 1 if _byte(text, at) == _COLON else ODD


@jit
def _past_value(text: Bytes, at: int) -> int:
    """Behind any JSON value, nested up to 60 deep: `kinds` has a bit for each open container, 1 for an object."""
    depth, kinds = 0, 0
    while True:
        at = _blank(text, at)
        byte = _byte(text, at)
        if byte in (_OPEN_OBJECT, _OPEN_ARRAY):
            if depth == _MOST_DEPTH:
                return ODD
            depth += 1
            kinds = (kinds << 1) | (1 if byte == _OPEN_OBJECT else 0)
            at = _blank(text, at + 1)
            if _byte(text, at) != byte + 2:  # the closing bracket of either kind
                if byte == _OPEN_OBJECT:
                    at = _past_key(text, at)
                    if at < 0:
                        return ODD
                continue
            depth -= 1
            kinds >>= 1
            at += 1
        elif byte == _QUOTE:
            at = _past_string(text, at)
        elif byte == _MINUS or _0 <= byte <= _9:
            at = _past_number(text, at)
        else:
            at = _past_literal(text, at)
        if at < 0:
            return ODD
        while depth > 0:  # a value has ended; so may what it stands in
            at = _blank(text, at)
            byte = _byte(text, at)
            at += 1
            if byte == _COMMA:
                if kinds & 1:
                    at = _past_key(text, at)
                    if at < 0:
                        return ODD
                break
            if byte != (_CLOSE_OBJECT if kinds & 1 else _CLOSE_ARRAY):
                return ODD
            depth -= 1
            kinds >>= 1
        else:
            return at


@jit
def _count(text: Bytes, at: int) -> tuple[int, int]:
    """A whole number, not negative, of at most 18 digits, and the place behind it; ODD twice otherwise."""
    value, start = 0, at
    while _0 <= _byte(text, at) <= _9:
        value = value * 10 + (_byte(text, at) - _0)
        at += 1
        if at - start > _MOST_DIGITS:
            return ODD, ODD
    if at == start or (_byte(text, start) == _0 and at - start > 1):
        return ODD, ODD
    return value, at  # what follows is checked by who asked: a point or an exponent is no comma


@jit
def _decimal(text: Bytes, at: int) -> tuple[float, int]:
    """A decimal in quotes, not negative, as the nearest float, and the place behind it; ODD if it isn't surely that."""
    if _byte(text, at) != _QUOTE:
        return 0.0, ODD
    at += 1
    mantissa, digits, power = 0, 0, 0
    whole = at
    while _0 <= _byte(text, at) <= _9:
        mantissa = mantissa * 10 + (_byte(text, at) - _0)
        digits += 1
        at += 1
        if digits > _MOST_DIGITS:
            return 0.0, ODD
    if at == whole:
        return 0.0, ODD
    if _byte(text, at) == _POINT:
        at += 1
        fraction = at
        while _0 <= _byte(text, at) <= _9:
            mantissa = mantissa * 10 + (_byte(text, at) - _0)
            digits += 1
            at += 1
            if digits > _MOST_DIGITS:
                return 0.0, ODD
        power = at - fraction
        if power == 0:
            return 0.0, ODD
    if _byte(text, at) != _QUOTE:
        return 0.0, ODD
    while mantissa >= _MOST_MANTISSA and power > 0 and mantissa % 10 == 0:
        mantissa //= 10
        power -= 1
    if mantissa >= _MOST_MANTISSA:
        return 0.0, ODD
    return mantissa / _TEN_TO[power], at + 1


@jit
def _levels(text: Bytes, at: int, ev: np.uint64, out: Events, made: int) -> tuple[int, int]:
    """Write the levels `[["px","qty"],..]` to `out` from `made` on; return how many are made then, and the place behind them."""
    if _byte(text, at) != _OPEN_ARRAY:
        return made, ODD
    at = _blank(text, at + 1)
    if _byte(text, at) == _CLOSE_ARRAY:
        return made, at + 1
    while True:
        if _byte(text, at) != _OPEN_ARRAY:
            return made, ODD
        px, at = _decimal(text, _blank(text, at + 1))
        if at < 0:
            return made, ODD
        at = _blank(text, at)
        if _byte(text, at) != _COMMA:
            return made, ODD
        qty, at = _decimal(text, _blank(text, at + 1))
        if at < 0:
            return made, ODD
        at = _blank(text, at)
        if _byte(text, at) != _CLOSE_ARRAY:
            return made, ODD
        if made == out.size:
            return made, MORE_OUT
        level = out[made]
        level["ev"], level["px"], level["qty"] = ev, px, qty
        made += 1
        at = _blank(text, at + 1)
        byte = _byte(text, at)
        if byte == _CLOSE_ARRAY:
            return made, at + 1
        if byte != _COMMA:
            return made, ODD
        at = _blank(text, at + 1)


@jit
def _field(text: Bytes, start: int, length: int) -> int:
    """Which field a key of `length` bytes names."""
    first = _byte(text, start)
    if length == 1:
        if first == 0x65:
            return _TYPE
        if first == 0x45:
            return _EVENT_MS
        if first == 0x54:
            return _TRADE_MS
        if first == 0x73:
            return _SYMBOL
        if first == 0x55:
            return _FIRST
        if first == 0x75:
            return _LAST
        if first == 0x62:
            return _BID_LEVELS
        if first == 0x61:
            return _ASK_LEVELS
    elif length == 2 and first == 0x70 and _byte(text, start + 1) == 0x75:
        return _PREV
    elif length == 4 and first == 0x64:
        a, t, a_again = _byte(text, start + 1), _byte(text, start + 2), _byte(text, start + 3)
        return _DATA if a == 0x61 and t == 0x74 and a_again == 0x61 else _UNKNOWN
    return _UNKNOWN


@jit
def _stands(text: Bytes, at: int, word: Bytes) -> bool:
    """Whether a word stands here."""
    same = True
    for place in range(word.size):
        same = same and _byte(text, at + place) == word[place]
    return same


@jit
def scan(text: Bytes, recv_ns: int, fields: int, unit_ns: int, found: Ints, out: Events) -> int:
    """Read a depth frame, bare or in `data`: its levels to `out` in the frame's order, the rest to `found`.

    `fields` (FUTURES_FIELDS, SPOT_FIELDS) are those that must be there, and no other of them; times are in `unit_ns`.
    Return READ; ODD if it is not surely such a depth update; MORE_OUT if `out` is too short.
    """
    at = _blank(text, 0)
    if _byte(text, at) != _OPEN_OBJECT:
        return ODD
    at += 1
    inside, data_seen, seen = False, False, 0
    stamp, bids, asks, made = 0, 0, 0, 0
    stamp_field = fields & _TRADE_MS or _EVENT_MS
    empty = True  # so far, the object we are in
    while True:
        at = _blank(text, at)
        if empty and _byte(text, at) == _CLOSE_OBJECT:
            return ODD  # an empty object, or one in `data`, is no depth update
        empty = False
        start = at + 1
        at = _name(text, at)
        if at < 0:
            return ODD
        field = _field(text, start, at - 1 - start)
        at = _blank(text, at)
        if _byte(text, at) != _COLON:
            return ODD
        at = _blank(text, at + 1)
        if field == _DATA and not inside:
            if data_seen or seen != 0 or _byte(text, at) != _OPEN_OBJECT:
                return ODD
            inside, data_seen, empty = True, True, True
            at += 1
            continue
        if field in (_UNKNOWN, _DATA):
            at = _past_value(text, at)
        else:
            if seen & field or (data_seen and not inside):
                return ODD
            seen |= field
            if field == _BID_LEVELS:
                before = made
                made, at = _levels(text, at, _LOCAL_BUY_DEPTH, out, made)
                bids = made - before
            elif field == _ASK_LEVELS:
                found[ASKS_FIRST] = 0 if seen & _BID_LEVELS else 1
                before = made
                made, at = _levels(text, at, _LOCAL_SELL_DEPTH, out, made)
                asks = made - before
            elif field == _TYPE:
                at = at + 13 if _stands(text, at, _DEPTH_UPDATE) else ODD
            elif field == _SYMBOL:
                found[SYMBOL_FROM] = at + 1
                at = _name(text, at)
                found[SYMBOL_TO] = at - 1
                if found[SYMBOL_FROM] == found[SYMBOL_TO]:
                    return ODD
            else:
                value, at = _count(text, at)
                if field == stamp_field:
                    stamp = value
                elif field == _FIRST:
                    found[FIRST_ID] = value
                elif field == _LAST:
                    found[LAST_ID] = value
                elif field == _PREV:
                    found[PREV_ID] = value
        if at < 0:
            return at
        at = _blank(text, at)
        if inside and _byte(text, at) == _CLOSE_OBJECT:
            inside = False
            at = _blank(text, at + 1)
        byte = _byte(text, at)
        at += 1
        if byte == _CLOSE_OBJECT:
            break
        if byte != _COMMA:
            return ODD
    if inside or seen != fields or stamp > _LAST_NS // unit_ns or _blank(text, at) != text.size:
        return ODD
    found[BIDS], found[ASKS] = bids, asks
    exch_ts, last_id = stamp * unit_ns, found[LAST_ID]
    for row in range(made):
        level = out[row]
        level["exch_ts"], level["local_ts"], level["ival"] = exch_ts, recv_ns, last_id
        level["order_id"], level["fval"] = 0, 0.0
    return READ


@jit
def _book_field(text: Bytes, start: int, length: int, inside: bool) -> int:
    """Which field of Bybit's order book a key of `length` bytes names."""
    if inside:
        first = _byte(text, start)
        if length == 1:
            if first == 0x73:
                return _B_SYMBOL
            if first == 0x75:
                return _B_LAST
            if first == 0x62:
                return _B_BIDS
            if first == 0x61:
                return _B_ASKS
        return _B_SEQUENCE if length == 3 and _stands(text, start, _SEQUENCE) else _UNKNOWN
    if length == 2 and _stands(text, start, _TIME):
        return _B_TIME
    if length == 3 and _stands(text, start, _ENGINE_TIME):
        return _B_ENGINE_TIME
    if length == 4 and _stands(text, start, _KIND):
        return _B_TYPE
    if length == 4 and _stands(text, start, _PAYLOAD):
        return _DATA
    return _B_TOPIC if length == 5 and _stands(text, start, _TOPIC) else _UNKNOWN


@jit
def scan_book(text: Bytes, recv_ns: int, found: Ints, out: Events) -> int:
    """Read a frame of Bybit's order book, its fields in any order: its levels to `out` in the frame's order, the rest to `found`.

    Return READ; ODD if it is not surely one; MORE_OUT if `out` is too short.
    """
    at = _blank(text, 0)
    if _byte(text, at) != _OPEN_OBJECT:
        return ODD
    at += 1
    inside, data_seen, seen = False, False, 0
    time_ms, engine_ms, bids, asks, made = 0, 0, 0, 0, 0
    empty = True  # so far, the object we are in
    while True:
        at = _blank(text, at)
        if empty and _byte(text, at) == _CLOSE_OBJECT:
            return ODD
        empty = False
        start = at + 1
        at = _name(text, at)
        if at < 0:
            return ODD
        field = _book_field(text, start, at - 1 - start, inside)
        at = _blank(text, at)
        if _byte(text, at) != _COLON:
            return ODD
        at = _blank(text, at + 1)
        if field == _DATA:
            if data_seen or _byte(text, at) != _OPEN_OBJECT:
                return ODD
            inside, data_seen, empty = True, True, True
            at += 1
            continue
        if field == _UNKNOWN:
            at = _past_value(text, at)
        else:
            if seen & field:
                return ODD
            seen |= field
            if field == _B_BIDS:
                before = made
                made, at = _levels(text, at, _LOCAL_BUY_DEPTH, out, made)
                bids = made - before
            elif field == _B_ASKS:
                found[ASKS_FIRST] = 0 if seen & _B_BIDS else 1
                before = made
                made, at = _levels(text, at, _LOCAL_SELL_DEPTH, out, made)
                asks = made - before
            elif field == _B_TYPE:
                whole = _stands(text, at, _SNAPSHOT_WORD)
                found[WHOLE] = 1 if whole else 0
                at = at + 10 if whole else at + 7 if _stands(text, at, _DELTA_WORD) else ODD
            elif field == _B_SYMBOL:
                found[SYMBOL_FROM] = at + 1
                at = _name(text, at)
                found[SYMBOL_TO] = at - 1
            elif field == _B_TOPIC:
                found[TOPIC_FROM] = at + 1
                at = _name(text, at)
                found[TOPIC_TO] = at - 1
            else:
                value, at = _count(text, at)
                if field == _B_TIME:
                    time_ms = value
                elif field == _B_ENGINE_TIME:
                    engine_ms = value
                elif field == _B_LAST:
                    found[LAST_ID] = value
                else:
                    found[SEQUENCE] = value
        if at < 0:
            return at
        at = _blank(text, at)
        if inside and _byte(text, at) == _CLOSE_OBJECT:
            inside = False
            at = _blank(text, at + 1)
        byte = _byte(text, at)
        at += 1
        if byte == _CLOSE_OBJECT:
            break
        if byte != _COMMA:
            return ODD
    if inside or seen & _B_NEEDED != _B_NEEDED or _blank(text, at) != text.size:
        return ODD
    exch_ms = engine_ms if seen & _B_ENGINE_TIME else time_ms
    if exch_ms > _LAST_MS or time_ms > _LAST_MS:
        return ODD
    found[BIDS], found[ASKS] = bids, asks
    for row in range(made):
        level = out[row]
        level["exch_ts"], level["local_ts"], level["ival"] = exch_ms * _MS_NS, recv_ns, found[LAST_ID]
        level["order_id"], level["fval"] = 0, 0.0
    return READ
