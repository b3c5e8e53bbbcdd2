"""Positions where they are what the account holds of a symbol's base asset (spot). Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from marketlink.venues.base import Instrument
from marketlink.venues.trading import HoldingReport, PositionReport


class Holdings:
    """The exchange's last word on each asset, and the symbols whose position it is."""

    def __init__(self) -> None:
        self._symbols: dict[str, list[str]] = {}
        self._held: dict[str, tuple[Decimal, int]] = {}

    def know(self, instruments: Mapping[str, Instrument]) -> None:
        """Learn which symbols have which base asset."""
        self._symbols = {}
        for one in instruments.values():
            self._symbols.setdefault(one.base, []).append(one.symbol)

    def take(self, report: HoldingReport) -> list[PositionReport]:
        """Return what a report says of the positions. A change that is not newer than the last word is in it already."""
        qty, time_ns = self._held.get(report.asset, (Decimal(0), -1))
        if report.time_ns < time_ns or (
            report.change and (report.time_ns == time_ns or report.asset not in self._held)
        ):
            return []
        qty = qty + report.qty if report.change else report.qty
        self._held[report.asset] = qty, report.time_ns
        return [PositionReport(symbol, qty, report.time_ns) for symbol in self._symbols.get(report.asset, ())]

    def listed(self, reports: Iterable[PositionReport | HoldingReport]) -> list[PositionReport]:
        """Return what a whole list says of the positions, older than the last word or not."""
        found: list[PositionReport] = []
        for report in reports:
            if isinstance(report, PositionReport):
                found.append(report)
                continue
            self.take(report)
            found += [
                PositionReport(symbol, report.qty, report.time_ns) for symbol in self._symbols.get(report.asset, ())
            ]
        return found
