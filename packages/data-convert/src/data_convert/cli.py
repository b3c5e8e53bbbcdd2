"""The command `data-convert`; its exit codes are those of `data_convert.exits`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from data_convert.commands import register
from data_convert.commands.options import (
    Accepted,
    AllowEmpty,
    BaseLatency,
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
    show,
    split_output,
    tell_written,
)
from data_convert.errors import ConvertError, StrictError
from data_convert.exits import HELP, MAX_LOST, Exit

if TYPE_CHECKING:
    from data_convert.events import Events
    from data_convert.report import Report


class _Commands(TyperGroup):
    """The list of commands with their whole first lines; click would cut them to the width of the terminal."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, (found.help or "").partition("\n")[0]) for name, found in commands if found is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would double the time it takes
    help="Market data recordings and vendor files to HftBacktest event arrays. " + HELP,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"data-convert {version('data-convert')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options of the program itself; they end it before a command is looked for."""


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


@app.command()
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
    compress: Annotated[CompressOption, typer.Option(help="Size against speed.")] = CompressOption.DEFAULT,
) -> None:
    """Convert recordings (.gz, .jsonl, plain; several days at once) of one symbol to an event array."""
    inputs, output = split_output(paths, output, 1, "name at least one recording and the output: IN... -o OUT.npz")
    if output.suffix != ".npz":
        raise typer.BadParameter(f"the output must end in .npz, not {output.name!r}: name it with -o, or last")
    from data_convert.writer import check_target, save

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


@app.command()
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
        from data_convert.stream.chunks import npz_chunks
        from data_convert.validation import validate_chunks

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
    from data_convert.convert import convert_recording

    with _progress() as progress:
        result = convert_recording(paths, progress=progress, **options)
    return result.events, result.report


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on stderr while input is read; nothing when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


register(app)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave by an exception, so that partial files are removed."""
    raise SystemExit(Exit.TERMINATED)


def main() -> None:
    """Run the command; errors become one line on stderr and an exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        if any("://" in argument for argument in sys.argv[1:]):
            _main_with_objects()
        else:
            app()
    except ConvertError as error:
        _fail(error, str(error))


def _fail(error: ConvertError, text: str) -> NoReturn:
    typer.echo(f"data-convert: {text}", err=True)
    sys.exit(Exit.INCOMPLETE if isinstance(error, StrictError) else Exit.ERROR)


def _main_with_objects() -> None:
    """Run the command on files that stand for URLs, and put its results into the store."""
    from data_convert.remote import brought, staged

    with staged() as stage:
        try:
            code: Any = app(brought(sys.argv[1:], stage), standalone_mode=True)
        except ConvertError as error:
            _fail(error, stage.named(str(error)))
        except SystemExit as end:
            code = end.code
        if code in (None, Exit.DONE, Exit.INCOMPLETE, Exit.FAULTS):
            for url in stage.finish("--force" in sys.argv):
                typer.echo(f"{url}: written", err=True)
        raise SystemExit(code)


import data_convert.cli_tardis  # noqa: E402, F401 - adds its commands
