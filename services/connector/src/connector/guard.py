"""When a watchdog acts, and what it cancels. Pure.

WAITING --a connector moves--> GUARDING --it ends by itself--> WAITING
GUARDING --its lock is free, or no heartbeat for too long--> ACTING --the book is clear, or a connector moves again--> over
"""

from collections.abc import Sequence
from typing import Final

from marketlink.times import SECOND_NS, MonoNs, WallNs
from marketlink.venues.trading import Call, OrderReport, TradingVenue

from connector.client_ids import ClientIds
from connector.sight import End, Sight

STOPPED_NS: Final = SECOND_NS
"""A watchdog that did not look for so long was stopped itself, and the connector perhaps with it: its heartbeat is given time anew."""


class Guard:
    """Tells a connector's death and standstill from its ordinary end. `silence_ns`: a heartbeat older than that is a standstill."""

    def __init__(self, silence_ns: int) -> None:
        self._silence_ns = silence_ns
        self._who: int | None = None
        self._looked: MonoNs | None = None
        self._patient_until = 0

    @property
    def guarding(self) -> bool:
        """Whether a connector was seen to move."""
        return self._who is not None

    def look(self, sight: Sight, now: MonoNs) -> str | None:
        """Take a look at the name; return why to act, if one must."""
        if self._looked is not None and now - self._looked > STOPPED_NS:
            self._patient_until = now + self._silence_ns
        self._looked = now
        if sight.alive:
            if not sight.beat_ns:  # it starts
                return None
            self._who = sight.who
            silent_ns = now - sight.beat_ns
            if silent_ns > self._silence_ns and now >= self._patient_until:
                return f"the connector does not move: no heartbeat for {silent_ns / SECOND_NS:.1f} s"
            return None
        guarded, self._who = self._who, None
        if guarded is None or sight.end is End.CLEAN:
            return None
        return "the connector ended with orders open" if sight.end is End.ORDERS_LEFT else "the connector is dead"

    def moves(self, sight: Sight, now: MonoNs) -> bool:
        """Whether a connector holds its orders itself: the one that stood still, or the next one."""
        return sight.alive and sight.beat_ns > 0 and now - sight.beat_ns < self._silence_ns


def own_of(reports: Sequence[OrderReport], ids: ClientIds, now: WallNs) -> list[OrderReport]:
    """Return the open orders that a connector of this prefix placed; whoever placed the others, they are not touched."""
    return [report for report in reports if ids.read(report.client_id, now) is not None]


def cancels_of(venue: TradingVenue, reports: Sequence[OrderReport]) -> list[Call]:
    """Return the requests that cancel these orders, as many orders in each as the exchange takes."""
    by_symbol: dict[str, list[str]] = {}
    for report in reports:
        by_symbol.setdefault(report.symbol, []).append(report.client_id)
    calls = []
    for symbol, ids in by_symbol.items():
        for start in range(0, len(ids), venue.most_cancels):
            some = ids[start : start + venue.most_cancels]
            calls.append(venue.cancel(symbol, some[0]) if len(some) == 1 else venue.cancel_many(symbol, some))
    return calls
