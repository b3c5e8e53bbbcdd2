"""The strategy's part of the demonstration: dry on the running connector, then over what was recorded, both held against each other.

What can be compared, and how exactly:

- **The events.** Bot and link collector hear the same messages of one connector, so the backtest runs over the link's
  recording. The direct recording is no match: its own snapshot holds other levels far from the touch.
- **The time line.** Live, a decision is due when the first depth message at or after its boundary arrives, by the
  exchange's time, and is made on the book without it. `--clock exchange` does the same with the recorded exchange times,
  which the link's recording has in ns; receive times, which differ from reader to reader, play no part.
- **The start.** Bot and collector are registered one after the other. On a recording, held back until all are there,
  both begin with the first book. On a running market one may be seconds older: until the windows of both are full,
  only what has no memory can be equal (best prices, quantities in view); from one volatility interval later on
  everything is, factors up to the rounding of sums with another past (TOLERANCE).
- **The orders.** The live run that is compared sends nothing, so it is the dry backtest that it is held against. Beside it, on a
  synthetic market, runs another that trades (tests/demo/trading.py): its fills are the exchange's, and stand in the report beside
  those of a second backtest of the same recording, which trades too.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from pathlib import Path
from typing import Any

import data_convert as dc
import numpy as np
from data_convert.events import DEPTH, DEPTH_CLEAR, DEPTH_SNAPSHOT, EXCH
from obi_mm.config import Config, load_config
from obi_mm.decision_compare import of_symbol, settled_ns
from obi_mm.decisions import DecisionLog, read_log
from obi_mm.layout import CROSSED, ONE_SIDED, QUOTING, REFUSED, UNSYNCED
from obi_mm.outputs import DECISIONS, FILES, RECORDS, SUMMARY

from tests.demo import trading
from tests.demo.checks import Found, Run
from tests.rig import Rig

TOLERANCE = 1e-7
SETTINGS = Path(__file__).with_name("strategy.toml")
COMMAND = Path(sys.executable).with_name("obi-mm")
FOLDER = "strategy"
LIVE, CONFIG, DRY = "live.obilog", "strategy.toml", "dry"
SHARE = 0.9
"""Of the boundaries of the time watched, the bot must have decided so many: it is registered before that time begins."""
NEVER_NS = 1 << 62
_NO_BOOK = (UNSYNCED, ONE_SIDED, CROSSED, REFUSED)
_STATELESS = {"decision", "best_bid", "best_ask", "bids", "asks"}

Sizes = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Both:
    """One symbol's live run and its backtests, and how they compare, in words."""

    symbol: str
    sizes: tuple[float, float]
    live: DecisionLog
    folder: Path
    figures: dict[str, Any]
    said: dict[str, Any]
    compared: str
    traded: trading.Traded | None = None


def clean(out: Path) -> None:
    """Remove an earlier demonstration's files."""
    folder = out / FOLDER
    for path in (
        folder / LIVE,
        folder / CONFIG,
        folder / trading.LOG,
        folder / trading.CONFIG,
        *(one for name in FILES for one in folder.glob(f"**/{name}")),
    ):
        path.unlink(missing_ok=True)


def start(rig: Rig, sizes: Sizes, out: Path) -> None:
    """Start the installed command on the connector, dry, for every symbol."""
    folder = out.resolve() / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(SETTINGS.read_text() + quantities(sizes))
    symbols = [word for symbol, (tick, lot) in sizes.items() for word in ("--symbol", f"{symbol}:{tick}:{lot}")]
    options = ("--connector-name", "bf", "--config", folder / CONFIG, "--output", folder / LIVE)
    rig.command("strategy", COMMAND, "live", "--dry-run", *symbols, *options, "--plain", "--json")


def trade(rig: Rig, sizes: Sizes, out: Path) -> None:
    """Start it once more, with orders."""
    trading.start(rig, COMMAND, sizes, SETTINGS.read_text() + quantities(sizes), out.resolve() / FOLDER)


def quantities(sizes: Sizes) -> str:
    """Return the [global] settings that fit every instrument: whole lots of each, whole ticks of each."""
    tick, lot = (common_multiple([pair[at] for pair in sizes.values()]) for at in (0, 1))
    return (
        f"[global]\norder_qty = {float(10 * lot)}\nmax_position = {float(100 * lot)}\ngrid_interval = {float(tick)}\n"
    )


def common_multiple(steps: Sequence[float]) -> Fraction:
    """Return the smallest number that is whole in every one of the steps."""
    parts = [Fraction(repr(step)) for step in steps]
    return Fraction(reduce(lcm, (part.numerator for part in parts)), reduce(gcd, (part.denominator for part in parts)))


def follows(rig: Rig, symbols: Sequence[str], synced: bool) -> bool:
    """Whether the bot is registered, and, if asked for, knows every book."""
    log = rig.log("strategy", 1000)
    return all(f"{symbol}: the book is synced" in log if synced else f"{symbol} " in log for symbol in symbols)


def settle(rig: Rig, out: Path) -> None:
    """Wait until the bot has nothing left to decide on."""
    path, size = out / FOLDER / LIVE, -1
    for _ in rig.polls(20, every_s=1.0):
        before, size = size, path.stat().st_size
        if before == size:
            return


def summary(rig: Rig, label: str = "strategy") -> dict[str, Any]:
    """What the bot said at its end; nothing if it came to none, or was never there."""
    path = rig.folder / f"{label}.out"
    text = path.read_text() if path.exists() else ""
    said: dict[str, Any] = json.loads(text) if text else {}
    return said


def judge(rig: Rig, run: Run, found: Found, sizes: Sizes, out: Path) -> list[Both]:
    """Backtest every recording with the real command, dry and trading, and check both runs; returns what to show."""
    folder = out.resolve() / FOLDER
    config = load_config(folder / CONFIG)
    said = run.summaries["strategy"]
    if not said:
        found.add("the strategy ran to the end", False, run.logs["strategy"][-500:])
        return []
    quiet = not said["lost_samples"] and not any(said["skipped"].values())
    p50, p99 = said["decision_us"]["p50"], said["decision_us"]["p99"]
    counts = f"{said['lost_samples']} lost, {sum(said['skipped'].values())} skipped"
    words = f"{counts}, a decision takes {p50:.0f} / {p99:.0f} µs (p50 / p99)"
    found.add("the strategy lost no sample and skipped no decision", quiet, words)
    traded: dict[str, trading.Traded] = {}
    if run.truth is not None:
        most = config.global_.max_position
        traded = trading.judge(found, run.summaries["trading"], run.truth, list(sizes), folder, most)
    both = []
    for symbol in sizes:
        array = out.resolve() / f"ipc-{symbol}.npz"
        if not array.exists():
            found.add(f"{symbol}: the strategy's backtest", False, "the link's recording was not converted")
            continue
        if not _backtests(rig, found, symbol, sizes[symbol], array, folder):
            continue
        live = of_symbol(read_log(folder / LIVE), symbol)
        events = dc.load(array)
        events = events[(events["ev"] & EXCH) != 0]
        decided(found, symbol, live, events, config, run.watched_s)
        reached_the_end(found, symbol, events, config, folder / symbol)
        compared = equal(rig, found, symbol, live, folder)
        if len(live.decisions):
            figures = json.loads((folder / symbol / SUMMARY).read_text())["figures"]
            both.append(Both(symbol, sizes[symbol], live, folder / symbol, figures, said, compared, traded.get(symbol)))
    return both


def _backtests(rig: Rig, found: Found, symbol: str, sizes: tuple[float, float], array: Path, folder: Path) -> bool:
    """Run both backtests beside each other; a check where one fails."""
    words = ("--data", array, "--config", folder / CONFIG, "--clock", "exchange", "--symbol", symbol, "--quiet")
    steps = ("--tick-size", sizes[0], "--lot-size", sizes[1])
    runs = {
        f"backtest-{symbol}": ("--output", folder / symbol),
        f"backtest-{symbol}-dry": ("--output", folder / symbol / DRY, "--dry-run"),
    }
    processes = {label: rig.command(label, COMMAND, "backtest", *words, *steps, *own) for label, own in runs.items()}
    codes = {label: process.wait(600) for label, process in processes.items()}
    for label, code in codes.items():
        if code:
            found.add(f"{symbol}: {label}", False, f"exit code {code}: {rig.log(label)}")
    return not any(codes.values())


def decided(
    found: Found, symbol: str, live: DecisionLog, events: np.ndarray[Any, Any], config: Config, watched_s: float | None
) -> None:
    """The live run decided at every boundary from its first on, each time on a book in sync."""
    kinds = events["ev"] & 0xFF
    depth = events["exch_ts"][(kinds == DEPTH) | (kinds == DEPTH_SNAPSHOT) | (kinds == DEPTH_CLEAR)]
    if not len(depth):
        found.add(f"{symbol}: the strategy decided live", False, "the recording has no depth")
        return
    update_ns = config.params.update_interval_ns
    span_ns = int(depth.max() - depth.min()) if watched_s is None else round(watched_s * 1e9)
    wanted = int(SHARE * (span_ns // update_ns))
    times, reasons = live.decisions["time_ns"], live.decisions["reason"]
    first = int(times[0]) if len(times) else int(depth.min())
    due = np.arange(first, int(depth.max()) + 1, update_ns)
    unsound = int(np.isin(reasons, _NO_BOOK).sum())
    right = len(times) >= wanted > 0 and np.array_equal(times, due) and not unsound
    found.add(
        f"{symbol}: the strategy decided live at every boundary, on a synced book",
        right,
        f"{len(times):,} decisions of {len(due):,} due (at least {wanted:,} wanted), "
        f"{int((reasons == QUOTING).sum()):,} quoting, {unsound} without a sound book",
    )


def reached_the_end(found: Found, symbol: str, events: np.ndarray[Any, Any], config: Config, folder: Path) -> None:
    """Both backtests decided at the last boundary of the data, and the trading one's last record is the first second behind it."""
    last_ns, update_ns = int(events["exch_ts"].max()), config.params.update_interval_ns
    ends = [int(read_log(path / DECISIONS).decisions["time_ns"].max(initial=0)) for path in (folder, folder / DRY)]
    with np.load(folder / RECORDS) as archive:
        recorded = int(archive["0"]["timestamp"].max(initial=0))
    right = all(end // update_ns == last_ns // update_ns for end in ends)
    behind_ns = recorded - int(events["local_ts"].max())
    right &= recorded % 1_000_000_000 == 0 and 0 <= behind_ns <= 1_000_000_000
    found.add(
        f"{symbol}: the backtests reach the end of the recording",
        right,
        f"last decisions {', '.join(f'{(last_ns - end) / 1e6:,.0f}' for end in ends)} ms before the last event, "
        f"last record {behind_ns / 1e6:,.0f} ms behind it",
    )


def equal(rig: Rig, found: Found, symbol: str, live: DecisionLog, folder: Path) -> str:
    """Live and dry backtest looked at the same book and, from where both know the same, decided the same."""
    dry = folder / symbol / DRY / DECISIONS
    back = read_log(dry)
    words = (COMMAND, "diff", folder / LIVE, dry, "--symbol", symbol, "--tolerance", TOLERANCE)
    label = f"diff-{symbol}"
    code = rig.command(label, *words, "--common", "--json").wait(120)
    differences = [json.loads(line) for line in (rig.folder / f"{label}.out").read_text().splitlines()]
    shared, mine, yours = np.intersect1d(live.decisions["time_ns"], back.decisions["time_ns"], return_indices=True)
    books = [one for one in differences if _STATELESS & set(one["fields"])]
    found.add(
        f"{symbol}: live and backtest looked at the same book at every decision",
        not books and len(shared) > 0 and code == bool(differences),
        f"{len(shared) - len(books):,} of {len(shared):,} with equal best prices and quantities in view"
        + (f"; first other: {_first(books)}" if books else ""),
    )
    # Begun together: the first shared decision knows equally much, and so do all after it. Else from where it settles.
    together = len(shared) > 0 and all(
        live.decisions[name][mine[0]] == back.decisions[name][yours[0]] for name in ("samples", "returns")
    )
    span = "--common" if together else "--warm"
    code = rig.command(f"{label}-all", *words, span).wait(120)
    answer = (rig.folder / f"{label}-all.out").read_text().strip().partition("\n")[0] or rig.log(f"{label}-all")
    quoting = int((live.decisions["reason"][mine] == QUOTING).sum())
    if together:
        compared = f"{answer}, from the first on: both began with the same book"
    else:
        begin = max(settled_ns(log) or NEVER_NS for log in (live, back))
        earlier = int((shared < begin).sum())
        compared = (
            f"{answer}, from where windows are full in both; of the {earlier:,} before, only the books are compared"
        )
    found.add(
        f"{symbol}: live and backtest decided the same",
        code == 0 and quoting > 0,
        f"{compared}; {quoting:,} shared are quoting",
    )
    return compared


def _first(differences: Sequence[dict[str, Any]]) -> str:
    return json.dumps(differences[0]["fields"])[:200]
