"""How long to wait before the next attempt, and what a Retry-After header says: pure, randomness and time are arguments."""

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from marketlink.times import SECOND_NS, WallNs

MAX_RETRY_AFTER_S: Final = 3 * 86400.0  # the longest ban that the exchange documents: nothing is waited for longer


@dataclass(frozen=True, slots=True)
class BackoffSettings:
    """`min_s`, times `factor` with each attempt, up to `cap_s`; anew once a connection lasted longer than `lasting_s`."""

    min_s: float = 0.1
    factor: float = 2.0
    cap_s: float = 60.0
    lasting_s: float = 30.0


class Backoff:
    """Growing delays with jitter: each is drawn between half of its step and all of it, so that many feeds don't return at once."""

    def __init__(self, rng: random.Random, settings: BackoffSettings | None = None) -> None:
        self._rng, self._settings = rng, settings or BackoffSettings()
        self._step_s = self._settings.min_s

    def delay_s(self, lasted_s: float = 0.0) -> float:
        """Return the wait after a connection that lasted `lasted_s` (0: it never came about)."""
        settings = self._settings
        if lasted_s > settings.lasting_s:
            self._step_s = settings.min_s
        whole_s = min(self._step_s, settings.cap_s)
        self._step_s = min(whole_s * settings.factor, settings.cap_s)
        return whole_s * self._rng.uniform(0.5, 1.0)


def retry_after_s(header: str | None, wall_ns: WallNs) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date (RFC 9110 10.2.3), as 0 to `MAX_RETRY_AFTER_S`.

    None when it is absent or says nothing usable. The date is the one thing here that needs the wall clock.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except (ValueError, TypeError, OverflowError, LookupError):  # it splits whatever it is given
            return None
        if when.tzinfo is None:  # "-0000": UTC all the same
            when = when.replace(tzinfo=UTC)
        seconds = (when - _EPOCH).total_seconds() - wall_ns / SECOND_NS
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def retry_after_remark(header: str | None, wait_s: float | None) -> str | None:
    """What there is to say of a Retry-After header and what was read from it; None when it is as it should be."""
    if header is None or (wait_s is not None and wait_s < MAX_RETRY_AFTER_S):
        return None
    if wait_s is None:
        return f"Retry-After {header[:60]!r} can't be read and is left out"
    return f"Retry-After {header[:60]!r} is taken as {MAX_RETRY_AFTER_S / 86400:g} days, the longest that is waited"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
