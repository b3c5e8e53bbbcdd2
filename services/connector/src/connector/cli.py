"""The command line: `connector NAME CONNECTOR CONFIG`."""

import asyncio
import logging
import os
import random
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from marketlink.venues.registry import NAMES, Exchange, find

from connector import __version__

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ALREADY_RUNNING = 3

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"connector {__version__}")
        raise typer.Exit


@app.command()
def connect(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the link: bots and collectors find this connector by it.")
    ],
    exchange: Annotated[str, typer.Argument(metavar="CONNECTOR", help=f"Exchange: {', '.join(NAMES)}.")],
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file; see below.")],
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.", envvar="CONNECTOR_LOG")] = "info",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold an exchange's market data and publish it over shared memory.

    Bots and collectors register symbols while it runs. Books are kept in sync by the exchange's update ids, and everyone is
    told when one is not.

    \b
    CONFIG is a TOML file:
        stream_url = "wss://fstream.binance.com"
        api_url    = "https://fapi.binance.com"

    Optional: data_age_s, stale_s, ping_age_s, request_timeout_s, ca_file, order_prefix, api_key, secret. Every key can come
    from the environment instead, e.g. CONNECTOR_API_KEY. Without keys the connector serves data only; this version does not trade.

    Exit codes: 0 ended by SIGINT or SIGTERM, 1 could not go on, 2 wrong arguments or configuration, 3 a connector of this
    name is already running. A second signal ends it at once.
    """
    from marketlink import logs
    from marketlink.errors import AlreadyRunning, MarketlinkError, SettingsError
    from marketlink.link.names import check_name

    level = logging.getLevelNamesMapping().get(log_level.upper())
    if level is None:
        _quit(f"--log-level: {log_level!r} is no level; use debug, info, warning or error", EXIT_USAGE)
    logs.set_up(level, sys.stderr)
    try:
        check_name(name)
        _run(name, find(exchange), config_path)
    except AlreadyRunning as error:
        _quit(str(error), EXIT_ALREADY_RUNNING)
    except SettingsError as error:
        _quit(str(error), EXIT_USAGE)
    except MarketlinkError as error:
        _quit(str(error), EXIT_FAILED)


def _run(name: str, exchange: Exchange, config_path: Path) -> None:
    from marketlink.link.iceoryx import IceoryxConnectorPort

    from connector.config import read_config

    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # until the event loop takes them; asyncio's own would make it an error
        signal.signal(number, _leave)
    config, remarks = read_config(config_path, exchange.public)
    port = IceoryxConnectorPort(name)  # the lock of the name: before anything is said to the exchange
    try:
        from connector.shell import Shell

        log = logging.getLogger("connector")
        log.info("connector %s %s: %s, process %d", __version__, name, exchange.name, os.getpid())
        for remark in remarks:
            log.warning("%s", remark)

        async def main() -> None:
            await Shell(name, exchange.public, config, port, random.Random()).run()

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    finally:
        port.close()


def _leave(number: int, frame: object) -> NoReturn:
    logging.getLogger("connector").info("%s: ended before it began", signal.Signals(number).name)
    raise SystemExit(0)


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """Use uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _quit(text: str, code: int) -> NoReturn:
    typer.echo(f"connector: {text}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Run the command."""
    app()
