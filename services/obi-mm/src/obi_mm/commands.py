"""What the command `backtest` does around the run: files in, files out, progress on a terminal."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from obi_mm.backtest import Progress, Result, describe, run_backtest
from obi_mm.config import check_instrument, load_config
from obi_mm.days import load_snapshot
from obi_mm.errors import ConfigError
from obi_mm.models import CLOCKS, Models, check_contract, symbol_of
from obi_mm.outputs import check_output, write_results
from obi_mm.stored import look_over


def run_one(
    data: Sequence[Path],
    config_path: Path | None,
    output: Path,
    tick_size: float,
    lot_size: float,
    models: Models,
    *,
    snapshot: Path | None,
    dry: bool,
    symbol: str,
    force: bool,
    quiet: bool,
) -> None:
    """Run one backtest and write its results; raises ObiError."""
    name = symbol or data[0].name.split(".")[0]
    check_contract([symbol, *(path.name for path in data)], models)
    config = load_config(config_path).of_symbol(symbol_of(name))
    check_instrument(config, tick_size, lot_size, str(config_path or "defaults"))
    check_output(output, force)
    days, repairs = look_over(data, tick_size, lot_size, models.clock)
    for repair in repairs:
        print(f"obi-mm: {repair.words()}", file=sys.stderr)
    start = None if snapshot is None else load_snapshot(snapshot, tick_size, lot_size)
    result = run_backtest(
        days,
        config,
        tick_size,
        lot_size,
        models,
        snapshot=start,
        dry=dry,
        progress=None if quiet else _progress(),
    )
    if not quiet and sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    about = {
        **describe(config, models, [str(path) for path in data], tick_size, lot_size),
        "dry_run": dry,
        "repairs": [asdict(repair) for repair in repairs],
    }
    write_results(output, result, about, name)
    figures = result.figures
    print(
        f"simulated {figures['simulated_seconds']:,.0f} s, {figures['decisions']:,} decisions, {figures['trades']:,} trades"
    )
    print(
        f"equity {figures['equity']:,.4f} after {fee_words(result)}, "
        f"position {figures['position']:,.6g}, largest drawdown {figures['max_drawdown']:,.4f}"
    )
    print(f"report: {output / 'report.html'}")


def fee_words(result: Result) -> str:
    """Say what fees came to, and whose they are."""
    fee = result.figures["fee"]
    assert isinstance(fee, float)
    coins = " of the base asset" if result.models.contract == "inverse" else ""
    shown = f"{abs(fee):,.4f}" if not coins else f"{abs(fee):,.8f}"
    return f"rebates of {shown}{coins} received" if fee < 0 else f"fees of {shown}{coins} paid"


def write_sample(path: Path, hours: float, seed: int, force: bool) -> None:
    """Write a made-up day; raises OutputExists, ConvertError."""
    from data_convert import save

    from obi_mm.errors import OutputExists
    from obi_mm.sample import sample_day

    if path.exists() and not force:  # before the work
        raise OutputExists(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    events = sample_day(hours, seed)
    save(events, path, force=force, compress="fast")
    print(f"{path}: {len(events):,} rows, {hours:g} hours")


def try_warmup(
    files: Sequence[Path], symbol: str, config_path: Path | None, tick_size: float, lot_size: float, clock: str
) -> bool:
    """Warm a strategy up and print what was reached; true if it could quote at once. Raises ObiError."""
    from obi_mm.strategy import Strategy
    from obi_mm.warmup import choose_files, needed_ns, warm_up

    if clock not in CLOCKS:
        raise ConfigError("warmup", "--clock", f"is one of {', '.join(CLOCKS)}, not {clock!r}")
    strategy = Strategy(load_config(config_path).of_symbol(symbol.lower()), tick_size, lot_size)
    paths = list(files)
    if len(paths) == 1 and paths[0].is_dir():
        if not symbol:
            raise ConfigError("warmup", "--symbol", "is needed to choose files from a directory")
        paths = choose_files(paths[0], symbol, needed_ns(strategy))
    for path in paths:
        print(path)
    warmth = warm_up(strategy, paths, symbol=symbol.upper() or None, clock=clock, now_ns=0, max_age_ns=0)
    print(warmth.words())
    return warmth.ready


def _progress() -> Callable[[int, int, int], None]:
    """Print a line a second on a terminal, every ten seconds elsewhere."""
    terminal = sys.stderr.isatty()
    progress = Progress()
    shown: list[float] = []

    def show(first_ns: int, now_ns: int, last_ns: int) -> None:
        import time

        now_s = time.monotonic()
        if shown and now_s - shown[0] < (0.5 if terminal else 10):
            return
        shown[:] = [now_s]
        text = progress.line(first_ns, now_ns, last_ns)
        print(f"\r\x1b[K{text}" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)

    return show
