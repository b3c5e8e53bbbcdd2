"""The one way kernels of this package are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

_P = ParamSpec("_P")
_R = TypeVar("_R")


def jit(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile without Python objects, on first use, and keep the machine code on disk."""
    compiled: Callable[_P, _R] = njit(cache=True, nogil=True)(function)
    return compiled
