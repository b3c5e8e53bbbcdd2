"""Kernels of the link: event records to and from bincode, a whole block in one call. Twins: `wire.encode_event`, `wire.decode_event`.

A block is an (n, 8) array of u64: the eight fields of each record as bits (docs/formats.md section 1).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketlink._jit import jit

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]


@jit
def _put_unsigned(out: U8, at: int, value: np.uint64) -> int:
    if value < np.uint64(251):
        out[at] = np.uint8(value)
        return at + 1
    size = 8
    if value < np.uint64(1 << 16):
        size = 2
    elif value < np.uint64(1 << 32):
        size = 4
    out[at] = np.uint8(251 if size == 2 else (252 if size == 4 else 253))
    at += 1
    for _ in range(size):
        out[at] = np.uint8(value & np.uint64(0xFF))
        value >>= np.uint64(8)
        at += 1
    return at


@jit
def _put_fixed(out: U8, at: int, value: np.uint64) -> int:
    for _ in range(8):
        out[at] = np.uint8(value & np.uint64(0xFF))
        value >>= np.uint64(8)
        at += 1
    return at


@jit
def _zigzag(value: np.uint64) -> np.uint64:
    sign = value >> np.uint64(63)
    shifted = value << np.uint64(1)
    return ~shifted if sign else shifted


@jit
def put_row(out: U8, at: int, to: np.uint64, head: U8, rows: U64, row: int, session: np.uint64, seq: np.uint64) -> int:
    """Write a row as one sample from `at` on, and return the place behind it."""
    length_at = _put_fixed(out, at, to)
    start = at = length_at + 8
    for index in range(head.shape[0]):
        out[at] = head[index]
        at += 1
    at = _put_unsigned(out, at, rows[row, 0])
    at = _put_unsigned(out, at, _zigzag(rows[row, 1]))
    at = _put_unsigned(out, at, _zigzag(rows[row, 2]))
    at = _put_fixed(out, at, rows[row, 3])
    at = _put_fixed(out, at, rows[row, 4])
    at = _put_unsigned(out, at, rows[row, 5])
    at = _put_unsigned(out, at, _zigzag(rows[row, 6]))
    at = _put_fixed(out, at, rows[row, 7])
    _put_fixed(out, length_at, np.uint64(at - start))
    return _put_fixed(out, _put_fixed(out, at, session), seq)


@jit
def put_mark(out: U8, at: int, to: np.uint64, mark: int, session: np.uint64, seq: np.uint64) -> int:
    """Write the sample that begins (0) or ends (1) a batch, and return the place behind it."""
    at = _put_fixed(out, _put_fixed(out, at, to), np.uint64(1))
    out[at] = np.uint8(mark)
    return _put_fixed(out, _put_fixed(out, at + 1, session), seq)


@jit
def encode_rows(
    head: U8, rows: U64, to: np.uint64, session: np.uint64, first_seq: np.uint64, out: U8, offsets: I64
) -> int:
    """Write one sample a row: header (destination, length of the message), message, trailer (session, sequence number).

    Sample i is out[offsets[i]:offsets[i+1]]. `out` needs 96 + len(head) bytes a row, `offsets` one more than there are rows.
    Returns the bytes written.
    """
    at = 0
    for row in range(rows.shape[0]):
        offsets[row] = at
        at = put_row(out, at, to, head, rows, row, session, first_seq + np.uint64(row))
    offsets[rows.shape[0]] = at
    return at


@jit
def _fixed(raw: U8, at: int, size: int) -> np.uint64:
    value = np.uint64(0)
    for index in range(size):
        value |= np.uint64(raw[at + index]) << np.uint64(8 * index)
    return value


@jit
def _read_row(raw: U8, at: int, end: int, rows: U64, row: int) -> bool:
    """Read the eight fields that stand from `at` on and before `end`; False if they don't."""
    for field in range(8):
        if field == 3 or field == 4 or field == 7:
            size = 8
        else:
            if at >= end:
                return False
            marker = raw[at]
            if marker > 253:
                return False
            if marker < 251:
                size = 1
            else:
                at += 1
                size = 2 if marker == 251 else (4 if marker == 252 else 8)
        if end - at < size:
            return False
        value = _fixed(raw, at, size)
        at += size
        if field == 1 or field == 2 or field == 6:
            half = value >> np.uint64(1)
            value = ~half if value & np.uint64(1) else half
        rows[row, field] = value
    return True


@jit
def decode_rows(raw: U8, offsets: I64, head: U8, rows: U64) -> int:
    """Read one sample a row, sample i being raw[offsets[i]:offsets[i+1]]: header, then a message that must begin with `head`.

    Nothing behind the length that the header states is looked at. Returns how many rows were read: fewer than there are when a
    sample is not of this form.
    """
    for row in range(rows.shape[0]):
        at, end = offsets[row], offsets[row + 1]
        if end - at < 16:
            return row
        length = _fixed(raw, at + 8, 8)
        at += 16
        if length > np.uint64(end - at) or length < np.uint64(head.shape[0]):
            return row
        end = at + np.int64(length)
        for index in range(head.shape[0]):
            if raw[at + index] != head[index]:
                return row
        if not _read_row(raw, at + head.shape[0], end, rows, row):
            return row
    return rows.shape[0]


# What `state` (uint64) of `read_samples` holds: session and number that the next sample must have, whose samples besides everyone's are
# read, and afterwards how many things were found.
SESSION: Final = 0
NEXT_SEQ: Final = 1
MINE: Final = 2
THINGS: Final = 3
STATE_SIZE: Final = 4

# A thing found: its kind, whether it is for one reader, and of rows the first one and the one behind the last.
BEGIN: Final = 0
END: Final = 1
ROWS: Final = 2
THING_SIZE: Final = 4

MOST_MESSAGE: Final = 480
"""Bytes of a message that is read where it lies: with header and trailer it is within any sample, ours or the source's."""


@jit
def _same_head(memory: U8, at: int, head: U8, size: int) -> bool:
    same = True
    for index in range(size):
        same = same and memory[at + index] == head[index]
    return same


@jit
def read_samples(memory: U8, places: I64, state: U64, rows: U64, things: I64, heads: U8) -> int:
    """Read the samples whose headers lie at these places of `memory`, in order, up to one that is not ordinary; return how many.

    Ordinary is the beginning or the end of a batch or a row of a feed, with exactly the session and number that are expected. Rows of one
    symbol and reader that follow each other are one thing; `heads[i]` is what the messages of thing i begin with. There must be room for as
    many rows and things as there are samples.
    """
    found, made = 0, 0
    session, mine = state[SESSION], state[MINE]
    index = 0
    while index < places.shape[0]:
        place = places[index]
        to, length = _fixed(memory, place, 8), np.int64(_fixed(memory, place + 8, 8))
        if length < 1 or length > MOST_MESSAGE:
            break
        at = place + 16
        end = at + length
        if _fixed(memory, end, 8) != session or _fixed(memory, end + 8, 8) != state[NEXT_SEQ]:
            break
        tag, own = memory[at], np.int64(to != np.uint64(0))
        if own != 0 and to != mine:
            state[NEXT_SEQ] += np.uint64(1)
            index += 1
            continue
        if length == 1 and tag <= 1:
            things[found, 0], things[found, 1] = np.int64(tag), own
            found += 1
        elif length > 1 and tag == 2:
            size = int(memory[at + 1]) + 2
            if size > 128 or size > length:
                break
            if not _read_row(memory, at + size, end, rows, made):
                break
            last = found - 1
            if (
                found > 0
                and things[last, 0] == ROWS
                and things[last, 1] == own
                and _same_head(memory, at, heads[last], size)
            ):
                made += 1
                things[last, 3] = made
            else:
                for place_of in range(size):
                    heads[found, place_of] = memory[at + place_of]
                    if memory[at + place_of] > 127:
                        size = 0
                if size == 0:
                    break  # a name that only a decoder can judge
                things[found, 0], things[found, 1], things[found, 2], things[found, 3] = ROWS, own, made, made + 1
                made += 1
                found += 1
        else:
            break
        state[NEXT_SEQ] += np.uint64(1)
        index += 1
    state[THINGS] = np.uint64(found)
    return index
