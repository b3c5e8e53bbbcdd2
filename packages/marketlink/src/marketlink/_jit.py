"""The one way kernels are compiled: cached on disk, without the interpreter lock, and plain Python under NUMBA_DISABLE_JIT=1."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def jit(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a kernel when it is first called.

    Where no directory can be written, neither the package's own nor the user's, numba refuses to cache; the kernel is then compiled anew
    in each process instead of failing.
    """
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        compiled = numba.njit(nogil=True)(function)
    return cast("Callable[Parameters, Result]", compiled)
