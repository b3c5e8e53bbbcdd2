"""The one way kernels are compiled: cached on disk, without the interpreter lock, and plain Python under NUMBA_DISABLE_JIT=1."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def jit(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a kernel when it is first called.

    Where no directory can be written, neither the package's own nor the user's, numba refuses to cache; the kernel is then compiled anew
    in each process instead of failing. So it is where a full disk cannot keep the code.
    """
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        compiled = numba.njit(nogil=True)(function)
    cache: Any = getattr(compiled, "_cache", None)
    if hasattr(cache, "save_overload"):  # not under NUMBA_DISABLE_JIT, and where nothing is cached it saves nothing
        save = cache.save_overload

        def save_overload(signature: Any, data: Any) -> None:
            with suppress(OSError):  # numba would end the process
                save(signature, data)

        cache.save_overload = save_overload
    return cast("Callable[Parameters, Result]", compiled)
