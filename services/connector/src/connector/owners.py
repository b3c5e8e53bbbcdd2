"""The bots of this connector: who they are, what they have registered, and what each is told of its orders. Pure.

What is told of an order whose bot has not registered since the start waits for it, and so does what the journal is to say behind that:
when this process is killed before, it is found anew.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from marketlink.messages import Batch, LiveEvent, OrderEvent
from marketlink.orders import Order

from connector.client_ids import digest_of
from connector.effects import Effect, Journal, Publish
from connector.ledger import Ledger
from connector.tracked import NOBODY, Tracked

MOST_HELD: Final = 10_000
"""Events held for a bot that has not registered since the start."""
MOST_ENDED: Final = 1_000
"""Ended orders of a bot and symbol that it is told again when it registers again."""


class Owners:
    """Who owns which orders, and how news of an order finds its owner."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._bots: dict[int, int] = {}  # digest -> bot id
        self._of_before: set[int] = set()
        self._registered: dict[int, set[str]] = {}
        self._held: dict[int, deque[LiveEvent | Journal]] = {}
        self._again: set[tuple[int, str]] = set()  # bots and symbols that have registered more than once
        self._ended: dict[tuple[int, str], deque[Tracked]] = {}

    def of_digest(self, digest: int) -> int:
        """The bot with this digest in its client ids, or NOBODY."""
        return self._bots.get(digest, NOBODY)

    def clash(self, bot_id: int) -> bool:
        """Whether another bot has this bot's digest."""
        return self._bots.get(digest_of(bot_id), bot_id) != bot_id

    def remember(self, bot_id: int) -> None:
        """Note a bot that an earlier process knew."""
        self._bots.setdefault(digest_of(bot_id), bot_id)
        self._of_before.add(bot_id)

    def of_before(self, bot_id: int) -> bool:
        """Whether an earlier process knew a bot: something that it asked may have been lost with that process."""
        return bot_id in self._of_before

    def has(self, bot_id: int, symbol: str) -> bool:
        """Whether a bot has registered a symbol."""
        return symbol in self._registered.get(bot_id, ())

    def symbols(self) -> set[str]:
        """The symbols that bots have registered."""
        return set().union(*self._registered.values(), set())

    def registered(self) -> Iterator[tuple[int, set[str]]]:
        """The bots and their symbols, the first to register first."""
        yield from self._registered.items()

    def register(self, bot_id: int, symbol: str) -> list[Effect]:
        """Take a registration: orders whose owner was not known are this bot's, and what waited for it is told."""
        digest = digest_of(bot_id)
        effects: list[Effect] = [] if self._bots.get(digest) == bot_id else [Journal({"t": "bot", "id": bot_id})]
        if self.has(bot_id, symbol):
            self._again.add((bot_id, symbol))
        self._bots[digest] = bot_id
        self._registered.setdefault(bot_id, set()).add(symbol)
        for one in list(self._ledger.active.values()):
            if one.bot_id == NOBODY and one.digest == digest:
                self._ledger.own(one, bot_id)
        for kept in self._held.pop(bot_id, ()):
            effects.append(kept if isinstance(kept, Journal) else Publish(Batch((kept,), bot_id, framed=False)))
        return effects

    def working(self, bot_id: int, symbol: str) -> list[OrderEvent]:
        """What a bot that registers is told of its orders: those that have not ended.

        Of one that an earlier process left, nothing is said before the exchange has spoken: the bot may know more of it than the journal.
        A bot that registers again may have lost the ends of others: it is told those too.
        """
        ended = self._ended.get((bot_id, symbol), ()) if (bot_id, symbol) in self._again else ()
        newest = [one for one in ended if self._has_its_number(one)]
        known = [one for one in self._ledger.of_bot(bot_id, symbol) if one.shown is not None]
        return [OrderEvent(symbol, one.as_order()) for one in [*newest, *known]]

    def told(self, tracked: Tracked, order: Order) -> list[Effect] | None:
        """Tell an order's owner of it; None when another order has its number: the bot would take it for news of that one."""
        return self.tell(tracked, OrderEvent(tracked.symbol, order)) if self._has_its_number(tracked) else None

    def ended(self, tracked: Tracked) -> list[Effect]:
        """Note that an order has ended, and that its owner was told so."""
        key = (tracked.bot_id, tracked.symbol)
        self._ended.setdefault(key, deque(maxlen=MOST_ENDED)).append(tracked)
        return self.when_told(tracked, Journal({"t": "end", "c": tracked.client_id}))

    def tell(self, tracked: Tracked, event: LiveEvent) -> list[Effect]:
        """Tell an order's owner something; it waits for a bot that has not registered."""
        if tracked.bot_id == NOBODY:
            return []
        return self._now_or_later(tracked.bot_id, event, Publish(Batch((event,), tracked.bot_id, framed=False)))

    def when_told(self, tracked: Tracked, record: Journal) -> list[Effect]:
        """Keep a record behind what the order's owner is told."""
        return [record] if tracked.bot_id == NOBODY else self._now_or_later(tracked.bot_id, record, record)

    def _now_or_later(self, bot_id: int, kept: LiveEvent | Journal, effect: Effect) -> list[Effect]:
        if bot_id in self._registered:
            return [effect]
        self._held.setdefault(bot_id, deque(maxlen=MOST_HELD)).append(kept)
        return []

    def _has_its_number(self, tracked: Tracked) -> bool:
        return self._ledger.find(tracked.bot_id, tracked.symbol, tracked.order_id) is tracked
