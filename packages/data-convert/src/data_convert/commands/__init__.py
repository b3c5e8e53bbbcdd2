"""The subcommands, one module a group."""

from __future__ import annotations

import typer

from data_convert.commands import archives, arrays, batching, files, inspecting, recordings, tardis, warming


def register(app: typer.Typer) -> None:
    """Add the commands of every group to the program, in the order in which its help lists them."""
    for command in (
        *(recordings.collector, recordings.validate, inspecting.inspect, arrays.snapshot, arrays.latency),
        *(files.merge, files.to_tardis, archives.history, archives.migrate, batching.batch),
        *(tardis.tardis, tardis.fuse, tardis.generate_sample, warming.warm),
    ):
        app.command()(command)
