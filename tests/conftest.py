"""What every test may use: the shared recordings where they are, and a link of its own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

settings.register_profile("default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, which is not part of the project."""
    for candidate in (os.environ.get("MARKETLINK_SHARED"), ROOT.parent / "shared" / "data"):
        if candidate and Path(candidate).is_dir():
            return Path(candidate)
    pytest.skip("the shared recordings are not on this machine")


@pytest.fixture
def link_environment() -> Iterator[dict[str, str]]:
    """Environment variables that give a test its own shared memory link, removed afterwards whatever happened."""
    root = Path(tempfile.mkdtemp(prefix="ml", dir="/tmp"))
    prefix = f"{root.name}_"
    yield {"MARKETLINK_LINK_ROOT": str(root), "MARKETLINK_LINK_PREFIX": prefix}
    for entry in Path("/dev/shm").glob(f"{prefix}*"):
        entry.unlink(missing_ok=True)
    shutil.rmtree(root, ignore_errors=True)
