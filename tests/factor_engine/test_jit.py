"""Kernels run where their machine code cannot be kept."""

import pytest
from factor_engine import _jit
from numba.core.caching import IndexDataCacheFile


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
