"""What several tests of the collector use: a naive reader, a frozen clock."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest


def _read(path: Path) -> list[bytes]:
    """Read a recording the slow and obvious way; it fails on anything that is not whole."""
    text = gzip.decompress(path.read_bytes())
    assert not text or text.endswith(b"\n")
    return text.splitlines(keepends=True)


@pytest.fixture
def read() -> Callable[[Path], list[bytes]]:
    return _read
