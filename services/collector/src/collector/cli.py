"""The command `collector`."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from marketlink.errors import SettingsError
from marketlink.logs import Wish

from collector.config import COMMANDS, SUPPORTED, BadUsage, Settings, as_typed, check, read_words, with_files
from collector.descriptors import fill_standard_places
from collector.errors import CollectorError
from collector.stopping import Stop

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_HELP = f"""Record market data into gzip files, one a symbol and UTC day, readable while they are written.

\b
collector PATH EXCHANGE SYMBOL...          from the exchange itself
collector PATH SYMBOL... --ipc NAME        from a running connector
collector PATH "" SYMBOL... --ipc NAME     the same, in the older form
collector verify DIR | repair DIR | index DIR | merge A B    of recordings that are there; see collector verify --help

These four words can't be a PATH: write ./verify for a folder of such a name.

Exchanges: {", ".join(SUPPORTED)}.

Ends after --duration, or on SIGINT, SIGTERM or SIGHUP, when all that was received is written; a second signal ends it at once.
Under nohup SIGHUP is ignored.

Exit codes: 0 ended as asked, 1 error (also: something could not be written, or nothing was heard of a symbol), 2 usage (also: an
unknown symbol, a file of another kind in the way).
"""


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"collector {version('collector')}")
        raise typer.Exit


@app.command(help=_HELP)
def collect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Directory of the recordings; made when missing.")],
    words: Annotated[list[str], typer.Argument(metavar="[EXCHANGE] SYMBOL...", help="What to record.")],
    ipc: Annotated[str | None, typer.Option(metavar="NAME", help="Record what the connector NAME publishes.")] = None,
    duration: Annotated[float | None, typer.Option(metavar="SECONDS", help="End after so many seconds.")] = None,
    stream_url: Annotated[
        str, typer.Option(metavar="ROOT", help="Root of the websocket address, e.g. wss://fstream.binance.com.")
    ] = "",
    api_url: Annotated[
        str, typer.Option(metavar="ROOT", help="Root of the REST address, e.g. https://fapi.binance.com.")
    ] = "",
    stale: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Shortest silence of a busy stream after which it counts as silent."),
    ] = 3.0,
    tick_size: Annotated[
        float,
        typer.Option(
            help="Only for --ipc and hftbacktest's own connector, which takes sizes from who asks first; 0: unstated."
        ),
    ] = 0.0,
    lot_size: Annotated[float, typer.Option(help="As --tick-size, for quantities.")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON on stdout at the end.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings and errors only.")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="More in the log.")] = 0,
    log_level: Annotated[
        str, typer.Option(metavar="LEVEL", help="debug, info, warning or error.", envvar="COLLECTOR_LOG")
    ] = "info",
    metrics_port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65_535, help="Serve numbers for Prometheus there, on this machine."),
    ] = 0,
    log_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Log there instead of to stderr.")] = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="A log line is a JSON object.")] = False,
    version_wanted: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read the command line and record."""
    try:
        if ipc == "":
            raise BadUsage("--ipc needs the name of a connector, and was given an empty one")
        words = with_files(words)
        exchange, symbols = read_words(words, ipc or "")
        settings = check(
            Settings(
                path=path,
                exchange=exchange,
                symbols=symbols,
                names=as_typed(words, symbols),
                ipc=ipc or "",
                duration_s=duration,
                stream_root=stream_url,
                rest_root=api_url,
                stale_s=stale,
                tick_size=tick_size,
                lot_size=lot_size,
                json=json,
                quiet=quiet,
                metrics_port=metrics_port,
            )
        )
        wish = Wish(log_level, verbose, quiet, log_file, log_json)
        _ = wish.number  # a word that is no level is a mistake of the command line
    except (CollectorError, SettingsError) as error:
        raise typer.BadParameter(str(error)) from error
    stop = Stop()
    stop.listen()  # before numpy and others start threads, see there
    from collector.shell import run, set_up_logs

    try:
        set_up_logs(wish)
    except SettingsError as error:
        print(f"collector: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    raise typer.Exit(run(settings, stop))


def main() -> None:
    """Run the command: one of the words that can't be a PATH, else the recorder itself."""
    fill_standard_places()
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        if sys.argv[2:3] and sys.argv[2].lower() in SUPPORTED and not Path(sys.argv[2]).exists():
            word = sys.argv[1]
            print(
                f"collector: {word!r} is a command; to record into a folder of that name write ./{word}",
                file=sys.stderr,
            )
            raise SystemExit(2)
        from collector.commands import app as commands

        commands(prog_name="collector")
    app()
