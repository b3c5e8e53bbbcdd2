"""Takes lines from a producer, compresses and appends them in a thread of its own.

    put, offer ──► pending text of each file ──(1 MiB, or 0.7 s old)──► worker: member ──► one write to the file

The producer never compresses or touches a file, so that a disk that hangs never holds up who calls `offer`. When `max_waiting` bytes have
not been written yet, `put` waits and `offer` refuses, until half of them are. Lines of one file keep their order. After a failure `put`,
`offer` and `close` raise it; files that did not fail are still completed.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from marketlink.clock import Clock, SystemClock
from marketlink.times import SECOND_NS, MonoNs, after

from collector.day_file import DayFile
from collector.errors import CollectorError, WriteStalled
from collector.members import pack
from collector.record import FILE_CHANGED, Content, gap_line
from collector.rotation import Day, FileKey, day_of, file_name, finished

log = logging.getLogger("collector")
_LOOK_S: Final = 30.0  # how often files of other days are looked at
_SLICE_S: Final = 0.1  # how often who waits for the worker looks whether it still moves


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """`flush_s` leaves the rest of a second to compression and the operating system.

    `stalled_s` is how long one call to the operating system may take before an ending recorder stops waiting for it, `close_within_s`
    how long all of them together may.
    """

    flush_s: float = 0.7
    member_bytes: int = 1 << 20
    max_waiting: int = 128 << 20
    idle_close_s: float = 300.0
    stalled_s: float = 10.0
    close_within_s: float = 60.0


@dataclass(slots=True)
class FileCounts:
    """What went into one file since the start."""

    lines: int = 0
    text_bytes: int = 0
    file_bytes: int = 0
    members: int = 0


@dataclass(slots=True)
class _Pending:
    since_ns: MonoNs
    texts: list[bytes] = field(default_factory=list)
    size: int = 0
    lines: int = 0


class Keeper(Protocol):
    """Who is told what is in the files: `collector.manifest_file.Manifests`."""

    def appended(self, recording: Path, *, changed: bool) -> None:
        """Hear that a member was appended; `changed`: what was before it is not what it was."""

    def closed(self, recording: Path) -> None:
        """Hear that a file is closed."""


class Writer:
    """Writes recordings into `directory`, of one kind of `content`. One producer thread or several."""

    def __init__(
        self,
        directory: Path,
        settings: WriterSettings | None = None,
        *,
        content: Content | None = None,
        on_failed: Callable[[], None] = lambda: None,
        is_ending: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self._keeper = keeper
        self._directory, self._settings, self._content = directory, settings or WriterSettings(), content
        self._on_failed, self._is_ending, self._clock = on_failed, is_ending, clock or SystemClock()
        self._lock = threading.Lock()
        self._work, self._room = threading.Condition(self._lock), threading.Condition(self._lock)
        self._pending: dict[FileKey, _Pending] = {}
        self._waiting = 0  # bytes of text taken over but not written
        self._full = False
        self._closing = False
        self._failure: CollectorError | None = None
        self._holes: set[str] = set()
        self._busy_since_ns: MonoNs | None = None  # when the worker began what it is doing to a file
        self._files: dict[FileKey, DayFile] = {}
        self._last_line: dict[FileKey, MonoNs] = {}
        self._broken: set[FileKey] = set()
        self.counts: dict[FileKey, FileCounts] = {}
        self._thread = threading.Thread(target=self._run, name="collector-writer", daemon=True)
        self._started = False

    @property
    def failure(self) -> CollectorError | None:
        """The first failure, if there was one."""
        return self._failure

    @property
    def waiting(self) -> int:
        """Bytes of text that are taken over and not written yet."""
        return self._waiting

    def open(self, symbol: str) -> None:
        """Open today's file before anything is recorded, so that a problem shows at once. Raises FileInUse, NotOurs, WriteFailed."""
        key = (symbol, day_of(self._clock.wall_ns()))
        self._file(key)
        self._last_line[key] = self._clock.mono_ns()

    def start(self) -> None:
        """Start the worker; from now on no other thread touches a file."""
        self._thread.start()
        self._started = True

    def put(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> None:
        """Take over whole lines of one file; wait while too much is unwritten.

        Raises what made the worker fail, and WriteStalled when the recorder is to end and the disk takes nothing.
        """
        with self._lock:
            while self._full and self._failure is None:
                self._room.wait(_SLICE_S)
                if self._full and self._is_ending() and self._stalled_s() >= self._settings.stalled_s:
                    raise WriteStalled(self._directory, self._waiting, self._stalled_s())
            self._take_over((symbol, day), text, lines)

    def offer(self, symbol: str, day: Day, text: bytes, lines: int = 1) -> bool:
        """Take over whole lines of one file without waiting; False: too much is unwritten. Raises what made the worker fail."""
        with self._lock:
            if self._full and self._failure is None:
                return False
            self._take_over((symbol, day), text, lines)
            return True

    def take_hole(self, symbol: str) -> bool:
        """Tell, once, that earlier lines of a symbol's file are gone: a gap line is written there, and a new book is needed."""
        if symbol not in self._holes:
            return False
        with self._lock:
            self._holes.discard(symbol)
        return True

    def close(self) -> None:
        """Write all that was taken over, close the files. Raises the first failure, and WriteStalled when the disk takes nothing."""
        with self._lock:
            self._closing = True
            self._work.notify()
        if self._started:
            self._await_worker()
        else:
            self._close_all()
        if self._failure is not None:
            raise self._failure

    def _take_over(self, key: FileKey, text: bytes, lines: int) -> None:
        if self._failure is not None:
            raise self._failure
        size = len(text)
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(self._clock.mono_ns())
            self._work.notify()
        elif pending.size < self._settings.member_bytes <= pending.size + size:
            self._work.notify()
        pending.texts.append(text)
        pending.size += size
        pending.lines += lines
        self._waiting += size
        if self._waiting > self._settings.max_waiting and not self._full:
            self._full = True
            log.warning("%s: the disk is %d MiB behind", self._directory, self._waiting >> 20)

    def _stalled_s(self) -> float:
        since_ns = self._busy_since_ns
        return 0.0 if since_ns is None else (self._clock.mono_ns() - since_ns) / SECOND_NS

    def _await_worker(self) -> None:
        settings = self._settings
        until_ns = after(self._clock.mono_ns(), int(settings.close_within_s * SECOND_NS))
        told = False
        while self._thread.is_alive():
            self._thread.join(_SLICE_S)
            stalled_s = self._stalled_s()
            if not told and stalled_s >= settings.stalled_s / 5:
                told = True
                unwritten = self._waiting / 2**20
                log.warning(
                    "%s: waiting for the disk with %.1f MiB unwritten; a second signal ends at once",
                    self._directory,
                    unwritten,
                )
            if stalled_s >= settings.stalled_s or self._clock.mono_ns() >= until_ns:
                raise WriteStalled(self._directory, self._waiting, stalled_s)

    def _run(self) -> None:
        try:
            while (taken := self._take()) is not None:
                for key, pending in taken:
                    self._record(key, pending)
                self._close_finished()
            self._close_all()
        except Exception as error:  # the edge of a thread: whatever it is, the producer must learn of it
            log.exception("writer: %s", error)
            self._fail(CollectorError(f"writer: {error!r}"))
        finally:
            self._busy_since_ns = None

    def _take(self) -> list[tuple[FileKey, _Pending]] | None:
        """Wait for text that is due and take it: nothing after a long quiet, None when all is written and the writer closes."""
        with self._lock:
            self._busy_since_ns = None
            while not (due := self._due()):
                if self._closing:
                    return None
                oldest = next(iter(self._pending.values()), None)
                wait_s = _LOOK_S if oldest is None else self._settings.flush_s - self._age_s(oldest)
                if not self._work.wait(max(0.0, wait_s)) and oldest is None:
                    break
            for key, _ in due:
                del self._pending[key]
            return due

    def _age_s(self, pending: _Pending) -> float:
        return (self._clock.mono_ns() - pending.since_ns) / SECOND_NS

    def _due(self) -> list[tuple[FileKey, _Pending]]:
        settings = self._settings
        return [
            (key, pending)
            for key, pending in self._pending.items()
            if self._closing or pending.size >= settings.member_bytes or self._age_s(pending) >= settings.flush_s
        ]

    def _record(self, key: FileKey, pending: _Pending) -> None:
        try:
            if key not in self._broken:
                for text, lines in _portions(pending, self._settings.member_bytes):
                    self._busy_since_ns = self._clock.mono_ns()
                    self._append(key, text, lines)
        except CollectorError as error:
            self._broken.add(key)
            log.error("%s", error)
            self._fail(error)
        finally:
            with self._lock:
                self._waiting -= pending.size
                if self._full and self._waiting <= self._settings.max_waiting // 2:
                    self._full = False
                    log.warning("%s: the disk has caught up", self._directory)
                    self._room.notify_all()

    def _append(self, key: FileKey, text: bytes, lines: int) -> None:
        file = self._file(key)
        if displaced := file.is_displaced():
            log.warning("%s was moved or removed while it was written; going on in a new file of that name", file.path)
            self._files.pop(key).close()
            file = self._file(key)
        shorter = file.look_again()
        self._tell_repairs(file)
        if displaced or shorter:
            stamp_ns = int(text[: text.index(b" ")])
            text, lines = gap_line(key[0], stamp_ns, FILE_CHANGED).text + text, lines + 1
            with self._lock:
                self._holes.add(key[0])
        member = pack(text)
        file.append(member)
        self._last_line[key] = self._clock.mono_ns()
        counts = self.counts.setdefault(key, FileCounts())
        counts.lines += lines
        counts.text_bytes += len(text)
        counts.file_bytes += len(member)
        counts.members += 1
        self._keep(lambda keeper: keeper.appended(file.path, changed=displaced or shorter))

    def _keep(self, tell: Callable[[Keeper], None]) -> None:
        """Tell the keeper, whose faults are no reason to end a recording."""
        if self._keeper is None:
            return
        try:
            tell(self._keeper)
        except Exception as error:
            log.exception("manifests are no longer written: %s", error)
            self._keeper = None

    def _file(self, key: FileKey) -> DayFile:
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = DayFile(self._directory / file_name(*key), self._content)
            self._tell_repairs(file)
        return file

    def _tell_repairs(self, file: DayFile) -> None:
        for repair in file.repairs:
            log.warning("%s", repair)
        file.repairs.clear()

    def _close_finished(self) -> None:
        idle_ns = int(self._settings.idle_close_s * SECOND_NS)
        for key in finished(self._last_line, self._clock.mono_ns(), idle_ns):
            self._close_file(key)

    def _close_all(self) -> None:
        for key in list(self._files):
            self._close_file(key)

    def _close_file(self, key: FileKey) -> None:
        self._last_line.pop(key, None)
        file = self._files.pop(key, None)
        self._busy_since_ns = self._clock.mono_ns()
        try:
            if file is not None:
                file.close()
                self._keep(lambda keeper: keeper.closed(file.path))
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
