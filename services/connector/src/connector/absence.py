"""Which bots are gone, since when, and what that means for their orders. Pure.

A bot that was heard and whose process has ended is gone. One that was never heard since the start is gone only while nobody is on the
link of whom nothing was heard: a bot of the source says nothing after a restart of the connector, and lives.
"""

from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Final

from marketlink.link.port import Present
from marketlink.times import SECOND_NS, MonoNs

ORPHAN_NS: Final = 10 * SECOND_NS
"""A bot that is gone for so long does not come back: this project's bots are back within three seconds of a restart."""


class Orphans(Enum):
    """What becomes of orders whose bot does not come back."""

    KEEP = "keep"
    CANCEL = "cancel"
    FIRST_REGISTRANT = "first_registrant"


class Absence:
    """`timeout_ns`: cancel after so long; 0: never."""

    def __init__(self, timeout_ns: int, orphans: Orphans) -> None:
        waits = [timeout_ns] if timeout_ns else []
        waits += [ORPHAN_NS] if orphans is Orphans.CANCEL else []
        self._cancel_ns = min(waits, default=None)
        self._hand_over = orphans is Orphans.FIRST_REGISTRANT
        self._since: dict[int, MonoNs] = {}
        self._heard: set[int] = set()

    @property
    def matters(self) -> bool:
        """Whether anything happens when a bot is gone."""
        return self._cancel_ns is not None or self._hand_over

    def look(self, owners: AbstractSet[int], present: Present, now: MonoNs) -> tuple[set[int], set[int]]:
        """Return of those who own orders the ones whose orders are to be cancelled, and those whose orders are nobody's now."""
        self._heard |= present.bots
        gone = {bot for bot in owners - present.bots if bot in self._heard or present.whole}
        self._since = {bot: self._since.get(bot, now) for bot in gone}
        cancel_ns = self._cancel_ns
        cancelled = {bot for bot, since in self._since.items() if cancel_ns is not None and now - since >= cancel_ns}
        orphaned = {bot for bot, since in self._since.items() if self._hand_over and now - since >= ORPHAN_NS}
        return cancelled, orphaned - cancelled
