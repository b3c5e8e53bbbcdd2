"""Tardis' trades, incremental_book_L2 or book_snapshot, quotes and tickers into one fused event array or file."""

from __future__ import annotations

import os
from pathlib import Path

from data_convert.errors import InputError
from data_convert.files.deflate import Compress
from data_convert.files.paths import Paths, Progress, listed_paths
from data_convert.files.writer import check_target
from data_convert.report.values import Report, Result
from data_convert.sizes import check_size
from data_convert.tardis.convert import Mode, TardisWork, write_file
from data_convert.tardis.fused import Fuse
from data_convert.tardis.states import WINDOW_NS


def fuse_tardis(
    paths: Paths,
    *,
    tick_size: float | None = None,
    lot_size: float | None = None,
    snapshot_mode: Mode = "discard",
    base_latency_ns: int = 0,
    symbol: str | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Fuse Tardis files of one symbol, told by their headers; those of a kind go in the order of their first rows.

    `tick_size`, `lot_size`: prices of one tick are one level, quantities of no lot are none; None compares exactly.
    `snapshot_mode`: as of `convert_tardis`; ignored blocks still move the book. Raises InputError, FormatError,
    SymbolError, StrictError, ClockError; ValueError for an unknown mode or a size that is none.
    """
    work = _work(paths, tick_size, lot_size, snapshot_mode, base_latency_ns, symbol, strict, progress)
    found = work.merge()
    events, merged = work.sort_everything() if found is None else found
    return Result(events, work.report(merged, len(events)))


def fuse_tardis_file(
    paths: Paths,
    output: str | os.PathLike[str],
    *,
    tick_size: float | None = None,
    lot_size: float | None = None,
    snapshot_mode: Mode = "discard",
    base_latency_ns: int = 0,
    symbol: str | None = None,
    strict: bool = False,
    force: bool = False,
    compress: Compress = "default",
    progress: Progress | None = None,
) -> Report:
    """Fuse Tardis files into an `.npz` in memory that does not grow with their length; else as `fuse_tardis`."""
    check_target(Path(output), force, ".npz")
    work = _work(paths, tick_size, lot_size, snapshot_mode, base_latency_ns, symbol, strict, progress)
    return write_file(work, output, force, compress)


def _work(
    paths: Paths,
    tick_size: float | None,
    lot_size: float | None,
    mode: Mode,
    base_latency_ns: int,
    symbol: str | None,
    strict: bool,
    progress: Progress | None,
) -> TardisWork:
    check_size(tick_size, "tick size")
    check_size(lot_size, "lot size")
    listed = listed_paths(paths)
    if not listed:
        raise InputError("(no file)", "nothing to fuse", "name trades, incremental_book_L2 and book_ticker files")
    fuse = Fuse(tick_size, lot_size)
    return TardisWork(listed, mode, base_latency_ns, "auto", None, symbol, strict, WINDOW_NS, progress, fuse)
