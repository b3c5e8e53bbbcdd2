"""A recording as Tardis' CSV files: trades and incremental_book_L2, in the order that the ids of the messages give.

Numbers of Binance frames are copied as they were sent, others written as the shortest decimals. Times are cut to µs, as
Tardis has them. Tardis knows no clear: a gap shows only in the snapshot that ends it.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, TypedDict, Unpack

import numpy as np
import orjson

from data_convert.errors import OutputError
from data_convert.events import BUY, DEPTH_CLEAR, KIND_MASK, SELL
from data_convert.files.lines import read_lines
from data_convert.files.paths import Paths, listed_paths
from data_convert.files.readers import ReadStats
from data_convert.files.writer import check_target, whole_file
from data_convert.messages.columns import Messages, What
from data_convert.messages.plan import Action, Unit
from data_convert.messages.snapshot import make_plan
from data_convert.recordings.assemble import lost_updates, one_symbol, trades_once
from data_convert.recordings.ingest import Ingested, ingest, split_stamp
from data_convert.recordings.tardis_rows import HEADERS
from data_convert.report.values import Report
from data_convert.words import Policy

_US: Final = 1_000
_EXCHANGES: Final = {"bybit": "bybit", "hyperliquid": "hyperliquid", "link": "link"}


class Options(TypedDict, total=False):
    """What writing Tardis' files may be told; `time`, `snapshots`, `venue`, `levels` as of `convert_recording`."""

    exchange: str | None
    time: str
    snapshots: Policy
    symbol: str | None
    strict: bool
    force: bool
    venue: str
    levels: int | None


def recording_to_tardis(
    paths: Paths, trades: str | os.PathLike[str], depth: str | os.PathLike[str], **options: Unpack[Options]
) -> dict[str, int]:
    """Write both files (gzip) of one symbol and return their rows; Tardis dates Binance by E, the default of `time`.

    Raises what `convert_recording` raises, and OutputError. Both files appear, or none if the first cannot.
    """
    rows = list(tardis_files(paths, trades, depth, **options)[0].values())
    return {"trades": rows[0], "depth": rows[1]}


def tardis_files(
    paths: Paths,
    trades: str | os.PathLike[str] | None,
    depth: str | os.PathLike[str] | None,
    *,
    directory: Path | None = None,
    exchange: str | None = None,
    time: str = "E",
    snapshots: Policy = "by-id",
    symbol: str | None = None,
    strict: bool = False,
    force: bool = False,
    venue: str = "auto",
    levels: int | None = None,
) -> tuple[dict[Path, int], Report]:
    """Write both files; return where they are with their rows, and in a report what of the recording could not be used.

    A file that is not named bears Tardis' own name and lies in `directory`, which is made if it does not exist.
    """
    listed = listed_paths(paths)
    read = ingest(listed, "auto", time, strict, venue=venue, depth=levels)
    messages, losses = trades_once(read, one_symbol(read, symbol), symbol)
    plan = make_plan(messages, "link" if read.in_order else "direct", snapshots)
    name = next((s for s in ([symbol] if symbol else read.builder.symbol_counts)), "")
    texts = _texts(read, messages)
    exchange, name = exchange or _exchange(read), name.upper() if read.source == "link" else name
    start = f"{exchange},{name},"
    places = [
        Path(named) if named is not None else _place(directory, exchange, kind, messages, name, force)
        for named, kind in ((trades, "trades"), (depth, "incremental_book_L2"))
    ]
    counts = [0, 0]
    with (
        whole_file(places[0], force) as trade_file,
        whole_file(places[1], force) as depth_file,
        _gzip(trade_file) as trade_out,
        _gzip(depth_file) as depth_out,
    ):
        trade_out.write(HEADERS["trades"].encode() + b"\n")
        depth_out.write(HEADERS["depth"].encode() + b"\n")
        for unit in plan.units:
            what = messages.what[unit.message]
            if what not in (What.TRADE, What.UPDATE, What.SNAPSHOT) or unit.action is Action.CLEAR:
                continue
            out, kind = (trade_out, 0) if what == What.TRADE else (depth_out, 1)
            for line in _lines(messages, unit, texts):
                out.write(start.encode() + line.encode() + b"\n")
                counts[kind] += 1
    report = Report(
        "Conversion to Tardis",
        files=read.files,
        lines=read.lines,
        empty_lines=read.empty_lines,
        bad=read.bad,
        rows=sum(counts),
        gaps=plan.gaps,
        warnings=(*read.warnings, *plan.warnings),
        losses=(lost_updates(messages, plan), *losses),
        broken=tuple(read.broken),
    )
    return dict(zip(places, counts, strict=True)), report


def _place(directory: Path | None, exchange: str, kind: str, messages: Messages, symbol: str, force: bool) -> Path:
    """Return where a file goes that is not named: under Tardis' name of the day of the first message."""
    first_ns = int(messages.local_ns.min()) if len(messages) else 0
    day = datetime.fromtimestamp(first_ns // 1_000_000_000, UTC)
    place = (directory or Path()) / f"{exchange}_{kind}_{day:%Y-%m-%d}_{symbol or 'none'}.csv.gz"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(place.parent, f"cannot be made ({error.strerror})", "name a directory") from error
    check_target(place, force, ".gz")
    return place


def _gzip(file: IO[bytes]) -> gzip.GzipFile:
    """Compress to a file without a name or a time in it, so that equal input gives equal bytes."""
    return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0)


def _exchange(read: Ingested) -> str:
    if read.source in _EXCHANGES:
        return _EXCHANGES[read.source]
    if getattr(read.decoder, "spot", None):
        return "binance"
    perpetual = any("_" in symbol and "USD_" in symbol for symbol in read.builder.symbol_counts)
    return "binance-delivery" if perpetual else "binance-futures"


Texts = dict[tuple[int, int], list[tuple[str, str]]]


def _texts(read: Ingested, messages: Messages) -> Texts:
    """Return the (price, quantity) texts of Binance's messages by their (file, line), none of other sources."""
    if read.source != "binance":
        return {}
    wanted = {(int(f), int(n)) for f, n in zip(messages.file, messages.line, strict=True)}
    texts: Texts = {}
    for index, file in enumerate(read.files):
        path = Path(file.path)
        for number, line, _ in read_lines(path, ReadStats(path)):
            if (index, number) in wanted:
                texts[index, number] = _pairs(orjson.loads(split_stamp(line)[1]))
    return texts


def _pairs(frame: dict[str, Any]) -> list[tuple[str, str]]:
    data = frame.get("data", frame)
    if "p" in data:
        return [(data["p"], data["q"])]
    sides = [data.get(name) for name in ("b", "a", "bids", "asks")]
    return [(price, quantity) for side in sides if isinstance(side, list) for price, quantity in side]


def _lines(messages: Messages, unit: Unit, texts: Texts) -> Iterator[str]:
    m = unit.message
    begin, what = int(messages.begin[m]), messages.what[m]
    rows: Iterable[int] = unit.rows if unit.action is Action.MERGE else range(begin, int(messages.end[m]))
    own = texts.get((int(messages.file[m]), int(messages.line[m])))
    start = f"{unit.exch_ns // _US},{unit.local_ns // _US},"
    whole = what == What.SNAPSHOT and unit.action is not Action.MERGE
    for row in rows:
        ev = int(messages.ev[row])
        if ev & KIND_MASK == DEPTH_CLEAR:
            continue
        price, quantity = own[row - begin] if own else (_decimal(messages.px[row]), _decimal(messages.qty[row]))
        if what == What.TRADE:
            side = "buy" if ev & BUY else "sell" if ev & SELL else "unknown"
            last = int(messages.last_id[m])
            yield f"{start}{last if last >= 0 else ''},{side},{price},{quantity}"
        else:
            yield f"{start}{'true' if whole else 'false'},{'bid' if ev & BUY else 'ask'},{price},{quantity}"


def _decimal(value: float) -> str:
    """Write the shortest decimal that is this float, without an exponent."""
    return np.format_float_positional(float(value), unique=True, trim="-")
