"""The one way kernels of this package are compiled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

_P = ParamSpec("_P")
_R = TypeVar("_R")


def jit(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile without Python objects, on first use, and keep the machine code on disk where there is a place for it."""
    return _compiled(function, inner=False)


def inner(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile what is called by other kernels only: its way in from Python is saved."""
    return _compiled(function, inner=True)


def tight(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile into the kernels that call it: for what is small, and called for every few bytes."""
    return _compiled(function, inner=True, forceinline=True)


def _compiled(function: Callable[_P, _R], inner: bool, **more: bool) -> Callable[_P, _R]:
    options: Any = {"cache": True, "nogil": True, "error_model": "numpy", **more}
    options |= {"no_cpython_wrapper": inner, "no_cfunc_wrapper": inner}
    try:
        compiled: Callable[_P, _R] = njit(**options)(function)
    except RuntimeError:  # numba: "no locator available", as in a read-only image without a home
        return cast(Callable[_P, _R], njit(**{**options, "cache": False})(function))
    _spare_disk(compiled)
    return compiled


def _spare_disk(compiled: Any) -> None:
    """Let code that cannot be kept (a full disk) be compiled again the next time; numba would end the program."""
    cache = getattr(compiled, "_cache", None)
    if cache is None:  # numba is told not to compile
        return
    save = cache.save_overload

    def save_overload(signature: Any, data: Any) -> None:
        with suppress(OSError):
            save(signature, data)

    cache.save_overload = save_overload


def _loader(bits: int) -> Any:
    """Make an intrinsic that loads an unsigned integer of so many bits from an array of bytes."""

    def load(_: Any, text: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            first = builder.gep(array.data, [arguments[1]])
            loaded = builder.load(builder.bitcast(first, ir.IntType(bits).as_pointer()), align=1)
            return loaded if bits == 64 else builder.zext(loaded, ir.IntType(64))

        return types.int64(text, types.int64), generate

    return intrinsic(load)


_Loader = Callable[[npt.NDArray[np.uint8], int | np.int64], np.int64]

load_word: _Loader = _loader(64)
"""Load the eight bytes that begin at a place as one integer, the first byte lowest; nothing is checked."""

load_byte: _Loader = _loader(8)
"""Load one byte; nothing is checked, and negative places do not count from the end."""


def _trailing_zeros(_: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


trailing_zeros: Callable[[np.int64], int] = cast(Any, intrinsic(_trailing_zeros))
"""Count the zero bits below the lowest one that is set; 64 for 0."""
