"""Kernels run where their machine code cannot be kept."""

import errno

import pytest
from marketlink._jit import jit
from numba.core.caching import CacheImpl, IndexDataCacheFile


def test_a_kernel_runs_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def full(self: IndexDataCacheFile, key: object, data: object) -> None:
        asked.append(key)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)

    @jit
    def one_more(number: int) -> int:
        return number + 1

    assert one_more(1) == 2
    assert len(asked) == 1


def test_a_kernel_runs_where_no_directory_can_hold_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    @jit
    def two_more(number: int) -> int:
        return number + 2

    assert two_more(1) == 3
