"""Order latencies guessed from feed latencies, for HftBacktest's interpolating latency model."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.events import EVENT_DTYPE, EXCH, LOCAL, Events, has_flag
from data_convert.sizes import MOST_NS, check_ns

LATENCY_DTYPE: Final = np.dtype([("req_ts", "<i8"), ("exch_ts", "<i8"), ("resp_ts", "<i8"), ("_padding", "<i8")])
Ints = npt.NDArray[np.int64]


def order_latencies(
    events: Events,
    *,
    entry_factor: Fraction = Fraction(1),
    entry_offset_ns: int = 0,
    response_factor: Fraction = Fraction(1),
    response_offset_ns: int = 0,
    every_ns: int = 1_000_000_000,
) -> npt.NDArray[np.void]:
    """Return one order latency (LATENCY_DTYPE) for every window of `every_ns` of local time that has rows.

    Of the rows flagged for both clocks the last of a window counts: req = local, exch = req + entry_factor * latency
    + entry_offset, resp = exch + response_factor * latency + response_offset (HftBacktest's `generate_order_latency`,
    in integers: products are rounded to the nearest ns). Raises ValueError for a window that is not positive, a factor
    of more than nine digits, for latencies beyond 146 years, and for results before their request.
    """
    _check_window(every_ns)
    for name, value in (("entry_offset_ns", entry_offset_ns), ("response_offset_ns", response_offset_ns)):
        check_ns(value, name)
    rows = events[has_flag(events, EXCH | LOCAL)]
    window = rows["local_ts"] // every_ns
    last = np.flatnonzero(np.append(window[1:] != window[:-1], True)) if len(rows) else np.empty(0, np.int64)
    local = rows["local_ts"][last]
    feed = local - rows["exch_ts"][last]
    longest_ns = int(np.abs(feed).max()) if len(feed) else 0
    for name, factor in (("entry_factor", entry_factor), ("response_factor", response_factor)):
        if longest_ns * abs(factor) > MOST_NS:
            raise ValueError(f"{name} {factor} makes a latency of {longest_ns} ns longer than 146 years")
    result = np.zeros(len(last), LATENCY_DTYPE)
    result["req_ts"] = local
    result["exch_ts"] = local + _times(feed, entry_factor) + entry_offset_ns
    result["resp_ts"] = result["exch_ts"] + _times(feed, response_factor) + response_offset_ns
    if np.any(result["exch_ts"] < local) or np.any(result["resp_ts"] < result["exch_ts"]):
        raise ValueError("an order would arrive before it was sent: negative feed latency or offset")
    return result


def _check_window(every_ns: int) -> None:
    if every_ns <= 0:
        raise ValueError(f"the window must be positive, not {every_ns} ns")
    check_ns(every_ns, "every_ns")


def last_of_windows(chunks: Iterable[Events], every_ns: int) -> Events:
    """Return the rows that `order_latencies` needs of an array that comes in chunks: the last of every window.

    Raises ValueError for a window that is none.
    """
    _check_window(every_ns)
    kept = np.empty(0, EVENT_DTYPE)
    parts = []
    for events in chunks:
        rows = np.concatenate((kept[-1:], events[has_flag(events, EXCH | LOCAL)]))
        window = rows["local_ts"] // every_ns
        if len(rows):
            parts.append(kept[:-1])
            kept = rows[np.append(window[1:] != window[:-1], True)]
    return np.concatenate((*parts, kept))


def _times(latency_ns: Ints, factor: Fraction) -> Ints:
    top, bottom = factor.numerator, factor.denominator
    if max(abs(top), bottom) > 999_999_999:
        raise ValueError(f"factor {factor} has more than nine digits")
    # Whole multiples and the rest apart: their product with nine digits stays within 64 bits.
    whole, rest = np.divmod(latency_ns, bottom)
    scaled: Ints = whole * top + (2 * rest * top + bottom) // (2 * bottom)
    return scaled
