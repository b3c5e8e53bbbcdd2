"""The request weight and the orders that may still be spent at a venue: pure, time is an argument.

Binance counts weight in calendar minutes of its own clock. What is spent here is counted for a whole minute and a little more
from the moment it was sent, so no minute, wherever it begins, can hold more than the limit, and a request that
travels longer than its predecessor does no harm (docs/venues/binance.md, limits).
"""

from collections import deque
from collections.abc import Sequence

from marketlink.times import SECOND_NS, MonoNs, after
from marketlink.venues.base import WeightLimit
from marketlink.venues.trading import OrderLimit

__all__ = ["SECOND_NS", "OrderBudget", "WeightBudget"]


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
        """Return how long a request must wait; 0: it may go now. What weighs nothing waits only while all is held."""
        ready_ns = max(now_ns, self._held_until_ns)
        if not weight:
            return ready_ns - now_ns
        most = max(self.most(urgent=urgent), weight)
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


class OrderBudget:
    """A venue's limits on the number of orders of one account, each on its own; cancels do not count and never wait here.

    Orders count for `slack_s` longer than a limit's period, for the same reason as weight does.
    """

    def __init__(self, limits: Sequence[OrderLimit], slack_s: float = 1.0) -> None:
        self._slack_s = slack_s
        self._pools: dict[OrderLimit, WeightBudget] = {}
        self.set_limits(limits)

    @property
    def limits(self) -> Sequence[OrderLimit]:
        """The limits that hold."""
        return tuple(self._pools)

    def set_limits(self, limits: Sequence[OrderLimit]) -> None:
        """Take other limits, as told by the venue; what counts already goes on counting where the period is the same.

        Raises ValueError when one allows nothing.
        """
        kept = {limit.per_s: pool for limit, pool in self._pools.items()}
        pools = {}
        for limit in limits:
            most = WeightLimit(limit.most, limit.per_s)
            pools[limit] = kept.get(limit.per_s) or WeightBudget(most, 0.0, self._slack_s)
            pools[limit].set_limit(most)
        self._pools = pools

    def wait_ns(self, orders: int, now_ns: MonoNs) -> int:
        """Return how long so many orders must wait; 0: they may go now."""
        return max((pool.wait_ns(orders, now_ns) for pool in self._pools.values()), default=0) if orders else 0

    def spend(self, orders: int, now_ns: MonoNs) -> None:
        """Count orders that are sent now."""
        for pool in self._pools.values():
            pool.spend(orders, now_ns)

    def observe(self, limit: OrderLimit, used: int, now_ns: MonoNs) -> None:
        """Take what the venue says counts against a limit; another process may trade for the same account."""
        self._pools[limit].observe(used, now_ns)

    def on_limited(self, retry_after_s: float, now_ns: MonoNs) -> None:
        """Hold every order until the venue wants one again."""
        for pool in self._pools.values():
            pool.on_limited(retry_after_s, now_ns)
