"""What a process that was killed while it created its part of a link leaves behind: found, proved dead, removed.

The library creates every file unfinished and gives it its final mode at the end. It waits for a file whose creator is
gone, for a segment that was given no size yet even for ever, and its own removal of dead processes looks at finished
files only. Nothing here trusts an age or a process number:

- a segment in /dev/shm (mode 0200 until finished) is dead when the kernel grants a lease on it, which it does only
  when no process, in whatever container, has it open or mapped; its creator has it mapped for as long as it lives;
- the description of a service (mode 0600 until finished) is dead when no node that may live has tagged that service:
  the tag is made before the description, and the lock that shows a node to live ends with its process.

While an unfinished description is there nobody can create that service, and only one process removes at a time
(`places.turn`), so what is removed is what was looked at.
"""

import fcntl
import os
import signal
import stat
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from marketlink.link.places import SHARED_MEMORY, Place

_UNFINISHED_SEGMENT: Final = 0o200
_UNFINISHED_DESCRIPTION: Final = 0o600
_DESCRIPTION: Final = ".service"
_TAG: Final = ".service_tag"


def unfinished_segments(place: Place) -> list[Path]:
    """Return this user's segments of the link that have not got their final mode."""
    return _unfinished(SHARED_MEMORY, place.prefix, "", _UNFINISHED_SEGMENT)


def unfinished_descriptions(place: Place) -> list[Path]:
    """Return this user's descriptions of services that have not got their final mode."""
    return _unfinished(place.services, place.prefix, _DESCRIPTION, _UNFINISHED_DESCRIPTION)


def _unfinished(folder: Path, prefix: str, suffix: str, mode: int) -> list[Path]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(prefix) and entry.name.endswith(suffix):
                    try:
                        state = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # finished and removed meanwhile
                        continue
                    if (
                        stat.S_ISREG(state.st_mode)
                        and stat.S_IMODE(state.st_mode) == mode
                        and state.st_uid == os.geteuid()
                    ):
                        found.append(Path(entry.path))
    except FileNotFoundError:
        pass
    return sorted(found)


def remove_dead_segments(place: Place) -> list[Path]:
    """Remove unfinished segments that no process has open; return them."""
    return [path for path in unfinished_segments(place) if _remove_if_nobody_has_it(path)]


def _remove_if_nobody_has_it(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(
            descriptor, fcntl.F_SETSIG, signal.SIGURG
        )  # the default, SIGIO, would end a process that is asked back
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        # Held: who opens the file now waits until this descriptor is closed, and nobody else removes.
        mine, there = os.fstat(descriptor), path.lstat()
        if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
            return False
        if stat.S_IMODE(mine.st_mode) != _UNFINISHED_SEGMENT:
            return False
        path.unlink()
    except OSError:  # somebody has it, or no leases here: then nothing is proved
        return False
    finally:
        os.close(descriptor)
    return True


def remove_dead_descriptions(place: Place, dead_nodes: AbstractSet[str]) -> list[Path]:
    """Remove unfinished descriptions that no node tags but those in `dead_nodes` (numbers, proved dead); return them."""
    removed = []
    for path in unfinished_descriptions(place):
        if not set(taggers(place, path)) - dead_nodes:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def taggers(place: Place, description: Path) -> list[str]:
    """Return the numbers of the nodes, living or dead, that opened or began to create a described service."""
    tag = description.name.removesuffix(_DESCRIPTION) + _TAG
    return sorted(path.parent.name for path in place.nodes.glob(f"*/{tag}"))
