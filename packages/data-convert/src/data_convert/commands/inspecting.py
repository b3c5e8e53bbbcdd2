"""The command `inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_convert.commands.options import Clock, ClockOption, Force, check_report


def register(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(inspect)


def inspect(
    path: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, help="Rows or lines to show.")] = 5,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Show the book at this time: ns, or 2024-08-08T23:55:00.5 (UTC).")
    ] = None,
    levels: Annotated[int, typer.Option(min=1, help="Levels of the book to show.")] = 10,
    clock: Clock = ClockOption.LOCAL,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write plots and checks of an event file as a page.")
    ] = None,
    force: Force = False,
) -> None:
    """Show head, counts, span and latencies of an event file or a recording, and the book at an instant."""
    from data_convert.inspection import describe, describe_book, parse_instant

    if (at or html) and path.suffix != ".npz":
        raise typer.BadParameter("--at and --html look into event files (.npz): convert the recording first")
    check_report(html, force)
    typer.echo(describe(path, rows), nl=False)
    if at is None and html is None:
        return
    from data_convert.writer import load, whole_file

    events = load(path)
    if at is not None:
        try:
            at_ns = parse_instant(at)
        except ValueError as error:
            raise typer.BadParameter(f"--at: {error}") from None
        if at_ns >= 1 << 63:
            raise typer.BadParameter("--at is beyond 64 bits of ns")
        typer.echo(describe_book(events, at_ns, clock.value, levels), nl=False)
    if html is not None:
        from data_convert.report import render_html
        from data_convert.validation import validate

        with whole_file(html, force) as file:
            file.write(render_html(validate(events)).encode())
