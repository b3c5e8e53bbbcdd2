"""Tardis CSV files to event arrays or `.npz`: decides how many passes are needed and by how much local times move."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypedDict, TypeVar, Unpack

import numpy as np
import numpy.typing as npt

from data_convert.arrays.book import count_sides, depth_rows, walk_rows
from data_convert.arrays.timeline import order_events
from data_convert.choice import affordable, few
from data_convert.errors import ClockError
from data_convert.events import EVENT_DTYPE, Events, count_kinds
from data_convert.files.paths import Paths, Progress, listed_paths
from data_convert.files.writer import NpzWriter, check_target
from data_convert.report.values import OUTLIER_NS, Report, Result
from data_convert.tardis.end_book import EndBook, crossed
from data_convert.tardis.fused import Fuse
from data_convert.tardis.look import look
from data_convert.tardis.passes import (
    LATE_LIMIT,
    NOT_MET,
    Found,
    Merged,
    Repair,
    Settings,
    Sink,
    TooManyLate,
    join_samples,
    merge_pass,
    merge_steps,
    read_kind_rows,
    scan,
    total_bytes,
)
from data_convert.tardis.sinks import ArraySink, file_sink
from data_convert.tardis.states import WINDOW_NS
from data_convert.tardis.summary import make_report
from data_convert.words import Compress, LatencyShift, Mode, check_word

_BYTES_A_ROW: Final = 5
"""Of a gzip file; plain ones are taken to be larger than they are."""
_NS_A_ROW: Final = 6_000
_MOST_SHIFT_NS: Final = 1 << 62
_PASSES: Final = 4

Words = npt.NDArray[np.int64]
Known = tuple[Words, Words]
_Made = TypeVar("_Made")


class Options(TypedDict, total=False):
    """What a conversion of Tardis files may be told."""

    snapshot_mode: Mode
    base_latency_ns: int
    latency_shift: LatencyShift
    outlier_ns: int | None
    symbol: str | None
    strict: bool
    window_ns: int
    progress: Progress | None


def convert_tardis(paths: Paths, **options: Unpack[Options]) -> Result:
    """Convert Tardis CSV files (trades, incremental_book_L2; plain or gzip; any number of days) to an event array.

    `snapshot_mode`: what becomes of blocks of snapshot rows: discard (each replaces the whole book), process (each
    replaces what it spans, as HftBacktest's converter does), ignore_sod (the same, without those that open a file),
    ignore. `latency_shift`: auto moves local times only where a latency is negative, always adds `base_latency_ns`
    in any case. `outlier_ns`: rows whose latency is so far below the first percentile do not decide the shift and
    are mended. `symbol`: take this one out of files of several. `strict`: StrictError at the first flaw. Raises
    InputError, FormatError, SymbolError, StrictError, ClockError; ValueError and TypeError for unknown options.
    """
    return TardisWork(paths, **options).to_array()


def convert_tardis_file(
    paths: Paths,
    output: str | os.PathLike[str],
    *,
    force: bool = False,
    compress: Compress = "default",
    **options: Unpack[Options],
) -> Report:
    """Convert Tardis CSV files to an `.npz` in memory that does not grow with their length.

    Options as of `convert_tardis`; `force` and `compress` as of `save`, which writes the same bytes. Raises
    OutputError too.
    """
    check_target(Path(output), force, ".npz")
    return TardisWork(paths, **options).to_file(output, force, compress)


class _UnknownShift(Exception):
    """A negative latency was met while rows are written that cannot be moved any more."""


class _Late(Exception):
    """Rows came later than the window, so that what is being written is not to stay."""

    def __init__(self, merged: Merged) -> None:
        super().__init__("rows come later than the window")
        self.merged = merged


class TardisWork:
    """The files in their order, the options, and what follows from both."""

    def __init__(
        self,
        paths: Paths,
        fuse: Fuse | None = None,
        *,
        snapshot_mode: Mode = "discard",
        base_latency_ns: int = 0,
        latency_shift: LatencyShift = "auto",
        outlier_ns: int | None = None,
        symbol: str | None = None,
        strict: bool = False,
        window_ns: int = WINDOW_NS,
        progress: Progress | None = None,
    ) -> None:
        check_word("snapshot_mode", snapshot_mode, Mode)
        check_word("latency_shift", latency_shift, LatencyShift)
        for name, number in (("base_latency_ns", base_latency_ns), ("outlier_ns", outlier_ns or 0)):
            if isinstance(number, bool) or not isinstance(number, int):
                raise TypeError(f"{name} must be an integer number of nanoseconds, not {number!r}")
        self.base_latency_ns, self.latency_shift, self.outlier_ns = base_latency_ns, latency_shift, outlier_ns
        self.window_ns, self.progress, self.symbol = window_ns, progress, symbol
        self.late = 0
        self.sorted_at_once = False
        files, prefix = look(listed_paths(paths), symbol, fuse is not None)
        self.settings = Settings(files, prefix, snapshot_mode, symbol, strict, fuse=fuse)
        rows = total_bytes(self.settings) // _BYTES_A_ROW
        if fuse is None and affordable(rows, _NS_A_ROW):
            self.settings = replace(self.settings, in_python=True)
        if outlier_ns is not None:
            self.settings = replace(self.settings, repair=self._repair(outlier_ns))

    def _repair(self, outlier_ns: int) -> Repair | None:
        """Read the files once to learn what latencies are usual."""
        sample = join_samples([found.sample for found in scan(self.settings, self.progress)])
        if not len(sample):
            return None
        usual = int(np.quantile(sample, 0.01, method="lower"))
        return Repair(usual - outlier_ns, usual)

    @staticmethod
    def smallest(both: tuple[Found, Found]) -> int:
        """Return the smallest latency of all rows, NOT_MET without rows."""
        return min(found.smallest_ns for found in both)

    def shift_of(self, smallest_ns: int) -> int:
        """HftBacktest's rule: nothing moves unless a latency is negative; `always` adds the base latency anyway."""
        if smallest_ns == NOT_MET:
            return 0
        shift = max(-smallest_ns, 0)
        if shift or self.latency_shift == "always":
            shift += self.base_latency_ns
        if abs(shift) > _MOST_SHIFT_NS:
            raise ClockError(shift)
        return shift

    def fixed_shift(self, shift_ns: int) -> Callable[[int], int]:
        """Return what answers with `shift_ns`, and raises _UnknownShift where that is not enough."""

        def shift(smallest_ns: int) -> int:
            if self.shift_of(smallest_ns) > shift_ns:
                raise _UnknownShift
            return shift_ns

        return shift

    def in_passes(self, attempt: Callable[[Known, int], tuple[Merged, _Made]]) -> tuple[Known, Merged, _Made] | None:
        """Merge until no row is late, all rows known that were late before; None when too many are late for a window.

        `attempt` gets the rows that are known and the shift that is known so far.
        """
        known = no_rows()
        shift_ns = 0 if self.latency_shift == "auto" else self.base_latency_ns
        for _ in range(_PASSES):
            try:
                merged, made = attempt(known, shift_ns)
            except _UnknownShift:
                shift_ns = self.shift_of(self.smallest(scan(self.settings, self.progress)))
                continue
            except _Late as late:
                merged = late.merged
            except TooManyLate:
                return None
            if not any(map(len, merged.late)):
                return known, merged, made
            known = join_known(known, merged.late)
            self.late = sum(map(len, known))
            if self.late > LATE_LIMIT:
                return None
        return None

    def merge(self, known: Known, sink: Sink, shift_of: Callable[[int], int]) -> Merged:
        """Merge all rows into a sink."""
        return merge_pass(merge_steps(self.settings, known, sink, shift_of, self.window_ns, self.progress))

    def to_array(self) -> Result:
        """Convert to an array."""

        def attempt(known: Known, shift_ns: int) -> tuple[Merged, ArraySink]:
            sink = ArraySink(self.shift_of)
            return self.merge(known, sink, sink.shift), sink

        at_once = self.sort_few()
        found = None if at_once else self.in_passes(attempt)
        if found is not None:
            return self._result(found[2].finish(), found[1])
        return self._result(*(at_once or self.sort_everything()))

    def _result(self, events: Events, merged: Merged) -> Result:
        return Result(events, self.report(merged, len(events)))

    def to_file(self, output: str | os.PathLike[str], force: bool, compress: Compress) -> Report:
        """Convert to an `.npz`, in as many passes as are needed."""

        def attempt(known: Known, shift_ns: int) -> tuple[Merged, int]:
            with NpzWriter(output, force=force, compress=compress) as writer:
                sink = file_sink(writer)
                merged = self.merge(known, sink, self.fixed_shift(shift_ns))
                sink.flush()
                if any(map(len, merged.late)):
                    raise _Late(merged)
            return merged, writer.rows

        at_once = self.sort_few()
        found = None if at_once else self.in_passes(attempt)
        if found is not None:
            return self.report(*found[1:])
        with NpzWriter(output, force=force, compress=compress) as writer:
            result = self._result(*(at_once or self.sort_everything()))
            writer.write(result.events)
        return result.report

    def sort_few(self) -> tuple[Events, Merged] | None:
        """Read and sort small files in Python; None where rows are late for a window, and where files are not small.

        Events and report are those of the merge.
        """
        if not self.settings.in_python:
            return None
        both = (Found(), Found())
        streams = [[p.rows.copy() for p in read_kind_rows(self.settings, i, both[i])] for i in range(2)]
        few(sum(found.rows for found in both), _NS_A_ROW)
        raw = [np.concatenate([np.empty((0, 8), np.int64), *rows]) for rows in streams]
        for rows in raw:
            for clock in (1, 2):
                if np.any(np.maximum.accumulate(rows[:, clock]) - rows[:, clock] > self.window_ns):
                    self.settings = replace(self.settings, in_python=False)
                    return None
        depth: Events = raw[1].reshape(-1).view(EVENT_DTYPE)
        changes = depth[depth_rows(depth)]
        book = walk_rows(changes, np.zeros(len(changes), np.int64)).book
        return self._sorted(both, np.concatenate(raw), crossed(book.best_bid, book.best_ask))

    def sort_everything(self) -> tuple[Events, Merged]:
        """Hold all rows and sort them at once: for rows in any order at all."""
        self.sorted_at_once = True
        both = (Found(), Found())
        books = None, EndBook()
        rows = [p.rows.copy() for i in range(2) for p in read_kind_rows(self.settings, i, both[i], books[i])]
        raw = np.concatenate([np.empty((0, 8), np.int64), *rows])
        del rows
        return self._sorted(both, raw, crossed(*books[1].best()))

    def _sorted(self, both: tuple[Found, Found], raw: Words, how_crossed: str) -> tuple[Events, Merged]:
        raw[:, 5] = 0
        spans = None
        if len(raw):
            exch, local = ((int(raw[:, word].min()), int(raw[:, word].max())) for word in (1, 2))
            spans = exch, local
        shift = self.shift_of(self.smallest(both))
        if spans is not None and spans[1][1] + shift > NOT_MET:
            raise ClockError(shift)
        raw[:, 2] += shift
        events = order_events(raw.reshape(-1).view(EVENT_DTYPE))
        return events, Merged(both, no_rows(), count_kinds(events), count_sides(events), spans, how_crossed)

    def report(self, merged: Merged, rows: int) -> Report:
        """Describe what was found."""
        smallest = self.smallest(merged.found)
        settings = {
            "snapshots": self.settings.mode,
            "base latency": f"{self.base_latency_ns} ns",
            "latency shift": self.latency_shift,
        }
        if self.settings.fuse is not None:
            settings = {"source": "tardis, fused"} | settings
            for name, size in (("tick size", self.settings.fuse.tick_size), ("lot size", self.settings.fuse.lot_size)):
                settings[name] = "exact" if size is None else f"{size}"
        notes = {"rows later than the window": self.late} if self.late else {}
        return make_report(
            merged,
            rows,
            self.shift_of(smallest),
            self.settings,
            settings,
            notes,
            list(self._warnings(merged, smallest)),
        )

    def _warnings(self, merged: Merged, smallest_ns: int) -> Iterator[str]:
        sample = join_samples([found.sample for found in merged.found])
        usual = int(np.quantile(sample, 0.01, method="lower")) if len(sample) else smallest_ns
        if smallest_ns != NOT_MET and smallest_ns < usual - OUTLIER_NS:
            at = min(merged.found, key=lambda found: found.smallest_ns).smallest_at
            yield (
                f"one stamp decides the correction: the smallest latency {smallest_ns} ns at {at} is "
                f"{(usual - smallest_ns) / 1e9:.3f} s below the first percentile; --outlier-ns {OUTLIER_NS} mends it"
            )
        for found in merged.found:
            if found.repaired:
                more = ", ..." if found.repaired > len(found.repaired_at) else ""
                yield f"{found.repaired:,} absurd stamps were mended: {', '.join(found.repaired_at)}{more}"
        if merged.crossed:
            rule = "" if self.settings.mode == "discard" else "; --snapshot-mode discard is the vendor's rule"
            yield f"the book ends crossed: {merged.crossed}{rule}"
        if self.sorted_at_once:
            yield "rows come in no order that a window could put right: all were sorted at once, in memory"


def no_rows() -> Known:
    """Return no row known of either stream."""
    return np.empty((0, 8), np.int64), np.empty((0, 8), np.int64)


def join_known(known: Known, missed: Known) -> Known:
    """Return the rows known and missed of both streams, ascending by their numbers."""
    joined = [np.concatenate(pair) for pair in zip(known, missed, strict=True)]
    first, second = (rows[np.argsort(rows[:, 5], kind="stable")] for rows in joined)
    return first, second
