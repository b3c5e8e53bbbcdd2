"""The options about logs, alike in every command."""

from pathlib import Path
from typing import Annotated

import typer

LevelOption = Annotated[
    str, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.", envvar="CONNECTOR_LOG")
]
VerboseOption = Annotated[int, typer.Option("--verbose", "-v", count=True, help="More in the log.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Warnings and errors only.")]
FileOption = Annotated[Path | None, typer.Option("--log-file", metavar="FILE", help="Log there instead of to stderr.")]
JsonOption = Annotated[bool, typer.Option("--log-json", help="A log line is a JSON object.")]
