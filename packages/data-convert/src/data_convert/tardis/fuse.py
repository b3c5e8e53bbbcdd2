"""Tardis' trades, incremental_book_L2 or book_snapshot, quotes and tickers into one fused event array or file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypedDict, Unpack

from data_convert.errors import InputError
from data_convert.files.paths import Paths, Progress, listed_paths
from data_convert.files.writer import check_target
from data_convert.report.values import Report, Result
from data_convert.sizes import check_size
from data_convert.tardis.convert import TardisWork
from data_convert.tardis.fused import Fuse
from data_convert.words import Compress, Mode


class FuseOptions(TypedDict, total=False):
    """What fusing may be told beside the sizes; all as of `convert_tardis`."""

    snapshot_mode: Mode
    base_latency_ns: int
    symbol: str | None
    strict: bool
    progress: Progress | None


def fuse_tardis(
    paths: Paths, *, tick_size: float | None = None, lot_size: float | None = None, **options: Unpack[FuseOptions]
) -> Result:
    """Fuse Tardis files of one symbol, told by their headers; those of a kind go in the order of their first rows.

    `tick_size`, `lot_size`: prices of one tick are one level, quantities of no lot are none; None compares exactly.
    `snapshot_mode`: as of `convert_tardis`; ignored blocks still move the book. Raises InputError, FormatError,
    SymbolError, StrictError, ClockError; ValueError for an unknown mode or a size that is none.
    """
    return _work(paths, tick_size, lot_size, options).to_array()


def fuse_tardis_file(
    paths: Paths,
    output: str | os.PathLike[str],
    *,
    tick_size: float | None = None,
    lot_size: float | None = None,
    force: bool = False,
    compress: Compress = "default",
    **options: Unpack[FuseOptions],
) -> Report:
    """Fuse Tardis files into an `.npz` in memory that does not grow with their length; else as `fuse_tardis`."""
    check_target(Path(output), force, ".npz")
    return _work(paths, tick_size, lot_size, options).to_file(output, force, compress)


def _work(paths: Paths, tick_size: float | None, lot_size: float | None, options: FuseOptions) -> TardisWork:
    check_size(tick_size, "tick size")
    check_size(lot_size, "lot size")
    listed = listed_paths(paths)
    if not listed:
        raise InputError("(no file)", "nothing to fuse", "name trades, incremental_book_L2 and book_ticker files")
    return TardisWork(listed, Fuse(tick_size, lot_size), **options)
