"""The one place where kernels are compiled: settings for all of them, and a decorator that keeps their types.

Compiled kernels are cached beside their module. `NUMBA_DISABLE_JIT=1` runs them as plain Python.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel: no Python objects inside, the interpreter lock released, cached on disk."""
    return cast(Callable[P, R], numba.njit(function, cache=True, nogil=True))
