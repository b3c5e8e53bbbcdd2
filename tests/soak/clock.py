"""A wall clock of our processes' own, which a test may step both ways; needs a C compiler."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

SOURCE = Path(__file__).with_name("wallclock.c")


class WallClock:
    """The clock of every process that is started with `environment`; the test's own stays right."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.fail("no C compiler: stepping the clock needs one (Debian: apt-get install gcc libc6-dev)")
        library, file = folder / "wallclock.so", folder / "wallclock"
        built = subprocess.run(
            [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"],
            capture_output=True,
            text=True,
        )
        if built.returncode:
            pytest.fail(f"{SOURCE} can't be compiled: {built.stderr}")
        file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "WALLCLOCK_FILE": str(file)}
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
