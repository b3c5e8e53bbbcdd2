"""How a recording is going: one line while it runs, one value when it has ended."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, TextIO

from marketlink.times import SECOND_NS, MonoNs

from collector.rotation import FileKey, file_name
from collector.writer import FileCounts

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Progress:
    """Turns running totals into a line, with the rate since the line before."""

    def __init__(self, symbols: int, now_ns: MonoNs) -> None:
        self._symbols, self._start_ns = symbols, now_ns
        self._lines, self._at_ns = 0, now_ns

    def line(self, counts: Mapping[FileKey, FileCounts], now_ns: MonoNs, note: str) -> str:
        """Return a line of the state at `now_ns`; `note` is what the source says of itself."""
        lines = sum(each.lines for each in counts.values())
        text = sum(each.text_bytes for each in counts.values())
        size = sum(each.file_bytes for each in counts.values())
        rate = (lines - self._lines) * SECOND_NS / max(now_ns - self._at_ns, 1)
        self._lines, self._at_ns = lines, now_ns
        clock = (now_ns - self._start_ns) // SECOND_NS
        return (
            f"{clock // 3600}:{clock // 60 % 60:02d}:{clock % 60:02d} {self._symbols} symbols, {lines:,} lines ({rate:,.0f}/s), "
            f"{text / 1e6:,.1f} MB in {size / 1e6:,.1f} MB, {note}"
        )


def summary(
    counts: Mapping[FileKey, FileCounts], seconds: float, reason: str, exit_code: int, source: Mapping[str, object]
) -> dict[str, object]:
    """Return what --json prints: why it ended, every file written to, and the source's own counts."""
    return {
        "exit_code": exit_code,
        "ended": reason,
        "seconds": round(seconds, 3),
        "lines": sum(each.lines for each in counts.values()),
        "files": [{"file": file_name(*key), "symbol": key[0], **asdict(each)} for key, each in sorted(counts.items())],
        "source": dict(source),
    }


def plain(counts: "DataclassInstance") -> dict[str, object]:
    """Return a source's counts for JSON. `dataclasses.asdict` can't: before Python 3.12 it breaks a Counter."""
    values = ((field.name, getattr(counts, field.name)) for field in fields(counts))
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values}


class TerminalHandler(logging.StreamHandler[TextIO]):
    """Log lines and one status line below them on the same terminal."""

    def show(self, text: str) -> None:
        """Replace the status line; an empty text removes it."""
        self.stream.write(f"\r\x1b[K{text}")
        self.stream.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log line where the status line was."""
        self.stream.write("\r\x1b[K")
        super().emit(record)
