"""What `kernels.parse_rows` does, in Python, for files that are too small to load it (data_convert.choice)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from data_convert.events import BUY, DEPTH, DEPTH_SNAPSHOT, SELL, TRADE
from data_convert.tardis import states as at
from data_convert.tardis.states import Room, Wanted

Words = npt.NDArray[np.int64]
_TIMES = rb"([0-8][0-9]{15}),([0-8][0-9]{15}),"
_NUMBERS = rb",(?=[0-9.]*[1-9])([0-9]{1,99}\.?[0-9]*),([0-9]{1,99}\.?[0-9]*)"
# What nearly every row is, told at one look; what is not is judged column by column.
_TRADES_ROW = re.compile(_TIMES + rb"([^,]*),(buy|sell)" + _NUMBERS)
_DEPTH_ROW = re.compile(_TIMES + rb"(true|false),(bid|ask)" + _NUMBERS)
_SIDES = {b"buy": BUY, b"bid": BUY, b"sell": SELL, b"ask": SELL}


def parse_rows(
    text: bytes, stop: int, wanted: Wanted, prefix: bytes, flaw: Callable[[Sequence[bytes]], object], room: Room
) -> int:
    """Parse whole lines of text[state[POS]:stop] into rows; return how many.

    `prefix` are the bytes of `wanted.prefix`; `flaw` tells what is wrong with a row, if anything.
    Ends early, with state[STATUS] saying why, where the kernel does; no number is left to the caller.
    """
    (is_depth, mode, skip_others, _), (words, _, state) = wanted, room
    rows: list[tuple[int, int, int, int]] = []
    numbers: list[tuple[float, float]] = []
    capacity, pattern = len(words), _DEPTH_ROW if is_depth else _TRADES_ROW
    pos, line, sod = int(state[at.POS]), int(state[at.LINE]), int(state[at.SOD])
    smallest = int(state[at.SMALLEST])
    state[at.STATUS], state[at.SLOW] = at.DONE, 0
    while pos < stop:
        if len(rows) >= capacity:
            state[at.STATUS] = at.FULL
            break
        end = text.index(b"\n", pos)
        if pos + len(prefix) >= stop or not text.startswith(prefix, pos):
            blank = text[pos:end] in (b"", b"\r")
            if not blank and not skip_others:
                state[at.STATUS] = at.OTHER
                break
            state[at.EMPTY if blank else at.OTHERS] += 1
            line, pos = line + 1, end + 1
            continue
        usual = pattern.fullmatch(text, pos + len(prefix), end)
        if usual is not None:
            exch_us, local_us, fourth, side, price, amount = usual.groups()
        else:
            columns = text[pos:end].split(b",")
            if flaw(columns) is not None:
                state[at.STATUS] = at.BAD
                break
            exch_us, local_us, fourth, side, price, amount = columns[2:]
        line, pos = line + 1, end + 1
        snapshot = is_depth and fourth.lower() == b"true"
        if snapshot and (mode == at.IGNORE or (mode == at.IGNORE_SOD and sod == 1)):
            state[at.DROPPED] += 1
            continue
        state[at.SNAPSHOTS] += snapshot
        sod = sod if snapshot else 0
        kind = DEPTH_SNAPSHOT if snapshot else DEPTH if is_depth else TRADE
        exch, local = int(exch_us) * 1000, int(local_us) * 1000
        rows.append((kind | _SIDES[side], exch, local, line))
        numbers.append((float(price), float(amount)))
        if local - exch < smallest:
            smallest = local - exch
            state[at.SMALLEST_LINE] = line
    state[at.POS], state[at.LINE], state[at.SOD], state[at.SMALLEST] = pos, line, sod, smallest
    if rows:
        words[: len(rows), 6:] = 0
        words[: len(rows), [0, 1, 2, 5]] = rows
        words.view(np.float64)[: len(rows), 3:5] = numbers
    return len(rows)
