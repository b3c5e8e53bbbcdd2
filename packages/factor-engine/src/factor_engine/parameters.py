"""Checks of what a caller passes in, so that kernels need none."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factor_engine.errors import BadParameter, LengthMismatch

EXACT = 2**53
"""Whole numbers up to here are exact in the float64 arrays."""
LONGEST_NS = 2**62


def whole_number(name: str, value: int, least: int, most: int = EXACT) -> int:
    """Return an integer within its range, or raise BadParameter."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise BadParameter(name, value, f"a whole number from {least} to {most}")
    return int(value)


def real_number(name: str, value: float, above: float = -math.inf, most: float = 1e140) -> float:
    """Return a finite number in (above, most], or raise BadParameter."""
    if not (isinstance(value, (int, float, np.integer, np.floating)) and above < value <= most and abs(value) <= 1e140):
        raise BadParameter(name, value, f"a number above {above}, at most {most}")
    return float(value)


def reals(name: str, values: ArrayLike, length: int | None = None, dimensions: int = 1) -> NDArray[np.float64]:
    """Return values as a contiguous float64 array; raise BadParameter or LengthMismatch if they are not so many."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    _check_shape(name, array, length, dimensions)
    return array


def wholes(name: str, values: ArrayLike, length: int | None = None, dimensions: int = 1) -> NDArray[np.int64]:
    """Return values as a contiguous int64 array; floating point times or ticks are a BadParameter, never rounded."""
    array = np.asarray(values)
    if (
        array.dtype != np.int64
        and array.size
        and not (np.issubdtype(array.dtype, np.integer) and np.can_cast(array.dtype, np.int64))
    ):
        raise BadParameter(name, array.dtype, "of an integer type that fits int64")
    _check_shape(name, array, length, dimensions)
    return np.ascontiguousarray(array, dtype=np.int64)


def _check_shape(name: str, array: NDArray[np.generic], length: int | None, dimensions: int) -> None:
    if array.ndim != dimensions:
        raise BadParameter(name, f"of shape {array.shape}", f"an array of {dimensions} dimension(s)")
    if length is not None and array.shape[0] != length:
        raise LengthMismatch(name, length, array.shape[0])
