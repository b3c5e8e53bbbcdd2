"""The 64-byte event record: HftBacktest's frozen external format (docs/formats.md section 1).

Defined again in `marketlink.events`, because this package stands alone; a contract test holds the two together.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

FIELDS: Final = [
    ("ev", "<u8"),
    ("exch_ts", "<i8"),
    ("local_ts", "<i8"),
    ("px", "<f8"),
    ("qty", "<f8"),
    ("order_id", "<u8"),
    ("ival", "<i8"),
    ("fval", "<f8"),
]
EVENT_DTYPE: Final = np.dtype(FIELDS)

Events = npt.NDArray[np.void]
Ints = npt.NDArray[np.int64]

# Kinds are an enumeration in the low byte, not bits: 3 = 1|2, so never test them with a bare `&`.
DEPTH: Final = 1
TRADE: Final = 2
DEPTH_CLEAR: Final = 3
DEPTH_SNAPSHOT: Final = 4
DEPTH_BBO: Final = 5
ADD_ORDER: Final = 10
CANCEL_ORDER: Final = 11
MODIFY_ORDER: Final = 12
FILL: Final = 13

EXCH: Final = 1 << 31
LOCAL: Final = 1 << 30
BUY: Final = 1 << 29
SELL: Final = 1 << 28

KIND_MASK: Final = 0xFF

INDEX_PRICE: Final = 100
MARK_PRICE: Final = 101
FUNDING_RATE: Final = 102
BEST_BID: Final = 103
BEST_ASK: Final = 104
"""Kinds of a user's own, numbered as HftBacktest's converter of Binance does; they carry no side."""

KIND_NAMES: Final = {
    DEPTH: "depth",
    TRADE: "trade",
    DEPTH_CLEAR: "depth clear",
    DEPTH_SNAPSHOT: "depth snapshot",
    DEPTH_BBO: "depth best quote",
    ADD_ORDER: "add order",
    CANCEL_ORDER: "cancel order",
    MODIFY_ORDER: "modify order",
    FILL: "fill",
    INDEX_PRICE: "index price",
    MARK_PRICE: "mark price",
    FUNDING_RATE: "funding rate",
    BEST_BID: "best bid",
    BEST_ASK: "best ask",
}


def is_kind(events: Events, kind: int) -> npt.NDArray[np.bool_]:
    """Mark the rows whose kind is `kind`, by the low byte as a whole."""
    marked: npt.NDArray[np.bool_] = (events["ev"] & np.uint64(KIND_MASK)) == np.uint64(kind)
    return marked


def has_flag(events: Events, flag: int) -> npt.NDArray[np.bool_]:
    """Mark the rows that carry every bit of `flag`."""
    marked: npt.NDArray[np.bool_] = (events["ev"] & np.uint64(flag)) == np.uint64(flag)
    return marked


def count_kinds(events: Events) -> dict[str, int]:
    """Count rows by kind name; kinds without a name are counted as `kind N`."""
    kinds, counts = np.unique(events["ev"] & np.uint64(KIND_MASK), return_counts=True)
    return {KIND_NAMES.get(int(k), f"kind {int(k)}"): int(n) for k, n in zip(kinds, counts, strict=True)}
