"""Whole lines of one file after another through a kernel, and those that it does not take through a decoder, in their order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

_PATIENCE: Final = 32
"""After so many odd lines in a row ..."""
_REST: Final = 1024
"""... so many lines are decoded without trying the kernel."""

OddLine = Callable[[int, bytes], None]
"""Decodes the line of a number (without its end)."""


class Scanner(Protocol):
    """What takes blocks of lines as a decoder would take them one by one."""

    def take(self, text: bytes, start: int, stop: int, file: int, line: int, odd_line: OddLine) -> int:
        """Take text[start:stop], whole lines behind line number `line` of a file; return the last line's number.

        PADDING more bytes of `text` can be read. What the kernel does not take is handed to `odd_line`.
        """

    def finish(self) -> None:
        """Give the decoder what is held for it: the next lines, or the end, are its own."""


class LineScanner(ABC):
    """The loop of all scanners: `scan` runs a kernel, `meet` learns from the lines that the decoder took."""

    def __init__(self) -> None:
        self._odd = 0

    def take(self, text: bytes, start: int, stop: int, file: int, line: int, odd_line: OddLine) -> int:
        """`Scanner.take`."""
        data = np.frombuffer(text, np.uint8)
        self.make_room(stop - start)
        pos = start
        while pos < stop:
            if self._odd < _PATIENCE:
                before = line
                pos, line, whole = self.scan(data, pos, stop, file, line)
                if line != before:
                    self._odd = 0
                if whole:
                    break
            for _ in range(1 if self._odd < _PATIENCE else _REST):
                end = text.index(b"\n", pos)
                piece = text[pos : end - 1 if text[end - 1 : end] == b"\r" and end > pos else end]
                line, pos = line + 1, end + 1
                self.before_odd()
                odd_line(line, piece)
                self.meet(piece)
                if pos >= stop:
                    break
            self._odd = 0 if self._odd >= _PATIENCE else self._odd + 1
        return line

    @abstractmethod
    def make_room(self, size: int) -> None:
        """Make the columns large enough for what `size` bytes usually hold."""

    @abstractmethod
    def scan(self, data: npt.NDArray[np.uint8], pos: int, stop: int, file: int, line: int) -> tuple[int, int, bool]:
        """Run the kernel and hand what it wrote to the builder; return (place, line number, whether all was taken)."""

    def meet(self, line: bytes) -> None:  # noqa: B027 many have nothing to learn
        """Learn from a line that the decoder has taken."""

    def before_odd(self) -> None:  # noqa: B027 nothing is held by most
        """Give the decoder what is held for it."""

    def finish(self) -> None:
        """`Scanner.finish`."""
        self.before_odd()
