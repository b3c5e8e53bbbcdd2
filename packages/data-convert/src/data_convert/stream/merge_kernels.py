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
) -> int:
    """Write `rows`, numbered from `number`, to `words` and to both orders from place `at` on.

    `span` becomes the earliest and latest exchange time, the earliest and latest local time. Returns 1 if they must be
    sorted by exchange time, plus 2 if by local time; they need not where each row's time is the latest of the stream.
    """
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
def _run(
    words: _I64,
    by_exch: _I64,
    by_local: _I64,
    gone: _U8,
    begin: int,
    end: int,
    latest_exch: int | np.int64,
    latest_local: int | np.int64,
    shift: int,
    kinds: _I64,
    out: _I64,
    start: int,
) -> int:
    """Copy the rows from place `begin` on that stand alike in both orders and are not later than either time.

    Returns how many there were room for in out[start:].
    """
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
        if both and at_ea == at_la and at_eb == at_lb:
            # The usual case: nothing has left on one clock only, and one stream goes on while the other waits.
            last_e = _NEVER if last else exch_limit - 1
            last_l = _NEVER if last else local_limit - 1
            backwards += (1 if e_exch < before_e else 0) + (1 if l_local < before_l else 0)
            if e_is_a:
                last_e, last_l = min(last_e, eb_time), min(last_l, lb_time)
                n = _run(words_a, exch_a, local_a, gone_a, at_ea, n_a, last_e, last_l, shift, kinds, out, to)
                at_ea += n
                at_la += n
                chosen_e = chosen_l = exch_a[at_ea - 1]
                before_e, before_l = words_a[chosen_e, 1], words_a[chosen_e, 2]
                ea, ea_time = np.int64(-1), _NEVER
                la, la_time = np.int64(-2), _NEVER
                if at_ea < n_a:
                    ea, la = exch_a[at_ea], local_a[at_la]
                    ea_time, la_time = words_a[ea, 1], words_a[la, 2]
            else:
                last_e, last_l = min(last_e, ea_time - 1), min(last_l, la_time - 1)
                n = _run(words_b, exch_b, local_b, gone_b, at_eb, n_b, last_e, last_l, shift, kinds, out, to)
                at_eb += n
                at_lb += n
                chosen_e = chosen_l = exch_b[at_eb - 1]
                before_e, before_l = words_b[chosen_e, 1], words_b[chosen_e, 2]
                eb, eb_time = np.int64(-1), _NEVER
                lb, lb_time = np.int64(-2), _NEVER
                if at_eb < n_b:
                    eb, lb = exch_b[at_eb], local_b[at_lb]
                    eb_time, lb_time = words_b[eb, 1], words_b[lb, 2]
            chosen_e_a = chosen_l_a = bool(e_is_a)
            to += n
            both_clocks += n
            continue
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
