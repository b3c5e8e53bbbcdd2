"""Files of a backtest as the engine takes them: event rows, the book at the start, order latencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from data_convert import ConvertError, load
from data_convert.arrays.order_latency import LATENCY_DTYPE
from marketlink.events import EXCH, LOCAL, Events

from obi_mm.errors import DataError
from obi_mm.inputs import check_names, check_values
from obi_mm.rows import ClearsSpelledOut, on_exchange_clock
from obi_mm.sizes import check_sizes


@dataclass(frozen=True, slots=True)
class Day:
    """Event rows as the engine takes them; times are on the local clock, `low` and `high` are the prices between which all are."""

    rows: Events
    first_ns: int
    last_ns: int
    low: float
    high: float

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows)


def day_of(events: Events, spelled: ClearsSpelledOut, clock: str, name: str) -> Day:
    """Prepare one array; raises DataError where it has no rows for the engine."""
    if clock == "exchange":
        events = on_exchange_clock(events)
    rows = spelled.take(events)
    local = rows["local_ts"][(rows["ev"] & LOCAL) != 0]
    if not len(local) or not ((rows["ev"] & EXCH) != 0).any():
        raise DataError(name, "has no rows for the exchange's and the local clock")
    return Day(np.ascontiguousarray(rows), int(local[0]), int(local.max()), *prices_of(rows))


def prices_of(rows: Events) -> tuple[float, float]:
    """Return the least and the greatest price of rows, 0 where there is none."""
    prices = rows["px"][np.isfinite(rows["px"]) & (rows["px"] > 0)]
    return (float(prices.min()), float(prices.max())) if len(prices) else (0.0, 0.0)


def load_snapshot(path: str | Path, tick_size: float, lot_size: float) -> Events:
    """Read an initial snapshot; raises DataError."""
    try:
        events = load(path)
    except ConvertError as error:
        raise DataError(path, str(error)) from error
    check_values(events, tick_size, lot_size, path)
    check_sizes(events, tick_size, lot_size, path)
    return events


def load_latencies(paths: Sequence[str]) -> Any:
    """Read order latencies, one file after the other, as one array; raises DataError where requests are not in order of time."""
    check_names(paths)
    parts: list[Any] = []
    for path in paths:
        try:
            with np.load(path, allow_pickle=False) as archive:
                part = np.ascontiguousarray(archive["data"])
        except (OSError, KeyError, ValueError, AttributeError, BadZipFile) as error:
            raise DataError(path, f"holds no order latencies ({error})") from error
        if part.dtype != LATENCY_DTYPE or part.ndim != 1 or not len(part):
            raise DataError(path, f"holds {part.dtype} of shape {part.shape}, no order latencies")
        times = part["req_ts"] if not parts else np.concatenate((parts[-1]["req_ts"][-1:], part["req_ts"]))
        back = np.flatnonzero(np.diff(times) < 0)
        if len(back):
            row = int(back[0]) + (0 if parts else 1)
            raise DataError(path, f"row {row:,}: asked before the one in front of it; name files in order of time")
        parts.append(part)
    return np.concatenate(parts)
