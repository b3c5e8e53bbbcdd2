"""The subcommands that need no progress bar and no report options of `collector`: one module a group."""

from __future__ import annotations

import typer

from data_convert.commands import archives, arrays, batching, files, inspecting


def register(app: typer.Typer) -> None:
    """Add the commands of every group to the program."""
    inspecting.register(app)
    arrays.register(app)
    files.register(app)
    archives.register(app)
    batching.register(app)
