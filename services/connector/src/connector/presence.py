"""Who runs under a name on this link, and whether it moves: a locked file beside the link's own, with a heartbeat in it.

The lock ends with its holder, however that ends. Heartbeat and facts are written through mapped memory, so that no disk that hangs holds
the event loop up. A connector has such a file, and a watchdog another one.
"""

import fcntl
import json
import mmap
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from marketlink.errors import AlreadyRunning
from marketlink.link.places import claim_root, place_of
from marketlink.link.settings import LinkSettings, read_settings

from connector.sight import NOBODY, End, Sight

SIZE: Final = 4096
_HEAD: Final = struct.Struct("<qqqqq")  # who, heartbeat, how it ended, count of writes, bytes of facts
_PATIENCE_S: Final = 2.0  # a process that was killed with much memory keeps its locks for a moment


def place_for(name: str, kind: str, settings: LinkSettings | None = None) -> Path:
    """Return the file of a connector (`c`) or watchdog (`w`) of a name; its folder is made, for this user alone."""
    place = place_of(settings or read_settings())
    claim_root(name, place)
    folder = place.root / "marketlink"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{name}.{kind}"


class Presence:
    """The holder's end."""

    def __init__(self, name: str, path: Path) -> None:
        """Raises AlreadyRunning when another process holds the file."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(name, self._descriptor)
            os.posix_fallocate(self._descriptor, 0, SIZE)  # a full disk must not be SIGBUS later
            self._memory = mmap.mmap(self._descriptor, SIZE)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._who, self._beat_ns, self._end, self._writes = time.time_ns(), 0, End.NOT, 0
        self.tell({})

    def beat(self, mono_ns: int) -> None:
        """Say that this process moves."""
        self._beat_ns = mono_ns
        struct.pack_into("<q", self._memory, 8, mono_ns)

    def tell(self, facts: Mapping[str, object]) -> None:
        """Say what others may want to know; facts that are too long are left out."""
        text = json.dumps({"pid": os.getpid(), **facts}).encode()
        if len(text) > SIZE - _HEAD.size:
            text = b"{}"
        self._writes += 1
        self._memory[_HEAD.size : _HEAD.size + len(text)] = text
        self._write(len(text))

    def ends(self, end: End) -> None:
        """Say how this process ends, before it does."""
        self._end = end
        struct.pack_into("<q", self._memory, 16, end)

    def close(self) -> None:
        """Let go of the name."""
        self._memory.close()
        os.close(self._descriptor)

    def _write(self, length: int) -> None:
        _HEAD.pack_into(self._memory, 0, self._who, self._beat_ns, self._end, self._writes, length)


def _lock(name: str, descriptor: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another holder, or somebody who looks, which takes no time
            if time.monotonic() > end:
                raise AlreadyRunning(name) from None
            time.sleep(0.005)
        else:
            return


def look(path: Path) -> Sight:
    """Look who holds a file, and what it said last."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return NOBODY
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            alive = False
        except BlockingIOError:
            alive = True
        raw = os.pread(descriptor, SIZE, 0)
    finally:
        os.close(descriptor)
    if len(raw) < _HEAD.size:
        return Sight(alive)
    who, beat_ns, end, _, length = _HEAD.unpack_from(raw)
    try:
        facts = json.loads(raw[_HEAD.size : _HEAD.size + length])
    except ValueError:  # being written just now
        facts = {}
    return Sight(alive, who, beat_ns, End(end) if end in set(End) else End.NOT, facts)
