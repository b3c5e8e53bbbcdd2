"""Signals while a program is still loading: nothing is to be written or told yet, so ending is a clean end.

Imports nothing that takes time: a program calls this before it imports anything else.
"""

import os
import signal


def leave_on_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end this process with 0 until it takes them itself; one that is ignored, as under nohup, stays so."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)


def _leave(number: int, frame: object) -> None:
    os._exit(0)
