"""The errors of this package: one base, facts as fields.

VenueSimError
    BadFault             a fault's description is wrong; names the field
    BadRecording         a recording cannot be replayed
    BadMarket            a market was asked for something it cannot be
    BadAccounts          an accounts file is wrong; names the entry and the field
"""

from __future__ import annotations


class VenueSimError(Exception):
    """Base of every error this package raises on purpose."""


class BadFault(VenueSimError):
    """A fault script or a fault sent to the control port is not usable."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"fault field {field!r}: {problem}")
        self.field, self.problem = field, problem


class BadRecording(VenueSimError):
    """A recording has nothing to replay, or a line that is not `<ns> <json>`."""

    def __init__(self, source: str, problem: str, line_number: int | None = None) -> None:
        where = source if line_number is None else f"{source}, line {line_number}"
        super().__init__(f"{where}: {problem}")
        self.source, self.problem, self.line_number = source, problem, line_number


class BadMarket(VenueSimError):
    """The options of a market contradict each other."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option, self.problem = option, problem


class BadAccounts(VenueSimError):
    """An accounts file is not usable; `entry` counts from 1, 0 is the file."""

    def __init__(self, entry: int, field: str, problem: str) -> None:
        where = "accounts file" if entry == 0 else f"accounts file, entry {entry}, field {field!r}"
        super().__init__(f"{where}: {problem}")
        self.entry, self.field, self.problem = entry, field, problem
