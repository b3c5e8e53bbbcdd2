"""Commands for what others recorded: `history` (Binance, Bybit archives, Databento files)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_convert.commands.options import (
    Accepted,
    AllowEmpty,
    Compress,
    CompressOption,
    Force,
    HtmlFile,
    Json,
    MaxLost,
    Output,
    Strict,
    Symbol,
    TimeOption,
    check_report,
    save_result,
    tell_written,
)
from data_convert.exits import MAX_LOST
from data_convert.sizes import MOST_NS


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(history)
    app.command()(migrate)


def history(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
    output: Output,
    latency_ns: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_NS, metavar="N", help="Local time is exchange time + N ns where files have none."),
    ] = None,
    latency_file: Annotated[
        Path | None, typer.Option(metavar="EVENTS.npz", help="Or + the latency of this event file at that time of day.")
    ] = None,
    time: Annotated[TimeOption, typer.Option(help="Exchange time where files have two.")] = TimeOption.TRANSACTION,
    symbol: Symbol = None,
    strict: Strict = False,
    allow_empty: AllowEmpty = False,
    max_lost: MaxLost = MAX_LOST,
    force: Force = False,
    json: Json = False,
    report: HtmlFile = None,
    compress: Compress = CompressOption.DEFAULT,
) -> None:
    """Convert Binance's and Bybit's public archives, or Databento MBO files (.dbn, .dbn.zst), of one symbol."""
    from data_convert.files.npz import load
    from data_convert.files.writer import check_target

    check_target(output, force, ".npz")
    check_report(report, force)
    accepted = Accepted(allow_empty, max_lost)
    dbn = [path for path in paths if path.name.endswith((".dbn", ".dbn.zst"))]
    if dbn:
        if len(dbn) != len(paths) or latency_ns is not None or latency_file is not None:
            raise typer.BadParameter("Databento files go alone and have local times of their own")
        from data_convert.archives.convert import convert_mbo

        save_result(convert_mbo(paths, symbol), output, force, compress, json, report, accepted)
        return
    if (latency_ns is None) == (latency_file is None):
        raise typer.BadParameter("these files have no local times: give --latency-ns or --latency-file")
    from data_convert.archives.convert import convert_history
    from data_convert.archives.latency import ConstantLatency, FeedLatency, RecordedLatency

    model: FeedLatency = ConstantLatency(latency_ns or 0)
    if latency_file is not None:
        try:
            model = RecordedLatency.of(load(latency_file), latency_file.name)
        except ValueError as error:
            raise typer.BadParameter(f"--latency-file: {error}") from None
    result = convert_history(paths, model, symbol=symbol, time=time.value, strict=strict)
    save_result(result, output, force, compress, json, report, accepted)


def migrate(
    path: Annotated[Path, typer.Argument(metavar="V1.npz", show_default=False)],
    output: Output,
    unit_ns: Annotated[int, typer.Option(min=1, max=10**9, help="Unit of its times in ns.")] = 1_000,
    force: Force = False,
    json: Json = False,
    compress: Compress = CompressOption.DEFAULT,
) -> None:
    """Turn an event array of HftBacktest 1 (six columns) into today's records."""
    from data_convert.arrays.migration import migrate as migrated
    from data_convert.files.npz import load_v1
    from data_convert.files.writer import check_target, save

    check_target(output, force, ".npz")
    try:
        events, alone = migrated(load_v1(path), unit_ns)
    except ValueError as error:
        raise typer.BadParameter(f"{path}: {error}") from None
    save(events, output, force=force, compress=compress.value)
    if alone:
        typer.echo(f"{alone:,} rows had lost the other clock's time: they have their own on both", err=True)
    tell_written(output, len(events), json)
