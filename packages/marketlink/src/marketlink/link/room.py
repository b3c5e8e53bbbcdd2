"""How much shared memory and how many descriptors a link needs, what is free, and keeping what was counted.

Shared memory is handed out when it is first written; when there is none left then, the writer is killed by SIGBUS. So
sizes are compared with what is free before anything is created, and what a process will write later is reserved at
once.
"""

import logging
import os
import re
import resource
from pathlib import Path
from typing import Final

from marketlink.errors import LinkError
from marketlink.link.places import SHARED_MEMORY, Place

log = logging.getLogger(__name__)

SLICE: Final = 512
"""Bytes of a sample to begin with."""
AHEAD: Final = 256
"""Samples that a connector has loaned ahead of need: a batch of more goes the general way."""
AHEAD_BYTES: Final = 128
"""Bytes of such a sample: a row of a symbol of up to 41 bytes."""
_SEGMENTS: Final = 255  # the library keeps a flag a sample for each segment that a growing publisher may come to have
_PAGE: Final = 4096
OWN_DESCRIPTORS: Final = 32  # measured: 20 for a connector, 25 for a bot, before anything else that the process opens
DESCRIPTORS_PER_BOT: Final = 8  # measured: 7 in the connector


def held(subscribers: int) -> int:
    """Return how many samples a reader of a service may hold while it reads them: more where few may read."""
    return max(2, min(64, 1200 // subscribers))


def to_bot_samples(buffer_size: int, subscribers: int, borrowed: int) -> int:
    """Return how many samples of a connector are ever in use at once (docs/link.md, addition 7)."""
    return buffer_size + borrowed * subscribers + 8 + AHEAD


def segment_bytes(samples: int, slice_bytes: int = SLICE) -> int:
    """Return the size of a publisher's data segment (measured: 68 bytes beside each sample's payload, and its allocator)."""
    return samples * (slice_bytes + 68) + _PAGE


def connection_bytes(samples: int, buffer_size: int, grows: bool = True) -> int:
    """Return the size of the connection between one publisher with so many samples and one subscriber; all of it is written at once."""
    return samples * (_SEGMENTS if grows else 1) + buffer_size * 16 + 3 * _PAGE


def services_bytes(max_bots: int) -> int:
    """Return the size of what the four services of a name keep beside samples and connections, rounded up."""
    return 4 * (300 * (max_bots + 16) + 2 * _PAGE)


def free_bytes() -> int:
    """Return how much of /dev/shm is free."""
    state = os.statvfs(SHARED_MEMORY)
    return state.f_bavail * state.f_frsize


def check_memory(name: str, bytes_needed: int, what: str) -> None:
    """Raise LinkError with the numbers unless so many bytes are free in /dev/shm."""
    state = os.statvfs(SHARED_MEMORY)
    free, size = state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
    if free < bytes_needed:
        remedy = (
            "Stop other processes on it, make it larger (a container: --shm-size), or choose a smaller buffer_size"
            " everywhere (docs/link.md says what bots need)."
        )
        sizes = f"{bytes_needed / 1e6:,.1f} MB of shared memory, and {free / 1e6:,.1f} of {size / 1e6:,.1f} MB are free in {SHARED_MEMORY}"
        raise LinkError(name, f"{what} needs {sizes}", remedy)


def check_descriptors(name: str, bots: int = 0) -> None:
    """Raise LinkError with the numbers unless the link finds its descriptors; for bots the limit is raised where that is allowed."""
    needed = OWN_DESCRIPTORS + bots * DESCRIPTORS_PER_BOT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    try:
        used = len(os.listdir("/proc/self/fd")) - 1
    except OSError:  # most often because there is none left for looking
        used = soft
    if used + needed > soft and bots:
        limit = used + needed if hard == resource.RLIM_INFINITY else min(hard, used + needed)
        if limit > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            soft = limit
    if bots and OWN_DESCRIPTORS <= soft - used < needed:
        room = (soft - used - OWN_DESCRIPTORS) // DESCRIPTORS_PER_BOT
        log.warning("link %s: the limit of %d file descriptors leaves room for %d of %d bots", name, soft, room, bots)
    if used + OWN_DESCRIPTORS > soft:
        what = (
            f"it needs {OWN_DESCRIPTORS} file descriptors, and {max(0, soft - used)} of this process's {soft} are free"
        )
        raise LinkError(name, what, "Raise the limit: `ulimit -n 1024` before the start, or LimitNOFILE= of its unit.")


def reserve(name: str, place: Place, publisher: int) -> None:
    """Reserve every page of what this process maps of a link and writes to: its own data segments, connections, lists of ports.

    The data segments of other publishers are theirs. Raises LinkError when the memory was taken meanwhile.
    """
    theirs = re.compile(r"_(\d+)(?:__(?:\d+|mgmt))?\.data$")
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        mapped = {line.split(maxsplit=5)[5].rstrip("\n") for line in maps if line.count(" ") >= 5 and "/" in line}
    for file in sorted(mapped):
        path = Path(file)
        if path.parent != SHARED_MEMORY or not path.name.startswith(place.prefix):
            continue
        owner = theirs.search(path.name)
        if owner is None or int(owner[1]) == publisher:
            _allocate(name, path)


def _allocate(name: str, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(descriptor).st_size
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        remedy = "Something else took the memory meanwhile: make /dev/shm larger, or stop it."
        raise LinkError(
            name, f"{size / 1e6:,.1f} MB of shared memory could not be reserved: {error}", remedy
        ) from error
    finally:
        os.close(descriptor)
