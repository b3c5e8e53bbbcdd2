"""Loops of the windowed merge of two streams on two clocks. Slow twin: merged() in tests/data_convert/support.

Rows are eight int64 words (data_convert.events); word 5 (`order_id`, unused by these sources) holds the row's number
in its stream until it leaves. An order is a list of row places; a cursor is how far the merge has come in it.
Importing this module imports numba.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_convert._jit import inner, jit

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]

# Places in a stream's `state`: rows held, cursors, the next row's number, the latest and the earliest times seen.
HELD, EXCH_AT, LOCAL_AT, NEXT, EXCH_SEEN, LOCAL_SEEN, EXCH_LEAST, LOCAL_LEAST = range(8)
STREAM_WORDS: Final = 8
# Places in the merge's `state`: what the last choice was made
# between on each clock (time, stream, number), and counts of rows by flags.
LAST_EXCH, LAST_LOCAL, EXCH_ONLY, LOCAL_ONLY, BOTH, WRONG_WAY = 0, 3, 6, 7, 8, 9
MERGE_WORDS: Final = 10

_EXCH = np.int64(1) << 31
_LOCAL = np.int64(1) << 30
GONE: Final = 2
"""A row that has left on both clocks."""
_NEVER = np.int64((1 << 63) - 1)


class Stream(NamedTuple):
    """Rows of one stream, their two orders, on how many clocks each has left, and the stream's state."""

    words: _I64
    by_exch: _I64
    by_local: _I64
    gone: _U8
    state: _I64


class Merging(NamedTuple):
    """The merge's own: its state, room for the next rows and their times (2, 2, 2), and how many rows of each kind left."""

    state: _I64
    heads: _I64
    kinds: _I64


class Until(NamedTuple):
    """What may leave: rows before both times, all of them if they are the `last`."""

    exch: int
    local: int
    last: bool


class Target(NamedTuple):
    """Where rows go: out[start:], `shift` added to every local time."""

    out: _I64
    start: int
    shift: int


@jit
def append_rows(rows: _I64, stream: Stream, at: int, number: int, span: _I64) -> int:
    """Write `rows`, numbered from `number`, to a stream's words and to both of its orders from place `at` on.

    `span` becomes the earliest and latest exchange time, the earliest and latest local time. Returns 1 if they must be
    sorted by exchange time, plus 2 if by local time; they need not where each row's time is the latest of the stream.
    """
    words, by_exch, by_local, gone, _ = stream
    first_exch, last_exch, first_local, last_local = span[0], span[1], span[2], span[3]
    back_exch = False
    back_local = False
    before_exch = first_exch
    before_local = first_local
    if at and len(rows):
        by_time = by_exch[at - 1]
        before_exch = words[by_time, 1]
        # A row known from an earlier pass has a later number.
        back_exch = bool(rows[0, 1] == before_exch and words[by_time, 5] > number)
        by_time = by_local[at - 1]
        before_local = words[by_time, 2]
        back_local = bool(rows[0, 2] == before_local and words[by_time, 5] > number)
    elif len(rows):
        before_exch, before_local = rows[0, 1], rows[0, 2]
    for i in range(len(rows)):
        to = at + i
        exch = rows[i, 1]
        local = rows[i, 2]
        words[to, 0] = rows[i, 0]
        words[to, 1] = exch
        words[to, 2] = local
        words[to, 3] = rows[i, 3]
        words[to, 4] = rows[i, 4]
        words[to, 5] = number + i
        by_exch[to] = to
        by_local[to] = to
        gone[to] = 0
        back_exch |= exch < before_exch
        back_local |= local < before_local
        before_exch = exch
        before_local = local
        first_exch = min(first_exch, exch)
        last_exch = max(last_exch, exch)
        first_local = min(first_local, local)
        last_local = max(last_local, local)
    span[0], span[1], span[2], span[3] = first_exch, last_exch, first_local, last_local
    return (1 if back_exch else 0) + (2 if back_local else 0)


@jit
def settle(words: _I64, order: _I64, clock: int, bounds: tuple[int, int, int], budget: int) -> bool:
    """Sort an order from the first to the third of `bounds` by word `clock` and number; False if that takes over `budget` moves.

    Up to the second bound it is sorted.

    It stays a permutation then, and nothing else.
    """
    begin, new, end = bounds
    for i in range(new, end):
        row = order[i]
        time = words[row, clock]
        j = i
        while j > begin:
            other = order[j - 1]
            if words[other, clock] < time or (words[other, clock] == time and words[other, 5] < words[row, 5]):
                break
            order[j] = other
            j -= 1
        order[j] = row
        budget -= i - j
        if budget < 0:
            return False
    return True


@inner
def _run(
    stream: Stream, latest_exch: int | np.int64, latest_local: int | np.int64, kinds: _I64, target: Target, start: int
) -> int:
    """Copy the rows from its place on that stand alike in both orders and are not later than either time.

    Returns how many there were room for in out[start:].
    """
    begin, end = int(stream.state[EXCH_AT]), int(stream.state[HELD])
    out, _, shift = target
    words, by_exch, by_local, gone, _ = stream
    count = min(end - begin, len(out) - start)
    for i in range(count):
        row = by_exch[begin + i]
        exch = words[row, 1]
        local = words[row, 2]
        if by_local[begin + i] != row or exch > latest_exch or local > latest_local:
            return i
        to = start + i
        event = words[row, 0]
        kinds[event & 0xFF] += 1
        out[to, 0] = event | _EXCH | _LOCAL
        out[to, 1] = exch
        out[to, 2] = local + shift
        out[to, 3] = words[row, 3]
        out[to, 4] = words[row, 4]
        out[to, 5] = 0
        out[to, 6] = 0
        out[to, 7] = 0
        gone[row] = GONE
    return count


@inner
def _load_head(stream: Stream, clock: int, heads: _I64, number: int) -> None:
    """Look up the next row of a stream; at its end one with a time that never comes, so that it loses every comparison."""
    order = stream.by_exch if clock == 1 else stream.by_local
    at = stream.state[EXCH_AT if clock == 1 else LOCAL_AT]
    heads[0, clock - 1, number] = -clock  # another number on either clock, so that two ends are never one row
    heads[1, clock - 1, number] = _NEVER
    if at < stream.state[HELD]:
        heads[0, clock - 1, number] = order[at]
        heads[1, clock - 1, number] = stream.words[order[at], clock]


@jit
def merge_ready(streams: tuple[Stream, Stream], merging: Merging, until: Until, target: Target) -> int:
    """Merge what may leave into the target; return the number of rows in `out`.

    At equal times stream 0 goes first. What the last choice was between is kept: a row that comes later and belongs before
    either of the two might have changed the choice. Ends early when `out` is full.
    """
    merge, heads, kinds = merging
    exch_limit, local_limit, last = until
    out, start, shift = target
    row = heads[0]
    time = heads[1]
    taken = np.int64(0)
    for s in range(2):
        taken += streams[s].state[EXCH_AT]
        for clock in (1, 2):
            _load_head(streams[s], clock, heads, s)
    to = start
    both_clocks = 0
    backwards = 0
    before_e, before_l = merge[LAST_EXCH], merge[LAST_LOCAL]
    while to < len(out):
        e = 0 if time[0, 0] <= time[0, 1] else 1
        k = 0 if time[1, 0] <= time[1, 1] else 1
        e_row, e_exch = row[0, e], time[0, e]
        l_row, l_local = row[1, k], time[1, k]
        if (e_exch >= exch_limit or l_local >= local_limit) and (not last or (e_exch == _NEVER and l_local == _NEVER)):
            break
        backwards += (1 if e_exch < before_e else 0) + (1 if l_local < before_l else 0)
        both = bool(e_row == l_row and e == k)
        n = 1
        if (
            both
            and streams[0].state[EXCH_AT] == streams[0].state[LOCAL_AT]
            and streams[1].state[EXCH_AT] == streams[1].state[LOCAL_AT]
        ):
            # The usual case: nothing has left on one clock only, and one stream goes on while the other waits.
            latest_e = min(_NEVER if last else exch_limit - 1, time[0, 1 - e] - e)
            latest_l = min(_NEVER if last else local_limit - 1, time[1, 1 - e] - e)
            at = streams[e].state[EXCH_AT]
            n = _run(streams[e], latest_e, latest_l, kinds, target, to)
            e_row = l_row = streams[e].by_exch[at + n - 1]
            e_exch, l_local = streams[e].words[e_row, 1], streams[e].words[e_row, 2]
            take_e = take_l = True
        else:
            take_e = both
            if not both:
                l_exch = streams[k].words[l_row, 1] if l_row >= 0 else _NEVER
                e_local = streams[e].words[e_row, 2] if e_row >= 0 else _NEVER
                both = bool(e_exch == l_exch and e_local == l_local)
                take_e = bool(both or e_exch < l_exch or (e_exch == l_exch and e_local < l_local))
            take_l = both or not take_e
            source = e if take_e else k
            first = e_row if take_e else l_row
            event = streams[source].words[first, 0]
            kinds[event & 0xFF] += 1
            out[to, 0] = event | (_EXCH if take_e else 0) | (_LOCAL if take_l else 0)
            out[to, 1] = streams[source].words[first, 1]
            out[to, 2] = streams[source].words[first, 2] + shift
            out[to, 3] = streams[source].words[first, 3]
            out[to, 4] = streams[source].words[first, 4]
            for w in range(5, 8):
                out[to, w] = 0
            if take_e:
                streams[e].gone[e_row] += 1
            if take_l:
                streams[k].gone[l_row] += 1
        to += n
        both_clocks += n if both else 0
        if e_row >= 0:
            before_e = e_exch
            merge[LAST_EXCH], merge[LAST_EXCH + 1], merge[LAST_EXCH + 2] = e_exch, e, streams[e].words[e_row, 5]
        if l_row >= 0:
            before_l = l_local
            merge[LAST_LOCAL], merge[LAST_LOCAL + 1], merge[LAST_LOCAL + 2] = l_local, k, streams[k].words[l_row, 5]
        if take_e:
            streams[e].state[EXCH_AT] += n
            _load_head(streams[e], 1, heads, e)
        if take_l:
            streams[k].state[LOCAL_AT] += n
            _load_head(streams[k], 2, heads, k)
    taken = streams[0].state[EXCH_AT] + streams[1].state[EXCH_AT] - taken
    merge[EXCH_ONLY] += taken - both_clocks
    merge[LOCAL_ONLY] += to - start - taken
    merge[BOTH] += both_clocks
    merge[WRONG_WAY] += backwards
    return to
