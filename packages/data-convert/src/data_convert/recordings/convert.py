"""From recordings to an event array: reads, orders by snapshot policy and by both clocks, measures."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import get_args

import numpy as np

from data_convert import words
from data_convert.errors import InputError
from data_convert.files.paths import Paths, Progress, listed_paths
from data_convert.messages.columns import What
from data_convert.recordings.assemble import assemble, one_symbol, trades_once
from data_convert.recordings.ingest import first_stamp, ingest
from data_convert.report.values import Result


def convert_recording(
    paths: Paths,
    *,
    dialect: str = "auto",
    time: str = "T",
    snapshots: words.Policy = "by-id",
    base_latency_ns: int = 0,
    symbol: str | None = None,
    strict: bool = False,
    unanchored: words.Unanchored = "drop",
    progress: Progress | None = None,
    venue: str = "auto",
    levels: int | None = None,
    before: Paths = (),
    also: Collection[str] = (),
    duplicate_trades: words.Duplicates = "drop",
) -> Result:
    """Convert recordings of one symbol (docs/formats.md section 2) to an event array.

    `paths`: one file or several (days). `dialect`: auto, direct or link; `venue`: a word of `words.Venue`, for
    direct recordings. `levels`: Bybit and Hyperliquid only, the one book stream to take; None fuses all. `time`: T
    (transaction) or E (event time), direct recordings only. `before`: the recording of the day before, whose last book
    is the first of this one. `snapshots`, `unanchored`: docs/data-convert.md.
    `base_latency_ns`: added to the shift where one is needed. `strict`: StrictError at the first bad line or damage.
    `also`: of Binance, streams beside books and trades to take: book-ticker (rows of kind 103 best bid, 104 best ask),
    mark-price (100 index price, 101 mark price, 102 funding rate, all dated by E).
    `duplicate_trades`: drop keeps a trade that came twice once, keep all of them.
    `progress(done, total)` gets input bytes. Raises InputError, FormatError, SymbolError, StrictError, ClockError;
    ValueError for unknown options.
    """
    for name, value, allowed in (
        ("dialect", dialect, words.Dialect),
        ("time", time, words.Time),
        ("snapshots", snapshots, words.Policy),
        ("unanchored", unanchored, words.Unanchored),
        ("venue", venue, words.Venue),
        ("duplicate_trades", duplicate_trades, words.Duplicates),
    ):
        words.check_word(name, value, allowed)
    if unknown := [name for name in also if name not in get_args(words.Also)]:
        raise ValueError(f"also is of {', '.join(get_args(words.Also))}, not {unknown[0]!r}")
    earlier = [path for path in listed_paths(before) if first_stamp(path) is not None]
    read = ingest([*earlier, *listed_paths(paths)], dialect, time, strict, progress, venue, levels, also, earlier)
    for path, file in zip(earlier, read.files, strict=False):
        if Path(file.path) not in earlier:
            raise InputError(path, f"does not begin before {file.path}", "name the recording of the day before")
    messages, trades = trades_once(read, one_symbol(read, symbol), symbol, duplicate_trades, len(earlier))
    settings = {
        "dialect": "link" if read.source == "link" else "direct",
        "source": read.source,
        "exchange time": "ns of the connector" if read.source == "link" else time,
        "snapshots": snapshots,
        "unanchored": unanchored,
        "base latency": f"{base_latency_ns} ns",
    }
    if also:
        settings["also"] = ", ".join(also)
    if levels:
        settings["levels"] = str(levels)
        if not np.any((messages.what == What.UPDATE) | (messages.what == What.SNAPSHOT)):
            there = ", ".join(name for name in read.decoder.filtered if "not the" in name) or "none"
            read.broken.append(f"no book of {levels} levels is in the recording; left out: {there}")
    if symbol:
        settings["symbol"] = symbol
    if earlier:
        settings["book at the begin"] = "of " + ", ".join(map(str, earlier))
    return assemble(read, messages, settings, snapshots, unanchored, base_latency_ns, len(earlier), trades)
