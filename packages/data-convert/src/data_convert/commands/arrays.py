"""Commands that begin with event arrays: `snapshot`, `latency`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from data_convert.commands.options import (
    Clock,
    ClockOption,
    Compress,
    CompressOption,
    Force,
    Json,
    Output,
    sizes_or_usage,
    tell_written,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(snapshot)
    app.command()(latency)


def snapshot(
    paths: Annotated[list[Path], typer.Argument(metavar="DAY.npz...", show_default=False)],
    output: Output,
    initial: Annotated[Path | None, typer.Option(help="Snapshot that the first day begins with.")] = None,
    tick_size: Annotated[
        float | None, typer.Option(help="Round prices to ticks and back, as HftBacktest does; exact by default.")
    ] = None,
    clock: Clock = ClockOption.LOCAL,
    force: Force = False,
    json: Json = False,
    compress: Compress = CompressOption.DEFAULT,
) -> None:
    """Write the book at the end of event files as the snapshot that the next day begins with."""
    from itertools import chain

    from data_convert.arrays.last_snapshot import end_snapshot
    from data_convert.files.npz import load, npz_chunks
    from data_convert.files.writer import check_target, save

    sizes_or_usage({"--tick-size": tick_size})
    check_target(output, force, ".npz")
    begin = None if initial is None else load(initial)
    chunks = chain.from_iterable(map(npz_chunks, paths))
    rows = end_snapshot(chunks, initial=begin, tick_size=tick_size, side=clock.value)
    save(rows, output, force=force, compress=compress.value)
    tell_written(output, len(rows), json)


def _factor(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"{text!r} is no number: write 1.5 or 3/2") from None


Factor = Annotated[str, typer.Option(metavar="NUMBER", help="Times the feed latency (1.5 or 3/2).")]
Offset = Annotated[int, typer.Option(help="And so many ns more.")]


def latency(
    paths: Annotated[list[Path], typer.Argument(metavar="DAY.npz...", show_default=False)],
    output: Output,
    entry_factor: Factor = "1",
    entry_offset_ns: Offset = 0,
    response_factor: Factor = "1",
    response_offset_ns: Offset = 0,
    every_ns: Annotated[int, typer.Option(min=1, help="One order latency for so many ns of local time.")] = 10**9,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write order latencies guessed from a feed's latencies (rows flagged for both clocks)."""
    import numpy as np

    from data_convert.arrays.order_latency import last_of_windows, order_latencies
    from data_convert.files.npz import npz_chunks
    from data_convert.files.writer import check_target, whole_file

    check_target(output, force, ".npz")
    factors = _factor(entry_factor), _factor(response_factor)
    try:
        found = [
            order_latencies(
                last_of_windows(npz_chunks(path), every_ns),
                entry_factor=factors[0],
                entry_offset_ns=entry_offset_ns,
                response_factor=factors[1],
                response_offset_ns=response_offset_ns,
                every_ns=every_ns,
            )
            for path in paths
        ]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    rows = np.concatenate(found)
    with whole_file(output, force) as file:
        np.savez_compressed(file, data=rows)
    tell_written(output, len(rows), json)
