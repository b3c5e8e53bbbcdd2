"""Slow twins: the same answers by dictionaries and lists."""

from __future__ import annotations

import numpy as np

BUY, SELL, EXCH, LOCAL = 1 << 29, 1 << 28, 1 << 31, 1 << 30


def merged(events):
    """Section 2.3's table, word by word."""
    by_exch = sorted(range(len(events)), key=lambda i: int(events["exch_ts"][i]))
    by_local = sorted(range(len(events)), key=lambda i: int(events["local_ts"][i]))
    out = []
    e, k, n = 0, 0, len(events)
    while e < n or k < n:
        if e < n and k < n:
            a, b = events[by_exch[e]], events[by_local[k]]
            if a["exch_ts"] == b["exch_ts"] and a["local_ts"] == b["local_ts"]:
                out.append((by_exch[e], EXCH | LOCAL))
                e, k = e + 1, k + 1
                continue
            exch_first = a["exch_ts"] < b["exch_ts"] or (a["exch_ts"] == b["exch_ts"] and a["local_ts"] < b["local_ts"])
        else:
            exch_first = e < n
        if exch_first:
            out.append((by_exch[e], EXCH))
            e += 1
        else:
            out.append((by_local[k], LOCAL))
            k += 1
    result = np.empty(len(out), events.dtype)
    for i, (row, flags) in enumerate(out):
        result[i] = events[row]
        result["ev"][i] |= np.uint64(flags)
    return result


def play(book, row):
    """Apply one depth row to {"b": {px: qty}, "a": {px: qty}}."""
    ev, px, qty = int(row["ev"]), float(row["px"]), float(row["qty"])
    kind = ev & 0xFF
    if kind == 3:
        if ev & BUY or not ev & SELL:
            low = px if ev & BUY and np.isfinite(px) else -np.inf
            book["b"] = {p: q for p, q in book["b"].items() if p < low}
        if ev & SELL or not ev & BUY:
            high = px if ev & SELL and np.isfinite(px) else np.inf
            book["a"] = {p: q for p, q in book["a"].items() if p > high}
    elif kind in (1, 4) and ev & (BUY | SELL):
        side = book["b"] if ev & BUY else book["a"]
        side.pop(px, None)
        if qty > 0:
            side[px] = qty


def states(events, side):
    """The book at the end of every run of equal times of one clock, as (time, frozen book)."""
    flag, name = (LOCAL, "local_ts") if side == "local" else (EXCH, "exch_ts")
    rows = [row for row in events if int(row["ev"]) & flag and int(row["ev"]) & 0xFF in (1, 3, 4)]
    book, out = {"b": {}, "a": {}}, []
    for i, row in enumerate(rows):
        play(book, row)
        if i + 1 == len(rows) or rows[i + 1][name] != row[name]:
            out.append((int(row[name]), freeze(book)))
    return out


def freeze(book):
    return frozenset(("b", p, q) for p, q in book["b"].items()) | frozenset(("a", p, q) for p, q in book["a"].items())
