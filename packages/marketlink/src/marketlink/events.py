"""The 64-byte event record that every part of the system speaks: HftBacktest's own, a frozen external format.

Source: docs/formats.md section 1. The same record stands in `data_convert.events`, because the converter installs alone;
a contract test holds the two together.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

EVENT_DTYPE: Final = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ],
    align=True,
)
Events = NDArray[np.void]
"""A one-dimensional array of EVENT_DTYPE."""

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


def is_kind(ev: int, pattern: int) -> bool:
    """Tell whether `ev` has every flag of `pattern` and, if the pattern names a kind, exactly that kind.

    Kinds are an enumeration, not bits: 3 and 5 both contain 1, so a bitwise test for depth would match a clear.
    """
    kind = pattern & KIND_MASK
    return (ev & pattern) == pattern and (kind == 0 or (ev & KIND_MASK) == kind)


def empty_events(count: int = 0) -> Events:
    """Return `count` zeroed event records."""
    return np.zeros(count, EVENT_DTYPE)
