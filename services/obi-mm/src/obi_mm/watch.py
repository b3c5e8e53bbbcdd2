"""`obi-mm live`: sets the live shell up, runs it until asked to stop, and shows it.

Whatever ends a run that sends orders (a signal, the time, an error, a full disk), its orders are cancelled and waited for first.
"""

import contextlib
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from marketlink.errors import SettingsError
from marketlink.link.iceoryx import IceoryxBotPort
from marketlink.logs import formatter
from rich.console import Console
from rich.live import Live

from obi_mm.config import Config, Symbol, load_config
from obi_mm.decisions import Header, LoggedSymbol, begin_log
from obi_mm.errors import ConfigError, DataError
from obi_mm.held_id import held_id
from obi_mm.layout import W_NEXT_ID
from obi_mm.live import Shell, make_strategies, percentiles_us
from obi_mm.saved import load_state, pack_state, save_state, state_path
from obi_mm.silence import Silence
from obi_mm.strategy import Strategy
from obi_mm.trading import Trading
from obi_mm.view import line, render
from obi_mm.warmup import choose_files, needed_ns, warm_up

LOG = logging.getLogger("obi-mm")


NOT_CLEAN: Final = 4
NO_TRADING: Final = 5


def parse_symbols(
    words: Sequence[str], tick_size: float, lot_size: float, own: Mapping[str, Symbol]
) -> dict[str, tuple[float, float]]:
    """Read `SYMBOL` or `SYMBOL:TICK:LOT`; without any, every `[symbol.NAME]` of the configuration. Raises ConfigError.

    Sizes are those of the word, else of the symbol's section, else the ones given for all.
    """
    found: dict[str, tuple[float, float]] = {}
    for word in words or list(own):
        symbol, *sizes = word.split(":")
        section = own.get(symbol, Symbol())
        try:
            tick, lot = (
                (float(sizes[0]), float(sizes[1]))
                if sizes
                else (section.tick_size or tick_size, section.lot_size or lot_size)
            )
        except (ValueError, IndexError) as error:
            raise ConfigError("live", "--symbol", f"is SYMBOL or SYMBOL:TICK:LOT, not {word!r}") from error
        if not symbol or symbol in found or len(sizes) > 2:
            raise ConfigError("live", "--symbol", f"names each symbol once, as SYMBOL or SYMBOL:TICK:LOT, not {word!r}")
        found[symbol] = (tick, lot)
    if not found:
        raise ConfigError(
            "live", "--symbol", "is missing: say what to follow, or give the configuration [symbol.NAME]s"
        )
    return found


@dataclass(slots=True)
class Keeping:
    """Where and how often a run keeps what its strategies know, and how old a file it goes on from."""

    directory: Path
    connector: str
    every_s: float
    max_age_s: float
    last_ns: dict[str, int] = field(default_factory=dict)
    resumed: dict[str, int] = field(default_factory=dict)  # by symbol, the time of the state that was gone on from

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
        self.last_ns[symbol] = self.resumed[symbol] = saved.last_ns
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


def bot_id_of(config: Config, given: int | None) -> int:
    """Return the id that the run's orders go by; raises SettingsError where none is given, or one that can't be."""
    bot_id = given if given is not None else config.live.bot_id
    if bot_id is None:
        what = "is needed with --trade: a restart finds its orders by it"
        raise SettingsError(
            "live", "--bot-id", what, "Give a number of this strategy's own, or live.bot_id in the configuration."
        )
    if not 0 < bot_id < 1 << 62:
        raise SettingsError("live", "--bot-id", f"is {bot_id}", "Give a positive number below 2^62.")
    return bot_id


def watch(
    connector: str,
    words: Sequence[str],
    sizes: tuple[float, float],
    config_path: Path | None,
    output: Path,
    *,
    trade: bool,
    bot_id: int | None,
    duration_s: float | None,
    warm_from: Path | None,
    warm_max_age_s: float,
    keeping: Keeping | None,
    force: bool,
    plain: bool,
    as_json: bool,
    log_every_s: float = 10.0,
    strategy_id: str = "obi_mm",
    recording_service: str = "",
) -> int:
    """Run until the time is over or a signal asks to stop; returns the exit code. Raises ObiError, MarketlinkError."""
    config = load_config(config_path)
    symbols = parse_symbols(words, *sizes, config.symbols)
    own_id = bot_id_of(config, bot_id) if trade else None
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
            if keeping is not None:
                keeping.resumed.pop(symbol, None)
    described = config.sections() | (
        {"symbol": {name: dict(own.changes) for name, own in config.symbols.items()}} if config.symbols else {}
    )
    header = Header(
        tuple(LoggedSymbol(symbol, *sizes) for symbol, sizes in symbols.items()),
        described,
        f"live, bot {own_id}" if trade else "live dry run",
        {"strategy_id": strategy_id, "resumed": keeping.resumed if keeping is not None else {}},
    )
    stopping: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: stopping.append(got)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    start_s = time.monotonic()
    code = 0
    try:
        with contextlib.ExitStack() as stack:
            if own_id is not None:
                stack.enter_context(held_id(connector, own_id))
            port = IceoryxBotPort(connector, own_id)  # before the log: a run that can't begin leaves none
            stack.enter_context(contextlib.closing(port))
            writer = stack.enter_context(begin_log(output, header, replace=force))
            if writer.path != output:
                note(f"{output} is kept; the decisions of this run go to {writer.path}")
            for number, strategy in enumerate(strategies.values()):
                writer.began(number, pack_state(strategy))
            trading = Trading(list(strategies.items()), config, writer.happened, note) if trade else None
            if recording_service:
                note(f"nothing is sent to {recording_service!r}: decisions, orders and fills stand in {writer.path}")
            if not trade:
                note("dry: nothing is sent; --trade sends orders")
            shell = Shell(connector, strategies, port=port, writer=writer, trading=trading, note=note)
            silence = Silence(connector, time.monotonic())
            try:
                _run(
                    shell,
                    silence,
                    stopping,
                    start_s,
                    duration_s,
                    notes,
                    console if terminal else None,
                    keeping,
                    note,
                    log_every_s,
                )
            finally:
                if trading is not None:
                    asked = len(stopping)
                    shell.end(config.live.end_s, lambda: len(stopping) > max(asked, 1))
                if keeping is not None:
                    keeping.put(shell, note)
                lost = shell.bot.lost_samples()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not silence.heard:
        print(f"nothing was heard from a connector named {connector!r}", file=sys.stderr)
    if trading is not None and trading.stop:
        print(f"obi-mm: stopped: {trading.stop}", file=sys.stderr)
        code = NO_TRADING
    if trading is not None and trading.open_orders(shell.bot):
        code = NOT_CLEAN
    _say_end(shell, writer.path, time.monotonic() - start_s, lost, as_json, strategy_id)
    return code


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
    for strategy in make_strategies(symbols, config, 1).values():  # one is enough: the code is the same for all
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
    log_every_s: float,
) -> None:
    live = Live(console=console, refresh_per_second=4, transient=True, auto_refresh=False) if console else None
    title = "obi-mm live, dry: nothing is sent" if shell.trading is None else "obi-mm live: orders are sent"
    shown_s, kept_s = 0.0, time.monotonic()
    if live is not None:
        live.start()
    try:
        while not (
            stopping
            or (duration_s is not None and time.monotonic() - start_s >= duration_s)
            or (shell.trading is not None and shell.trading.stop)
        ):
            heard = shell.step(0.1)
            now_s = time.monotonic()
            if text := silence.look(now_s, heard=heard, nobody=shell.nobody):
                LOG.warning("%s", text)
            if keeping is not None and now_s - kept_s >= keeping.every_s:
                kept_s = now_s
                keeping.put(shell, note)
            if now_s - shown_s < (0.25 if live is not None else log_every_s):
                continue
            shown_s = now_s
            if live is not None:
                live.update(render(shell, notes, title), refresh=True)
            else:
                LOG.info("%s", line(shell))
    finally:
        if live is not None:
            live.stop()


def _say_end(shell: Shell, output: Path, seconds: float, lost: int, as_json: bool, strategy_id: str) -> None:
    median, high = percentiles_us(shell.timings_ns)
    decided = {asset.symbol: asset.decisions for asset in shell.assets}
    if as_json:
        content: dict[str, object] = {
            "strategy_id": strategy_id,
            "seconds": round(seconds, 3),
            "decisions": decided,
            "interruptions": {asset.symbol: asset.interruptions for asset in shell.assets},
            "skipped": {asset.symbol: asset.skipped for asset in shell.assets},
            "lost_samples": lost,
            "decision_us": {"p50": round(median, 1), "p99": round(high, 1)},
            "log": str(output),
        }
        if shell.trading is not None:
            content |= {
                "missed": {asset.symbol: asset.missed for asset in shell.assets},
                "orders": account_of(shell, shell.trading),
                "open": [
                    {"symbol": symbol, "id": order.order_id, "side": order.side.name.lower(), "price": order.price,
                     "left": order.leaves_qty, "in_doubt": doubt}
                    for symbol, order, doubt in shell.trading.open_orders(shell.bot)
                ],
            }  # fmt: skip
        print(json.dumps(content))
        return
    counts = ", ".join(f"{symbol} {count:,}" for symbol, count in decided.items())
    print(f"{seconds:,.0f} s, decisions: {counts}; p50 {median:.0f} µs, p99 {high:.0f} µs; log: {output}")
    if shell.trading is None:
        return
    for symbol, one in account_of(shell, shell.trading).items():
        print(
            f"{symbol}: {one['submitted']:,} orders, {one['cancels']:,} cancels, {one['fills']:,} fills, bought {one['bought']:g}, "
            f"sold {one['sold']:g}, position {one['position']:g}"
        )
    left = shell.trading.open_orders(shell.bot)
    if not left:
        print("nothing is open")
        return
    words = ", ".join(
        f"{symbol} {order.side.name.lower()} {order.leaves_qty:g} @ {order.price:.12g} (id {order.order_id}{', in doubt' if doubt else ''})"
        for symbol, order, doubt in left
    )
    print(f"{len(left)} orders may still be open: {words}")


def account_of(shell: Shell, trading: Trading) -> dict[str, dict[str, float]]:
    """What came of each symbol's orders."""
    found: dict[str, dict[str, float]] = {}
    for number, asset in enumerate(shell.assets):
        tally, desk = trading.tally(number), trading.desk(number)
        lot = desk.rules.lot_size
        found[asset.symbol] = {
            "submitted": tally.submitted,
            "cancels": tally.cancels,
            "fills": tally.fills,
            "bought": rounded(tally.bought_lots * lot),
            "sold": rounded(tally.sold_lots * lot),
            "value": rounded(tally.value),
            "post_only": tally.post_only,
            "refused": sum(desk.refused.values()) - desk.refused.get("post-only", 0),
            "held_back": desk.held,
            "position": rounded(desk.position.lots * lot),
        }
    return found


def rounded(value: float) -> float:
    """Take the rounding of lots * size off."""
    return float(f"{value:.12g}")
