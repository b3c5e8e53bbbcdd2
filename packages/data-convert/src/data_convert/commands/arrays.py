"""Commands that begin with event arrays: `snapshot`, `latency`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from data_convert.commands import options as opt


def snapshot(
    paths: opt.Days,
    output: opt.Output,
    initial: Annotated[Path | None, typer.Option(help="Snapshot that the first day begins with.")] = None,
    tick_size: Annotated[
        float | None, typer.Option(help="Round prices to ticks and back, as HftBacktest does; exact by default.")
    ] = None,
    clock: opt.Clock = "local",
    force: opt.Force = False,
    json: opt.Json = False,
    compress: opt.Compress = "default",
) -> None:
    """Write the book at the end of event files as the snapshot that the next day begins with."""
    from itertools import chain

    from data_convert.arrays.last_snapshot import end_snapshot
    from data_convert.files.npz import load, npz_chunks
    from data_convert.files.writer import save

    opt.sizes_or_usage({"--tick-size": tick_size})
    opt.check_outputs(output, None, force)
    begin = None if initial is None else load(initial)
    rows = end_snapshot(chain.from_iterable(map(npz_chunks, paths)), initial=begin, tick_size=tick_size, side=clock)
    save(rows, output, force=force, compress=compress)
    opt.tell_written(output, len(rows), json)


def _factor(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"{text!r} is no number: write 1.5 or 3/2") from None


Factor = Annotated[str, typer.Option(metavar="NUMBER", help="Times the feed latency (1.5 or 3/2).")]
Offset = Annotated[int, typer.Option(help="And so many ns more.")]


def latency(
    paths: opt.Days,
    output: opt.Output,
    entry_factor: Factor = "1",
    entry_offset_ns: Offset = 0,
    response_factor: Factor = "1",
    response_offset_ns: Offset = 0,
    every_ns: Annotated[int, typer.Option(min=1, help="One order latency for so many ns of local time.")] = 10**9,
    force: opt.Force = False,
    json: opt.Json = False,
) -> None:
    """Write order latencies guessed from a feed's latencies (rows flagged for both clocks)."""
    import numpy as np

    from data_convert.arrays.order_latency import last_of_windows, order_latencies
    from data_convert.files.npz import npz_chunks
    from data_convert.files.writer import whole_file

    opt.check_outputs(output, None, force)
    factors = _factor(entry_factor), _factor(response_factor)
    with opt.as_usage():
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
    rows = np.concatenate(found)
    with whole_file(output, force) as file:
        np.savez_compressed(file, data=rows)
    opt.tell_written(output, len(rows), json)
