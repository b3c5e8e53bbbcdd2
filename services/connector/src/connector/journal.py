"""What a connector must know after SIGKILL: which orders it placed for whom, which executions it has told, which bots there are.

Lines of JSON in one file of the state folder, appended by a thread, so that no order waits for a disk. A line that is in the
kernel's hands survives the process; one of the last milliseconds may be lost, and then the exchange's word and the client id itself,
which names its owner, stand in. A line cut at the end is no error. At the start the file is made anew from what still matters.
"""

import json
import logging
import os
import queue
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("connector")

Record = Mapping[str, object]
_NAME: Final = "orders.journal"
_WAITING: Final = 100_000
_STOP_S: Final = 2.0


class JournalFile:
    """The file and its thread. A disk that fails is said once; trading goes on, and a restart knows less."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / _NAME
        self._queue: queue.Queue[Record | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._failed = False

    def read(self) -> list[dict[str, Any]]:
        """Return the records of earlier processes, oldest first. Lines that can't be read are counted and said."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("%s can't be read: %s: only the exchange's word tells of orders of before", self._path, error)
            return []
        records: list[dict[str, Any]] = []
        bad = 0
        lines = raw.split(b"\n")
        for number, line in enumerate(lines):
            if not line:
                continue
            try:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError("no object")
            except (ValueError, RecursionError):
                bad += number < len(lines) - 1  # the last one may be cut
                continue
            records.append(record)
        if bad:
            log.warning("%s: %d lines can't be read and are left out", self._path, bad)
        return records

    def start(self, records: Iterable[Record]) -> None:
        """Make the file anew with these records, and begin to append."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = self._path.with_suffix(".tmp")
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.writelines(_line(record) for record in records)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self._path)
        except OSError as error:
            self._fail(error)
            return
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Append a record, soon. Never waits: with a disk that hangs for long, records are lost, and that is said."""
        if self._thread is None:
            return
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            if not self._failed:
                self._fail(OSError("the disk does not keep up"))

    def close(self) -> None:
        """Write what waits, and end; a hung disk is waited for no longer than two seconds."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(_STOP_S)

    def _write(self) -> None:
        try:
            with open(os.open(self._path, os.O_WRONLY | os.O_APPEND), "ab", buffering=0) as file:
                while True:
                    record = self._queue.get()
                    parts: list[bytes] = []
                    while record is not None:
                        parts.append(_line(record))
                        try:
                            record = self._queue.get_nowait()
                        except queue.Empty:
                            break
                    else:
                        file.write(b"".join(parts))
                        return
                    file.write(b"".join(parts))
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._failed = True
        log.warning("%s: %s: after a restart only the exchange's word tells of orders", self._path, error)


def _line(record: Record) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
