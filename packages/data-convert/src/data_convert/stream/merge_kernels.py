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
# Places in the merge's `state`: what the last choice was made
# between on each clock (time, stream, number), and counts of rows by flags.
LAST_EXCH, LAST_LOCAL, EXCH_ONLY, LOCAL_ONLY, BOTH, WRONG_WAY = 0, 3, 6, 7, 8, 9
MERGE_WORDS: Final = 10

_EXCH = np.int64(1) << 31
_LOCAL = np.int64(1) << 30
GONE: Final = 2
"""A row that has left on both clocks."""
_NEVER = np.int64((1 << 63) - 1)


@jit
def append_rows(
    rows: _I64, words: _I64, by_exch: _I64, by_local: _I64, gone: _U8, at: int, number: int, span: _I64
) -> None:
    """Write `rows`, numbered from `number`, to `words` and to both orders from place `at` on.

    `span` becomes the earliest and latest exchange time, the earliest and latest local time.
    """
    first_exch, last_exch, first_local, last_local = span[0], span[1], span[2], span[3]
    for i in range(len(rows)):
        to = at + i
        for w in range(5):
            words[to, w] = rows[i, w]
        words[to, 5] = number + i
        by_exch[to] = to
        by_local[to] = to
        gone[to] = 0
        exch = rows[i, 1]
        local = rows[i, 2]
        if exch < first_exch:
            first_exch = exch
        if exch > last_exch:
            last_exch = exch
        if local < first_local:
            first_local = local
        if local > last_local:
            last_local = local
    span[0], span[1], span[2], span[3] = first_exch, last_exch, first_local, last_local


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
    kinds: _I64,
    exch_limit: int,
    local_limit: int,
    last: bool,
    shift: int,
    out: _I64,
    start: int,
) -> int:
    """Merge what lies before both limits (all of it if `last`) into out[start:]; return the number of rows in `out`.

    At equal times stream a goes first. `shift` is added to every local time on its way out; kinds[k] counts rows.
    What the last choice was between is kept: a row that comes later and belongs before either of the two might have
    changed the choice. Ends early when `out` is full.
    """
    at_ea, at_la, n_a = held_a[EXCH_AT], held_a[LOCAL_AT], held_a[HELD]
    at_eb, at_lb, n_b = held_b[EXCH_AT], held_b[LOCAL_AT], held_b[HELD]
    taken = at_ea + at_eb
    # The next row of each order; an order at its end has a time that never comes, so it loses every comparison.
    ea, ea_time = np.int64(-1), _NEVER
    eb, eb_time = np.int64(-1), _NEVER
    la, la_time = np.int64(-2), _NEVER
    lb, lb_time = np.int64(-2), _NEVER
    if at_ea < n_a:
        ea = exch_a[at_ea]
        ea_time = words_a[ea, 1]
    if at_eb < n_b:
        eb = exch_b[at_eb]
        eb_time = words_b[eb, 1]
    if at_la < n_a:
        la = local_a[at_la]
        la_time = words_a[la, 2]
    if at_lb < n_b:
        lb = local_b[at_lb]
        lb_time = words_b[lb, 2]
    to = start
    both_clocks = 0
    backwards = 0
    before_e, before_l = merge[LAST_EXCH], merge[LAST_LOCAL]
    chosen_e, chosen_l = np.int64(-1), np.int64(-1)
    chosen_e_a = chosen_l_a = False
    while to < len(out):
        e_is_a = ea_time <= eb_time
        l_is_a = la_time <= lb_time
        e_row = ea if e_is_a else eb
        l_row = la if l_is_a else lb
        e_exch = ea_time if e_is_a else eb_time
        l_local = la_time if l_is_a else lb_time
        if (e_exch >= exch_limit or l_local >= local_limit) and (not last or (e_exch == _NEVER and l_local == _NEVER)):
            break
        both = bool(e_row == l_row and e_is_a == l_is_a)
        take_e = both
        if not both:
            l_exch = _NEVER
            e_local = _NEVER
            if l_row >= 0:
                l_exch = words_a[l_row, 1] if l_is_a else words_b[l_row, 1]
            if e_row >= 0:
                e_local = words_a[e_row, 2] if e_is_a else words_b[e_row, 2]
            both = bool(e_exch == l_exch and e_local == l_local)
            take_e = bool(both or e_exch < l_exch or (e_exch == l_exch and e_local < l_local))
        take_l = both or not take_e
        row = e_row if take_e else l_row
        if e_is_a if take_e else l_is_a:
            for w in range(5):
                out[to, w] = words_a[row, w]
        else:
            for w in range(5):
                out[to, w] = words_b[row, w]
        kinds[out[to, 0] & 0xFF] += 1
        out[to, 0] |= (_EXCH if take_e else 0) | (_LOCAL if take_l else 0)
        out[to, 2] += shift
        out[to, 5] = 0
        out[to, 6] = 0
        out[to, 7] = 0
        to += 1
        both_clocks += 1 if both else 0
        backwards += (1 if e_exch < before_e else 0) + (1 if l_local < before_l else 0)
        if e_row >= 0:
            before_e, chosen_e, chosen_e_a = e_exch, e_row, bool(e_is_a)
        if l_row >= 0:
            before_l, chosen_l, chosen_l_a = l_local, l_row, bool(l_is_a)
        if take_e:
            if e_is_a:
                gone_a[ea] += 1
                at_ea += 1
                ea, ea_time = np.int64(-1), _NEVER
                if at_ea < n_a:
                    ea = exch_a[at_ea]
                    ea_time = words_a[ea, 1]
            else:
                gone_b[eb] += 1
                at_eb += 1
                eb, eb_time = np.int64(-1), _NEVER
                if at_eb < n_b:
                    eb = exch_b[at_eb]
                    eb_time = words_b[eb, 1]
        if take_l:
            if l_is_a:
                gone_a[la] += 1
                at_la += 1
                la, la_time = np.int64(-2), _NEVER
                if at_la < n_a:
                    la = local_a[at_la]
                    la_time = words_a[la, 2]
            else:
                gone_b[lb] += 1
                at_lb += 1
                lb, lb_time = np.int64(-2), _NEVER
                if at_lb < n_b:
                    lb = local_b[at_lb]
                    lb_time = words_b[lb, 2]
    if chosen_e >= 0:
        merge[LAST_EXCH] = before_e
        merge[LAST_EXCH + 1] = 0 if chosen_e_a else 1
        merge[LAST_EXCH + 2] = words_a[chosen_e, 5] if chosen_e_a else words_b[chosen_e, 5]
    if chosen_l >= 0:
        merge[LAST_LOCAL] = before_l
        merge[LAST_LOCAL + 1] = 0 if chosen_l_a else 1
        merge[LAST_LOCAL + 2] = words_a[chosen_l, 5] if chosen_l_a else words_b[chosen_l, 5]
    held_a[EXCH_AT], held_a[LOCAL_AT] = at_ea, at_la
    held_b[EXCH_AT], held_b[LOCAL_AT] = at_eb, at_lb
    taken = at_ea + at_eb - taken
    merge[EXCH_ONLY] += taken - both_clocks
    merge[LOCAL_ONLY] += to - start - taken
    merge[BOTH] += both_clocks
    merge[WRONG_WAY] += backwards
    return to
