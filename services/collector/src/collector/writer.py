"""Takes lines from a producer, compresses and appends them in a thread of its own.

    put ──► pending text of each file ──(1 MiB, or 0.7 s old)──► worker: member ──► one write to the file

The producer never compresses or touches a file. Nothing is ever dropped: when `max_waiting` bytes have not been written yet, `put` waits.
Lines of one file keep their order. After a failure `put` and `close` raise it; files that did not fail are still completed.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from collector.day_file import DayFile
from collector.errors import CollectorError
from collector.members import pack
from collector.rotation import Day, FileKey, day_of, file_name, finished

log = logging.getLogger("collector")
_LOOK_S: Final = 30.0  # how often files of other days are looked at


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """`flush_s` leaves the rest of a second to compression and the operating system."""

    flush_s: float = 0.7
    member_bytes: int = 1 << 20
    max_waiting: int = 128 << 20
    idle_close_s: float = 300.0


@dataclass(slots=True)
class FileCounts:
    """What went into one file since the start."""

    lines: int = 0
    text_bytes: int = 0
    file_bytes: int = 0
    members: int = 0


@dataclass(slots=True)
class _Pending:
    since_s: float
    texts: list[bytes] = field(default_factory=list)
    size: int = 0
    lines: int = 0


class Writer:
    """Writes recordings into `directory`. One producer thread or several; times are seconds of a monotonic clock."""

    def __init__(
        self,
        directory: Path,
        settings: WriterSettings | None = None,
        *,
        on_failed: Callable[[], None] = lambda: None,
        wall_ns: Callable[[], int] = time.time_ns,
        mono_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory, self._settings = directory, settings or WriterSettings()
        self._on_failed, self._wall_ns, self._mono_s = on_failed, wall_ns, mono_s
        self._lock = threading.Lock()
        self._work, self._room = threading.Condition(self._lock), threading.Condition(self._lock)
        self._pending: dict[FileKey, _Pending] = {}
        self._waiting = 0  # bytes of text taken over but not written
        self._closing = False
        self._failure: CollectorError | None = None
        self._files: dict[FileKey, DayFile] = {}
        self._last_line_s: dict[FileKey, float] = {}
        self._broken: set[FileKey] = set()
        self.counts: dict[FileKey, FileCounts] = {}
        self._thread = threading.Thread(target=self._run, name="collector-writer", daemon=True)
        self._started = False

    @property
    def failure(self) -> CollectorError | None:
        """The first failure, if there was one."""
        return self._failure

    def open(self, symbol: str) -> None:
        """Open today's file before anything is recorded, so that a problem shows at once. Raises FileInUse, WriteFailed."""
        key = (symbol, day_of(self._wall_ns()))
        self._file(key)
        self._last_line_s[key] = self._mono_s()

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()
        self._started = True

    def put(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> None:
        """Take over whole lines of one file; wait when too much is unwritten. Raises what made the worker fail."""
        key = (symbol, day)
        size = len(text)
        with self._lock:
            if self._waiting > self._settings.max_waiting:
                self._room.wait_for(lambda: self._waiting <= self._settings.max_waiting or self._failure is not None)
            if self._failure is not None:
                raise self._failure
            pending = self._pending.get(key)
            if pending is None:
                pending = self._pending[key] = _Pending(self._mono_s())
                self._work.notify()
            elif pending.size < self._settings.member_bytes <= pending.size + size:
                self._work.notify()
            pending.texts.append(text)
            pending.size += size
            pending.lines += lines
            self._waiting += size

    def close(self) -> None:
        """Write all that was taken over, close the files. Raises the first failure."""
        with self._lock:
            self._closing = True
            self._work.notify()
        if self._started:
            self._thread.join()
        for key in list(self._files):
            self._close_file(key)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while (taken := self._take()) is not None:
                for key, pending in taken:
                    self._record(key, pending)
                self._close_finished()
        except Exception as error:  # the edge of a thread: whatever it is, the producer must learn of it
            log.exception("writer: %s", error)
            self._fail(CollectorError(f"writer: {error!r}"))

    def _take(self) -> list[tuple[FileKey, _Pending]] | None:
        """Wait for text that is due and take it: nothing after a long quiet, None when all is written and the writer closes."""
        with self._lock:
            while not (due := self._due()):
                if self._closing:
                    return None
                oldest = next(iter(self._pending.values()), None)
                wait_s = _LOOK_S if oldest is None else oldest.since_s + self._settings.flush_s - self._mono_s()
                if not self._work.wait(max(0.0, wait_s)) and oldest is None:
                    break
            for key, _ in due:
                del self._pending[key]
            return due

    def _due(self) -> list[tuple[FileKey, _Pending]]:
        now_s, settings = self._mono_s(), self._settings
        late_s = now_s - settings.flush_s
        return [
            (key, pending)
            for key, pending in self._pending.items()
            if self._closing or pending.size >= settings.member_bytes or pending.since_s <= late_s
        ]

    def _record(self, key: FileKey, pending: _Pending) -> None:
        try:
            if key not in self._broken:
                for text, lines in _portions(pending, self._settings.member_bytes):
                    self._append(key, text, lines)
        except CollectorError as error:
            self._broken.add(key)
            log.error("%s", error)
            self._fail(error)
        finally:
            with self._lock:
                self._waiting -= pending.size
                self._room.notify_all()

    def _append(self, key: FileKey, text: bytes, lines: int) -> None:
        member = pack(text)
        file = self._file(key)
        if file.is_displaced():
            log.warning("%s was moved or removed while it was written; going on in a new file of that name", file.path)
            self._files.pop(key).close()
            file = self._file(key)
        file.append(member)
        self._last_line_s[key] = self._mono_s()
        counts = self.counts.setdefault(key, FileCounts())
        counts.lines += lines
        counts.text_bytes += len(text)
        counts.file_bytes += len(member)
        counts.members += 1

    def _file(self, key: FileKey) -> DayFile:
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = DayFile(self._directory / file_name(*key))
            for repair in file.repairs:
                kept = "" if repair.kept is None else f"; the original of it is kept as {repair.kept.name}"
                log.warning(
                    "%s did not end whole: %d bytes cut, %d lines of them saved%s",
                    repair.path,
                    repair.bytes_cut,
                    repair.lines_saved,
                    kept,
                )
        return file

    def _close_finished(self) -> None:
        today = day_of(self._wall_ns())
        for key in finished(self._last_line_s, today, self._mono_s(), self._settings.idle_close_s):
            self._close_file(key)

    def _close_file(self, key: FileKey) -> None:
        self._last_line_s.pop(key, None)
        file = self._files.pop(key, None)
        try:
            if file is not None:
                file.close()
        except CollectorError as error:
            log.error("%s", error)
            self._fail(error)

    def _fail(self, error: CollectorError) -> None:
        with self._lock:
            first = self._failure is None
            if first:
                self._failure = error
            self._room.notify_all()
        if first:
            self._on_failed()


def _portions(pending: _Pending, member_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Yield text for members: whole lines, closed as soon as they hold `member_bytes`; and how many lines each holds."""
    if pending.size < 2 * member_bytes:
        yield b"".join(pending.texts), pending.lines
        return
    gathered: list[bytes] = []
    size = 0
    for text in pending.texts:
        gathered.append(text)
        size += len(text)
        if size >= member_bytes:
            whole = b"".join(gathered)
            yield whole, whole.count(b"\n")
            gathered, size = [], 0
    if gathered:
        whole = b"".join(gathered)
        yield whole, whole.count(b"\n")
