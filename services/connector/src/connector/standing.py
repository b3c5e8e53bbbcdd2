"""What a person wants of a connector's trading, kept in its state folder: active, reducing or halted.

The commands write it, the connector reads it at its start and whenever the file changes, and says in its presence which one it has taken.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connector.risk import Mode

_NAME: Final = "trading.json"


@dataclass(frozen=True, slots=True)
class Wish:
    """A mode, why, and the number by which it is acknowledged: when it was written, ns."""

    mode: Mode
    why: str
    number: int


DEFAULT: Final = Wish(Mode.ACTIVE, "", 0)


def write_wish(folder: Path, mode: Mode, why: str) -> Wish:
    """Keep a wish, whole or not at all. Raises OSError."""
    wish = Wish(mode, why, time.time_ns())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = folder / f"{_NAME}.{wish.number}.tmp"
    unfinished.write_text(json.dumps({"mode": mode.value, "why": why, "number": wish.number}))
    unfinished.rename(folder / _NAME)
    return wish


class WishFile:
    """The connector's look at it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._seen: tuple[int, int] | None = None

    def changed(self) -> Wish | None:
        """Return the wish if it is another one than at the last look. One that can't be read halts: it was written for a reason."""
        try:
            state = self._path.stat()
        except OSError:
            return None
        stamp = (state.st_mtime_ns, state.st_ino)
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            content = json.loads(self._path.read_bytes())
            return Wish(Mode(content["mode"]), str(content["why"]), int(content["number"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Wish(Mode.HALTED, f"{self._path} can't be read: {error}", 0)
