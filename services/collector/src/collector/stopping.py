"""One place where the reason to stop is kept, whoever gives it: a signal, the clock, or a failed write."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Asked for once, from any thread. A second signal ends the process at once with exit code 1."""

    def __init__(self) -> None:
        self.reason = ""
        self._signalled = False
        self._asked = threading.Event()
        self._wake: Callable[[], object] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether it is time to stop."""
        return self._asked.is_set()

    def ask(self, reason: str) -> None:
        """Ask to stop; the first reason is kept."""
        if not self._asked.is_set():
            self.reason = reason
            self._asked.set()
        if self._wake is not None:
            self._wake()

    def on_asked(self, wake: Callable[[], object] | None) -> None:
        """Have `wake` called, in whatever thread asks; at once if it was asked before. None: nobody."""
        self._wake = wake
        if wake is not None and self.is_asked:
            wake()

    def on_signal(self, number: int, frame: FrameType | None = None) -> None:
        """Take a signal."""
        name = signal.Signals(number).name
        if self._signalled:
            print(f"{name} again: leaving at once, what is not written is lost", file=sys.stderr, flush=True)
            os._exit(1)
        self._signalled = True
        self.ask(name)

    def listen(self) -> None:
        """Take SIGINT and SIGTERM. Main thread only."""
        for number in SIGNALS:
            signal.signal(number, self.on_signal)
