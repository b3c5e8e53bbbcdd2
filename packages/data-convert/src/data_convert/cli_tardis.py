"""The commands for Tardis files: `data-convert tardis` and the sample that needs no download."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data_convert.cli import _progress, app
from data_convert.commands.options import (
    Accepted,
    AllowEmpty,
    BaseLatency,
    CompressOption,
    Force,
    HtmlFile,
    Json,
    MaxLost,
    ModeOption,
    SnapshotMode,
    Strict,
    Symbol,
    check_report,
    leave,
    show,
    show_json,
    tell_written,
)
from data_convert.exits import MAX_LOST


class LatencyShiftOption(StrEnum):
    """When local times are moved."""

    AUTO = "auto"
    ALWAYS = "always"


@app.command()
def tardis(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.npz", help="The event file to write.")],
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
    compress: Annotated[CompressOption, typer.Option(help="Size against speed.")] = CompressOption.DEFAULT,
) -> None:
    """Convert Tardis CSV files (trades, incremental_book_L2; plain or gzip; any days) to an event file."""
    from data_convert.stream.tardis import convert_tardis_file
    from data_convert.writer import check_target

    check_target(output, force, ".npz")
    check_report(report, force)
    with _progress() as progress:
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


@app.command()
def generate_sample(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="The same.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write two small Tardis files, trades and depth, that every version makes alike."""
    from data_convert.sample import write_sample

    place = output or directory
    if place is None:
        raise typer.BadParameter("name the directory: -o DIR")
    written = write_sample(place, force)
    if json:
        show_json({"outputs": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(str(path))
