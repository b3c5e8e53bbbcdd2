"""Positions: the exchange's last word on each, and what own executions say beyond it. Pure.

The word and the execution that caused it come in either order, and one of them may be lost. What limits are held against is therefore
a range: the exchange's word, and the word before it with every execution since. The order's own event takes an execution out of what
is open; only so is it never out of both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from marketlink.times import SECOND_NS
from marketlink.venues.trading import Fill, PositionReport

from connector.tracked import ZERO

SETTLED_NS: Final = SECOND_NS
"""After so long the last word of a moment has come: several of one millisecond follow each other."""


class Positions(Mapping[str, PositionReport]):
    """The exchange's words by symbol, as a mapping, and the ranges."""

    def __init__(self) -> None:
        self._words: dict[str, PositionReport] = {}
        self._before: dict[
            str, tuple[Decimal, int]
        ] = {}  # what is sure: a quantity, and the time up to which it counts
        self._since: dict[str, list[tuple[int, Decimal]]] = {}  # executions behind that
        self._listed_ns = 0
        self._first_ns: dict[str, int] = {}
        self.unexplained: dict[str, Decimal] = {}
        """By symbol: how far the exchange's words, since the first of them, moved otherwise than own executions say."""

    def __getitem__(self, symbol: str) -> PositionReport:
        return self._words[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def take(self, report: PositionReport) -> bool:
        """Take the exchange's word; False when it is older than the last one, or says nothing new."""
        known = self._words.get(report.symbol)
        if known is not None and report.time_ns < known.time_ns:
            return False
        if known is not None and report.time_ns > known.time_ns:
            self._sure(report.symbol, known)
        self._words[report.symbol] = report
        return known is None or report.qty != known.qty

    def word(self, symbol: str) -> PositionReport | None:
        """The exchange's last word on a symbol: none is a position too, once a list without it was seen. None: not known yet."""
        known = self._words.get(symbol)
        return PositionReport(symbol, ZERO, self._listed_ns) if known is None and self._listed_ns else known

    def listed(
        self, reports: Sequence[PositionReport], asked_ns: int, used: Iterable[str] = ()
    ) -> list[PositionReport]:
        """Return what a whole list says: also that positions which are not in it are none, unless they are newer than the question.

        Of the symbols in use that is said too where nothing was known: their bots may hold what an earlier process told them.
        """
        self._listed_ns = max(self._listed_ns, asked_ns)
        told = {report.symbol for report in reports}
        gone = [
            PositionReport(symbol, ZERO, asked_ns)
            for symbol, known in self._words.items()
            if symbol not in told and known.qty and known.time_ns < asked_ns
        ]
        gone += [PositionReport(symbol, ZERO, asked_ns) for symbol in sorted({*used} - told - self._words.keys())]
        return [*reports, *gone]

    def executed(self, fill: Fill) -> None:
        """Count an own execution."""
        _, until_ns = self._start(fill.symbol)
        qty = fill.qty * int(fill.side)
        if fill.time_ns > until_ns:
            self._since.setdefault(fill.symbol, []).append((fill.time_ns, qty))
        elif fill.time_ns > self._first_ns.get(
            fill.symbol, until_ns
        ):  # it comes late, and explains what a word said before
            self._differ(fill.symbol, -qty)

    def range_of(self, symbol: str) -> tuple[Decimal, Decimal]:
        """The smallest and largest position that there may be, everything that has executed included."""
        start, until_ns = self._start(symbol)
        own = start + sum((qty for time_ns, qty in self._since.get(symbol, ()) if time_ns > until_ns), ZERO)
        known = self._words.get(symbol)
        word = own if known is None else known.qty
        return min(word, own), max(word, own)

    def on_time(self, exchange_ns: int) -> list[tuple[str, Decimal]]:
        """Let words become sure that have stood for a while; return the symbols of which `unexplained` has changed, and what it is now."""
        before = dict(self.unexplained)
        for symbol, known in self._words.items():
            if known.time_ns + SETTLED_NS < exchange_ns:
                self._sure(symbol, known)
        now = self.unexplained
        return [(one, now.get(one, ZERO)) for one in sorted(before | now) if before.get(one) != now.get(one)]

    def _start(self, symbol: str) -> tuple[Decimal, int]:
        """What is sure; before any word about it, a list in which it does not stand says that it is nothing."""
        return self._before.get(symbol) or (ZERO, self._listed_ns)

    def _sure(self, symbol: str, known: PositionReport) -> None:
        before = self._before.get(symbol)
        if before == (known.qty, known.time_ns):
            return
        if before is None and not self._listed_ns:
            self._first_ns[symbol] = known.time_ns
        else:
            start, until_ns = self._start(symbol)
            self._first_ns.setdefault(symbol, until_ns)
            own = sum((qty for at_ns, qty in self._since.get(symbol, ()) if until_ns < at_ns <= known.time_ns), ZERO)
            self._differ(symbol, known.qty - start - own)
        self._before[symbol] = (known.qty, known.time_ns)
        self._since[symbol] = _after(self._since.get(symbol, ()), known.time_ns)

    def _differ(self, symbol: str, by: Decimal) -> None:
        self.unexplained[symbol] = self.unexplained.get(symbol, ZERO) + by
        if not self.unexplained[symbol]:
            del self.unexplained[symbol]


def _after(executions: Iterable[tuple[int, Decimal]], time_ns: int) -> list[tuple[int, Decimal]]:
    return [one for one in executions if one[0] > time_ns]
