"""Small inputs are converted in Python, others by kernels (data_convert.choice): modules that import `way` run in both ways."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from data_convert import choice


@contextmanager
def in_python():
    """Let Python take everything."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(choice, "KERNELS", "no module")
        patched.setattr(choice, "BUDGET_NS", 1 << 62)
        yield


@pytest.fixture(scope="module", autouse=True, params=["by kernels", "in Python"])
def way(request):
    if request.param == "in Python":
        with in_python():
            yield request.param
    else:
        yield request.param
