"""Volatility: the spread of returns between points one interval apart."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine import kernels as k
from factor_engine.parameters import LONGEST_NS, reals, whole_number, wholes
from factor_engine.rolling import ZERO_SPREAD, moments_array, moments_fault
from factor_engine.states import Real, Stateful, Whole, differing


class Volatility(Stateful):
    """The sample standard deviation (ddof 1) of the last `window` simple returns over `interval_ns`.

    Points are anchored to the interval's boundaries since the epoch: each interval's first price. A return across a
    hole of up to `longest_gap` intervals is scaled by 1/sqrt(intervals); across a longer one there is none (`skipped`).
    `anchored=False` is the source's rule, for comparisons: a point is due one interval after the last, a longer wait
    counts as one return, and a poll that comes a little early waits for the next. Prices that are not positive numbers,
    and times running back, are refused and counted.
    """

    KIND = "volatility"

    def __init__(self, interval_ns: int, window: int, *, longest_gap: int = 1, anchored: bool = True) -> None:
        whole = np.zeros(k.POINTS, dtype=np.int64)
        whole[k.P_INTERVAL] = whole_number("interval_ns", interval_ns, 1, LONGEST_NS)
        whole[k.P_LAST] = -1
        whole[k.P_LONGEST] = whole_number("longest_gap", longest_gap, 1)
        whole[k.P_ANCHORED] = int(anchored)
        real = moments_array(window, ZERO_SPREAD, header=k.VOLATILITY)
        super().__init__(real, k.VOLATILITY + k.MOMENTS, whole, k.POINTS)

    def update(self, ts_ns: int, price: float) -> float:
        """Take a price, of which only the points count, and return the volatility (0 before two returns)."""
        return float(k.volatility_update(self._real, self._whole, int(ts_ns), float(price)))

    def update_many(self, ts_ns: ArrayLike, prices: ArrayLike) -> NDArray[np.float64]:
        """Take arrays of times and prices, shape (n,) each; return the volatility after each."""
        stamps = wholes("ts_ns", ts_ns)
        array = reals("prices", prices, stamps.size)
        out = np.empty(array.size)
        k.volatility_sweep(self._real, self._whole, stamps, array, out)
        return out

    @property
    def value(self) -> float:
        """The volatility as of the last point."""
        return float(self._real[k.V_VALUE])

    @property
    def count(self) -> int:
        """How many returns are in the window."""
        return int(self._real[k.VOLATILITY + k.M_COUNT])

    @property
    def returns(self) -> int:
        """How many returns were ever taken."""
        return int(self._whole[k.P_RETURNS])

    @property
    def skipped(self) -> int:
        """How many holes were too long for a return."""
        return int(self._whole[k.P_SKIPPED])

    @property
    def rejected(self) -> int:
        """How many prices were refused."""
        return int(self._whole[k.P_REJECTED])

    @property
    def last_price(self) -> float:
        """The price of the last point; 0 before the first."""
        return float(self._real[k.V_PRICE])

    @property
    def last_ts_ns(self) -> int | None:
        """The time of the last point, None before the first."""
        return int(self._whole[k.P_LAST]) if self._whole[k.P_LAST] >= 0 else None

    @property
    def ready(self) -> bool:
        """Whether the window is full of returns, which takes window + 1 points."""
        return self.count == self._real.size - k.VOLATILITY - k.MOMENTS

    def _fault(self, real: Real, whole: Whole) -> str | None:
        fault = differing(self._whole, whole, (k.P_INTERVAL, k.P_LONGEST, k.P_ANCHORED))
        if fault is None and whole[k.P_LAST] >= 0 and not 0.0 < real[k.V_PRICE] <= k.LARGEST:
            fault = "a point without a price"
        return fault or moments_fault(self._real[k.VOLATILITY :], real[k.VOLATILITY :])
