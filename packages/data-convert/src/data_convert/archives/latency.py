"""Local times for sources that have none: a stated model of the latency between exchange and receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from data_convert.events import LOCAL, Events, has_flag
from data_convert.sizes import check_ns

DAY_NS: Final = 86_400_000_000_000
Ints = npt.NDArray[np.int64]


class FeedLatency(Protocol):
    """How long after the exchange's time a message is received."""

    def at(self, exch_ns: Ints) -> Ints:
        """Return the latency in ns of messages of these exchange times."""

    def describe(self) -> str:
        """Say what is assumed, for the report."""


@dataclass(frozen=True, slots=True)
class ConstantLatency:
    """The same latency for all. Raises ValueError for one that is no length of time."""

    latency_ns: int

    def __post_init__(self) -> None:
        check_ns(self.latency_ns, "latency_ns")

    def at(self, exch_ns: Ints) -> Ints:
        """Return the latency in ns of messages of these exchange times."""
        return np.broadcast_to(np.int64(self.latency_ns), exch_ns.shape)

    def describe(self) -> str:
        """Say what is assumed, for the report."""
        return f"exchange time + {self.latency_ns} ns"


@dataclass(frozen=True, slots=True)
class RecordedLatency:
    """What another day's feed had at the same time of day: the last row not later, the day's last before its first."""

    times_ns: Ints
    latencies_ns: Ints
    name: str

    @classmethod
    def of(cls, events: Events, name: str) -> RecordedLatency:
        """Take the latencies of an event array; raises ValueError when it has none, or negative ones."""
        rows = events[has_flag(events, LOCAL)]
        latency_ns = rows["local_ts"] - rows["exch_ts"]
        if not len(rows) or int(latency_ns.min()) < 0:
            raise ValueError("the event file has no rows, or rows received before they happened")
        time_ns = rows["exch_ts"] % DAY_NS
        order = np.argsort(time_ns, kind="stable")
        return cls(time_ns[order], latency_ns[order], name)

    def at(self, exch_ns: Ints) -> Ints:
        """Return the latency in ns of messages of these exchange times."""
        found: Ints = self.latencies_ns[np.searchsorted(self.times_ns, exch_ns % DAY_NS, side="right") - 1]
        return found

    def describe(self) -> str:
        """Say what is assumed, for the report."""
        return f"exchange time + the latency of {self.name} at the same time of day"
