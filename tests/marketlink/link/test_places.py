"""The root of a link is this user's alone, or the link is refused with the remedy."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from marketlink.errors import LinkError
from marketlink.link.iceoryx import IceoryxBotPort, IceoryxConnectorPort
from marketlink.link.places import DEFAULT_PREFIX, DEFAULT_ROOT, place_of
from marketlink.link.settings import LinkSettings

STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as a second user")


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a root in a folder that everybody can write, as /tmp is."""
    folder = Path(tempfile.mkdtemp(prefix="ml", dir="/tmp"))
    folder.chmod(0o1777)
    yield folder / "x"
    shutil.rmtree(folder, ignore_errors=True)


def settings(root: Path) -> LinkSettings:
    return LinkSettings(100, 4, str(root), f"{root.parent.name}_")


def as_stranger(act: Callable[[], object]) -> None:
    """Do something as another user, in a process of his own."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def check_refused(root: Path, why: str) -> None:
    for port in (IceoryxConnectorPort, IceoryxBotPort):
        with pytest.raises(LinkError, match=why) as told:
            port("bf", settings=settings(root))
        assert "Set MARKETLINK_LINK_ROOT in every process of this link to a private folder" in told.value.remedy
    assert not (root / "nodes" / "x").exists()


@needs_root
def test_a_root_that_another_user_made_first_is_refused(root: Path) -> None:
    as_stranger(lambda: root.mkdir(0o755))
    check_refused(root, f"belongs to user {STRANGER}, not to user 0")


@needs_root
def test_a_services_folder_that_another_user_made_is_refused(root: Path) -> None:
    root.mkdir(0o700)
    (root / "services").mkdir(0o750)
    os.chown(root / "services", STRANGER, STRANGER)
    check_refused(root, f"services belongs to user {STRANGER}")


@needs_root
def test_a_link_of_another_user_to_a_safe_folder_is_refused(root: Path) -> None:
    safe = root.parent / "safe"
    safe.mkdir(0o700)
    as_stranger(lambda: root.symlink_to(safe))
    check_refused(root, f"belongs to user {STRANGER}")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o722])
def test_a_root_that_others_can_write_is_refused(root: Path, mode: int) -> None:
    root.mkdir()
    root.chmod(mode)
    check_refused(root, rf"can be written by other users \(mode {mode:o}\)")


def test_a_root_that_is_not_there_is_made_private(root: Path) -> None:
    IceoryxConnectorPort("bf", settings(root)).close()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_root_made_as_the_library_makes_it_is_taken(root: Path) -> None:
    root.mkdir(0o750)
    port = IceoryxConnectorPort("bf", settings(root))
    assert list((root / "services").iterdir()), "the link is somewhere else"
    port.close()


def test_without_a_root_the_link_is_where_the_sources_processes_look() -> None:
    place = place_of(LinkSettings())
    assert (str(place.root), place.prefix) == (DEFAULT_ROOT, DEFAULT_PREFIX) == ("/tmp/iceoryx2", "iox2_")
