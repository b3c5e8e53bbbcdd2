"""One recording on disk: opened under a lock, mended if it must be, appended to member by member.

Nothing that was whole is ever written over. A repair goes through a side file, so that it can be interrupted at any instant: the tail that
can't stay is first saved as `{name}.torn-{offset}`, then cut off, then what could be saved of it is appended; the next opening finds the
side file and does it again. Damage that no killed writer leaves keeps its original beside the file as `{name}.damaged-{offset}`.
"""

import fcntl
import os
import re
from dataclasses import dataclass
from errno import EISDIR, ENOENT, ENOTSUP, EPERM, EXDEV
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from collector.errors import FileInUse, WriteFailed
from collector.members import Mended, mend, pack, whole_until

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done to a recording when it was opened; `kept` names the side file with the original of real damage."""

    path: Path
    bytes_cut: int
    lines_saved: int
    kept: Path | None


class DayFile:
    """An open recording. `size` counts the bytes of whole members; `repairs` says what the opening had to mend."""

    def __init__(self, path: Path) -> None:
        """Open for appending, creating it when missing. Raises FileInUse, WriteFailed."""
        self.path = path
        self.repairs: list[Repair] = []
        self._fd = -1
        self.size = 0
        try:
            self._fd = _open_locked(path)
            self._finish_repairs()
            self._mend_tail()
        except OSError as error:
            self._abandon()
            raise WriteFailed(path, error.errno or 0, "opening") from error
        except BaseException:
            self._abandon()
            raise

    def append(self, member: bytes) -> None:
        """Hand a whole member to the operating system; when it takes only a part, that part is cut off again. Raises WriteFailed."""
        try:
            _write_all(self._fd, member)
        except OSError as error:
            try:
                os.ftruncate(self._fd, self.size)
            except OSError:
                pass  # the next opening cuts it; the first error is the one to tell
            raise WriteFailed(self.path, error.errno or 0) from error
        self.size += len(member)

    def is_displaced(self) -> bool:
        """Tell whether the path no longer leads to this file: somebody moved or removed it."""
        try:
            there = os.stat(self.path)
        except OSError:
            return True
        here = os.fstat(self._fd)
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)

    def close(self) -> None:
        """Bring everything to the disk and let go of the lock. Raises WriteFailed."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise WriteFailed(self.path, error.errno or 0, "bringing it to the disk") from error
        finally:
            self._abandon()

    def _abandon(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _finish_repairs(self) -> None:
        pattern = re.compile(re.escape(self.path.name) + r"\.torn-(\d+)")
        for side in sorted(self.path.parent.iterdir()):
            found = pattern.fullmatch(side.name)
            if found is None:
                continue
            start = int(found[1])
            if start <= os.fstat(self._fd).st_size:
                self._replace_tail(start, mend(side.read_bytes()), side)
            else:  # it belongs to another state of this file
                self._keep(side, start)

    def _mend_tail(self) -> None:
        size = os.fstat(self._fd).st_size
        if size == 0:
            _write_all(self._fd, pack(b""))
            size = os.fstat(self._fd).st_size
        with mmap(self._fd, 0, access=ACCESS_READ) as data:
            self.size = whole_until(data)
            tail = data[self.size :]
        if tail:
            side = self.path.with_name(f"{self.path.name}.torn-{self.size}")
            _save(side, tail)
            self._replace_tail(self.size, mend(tail), side)

    def _replace_tail(self, start: int, mended: Mended, side: Path) -> None:
        os.ftruncate(self._fd, start)
        new = mended.data if start or mended.data else pack(b"")
        try:
            _write_all(self._fd, new)
        except OSError:
            os.ftruncate(self._fd, start)  # the side file has it all
            raise
        self.size = start + len(new)
        kept = None
        if mended.torn:
            side.unlink()
        else:
            kept = self._keep(side, start)
        self.repairs.append(Repair(self.path, mended.bytes_cut, mended.lines_saved, kept))

    def _keep(self, side: Path, start: int) -> Path:
        target, number = self.path.with_name(f"{self.path.name}.damaged-{start}"), 1
        while target.exists():
            target, number = self.path.with_name(f"{self.path.name}.damaged-{start}-{number}"), number + 1
        return side.rename(target)


def _open_locked(path: Path) -> int:
    """Open and lock; a new file appears under its name with a lock and an empty member, so that any reader finds a gzip file."""
    while True:
        try:
            fd = os.open(path, _FLAGS)
        except FileNotFoundError:
            made = _create_locked(path)
            if made is None:
                continue
            return made
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            inode = os.fstat(fd).st_ino
            os.close(fd)
            raise FileInUse(path, _lock_holder(inode)) from None
        except BaseException:
            os.close(fd)
            raise
        return fd


def _create_locked(path: Path) -> int | None:
    """Create a file with its lock and an empty member, then give it its name; None: open it by its name now."""
    try:
        fd = os.open(path.parent, os.O_TMPFILE | _FLAGS, _MODE)
    except OSError as error:
        if error.errno not in (EISDIR, ENOTSUP):
            raise
        _create_plainly(path)  # a file system without nameless files
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        _write_all(fd, pack(b""))
        # A directory descriptor, though not used, makes this linkat(2), which alone can name an open file.
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)
    except OSError as error:
        os.close(fd)
        if isinstance(error, FileExistsError):  # another process was faster
            return None
        if error.errno in (EXDEV, EPERM, ENOENT):  # no /proc, or a file system without links
            _create_plainly(path)
            return None
        raise
    return fd


def _create_plainly(path: Path) -> None:
    os.close(os.open(path, _FLAGS | os.O_CREAT, _MODE))


def _lock_holder(inode: int) -> int | None:
    """Return the process that holds the flock on an inode, as /proc/locks tells it."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if "FLOCK" in fields and len(fields) > 5 and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    return None


def _write_all(fd: int, data: bytes) -> None:
    """Write in one call; a second is needed only where the first was cut short, and then tells why."""
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, data[done:])


def _save(side: Path, tail: bytes) -> None:
    """Write a side file that is there either whole or not at all."""
    unfinished = side.with_name(f"{side.name}.tmp")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        _write_all(fd, tail)
        os.fdatasync(fd)
    except BaseException:
        unfinished.unlink()
        raise
    finally:
        os.close(fd)
    unfinished.rename(side)
