"""`obi-mm live`: sets the live shell up, runs it until asked to stop, and shows it."""

import contextlib
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.logs import formatter
from rich.console import Console
from rich.live import Live

from obi_mm.config import Config, load_config
from obi_mm.decisions import Header, Instrument, begin_log
from obi_mm.errors import ConfigError, DataError
from obi_mm.layout import W_NEXT_ID
from obi_mm.live import Shell, make_strategies, percentiles_us
from obi_mm.saved import load_state, save_state, state_path
from obi_mm.silence import Silence
from obi_mm.strategy import Strategy
from obi_mm.view import line, render
from obi_mm.warmup import choose_files, needed_ns, warm_up

LOG = logging.getLogger("obi-mm")


def parse_symbols(words: Sequence[str], tick_size: float, lot_size: float) -> dict[str, tuple[float, float]]:
    """Read `SYMBOL` or `SYMBOL:TICK:LOT`; raises ConfigError."""
    found: dict[str, tuple[float, float]] = {}
    for word in words:
        symbol, *sizes = word.split(":")
        try:
            tick, lot = (float(sizes[0]), float(sizes[1])) if sizes else (tick_size, lot_size)
        except (ValueError, IndexError) as error:
            raise ConfigError("live", "--symbol", f"is SYMBOL or SYMBOL:TICK:LOT, not {word!r}") from error
        if not symbol or symbol in found or len(sizes) > 2:
            raise ConfigError("live", "--symbol", f"names each symbol once, as SYMBOL or SYMBOL:TICK:LOT, not {word!r}")
        found[symbol] = (tick, lot)
    return found


@dataclass(slots=True)
class Keeping:
    """Where and how often a run keeps what its strategies know, and how old a file it goes on from."""

    directory: Path
    connector: str
    every_s: float
    max_age_s: float
    last_ns: dict[str, int] = field(default_factory=dict)

    def take(self, strategy: Strategy, symbol: str, note: Callable[[str], None]) -> bool:
        """Go on from a symbol's file; false, and said, where there is none that can be used."""
        path = state_path(self.directory, symbol)
        try:
            saved = load_state(
                path,
                strategy,
                symbol=symbol,
                connector=self.connector,
                now_ns=time.time_ns(),
                max_age_ns=round(self.max_age_s * 1e9),
            )
        except DataError as error:
            note(f"{symbol}: the kept state is not used: {error}")
            return False
        if saved is None:
            note(f"{symbol}: no state is kept in {path}")
            return False
        self.last_ns[symbol] = saved.last_ns
        age_s = (time.time_ns() - saved.last_ns) / 1e9
        note(f"{symbol}: goes on from {age_s:,.0f} s ago with {saved.samples} samples and {saved.returns} returns")
        return True

    def put(self, shell: Shell, note: Callable[[str], None]) -> None:
        """Keep what changed since the last time; a file that can't be written is said, and the run goes on."""
        for asset in shell.assets:
            last_ns = 0 if asset.last is None else int(asset.last["time_ns"][0])
            if last_ns <= self.last_ns.get(asset.symbol, 0):
                continue
            path = state_path(self.directory, asset.symbol)
            try:
                save_state(path, asset.strategy, symbol=asset.symbol, connector=self.connector, last_ns=last_ns)
                self.last_ns[asset.symbol] = last_ns
            except DataError as error:
                note(f"{asset.symbol}: {error}")


def watch(
    connector: str,
    symbols: dict[str, tuple[float, float]],
    config_path: Path | None,
    output: Path,
    *,
    duration_s: float | None,
    warm_from: Path | None,
    warm_max_age_s: float,
    keeping: Keeping | None,
    force: bool,
    plain: bool,
    as_json: bool,
) -> None:
    """Run dry until the time is over or a signal asks to stop. Raises ObiError, MarketlinkError."""
    config = load_config(config_path)
    notes: list[str] = []
    console = Console(stderr=True)
    terminal = console.is_terminal and not plain
    _log_to(notes if terminal else None)
    note = LOG.info

    strategies = make_strategies(symbols, config, time.time_ns())
    compile_kernels(config, symbols)
    for symbol in strategies:
        kept = keeping is not None and keeping.take(strategies[symbol], symbol, note)
        if warm_from is None or (kept and strategies[symbol].ready):
            continue
        fresh = make_strategies({symbol: symbols[symbol]}, config, int(strategies[symbol].own[W_NEXT_ID]))[symbol]
        if _warm(fresh, symbol, warm_from, warm_max_age_s, note) and (
            fresh.lack().nanoseconds < strategies[symbol].lack().nanoseconds
        ):
            strategies[symbol] = fresh
    header = Header(
        tuple(Instrument(symbol, *sizes) for symbol, sizes in symbols.items()), config.sections(), "live dry run"
    )
    stopping: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: stopping.append(got)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    start_s = time.monotonic()
    try:
        port = IceoryxBotPort(connector)  # before the log: a run that can't begin leaves none
        with contextlib.closing(port), begin_log(output, header, replace=force) as writer:
            if writer.path != output:
                note(f"{output} is kept; the decisions of this run go to {writer.path}")
            shell = Shell(connector, strategies, port=port, writer=writer, note=note)
            silence = Silence(connector, time.monotonic())
            try:
                _run(shell, silence, stopping, start_s, duration_s, notes, console if terminal else None, keeping, note)
            finally:
                if keeping is not None:
                    keeping.put(shell, note)
                lost = shell.bot.lost_samples()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not silence.heard:
        print(f"nothing was heard from a connector named {connector!r}", file=sys.stderr)
    _say_end(shell, writer.path, time.monotonic() - start_s, lost, as_json)


class _Notes(logging.Handler):
    """Keeps the newest lines for the live view."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        self._notes.append(self.format(record))
        del self._notes[:-100]


def _log_to(notes: list[str] | None) -> None:
    """Log in UTC, in the connector's format: to stderr, or for the live view."""
    handler = logging.StreamHandler() if notes is None else _Notes(notes)
    handler.setFormatter(formatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def _warm(strategy: Strategy, symbol: str, directory: Path, max_age_s: float, note: Callable[[str], None]) -> bool:
    """Warm a strategy up from stored days; false, and said, where they can't be used."""
    try:
        warmth = warm_up(
            strategy,
            choose_files(directory, symbol, needed_ns(strategy)),
            symbol=symbol.upper(),
            clock="exchange",
            now_ns=time.time_ns(),
            max_age_ns=round(max_age_s * 1e9),
        )
    except DataError as error:
        note(f"{symbol}: stays cold: {error}")
        return False
    note(f"{symbol}: {warmth.words()}")
    return True


def compile_kernels(config: Config, symbols: dict[str, tuple[float, float]]) -> None:
    """Compile or load what a decision runs, so that the first one does not wait for it."""
    for strategy in make_strategies(symbols, config, 1).values():
        ticks, qtys = np.ones(1, np.int64), np.ones(1)
        strategy.sums(ticks, qtys, ticks + 1, qtys)
        strategy.decide(strategy.rules.update_ns, 1, 2, 1.0, 1.0)
        return


def _run(
    shell: Shell,
    silence: Silence,
    stopping: list[int],
    start_s: float,
    duration_s: float | None,
    notes: list[str],
    console: Console | None,
    keeping: Keeping | None,
    note: Callable[[str], None],
) -> None:
    live = Live(console=console, refresh_per_second=4, transient=True, auto_refresh=False) if console else None
    shown_s, kept_s = 0.0, time.monotonic()
    if live is not None:
        live.start()
    try:
        while not stopping and (duration_s is None or time.monotonic() - start_s < duration_s):
            heard = shell.step(0.1)
            now_s = time.monotonic()
            if text := silence.look(now_s, heard=heard, nobody=shell.nobody):
                LOG.warning("%s", text)
            if keeping is not None and now_s - kept_s >= keeping.every_s:
                kept_s = now_s
                keeping.put(shell, note)
            if now_s - shown_s < (0.25 if live is not None else 10):
                continue
            shown_s = now_s
            if live is not None:
                live.update(render(shell, notes, "obi-mm live, dry: nothing is sent"), refresh=True)
            else:
                LOG.info("%s", line(shell))
    finally:
        if live is not None:
            live.stop()


def _say_end(shell: Shell, output: Path, seconds: float, lost: int, as_json: bool) -> None:
    median, high = percentiles_us(shell.timings_ns)
    decided = {asset.symbol: asset.decisions for asset in shell.assets}
    if as_json:
        content = {
            "seconds": round(seconds, 3),
            "decisions": decided,
            "interruptions": {asset.symbol: asset.interruptions for asset in shell.assets},
            "skipped": {asset.symbol: asset.skipped for asset in shell.assets},
            "lost_samples": lost,
            "decision_us": {"p50": round(median, 1), "p99": round(high, 1)},
            "log": str(output),
        }
        print(json.dumps(content))
        return
    counts = ", ".join(f"{symbol} {count:,}" for symbol, count in decided.items())
    print(f"{seconds:,.0f} s, decisions: {counts}; p50 {median:.0f} µs, p99 {high:.0f} µs; log: {output}")
