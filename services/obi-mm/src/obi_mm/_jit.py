"""The one place that says how kernels are compiled, and for which sources compiled code on disk is good."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., object])

_COMPILED_IN = (
    "factor_engine.kernels",
    "obi_mm.engine",
    "obi_mm.hft",
    "obi_mm.inputs",
    "obi_mm.kernels",
    "obi_mm.layout",
    "obi_mm.sizes",
)


def jit(function: Function) -> Function:
    """Compile a kernel: without the GIL, IEEE arithmetic as written, cached on disk where a directory can hold the cache.

    numba's cache asks only the file of the function that it holds whether it is still good. Kernels here have code and
    constants of other files in them, so theirs asks all of those. Should numba no longer let that be said, nothing is cached.
    Code that a full disk cannot keep is compiled again the next time; numba would end the program.
    """
    compiled = numba.njit(nogil=True, error_model="numpy")
    try:
        cached = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return cast(Function, compiled(function))
    cache: Any = getattr(cached, "_cache", None)
    index: Any = getattr(cache, "_cache_file", None)
    if not hasattr(index, "_source_stamp"):
        return cast(Function, compiled(function))
    index._source_stamp = _stamp()
    save = cache.save_overload

    def save_overload(signature: Any, data: Any) -> None:
        with suppress(OSError):
            save(signature, data)

    cache.save_overload = save_overload
    return cast(Function, cached)


def jitable(function: Function) -> Function:
    """Compile a function as part of the kernels that call it, and only there."""
    register_jitable(function)
    return function


@functools.cache
def _stamp() -> bytes:
    specs = [find_spec(name) for name in _COMPILED_IN]
    try:
        engine = version("hftbacktest")
    except PackageNotFoundError:
        engine = "none"
    return stamp_of([Path(spec.origin) for spec in specs if spec is not None and spec.origin is not None], engine)


def stamp_of(sources: Sequence[Path], engine: str) -> bytes:
    """Name the state of the sources and of the engine whose functions are called."""
    digest = hashlib.sha256(engine.encode())
    for path in sources:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()
