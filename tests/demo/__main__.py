"""`make demo`: a minute of a synthetic market, or a recording (`CAPTURE=file SPEED=n`), through the whole path, with every result checked.

The strategy runs dry beside the recorders, and is backtested on what they recorded; on the
synthetic market it runs a second time, with orders. Above SPEED=5, and with SPEED=0, something else is
asked: a burst, in which samples may be lost, and nothing wrong is ever called right (tests/demo/burst.py).

Exit code 0: every check held. 1: one did not, or something did not run; it says which.
"""

import argparse
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.demo import burst, checks, page, strategy, trading
from tests.demo.watch import Watch, sizes_of
from tests.rig import Rig
from tests.truth import recorded_lines, symbols_of

SYNTHETIC_SYMBOLS = ("btcusdt", "ethusdt")
PAUSE_S = 120
STARTUP_S = 180  # a first run compiles the kernels


def main() -> int:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("demo-out"), help="where the recordings, arrays and the report go"
    )
    parser.add_argument("--capture", type=Path, help="a USD-M recording to replay instead of the synthetic market")
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="how fast to replay it; 0: as fast as the clients read; 0, or more than 5, is a burst with checks of its own",
    )
    parser.add_argument("--duration", type=float, default=60.0, help="seconds of synthetic market")
    parser.add_argument("--rate", type=float, default=400.0, help="synthetic messages a second")
    parser.add_argument("--seed", type=int, default=7, help="of the synthetic market")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the rig's own end
    console = Console(width=None if sys.stdout.isatty() else 120)
    if options.capture is not None and not options.capture.is_file():
        console.print(
            f"demo: {options.capture}: no such file; CAPTURE names a recording of lines `<ns> <json>`, plain or .gz"
        )
        return 1
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob("*/*.gz"), *out.glob("*.npz"), *out.glob("*.html")):
        old.unlink()
    strategy.clean(out)
    symbols = list(SYNTHETIC_SYMBOLS) if options.capture is None else symbols_of(options.capture)
    if not symbols:
        console.print(
            f"demo: {options.capture}: no combined-stream frames in it; the demonstration replays USD-M recordings only"
        )
        return 1
    if options.capture is not None and not _has_snapshot(options.capture):
        console.print(
            f"demo: {options.capture}: no snapshot of the book in it: nothing tells the true book to compare with"
        )
        return 1
    if options.capture is not None and burst.is_burst(options.speed):
        found, seconds = burst.run(console, options.capture, options.speed, symbols, out)
        console.print(f"replayed in {seconds:.1f} s")
        return _verdict(console, found)
    with Rig() as rig:
        run = _record(rig, console, options, symbols, out)
        console.print("converting both recordings ...")
        found = checks.judge(rig, run, symbols, out, options.capture)
        console.print("backtesting the strategy on the recording of the link ...")
        runs = strategy.judge(rig, run, found, run.sizes, out)
    report = out / "report.html"
    report.write_text(page.render(run, found, runs))
    console.print(found.summary)
    console.print(f"report: {report}")
    return _verdict(console, found)


def _verdict(console: Console, found: checks.Found) -> int:
    """Print what was checked; returns the exit code."""
    table = Table(title="what was checked")
    table.add_column("check")
    table.add_column("result")
    table.add_column("figures", overflow="fold")
    for check in found.checks:
        table.add_row(check.name, "[green]holds[/]" if check.holds else "[bold red]FAILS[/]", check.figures)
    console.print(table)
    failed = [check.name for check in found.checks if not check.holds]
    if failed:
        console.print(f"[bold red]{len(failed)} of {len(found.checks)} checks fail[/]: {', '.join(failed)}")
        return 1
    console.print(f"all {len(found.checks)} checks hold")
    return 0


def _has_snapshot(capture: Path) -> bool:
    return any(b'"lastUpdateId"' in payload[:200] for _, payload in recorded_lines(capture))


def _record(rig: Rig, console: Console, options: argparse.Namespace, symbols: list[str], out: Path) -> checks.Run:
    """Run exchange, connector, strategy and both collectors, then stop them in order."""
    market: tuple[object, ...]
    if options.capture is not None:
        market = ("replay", "--capture", options.capture.resolve(), "--speed", options.speed, "--paused")
    else:
        market = ("synthetic", "--symbols", ",".join(symbols), "--rate", options.rate, "--seed", options.seed)
    # A synthetic market goes on: it is traded on, and the strategy has its books already. A recording waits: the strategy is
    # registered, no more.
    goes_on = options.capture is None
    keys: dict[str, str] = {}
    if goes_on:
        path, keys = trading.accounts(rig)
        market = (*market, "--accounts", path)
    rig.exchange("--market", *market, "--history", 1_000_000)
    console.print(
        "starting: exchange, connector, strategy, collector on shared memory, collector on the exchange "
        "(a first run compiles its kernels)"
    )
    # The market is paused at the end, until all of it has arrived everywhere: that is no silence of the exchange's.
    rig.connector(stale_s=PAUSE_S, data_age_s=PAUSE_S)
    if goes_on:
        rig.connector(trading.CONNECTOR, trading.CONNECTOR_LABEL, stale_s=PAUSE_S, data_age_s=PAUSE_S, **keys)
    sizes = {symbol: sizes_of(rig)[symbol] for symbol in symbols}
    strategy.start(rig, sizes, out)
    rig.link_collector(out.resolve() / "ipc", symbols)
    rig.direct_collector(out.resolve() / "direct", symbols, "--stale", PAUSE_S)
    if goes_on:
        strategy.trade(rig, sizes, out)
    rig.until(
        lambda: _listening(rig, (5 + 2 * goes_on) * len(symbols)) and strategy.follows(rig, symbols, goes_on),
        STARTUP_S,
        "connector, collectors and strategy to subscribe",
    )
    unknown = [symbol for symbol in symbols if symbol not in rig.state()["symbols"]]
    if unknown:
        sys.exit(
            f"demo: {options.capture}: {', '.join(unknown)}: no USD-M depth in it; the demonstration replays nothing else"
        )
    if options.capture is not None:  # a recording waits for everybody; a synthetic market has gone on all the while
        rig.ask("resume", method="POST")
    start = time.monotonic()
    watch = Watch(rig, symbols, out, None if options.capture is not None else options.duration)
    with Live(watch.table(), console=console, refresh_per_second=4, transient=True) as live:
        shown = 0.0
        while not watch.over():
            time.sleep(0.25)
            watch.look()
            live.update(watch.table())
            if not console.is_terminal and time.monotonic() - shown > 10:
                shown = time.monotonic()
                console.print(watch.line())
    ended, truth = {}, None
    if goes_on:
        ended["trading"], truth = trading.end(rig)
        ended[trading.CONNECTOR_LABEL] = rig.end(trading.CONNECTOR_LABEL)
        rig.ask("pause", method="POST")
    watch.settle()
    strategy.settle(rig, out)
    state = rig.state()
    truths = {symbol: rig.state()["symbols"][symbol]["last_u_sent"] for symbol in symbols}
    ended |= {label: rig.end(label) for label in ("strategy", "ipc", "direct", "connector")}
    books = {symbol: rig.true_book(symbol, last_id) for symbol, last_id in truths.items() if last_id is not None}
    ended["exchange"] = rig.end("exchange")
    watch.close()
    return checks.Run(
        seconds=time.monotonic() - start,
        watched_s=options.duration if options.capture is None else None,
        sizes=sizes,
        state=state,
        exit_codes=ended,
        final_books=books,
        final_ids=truths,
        truth=truth,
        summaries={label: strategy.summary(rig, label) for label in ("strategy", "trading")}
        | {label: rig.summary(label) for label in ("ipc", "direct")},
        bot_views=watch.final_views(),
        logs={label: rig.log(label, 400) for label in ended},
    )


def _listening(rig: Rig, streams: int) -> bool:
    """Whether every stream of connectors (two a symbol) and direct collector (three) is subscribed."""
    for label, process in rig.processes.items():
        if process.poll() is not None:
            raise RuntimeError(f"{label} ended with {process.returncode}:\n{rig.log(label)}")
    public = [one for one in rig.state()["connections"] if one["category"] != "private"]
    return sum(len(connection["streams"]) for connection in public) >= streams


if __name__ == "__main__":
    sys.exit(main())
