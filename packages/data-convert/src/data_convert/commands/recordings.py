"""Commands for recordings: `collector`, `validate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_convert import words
from data_convert.commands import options as opt
from data_convert.exits import MAX_LOST

if TYPE_CHECKING:
    from data_convert.report.values import Result

DuplicateTrades = Annotated[words.Duplicates, typer.Option(help="Trades of the same id, time, price and quantity.")]
Dialect = Annotated[words.Dialect, typer.Option(help="Who wrote the recording; auto looks at its lines.")]
Time = Annotated[words.Time, typer.Option(help="Exchange time of direct recordings: T transaction, E event.")]
Snapshots = Annotated[
    words.Policy, typer.Option(help="by-id: where their ids say; as-recorded: where they stand; ignore: nowhere.")
]
UnanchoredFlag = Annotated[words.Unanchored, typer.Option(help="Updates that no snapshot joins.")]


class AlsoOption(StrEnum):
    """The words of `words.Also`: typer takes no list of a Literal."""

    BOOK_TICKER = "book-ticker"
    MARK_PRICE = "mark-price"


def collector(
    paths: Annotated[list[Path], typer.Argument(metavar="IN...", show_default=False)],
    output: opt.OutputOrLast = None,
    dialect: Dialect = "auto",
    venue: opt.Venue = "auto",
    levels: opt.Levels = "fused",
    time: Time = "T",
    snapshots: Snapshots = "by-id",
    unanchored: UnanchoredFlag = "drop",
    duplicate_trades: DuplicateTrades = "drop",
    base_latency_ns: opt.BaseLatency = 0,
    symbol: opt.Symbol = None,
    before: Annotated[
        list[Path] | None,
        typer.Option(metavar="IN", help="Recording of the day before: its last book is the first of this one."),
    ] = None,
    also: Annotated[
        list[AlsoOption] | None,
        typer.Option(help="Binance: make rows of these too (kinds 103, 104; 100 to 102); may be given twice."),
    ] = None,
    strict: opt.Strict = False,
    allow_empty: opt.AllowEmpty = False,
    max_lost: opt.MaxLost = MAX_LOST,
    force: opt.Force = False,
    json: opt.Json = False,
    report: opt.HtmlFile = None,
    compress: opt.Compress = "default",
) -> None:
    """Convert recordings (.gz, .jsonl, plain; several days at once) of one symbol to an event array."""
    usage = "name at least one recording and the output: IN... -o OUT.npz"
    inputs, output = opt.split_output(paths, output, 1, usage)
    if output.suffix != ".npz":
        raise typer.BadParameter(f"the output must end in .npz, not {output.name!r}: name it with -o, or last")
    from data_convert.files.writer import save

    opt.check_outputs(output, report, force)
    result = _convert(
        inputs,
        dialect=dialect,
        venue=venue,
        levels=opt.depth_of(levels),
        time=time,
        snapshots=snapshots,
        unanchored=unanchored,
        duplicate_trades=duplicate_trades,
        base_latency_ns=base_latency_ns,
        symbol=symbol,
        strict=strict,
        before=before or (),
        also=tuple(dict.fromkeys(option.value for option in also or ())),
    )
    save(result.events, output, force=force, compress=compress)
    opt.finish(result.report, opt.Ending(allow_empty, max_lost, json, report, force), output)


def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE.npz | RECORDING...", show_default=False)],
    dialect: Dialect = "auto",
    venue: opt.Venue = "auto",
    levels: opt.Levels = "fused",
    time: Time = "T",
    snapshots: Snapshots = "by-id",
    unanchored: UnanchoredFlag = "drop",
    duplicate_trades: DuplicateTrades = "drop",
    symbol: opt.Symbol = None,
    strict: opt.Strict = False,
    allow_empty: opt.AllowEmpty = False,
    max_lost: opt.MaxLost = MAX_LOST,
    force: opt.Force = False,
    json: opt.Json = False,
    report: opt.HtmlFile = None,
) -> None:
    """Check an event file, or what recordings would convert to; exit code 4 when a backtest would be wrong."""
    opt.check_outputs(None, report, force)
    if any(path.suffix == ".npz" for path in paths):
        if len(paths) != 1:
            raise typer.BadParameter("one .npz at a time, or recordings only")
        from data_convert.files.npz import npz_chunks
        from data_convert.report.validation import validate_chunks

        found = validate_chunks(npz_chunks(paths[0]))
    else:
        found = _convert(
            paths,
            dialect=dialect,
            venue=venue,
            levels=opt.depth_of(levels),
            time=time,
            snapshots=snapshots,
            unanchored=unanchored,
            duplicate_trades=duplicate_trades,
            symbol=symbol,
            strict=strict,
        ).report
    opt.finish(found, opt.Ending(allow_empty, max_lost, json, report, force))


def _convert(paths: list[Path], **options: Any) -> Result:
    from data_convert.recordings.convert import convert_recording

    with opt.reading_bar() as progress:
        return convert_recording(paths, progress=progress, **options)
