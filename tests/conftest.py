"""What every test may use: the shared recordings where they are, and a link of its own."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import Producer

ROOT = Path(__file__).parents[1]

# In the background of a shell SIGINT is ignored, and whatever is started here would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REAL_TIME = (
    "tests/collector/test_collect.py",
    "tests/collector/test_kill.py",
    "tests/connector/test_cli.py",
    "tests/connector/test_commands.py",
    "tests/connector/test_ends.py",
    "tests/connector/test_secrets.py",
    "tests/connector/test_product_files.py",
    "tests/docs/",
    "tests/marketlink/link/test_iceoryx.py",
    "tests/marketlink/link/test_leftovers.py",
    "tests/marketlink/link/test_room.py",
    "tests/marketlink/link/test_source.py",
    "tests/marketlink/run/",
    "tests/obi_mm/test_live_equals_backtest.py",
    "tests/obi_mm/test_live_program.py",
    "tests/obi_mm/test_saved.py",
    "tests/pairing/",
    "tests/system/",
    "tests/venue_sim/test_program.py",
    "tests/venue_sim/test_trading_program.py",
)
"""Tests that start several processes or wait for real time: they follow each other, so that none takes the time of another."""


class _InTurn(LoadScopeScheduling):
    """A file's tests by one worker, as its fixtures are made once, and so obi-mm's; all tests of real time by one worker too."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(REAL_TIME):
            return "real time"
        return "obi-mm" if nodeid.startswith("tests/obi_mm/") else nodeid.split("::", 1)[0]


LONG = (*REAL_TIME, "tests/obi_mm/", "tests/connector/orders/", "tests/marketlink/hftbacktest/", "tests/data_convert/")
"""What takes long begins first, so that no worker stands idle while another one ends."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order that `pytest_collection_modifyitems` makes."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, the rest as it was."""
    rank = {one: number for number, one in enumerate(LONG)}
    items.sort(key=lambda item: min((rank[one] for one in LONG if item.nodeid.startswith(one)), default=len(LONG)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """How `pytest -n` shares the tests out."""
    return _InTurn(config, log)


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
