"""A wall clock of our processes' own, which a test may step both ways."""

import mmap
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

STEPPED = Path(__file__).with_name("stepped")


class WallClock:
    """The clock of every process that is started with `environment`; the test's own stays right."""

    def __init__(self, folder: Path) -> None:
        file = folder / "wallclock"
        file.write_bytes(bytes(8))
        path = os.pathsep.join([str(STEPPED), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = {"PYTHONPATH": path, "WALLCLOCK_FILE": str(file)}
        self._file = file.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), 8)

    def set(self, seconds: float) -> None:
        """Let the clock be so far from the right time, at once."""
        self._map[:8] = struct.pack("<q", round(seconds * 1e9))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._map.close()
        self._file.close()
