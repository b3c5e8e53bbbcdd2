"""Inputs as callers name them, and how reading them is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

Progress = Callable[[int, int], None]


Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def listed_paths(paths: Paths) -> list[Path]:
    """Return one path or several as a list of them."""
    return [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
