"""Several factors in one number: a weighted sum."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine import kernels as k
from factor_engine.errors import BadParameter, LengthMismatch
from factor_engine.parameters import real_number, reals, whole_number
from factor_engine.states import Real, Stateful, Whole


class LinearCombiner(Stateful):
    """The sum of weight * factor, added in order.

    A set of factors with one that is NaN, infinite or beyond 1e140 is refused and counted; the value stays. The weights
    are part of the saved state: restoring brings them back.
    """

    KIND = "linear_combiner"

    def __init__(self, weights: ArrayLike) -> None:
        array = _weights(weights)
        super().__init__(np.concatenate([np.zeros(k.COMBINE), array]), k.COMBINE)

    @classmethod
    def equal_weights(cls, count: int) -> "LinearCombiner":
        """Make one that takes the plain average of so many factors."""
        number = whole_number("count", count, 1)
        return cls(np.full(number, 1.0 / number))

    def update(self, factors: ArrayLike) -> float:
        """Combine as many factors as there are weights, remember the result and return it."""
        return float(k.combine_push(self._real, reals("factors", factors, len(self))))

    def update_many(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Combine every row of shape (n, factors); return the value after each."""
        array = reals("rows", rows, dimensions=2)
        if array.shape[1] != len(self):
            raise LengthMismatch("rows", len(self), array.shape[1])
        out = np.empty(array.shape[0])
        k.combine_sweep(self._real, array, out)
        return out

    def set_weight(self, index: int, weight: float) -> None:
        """Change one weight; the value changes with the next update."""
        if not 0 <= index < len(self):
            raise BadParameter("index", index, f"from 0 to {len(self) - 1}")
        self._real[k.COMBINE + index] = real_number("weight", weight)

    def set_weights(self, weights: ArrayLike) -> None:
        """Change all weights."""
        array = _weights(weights)
        if array.size != len(self):
            raise LengthMismatch("weights", len(self), array.size)
        self._real[k.COMBINE :] = array

    def normalize(self) -> None:
        """Scale the weights to a sum of absolute values of 1; weights of all but nothing (1e-10) are left alone."""
        size = float(np.abs(self._real[k.COMBINE :]).sum())
        if size > 1e-10:
            self._real[k.COMBINE :] /= size

    def __len__(self) -> int:
        return self._real.size - k.COMBINE

    @property
    def weights(self) -> NDArray[np.float64]:
        """A copy of the weights."""
        return self._real[k.COMBINE :].copy()

    @property
    def value(self) -> float:
        """The last result; 0 before the first."""
        return float(self._real[k.K_VALUE])

    @property
    def ready(self) -> bool:
        """Whether there is a result."""
        return bool(self._real[k.K_COUNT] > 0.0)

    @property
    def rejected(self) -> int:
        """How many sets of factors were refused."""
        return int(self._real[k.K_REJECTED])

    def _fault(self, real: Real, whole: Whole) -> str | None:
        return None if np.isfinite(real).all() else "not finite"


def weighted_sum(weights: ArrayLike, factors: ArrayLike) -> float:
    """Return the sum of weight * factor without remembering it; NaN if any factor is not usable."""
    combiner = LinearCombiner(weights)
    value = combiner.update(factors)
    return value if combiner.ready else float("nan")


def _weights(weights: ArrayLike) -> NDArray[np.float64]:
    array = reals("weights", weights)
    if array.size == 0 or not (np.abs(array) <= k.LARGEST).all():
        raise BadParameter("weights", weights, "one or more finite numbers")
    return array
