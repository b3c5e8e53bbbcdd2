"""The command `obi-mm`. Nothing here loads numpy or numba before a command runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

_HELP = """An order book imbalance market maker: backtest it, sweep it, warm it up, watch it decide.

Exit codes: 0 done, 1 error (diff: the logs differ; warmup: not warm), 2 wrong usage, also sizes that are not the exchange's. live
--trade also: 3 the bot id is taken, 4 orders may be open at the end, 5 orders are not taken (no keys, refused again and again).
"""

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, help=_HELP, no_args_is_help=True
)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="TOML", help="Configuration; without it the defaults.")
]
DataOption = Annotated[
    list[Path], typer.Option("--data", "-d", metavar="NPZ", help="Event files in order of time; more may follow it.")
]
MoreData = Annotated[list[Path] | None, typer.Argument(metavar="[NPZ]...", help="Further event files.")]
TickOption = Annotated[float, typer.Option(help="Price step.")]
LotOption = Annotated[float, typer.Option(help="Quantity step.")]
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the results; made when missing.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace results that are there.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress.")]
EntryOption = Annotated[int, typer.Option(metavar="NS", help="Order entry latency.")]
ResponseOption = Annotated[int, typer.Option(metavar="NS", help="Order response latency.")]
LatencyFile = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="NPZ", help="Order latencies over time (hftbacktest's format) instead; repeat it, in order, for days."
    ),
]
ContractOption = Annotated[
    str, typer.Option(help="linear, or inverse: it settles in the base asset, as COIN-M's contracts do.")
]
ContractSize = Annotated[
    float,
    typer.Option(help="What one contract is: of the base asset (linear), of the currency of the price (inverse)."),
]
QueueOption = Annotated[
    str, typer.Option(help="Queue model: risk-adverse, log-prob, log-prob2, power-prob, power-prob2, power-prob3.")
]
QueueN = Annotated[float, typer.Option(help="Exponent of the power-prob models.")]
MakerOption = Annotated[
    float | None,
    typer.Option(help="Fee on value traded as maker; negative is a rebate. Default: fees.maker of the configuration."),
]
TakerOption = Annotated[
    float | None, typer.Option(help="Fee on value traded as taker. Default: fees.taker of the configuration.")
]
BookOption = Annotated[
    str,
    typer.Option(
        help="The engine's book: hashmap; roi (an array over global.roi_lb to roi_ub, levels beyond are not seen); "
        "auto (an array over all prices of the data where that is not too wide, else hashmap: the same result)."
    ),
]
ClockOption = Annotated[
    str,
    typer.Option(
        help="Whose time decides when: local (receive times), or exchange (as live does; feeds arrive at once)."
    ),
]


@contextmanager
def _edge() -> Iterator[None]:
    """Turn the project's errors into one line and an exit code: 2 where what was said on the command line can't be so, else 1."""
    from data_convert.errors import ConvertError
    from marketlink.errors import MarketlinkError, SettingsError

    from obi_mm.errors import IdTaken, ObiError, SweepStopped

    try:
        yield
    except SettingsError as error:
        print(f"obi-mm: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    except IdTaken as error:
        print(f"obi-mm: {error}", file=sys.stderr)
        raise typer.Exit(3) from error
    except SweepStopped as error:
        print(f"obi-mm: {error}", file=sys.stderr)
        raise typer.Exit(128 + error.number) from error
    except (ObiError, MarketlinkError, ConvertError) as error:
        print(f"obi-mm: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"obi-mm {version('obi-mm')}")
        raise typer.Exit


@app.callback()
def _root(
    version_wanted: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def backtest(
    data: DataOption,
    more: MoreData = None,
    config: ConfigOption = None,
    output: OutputOption = Path("backtest-out"),
    tick_size: TickOption = 0.1,
    lot_size: LotOption = 0.001,
    snapshot: Annotated[
        Path | None, typer.Option("--snapshot", "-s", metavar="NPZ", help="The book that the data begins with.")
    ] = None,
    entry_latency: EntryOption = 1_000_000,
    response_latency: ResponseOption = 1_000_000,
    latency_file: LatencyFile = None,
    queue: QueueOption = "power-prob3",
    queue_n: QueueN = 3.0,
    maker_fee: MakerOption = None,
    taker_fee: TakerOption = None,
    book: BookOption = "auto",
    clock: ClockOption = "local",
    contract: ContractOption = "linear",
    contract_size: ContractSize = 1.0,
    record_seconds: Annotated[float, typer.Option(help="Time between two records.")] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but send nothing.")] = False,
    symbol: Annotated[str, typer.Option(help="Name for the decision log; by default the first file's.")] = "",
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run the strategy over event files; write records, fills, decisions, figures and a report."""
    from obi_mm.commands import run_one

    with _edge():
        from obi_mm.models import Models

        models = Models(
            entry_latency_ns=entry_latency,
            response_latency_ns=response_latency,
            latency_files=tuple(str(path) for path in latency_file or ()),
            queue=queue,
            queue_n=queue_n,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            book=book,
            clock=clock,
            contract=contract,
            contract_size=contract_size,
            record_ns=round(record_seconds * 1e9),
        )
        run_one(
            [*data, *(more or [])],
            config,
            output,
            tick_size,
            lot_size,
            models,
            snapshot=snapshot,
            dry=dry_run,
            symbol=symbol,
            force=force,
            quiet=quiet,
        )


@app.command()
def sweep(
    grid: Annotated[Path, typer.Option("--grid", "-g", metavar="TOML", help="Lists of values by section.field.")],
    data: DataOption,
    more: MoreData = None,
    config: ConfigOption = None,
    output: OutputOption = Path("sweep-out"),
    tick_size: TickOption = 0.1,
    lot_size: LotOption = 0.001,
    entry_latency: EntryOption = 1_000_000,
    response_latency: ResponseOption = 1_000_000,
    latency_file: LatencyFile = None,
    queue: QueueOption = "power-prob3",
    queue_n: QueueN = 3.0,
    maker_fee: MakerOption = None,
    taker_fee: TakerOption = None,
    book: BookOption = "auto",
    clock: ClockOption = "local",
    contract: ContractOption = "linear",
    contract_size: ContractSize = 1.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one a core.")] = None,
    cluster: Annotated[str, typer.Option(metavar="ADDRESS", help="Run on a Dask cluster instead.")] = "",
    rank: Annotated[str, typer.Option(help="Figure that orders the rows.")] = "equity",
    quiet: QuietOption = False,
) -> None:
    """Backtest each file with every combination of a grid; goes on where it was interrupted."""
    with _edge():
        from obi_mm.models import Models
        from obi_mm.sweeping import sweep_all

        models = Models(
            entry_latency_ns=entry_latency,
            response_latency_ns=response_latency,
            latency_files=tuple(str(path) for path in latency_file or ()),
            queue=queue,
            queue_n=queue_n,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            book=book,
            clock=clock,
            contract=contract,
            contract_size=contract_size,
        )
        sweep_all(
            grid,
            [*data, *(more or [])],
            config,
            output,
            tick_size,
            lot_size,
            models,
            workers=workers,
            address=cluster,
            rank=rank,
            quiet=quiet,
        )


@app.command()
def sample(
    file: Annotated[Path, typer.Argument(metavar="NPZ", help="Where the day is written.")],
    hours: Annotated[float, typer.Option(min=0.01, max=240, help="How long the day is.")] = 8.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another day; the same gives the same bytes.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a made-up day to try a backtest with: ticks of 0.1, lots of 0.001, prices around 50,000."""
    with _edge():
        from obi_mm.commands import write_sample

        write_sample(file, hours, seed, force)


@app.command()
def decisions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A decision log, finished or being written.")],
    form: Annotated[str, typer.Option("--format", help="table, csv or json (one object a line).")] = "table",
    symbol: Annotated[str, typer.Option(help="Only this symbol's.")] = "",
    reason: Annotated[str, typer.Option(help="Only decisions for this reason, e.g. quoting, stopped.")] = "",
    first: Annotated[int | None, typer.Option("--head", help="Only the first so many.")] = None,
    last: Annotated[int | None, typer.Option("--tail", help="Only the last so many.")] = None,
    orders: Annotated[
        bool,
        typer.Option(
            "--orders",
            help="What happened to orders instead: requests, answers, fills, problems; --reason fill: only those.",
        ),
    ] = False,
) -> None:
    """Print a decision log."""
    if form not in ("table", "csv", "json"):
        raise typer.BadParameter(f"table, csv or json, not {form!r}", param_hint="--format")
    from obi_mm.printing import print_decisions

    with _edge():
        print_decisions(file, form, symbol, reason, first, last, orders=orders)


@app.command()
def diff(
    left: Annotated[Path, typer.Argument(metavar="A", help="A decision log.")],
    right: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    tolerance: Annotated[float, typer.Option(help="Relative difference of numbers that does not count.")] = 0.0,
    common: Annotated[
        bool, typer.Option("--common", help="Only from the first to the last time that both logs have.")
    ] = False,
    warm: Annotated[
        bool,
        typer.Option("--warm", help="As --common, from where it no longer matters which log began earlier."),
    ] = False,
    symbol: Annotated[str, typer.Option(help="Of a log with several symbols, only this one's.")] = "",
    most: Annotated[int, typer.Option(help="How many differences to print.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:
    """Find the first and all differences between two decision logs."""
    from obi_mm.printing import print_difference

    with _edge():
        equal = print_difference(left, right, tolerance, common, most, as_json, symbol=symbol, warm=warm)
    raise typer.Exit(0 if equal else 1)


@app.command()
def compare(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The decision log of a live session.")],
    data: Annotated[
        list[Path],
        typer.Option("--data", "-d", metavar="NPZ", help="Event files of its market, of the time from before it."),
    ],
    more: MoreData = None,
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Of a session with several symbols: this one's.")] = "",
    output: OutputOption = Path("compare-out"),
    queue: QueueOption = "power-prob3",
    queue_n: QueueN = 3.0,
    maker_fee: MakerOption = None,
    taker_fee: TakerOption = None,
    contract: ContractOption = "linear",
    contract_size: ContractSize = 1.0,
    most: Annotated[int, typer.Option(min=0, help="How many differences to print.")] = 20,
    force: ForceOption = False,
) -> None:
    """Replay a live session's recording with its own latencies, and say where and why backtest and session part."""
    with _edge():
        from obi_mm.models import Models, check_contract
        from obi_mm.session_report import run_compare

        models = Models(
            queue=queue,
            queue_n=queue_n,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            clock="exchange",
            contract=contract,
            contract_size=contract_size,
        )
        files = [*data, *(more or [])]
        check_contract([symbol, *(path.name for path in files)], models)
        run_compare(log, files, symbol, models, output, force=force, most=most)


@app.command()
def live(
    symbol: Annotated[
        list[str] | None,
        typer.Option(
            "--symbol",
            "-s",
            metavar="SYMBOL[:TICK:LOT]",
            help="What to follow; may be repeated. Without it every [symbol.NAME] of the configuration.",
        ),
    ] = None,
    config: ConfigOption = None,
    connector_name: Annotated[
        str, typer.Option("--connector-name", "--connector", "-n", help="The running connector.")
    ] = "bf",
    trade: Annotated[
        bool,
        typer.Option(
            "--trade", help="Send orders. Nothing is sent without it. Needs a bot id and a connector with keys."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide, show and record; send nothing. So it is without --trade.")
    ] = False,
    bot_id: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="With --trade: a number of this strategy's own, by which a restart finds its orders again. Default: live.bot_id.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the decisions are recorded. Where that file is there, a number is added: FILE-2, FILE-3 ...",
        ),
    ] = Path("obi-mm-live.obilog"),
    tick_size: TickOption = 0.1,
    lot_size: LotOption = 0.001,
    warmup_data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Recordings or event files to warm up from.")
    ] = None,
    warmup_max_age: Annotated[float, typer.Option(metavar="SECONDS", help="Older data is not taken.")] = 7200.0,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep what the factors know here, at the end and now and then, and go on from it at the start.",
        ),
    ] = None,
    state_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="How often, beside the end, it is kept.")
    ] = 60.0,
    state_max_age: Annotated[
        float, typer.Option(metavar="SECONDS", help="An older state is not gone on from.")
    ] = 600.0,
    log_interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="How often a line is logged where there is no live view.")
    ] = 10.0,
    strategy_id: Annotated[
        str, typer.Option(metavar="NAME", help="What this run is called in its decision log and summary.")
    ] = "obi_mm",
    recording_service: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Of the source's order-recorder, which is not there: orders are in the decision log."
        ),
    ] = "",
    duration: Annotated[float | None, typer.Option(metavar="SECONDS", help="End after so many seconds.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the decision log that is there.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON at the end.")] = False,
) -> None:
    """Follow books on a running connector and show every decision; with --trade also carry them out.

    Ends with SIGINT, SIGTERM or --duration; its orders are cancelled and waited for first, and the last line says what is open.
    """
    if trade and dry_run:
        raise typer.BadParameter("either --trade or --dry-run")
    with _edge():
        from obi_mm.watch import Keeping, watch

        code = watch(
            connector_name,
            symbol or [],
            (tick_size, lot_size),
            config,
            output,
            trade=trade,
            bot_id=bot_id,
            duration_s=duration,
            warm_from=warmup_data_dir,
            warm_max_age_s=warmup_max_age,
            keeping=None if state is None else Keeping(state, connector_name, state_every, state_max_age),
            force=force,
            plain=plain,
            as_json=as_json,
            log_every_s=log_interval,
            strategy_id=strategy_id,
            recording_service=recording_service,
        )
    raise typer.Exit(code)


@app.command()
def warmup(
    files: Annotated[
        list[Path], typer.Argument(metavar="DIR|FILE...", help="A directory, or recordings and event files in order.")
    ],
    symbol: Annotated[str, typer.Option("--symbol", "-s", help="Which symbol's; needed with a directory.")] = "",
    config: ConfigOption = None,
    tick_size: TickOption = 0.1,
    lot_size: LotOption = 0.001,
    clock: ClockOption = "exchange",
) -> None:
    """Say how warm the factors get from stored data, and what is missing. Exit code 1: not warm."""
    with _edge():
        from obi_mm.commands import try_warmup

        warm = try_warmup(files, symbol, config, tick_size, lot_size, clock)
    raise typer.Exit(0 if warm else 1)


def main() -> None:
    """Run the command."""
    try:
        app()
    except BrokenPipeError:  # as when a log is piped into head
        sys.stderr.close()
        raise SystemExit(1) from None
