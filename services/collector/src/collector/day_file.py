"""One recording on disk: opened under a lock, mended if it must be, appended to member by member.

Nothing that was whole is ever written over. A repair goes through a side file, so that it can be interrupted at any instant: the tail that
can't stay is first saved as `{name}.torn-{offset}`, then cut off, then what could be saved of it is appended; the next opening finds the
side file and does it again, if the recording is in one of the states that such an interruption leaves. A side file that proves nothing is
kept as `{name}.stray-{offset}`. Damage that no killed writer leaves keeps its original beside the file as `{name}.damaged-{offset}`.
"""

import fcntl
import os
import re
import stat
from dataclasses import dataclass
from errno import EISDIR, ELOOP, ENOENT, ENOTSUP, EPERM, EXDEV
from pathlib import Path
from typing import Final

from collector.errors import FileInUse, NotOurs, WriteFailed
from collector.members import Mended, first_text, looks_like_member, mend, pack, whole_until
from collector.record import Content, content_of

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE: Final = 0o644
_LOOKED_AT: Final = 1 << 20  # bytes of text that are read to tell what a file is


@dataclass(frozen=True, slots=True)
class Repair:
    """What had to be done to a recording, in words; `kept` names the file beside it that holds what was taken out."""

    path: Path
    text: str
    kept: Path | None = None
    bytes_cut: int = 0
    lines_saved: int = 0

    def __str__(self) -> str:
        kept = "" if self.kept is None else f"; kept as {self.kept.name}"
        return f"{self.path} {self.text}{kept}"


class DayFile:
    """An open recording. `size` counts the bytes of whole members; `repairs` says what had to be mended so far."""

    def __init__(self, path: Path, content: Content | None = None) -> None:
        """Open for appending, creating it when missing. Raises FileInUse, WriteFailed, and NotOurs for another `content`."""
        self.path, self._content = path, content
        self.repairs: list[Repair] = []
        self._fd = -1
        self.size = 0
        try:
            self._fd = _open_locked(path)
            self._refuse_what_is_not_ours()
            self._finish_repairs()
            self._mend_tail()
        except OSError as error:
            self._abandon()
            if error.errno == ELOOP and path.is_symlink():
                raise NotOurs(path, "a symbolic link, which is not followed") from error
            if error.errno == EISDIR:
                raise NotOurs(path, "a folder") from error
            raise WriteFailed(path, error.errno or 0, "opening") from error
        except BaseException:
            self._abandon()
            raise

    def look_again(self) -> bool:
        """Mend the file if somebody else changed its size since the last append; tell whether it was cut. Raises WriteFailed, NotOurs."""
        known = self.size
        try:
            found = os.fstat(self._fd).st_size
            if found != known:
                text = f"was changed by another program: {found} bytes long instead of {known}; going on behind what is whole"
                self.repairs.append(Repair(self.path, text))
                self._refuse_what_is_not_ours()
                self._mend_tail()
        except OSError as error:
            raise WriteFailed(self.path, error.errno or 0, "mending") from error
        return found < known

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
            there = os.lstat(self.path)
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

    def _refuse_what_is_not_ours(self) -> None:
        """Raise NotOurs unless this is a recording, whole or damaged, of the dialect that is to be appended."""
        state = os.fstat(self._fd)
        if not stat.S_ISREG(state.st_mode):
            raise NotOurs(self.path, "no regular file")
        data = View(self._fd, state.st_size)
        text = first_text(data, _LOOKED_AT)
        zeros = not data[0:4096].strip(b"\0")  # what a power failure leaves
        found = content_of(text) if text or zeros or looks_like_member(data) else Content.NO_RECORDING
        if found is Content.NO_RECORDING or (found is not None and self._content not in (None, found)):
            raise NotOurs(self.path, found.value)

    def _finish_repairs(self) -> None:
        pattern = re.compile(re.escape(self.path.name) + r"\.torn-(\d{1,18})")
        for side in sorted(self.path.parent.iterdir()):
            found = pattern.fullmatch(side.name)
            if found is not None:
                self._finish_repair(side, int(found[1]))

    def _finish_repair(self, side: Path, start: int) -> None:
        """Do a repair again that may have been interrupted anywhere, if the file itself proves that this is what happened."""
        tail = _read_regular(side)
        size = os.fstat(self._fd).st_size
        data = View(self._fd, size)
        if not tail or whole_until(tail) > 0 or start > size or whole_until(View(self._fd, start)) != start:
            self._set_aside(side, start)
            return
        mended = mend(tail)
        wanted = _in_its_place(start, mended)
        most = max(len(tail), len(wanted))
        behind = data[start : start + most + 1]
        if behind == tail or (behind != wanted and wanted.startswith(behind)):
            self._replace_tail(start, mended, side)
        elif behind.startswith(wanted) and (wanted or not behind):  # it was done but for the removal of the side file
            self._drop(side, start, mended)
        else:
            self._set_aside(side, start)

    def _set_aside(self, side: Path, start: int) -> None:
        kept = self._keep(side, f"stray-{start}")
        self.repairs.append(
            Repair(self.path, f"is not what {side.name} was cut from: nothing was done with that", kept)
        )

    def _mend_tail(self) -> None:
        size = os.fstat(self._fd).st_size
        if size == 0:
            _write_all(self._fd, pack(b""))
            size = os.fstat(self._fd).st_size
        data = View(self._fd, size)
        self.size = whole_until(data)
        tail = data[self.size : size]
        if tail:
            side = self.path.with_name(f"{self.path.name}.torn-{self.size}")
            if os.path.lexists(side):  # nothing is written over, whatever it is
                self._set_aside(side, self.size)
            _save(side, tail)
            self._replace_tail(self.size, mend(tail), side)

    def _replace_tail(self, start: int, mended: Mended, side: Path) -> None:
        os.ftruncate(self._fd, start)
        new = _in_its_place(start, mended)
        try:
            _write_all(self._fd, new)
        except OSError:
            os.ftruncate(self._fd, start)  # the side file has it all
            raise
        self.size = start + len(new)
        self._drop(side, start, mended)

    def _drop(self, side: Path, start: int, mended: Mended) -> None:
        """Remove a side file whose whole lines stand in the recording now; keep one that held real damage."""
        kept = None
        if mended.torn:
            side.unlink()
        else:
            kept = self._keep(side, f"damaged-{start}")
        text = f"did not end whole: {mended.bytes_cut} bytes cut, {mended.lines_saved} lines of them saved"
        self.repairs.append(Repair(self.path, text, kept, mended.bytes_cut, mended.lines_saved))

    def _keep(self, side: Path, ending: str) -> Path:
        target, number = self.path.with_name(f"{self.path.name}.{ending}"), 1
        while os.path.lexists(target):
            target, number = self.path.with_name(f"{self.path.name}.{ending}-{number}"), number + 1
        return side.rename(target)


class View:
    """A file's first `size` bytes as slices, read without holding up other threads: a mapped page of a hung disk would."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd, self._size = fd, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice, /) -> bytes:
        position, stop = span.start, min(span.stop, self._size)
        parts: list[bytes] = []
        while position < stop and (part := os.pread(self._fd, stop - position, position)):
            parts.append(part)
            position += len(part)
        return b"".join(parts)


def _in_its_place(start: int, mended: Mended) -> bytes:
    """Return what a repair puts in the place of what it cuts off at `start`: a file is never left without a member."""
    return mended.data if start or mended.data else pack(b"")


def _read_regular(path: Path) -> bytes:
    """Return what is in a file; nothing when it is a link, a directory or anything else that is no file."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return b""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(fd, "rb") as file:
        return file.read()


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
            raise FileInUse(path, lock_holder(inode)) from None
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


def lock_holder(inode: int) -> int | None:
    """Return the process that holds the flock on an inode, as /proc/locks tells it; None also where nobody does."""
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
    unfinished.unlink(missing_ok=True)  # of a repair that was killed; a link's target is not touched
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    try:
        _write_all(fd, tail)
        os.fdatasync(fd)
    except BaseException:
        unfinished.unlink()
        raise
    finally:
        os.close(fd)
    unfinished.rename(side)
