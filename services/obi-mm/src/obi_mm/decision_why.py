"""Why two decision logs differ: the first cause that both logs themselves give for each difference, and on whose side it lies.

no book     that side had no book to decide on, from..to          late        decided when a newer one was due already
windows     its windows hold something else since then, until      restart     it went on from a kept state, whose windows hold a gap
began, ended, missing  it has no decision for that time           book        another book at that moment; neither log says why
position    another position, and all else equal up to there       other       none of these
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from obi_mm.decision_compare import Difference, refilled_ns, windows_of
from obi_mm.decisions import DecisionLog
from obi_mm.errors import LogError
from obi_mm.layout import CROSSED, ONE_SIDED, REASONS, REFUSED, STALE, UNSYNCED, Log

_NO_BOOK: Final = (ONE_SIDED, CROSSED, STALE, UNSYNCED, REFUSED)
_MARKET: Final = ("best_bid", "best_ask", "bids", "asks")
_FACTORS: Final = ("alpha", "volatility", "change", "samples", "returns", "stop_loss", "fair")
NEVER: Final = 1 << 62
SIDES: Final = ("first", "second", "both")


@dataclass(frozen=True, slots=True)
class Why:
    """A cause: its kind, whose side it lies on (one of SIDES, "" where that is not known), and the same in words."""

    kind: str
    side: str
    text: str


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Time without a book, first to last decision without one, and until when the windows show it."""

    first_ns: int
    last_ns: int
    until_ns: int
    reasons: str


class Causes:
    """What one log says of itself about one symbol (None: all of it)."""

    def __init__(self, log: DecisionLog, side: str, symbol: str | None) -> None:
        self.side, self._who = side, f"the {side} log ({log.header.source})"
        decisions = log.decisions
        if symbol is not None:
            names = [instrument.symbol for instrument in log.header.instruments]
            decisions = decisions[decisions["symbol"] == names.index(symbol)]
        self.times = np.unique(decisions["time_ns"])
        try:
            self._windows: tuple[int, int, int, int] | None = windows_of(log)
        except LogError:
            self._windows = None
        self._stretches = self._without_book(decisions)
        self._late = frozenset(decisions["time_ns"][decisions["missed"] == 1].tolist())
        resumed = log.header.more.get("resumed") or {}
        kept = [int(at_ns) for name, at_ns in resumed.items() if symbol in (None, name)]
        self._kept_ns = max(kept, default=0)
        self._fresh_ns = self._refilled(decisions) if kept else 0

    def _refilled(self, decisions: Log) -> int:
        found = refilled_ns(decisions, *self._windows) if self._windows else None
        return NEVER if found is None else found

    def _without_book(self, decisions: Log) -> list[_Stretch]:
        """Stretches of decisions without a book; the windows show one until both were filled anew behind it."""
        without = np.isin(decisions["reason"], _NO_BOOK)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], without, [False])).astype(np.int8)))
        found = []
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            names = ", ".join(REASONS[code] for code in np.unique(decisions["reason"][first:end]).tolist())
            times = decisions["time_ns"]
            found.append(_Stretch(int(times[first]), int(times[end - 1]), self._refilled(decisions[end:]), names))
        return found

    def missing(self, time_ns: int) -> Why:
        """Say why this log has no decision for a time."""
        if not len(self.times) or time_ns < self.times[0]:
            since = f" until {clock(int(self.times[0]))}" if len(self.times) else ""
            return Why("began", self.side, f"{self._who} has no decision{since}")
        if time_ns > self.times[-1]:
            return Why("ended", self.side, f"{self._who} ended at {clock(int(self.times[-1]))}")
        at = int(np.searchsorted(self.times, time_ns))
        return Why(
            "missing",
            self.side,
            f"{self._who} decided nothing between {clock(int(self.times[at - 1]))} and {clock(int(self.times[at]))}",
        )

    def no_book(self, time_ns: int) -> Why | None:
        """Say since when and until when this log had no book, where that was so."""
        for one in self._stretches:
            if one.first_ns <= time_ns <= one.last_ns:
                span = f"from {clock(one.first_ns)} to {clock(one.last_ns)}"
                return Why("no book", self.side, f"{self._who} had no book {span} ({one.reasons})")
        return None

    def late(self, time_ns: int) -> Why | None:
        """Say that this decision was made too late to be carried out."""
        if time_ns not in self._late:
            return None
        return Why(
            "late", self.side, f"{self._who} made it late, when a newer one was due: nothing of it was carried out"
        )

    def shadow(self, time_ns: int) -> Why | None:
        """Say what the windows still hold of another past: a kept state, or samples around a time without a book."""
        if time_ns < self._fresh_ns:
            until = "to its end" if self._fresh_ns == NEVER else f"until {clock(self._fresh_ns)}"
            return Why(
                "restart",
                self.side,
                f"{self._who} went on from the state kept at {clock(self._kept_ns)}; its windows show it {until}",
            )
        for one in reversed(self._stretches):
            if one.last_ns < time_ns < one.until_ns:
                until = "to the end" if one.until_ns == NEVER else f"until {clock(one.until_ns)}"
                span = f"from {clock(one.first_ns)} to {clock(one.last_ns)}"
                return Why("windows", self.side, f"{self._who} had no book {span}; its windows show it {until}")
        return None


def explain(left: DecisionLog, right: DecisionLog, differences: Sequence[Difference]) -> Iterator[Why]:
    """Yield the cause of each difference of two logs, in the same order."""
    known: dict[str, tuple[Causes, Causes]] = {}
    for one in differences:
        if one.symbol not in known:
            symbol = one.symbol or None
            known[one.symbol] = (Causes(left, SIDES[0], symbol), Causes(right, SIDES[1], symbol))
        yield _why(known[one.symbol], one)


def _why(sides: tuple[Causes, Causes], one: Difference) -> Why:
    at_ns = one.time_ns
    if "decision" in one.fields:
        return sides[1 if one.fields["decision"][0] else 0].missing(at_ns)
    for ask in (Causes.no_book, Causes.late, Causes.shadow):
        found = [why for side in sides if (why := ask(side, at_ns)) is not None]
        if len(found) == 2:
            if found[0].kind == "no book" and "reason" not in one.fields:
                continue  # both had none, for the same reason
            return Why(found[0].kind, SIDES[2], f"{found[0].text}; {found[1].text}")
        if found:
            return found[0]
    if any(name in one.fields for name in _MARKET):
        return Why("book", "", "the book was another one at that moment")
    if any(name in one.fields for name in _FACTORS):
        return Why("windows", "", "the windows hold something else, which neither log explains")
    if "position" in one.fields:
        return Why("position", "", "the position was another one")
    return Why("other", "", "neither log says why")


def clock(time_ns: int) -> str:
    """Write a time of day in UTC, to the ms."""
    return (
        f"{datetime.fromtimestamp(time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}"
    )
