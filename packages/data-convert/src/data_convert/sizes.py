"""What numbers of ns and what tick and lot sizes make sense: stated once, for the commands and the functions."""

from __future__ import annotations

from math import isfinite
from typing import Final

MOST_NS: Final = 1 << 62
"""146 years: more is no latency, and added to a time of these centuries it would not fit 64 bits."""
LEAST_SIZE: Final = 1e-12
MOST_SIZE: Final = 1e12


def check_ns(value: int, name: str) -> None:
    """Raise ValueError, naming `name`, for a number of ns that is no length of time."""
    if not -MOST_NS <= value <= MOST_NS:
        raise ValueError(f"{name} is at most {MOST_NS} ns (146 years) either way, not {value}")


def check_size(value: float | None, name: str) -> None:
    """Raise ValueError, naming `name`, for a tick or lot size that is none; None is fine."""
    if value is not None and not (isfinite(value) and LEAST_SIZE <= value <= MOST_SIZE):
        raise ValueError(f"{name} must be positive, from {LEAST_SIZE:g} to {MOST_SIZE:g}, not {value:g}")
