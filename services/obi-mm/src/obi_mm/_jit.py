"""The one place that says how kernels are compiled."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def jit(function: Function) -> Function:
    """Compile a kernel: cached on disk where a directory can hold the cache, without the GIL, IEEE arithmetic as written."""
    try:
        return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return cast(Function, numba.njit(nogil=True, error_model="numpy")(function))


def jit_engine(function: Function) -> Function:
    """Compile a loop over hftbacktest's objects, which hold addresses and so cannot be cached on disk."""
    return cast(Function, numba.njit(nogil=True, error_model="numpy")(function))
