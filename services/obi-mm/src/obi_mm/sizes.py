"""Whether event rows are of an instrument with the tick and lot size given: every price whole ticks, every quantity whole lots.

A backtest on other sizes would round every price to a neighbour of it, decide on that, and say nothing.
"""

from decimal import Decimal
from pathlib import Path

import numpy as np
from marketlink.events import DEPTH, DEPTH_BBO, DEPTH_SNAPSHOT, TRADE, Events
from numpy.typing import NDArray

from obi_mm._jit import jit, jitable
from obi_mm.errors import DataError
from obi_mm.layout import Real

MOST_DIGITS = 12
Kinds = NDArray[np.uint64]


@jitable
def _counts(ev: int, value: float) -> bool:
    """Whether a row is depth or a trade, and its value finite and positive."""
    kind = ev & 0xFF
    return kind in (DEPTH, TRADE, DEPTH_SNAPSHOT, DEPTH_BBO) and 0.0 < value < np.inf


@jit
def not_whole(ev: Kinds, values: Real, step: float) -> tuple[int, int, int]:
    """Return the place of the first value that is no multiple of a step (-1: none), how many are none, and how many were looked at.

    A value may miss by 1e-6 steps and its own rounding.
    """
    first, count, looked = -1, 0, 0
    for at in range(len(values)):
        value = values[at]
        if not _counts(ev[at], value):
            continue
        looked += 1
        steps = value / step
        whole = np.rint(steps)
        if whole < 1.0 or abs(steps - whole) > 1e-6 + 4e-15 * steps:
            count += 1
            if first < 0:
                first = at
    return first, count, looked


@jit
def common_step(ev: Kinds, values: Real) -> tuple[int, int]:
    """Return the greatest decimal that all values are multiples of, as a whole number and its decimal digits; 0, 0 where there is none."""
    common, digits, scale = 0, 0, 1.0
    for at in range(len(values)):
        value = values[at]
        if not _counts(ev[at], value):
            continue
        while True:
            scaled = value * scale
            whole = np.rint(scaled)
            if scaled > 1e13:
                return 0, 0
            if whole >= 1.0 and abs(scaled - whole) <= 1e-9 + 4e-15 * scaled:
                break
            if digits == MOST_DIGITS:
                return 0, 0
            digits += 1
            scale = 10.0**digits
            common *= 10
        rest = int(whole)
        while rest:
            common, rest = rest, common % rest
    return common, digits


def check_sizes(events: Events, tick_size: float, lot_size: float, path: str | Path, first_row: int = 0) -> None:
    """Raise DataError for a price that is no multiple of the tick size, or a quantity that is none of the lot size.

    It names the first row, how many there are, and the step that fits; `first_row` is the events' in their file. Rows of other
    kinds than depth and trades are not looked at, and a size that is too fine can't be told from the data.
    """
    for name, what, unit, size in (
        ("px", "price", "tick", tick_size),
        ("qty", "quantity", "lot", lot_size),
    ):
        first, count, looked = not_whole(events["ev"], events[name], size)
        if not count:
            continue
        common, digits = common_step(events["ev"], events[name])
        fits = format(Decimal(common).scaleb(-digits).normalize(), "f") if common else ""
        remedy = (
            f"all are multiples of {fits}: --{unit}-size {fits}?" if common else f"give the instrument's --{unit}-size"
        )
        raise DataError(
            path,
            f"row {first_row + first:,}: {what} {float(events[name][first]):.12g} is no multiple of the {unit} size {size:.12g} "
            f"(nor are {count - 1:,} more of {looked:,}); {remedy}",
        )
