"""The one place that says how kernels are compiled."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., object])


def jit(function: Function) -> Function:
    """Compile a kernel: cached on disk, without the GIL, IEEE arithmetic as written.

    `fastmath` stays off on purpose: streaming and whole-array forms must agree to the last bit, and the
    compensated sums must not be simplified away. Where no directory can hold the cache (a read-only image
    without a home), or a full disk cannot keep it, the kernel is compiled in memory instead.
    """
    try:
        kernel = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return cast(Function, numba.njit(nogil=True, error_model="numpy")(function))
    cache: Any = getattr(kernel, "_cache", None)
    if cache is not None:  # None: numba is told not to compile
        save = cache.save_overload

        def save_overload(signature: Any, data: Any) -> None:
            with suppress(OSError):  # numba would end the program
                save(signature, data)

        cache.save_overload = save_overload
    return cast(Function, kernel)


def jitable(function: Function) -> Function:
    """Let compiled callers inline a function that plain Python can call as it is.

    For functions over a caller's own book type: a compiled form of them cannot be cached, so the caller compiles them.
    """
    register_jitable(function)
    return function
