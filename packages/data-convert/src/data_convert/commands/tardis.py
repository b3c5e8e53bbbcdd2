"""The commands for Tardis files: `data-convert tardis` and the sample that needs no download."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data_convert.commands.options import (
    Accepted,
    AllowEmpty,
    BaseLatency,
    Compress,
    CompressOption,
    Force,
    HtmlFile,
    Json,
    MaxLost,
    ModeOption,
    Output,
    SnapshotMode,
    Strict,
    Symbol,
    check_report,
    leave,
    reading_bar,
    show,
    show_json,
    sizes_or_usage,
    tell_written,
)
from data_convert.exits import MAX_LOST


class LatencyShiftOption(StrEnum):
    """When local times are moved."""

    AUTO = "auto"
    ALWAYS = "always"


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(tardis)
    app.command()(fuse)
    app.command()(generate_sample)


def tardis(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
    output: Output,
    snapshot_mode: SnapshotMode = ModeOption.DISCARD,
    base_latency_ns: BaseLatency = 0,
    latency_shift: Annotated[
        LatencyShiftOption,
        typer.Option(help="auto: move local times only where a latency is negative; always: by the base latency too."),
    ] = LatencyShiftOption.AUTO,
    outlier_ns: Annotated[
        int | None,
        typer.Option(
            "--outlier-ns",
            min=0,
            help="Mend rows whose latency is so far below the first percentile, instead of moving everything.",
        ),
    ] = None,
    symbol: Symbol = None,
    strict: Strict = False,
    allow_empty: AllowEmpty = False,
    max_lost: MaxLost = MAX_LOST,
    force: Force = False,
    json: Json = False,
    report: HtmlFile = None,
    compress: Compress = CompressOption.DEFAULT,
) -> None:
    """Convert Tardis CSV files (trades, incremental_book_L2; plain or gzip; any days) to an event file."""
    from data_convert.files.writer import check_target
    from data_convert.tardis.convert import convert_tardis_file

    check_target(output, force, ".npz")
    check_report(report, force)
    with reading_bar() as progress:
        found = convert_tardis_file(
            paths,
            output,
            snapshot_mode=snapshot_mode.value,
            base_latency_ns=base_latency_ns,
            latency_shift=latency_shift.value,
            outlier_ns=outlier_ns,
            symbol=symbol,
            strict=strict,
            force=force,
            compress=compress.value,
            progress=progress,
        )
    accepted = Accepted(allow_empty, max_lost)
    show(found, json, report, force, accepted)
    tell_written(output, found.rows)
    leave(found, accepted)


def fuse(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE.csv.gz...", show_default=False)],
    output: Output,
    tick_size: Annotated[float | None, typer.Option(help="Prices of one tick are one level; exact by default.")] = None,
    lot_size: Annotated[float | None, typer.Option(help="What rounds to no lot is none; exact by default.")] = None,
    snapshot_mode: SnapshotMode = ModeOption.DISCARD,
    base_latency_ns: BaseLatency = 0,
    symbol: Symbol = None,
    strict: Strict = False,
    allow_empty: AllowEmpty = False,
    max_lost: MaxLost = MAX_LOST,
    force: Force = False,
    json: Json = False,
    report: HtmlFile = None,
    compress: Compress = CompressOption.DEFAULT,
) -> None:
    """Fuse Tardis files (trades, incremental_book_L2 or book_snapshot, quotes, derivative_ticker) into one array."""
    sizes_or_usage({"--tick-size": tick_size, "--lot-size": lot_size})
    from data_convert.files.writer import check_target
    from data_convert.tardis.fuse import fuse_tardis_file

    check_target(output, force, ".npz")
    check_report(report, force)
    with reading_bar() as progress:
        found = fuse_tardis_file(
            paths,
            output,
            tick_size=tick_size,
            lot_size=lot_size,
            snapshot_mode=snapshot_mode.value,
            base_latency_ns=base_latency_ns,
            symbol=symbol,
            strict=strict,
            force=force,
            compress=compress.value,
            progress=progress,
        )
    accepted = Accepted(allow_empty, max_lost)
    show(found, json, report, force, accepted)
    tell_written(output, found.rows)
    leave(found, accepted)


def generate_sample(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="The same.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write two small Tardis files, trades and depth, that every version makes alike."""
    from data_convert.tardis.sample import write_sample

    place = output or directory
    if place is None:
        raise typer.BadParameter("name the directory: -o DIR")
    written = write_sample(place, force)
    if json:
        show_json({"outputs": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(str(path))
