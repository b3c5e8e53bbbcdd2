"""The errors of obi-mm: one base, facts as fields first, the sentence second.

ObiError
├── ConfigError     a configuration that can't be used
├── DataError       event data that can't be used
├── LogError        a decision log that can't be read or written
├── OutputExists    results are there already
├── SweepStopped    a signal ended a sweep
└── IdTaken         another process trades by this id
"""

from pathlib import Path


class ObiError(Exception):
    """Anything that obi-mm raises on purpose."""


class ConfigError(ObiError):
    """A setting that can't be used; `where` is the file or command, `field` the setting."""

    def __init__(self, where: str, field: str, problem: str) -> None:
        super().__init__(f"{where}: {field}: {problem}")
        self.where, self.field, self.problem = where, field, problem


class DataError(ObiError):
    """Event data that can't be used."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = str(path), problem


class LogError(ObiError):
    """A decision log that can't be read."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = str(path), problem


class OutputExists(ObiError):
    """Results are there already and nobody said that they may be replaced."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(f"{path}: holds results already; choose another directory or give --force")
        self.path = str(path)


class IdTaken(ObiError):
    """Another process of this user sends orders on this connector under the same bot id."""

    def __init__(self, connector: str, bot_id: int) -> None:
        super().__init__(
            f"another obi-mm sends orders on {connector!r} as bot {bot_id}: end it, or give this one another --bot-id"
        )
        self.connector, self.bot_id = connector, bot_id


class SweepStopped(ObiError):
    """A signal ended a sweep; what is done is kept."""

    def __init__(self, number: int, done: int, of: int) -> None:
        super().__init__(
            f"stopped: {done:,} of {of:,} runs are done and kept; the same command goes on with the others"
        )
        self.number, self.done, self.of = number, done, of
