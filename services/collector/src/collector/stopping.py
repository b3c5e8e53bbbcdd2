"""One place where the reason to stop is kept, whoever gives it: a signal, the clock, or a failed write.

Signals are blocked in every thread and fetched by one that does nothing else (sigwait(3)): so they are obeyed whatever hangs,
the main thread in a system call included. If the process has not ended in reasonable time after the first, that thread ends it.
"""

import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


PATIENCE_S: Final = 75.0  # more than the writer needs for an orderly end, or for giving up


class Stop:
    """Asked for once, from any thread. A second signal ends the process at once with exit code 1, as does `patience_s` after the first."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
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
        wake = self._wake
        if wake is not None:
            wake()

    def on_asked(self, wake: Callable[[], object] | None) -> None:
        """Have `wake` called, in whatever thread asks; at once if it was asked before. None: nobody."""
        self._wake = wake
        if wake is not None and self.is_asked:
            wake()

    def on_signal(self, number: int, frame: FrameType | None = None) -> None:
        """Take a signal."""
        name = signal.Signals(number).name
        if self._signalled:
            _leave(f"{name} again: leaving at once, what is not written is lost\n")
        self._signalled = True
        self.ask(name)

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP; of these SIGHUP not where it is ignored, as under nohup(1).

        To be called before any other thread is started: threads inherit what is blocked. One that was there before may still get a
        signal; then the main thread learns of it, as soon as it is not in a system call.
        """
        taken = {number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN}
        for number in taken:
            signal.signal(number, self.on_signal)
        signal.pthread_sigmask(signal.SIG_BLOCK, taken)
        threading.Thread(target=self._fetch, args=(taken,), name="signals", daemon=True).start()

    def _fetch(self, taken: set[signal.Signals]) -> None:
        self.on_signal(signal.sigwait(taken))
        again = signal.sigtimedwait(taken, self._patience_s)
        if again is None:
            _leave(f"not ended {self._patience_s:.0f} s after {self.reason}: leaving, what is not written is lost\n")
        else:
            self.on_signal(again.si_signo)


def _leave(text: str) -> None:
    """End the process, with words unless nobody reads them: writing could wait for ever then."""
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, text.encode())
    finally:  # also when there is no stderr
        os._exit(1)
