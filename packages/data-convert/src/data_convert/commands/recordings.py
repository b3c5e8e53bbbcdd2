"""Commands for recordings: `collector`, `validate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Levels,
    MaxLost,
    OutputOrLast,
    SnapshotOption,
    Strict,
    Symbol,
    TimeOption,
    Venue,
    VenueOption,
    check_report,
    depth_of,
    leave,
    reading_bar,
    show,
    split_output,
    tell_written,
)
from data_convert.exits import MAX_LOST

if TYPE_CHECKING:
    from data_convert.events import Events
    from data_convert.report.values import Report


class DialectOption(StrEnum):
    """What a recording was written by."""

    AUTO = "auto"
    DIRECT = "direct"
    LINK = "link"


class UnanchoredOption(StrEnum):
    """What becomes of updates that no snapshot joins."""

    DROP = "drop"
    KEEP = "keep"


class AlsoOption(StrEnum):
    """Streams of Binance beside books and trades."""

    BOOK_TICKER = "book-ticker"
    MARK_PRICE = "mark-price"


class DuplicatesOption(StrEnum):
    """What becomes of trades that came twice."""

    DROP = "drop"
    KEEP = "keep"


DuplicateTrades = Annotated[DuplicatesOption, typer.Option(help="Trades of the same id, time, price and quantity.")]
Dialect = Annotated[DialectOption, typer.Option(help="Who wrote the recording; auto looks at its lines.")]
Time = Annotated[TimeOption, typer.Option(help="Exchange time of direct recordings: T transaction, E event.")]
Snapshots = Annotated[
    SnapshotOption, typer.Option(help="by-id: where their ids say; as-recorded: where they stand; ignore: nowhere.")
]
UnanchoredFlag = Annotated[UnanchoredOption, typer.Option(help="Updates that no snapshot joins.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(collector)
    app.command()(validate)


def collector(
    paths: Annotated[list[Path], typer.Argument(metavar="IN...", show_default=False)],
    output: OutputOrLast = None,
    dialect: Dialect = DialectOption.AUTO,
    venue: Venue = VenueOption.AUTO,
    levels: Levels = "fused",
    time: Time = TimeOption.TRANSACTION,
    snapshots: Snapshots = SnapshotOption.BY_ID,
    unanchored: UnanchoredFlag = UnanchoredOption.DROP,
    duplicate_trades: DuplicateTrades = DuplicatesOption.DROP,
    base_latency_ns: BaseLatency = 0,
    symbol: Symbol = None,
    before: Annotated[
        list[Path] | None,
        typer.Option(metavar="IN", help="Recording of the day before: its last book is the first of this one."),
    ] = None,
    also: Annotated[
        list[AlsoOption] | None,
        typer.Option(help="Binance: make rows of these too (kinds 103, 104; 100 to 102); may be given twice."),
    ] = None,
    strict: Strict = False,
    allow_empty: AllowEmpty = False,
    max_lost: MaxLost = MAX_LOST,
    force: Force = False,
    json: Json = False,
    report: HtmlFile = None,
    compress: Compress = CompressOption.DEFAULT,
) -> None:
    """Convert recordings (.gz, .jsonl, plain; several days at once) of one symbol to an event array."""
    inputs, output = split_output(paths, output, 1, "name at least one recording and the output: IN... -o OUT.npz")
    if output.suffix != ".npz":
        raise typer.BadParameter(f"the output must end in .npz, not {output.name!r}: name it with -o, or last")
    from data_convert.files.writer import check_target, save

    check_target(output, force, ".npz")
    check_report(report, force)
    events, found = _convert(
        inputs,
        dialect=dialect.value,
        venue=venue.value,
        levels=depth_of(levels),
        time=time.value,
        snapshots=snapshots.value,
        unanchored=unanchored.value,
        duplicate_trades=duplicate_trades.value,
        base_latency_ns=base_latency_ns,
        symbol=symbol,
        strict=strict,
        before=before or (),
        also=tuple(dict.fromkeys(option.value for option in also or ())),
    )
    save(events, output, force=force, compress=compress.value)
    accepted = Accepted(allow_empty, max_lost)
    show(found, json, report, force, accepted)
    tell_written(output, len(events))
    leave(found, accepted)


def validate(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE.npz | RECORDING...", show_default=False)],
    dialect: Dialect = DialectOption.AUTO,
    venue: Venue = VenueOption.AUTO,
    levels: Levels = "fused",
    time: Time = TimeOption.TRANSACTION,
    snapshots: Snapshots = SnapshotOption.BY_ID,
    unanchored: UnanchoredFlag = UnanchoredOption.DROP,
    duplicate_trades: DuplicateTrades = DuplicatesOption.DROP,
    symbol: Symbol = None,
    strict: Strict = False,
    allow_empty: AllowEmpty = False,
    max_lost: MaxLost = MAX_LOST,
    force: Force = False,
    json: Json = False,
    report: HtmlFile = None,
) -> None:
    """Check an event file, or what recordings would convert to; exit code 4 when a backtest would be wrong."""
    check_report(report, force)
    if any(path.suffix == ".npz" for path in paths):
        if len(paths) != 1:
            raise typer.BadParameter("one .npz at a time, or recordings only")
        from data_convert.files.npz import npz_chunks
        from data_convert.report.validation import validate_chunks

        found = validate_chunks(npz_chunks(paths[0]))
    else:
        _, found = _convert(
            paths,
            dialect=dialect.value,
            venue=venue.value,
            levels=depth_of(levels),
            time=time.value,
            snapshots=snapshots.value,
            unanchored=unanchored.value,
            duplicate_trades=duplicate_trades.value,
            symbol=symbol,
            strict=strict,
        )
    accepted = Accepted(allow_empty, max_lost)
    show(found, json, report, force, accepted)
    leave(found, accepted)


def _convert(paths: list[Path], **options: Any) -> tuple[Events, Report]:
    from data_convert.recordings.convert import convert_recording

    with reading_bar() as progress:
        result = convert_recording(paths, progress=progress, **options)
    return result.events, result.report
