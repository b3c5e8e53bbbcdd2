"""What the exchange allows: request weight a minute, connection attempts, incoming messages a second, orders. Time is
an argument.

weight:  ALLOWED --over the limit--> 429 --still asking `patience` times--> 418, for twice as long every time
(exchange.md section 1)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """May a request pass: `status` is 200, 429 or 418; `used` the weight of this minute; `retry_after_s` whole
    seconds to wait."""

    status: int
    used: int
    retry_after_s: int = 0


class WeightLimit:
    """Weight per clock minute of one address, with the ban that follows ignoring 429."""

    def __init__(
        self, per_minute: int = 2400, patience: int = 10, first_ban_s: int = 120, longest_ban_s: int = 259_200
    ) -> None:
        self.per_minute = per_minute
        self._patience = patience
        self._longest_ban_s = longest_ban_s
        self._next_ban_s = first_ban_s
        self._minute = -1
        self._used = 0
        self._refused = 0
        self._banned_until_s = 0.0
        self._closed_until_s = 0.0
        self.peak = 0

    @property
    def used(self) -> int:
        """Weight used in the minute of the last request."""
        return self._used

    def charge(self, now_s: float, weight: int) -> Verdict:
        """Count one request of that weight at `now_s` seconds of wall time and say whether it passes. Refused
        requests cost no weight."""
        minute = int(now_s // 60)
        if minute != self._minute:
            self._minute, self._used, self._refused = minute, 0, 0
        if now_s < self._banned_until_s:
            return Verdict(418, self._used, _ceil(self._banned_until_s - now_s))
        if now_s >= self._closed_until_s and self._used + weight <= self.per_minute:
            self._used += weight
            self.peak = max(self.peak, self._used)
            return Verdict(200, self._used)
        self._refused += 1
        if self._refused > self._patience:
            self._banned_until_s = now_s + self._next_ban_s
            self._next_ban_s = min(2 * self._next_ban_s, self._longest_ban_s)
            return Verdict(418, self._used, _ceil(self._banned_until_s - now_s))
        opens_s = max(self._closed_until_s, (minute + 1) * 60 if self._used + weight > self.per_minute else 0.0)
        return Verdict(429, self._used, max(1, _ceil(opens_s - now_s)))

    def close(self, until_s: float) -> None:
        """Refuse everything until then, as if the weight were used up."""
        self._closed_until_s = until_s


class SlidingLimit:
    """At most `most` events within any `window_s` seconds; `most` 0 switches it off."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most = most
        self._window_s = window_s
        self._times: deque[float] = deque()

    def allow(self, now_s: float) -> bool:
        """Count one event at `now_s`; False when it is one too many."""
        if not self._most:
            return True
        while self._times and self._times[0] <= now_s - self._window_s:
            self._times.popleft()
        self._times.append(now_s)
        return len(self._times) <= self._most


@dataclass(frozen=True, slots=True)
class OrderPool:
    """So many orders within a clock window of `seconds`."""

    seconds: int
    most: int


POOLS = (OrderPool(10, 300), OrderPool(60, 1200))
"""As the exchange documents them."""


class OrderCounts:
    """Orders of one account in each pool, over clock windows. Modifications count, cancels do not."""

    def __init__(self, pools: tuple[OrderPool, ...] = POOLS) -> None:
        self.pools = pools
        self._windows = [-1] * len(pools)
        self._used = [0] * len(pools)
        self.peaks = [0] * len(pools)

    def charge(self, now_s: float) -> OrderPool | None:
        """Count one order; the pool that is full, when one is. A refused order is not counted."""
        self._roll(now_s)
        for pool, used in zip(self.pools, self._used, strict=True):
            if used >= pool.most:
                return pool
        for at in range(len(self.pools)):
            self._used[at] += 1
            self.peaks[at] = max(self.peaks[at], self._used[at])
        return None

    def used(self, now_s: float) -> list[tuple[OrderPool, int]]:
        """What each pool's present window holds."""
        self._roll(now_s)
        return list(zip(self.pools, self._used, strict=True))

    def _roll(self, now_s: float) -> None:
        for at, pool in enumerate(self.pools):
            window = int(now_s // pool.seconds)
            if window != self._windows[at]:
                self._windows[at], self._used[at] = window, 0


def _ceil(seconds: float) -> int:
    return -int(-seconds // 1)
