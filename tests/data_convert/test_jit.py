"""The one decorator of the kernels."""

from __future__ import annotations

import errno

from data_convert._jit import jit
from numba.core.caching import CacheImpl, IndexDataCacheFile


def test_a_kernel_runs_where_its_machine_code_cannot_be_kept(monkeypatch):
    asked = []

    def full(self, key, data):
        asked.append(key)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    kernel = jit(lambda x: x + 1)
    assert kernel(3) == 4
    assert len(asked) == 1


def test_a_kernel_runs_where_no_directory_can_hold_its_machine_code(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    kernel = jit(lambda x: x + 2)
    assert kernel(3) == 5
    assert kernel.stats.cache_path is None
