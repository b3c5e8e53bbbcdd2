"""The command line: `connector NAME CONNECTOR CONFIG`."""

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from marketlink.logs import Wish
from marketlink.venues.registry import NAMES, Exchange, find

from connector import __version__
from connector.exits import (
    COMMANDS,
    EXIT_ACCOUNT,
    EXIT_ACTED,
    EXIT_ALREADY_RUNNING,
    EXIT_FAILED,
    EXIT_ORDERS_LEFT,
    EXIT_USAGE,
    RESERVED,
)
from connector.log_options import FileOption, JsonOption, LevelOption, QuietOption, VerboseOption

if TYPE_CHECKING:
    from marketlink.venues.trading import Signer

    from connector.config import ConnectorConfig

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
    log_level: LevelOption = "info",
    verbose: VerboseOption = 0,
    quiet: QuietOption = False,
    log_file: FileOption = None,
    log_json: JsonOption = False,
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

    Every key can come from the environment instead, e.g. CONNECTOR_API_KEY. Without api_key and secret the connector serves data only.
    With them it carries out bots' orders; docs/connector.md has every key, docs/trading.md what happens when.

    A connector that runs is asked by its NAME: connector halt NAME, resume NAME, status NAME; connector watchdog NAME CONFIG guards it.
    connector book VENUE SYMBOL checks a live book; venues, symbols VENUE, config new VENUE and config show CONFIG tell what there is
    and what is set. These words and doctor can't be a NAME.

    Exit codes: 0 ended by SIGINT or SIGTERM, 1 could not go on, 2 wrong arguments or configuration, 3 a connector of this
    name is already running, 4 orders are open at the end, or not known to be closed, 5 the account can't be used. A second
    signal ends it at once.
    """
    with said(Wish(log_level, verbose, quiet, log_file, log_json)):
        _check_name(name)
        code = _run(name, find(exchange), config_path)
    if code:
        raise typer.Exit(code)


def run_watchdog(name: str, exchange: str, config_path: Path, silence_s: float, wish: Wish) -> None:
    """Run a watchdog; see `connector watchdog --help`."""
    from marketlink.errors import AlreadyRunning, SettingsError

    from connector.config import read_config
    from connector.fitting import fitted
    from connector.watchdog import Watchdog

    with said(wish):
        _check_name(name)
        found = find(exchange)
        config, _ = read_config(config_path, found.public, tests=found.tests)
        config = fitted(config, found, config_path)
        signer = _signer(config)
        if signer is None or found.trading is None:
            raise SettingsError(
                str(config_path), "api_key", "no keys are given", "A watchdog needs them to cancel orders."
            )

        async def main() -> bool:
            assert found.trading is not None
            try:
                dog = Watchdog(name, found.public, found.trading, config, signer, silence_s)
            except AlreadyRunning:
                _quit(f"another watchdog guards {name!r} already", EXIT_ALREADY_RUNNING)
            return await dog.run()

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            acted = runner.run(main())
    raise typer.Exit(EXIT_ACTED if acted else 0)


def run_book(
    venue: str,
    symbol: str,
    wish: Wish,
    duration_s: float,
    show_every: int,
    levels: int,
    stream_root: str,
    rest_root: str,
    *,
    as_json: bool,
) -> None:
    """Check a live book; see `connector book --help`."""
    from marketlink.errors import MarketlinkError

    from connector.book_shell import Wanted, check_book

    with said(wish):
        wanted = Wanted(find(venue), symbol, duration_s, show_every, levels, stream_root, rest_root, as_json)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            try:
                right = runner.run(check_book(wanted))
            except* MarketlinkError as group:
                raise group.exceptions[0] from None
    raise typer.Exit(0 if right else EXIT_FAILED)


def _check_name(name: str) -> None:
    from marketlink.link.names import check_name

    check_name(name)
    if name in RESERVED:
        _quit(f"{name!r} can't be a NAME: it is the first word of a command, or kept for one", EXIT_USAGE)


@contextlib.contextmanager
def said(wish: Wish) -> Iterator[None]:
    """Log to stderr, and turn what makes going on impossible into a sentence and an exit code."""
    from marketlink import logs
    from marketlink.errors import AlreadyRunning, MarketlinkError, SettingsError

    from connector.errors import AccountUnusable

    try:
        logs.set_up_as(wish, logging.StreamHandler(sys.stderr))
    except SettingsError as error:
        _quit(str(error), EXIT_USAGE)
    try:
        yield
    except AlreadyRunning as error:
        _quit(str(error), EXIT_ALREADY_RUNNING)
    except SettingsError as error:
        _quit(str(error), EXIT_USAGE)
    except AccountUnusable as error:
        _quit(str(error), EXIT_ACCOUNT)
    except MarketlinkError as error:
        _quit(str(error), EXIT_FAILED)


def _signer(config: "ConnectorConfig") -> "Signer | None":
    """What signs with the configured keys; None where there are none. What the environment held of them, no child inherits."""
    from marketlink.errors import SettingsError
    from marketlink.venues.signing import make_signer

    for key in ("CONNECTOR_API_KEY", "CONNECTOR_SECRET"):
        os.environ.pop(key, None)
    if not config.has_keys:
        return None
    try:
        return make_signer(config.api_key.get_secret_value(), config.secret.get_secret_value())
    except ValueError as error:
        raise SettingsError(
            "configuration", "api_key, secret", str(error), "Copy both from the exchange as they are."
        ) from None


def _run(name: str, exchange: Exchange, config_path: Path) -> int:
    from marketlink.errors import SettingsError
    from marketlink.link.iceoryx import IceoryxConnectorPort

    from connector.config import read_config
    from connector.fitting import fitted

    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # until the event loop takes them; asyncio's own would make it an error
        signal.signal(number, _leave)
    config, remarks = read_config(config_path, exchange.public, tests=exchange.tests)
    public = exchange.time_units.get(config.time_unit) if config.time_unit else exchange.public
    if public is None:
        what = f"{exchange.name} has no times in {config.time_unit}s"
        raise SettingsError(str(config_path), "time_unit", what, "Leave it out.")
    config = fitted(config, exchange, config_path)
    trading = exchange.trading if config.has_keys else None
    if trading is not None and config.stp:
        try:
            trading = trading.with_self_trade(config.stp)
        except ValueError as error:
            raise SettingsError(
                str(config_path), "stp", str(error), "Leave it out: the account's own mode holds."
            ) from None
    if trading is not None and config.dead_man_s:
        trading = trading.with_protection()
    port = IceoryxConnectorPort(name)  # the lock of the name: before anything is said to the exchange
    try:
        from marketlink.run.metrics import serve

        from connector.shell import Shell

        log = logging.getLogger("connector")
        log.info("connector %s %s: %s, process %d", __version__, name, exchange.name, os.getpid())
        for remark in remarks:
            log.warning("%s", remark)

        signer = _signer(config)
        if signer is not None and exchange.trading is not None:
            port.open_private()
        shell = None

        async def main() -> None:
            nonlocal shell
            shell = Shell(name, public, config, port, random.Random(), trading=trading, signer=signer)
            shell.attend()
            await shell.run()

        with (
            serve(config.metrics_port, lambda: [] if shell is None else shell.samples),
            asyncio.Runner(loop_factory=_loop_factory()) as runner,
        ):
            runner.run(main())
        if shell is not None and shell.left_open and config.shutdown != "keep":
            return EXIT_ORDERS_LEFT
        return 0
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
    """Run the command: one of the words that can't be a NAME, else the connector itself."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        from connector.commands import app as commands

        commands(prog_name="connector")
    app()
