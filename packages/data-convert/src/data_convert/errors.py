"""What can go wrong with a conversion, as facts.

::

    ConvertError                 base, never raised itself
    ├── InputError               a file cannot be read as a recording (path, remedy)
    ├── FormatError              readable, but of no dialect known here (path, remedy)
    ├── SymbolError              no symbol, or more than one, where one is needed (symbols)
    ├── MarketError              recordings of two markets, where an array holds one (markets)
    ├── BadLine                  one line is not what its dialect says (reason, detail); counted, not fatal
    ├── StrictError              --strict met damage (path, line, reason)
    ├── OrderError               rows go back in time on one of the clocks (side, row)
    ├── ClockError               the clocks are too far apart to be corrected in 64 bits (shift)
    ├── BatchError             a batch cannot be run as asked (problem, remedy)
    └── OutputError              the result cannot be written where it should go (path, remedy)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class ConvertError(Exception):
    """Base of every error of this package."""


class InputError(ConvertError):
    """A path that is no readable recording."""

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path, self.problem, self.remedy = Path(path), problem, remedy


class FormatError(ConvertError):
    """A readable file whose lines are of no dialect known here."""

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path, self.problem, self.remedy = Path(path), problem, remedy


class SymbolError(ConvertError):
    """One array holds one symbol; the recording holds another number of them."""

    def __init__(
        self,
        wanted: str | None,
        symbols: Mapping[str, int],
        unit: str = "messages",
        remedy: str = "choose one with --symbol",
    ) -> None:
        seen = ", ".join(f"{name} ({count} {unit})" for name, count in sorted(symbols.items())) or "none"
        what = f"no message of {wanted}" if wanted else "more than one symbol"
        super().__init__(f"{what} in the recording, which holds: {seen}; {remedy}")
        self.wanted, self.symbols = wanted, dict(symbols)


class MarketError(ConvertError):
    """One array holds one market; recordings of two have the same symbols but other books. `markets`: where each is seen."""

    def __init__(self, markets: Mapping[str, str]) -> None:
        seen = ", ".join(f"{place} is of Binance {market}" for market, place in markets.items())
        super().__init__(
            f"two markets in one call: {seen}; they share symbols but no book, so convert or merge them apart"
        )
        self.markets = dict(markets)


class BadLine(ConvertError):
    """One line that its dialect does not allow; `reason` is a short fixed phrase it is counted under."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class StrictError(ConvertError):
    """Damage in a recording that was to be converted strictly."""

    def __init__(self, path: Path | str, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}; convert without --strict to leave it out and have it counted")
        self.path, self.line, self.reason = Path(path), line, reason


class OrderError(ConvertError):
    """Two consecutive rows of one clock go back in time."""

    def __init__(self, side: str, row: int, before_ns: int, after_ns: int) -> None:
        super().__init__(f"row {row}: {side} time goes back from {before_ns} to {after_ns}")
        self.side, self.row, self.before_ns, self.after_ns = side, row, before_ns, after_ns


class ClockError(ConvertError):
    """Local and exchange time are so far apart that the shifted time does not fit 64 bits."""

    def __init__(self, shift_ns: int) -> None:
        super().__init__(f"local times would be moved by {shift_ns} ns, beyond 64 bits; remove the absurd stamp")
        self.shift_ns = shift_ns


class OutputError(ConvertError):
    """A result that cannot go where it was sent."""

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path, self.problem, self.remedy = Path(path), problem, remedy


class BatchError(ConvertError):
    """A batch that cannot be run where, or as, it was asked to."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy = problem, remedy
