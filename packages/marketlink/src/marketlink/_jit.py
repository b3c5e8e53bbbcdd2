"""The one way kernels are compiled: cached on disk, without the interpreter lock, and plain Python under NUMBA_DISABLE_JIT=1."""

import hashlib
import importlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
from numba import carray, types  # type: ignore[attr-defined]
from numba.core import cgutils
from numba.extending import intrinsic

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
    _forgive(getattr(compiled, "_cache", None))
    return cast("Callable[Parameters, Result]", compiled)


def jit_over(*modules: ModuleType) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Compile a kernel that calls kernels of other files: a change in one of those makes what is cached of this one void too.

    By itself numba looks at the kernel's own file only, and would go on with what it once linked in of the others.
    """

    def compile_(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        compiled = jit(function)
        _stamp(getattr(compiled, "_cache", None), modules)
        return compiled

    return compile_


def native(signature: Any, *modules: ModuleType) -> Callable[[Callable[..., Any]], int]:
    """Compile a function that C can call, and cache it as `jit_over` does; what is left of it is its address, 0 without compiling."""

    def compile_(function: Callable[..., Any]) -> int:
        if _numba("config").DISABLE_JIT:
            return 0
        made = _numba("ccallback").CFunc(function, _numba("sigutils").normalize_signature(signature), {}, {})
        with suppress(RuntimeError):  # nowhere to cache
            made.enable_caching()
        _stamp(made._cache, modules)
        _forgive(made._cache)
        made.compile()
        _KEPT.append(made)
        return int(made.address)

    return compile_


def _to_pointer(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


pointer: Final[Any] = intrinsic(_to_pointer)
"""An address as what `array_at` takes; in compiled code only."""
array_at: Final[Any] = carray
"""The array of a shape and type that lies at a pointer."""

_KEPT: list[Any] = []
"""Code lives as long as what made it."""


def _numba(module: str) -> Any:
    """A module of numba's inner part: its decorator makes the code before its cache can be told of other files."""
    return importlib.import_module(f"numba.core.{module}")


def _forgive(cache: Any) -> None:
    """Let a full disk cost the cache, not the process."""
    if not hasattr(cache, "save_overload"):  # not under NUMBA_DISABLE_JIT, and where nothing is cached it saves nothing
        return
    save = cache.save_overload

    def save_overload(signature: Any, data: Any) -> None:
        with suppress(OSError):  # numba would end the process
            save(signature, data)

    cache.save_overload = save_overload


def _stamp(cache: Any, modules: tuple[ModuleType, ...]) -> None:
    file = getattr(cache, "_cache_file", None)
    if file is not None:
        digest = hashlib.sha256()
        for module in modules:
            digest.update(Path(str(module.__file__)).read_bytes())
        file._source_stamp = (file._source_stamp, digest.hexdigest())
