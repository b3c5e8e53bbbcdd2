"""Loops of the windowed merge of two streams on two clocks. Slow twin: merged() in tests/data_convert/support.

Rows are eight int64 words (data_convert.events); word 5 (`order_id`, unused by these sources) holds the row's number
in its stream until it leaves. An order is a list of row places; a cursor is how far the merge has come in it.
Importing this module imports numba.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert._jit import jit

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]

# Places in a stream's `state`: rows held, cursors, the next row's number, the latest and the earliest times seen.
HELD, EXCH_AT, LOCAL_AT, NEXT, EXCH_SEEN, LOCAL_SEEN, EXCH_LEAST, LOCAL_LEAST = range(8)
STREAM_WORDS: Final = 8
# Places in the merge's `state`: what left last on each clock (time, stream, number), and counts of rows by flags.
LAST_EXCH, LAST_LOCAL, EXCH_ONLY, LOCAL_ONLY, BOTH, WRONG_WAY = 0, 3, 6, 7, 8, 9
MERGE_WORDS: Final = 10

_EXCH = np.int64(1) << 31
_LOCAL = np.int64(1) << 30
_GONE = np.uint8(2)


@jit
def _before(time: int, stream: int, number: int, last: _I64, at: int) -> bool:
    if time != last[at]:
        return bool(time < last[at])
    if stream != last[at + 1]:
        return bool(stream < last[at + 1])
    return bool(number < last[at + 2])


@jit
def append_rows(
    rows: _I64,
    words: _I64,
    by_exch: _I64,
    by_local: _I64,
    gone: _U8,
    held: _I64,
    known: _I64,
    at_known: int,
    late: _I64,
    stream: int,
    merge: _I64,
) -> int:
    """Append `rows` to a stream's `words` and, unsorted, to both orders; return how many came too late for the merge.

    Rows whose number is in `known` (ascending, from `at_known` on) were put in before and are left out. Rows too late are left out too
    and their places in `rows` listed in `late`.
    """
    n = held[HELD]
    number = held[NEXT]
    exch_seen = held[EXCH_SEEN]
    local_seen = held[LOCAL_SEEN]
    exch_least = held[EXCH_LEAST]
    local_least = held[LOCAL_LEAST]
    too_late = 0
    for i in range(len(rows)):
        exch = rows[i, 1]
        local = rows[i, 2]
        exch_least = min(exch_least, exch)
        local_least = min(local_least, local)
        if at_known < len(known) and known[at_known] == number:
            at_known += 1
            number += 1
            continue
        exch_seen = max(exch_seen, exch)
        local_seen = max(local_seen, local)
        if _before(exch, stream, number, merge, LAST_EXCH) or _before(local, stream, number, merge, LAST_LOCAL):
            late[too_late] = i
            too_late += 1
            number += 1
            continue
        for w in range(5):
            words[n, w] = rows[i, w]
        words[n, 5] = number
        words[n, 6] = 0
        words[n, 7] = 0
        by_exch[n] = n
        by_local[n] = n
        gone[n] = 0
        n += 1
        number += 1
    held[HELD] = n
    held[NEXT] = number
    held[EXCH_SEEN] = exch_seen
    held[LOCAL_SEEN] = local_seen
    held[EXCH_LEAST] = exch_least
    held[LOCAL_LEAST] = local_least
    return too_late


@jit
def settle(words: _I64, order: _I64, clock: int, begin: int, new: int, end: int, budget: int) -> bool:
    """Sort order[begin:end], sorted up to `new`, by word `clock` and number; False if that takes over `budget` moves.

    It stays a permutation then, and nothing else.
    """
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


@jit
def compact(words: _I64, by_exch: _I64, by_local: _I64, gone: _U8, held: _I64, places: _I64) -> None:
    """Move the rows that are still needed to the front, and both cursors to 0. `places` is room for a place a row."""
    n = held[HELD]
    to = 0
    for i in range(n):
        if gone[i] == _GONE:
            continue
        places[i] = to
        if to != i:
            for w in range(6):
                words[to, w] = words[i, w]
            gone[to] = gone[i]
        to += 1
    k = 0
    for i in range(held[EXCH_AT], n):
        by_exch[k] = places[by_exch[i]]
        k += 1
    exch_left = k
    k = 0
    for i in range(held[LOCAL_AT], n):
        by_local[k] = places[by_local[i]]
        k += 1
    held[EXCH_AT] = to - exch_left
    held[LOCAL_AT] = to - k
    # Orders are right-aligned to the rows held, so that both end where the rows end.
    for i in range(exch_left - 1, -1, -1):
        by_exch[i + to - exch_left] = by_exch[i]
    for i in range(k - 1, -1, -1):
        by_local[i + to - k] = by_local[i]
    held[HELD] = to


@jit
def merge_ready(
    words_a: _I64,
    exch_a: _I64,
    local_a: _I64,
    gone_a: _U8,
    held_a: _I64,
    words_b: _I64,
    exch_b: _I64,
    local_b: _I64,
    gone_b: _U8,
    held_b: _I64,
    merge: _I64,
    exch_limit: int,
    local_limit: int,
    last: bool,
    shift: int,
    out: _I64,
    start: int,
) -> int:
    """Merge what lies before both limits (all of it if `last`) into out[start:]; return the number of rows in `out`.

    At equal times stream a goes first. `shift` is added to every local time on its way out. Ends early when `out`
    is full.
    """
    to = start
    capacity = len(out)
    at_ea, at_la, n_a = held_a[EXCH_AT], held_a[LOCAL_AT], held_a[HELD]
    at_eb, at_lb, n_b = held_b[EXCH_AT], held_b[LOCAL_AT], held_b[HELD]
    exch_only = 0
    local_only = 0
    both_clocks = 0
    backwards = 0
    while to < capacity:
        some_e = at_ea < n_a or at_eb < n_b
        some_l = at_la < n_a or at_lb < n_b
        if not some_e and not some_l:
            break
        if not last and not (some_e and some_l):
            break
        e_is_a = False
        l_is_a = False
        row_e = 0
        row_l = 0
        e_exch = np.int64(0)
        l_exch = np.int64(0)
        e_local = np.int64(0)
        l_local = np.int64(0)
        if some_e:
            e_is_a = at_ea < n_a and (at_eb >= n_b or words_a[exch_a[at_ea], 1] <= words_b[exch_b[at_eb], 1])
            if e_is_a:
                row_e = exch_a[at_ea]
                e_exch = words_a[row_e, 1]
                e_local = words_a[row_e, 2]
            else:
                row_e = exch_b[at_eb]
                e_exch = words_b[row_e, 1]
                e_local = words_b[row_e, 2]
            if not last and e_exch >= exch_limit:
                break
        if some_l:
            l_is_a = at_la < n_a and (at_lb >= n_b or words_a[local_a[at_la], 2] <= words_b[local_b[at_lb], 2])
            if l_is_a:
                row_l = local_a[at_la]
                l_exch = words_a[row_l, 1]
                l_local = words_a[row_l, 2]
            else:
                row_l = local_b[at_lb]
                l_exch = words_b[row_l, 1]
                l_local = words_b[row_l, 2]
            if not last and l_local >= local_limit:
                break
        both = some_e and some_l and e_exch == l_exch and e_local == l_local
        take_e = both or not some_l or (some_e and (e_exch < l_exch or (e_exch == l_exch and e_local < l_local)))
        take_l = both or not take_e
        from_a = e_is_a if take_e else l_is_a
        row = row_e if take_e else row_l
        flags = _EXCH | _LOCAL if both else (_EXCH if take_e else _LOCAL)
        if from_a:
            for w in range(5):
                out[to, w] = words_a[row, w]
        else:
            for w in range(5):
                out[to, w] = words_b[row, w]
        out[to, 0] |= flags
        out[to, 2] += shift
        out[to, 5] = 0
        out[to, 6] = 0
        out[to, 7] = 0
        to += 1
        if take_e:
            backwards += 1 if e_exch < merge[LAST_EXCH] else 0
            merge[LAST_EXCH] = e_exch
            if e_is_a:
                merge[LAST_EXCH + 1] = 0
                merge[LAST_EXCH + 2] = words_a[row_e, 5]
                gone_a[row_e] += 1
                at_ea += 1
            else:
                merge[LAST_EXCH + 1] = 1
                merge[LAST_EXCH + 2] = words_b[row_e, 5]
                gone_b[row_e] += 1
                at_eb += 1
        if take_l:
            backwards += 1 if l_local < merge[LAST_LOCAL] else 0
            merge[LAST_LOCAL] = l_local
            if l_is_a:
                merge[LAST_LOCAL + 1] = 0
                merge[LAST_LOCAL + 2] = words_a[row_l, 5]
                gone_a[row_l] += 1
                at_la += 1
            else:
                merge[LAST_LOCAL + 1] = 1
                merge[LAST_LOCAL + 2] = words_b[row_l, 5]
                gone_b[row_l] += 1
                at_lb += 1
        both_clocks += 1 if both else 0
        exch_only += 0 if take_l else 1
        local_only += 0 if take_e else 1
    held_a[EXCH_AT], held_a[LOCAL_AT] = at_ea, at_la
    held_b[EXCH_AT], held_b[LOCAL_AT] = at_eb, at_lb
    merge[EXCH_ONLY] += exch_only
    merge[LOCAL_ONLY] += local_only
    merge[BOTH] += both_clocks
    merge[WRONG_WAY] += backwards
    return to


@jit
def count_kinds_sides(out: _I64, start: int, stop: int, counts: _I64) -> None:
    """Add to counts[kind] the number of rows of each kind (low byte)."""
    for i in range(start, stop):
        counts[out[i, 0] & 0xFF] += 1
