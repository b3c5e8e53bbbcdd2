"""Options and endings that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from data_convert import words
from data_convert.exits import MAX_LOST, Exit
from data_convert.sizes import MOST_NS, check_size

if TYPE_CHECKING:
    from data_convert.report import Report

SnapshotMode = Annotated[
    words.Mode,
    typer.Option(
        help="Snapshot blocks: discard the book before each; HftBacktest's rules: process (keep what is beyond a block), "
        "ignore_sod (the same, but none that opens a file), ignore."
    ),
]
Clock = Annotated[words.Side, typer.Option(help="Whose clock the book is played on.")]
Compress = Annotated[words.Compress, typer.Option(help="Size against speed.")]
Venue = Annotated[words.Venue, typer.Option(help="Whose frames a direct recording holds; auto looks at its lines.")]
SnapshotsAsCollector = Annotated[words.Policy, typer.Option(help="As for `collector`.")]
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
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)]
Days = Annotated[list[Path], typer.Argument(metavar="DAY.npz...", show_default=False)]


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


@contextmanager
def as_usage(before: str = "") -> Iterator[None]:
    """Turn a ValueError into one of usage, `before` its text."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(f"{before}{error}") from None


def sizes_or_usage(sizes: Mapping[str, float | None]) -> None:
    """Raise BadParameter for a tick or lot size that is none."""
    for option, size in sizes.items():
        with as_usage():
            check_size(size, option)


def check_outputs(output: Path | None, html: Path | None, force: bool) -> None:
    """Raise OutputError unless the array and the page can be written."""
    from data_convert.files.writer import check_target

    if output is not None:
        check_target(output, force, ".npz")
    if html is not None:
        check_target(html, force, html.suffix if html.suffix in (".html", ".htm") else ".html")


class Ending(NamedTuple):
    """How a command ends: what it shows of a report, and what is a success all the same (no row, a share that is lost)."""

    empty: bool = False
    lost: float = MAX_LOST
    json: bool = False
    html: Path | None = None
    force: bool = False


def finish(found: Report, ending: Ending, output: Path | None = None) -> None:
    """Print a report as text or JSON, write its page where one is asked for, and leave; `output` is where its rows went."""
    shown = replace(found, warnings=(*found.incomplete(ending.lost, ending.empty), *found.warnings))
    from data_convert.report import render_html, render_json, render_text

    if ending.html is not None:
        write_page(ending.html, render_html(shown), ending.force)
    typer.echo(render_json(shown) if ending.json else render_text(shown, colour=sys.stdout.isatty()), nl=False)
    if output is not None:
        tell_written(output, found.rows)
    leave(found, ending)


def leave(found: Report, ending: Ending) -> None:
    """End the command by what a report says: on stderr in words, and with its exit code where that is no success."""
    lacks = found.incomplete(ending.lost, ending.empty)
    for reason in (*lacks, *found.faults):
        typer.echo(f"data-convert: {reason}", err=True)
    if lacks or found.faults:
        raise typer.Exit(Exit.INCOMPLETE if lacks else Exit.FAULTS)


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
