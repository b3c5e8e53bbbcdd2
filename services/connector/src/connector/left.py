"""What a connector leaves for the next one of its name: symbols whose bots never ask again, and levels that those may hold.

The source's bots register once. After a restart nobody would publish their symbols, and levels that are gone meanwhile would
stand in their books for ever, because they know no clear. So for each such symbol a file keeps every price that was
published: a count, then rows of side and price, mapped into memory, so that SIGKILL loses nothing that was written.
When it is full it is made anew from the book. This project's bots need none of it.
"""

import json
import logging
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import numpy as np
from marketlink.events import BUY, DEPTH, DEPTH_CLEAR, KIND_MASK, LOCAL, SELL, TRADE, Events, empty_events
from numpy.typing import NDArray

log = logging.getLogger("connector")
_ROOM: Final = 1 << 16
_ROW: Final = np.dtype([("side", "<u8"), ("px", "<f8")])
_HEAD: Final = 16
_OWNERS: Final = "owners.json"
_ENDING: Final = ".levels"


class Left:
    """The folder of one connector; made when there is something to keep. A folder that can't be used is said once, and nothing is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _Levels] = {}
        self._owners: dict[str, list[int]] = {}
        self._failed = False

    @property
    def symbols(self) -> Collection[str]:
        """The symbols that are kept now."""
        return self._files

    def read(self) -> tuple[dict[str, Events], dict[str, list[int]]]:
        """Return what an earlier process left: levels and owners by symbol. What can't be read is said and left out."""
        levels: dict[str, Events] = {}
        owners: dict[str, list[int]] = {}
        try:
            content = json.loads((self._folder / _OWNERS).read_bytes())
            owners = {str(symbol): [int(bot) for bot in bots] for symbol, bots in content.items()}
        except FileNotFoundError:
            return {}, {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning("%s can't be read: %s; bots of before must register again", self._folder / _OWNERS, error)
            return {}, {}
        for symbol in owners:
            levels[symbol] = _read_levels(self._path(symbol))
        return levels, owners

    def keep(self, symbol: str, owners: Iterable[int], book: Events) -> None:
        """Begin to keep a symbol, or note its owners anew; `book`: its levels now, and those that bots may hold from before."""
        bots = sorted(owners)
        if self._failed or self._owners.get(symbol) == bots:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if symbol not in self._files:
                self._files[symbol] = _Levels(self._path(symbol), book)
            self._owners[symbol] = bots
            unfinished = self._folder / f"{_OWNERS}.tmp"
            unfinished.write_text(json.dumps(self._owners))
            unfinished.rename(self._folder / _OWNERS)
        except OSError as error:
            self._fail(error)

    def add(self, symbol: str, rows: Events, book: Events | None = None) -> bool:
        """Note published rows of a kept symbol; False: there is no room, call again with the whole book."""
        file = self._files[symbol]
        try:
            if book is not None:
                file = self._files[symbol] = _Levels(self._path(symbol), book)
            return file.add(rows)
        except OSError as error:
            self._fail(error)
            return True

    def forget(self) -> None:
        """Remove all that was left: nobody is there who would need it."""
        for path in [*self._folder.glob(f"*{_ENDING}"), self._folder / _OWNERS]:
            path.unlink(missing_ok=True)

    def _path(self, symbol: str) -> Path:
        return self._folder / f"{symbol.replace('/', '_')}{_ENDING}"

    def _fail(self, error: OSError) -> None:
        self._failed = True
        self._files.clear()
        log.warning("%s: %s: after a restart, bots of the source must register again", self._folder, error)


class _Levels:
    """One symbol's file."""

    def __init__(self, path: Path, book: Events) -> None:
        unfinished = path.with_name(f"{path.name}.tmp")
        room = max(_ROOM, 2 * len(book))
        with open(unfinished, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, _HEAD + room * _ROW.itemsize)  # a full disk must not be SIGBUS later
        whole = np.memmap(unfinished, np.uint8, "r+")
        self._count: NDArray[np.int64] = whole[:8].view("<i8")
        self._rows = whole[_HEAD:].view(_ROW)
        self.add(book)
        unfinished.rename(path)

    def add(self, rows: Events) -> bool:
        kinds = rows["ev"] & np.uint64(KIND_MASK)
        rows = rows[(kinds != TRADE) & (kinds != DEPTH_CLEAR)]
        start = int(self._count[0])
        end = start + len(rows)
        if end > len(self._rows):
            return False
        self._rows["side"][start:end] = rows["ev"] & np.uint64(BUY | SELL)
        self._rows["px"][start:end] = rows["px"]
        self._count[0] = end  # behind the rows: a kill in between leaves the file as it was
        return True


def _read_levels(path: Path) -> Events:
    """Return the prices of a file as depth rows of quantity 1, each once."""
    try:
        raw = path.read_bytes()
        count = int(np.frombuffer(raw, "<i8", 1)[0])
        found = np.unique(np.frombuffer(raw, _ROW, count, _HEAD))
    except (OSError, ValueError) as error:
        log.warning("%s can't be read: %s; levels of before may stand in bots of the source", path, error)
        return empty_events()
    sides = found["side"]
    found = found[((sides == BUY) | (sides == SELL)) & np.isfinite(found["px"])]
    rows = empty_events(len(found))
    rows["ev"] = found["side"] | np.uint64(LOCAL | DEPTH)
    rows["px"], rows["qty"] = found["px"], 1.0
    return rows
