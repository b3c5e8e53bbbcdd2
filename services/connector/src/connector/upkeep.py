"""What a connector does each tick beside its work: it shows that it lives, obeys what a person wants of it, looks for its watchdog."""

from pathlib import Path
from typing import Final, Literal

from marketlink.times import SECOND_NS, Moment

from connector.effects import Effect, Level, Note
from connector.presence import Presence, look, place_for
from connector.risk import Mode
from connector.sight import End
from connector.standing import DEFAULT, WishFile
from connector.trader import Trader

GUARD_SILENCE_NS: Final = 3 * SECOND_NS
"""A watchdog that has not moved for so long is none."""
_LOOK_NS: Final = SECOND_NS // 2


class Upkeep:
    """`trader` is None where no orders are carried out. Raises AlreadyRunning."""

    def __init__(
        self,
        name: str,
        exchange: str,
        folder: Path,
        trader: Trader | None,
        watchdog: Literal["off", "optional", "required"],
    ) -> None:
        self._presence = Presence(name, place_for(name, "c"))
        self._guard_path = place_for(name, "w")
        self._trader, self._watchdog = trader, watchdog
        self._wishes, self._wish = WishFile(folder), DEFAULT
        self._about: dict[str, object] = {"exchange": exchange, "state": str(folder)}
        self._told: dict[str, object] = {}
        self._guard_due, self._guarded = 0, watchdog == "off"
        self._first = True
        if trader is not None:
            trader.guarded = watchdog != "required"

    def tick(self, now: Moment, *, moving: bool = True) -> list[Effect]:
        """Do all of it; what is to be said comes back. `moving`: the event loop runs, and a watchdog may count on the next one."""
        effects = self._take_wish()
        if self._trader is not None and self._watchdog != "off" and now.mono >= self._guard_due:
            self._guard_due = now.mono + _LOOK_NS
            effects += self._look_for_guard(self._trader, now)
        self._first = False
        if (facts := self._facts()) != self._told:
            self._told = facts
            self._presence.tell(facts)
        if moving:
            self._presence.beat(now.mono)
        return effects

    def ends(self, *, orders_left: bool) -> None:
        """Say that this process ends by itself, so that no watchdog takes its end for a death."""
        self._presence.ends(End.ORDERS_LEFT if orders_left else End.CLEAN)

    def close(self) -> None:
        """Let go of the name."""
        self._presence.close()

    def _take_wish(self) -> list[Effect]:
        wish = self._wishes.changed()
        if wish is None:
            return []
        self._wish = wish
        if self._trader is None:
            return []
        if self._first and wish.mode is Mode.ACTIVE:
            return []
        kept = " since before this start; `connector resume` ends it" if self._first else ""
        return self._trader.set_mode(wish.mode, f"{wish.why}{kept}")

    def _look_for_guard(self, trader: Trader, now: Moment) -> list[Effect]:
        sight = look(self._guard_path)
        there = sight.alive and 0 < now.mono - sight.beat_ns < GUARD_SILENCE_NS
        news = there != self._guarded or (self._first and not there)
        self._guarded = there
        trader.guarded = there or self._watchdog == "optional"
        if not news:
            return []
        if there:
            return [Note(Level.INFO, "a watchdog is there")]
        what = "orders are refused until one is" if self._watchdog == "required" else "trading goes on without one"
        return [Note(Level.WARNING, f"no watchdog is there: {what}")]

    def _facts(self) -> dict[str, object]:
        trader = self._trader
        if trader is None:
            return {**self._about, "wish": self._wish.number}
        return {
            **self._about,
            "wish": self._wish.number,
            "mode": trader.risk.mode.value,
            "why": trader.risk.why,
            "ready": trader.ready,
            "lacks": trader.lacks,
            "orders": len(trader.ledger.active),
            "in_doubt": len(trader.ledger.doubtful()),
            "unexplained": {symbol: f"{qty:f}" for symbol, qty in trader.positions.unexplained.items()},
            "watchdog": self._guarded and self._watchdog != "off",
            **trader.margin.facts,
        }
