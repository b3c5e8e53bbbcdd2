"""Fixtures of the converter's tests; `support` holds the slow twins and the recordings they are fed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import data_convert._jit  # noqa: F401 - loaded, so that what is small is converted by kernels (support/two_ways.py)
import pytest
from data_convert.cli import main

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    named = os.environ.get("MARKETLINK_SHARED")
    path = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (path / "INDEX.md").exists():
        pytest.skip(f"real data is not at {path}; set MARKETLINK_SHARED")
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process; returns (exit code, stdout, stderr)."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["data-convert", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield call
    signal.signal(signal.SIGTERM, handler)
