"""The errors of the collector: facts as fields first, the sentence second.

CollectorError
├── FileInUse         another process is writing this file
├── WriteFailed       the operating system refused to take bytes for a file
├── WriteStalled      it takes them, but not in any reasonable time
├── Incomplete        data are missing that a person would expect to have
├── TooFewDescriptors the limit of open files is too low for what was asked for
└── Refused           what was asked for can't be carried out
    ├── UnknownSymbols    the exchange does not list it
    ├── UnknownExchange   it can't be recorded
    └── NotOurs           the file holds something else than this recording
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


class WriteStalled(CollectorError):
    """Nothing was written for `seconds`; `unwritten` bytes of text are lost with this process."""

    def __init__(self, directory: Path, unwritten: int, seconds: float) -> None:
        super().__init__(
            f"{directory}: the disk took nothing for {seconds:.0f} s: {unwritten / 2**20:,.1f} MiB of lines are not written and lost"
        )
        self.directory, self.unwritten, self.seconds = directory, unwritten, seconds


class Incomplete(CollectorError):
    """The recorder ended as asked, but not all was recorded; `symbols` names what is concerned."""

    def __init__(self, what: str, symbols: Iterable[str]) -> None:
        self.what, self.symbols = what, tuple(symbols)
        super().__init__(f"{what}: {', '.join(self.symbols)}")


class TooFewDescriptors(CollectorError):
    """The hard limit of open files is below what the recording needs."""

    def __init__(self, limit: int, needed: int, symbols: int) -> None:
        super().__init__(
            f"the limit of open files is {limit}, and recording {symbols} symbols needs {needed}: raise it (`ulimit -n {needed}`), "
            "or record fewer symbols in one process"
        )
        self.limit, self.needed = limit, needed


class Refused(CollectorError):
    """What was asked for can't be carried out: a mistake of the command line, not a failure."""


class NotOurs(Refused):
    """A file in the place of a recording is something else; nothing of it was touched."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} is {what}: move it away, or record into another directory")
        self.path, self.what = path, what


class UnknownSymbols(Refused):
    """The exchange lists none of these; `nearest` holds its own spelling of something near, where there is one."""

    def __init__(self, exchange: str, nearest: Mapping[str, str | None]) -> None:
        told = (name if near is None else f"{name} (did you mean {near}?)" for name, near in nearest.items())
        super().__init__(f"{exchange} does not list {', '.join(told)}")
        self.exchange, self.nearest = exchange, nearest


class UnknownExchange(Refused):
    """This exchange can't be recorded."""

    def __init__(self, exchange: str, supported: Iterable[str]) -> None:
        super().__init__(f"{exchange!r} is not a known exchange; supported: {', '.join(supported)}")
        self.exchange = exchange
