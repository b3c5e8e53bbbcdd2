"""The command `inspect`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from data_convert.commands import options as opt


def inspect(
    path: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, help="Rows or lines to show.")] = 5,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Show the book at this time: ns, or 2024-08-08T23:55:00.5 (UTC).")
    ] = None,
    levels: Annotated[int, typer.Option(min=1, help="Levels of the book to show.")] = 10,
    clock: opt.Clock = "local",
    html: opt.HtmlFile = None,
    force: opt.Force = False,
    json: opt.Json = False,
) -> None:
    """Say what a file is and which command converts it; of an event file the book at an instant too."""
    from data_convert.files.npz import npz_chunks
    from data_convert.inspection.look import EventsLook, look_at, look_at_book, look_at_events, parse_instant
    from data_convert.inspection.text import look_json, look_sections, look_text

    if path.suffix != ".npz":
        if at or html:
            raise typer.BadParameter("--at and --report look into event files (.npz): convert the recording first")
        seen = look_at(path, rows)
        typer.echo(look_json(seen) if json else look_text(seen), nl=False)
        return
    opt.check_outputs(None, html, force)
    at_ns = None if at is None else _instant(at, parse_instant)
    look: EventsLook = look_at_events(path, npz_chunks(path), rows)
    if at_ns is not None:
        look = replace(look, book=look_at_book(npz_chunks(path), at_ns, clock, levels))
    if html is not None:
        from data_convert.report import render_html
        from data_convert.report.validation import validate_chunks

        page = render_html(replace(validate_chunks(npz_chunks(path)), title=path.name), look_sections(look))
        opt.write_page(html, page, force)
    typer.echo(look_json(look) if json else look_text(look), nl=False)


def _instant(text: str, parse: Callable[[str], int]) -> int:
    with opt.as_usage("--at: "):
        at_ns = parse(text)
    if at_ns >= 1 << 63:
        raise typer.BadParameter("--at is beyond 64 bits of ns")
    return at_ns
