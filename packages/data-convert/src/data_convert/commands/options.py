"""Options and endings that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from data_convert.exits import MAX_LOST, Exit
from data_convert.sizes import MOST_NS, check_size

if TYPE_CHECKING:
    from data_convert.report import Report
    from data_convert.report.values import Result


class CompressOption(StrEnum):
    """How hard the output is compressed."""

    FAST = "fast"
    DEFAULT = "default"
    SMALL = "small"
    NONE = "none"


class ClockOption(StrEnum):
    """Whose clock a book is played on."""

    LOCAL = "local"
    EXCHANGE = "exchange"


class TimeOption(StrEnum):
    """Which of the exchange's times is used."""

    TRANSACTION = "T"
    EVENT = "E"


class SnapshotOption(StrEnum):
    """What becomes of snapshots."""

    BY_ID = "by-id"
    AS_RECORDED = "as-recorded"
    IGNORE = "ignore"


class ModeOption(StrEnum):
    """What becomes of Tardis' snapshot blocks."""

    DISCARD = "discard"
    PROCESS = "process"
    IGNORE_SOD = "ignore_sod"
    IGNORE = "ignore"


class VenueOption(StrEnum):
    """Whose frames a direct recording holds."""

    AUTO = "auto"
    BINANCE = "binance"
    BINANCE_FUTURES = "binance-futures"
    BINANCE_SPOT = "binance-spot"
    BYBIT = "bybit"
    HYPERLIQUID = "hyperliquid"
    MEXC = "mexc"


SnapshotMode = Annotated[
    ModeOption,
    typer.Option(
        help="Snapshot blocks: discard the book before each; HftBacktest's rules: process (keep what is beyond a block), "
        "ignore_sod (the same, but none that opens a file), ignore."
    ),
]
Clock = Annotated[ClockOption, typer.Option(help="Whose clock the book is played on.")]
Compress = Annotated[CompressOption, typer.Option(help="Size against speed.")]
Venue = Annotated[VenueOption, typer.Option(help="Whose frames a direct recording holds; auto looks at its lines.")]
Levels = Annotated[
    str, typer.Option(metavar="N|fused", help="Bybit, Hyperliquid: the book of N levels alone, or all of them fused.")
]
BaseLatency = Annotated[
    int,
    typer.Option(
        "--base-latency-ns", min=-MOST_NS, max=MOST_NS, help="Added to the shift when local times must be moved."
    ),
]
Symbol = Annotated[str | None, typer.Option(help="Take this symbol out of a recording of several.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop with exit code 3 at the first bad line or damage.")]
Force = Annotated[bool, typer.Option("--force", help="Write over existing files.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="A result without a row is a success (else exit code 3).")
]
MaxLost = Annotated[
    float,
    typer.Option(
        min=0.0, max=1.0, metavar="SHARE", help="Exit code 3 where a larger share of lines or updates is lost."
    ),
]
HtmlFile = Annotated[
    Path | None, typer.Option("--report", "--html", metavar="FILE.html", help="Also write the report as an HTML page.")
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="OUT.npz", help="Where the result goes.")]
OutputOrLast = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="OUT", help="Where the result goes; without it, the last path.")
]


def split_output(paths: list[Path], output: Path | None, least: int, usage: str) -> tuple[list[Path], Path]:
    """Return the inputs and the output: the option's, or the last path as in older versions. Raises BadParameter."""
    inputs, target = (paths, output) if output is not None else (paths[:-1], paths[-1] if paths else None)
    if len(inputs) < least or target is None:
        raise typer.BadParameter(usage)
    return inputs, target


def depth_of(levels: str) -> int | None:
    """Return the number `--levels` names, None for fused; raise BadParameter for anything else."""
    if levels == "fused":
        return None
    if not levels.isdecimal() or not int(levels):
        raise typer.BadParameter(f"--levels is a number of levels or 'fused', not {levels!r}")
    return int(levels)


def sizes_or_usage(sizes: Mapping[str, float | None]) -> None:
    """Raise BadParameter for a tick or lot size that is none."""
    for option, size in sizes.items():
        try:
            check_size(size, option)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None


def check_report(report: Path | None, force: bool) -> None:
    """Raise OutputError unless the page can be written."""
    if report is None:
        return
    from data_convert.files.writer import check_target

    check_target(report, force, report.suffix if report.suffix in (".html", ".htm") else ".html")


class Accepted(NamedTuple):
    """What is a success all the same: a result without a row, a share that is lost."""

    empty: bool = False
    lost: float = MAX_LOST


def show(found: Report, json: bool, html: Path | None, force: bool, accepted: Accepted) -> None:
    """Print a report as text or JSON, and write its page where one is asked for; say what it lacks as warnings."""
    found = replace(found, warnings=(*found.incomplete(accepted.lost, accepted.empty), *found.warnings))
    from data_convert.report import render_html, render_json, render_text

    if html is not None:
        write_page(html, render_html(found), force)
    if json:
        typer.echo(render_json(found), nl=False)
    else:
        typer.echo(render_text(found, colour=sys.stdout.isatty()), nl=False)


def leave(found: Report, accepted: Accepted) -> None:
    """End the command by what a report says: on stderr in words, and with its exit code where that is no success."""
    lacks = found.incomplete(accepted.lost, accepted.empty)
    for reason in (*lacks, *found.faults):
        typer.echo(f"data-convert: {reason}", err=True)
    if lacks or found.faults:
        raise typer.Exit(Exit.INCOMPLETE if lacks else Exit.FAULTS)


def save_result(
    result: Result,
    output: Path,
    force: bool,
    compress: CompressOption,
    json: bool,
    report: Path | None,
    accepted: Accepted,
) -> None:
    """Write the array of a conversion, show its report, and end by what it says."""
    from data_convert.files.writer import save

    save(result.events, output, force=force, compress=compress.value)
    show(result.report, json, report, force, accepted)
    tell_written(output, len(result.events))
    leave(result.report, accepted)


def write_page(path: Path, page: str, force: bool) -> None:
    """Write a page whole and say where it is."""
    from data_convert.files.writer import whole_file

    with whole_file(path, force) as file:
        file.write(page.encode())
    typer.echo(f"{path}: the report", err=True)


def tell_written(path: Path, rows: int, json: bool = False) -> None:
    """Say on stderr what was written, and as JSON on stdout where it is asked for and there is no report."""
    size = path.stat().st_size
    typer.echo(f"{path}: {rows:,} rows, {size:,} bytes", err=True)
    if json:
        show_json({"output": str(path), "rows": rows, "bytes": size})


def show_json(value: object) -> None:
    """Print plain values as JSON."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


@contextmanager
def reading_bar() -> Iterator[Callable[[int, int], None] | None]:
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
