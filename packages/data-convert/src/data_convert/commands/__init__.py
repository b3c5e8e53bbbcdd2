"""The subcommands that need no progress bar and no report options of `collector`: one module a group."""

from __future__ import annotations

import typer

from data_convert.commands import arrays, files


def register(app: typer.Typer) -> None:
    """Add the commands of every group to the program."""
    arrays.register(app)
    files.register(app)
