"""Fixtures of the converter's tests; `support` holds the slow twins and the recordings they are fed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    named = os.environ.get("MARKETLINK_SHARED")
    path = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (path / "INDEX.md").exists():
        pytest.skip(f"real data is not at {path}; set MARKETLINK_SHARED")
    return path
