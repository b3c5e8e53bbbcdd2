"""Values kept by number: the ring buffer, moments over the last `window` values, and the moving average."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine import kernels as k
from factor_engine.parameters import real_number, reals, whole_number
from factor_engine.states import Real, Stateful, Whole, cursor_fault, differing

ZERO_SPREAD = 1e-12
"""A spread below this fraction of the values' own size is rounding, and z-scores over it are 0."""


class RingBuffer(Stateful):
    """The last `capacity` numbers, oldest first; it stores whatever float it is given."""

    KIND = "ring_buffer"

    def __init__(self, capacity: int) -> None:
        super().__init__(np.zeros(k.RING + whole_number("capacity", capacity, 1)), k.RING)

    def push(self, value: float) -> float | None:
        """Store a value; return the oldest if it had to give way, otherwise None."""
        return float(self._real[k.R_EVICTED]) if k.ring_push(self._real, float(value)) else None

    def get(self, index: int) -> float | None:
        """Return the value at an index counted from the oldest, or None where there is none."""
        count, capacity = len(self), self.capacity
        if not 0 <= index < count:
            return None
        return float(self._real[k.RING + (int(self._real[k.R_HEAD]) - count + index) % capacity])

    def __len__(self) -> int:
        return int(self._real[k.R_COUNT])

    def __iter__(self) -> Iterator[float]:
        for index in range(len(self)):
            value = self.get(index)
            assert value is not None
            yield value

    @property
    def capacity(self) -> int:
        """How many values fit."""
        return self._real.size - k.RING

    @property
    def full(self) -> bool:
        """Whether the next push evicts."""
        return len(self) == self.capacity

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return len(self) == 0

    def clear(self) -> None:
        """Forget all values."""
        self.reset()

    def _fault(self, real: Real, whole: Whole) -> str | None:
        return cursor_fault(real[k.R_HEAD], real[k.R_COUNT], self.capacity)


@dataclass(frozen=True, slots=True)
class MomentsSeries:
    """What rolling moments were after every value of an array."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    zscore: NDArray[np.float64]
    """Of each value in the window that it ends; NaN for a refused value."""


class RollingMoments(Stateful):
    """Mean and sample variance (ddof 1) of the last `window` values.

    Values that are NaN, infinite or beyond 1e140 are refused and counted. `recompute=False` leaves out the
    recomputation that bounds rounding: the source's bare recurrence, for comparisons with it.
    """

    KIND = "rolling_moments"

    def __init__(self, window: int, *, zero_spread: float = ZERO_SPREAD, recompute: bool = True) -> None:
        super().__init__(moments_array(window, zero_spread, recompute), k.MOMENTS)

    def update(self, value: float) -> bool:
        """Take a value; false if it was refused."""
        return bool(k.moments_push(self._real, float(value)))

    def update_many(self, values: ArrayLike) -> MomentsSeries:
        """Take an array of values through the same kernel as `update`; return what stood after each."""
        array = reals("values", values)
        series = MomentsSeries(np.empty(array.size), np.empty(array.size), np.empty(array.size))
        k.moments_sweep(self._real, array, series.mean, series.std, series.zscore)
        return series

    def zscore(self, value: float, scale: float = 0.0) -> float:
        """Return (value - mean) / std; 0 where std is at most `zero_spread` times the larger of |mean| and `scale`."""
        return float(k.moments_zscore(self._real, float(value), float(scale)))

    @property
    def mean(self) -> float:
        """The mean; 0 while empty."""
        return float(k.moments_mean(self._real))

    @property
    def variance(self) -> float:
        """The sample variance; never negative, 0 for fewer than two values."""
        return float(k.moments_variance(self._real))

    @property
    def std(self) -> float:
        """The sample standard deviation."""
        return float(k.moments_std(self._real))

    @property
    def m2(self) -> float:
        """The sum of squared deviations as the recurrence holds it."""
        return float(self._real[k.M_M2])

    @property
    def window(self) -> int:
        """How many values the window holds when full."""
        return self._real.size - k.MOMENTS

    @property
    def count(self) -> int:
        """How many values are in the window."""
        return int(self._real[k.M_COUNT])

    @property
    def ready(self) -> bool:
        """Whether the window is full."""
        return self.count == self.window

    @property
    def rejected(self) -> int:
        """How many values were refused."""
        return int(self._real[k.M_REJECTED])

    @property
    def recomputed(self) -> int:
        """How often mean and variance were computed afresh to shed rounding."""
        return int(self._real[k.M_RECOMPUTED])

    def _fault(self, real: Real, whole: Whole) -> str | None:
        return moments_fault(self._real, real)


class Ema(Stateful):
    """An exponential moving average: alpha * value + (1 - alpha) * previous, started by its first value."""

    KIND = "ema"

    def __init__(self, span: float | None = None, *, alpha: float | None = None) -> None:
        """Take either a span of at least 1, for alpha = 2 / (span + 1), or alpha itself in (0, 1]."""
        if (span is None) == (alpha is None):
            raise TypeError("Ema takes either a span or an alpha")
        if span is not None:
            alpha = 2.0 / (real_number("span", span, above=np.nextafter(1.0, 0.0)) + 1.0)
        real = np.zeros(k.EMA)
        real[k.E_ALPHA] = real_number("alpha", alpha or 0.0, above=0.0, most=1.0)
        super().__init__(real, k.EMA)

    def update(self, value: float) -> float:
        """Take a value and return the average; a NaN, infinite or huge value changes nothing and is counted."""
        return float(k.ema_push(self._real, float(value)))

    def update_many(self, values: ArrayLike) -> NDArray[np.float64]:
        """Take an array of values; return the average after each."""
        array = reals("values", values)
        out = np.empty(array.size)
        k.ema_sweep(self._real, array, out)
        return out

    @property
    def alpha(self) -> float:
        """The weight of a new value."""
        return float(self._real[k.E_ALPHA])

    @property
    def value(self) -> float:
        """The average; 0 before the first value."""
        return float(self._real[k.E_VALUE])

    @property
    def ready(self) -> bool:
        """Whether a first value has come."""
        return bool(self._real[k.E_COUNT] > 0.0)

    @property
    def rejected(self) -> int:
        """How many values were refused."""
        return int(self._real[k.E_REJECTED])

    def _fault(self, real: Real, whole: Whole) -> str | None:
        if not np.isfinite(real).all():
            return "not finite"
        return differing(self._real, real, (k.E_ALPHA,))


def moments_array(window: int, zero_spread: float = ZERO_SPREAD, recompute: bool = True, header: int = 0) -> Real:
    """Allocate rolling moments as `kernels.moments_push` wants them, behind `header` slots of a factor's own."""
    real = np.zeros(header + k.MOMENTS + whole_number("window", window, 1))
    real[header + k.M_CREDIT] = k.BURST * window
    real[header + k.M_ZERO] = real_number("zero_spread", zero_spread, above=-0.0 - 5e-324, most=1.0)
    real[header + k.M_RECOMPUTE] = 1.0 if recompute else 0.0
    return real


def moments_fault(own: Real, other: Real) -> str | None:
    """Say why a saved array is not this factor's rolling moments, if it is not."""
    fault = cursor_fault(other[k.M_HEAD], other[k.M_COUNT], own.size - k.MOMENTS)
    if fault is None:
        fault = differing(own, other, (k.M_ZERO, k.M_RECOMPUTE))
    if fault is None and not (np.abs(other) <= k.LARGEST**2).all():
        fault = "not finite"
    if fault is None and not (np.abs(other[k.MOMENTS :]) <= k.LARGEST).all():
        fault = "values too large"
    return fault
