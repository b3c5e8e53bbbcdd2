"""Where the files of a link are, and whether nobody but this user can touch them.

The library keeps descriptions of services and nodes under a root folder and everything shared in /dev/shm. Whoever
can write the root can remove the descriptions of a running link, and a second connector would then start under the
same name.
"""

import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marketlink.errors import LinkError
from marketlink.link.settings import ROOT, LinkSettings

log = logging.getLogger(__name__)

DEFAULT_ROOT: Final = "/tmp/iceoryx2"
"""The library's own, where the source's processes look."""
DEFAULT_PREFIX: Final = "iox2_"
SHARED_MEMORY: Final = Path("/dev/shm")
_TURN_S: Final = 10.0
"""How long an opener waits for another one; longer is a process that was stopped, and must not stop everybody."""


@dataclass(frozen=True, slots=True)
class Place:
    """A link's root folder, and what the names of its files begin with."""

    root: Path
    prefix: str

    @property
    def services(self) -> Path:
        """The descriptions of the services, a file each."""
        return self.root / "services"

    @property
    def nodes(self) -> Path:
        """The processes on the link, a folder each."""
        return self.root / "nodes"


def place_of(settings: LinkSettings) -> Place:
    """Return where the files of a link with these settings are."""
    return Place(Path(settings.root or DEFAULT_ROOT), settings.prefix or DEFAULT_PREFIX)


def claim_root(name: str, place: Place) -> None:
    """Make the root folder for this user alone, or make sure that the one that is there is safe. Raises LinkError with the remedy."""
    try:
        place.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (place.root, place.services, place.nodes):
            _refuse_if_foreign(name, folder)
    except OSError as error:
        remedy = f"Set {ROOT} to a folder that this user can write."
        raise LinkError(name, f"its root {place.root} can't be used: {error}", remedy) from error


def _refuse_if_foreign(name: str, folder: Path) -> None:
    user = os.geteuid()
    for state in (folder.lstat, folder.stat):  # a link to a safe folder, made by somebody else, is not safe
        try:
            found = state()
        except FileNotFoundError:
            return
        if found.st_uid != user:
            what = f"{folder} belongs to user {found.st_uid}, not to user {user}"
        elif stat.S_ISLNK(found.st_mode):
            continue
        elif not stat.S_ISDIR(found.st_mode):
            what = f"{folder} is no folder"
        elif found.st_mode & 0o022:
            what = f"{folder} can be written by other users (mode {stat.S_IMODE(found.st_mode):o})"
        else:
            continue
        remedy = (
            f"Others could remove the link's files and start a second connector of this name. Set {ROOT} in every process"
            " of this link to a private folder, such as one made by `mkdir -m 700 ~/.marketlink`, or have this folder"
            " removed while none of its processes runs."
        )
        raise LinkError(name, what, remedy)


@contextmanager
def turn(place: Place) -> Iterator[bool]:
    """Hold the right to open this link while others wait for it; False when a process that hangs has it, so that one goes on without.

    The right is a lock on the root folder: it ends with its holder, however that ends.
    """
    descriptor = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _TURN_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    log.warning(
                        "a process has been opening the link under %s for %.0f s: going on beside it",
                        place.root,
                        _TURN_S,
                    )
                    mine = False
                    break
                time.sleep(0.002)
        yield mine
    finally:
        os.close(descriptor)
