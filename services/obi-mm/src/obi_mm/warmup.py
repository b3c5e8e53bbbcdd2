"""Warm-up: feed the factors from stored days, so that quoting can begin at once.

The book is rebuilt from the beginning of the first day needed; the factors take their samples only from the span that
fills their windows. Recordings of either dialect (finished, or being written) and `.npz` may follow each other.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from data_convert import ConvertError, convert_recording, load
from marketlink.book.fused import FusedBook
from marketlink.events import DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EXCH, KIND_MASK, LOCAL, Events

from obi_mm.errors import DataError
from obi_mm.sizes import check_sizes
from obi_mm.strategy import Lack, Strategy

DAY_NS: Final = 86_400_000_000_000
_NAME = re.compile(r"(?P<symbol>.+?)[_-]?(?P<day>\d{8}|\d{4}-\d\d-\d\d)(?P<suffix>\.npz|\.gz|\.jsonl|\.jsonl\.gz)")


@dataclass(frozen=True, slots=True)
class Warmth:
    """What a warm-up achieved. Times are ns on the clock that was used; `note` says why there was nothing to take."""

    files: tuple[str, ...]
    first_ns: int
    last_ns: int
    samples: int
    returns: int
    lack: Lack
    note: str = ""

    @property
    def ready(self) -> bool:
        """Whether quoting can begin at once."""
        return self.lack.nanoseconds == 0

    def words(self) -> str:
        """Say in one line what was reached, what is missing and how long that takes at best."""
        taken = f"{len(self.files)} files, {self.samples} samples and {self.returns} returns taken"
        if self.note:
            return f"{self.note}; {taken}" if self.files else self.note
        if self.ready:
            return f"warm: {taken}"
        missing = [
            f"{count} {name}"
            for count, name in ((self.lack.samples, "samples"), (self.lack.returns, "returns"))
            if count
        ]
        return f"not warm yet: {taken}, {' and '.join(missing)} missing, {self.lack.nanoseconds / 60e9:.1f} min at best"


def needed_ns(strategy: Strategy) -> int:
    """Return the span that fills every window from nothing, and one interval to find the first point."""
    params = strategy.config.params
    samples = params.window * params.update_interval_ns
    returns = (params.volatility_window + 1) * params.volatility_interval_ns
    return max(samples, returns) + params.volatility_interval_ns


def choose_files(directory: Path, symbol: str, span_ns: int) -> list[Path]:
    """Return the files of a symbol whose days may hold the last `span_ns`, in order of days; one a day.

    Names are `{symbol}_{YYYYMMDD}` with `.gz`, `.jsonl` or `.npz`. A day that is there as a recording and as an array is
    taken as the recording, which may have grown since.
    """
    days: dict[str, Path] = {}
    for path in sorted(directory.iterdir() if directory.is_dir() else []):
        match = _NAME.fullmatch(path.name.lower())
        if match is None or match["symbol"].rstrip("_-") not in (symbol.lower(), f"usdm_{symbol.lower()}"):
            continue
        day = match["day"].replace("-", "")
        if day not in days or days[day].suffix == ".npz":
            days[day] = path
    if not days:
        return []
    newest = max(days)
    newest_day = datetime.strptime(newest, "%Y%m%d").replace(tzinfo=UTC)
    # The newest day may have just begun: then all of the span lies before it.
    oldest = (newest_day - timedelta(days=-(-span_ns // DAY_NS))).strftime("%Y%m%d")
    return [days[day] for day in sorted(days) if day >= oldest]


def load_arrays(paths: Sequence[Path], symbol: str | None) -> Iterator[tuple[Path, Events]]:
    """Yield the event arrays of files in order; recordings in a row are one, under the name of the first. Raises DataError."""
    recordings: list[Path] = []

    def converted() -> Iterator[tuple[Path, Events]]:
        if recordings:
            try:
                yield recordings[0], convert_recording(list(recordings), symbol=symbol).events
            except ConvertError as error:
                raise DataError(recordings[0], str(error)) from error
            recordings.clear()

    for path in paths:
        if path.suffix != ".npz":
            recordings.append(path)
            continue
        yield from converted()
        try:
            yield path, load(path)
        except ConvertError as error:
            raise DataError(path, str(error)) from error
    yield from converted()


def feed(strategy: Strategy, arrays: Sequence[Events], clock: str) -> tuple[int, int, int]:
    """Feed the factors from event arrays, each going on where the one before ended.

    Samples are taken at the boundaries at which a backtest or a live run would have decided, from the book of everything
    before. Returns the number of samples and the first and last time seen, ns.
    """
    flag, name = (EXCH, "exch_ts") if clock == "exchange" else (LOCAL, "local_ts")
    parts = []
    for events in arrays:
        mine = events[(events["ev"] & flag) != 0]
        parts.append(mine[np.argsort(mine[name], kind="stable")])
    parts = [part for part in parts if len(part)]
    if not parts:
        return 0, 0, 0
    rules = strategy.rules
    first_ns, last_ns = int(parts[0][name][0]), max(int(part[name][-1]) for part in parts)
    wake_ns = max(first_ns, last_ns - needed_ns(strategy)) // rules.update_ns * rules.update_ns + rules.update_ns
    book = FusedBook(rules.tick_size, rules.lot_size)
    samples, seen_ns = 0, 0
    for part in parts:
        times = part[name]
        kinds = part["ev"] & KIND_MASK
        is_depth = (kinds == DEPTH) | (kinds == DEPTH_SNAPSHOT) | (kinds == DEPTH_CLEAR)
        at = 0
        while wake_ns <= int(times[-1]):
            until = int(np.searchsorted(times, wake_ns))
            if until > at:
                book.apply(part[at:until][is_depth[at:until]])
                seen_ns, at = max(seen_ns, int(times[until - 1])), until
            if wake_ns - seen_ns <= rules.stale_ns:
                samples += _sample(strategy, book, wake_ns)
            wake_ns += rules.update_ns
        book.apply(part[at:][is_depth[at:]])
        seen_ns = max(seen_ns, int(times[-1]))
    strategy.wake_ns = wake_ns
    return samples, first_ns, last_ns


def warm_up(
    strategy: Strategy, paths: Sequence[Path], *, symbol: str | None, clock: str, now_ns: int, max_age_ns: int
) -> Warmth:
    """Feed the factors from files; raises DataError. History that ends longer ago than `max_age_ns` is not taken."""
    arrays: list[Events] = []
    for path, events in load_arrays(paths, symbol):
        check_sizes(events, strategy.rules.tick_size, strategy.rules.lot_size, path)
        arrays.append(events)
    flag, name = (EXCH, "exch_ts") if clock == "exchange" else (LOCAL, "local_ts")
    ends = [int(part[name].max()) for events in arrays if len(part := events[(events["ev"] & flag) != 0])]
    names = tuple(str(path) for path in paths)
    if not ends:
        return Warmth(names, 0, 0, 0, 0, strategy.lack(), "no market data to warm up from")
    if now_ns - max(ends) > max_age_ns:
        age_s = (now_ns - max(ends)) / 1e9
        return Warmth(names, 0, max(ends), 0, 0, strategy.lack(), f"the data ends {age_s:,.0f} s ago, too long")
    samples, first_ns, last_ns = feed(strategy, arrays, clock)
    return Warmth(names, first_ns, last_ns, samples, strategy.volatility.count, strategy.lack())


def _sample(strategy: Strategy, book: FusedBook, now_ns: int) -> int:
    if not book.bid_count or not book.ask_count or book.best_bid_tick >= book.best_ask_tick:
        return 0
    bids, asks = strategy.sums(*book.bids(), *book.asks())
    if not (bids >= 0 and asks >= 0):
        return 0
    strategy.observe(now_ns, book.best_bid_tick, book.best_ask_tick, bids, asks)
    return 1
