"""Of what code a result is: results of another one are another run's."""

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_DISTRIBUTIONS: Final = ("obi-mm", "factor-engine", "data-convert", "marketlink", "hftbacktest", "numba", "numpy")
_SOURCES: Final = ("obi_mm", "factor_engine", "marketlink.book", "data_convert.files")
"""Packages whose code a backtest runs; a version number alone does not change with a checkout."""


def versions() -> dict[str, str]:
    """Return the version of each distribution that a backtest runs, "none" where one is not installed."""
    found: dict[str, str] = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


@functools.cache
def code_digest() -> str:
    """Return 16 hex digits that name the code of this installation: its versions and its very sources."""
    digest = hashlib.sha256(repr(sorted(versions().items())).encode())
    for name in _SOURCES:
        spec = find_spec(name)
        for folder in () if spec is None else spec.submodule_search_locations or ():
            digest.update(sources_digest(Path(folder)))
    return digest.hexdigest()[:16]


def sources_digest(folder: Path) -> bytes:
    """Name the state of a folder's Python files, those of its folders included."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()
