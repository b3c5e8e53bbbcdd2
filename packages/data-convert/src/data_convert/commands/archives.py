"""Commands for what others made: `history` (Binance's and Bybit's archives, Databento files), `migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_convert import words
from data_convert.commands import options as opt
from data_convert.exits import MAX_LOST
from data_convert.sizes import MOST_NS


def history(
    paths: opt.Files,
    output: opt.Output,
    latency_ns: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_NS, metavar="N", help="Local time is exchange time + N ns where files have none."),
    ] = None,
    latency_file: Annotated[
        Path | None, typer.Option(metavar="EVENTS.npz", help="Or + the latency of this event file at that time of day.")
    ] = None,
    time: Annotated[words.Time, typer.Option(help="Exchange time where files have two.")] = "T",
    symbol: opt.Symbol = None,
    strict: opt.Strict = False,
    allow_empty: opt.AllowEmpty = False,
    max_lost: opt.MaxLost = MAX_LOST,
    force: opt.Force = False,
    json: opt.Json = False,
    report: opt.HtmlFile = None,
    compress: opt.Compress = "default",
) -> None:
    """Convert Binance's and Bybit's public archives, or Databento MBO files (.dbn, .dbn.zst), of one symbol."""
    from data_convert.files.npz import load
    from data_convert.files.writer import save

    opt.check_outputs(output, report, force)
    dbn = [path for path in paths if path.name.endswith((".dbn", ".dbn.zst"))]
    if dbn:
        if len(dbn) != len(paths) or latency_ns is not None or latency_file is not None:
            raise typer.BadParameter("Databento files go alone and have local times of their own")
        from data_convert.archives.convert import convert_mbo

        result = convert_mbo(paths, symbol)
    else:
        if (latency_ns is None) == (latency_file is None):
            raise typer.BadParameter("these files have no local times: give --latency-ns or --latency-file")
        from data_convert.archives.convert import convert_history
        from data_convert.archives.latency import ConstantLatency, FeedLatency, RecordedLatency

        model: FeedLatency = ConstantLatency(latency_ns or 0)
        if latency_file is not None:
            with opt.as_usage("--latency-file: "):
                model = RecordedLatency.of(load(latency_file), latency_file.name)
        result = convert_history(paths, model, symbol=symbol, time=time, strict=strict)
    save(result.events, output, force=force, compress=compress)
    opt.finish(result.report, opt.Ending(allow_empty, max_lost, json, report, force), output)


def migrate(
    path: Annotated[Path, typer.Argument(metavar="V1.npz", show_default=False)],
    output: opt.Output,
    unit_ns: Annotated[int, typer.Option(min=1, max=10**9, help="Unit of its times in ns.")] = 1_000,
    force: opt.Force = False,
    json: opt.Json = False,
    compress: opt.Compress = "default",
) -> None:
    """Turn an event array of HftBacktest 1 (six columns) into today's records."""
    from data_convert.arrays.migration import migrate as migrated
    from data_convert.files.npz import load_v1
    from data_convert.files.writer import save

    opt.check_outputs(output, None, force)
    with opt.as_usage(f"{path}: "):
        events, alone = migrated(load_v1(path), unit_ns)
    save(events, output, force=force, compress=compress)
    if alone:
        typer.echo(f"{alone:,} rows had lost the other clock's time: they have their own on both", err=True)
    opt.tell_written(output, len(events), json)
