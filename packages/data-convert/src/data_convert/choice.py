"""Whether work is worth compiled code: loading it takes a second, compiling it for the first time several.

Python does the work until it has cost about as much as loading the kernels would; from then on, and wherever they are
loaded already, the kernels do it. So small files need neither numba nor a cache, and large ones lose next to nothing. Both
ways lead to the same bytes.
"""

from __future__ import annotations

import sys
from typing import Final

BUDGET_NS: Final = 800_000_000
"""What Python may spend in a process before the kernels are loaded."""
KERNELS: Final = "data_convert._jit"

_spent_ns = 0


def affordable(count: int, ns_each: int) -> bool:
    """Tell whether Python would take so many rows (or bytes) of such a cost."""
    return KERNELS not in sys.modules and _spent_ns + count * ns_each <= BUDGET_NS


def few(count: int, ns_each: int) -> bool:
    """Tell whether Python shall take them, and note what that costs."""
    global _spent_ns
    if not affordable(count, ns_each):
        return False
    _spent_ns += count * ns_each
    return True
