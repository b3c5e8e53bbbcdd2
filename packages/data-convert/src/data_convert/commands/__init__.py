"""The subcommands, one module a group."""

from __future__ import annotations

import typer

from data_convert.commands import archives, arrays, batching, files, inspecting, recordings, tardis, warming


def register(app: typer.Typer) -> None:
    """Add the commands of every group to the program."""
    for group in (recordings, inspecting, arrays, files, archives, batching, tardis, warming):
        group.register(app)
