"""Compiled code on disk is good only for the sources that are compiled in, and code that can't be kept there runs."""

from pathlib import Path

import pytest
from numba.core.caching import IndexDataCacheFile
from obi_mm import _jit, kernels


def test_a_stamp_changes_with_any_source_and_with_the_engine(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("1")
    two.write_text("2")
    before = _jit.stamp_of([one, two], "2.4.4")
    assert _jit.stamp_of([one, two], "2.4.4") == before
    assert _jit.stamp_of([one, two], "2.4.5") != before
    two.write_text("3")
    assert _jit.stamp_of([one, two], "2.4.4") != before


def test_kernels_ask_all_sources_and_not_their_own_file_only() -> None:
    assert kernels.decide._cache._cache_file._source_stamp == _jit._stamp()  # type: ignore[attr-defined]


def test_code_that_a_full_disk_can_not_keep_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def full(self: IndexDataCacheFile, key: object, data: object) -> None:
        tried.append(key)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)

    @_jit.jit
    def one_more(number: int) -> int:
        return number + 1

    assert one_more(1) == 2
    assert tried
