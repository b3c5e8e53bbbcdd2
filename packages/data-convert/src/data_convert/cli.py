"""The command `data-convert`; its exit codes are those of `data_convert.exits`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from data_convert.commands import register
from data_convert.errors import ConvertError, StrictError
from data_convert.exits import HELP, Exit


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
    from data_convert.files.remote import brought, staged

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
