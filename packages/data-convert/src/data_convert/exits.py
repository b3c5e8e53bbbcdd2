"""How the commands end: the exit codes, stated here and shown in the help and in docs/data-convert.md."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """The exit codes; `MEANING` says what they mean."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    INCOMPLETE = 3
    FAULTS = 4
    INTERRUPTED = 130
    TERMINATED = 143


MEANING: Final = {
    Exit.DONE: "done",
    Exit.ERROR: "error",
    Exit.USAGE: "wrong usage",
    Exit.INCOMPLETE: "nothing, too little or a broken part was converted, or --strict met damage",
    Exit.FAULTS: "faults found: a backtest would be wrong",
    Exit.INTERRUPTED: "stopped by Ctrl-C",
    Exit.TERMINATED: "stopped by SIGTERM",
}

MAX_LOST: Final = 0.01
"""The share of what was recorded that may be lost before a result is no success any more."""

HELP: Final = "Exit codes: " + ", ".join(f"{code.value} {meaning}" for code, meaning in MEANING.items()) + "."
