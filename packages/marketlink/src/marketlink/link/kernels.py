"""Kernels of the link: event records to and from bincode, a whole block in one call. Twins: `wire.encode_event`, `wire.decode_event`.

A block is an (n, 8) array of u64: the eight fields of each record as bits (docs/formats.md section 1).
"""

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
        at = _put_fixed(out, at, session)
        at = _put_fixed(out, at, first_seq + np.uint64(row))
    offsets[rows.shape[0]] = at
    return at


@jit
def _fixed(raw: U8, at: int, size: int) -> np.uint64:
    value = np.uint64(0)
    for index in range(size):
        value |= np.uint64(raw[at + index]) << np.uint64(8 * index)
    return value


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
        at += head.shape[0]
        for field in range(8):
            if field == 3 or field == 4 or field == 7:
                size = 8
            else:
                if at >= end:
                    return row
                marker = raw[at]
                if marker > 253:
                    return row
                if marker < 251:
                    size = 1
                else:
                    at += 1
                    size = 2 if marker == 251 else (4 if marker == 252 else 8)
            if end - at < size:
                return row
            value = _fixed(raw, at, size)
            at += size
            if field == 1 or field == 2 or field == 6:
                half = value >> np.uint64(1)
                value = ~half if value & np.uint64(1) else half
            rows[row, field] = value
    return rows.shape[0]
