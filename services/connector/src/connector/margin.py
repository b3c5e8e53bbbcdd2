"""What the account as a whole is worth, where the exchange tells it: asked on a timer, told on, and held against `uni_mmr_min`. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from marketlink.private import AccountState
from marketlink.times import SECOND_NS, Moment, MonoNs, after
from marketlink.venues.trading import AccountReport, TradingVenue

from connector.calls import Calls
from connector.effects import Effect, TellPrivate

EVERY_NS: Final = 5 * SECOND_NS
WALLETS: Final = 6
"""At each so many questions about the account, its wallets are asked for too."""
OLD_NS: Final = 30 * SECOND_NS
"""What was told so long ago says nothing of now."""


class Margin:
    """`least` is the smallest ratio of equity to maintenance margin with which orders are taken; None: any."""

    def __init__(self, venue: TradingVenue, calls: Calls, least: Decimal | None) -> None:
        self._venue, self._calls, self._least = venue, calls, least
        self._due, self._asked = MonoNs(0), 0
        self._told: MonoNs | None = None
        self.report: AccountReport | None = None
        self.lacks = "" if least is None else "the account's margin is not known yet"
        """Why no orders are taken; empty when they are."""

    def on_time(self, now: Moment) -> list[Effect]:
        """Ask when it is time; what was told long ago counts as not known."""
        call = self._venue.account()
        if call is None:
            return []
        if self._least is not None and self._told is not None and now.mono - self._told > OLD_NS:
            self.lacks = f"the account's margin has not been told for {(now.mono - self._told) // SECOND_NS} s"
        if now.mono < self._due:
            return []
        self._due = after(now.mono, EVERY_NS)
        asks: list[Effect] = [self._calls.ask(call, now)]
        if self._asked % WALLETS == 0:
            asks.append(self._calls.ask(self._venue.balances(), now))
        self._asked += 1
        return asks

    def take(self, report: AccountReport, now: Moment) -> tuple[list[Effect], str]:
        """Take what the exchange tells; the second of what comes back says why to halt, if one must."""
        if self.report is not None and report.time_ns < self.report.time_ns:
            return [], ""
        self.report, self._told, self.lacks = report, now.mono, ""
        told = AccountState(
            report.ratio,
            report.equity,
            report.initial_margin,
            report.maintenance_margin,
            report.status,
            report.time_ns,
        )
        low = self._least is not None and report.ratio < self._least
        why = f"uni_mmr_min: uniMMR {report.ratio:f} is below {self._least:f}" if low else ""
        return [TellPrivate(told)], why

    @property
    def facts(self) -> Mapping[str, object]:
        """What a person who asks is told."""
        told = self.report
        if told is None:
            return {}
        return {"uni_mmr": f"{told.ratio:f}", "equity": f"{told.equity:f}", "account_status": told.status}
