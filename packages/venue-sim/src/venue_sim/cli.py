"""The command line of the simulated exchange."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from venue_sim.config import parse_script
from venue_sim.errors import BadMarket, VenueSimError
from venue_sim.face import Face
from venue_sim.filters import Limits
from venue_sim.limits import OrderPool
from venue_sim.market import Market
from venue_sim.matching import CancelFrom
from venue_sim.private_side import Quick, Told
from venue_sim.venues import NAMES, find

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="A simulated exchange on loopback: REST and websocket as Binance USD-M futures, replayed or synthetic, "
    "with scripted faults.",
)


class Snapshots(StrEnum):
    """Which id a depth snapshot carries."""

    EDGE = "edge"
    INSIDE = "inside"


class StreamForm(StrEnum):
    """Which addresses of account streams are delivered on."""

    ANY = "any"
    QUERY = "query"
    QUERY_EVENTS = "query_events"
    PATH = "path"


class MarketKind(StrEnum):
    """Where the frames come from."""

    SYNTHETIC = "synthetic"
    REPLAY = "replay"
    FLOOD = "flood"
    FOLLOW = "follow"


@app.callback()
def _root() -> None:
    """Keep `run` a subcommand, so that more commands can come."""


@app.command()
def run(
    market: Annotated[
        MarketKind,
        typer.Option(
            help="synthetic: seeded order flow; replay: a recording; flood: a repeated block, for benches; "
            "follow: another venue's public streams."
        ),
    ] = MarketKind.SYNTHETIC,
    symbols: Annotated[
        str,
        typer.Option(
            "--symbols", "--symbol", help="Comma-separated. For replay: only these of the recording (default: all)."
        ),
    ] = "",
    rate: Annotated[
        float, typer.Option(help="Messages a second over all symbols (synthetic, flood). 0: as fast as clients read.")
    ] = 2000.0,
    venue: Annotated[str, typer.Option(help=f"The exchange to be: {', '.join(NAMES)}.")] = "usdm",
    seed: Annotated[int, typer.Option(help="Seed of the order flow.")] = 1,
    levels: Annotated[float, typer.Option(help="Average levels in a depth update (synthetic, flood).")] = 20.0,
    start_ms: Annotated[
        int | None,
        typer.Option(help="Exchange time at the start, ms since the epoch (synthetic, flood). Default: now."),
    ] = None,
    capture: Annotated[
        list[Path] | None,
        typer.Option(help="A recording of `<ns> <json>` lines, plain or .gz; several are merged by time."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Replay speed; 0: as fast as clients read, nothing dropped.")] = 1.0,
    follow_stream: Annotated[
        str, typer.Option(help="The venue to follow: where its websockets are (wss://fstream.binance.com).")
    ] = "",
    follow_rest: Annotated[
        str, typer.Option(help="The venue to follow: where its REST is (https://fapi.binance.com).")
    ] = "",
    start_on_subscribe: Annotated[
        bool | None,
        typer.Option(
            "--start-on-subscribe/--start-now",
            help="Begin at the first subscription (replay's and flood's default) or at once (synthetic's).",
        ),
    ] = None,
    wait_for: Annotated[
        str, typer.Option(help="Begin only when all these streams (comma-separated, or `all`) are subscribed.")
    ] = "",
    paused: Annotated[
        bool, typer.Option("--paused", help="Begin paused; go on with POST /sim/resume or /sim/advance.")
    ] = False,
    exit_at_end: Annotated[
        float | None, typer.Option(help="End the process so many seconds after the last frame. Default: stay.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="Fault script, TOML with [[fault]] entries.")] = None,
    host: Annotated[str, typer.Option(help="Loopback address to listen on; any other is refused.")] = "127.0.0.1",
    ws_port: Annotated[int, typer.Option(help="Websocket port, 0: any free one.")] = 0,
    rest_port: Annotated[int, typer.Option(help="REST and control port, 0: any free one.")] = 0,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write the addresses here too, atomically, when ready.")
    ] = None,
    ping_interval: Annotated[
        float | None, typer.Option(help="Seconds between the server's pings, 0: none. Default: the exchange's.")
    ] = None,
    pong_timeout: Annotated[
        float | None,
        typer.Option(help="Seconds without a pong until the connection is closed, 0: never. Default: the exchange's."),
    ] = None,
    max_connection_age: Annotated[
        float, typer.Option(help="Seconds after which a connection is closed, 0: never.")
    ] = 86_400.0,
    connection_limit: Annotated[
        int | None,
        typer.Option(
            help="Connection attempts in five minutes of one address before 429, 0: no limit. Default: the exchange's."
        ),
    ] = None,
    message_limit: Annotated[
        int | None,
        typer.Option(
            help="Incoming websocket messages a second before the connection is closed, 0: no limit. Default: the exchange's."
        ),
    ] = None,
    weight_limit: Annotated[
        int | None,
        typer.Option(
            help="Request weight a minute before 429, announced in exchangeInfo; at least one whole snapshot's. "
            "Default: the exchange's."
        ),
    ] = None,
    ban_patience: Annotated[int, typer.Option(help="Requests answered 429 in one minute before 418.")] = 10,
    ban_s: Annotated[int, typer.Option(help="Length of the first ban in seconds; doubles every time.")] = 120,
    depth_wait: Annotated[
        float, typer.Option(help="Seconds a depth request waits for a book not yet known before 503.")
    ] = 10.0,
    snapshots: Annotated[
        Snapshots,
        typer.Option(
            help="Id of a depth snapshot: edge: that of the last update sent; inside: one within it (U <= id < u), "
            "as some clients need to get in sync."
        ),
    ] = Snapshots.EDGE,
    accounts: Annotated[
        Path | None, typer.Option(help="Accounts that may trade, TOML with [[account]] entries. Default: no trading.")
    ] = None,
    queue: Annotated[
        CancelFrom, typer.Option(help="Where in a level's queue the market's cancels are taken from, seen by an order.")
    ] = CancelFrom.PROPORTIONAL,
    latency_ms: Annotated[
        str,
        typer.Option(help="Mean ms a private request, its answer and an account's event travel: REQUEST,ANSWER,PUSH."),
    ] = "0,0,0",
    user_stream: Annotated[
        StreamForm,
        typer.Option(help="Form an account stream's address must have; any other is accepted and silent."),
    ] = StreamForm.ANY,
    trade_lite: Annotated[
        Quick,
        typer.Option(help="When a fill's short message (TRADE_LITE) is pushed: before or after the long one, or off."),
    ] = Quick.BEFORE,
    change_limit: Annotated[int, typer.Option(help="Modifications of one order before -5026.")] = 10_000,
    account_update: Annotated[
        Told, typer.Option(help="When wallet and position are pushed: before or after the fill that moved them.")
    ] = Told.BEFORE,
    order_limits: Annotated[
        str,
        typer.Option(
            metavar="S,M",
            help="Orders in each of the exchange's periods, the shortest first (300,1200 for 10 s and a minute), before they "
            "are refused, announced in exchangeInfo. Default: the exchange's.",
        ),
    ] = "",
    history: Annotated[int, typer.Option(help="Depth updates a symbol to keep for /sim/book?u=.")] = 100_000,
    max_buffer_mb: Annotated[
        int, typer.Option(help="Unsent megabytes at which a client that does not read is cut off.")
    ] = 256,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.", envvar="VENUE_SIM_LOG")] = "info",
) -> None:
    """Serve until SIGINT or SIGTERM. Prints one JSON line with the addresses when ready; logs to stderr."""
    try:
        _log_to_stderr(log_level)
        script = parse_script(faults.read_text()) if faults else []
        names = [name.strip().lower() for name in symbols.split(",") if name.strip()]
        face, trade_face = find(venue)
        habits = face.habits
        ping_interval = habits.ping_interval_s if ping_interval is None else ping_interval
        pong_timeout = habits.pong_timeout_s if pong_timeout is None else pong_timeout
        connection_limit = habits.connections_in_5_min if connection_limit is None else connection_limit
        message_limit = habits.messages_per_s if message_limit is None else message_limit
        weight_limit = habits.weight_per_minute if weight_limit is None else weight_limit
        source = _market(
            face,
            market,
            names,
            capture or [],
            rate=rate,
            seed=seed,
            levels=levels,
            start_ms=start_ms,
            history=history,
            follow=(follow_rest, follow_stream),
        )
        from venue_sim.desk import Desk
        from venue_sim.exchange import Exchange, Rules
        from venue_sim.face import streams_of
        from venue_sim.faults import FaultScript
        from venue_sim.shell import Ports, Shell, loopback_only
        from venue_sim.timeline import Timeline

        loopback_only(host)
        if speed < 0:
            raise BadMarket("--speed", "must not be negative")
        least = face.rest.least_weight_per_minute
        if weight_limit < least:
            raise BadMarket(
                "--weight-limit",
                f"{weight_limit} would not pass one whole depth snapshot (weight {least}), so no client "
                f"could ever get a book; give at least {least}, or 1000000 for practically no limit",
            )
        waits = market in (MarketKind.REPLAY, MarketKind.FLOOD) if start_on_subscribe is None else start_on_subscribe
        if market is MarketKind.FOLLOW and (waits or paused):
            raise BadMarket("--market", "follow begins at once and does not wait: what it follows does not either")
        made = market in (MarketKind.SYNTHETIC, MarketKind.FLOOD)
        timeline = Timeline(speed if market is MarketKind.REPLAY else (0.0 if made and rate == 0 else 1.0))
        if paused:
            timeline.pause(0)
        awaited = frozenset(name.strip() for name in wait_for.split(",") if name.strip())
        if awaited == {"all"}:
            awaited = streams_of(face, source.topics) | source.recorded_streams
        if awaited and not waits:
            raise BadMarket("--wait-for", "contradicts beginning at once")
        rules = Rules(waits, awaited, ping_interval, pong_timeout, max_connection_age, message_limit, user_stream.value)
        exchange = Exchange(source, timeline, FaultScript(script), rules, face)
        trade = None
        if accounts is not None:
            from venue_sim.account_file import parse_accounts
            from venue_sim.latency import parse_latencies
            from venue_sim.trade_desk import TradeDesk
            from venue_sim.trading import Trading

            if trade_face is None:
                raise BadMarket("--accounts", f"{venue} has no trading here")
            known = parse_accounts(accounts.read_text(), habits.accounts, source.instruments)
            limits = Limits(changes=change_limit, kills_are_orders=habits.kills_are_orders)
            trading = Trading(source.instruments, known.accounts, limits=limits, cancels=queue)
            exchange.let_trade(trading, trade_face)
            exchange.private.quick = trade_lite
            exchange.private.account_told = account_update
            exchange.private.latencies = parse_latencies(latency_ms, seed)
            trade = TradeDesk(exchange, trading, known.keys, trade_face, _pools(order_limits, trade_face.order_pools))
        desk = Desk(
            exchange,
            weight_per_minute=weight_limit,
            patience=ban_patience,
            ban_s=ban_s,
            inside=snapshots is Snapshots.INSIDE,
            trade=trade,
        )
        ports = Ports(
            host, ws_port, rest_port, ready_file, connection_limit, depth_wait, max_buffer_mb << 20, exit_at_end
        )

        async def serve() -> None:
            from venue_sim.follow import FollowMarket
            from venue_sim.following import Follower

            follower = Follower(source, face, follow_stream, follow_rest) if isinstance(source, FollowMarket) else None
            await Shell(exchange, desk, ports, follower).run()

        if start_ms is None:
            _begin_now(source)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve())
    except (VenueSimError, OSError) as error:
        typer.echo(f"venue-sim: {error}", err=True)
        raise typer.Exit(2) from error


def _market(
    face: Face,
    kind: MarketKind,
    symbols: list[str],
    captures: list[Path],
    *,
    rate: float,
    seed: int,
    levels: float,
    start_ms: int | None,
    history: int,
    follow: tuple[str, str],
) -> Market:
    """Build the market the options describe."""
    begins_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
    if kind is MarketKind.REPLAY:
        from venue_sim.recording import RecordingFile
        from venue_sim.replay import ReplayMarket

        if not captures:
            raise BadMarket("--capture", "replay needs a recording")
        return ReplayMarket(
            ", ".join(map(str, captures)),
            [RecordingFile(path, face.messages.read_line).lines for path in captures],
            face.messages,
            symbols,
            history,
        )
    if captures:
        raise BadMarket("--capture", f"means nothing for a {kind.value} market")
    names = symbols or ["btcusdt"]
    if kind is MarketKind.FOLLOW:
        from venue_sim.following import begin

        if not all(follow):
            raise BadMarket("--follow-stream", "and --follow-rest are both needed for a market that follows")
        return begin(face, *follow, names, history)
    if any(follow):
        raise BadMarket("--follow-stream", f"means nothing for a {kind.value} market")
    if kind is MarketKind.FLOOD:
        from venue_sim.flood import FloodMarket

        return FloodMarket(names, face.messages, rate=rate, seed=seed, start_ms=begins_ms, levels=levels)
    from venue_sim.synthetic import SyntheticMarket

    return SyntheticMarket(names, rate=rate, seed=seed, start_ms=begins_ms, levels=levels, keep=history)


def _log_to_stderr(level_name: str) -> None:
    """Log as the other programs do: UTC time, level, logger and message."""
    level = logging.getLevelNamesMapping().get(level_name.upper())
    if level is None:
        raise BadMarket("--log-level", f"{level_name!r} is no level; use debug, info, warning or error")
    line = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    line.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(line)
    logging.basicConfig(level=level, handlers=[handler])
    for chatty in ("uvicorn", "asyncio"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


def _pools(text: str, pools: tuple[OrderPool, ...]) -> tuple[OrderPool, ...]:
    """The exchange's order limits, with other numbers where some are given."""
    if not text:
        return pools
    parts = text.split(",")
    if len(parts) != len(pools) or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        usual = ",".join(str(pool.most) for pool in pools)
        raise BadMarket("--order-limits", f"must be {len(pools)} positive numbers, like {usual}, not {text!r}")
    return tuple(OrderPool(pool.seconds, int(part)) for pool, part in zip(pools, parts, strict=True))


def _begin_now(market: Market) -> None:
    """Let a made-up market's clock be today's: making the first books took a while."""
    from venue_sim.flood import FloodMarket
    from venue_sim.synthetic import SyntheticMarket

    if isinstance(market, FloodMarket | SyntheticMarket):
        market.exchange_start_ms = time.time_ns() // 1_000_000


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, otherwise asyncio's own loop."""
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make


def main() -> None:
    """Run the command line; the exit code is 0 after a signal, 2 for wrong options."""
    app(prog_name="venue-sim")
