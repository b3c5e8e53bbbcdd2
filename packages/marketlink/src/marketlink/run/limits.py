"""The request weight that may still be spent at a venue: pure, time is an argument.

Binance counts weight in calendar minutes of its own clock. What is spent here is counted for a whole minute and a little more
from the moment it was sent, so no minute, wherever it begins, can hold more than the limit, and a request that
travels longer than its predecessor does no harm (docs/venues/binance.md, limits).
"""

from collections import deque

from marketlink.times import SECOND_NS, MonoNs, after
from marketlink.venues.base import WeightLimit

__all__ = ["SECOND_NS", "WeightBudget"]


class WeightBudget:
    """A venue's weight limit for one address.

    `reserve` is the part that only urgent requests may use; `slack_s` is how much longer than the limit's period a request counts.
    A request that weighs more than the limit goes when nothing else counts: else it would wait for ever.
    """

    def __init__(self, limit: WeightLimit, reserve: float = 0.1, slack_s: float = 2.0) -> None:
        if not 0 <= reserve < 1:
            raise ValueError(f"reserve must be at least 0 and below 1, not {reserve}")
        self._reserve, self._slack_ns = reserve, int(slack_s * SECOND_NS)
        self._spent: deque[tuple[MonoNs, int]] = deque()  # (when, weight), oldest first
        self._sum = 0
        self._held_until_ns = MonoNs(0)
        self._banned_until_ns = MonoNs(0)
        self.set_limit(limit)

    def set_limit(self, limit: WeightLimit) -> None:
        """Take another limit, as told by the venue. Raises ValueError when it allows nothing."""
        if limit.weight < 1 or limit.per_s < 1:
            raise ValueError(f"a limit must allow something: {limit}")
        self.limit = limit
        self._keep_ns = limit.per_s * SECOND_NS + self._slack_ns
        self._ordinary = max(1, limit.weight - int(limit.weight * self._reserve))

    def used(self, now_ns: MonoNs) -> int:
        """Return the weight that counts at `now_ns`."""
        spent = self._spent
        while spent and spent[0][0] + self._keep_ns <= now_ns:
            self._sum -= spent.popleft()[1]
        return self._sum

    def wait_ns(self, weight: int, now_ns: MonoNs, *, urgent: bool = False) -> int:
        """Return how long a request must wait; 0: it may go now."""
        most = max(self.most(urgent=urgent), weight)
        ready_ns = max(now_ns, self._held_until_ns)
        excess = self.used(now_ns) + weight - most
        for when_ns, part in self._spent:
            if excess <= 0:
                break
            excess -= part
            ready_ns = max(ready_ns, after(when_ns, self._keep_ns))
        return ready_ns - now_ns

    def most(self, *, urgent: bool = False) -> int:
        """Return how much weight such requests may use together."""
        return self.limit.weight if urgent else self._ordinary

    def spend(self, weight: int, now_ns: MonoNs) -> None:
        """Count a request that is sent now."""
        if weight:
            self._spent.append((max(now_ns, self._spent[-1][0]) if self._spent else now_ns, weight))
            self._sum += weight

    def observe(self, used: int, now_ns: MonoNs) -> None:
        """Take what the venue says is used: more than is known here was spent by others on this address."""
        unknown = used - self.used(now_ns)
        if unknown > 0:
            self.spend(unknown, now_ns)

    def on_limited(self, retry_after_s: float, now_ns: MonoNs) -> None:
        """Hold every request, urgent ones too, until the venue wants to be asked again (HTTP 429)."""
        self._held_until_ns = max(self._held_until_ns, after(now_ns, int(retry_after_s * SECOND_NS)))

    def on_banned(self, retry_after_s: float, now_ns: MonoNs) -> None:
        """Note that this address is banned (HTTP 418): nothing may even be tried."""
        self.on_limited(retry_after_s, now_ns)
        self._banned_until_ns = max(self._banned_until_ns, after(now_ns, int(retry_after_s * SECOND_NS)))

    def banned_for_ns(self, now_ns: MonoNs) -> int:
        """Return how long the ban goes on; 0: there is none."""
        return max(0, self._banned_until_ns - now_ns)
