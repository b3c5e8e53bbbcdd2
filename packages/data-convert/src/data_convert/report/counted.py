"""What was read of files and what of them could not be used, gathered for a report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data_convert.errors import BadLine
from data_convert.files.readers import ReadStats
from data_convert.report.values import BadLines, FileReport

EXAMPLES: Final = 5


@dataclass(slots=True)
class BadCounter:
    """What could not be used, by reason, with the first places."""

    count: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: Path, number: int, error: BadLine) -> None:
        """Count one line of a file; the first few of every reason are named in the report."""
        self.count[error.reason] += 1
        examples = self.examples.setdefault(error.reason, [])
        if len(examples) < EXAMPLES:
            examples.append(f"{path}:{number}" + (f": {error.detail}" if error.detail else ""))

    def listed(self) -> tuple[BadLines, ...]:
        """Return the reasons, the most frequent first."""
        return tuple(BadLines(r, n, tuple(self.examples[r])) for r, n in self.count.most_common())


def file_report(stats: ReadStats) -> FileReport:
    """Return what was read of one file, for the report."""
    return FileReport(
        str(stats.path),
        stats.compressed,
        stats.size_bytes,
        stats.text_bytes,
        stats.members,
        stats.lines,
        stats.lost_bytes,
        stats.lost_lines,
        tuple(stats.damage),
    )
