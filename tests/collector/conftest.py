"""What several tests of the collector use: a naive reader, a frozen clock."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest


def _read(path: Path) -> list[bytes]:
    """Read a recording the slow and obvious way; it fails on anything that is not whole."""
    with gzip.open(path) as file:  # gzip.decompress takes quadratic time over members
        text = file.read()
    assert not text or text.endswith(b"\n")
    return text.splitlines(keepends=True)


@pytest.fixture
def read() -> Callable[[Path], list[bytes]]:
    return _read
