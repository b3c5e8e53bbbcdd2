"""The errors of the collector: facts as fields first, the sentence second.

CollectorError
├── FileInUse         another process is writing this file
├── WriteFailed       the operating system refused to take bytes for a file
├── UnknownSymbols    the exchange does not list what was asked for
└── UnknownExchange   an exchange that can't be recorded
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path


class CollectorError(Exception):
    """Anything that the collector raises on purpose."""


class FileInUse(CollectorError):
    """Another process holds the lock of a recording; `pid` is None when the system does not say which."""

    def __init__(self, path: Path, pid: int | None) -> None:
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{path} is being written by {who}: stop it, or record into another directory")
        self.path, self.pid = path, pid


class WriteFailed(CollectorError):
    """Bytes could not be written; what the file held before is untouched. `errno` as the operating system's."""

    def __init__(self, path: Path, errno: int, doing: str = "writing") -> None:
        super().__init__(f"{path}: {doing} failed: {os.strerror(errno)} (errno {errno})")
        self.path, self.errno = path, errno


class UnknownSymbols(CollectorError):
    """The exchange lists none of these; `nearest` holds its own spelling of something near, where there is one."""

    def __init__(self, exchange: str, nearest: Mapping[str, str | None]) -> None:
        told = (name if near is None else f"{name} (did you mean {near}?)" for name, near in nearest.items())
        super().__init__(f"{exchange} does not list {', '.join(told)}")
        self.exchange, self.nearest = exchange, nearest


class UnknownExchange(CollectorError):
    """This exchange can't be recorded; `planned` tells that it is known but not built yet."""

    def __init__(self, exchange: str, supported: Iterable[str], planned: bool) -> None:
        what = "is not supported yet" if planned else "is not a known exchange"
        super().__init__(f"{exchange!r} {what}; supported: {', '.join(supported)}")
        self.exchange, self.planned = exchange, planned
