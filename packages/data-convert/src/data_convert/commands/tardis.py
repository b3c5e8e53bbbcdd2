"""The commands for Tardis files: `tardis`, `fuse`, and the sample that needs no download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_convert import words
from data_convert.commands import options as opt
from data_convert.exits import MAX_LOST


def tardis(
    paths: opt.Files,
    output: opt.Output,
    snapshot_mode: opt.SnapshotMode = "discard",
    base_latency_ns: opt.BaseLatency = 0,
    latency_shift: Annotated[
        words.LatencyShift,
        typer.Option(help="auto: move local times only where a latency is negative; always: by the base latency too."),
    ] = "auto",
    outlier_ns: Annotated[
        int | None,
        typer.Option(
            "--outlier-ns",
            min=0,
            help="Mend rows whose latency is so far below the first percentile, instead of moving everything.",
        ),
    ] = None,
    symbol: opt.Symbol = None,
    strict: opt.Strict = False,
    allow_empty: opt.AllowEmpty = False,
    max_lost: opt.MaxLost = MAX_LOST,
    force: opt.Force = False,
    json: opt.Json = False,
    report: opt.HtmlFile = None,
    compress: opt.Compress = "default",
) -> None:
    """Convert Tardis CSV files (trades, incremental_book_L2; plain or gzip; any days) to an event file."""
    from data_convert.tardis.convert import convert_tardis_file

    opt.check_outputs(output, report, force)
    with opt.reading_bar() as progress:
        found = convert_tardis_file(
            paths,
            output,
            snapshot_mode=snapshot_mode,
            base_latency_ns=base_latency_ns,
            latency_shift=latency_shift,
            outlier_ns=outlier_ns,
            symbol=symbol,
            strict=strict,
            force=force,
            compress=compress,
            progress=progress,
        )
    opt.finish(found, opt.Ending(allow_empty, max_lost, json, report, force), output)


def fuse(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE.csv.gz...", show_default=False)],
    output: opt.Output,
    tick_size: Annotated[float | None, typer.Option(help="Prices of one tick are one level; exact by default.")] = None,
    lot_size: Annotated[float | None, typer.Option(help="What rounds to no lot is none; exact by default.")] = None,
    snapshot_mode: opt.SnapshotMode = "discard",
    base_latency_ns: opt.BaseLatency = 0,
    symbol: opt.Symbol = None,
    strict: opt.Strict = False,
    allow_empty: opt.AllowEmpty = False,
    max_lost: opt.MaxLost = MAX_LOST,
    force: opt.Force = False,
    json: opt.Json = False,
    report: opt.HtmlFile = None,
    compress: opt.Compress = "default",
) -> None:
    """Fuse Tardis files (trades, incremental_book_L2 or book_snapshot, quotes, derivative_ticker) into one array."""
    opt.sizes_or_usage({"--tick-size": tick_size, "--lot-size": lot_size})
    from data_convert.tardis.fuse import fuse_tardis_file

    opt.check_outputs(output, report, force)
    with opt.reading_bar() as progress:
        found = fuse_tardis_file(
            paths,
            output,
            tick_size=tick_size,
            lot_size=lot_size,
            snapshot_mode=snapshot_mode,
            base_latency_ns=base_latency_ns,
            symbol=symbol,
            strict=strict,
            force=force,
            compress=compress,
            progress=progress,
        )
    opt.finish(found, opt.Ending(allow_empty, max_lost, json, report, force), output)


def generate_sample(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="The same.")] = None,
    force: opt.Force = False,
    json: opt.Json = False,
) -> None:
    """Write two small Tardis files, trades and depth, that every version makes alike."""
    from data_convert.tardis.sample import write_sample

    place = output or directory
    if place is None:
        raise typer.BadParameter("name the directory: -o DIR")
    written = write_sample(place, force)
    if json:
        opt.show_json({"outputs": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(str(path))
