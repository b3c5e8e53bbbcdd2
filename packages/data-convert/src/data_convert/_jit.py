"""The one way kernels of this package are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

_P = ParamSpec("_P")
_R = TypeVar("_R")


def jit(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile without Python objects, on first use, and keep the machine code on disk."""
    compiled: Callable[_P, _R] = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def _load_word(_: Any, text: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.gep(array.data, [arguments[1]])
        return builder.load(builder.bitcast(first, ir.IntType(64).as_pointer()), align=1)

    return types.int64(text, types.int64), generate


load_word: Callable[[npt.NDArray[np.uint8], int], np.int64] = cast(Any, intrinsic(_load_word))
"""Load the eight bytes that begin at a place as one integer, the first byte lowest; nothing is checked."""
