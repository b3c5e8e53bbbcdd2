"""Files under way: each has a hidden name of its own and a lock, so that what a dead process left is told from what lives.

::

    .OUT.npz.PID-TOKEN.partial   locked by its writer   ->  OUT.npz, or removed
                                 locked by nobody       ->  its writer was killed: removed by whoever comes next
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Final

_PARTIAL: Final = re.compile(r"\.(?P<name>.+)\.[0-9]+(?:-[0-9a-f]+)?\.partial", re.DOTALL)

_own: set[Path] = set()


@contextmanager
def partial_file(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Open a file beside `path` under a name of its own, and remove that name at the end. Raises OSError."""
    remove_leftovers(path.parent, path.name)
    partial, file = _create(path)
    _own.add(partial)
    try:
        with file:
            yield partial, file
    finally:
        with suppress(OSError):  # what went wrong before is what is told
            partial.unlink(missing_ok=True)
        _own.discard(partial)


def _create(path: Path) -> tuple[Path, IO[bytes]]:
    while True:
        partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
        file = partial.open("xb")
        try:
            with suppress(OSError):  # a file system without locks: then nobody takes it for a leftover either
                _lock(file)
            if partial.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return partial, file
        except FileNotFoundError:
            pass  # taken for a leftover between the two calls
        file.close()


def _lock(file: IO[bytes]) -> None:
    """Lock a file for this process; raise OSError where it is locked, or nothing can be."""
    try:
        fcntl = import_module("fcntl")
    except ImportError:
        raise OSError("this system has no such locks") from None
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_leftovers(directory: Path, name: str | None = None) -> list[Path]:
    """Remove what killed processes left in a directory (for the output `name` alone); return what was removed."""
    removed = []
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return []
    for entry in entries:
        found = _PARTIAL.fullmatch(entry.name)
        if found is None or (name is not None and found["name"] != name):
            continue
        with suppress(OSError), open(entry.path, "rb") as file:
            _lock(file)  # fails while its writer lives
            os.unlink(entry.path)
            removed.append(Path(entry.path))
    return removed


@contextmanager
def own_folder() -> Iterator[Path]:
    """Open a folder for the time being, and remove it however this process is told to end."""
    with tempfile.TemporaryDirectory(prefix="data-convert-") as name:
        _own.add(Path(name))
        try:
            yield Path(name)
        finally:
            _own.discard(Path(name))


def drop_own() -> None:
    """Remove what this process has under way, because it ends now."""
    for place in list(_own):
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):
            place.unlink(missing_ok=True)
