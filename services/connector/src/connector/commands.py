"""The commands: what can be asked of a running connector by its name, and what needs none that runs."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from marketlink.logs import Wish

from connector.exits import EXIT_FAILED, EXIT_USAGE
from connector.log_options import FileOption, JsonOption, LevelOption, QuietOption, VerboseOption

if TYPE_CHECKING:
    from marketlink.venues.base import Instrument
    from marketlink.venues.registry import Exchange

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the connector's link.")]
StateDir = Annotated[
    Path | None,
    typer.Option(
        help="The state_dir of its configuration, where no connector of the name runs.", envvar="CONNECTOR_STATE_DIR"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WaitS = Annotated[float, typer.Option(help="Wait so long for the connector to say that it has done it, s.")]


@app.command()
def halt(
    name: Name,
    reducing: Annotated[
        bool, typer.Option("--reducing", help="Let orders pass that only reduce the position.")
    ] = False,
    why: Annotated[str, typer.Option(help="The reason, for the log and for refusals.")] = "",
    wait_s: WaitS = 5.0,
    state_dir: StateDir = None,
) -> None:
    """Let a connector refuse new orders and modifies; cancels pass. It holds until `connector resume NAME`, after restarts too.

    Working orders rest: cancel them through their bots, or stop the connector.

    Exit codes: 0 the connector has taken it, 1 none has (it is kept, and the next one of the name starts with it), 2 wrong arguments.
    """
    from connector.risk import Mode

    _want(name, Mode.REDUCING if reducing else Mode.HALTED, why or "by `connector halt`", wait_s, state_dir)


@app.command()
def resume(name: Name, wait_s: WaitS = 5.0, state_dir: StateDir = None) -> None:
    """Let a connector take orders again, whatever halted it.

    Exit codes: 0 the connector has taken it, 1 none has (it is kept, and the next one of the name starts with it), 2 wrong arguments.
    """
    from connector.risk import Mode

    _want(name, Mode.ACTIVE, "by `connector resume`", wait_s, state_dir)


@app.command()
def status(name: Name) -> None:
    """Say whether a connector of the name runs, and in which state it trades.

    Exit codes: 0 it runs, 1 it does not, or does not move, 2 wrong arguments.
    """
    facts = _facts(name)
    if facts is None:
        _quit(f"no connector named {name!r} is running on this link", EXIT_FAILED)
    if facts["silent_s"] > 3:
        _quit(f"{name}: process {facts['pid']} does not move: no heartbeat for {facts['silent_s']:.0f} s", EXIT_FAILED)
    typer.echo(f"{name}: process {facts.get('pid')}, {facts.get('exchange', 'starting')}, {_words(facts)}")


@app.command()
def watchdog(
    name: Name,
    config_path: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The connector's own configuration, with its keys.")
    ],
    exchange: Annotated[str, typer.Option(help="Exchange of the connector.")] = "binancefutures",
    silence_s: Annotated[
        float, typer.Option(help="A connector without a heartbeat for so long stands still, s.", min=0.5)
    ] = 3.0,
    log_level: LevelOption = "info",
    verbose: VerboseOption = 0,
    quiet: QuietOption = False,
    log_file: FileOption = None,
    log_json: JsonOption = False,
) -> None:
    """Guard a connector from a process of its own: when it dies or stands still, its orders are cancelled.

    Only orders of its own prefix are cancelled, on all symbols, and the exchange is asked until nothing of them is open. The ordinary end
    of a connector is none of its business. It may be started before the connector. When it has acted it ends: start it again with the
    connector. A connector that moves again meanwhile holds its orders itself, and is left alone.

    Exit codes: 0 ended by a signal, 1 could not go on, 2 wrong arguments or configuration, 3 another watchdog guards this name, 5 the
    account can't be used, 6 it had to act.
    """
    from connector.cli import run_watchdog

    run_watchdog(name, exchange, config_path, silence_s, Wish(log_level, verbose, quiet, log_file, log_json))


@app.command()
def book(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="Exchange.")],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="Symbol, e.g. btcusdt.")],
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="Look for so long.", min=0.1)] = 60.0,
    show_every: Annotated[
        int, typer.Option(metavar="N", help="Show the top of the book each N updates; 0: never.", min=0)
    ] = 50,
    levels: Annotated[int, typer.Option(help="Levels of each side to show.", min=1)] = 5,
    stream_url: Annotated[
        str, typer.Option(metavar="ROOT", help="Root of the websocket address; production's by default.")
    ] = "",
    api_url: Annotated[
        str, typer.Option(metavar="ROOT", help="Root of the REST address; production's by default.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON and nothing else.")] = False,
    log_level: LevelOption = "info",
    verbose: VerboseOption = 0,
    quiet: QuietOption = False,
    log_file: FileOption = None,
    log_json: JsonOption = False,
) -> None:
    """Keep one live book and judge it: in step, bid below ask, equal to the best-quote stream and to a closing snapshot.

    Nothing is published and no key is needed. SIGINT ends it early, with the verdict.

    Exit codes: 0 the book is the exchange's, 1 it is not, or could not be judged, 2 wrong arguments.
    """
    from connector.cli import run_book

    wish = Wish(log_level, verbose, quiet, log_file, log_json)
    run_book(venue, symbol, wish, duration, show_every, levels, stream_url, api_url, as_json=as_json)


@app.command()
def venues(as_json: AsJson = False) -> None:
    """List the exchanges: their names, other names, whether orders can be sent, and their networks for tests."""
    from marketlink.venues.registry import ALIASES, NAMES, find

    rows = []
    for name in NAMES:
        found = find(name)
        others = [alias for alias, of in ALIASES.items() if of == name]
        rows.append({"name": name, "aliases": others, "orders": found.trading is not None, "tests": list(found.tests)})
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        also = f", also {', '.join(map(str, row['aliases']))}" if row["aliases"] else ""  # type: ignore[call-overload]
        tests = f", {' and '.join(map(str, row['tests']))}" if row["tests"] else ""  # type: ignore[call-overload]
        typer.echo(f"{row['name']}: {'data and orders' if row['orders'] else 'data only'}{tests}{also}")


@app.command()
def symbols(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="Exchange.")],
    api_url: Annotated[
        str, typer.Option(metavar="ROOT", help="Root of the REST address; production's by default.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Those too that do not trade now.")] = False,
    as_json: AsJson = False,
) -> None:
    """List an exchange's symbols with tick size and lot size, one a line: `connector symbols VENUE | cut -f1 > FILE` for a collector.

    Exit codes: 0, 1 the exchange could not be asked, 2 wrong arguments.
    """
    from connector.cli import said

    with said(Wish("warning")):
        import asyncio

        from marketlink.venues.registry import find

        listed = asyncio.run(_listed(find(venue), api_url))
        rows = [each for each in listed if every or each.trading]
        if as_json:
            facts = [
                {"symbol": each.symbol, "tick_size": each.tick_text, "lot_size": each.lot_text, "trading": each.trading}
                for each in rows
            ]
            typer.echo(json.dumps(facts))
        else:
            for each in rows:
                words = [each.symbol, each.tick_text, each.lot_text, *([] if each.trading else ["not trading"])]
                typer.echo("\t".join(words))


async def _listed(exchange: "Exchange", api_url: str) -> "list[Instrument]":
    from marketlink.run.http import VenueHttp, fetch_info
    from marketlink.run.limits import WeightBudget

    venue = exchange.public
    async with VenueHttp(venue, api_url or exchange.rest_root, WeightBudget(venue.weight_limit)) as http:
        found = (await fetch_info(venue, http)).instruments
    return [found[name] for name in sorted(found)]


config_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Configurations: a new one, and what one says."
)
app.add_typer(config_app, name="config")


@config_app.command("new")
def config_new(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="Exchange.")],
    testnet: Annotated[bool, typer.Option("--testnet", help="For its test network.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="For its demo network.")] = False,
) -> None:
    """Print a configuration with every key, its default and what it is for. Exit codes: 0, 2 wrong arguments."""
    from connector.cli import said

    with said(Wish("warning")):
        from marketlink.venues.registry import find

        from connector.config_text import new_config

        try:
            typer.echo(new_config(find(venue), "testnet" if testnet else "demo" if demo else ""), nl=False)
        except ValueError as error:
            _quit(str(error), EXIT_USAGE)


@config_app.command("show")
def config_show(
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file.")],
    exchange: Annotated[str, typer.Option(help="Exchange that it is for.")] = "binancefutures",
) -> None:
    """Print what a configuration and the environment say together, key by key and from where; secrets are hidden.

    Exit codes: 0, 2 it can't be used.
    """
    from connector.cli import said

    with said(Wish("warning")):
        import os
        import tomllib

        from marketlink.venues.registry import find

        from connector.config import read_config
        from connector.config_text import show_config

        found = find(exchange)
        config, remarks = read_config(config_path, found.public, tests=found.tests)
        given = dict.fromkeys(tomllib.loads(config_path.read_text()), str(config_path))
        names = [*type(config).model_fields]
        given |= {name: f"CONNECTOR_{name.upper()}" for name in names if f"CONNECTOR_{name.upper()}" in os.environ}
        typer.echo(show_config(config, given), nl=False)
        for remark in remarks:
            typer.echo(f"# {remark}")


def _words(facts: dict[str, Any]) -> str:
    if "mode" not in facts:
        return "serves data only, carries out no orders"
    reason = f" ({facts['why']})" if facts.get("why") else ""
    ready = "ready" if facts.get("ready") else f"takes no orders yet: {facts.get('lacks', 'starting')}"
    guard = "with" if facts.get("watchdog") else "without"
    worth = f", uniMMR {facts['uni_mmr']}, equity {facts['equity']}" if "uni_mmr" in facts else ""
    others = [f"{symbol} {qty}" for symbol, qty in facts.get("unexplained", {}).items()]
    moved = f", moved by others: {', '.join(others)}" if others else ""
    orders = f"{facts['orders']} orders, {facts['in_doubt']} in doubt"
    return f"{facts['mode']}{reason}, {ready}, {orders}, {guard} watchdog{worth}{moved}"


def _facts(name: str) -> dict[str, Any] | None:
    """What the connector of a name says of itself; None when there is none."""
    from marketlink.errors import MarketlinkError
    from marketlink.link.names import check_name

    from connector.presence import look, place_for

    try:
        check_name(name)
        sight = look(place_for(name, "c"))
    except MarketlinkError as error:
        _quit(str(error), EXIT_USAGE)
    if not sight.alive:
        return None
    silent_s = (time.monotonic_ns() - sight.beat_ns) / 1e9 if sight.beat_ns else 0.0
    return {**sight.facts, "silent_s": silent_s}


def _want(name: str, mode: Any, why: str, wait_s: float, state_dir: Path | None) -> None:
    from connector.places import state_folder
    from connector.standing import write_wish

    facts = _facts(name)
    folder = Path(facts["state"]) if facts and "state" in facts else state_folder(str(state_dir or ""), name)
    try:
        wish = write_wish(folder, mode, why)
    except OSError as error:
        _quit(f"{folder} can't be written: {error}", EXIT_FAILED)
    if facts is None:
        _quit(
            f"no connector named {name!r} is running on this link. It is kept in {folder}: the next one that keeps its state there"
            f" starts {mode.value}",
            EXIT_FAILED,
        )
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        facts = _facts(name)
        if facts is not None and facts.get("wish") == wish.number:
            typer.echo(f"{name}: {_words(facts)}")
            return
        time.sleep(0.02)
    _quit(
        f"{name}: no answer in {wait_s:g} s. It is kept in {folder}, and holds as soon as the connector goes on or is started again",
        EXIT_FAILED,
    )


def _quit(text: str, code: int) -> NoReturn:
    typer.echo(f"connector: {text}", err=True)
    raise typer.Exit(code)
