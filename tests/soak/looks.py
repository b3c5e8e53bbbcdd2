"""Every look of a bot against the exchange's truth at the same update."""

import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.rig import Rig

SURE = 400
"""So many levels a side are surely known: a book begins with a snapshot of 1,000 and loses some at the edges as the market moves."""

Book = tuple[list[tuple[float, float]], list[tuple[float, float]]]


@dataclass
class Looks:
    """What one bot's looks came to."""

    looks: int = 0
    synced: int = 0
    compared: int = 0
    too_old: int = 0  # the exchange keeps the truth of so many updates only
    wrong: list[str] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)
    lost: int = 0
    wall_off_s: tuple[float, float] = (
        0.0,
        0.0,
    )  # how far the bot's wall clock was off the test's, at least and at most
    changes: list[dict[str, Any]] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)  # newest line of each symbol, without its levels
    synced_id: dict[str, int] = field(default_factory=dict)  # the newest update at which a book said synced

    def __str__(self) -> str:
        """In one line."""
        return (
            f"{self.synced} of {self.looks} looks synced, {self.compared} compared, {len(self.wrong)} wrong, {len(self.frozen)} behind, "
            f"{self.lost} samples lost and told, {self.unknown_s():.2f} s unknown"
        )

    def unknown_s(self, until_s: float | None = None) -> float:
        """How long, from each symbol's first book on, its book was not sure; up to the last line, or to a time."""
        total = 0.0
        for symbol, last in self.last.items():
            end_s, since_s, begun = last["t"] if until_s is None else min(until_s, last["t"]), None, False
            for change in self.changes:
                if change["symbol"] != symbol or change["t"] > end_s:
                    continue
                if change["confidence"] == "synced":
                    total += change["t"] - since_s if since_s is not None else 0.0
                    since_s, begun = None, True
                elif begun and since_s is None:
                    since_s = change["t"]
            total += end_s - since_s if since_s is not None else 0.0
        return total


class Reader:
    """Reads a looker's file on while it is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every whole line since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                yield orjson.loads(line)


class Judge:
    """Compares looks with the exchange's books, once each."""

    def __init__(self, rig: Rig, path: Path) -> None:
        self._rig, self._reader = rig, Reader(path)
        self.found = Looks()
        self._newest: dict[str, tuple[int, Book | None]] = {}
        self._waiting: deque[dict[str, Any]] = deque()
        self._sent: list[tuple[float, dict[str, int]]] = []  # when the exchange had sent which ids

    def note_sent(self, at_s: float, ids: dict[str, int]) -> None:
        """Remember how far the exchange was."""
        self._sent.append((at_s, ids))

    def take(self, behind_s: float | None = None) -> None:
        """Read and judge everything that was written since."""
        self.read()
        self.judge(behind_s)

    def read(self) -> None:
        """Note what was written since, and leave the looks to `judge`."""
        for line in self._reader.lines():
            match line["kind"]:
                case "errors":
                    self.found.errors = line["errors"]
                    continue
                case "change":
                    self.found.changes.append(line)
                case "look":
                    self._waiting.append(line)
            off_s = line["wall"] - line["t"] - (time.time() - time.monotonic())
            self.found.wall_off_s = min(off_s, self.found.wall_off_s[0]), max(off_s, self.found.wall_off_s[1])
            self.found.lost = line["lost"]
            self.found.last[line["symbol"]] = {key: line[key] for key in ("t", "confidence", "why", "id", "kind")}

    def judge(self, behind_s: float | None = None, most_s: float = math.inf) -> None:
        """Compare waiting looks with the exchange's books, for a while; `behind_s`: a synced book older than this is wrong too."""
        end_s = time.monotonic() + most_s
        while self._waiting and time.monotonic() < end_s:
            self._look(self._waiting.popleft(), behind_s)

    def _look(self, line: dict[str, Any], behind_s: float | None) -> None:
        found = self.found
        found.looks += 1
        if line["confidence"] != "synced":
            return
        found.synced += 1
        found.synced_id[line["symbol"]] = line["id"]
        symbol, at = line["symbol"], f"{line['symbol']} at {line['t']:.2f} s, update {line['id']}"
        true = self._true(symbol, line["id"])
        if true is None:
            if self._known(symbol, line["id"]):
                found.too_old += 1
            else:
                found.wrong.append(f"{at}: the exchange never had such an update")
            return
        found.compared += 1
        for side, mine, other in zip(("bids", "asks"), (line["bids"], line["asks"]), true, strict=True):
            levels = [(price, qty) for price, qty in mine]
            if levels[:SURE] != other[:SURE] or not set(levels) <= set(other):
                first = next(
                    (number for number, (one, two) in enumerate(zip(levels, other, strict=False)) if one != two),
                    len(levels),
                )
                found.wrong.append(
                    f"{at}: {side} of {len(levels)} levels differ from the exchange's from level {first + 1} on"
                )
        if behind_s is not None:
            self._behind(line, behind_s, at)

    def _true(self, symbol: str, update_id: int) -> Book | None:
        """The exchange's book; looks at the same update follow each other, and a book of the past does not change."""
        if self._newest.get(symbol, (0, None))[0] != update_id:
            self._newest[symbol] = update_id, self._rig.true_book(symbol, update_id)
        return self._newest[symbol][1]

    def _known(self, symbol: str, update_id: int) -> bool:
        """Whether an id lies within what the exchange has sent, so that it may only be too old to be looked up."""
        return any(0 < update_id <= ids.get(symbol, 0) for _, ids in self._sent[-1:])

    def _behind(self, line: dict[str, Any], behind_s: float, at: str) -> None:
        before = [ids for at_s, ids in self._sent if at_s <= line["t"] - behind_s]
        if before and line["id"] < before[-1].get(line["symbol"], 0):
            self.found.frozen.append(f"{at}: says synced, and is more than {behind_s:g} s behind")
