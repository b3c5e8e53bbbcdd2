"""Depth, best quotes and tickers of Tardis as one stream of rows: put in order of local time, then through the fused book.

Of equal times depth comes first: the quote is the finer statement and has the last word. A snapshot block is one
statement, whatever its times. The rules of the book are those of `data_convert.recordings.venues.fusing`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from data_convert.events import DEPTH, DEPTH_BBO, DEPTH_CLEAR, FUNDING_RATE, INDEX_PRICE, KIND_MASK, MARK_PRICE
from data_convert.tardis.rows import Counts, Kind, Parsed, Probe, TardisRows

Words = npt.NDArray[np.int64]

_RANK: Final = {Kind.DEPTH: 0, Kind.SNAPSHOT: 0, Kind.TICKER: 1, Kind.DERIVATIVE: 2}
_ROWS: Final = 1 << 15
_LEVELS: Final = 1 << 12
_STEP_BACK_NS: Final = 2_000_000_000
_FILE_BITS: Final = 48
"""A statement names its file above its line."""
_NEVER: Final = (1 << 63) - 1
_EVENT_COLUMNS: Final = ((INDEX_PRICE, 8), (MARK_PRICE, 9), (FUNDING_RATE, 4))
"""Kinds made of a ticker, and the column of each in a parsed row."""


@dataclass(frozen=True, slots=True)
class Fuse:
    """How levels are told apart; None compares exactly."""

    tick_size: float | None = None
    lot_size: float | None = None


@dataclass(slots=True)
class _Queue:
    """Statements of one kind that wait, and the times they are ordered by: never falling."""

    source: Iterator[Words]
    rank: int
    rows: Words = field(default_factory=lambda: np.empty((0, 8), np.int64))
    keys: Words = field(default_factory=lambda: np.empty(0, np.int64))
    latest: int = -_NEVER
    ended: bool = False

    def fill(self) -> None:
        """Take the next statements in."""
        rows = next(self.source, None)
        if rows is None:
            self.ended = True
            return
        if not len(rows):
            return
        keys = rows[:, 2].copy()
        kinds = rows[:, 0] & KIND_MASK
        block = (kinds == DEPTH_CLEAR) | (kinds == DEPTH_CLEAR + 1)
        heads = ~block
        heads[1:] |= block[1:] & ~block[:-1]
        heads[0] = True
        keys = keys[np.maximum.accumulate(np.where(heads, np.arange(len(rows)), 0))]
        keys = np.maximum(np.maximum.accumulate(keys), self.latest)
        self.latest = int(keys[-1])
        self.rows, self.keys = np.concatenate((self.rows, rows)), np.concatenate((self.keys, keys))

    def take(self, count: int) -> tuple[Words, Words]:
        """Give away the first statements and their keys."""
        taken = self.rows[:count], self.keys[:count]
        self.rows, self.keys = self.rows[count:], self.keys[count:]
        return taken


def in_time(sources: Sequence[tuple[int, Iterator[Words]]]) -> Iterator[Words]:
    """Merge streams of statements by local time, those of a lower rank first where times are equal."""
    queues = [_Queue(source, rank) for rank, source in sorted(sources, key=lambda pair: pair[0])]
    while any(len(queue.rows) or not queue.ended for queue in queues):
        for queue in queues:
            while not queue.ended and not len(queue.rows):
                queue.fill()
        open_queues = [queue for queue in queues if not queue.ended]
        horizon = min((queue.latest for queue in open_queues), default=_NEVER)
        # What is equal to the latest known of an open stream may have more like it.
        side = "left" if open_queues else "right"
        counts = [int(np.searchsorted(queue.keys, horizon, side)) for queue in queues]  # type: ignore[call-overload]
        if not any(counts):
            for queue in open_queues:
                if queue.latest == horizon:
                    queue.fill()
            continue
        taken = [queue.take(count) for queue, count in zip(queues, counts, strict=True) if count]
        if len(taken) == 1:
            yield taken[0][0]
            continue
        rows, keys = (np.concatenate(parts) for parts in zip(*taken, strict=True))
        yield rows[np.argsort(keys, kind="stable")]


def fused_rows(
    files: Sequence[Probe], prefix: bytes, mode: str, symbol: str | None, strict: bool, fuse: Fuse, found: list[Counts]
) -> Generator[tuple[Probe, Parsed], None, None]:
    """Yield (file, rows) of the fused book, the file being that of the rows' smallest latency.

    `found` gets the counts of all files. Errors as of `TardisRows`.
    """
    from data_convert.tardis import fuse_kernels as kernels

    smallest = _NEVER

    def read(kind: Kind) -> Generator[Words, None, None]:
        for number, probe in enumerate(files):
            if probe.kind is not kind:
                continue
            reader = TardisRows(
                probe.path, prefix, "discard" if mode == "discard" else "process", symbol=symbol, strict=strict
            )
            found.append(reader.counts)
            begun = False
            held = np.full((2, 2, max(probe.levels, 1)), np.nan)
            first = True
            for parsed in reader:
                match kind:
                    case Kind.DEPTH:
                        rows = parsed.rows.copy()
                        begun = _silence(rows, mode, begun)
                        statements = iter((rows,))
                    case Kind.SNAPSHOT:
                        statements = _changes(parsed.rows, first, held)
                    case Kind.TICKER:
                        statements = iter((_quotes(parsed.rows),))
                    case _:
                        statements = iter((_tickers(parsed.rows),))
                first = False
                for rows in statements:
                    rows[:, 5] += number << _FILE_BITS
                    yield rows

    levels: npt.NDArray[np.float64] = np.zeros((2, _LEVELS, 4))
    state = np.zeros(kernels.STATE_WORDS, np.int64)
    state[kernels.LAST_EXCH] = -_NEVER
    words = np.empty((_ROWS, 8), np.int64)
    tick, lot = fuse.tick_size or 0.0, fuse.lot_size or 0.0
    with ExitStack() as stack:
        kinds = dict.fromkeys(probe.kind for probe in files)
        sources = [(_RANK[kind], stack.enter_context(closing(read(kind)))) for kind in kinds]
        for given in in_time(sources):
            given = np.ascontiguousarray(given)
            state[kernels.AT] = 0
            while state[kernels.AT] < len(given):
                state[kernels.OUT] = 0
                kernels.fuse(given, levels, tick, lot, _STEP_BACK_NS, words, state)
                if state[kernels.OUT]:
                    rows = words[: int(state[kernels.OUT])]
                    latency = rows[:, 2] - rows[:, 1]
                    place = int(np.argmin(latency))
                    number, line = divmod(int(rows[place, 5]), 1 << _FILE_BITS)
                    smallest = min(smallest, int(latency[place]))
                    yield files[number], Parsed(rows, smallest, line)
                    continue
                if state[kernels.AT] < len(given):
                    room = 2 * levels.shape[1]
                    levels = np.concatenate((levels, np.zeros_like(levels)), axis=1)
                    words = np.empty((max(len(words), 4 * room), 8), np.int64)


def _silence(rows: Words, mode: str, begun: bool) -> bool:
    """Mark rows of blocks that move the book but are not given out; tell whether the start of the day is over."""
    deltas = (rows[:, 0] & KIND_MASK) == DEPTH
    if mode == "ignore":
        rows[:, 6] = ~deltas
    elif mode == "ignore_sod" and not begun:
        start = np.argmax(deltas) if deltas.any() else len(rows)
        rows[:start, 6] = 1
    return begun or bool(deltas.any())


def _quotes(rows: Words) -> Words:
    """Columns of book_ticker (ask amount, ask price, bid price, bid amount) as statements."""
    out = np.zeros((len(rows), 8), np.int64)
    numbers, floats = rows.view(np.float64), out.view(np.float64)
    out[:, 0] = DEPTH_BBO
    out[:, 1], out[:, 2], out[:, 5] = rows[:, 0], rows[:, 1], rows[:, 2]
    floats[:, 3], floats[:, 4] = numbers[:, 5], numbers[:, 6]
    floats[:, 6], floats[:, 7] = numbers[:, 4], numbers[:, 3]
    return out


def _tickers(rows: Words) -> Words:
    """Columns of derivative_ticker as rows of a user's kinds, those that are not known left out."""
    numbers = rows.view(np.float64)
    out = np.zeros((len(rows), len(_EVENT_COLUMNS), 8), np.int64)
    for place, (kind, column) in enumerate(_EVENT_COLUMNS):
        out[:, place, 0] = kind
        out[:, place, 1], out[:, place, 2], out[:, place, 5] = rows[:, 0], rows[:, 1], rows[:, 2]
        out.view(np.float64)[:, place, 3] = numbers[:, column]
    flat = out.reshape(-1, 8)
    known: Words = flat[np.isfinite(flat.view(np.float64)[:, 3])]
    return known


def _changes(rows: Words, first: bool, held: npt.NDArray[np.float64]) -> Iterator[Words]:
    """Whole books as what changes in them, a new one at the begin of a file."""
    from data_convert.tardis import fuse_kernels as kernels

    rows = np.ascontiguousarray(rows)
    state = np.zeros(2, np.int64)
    while state[0] < len(rows):
        out = np.empty((max(_ROWS, 8 * held.shape[2] + 2), 8), np.int64)
        state[1] = 0
        kernels.level_changes(rows, int(first), held, out, state)
        yield out[: int(state[1])]
