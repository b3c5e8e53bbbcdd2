"""What the strategy costs: beside the engine's bare loop, a decision's time from Python and in a live run, a sweep's use of the cores.

`python -m tests.bench --only strategy`. Backtests are judged by the CPU seconds of this process, whoever else is on the
machine; runs that are compared take turns, and the best of each counts.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import data_convert as dc
import numpy as np
from obi_mm import engine
from obi_mm.backtest import Engine, run_backtest
from obi_mm.config import Config, change_config, parse_config
from obi_mm.days import Day, day_of
from obi_mm.models import Models
from obi_mm.rows import ClearsSpelledOut
from obi_mm.strategy import Strategy
from obi_mm.sweep import Cell, make_cells, prepare, run_cells

from tests.bench.rows import Row
from tests.obi_mm.golden_market import GOLDEN_CONFIG, golden_market
from tests.rig import Rig

SECOND_NS = 1_000_000_000
CASES = (
    (10 * SECOND_NS, 0.00002, "auto"),
    (10 * SECOND_NS, 0.001, "auto"),
    (10 * SECOND_NS, 0.025, "auto"),
    (10 * SECOND_NS, 0.00002, "hashmap"),
    (10 * SECOND_NS, 0.001, "hashmap"),
    (SECOND_NS // 10, 0.00002, "auto"),
    (SECOND_NS // 10, 0.001, "auto"),
    (SECOND_NS // 10, 0.025, "auto"),
    (SECOND_NS // 10, 0.00002, "hashmap"),
    (SECOND_NS // 10, 0.001, "hashmap"),
)
"""Update interval, view as a fraction of mid, book. The market has 10 levels a side, and 500,000 ticks to the mid."""
ROUNDS = 20
MOST_S = 12.0
"""CPU seconds after which a case takes no further round."""


@cache
def market() -> tuple[Day, Config]:
    """Return the golden market's two hours, 1.6 million rows, and its configuration."""
    return day_of(golden_market(), ClearsSpelledOut(0.1, 0.001), "local", "golden"), parse_config(
        GOLDEN_CONFIG, "golden"
    )


def bare(day: Day, config: Config, models: Models, step_ns: int) -> None:
    """Run the engine through the data in the strategy's steps, without one."""
    runner = Engine([day], config, 0.1, 0.001, models)
    runner.elapse(0)
    engine.run_bare(runner.address, runner.roi, step_ns, day.last_ns - 1)
    runner.close()


def in_turns(works: list[Callable[[], object]]) -> list[float]:
    """Return each work's CPU seconds, the least of some rounds in which they take turns."""
    for work in works:
        work()
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, times in zip(works, taken, strict=True):
            start_s = time.process_time()
            work()
            times.append(time.process_time() - start_s)
        if sum(map(sum, taken)) > MOST_S:
            break
    return [min(times) for times in taken]


def overhead() -> list[Row]:
    """Measure what a dry strategy adds to the engine's bare loop over the same data."""
    day, base = market()
    rows: list[Row] = []
    for update_ns, depth, book in CASES:
        changes = {
            "params.update_interval_ns": update_ns,
            "params.volatility_interval_ns": 6 * update_ns,
            "params.looking_depth": depth,
        }
        config = change_config(base, changes, "bench")
        models = Models(book=book, record_ns=max(update_ns, SECOND_NS))

        def run(dry: bool, config: Config = config, models: Models = models) -> None:
            run_backtest([day], config, 0.1, 0.001, models, dry=dry)

        def loop(config: Config = config, models: Models = models, step_ns: int = update_ns) -> None:
            bare(day, config, models, step_ns)

        alone, dry, full = in_turns([loop, lambda run=run: run(True), lambda run=run: run(False)])  # type: ignore[misc]
        count = (day.last_ns - day.first_ns) / update_ns
        asked = update_ns == 10 * SECOND_NS
        rows.append(
            (
                f"strategy over the bare loop, every {update_ns / 1e9:g} s, {round(500_000 * depth):,} ticks a side, book {book}",
                f"{dry / alone - 1:+.1%}: {alone:.3f} to {dry:.3f} CPU s, {max(dry - alone, 0) / count * 1e6:.1f} µs a decision "
                f"(with orders {full:.3f} s)",
                "≤ 10%" if asked else "-",
                dry / alone <= 1.1,
            )
        )
    return rows


def decision_time() -> list[Row]:
    """Measure a decision from Python: sums over a book of 1,000 levels a side, and the decision."""
    strategy = Strategy(market()[1], 0.1, 0.001)
    ticks, ones = np.arange(1000), np.ones(1000)
    times = []
    for number in range(20_000):
        start_ns = time.perf_counter_ns()
        bids, asks = strategy.sums(500_000 - ticks, ones, 500_001 + ticks, ones)
        strategy.decide((number + 1) * 10 * SECOND_NS, 500_000, 500_001, bids, asks)
        times.append(time.perf_counter_ns() - start_ns)
    median, high = np.percentile(times[1000:], (50, 99)) / 1e3
    return [("a decision from Python, 1,000 levels a side given", f"p50 {median:.1f} µs, p99 {high:.1f} µs", "-", True)]


def live_decisions(seconds: float) -> list[Row]:
    """Measure decisions of `obi-mm live` on a running connector and exchange, from event in hand to actions."""
    with Rig() as rig:
        rig.exchange("--symbols", "btcusdt", "--rate", 500, "--levels", 20)
        rig.connector()
        config = rig.folder / "bench.toml"
        config.write_text(
            "[params]\nwindow = 20\nvolatility_window = 4\nupdate_interval_ns = 20000000\nvolatility_interval_ns = 100000000\n"
        )
        options = ("--dry-run", "--plain", "--json", "--output", rig.folder / "log", "--duration", seconds + 10)
        live = rig.start("live", "obi_mm", "live", "--symbol", "btcusdt", "--config", config, *options)
        live.wait(seconds + 180)
        if live.returncode:
            raise RuntimeError(rig.log("live"))
        said = rig.summary("live")
    median, high = said["decision_us"]["p50"], said["decision_us"]["p99"]
    count = sum(said["decisions"].values())
    return [
        (
            f"live, event in hand to actions, {count:,} decisions, exchange and connector on the same cores",
            f"p50 {median:.0f} µs, p99 {high:.0f} µs",
            "-",
            True,
        )
    ]


def sweep() -> list[Row]:
    """Measure how much of the cores 64 runs use: this program's share, and the whole machine's."""
    values = [1e-6 * k for k in range(1, 9)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "golden.npz"
        dc.save(golden_market(), path, compress="none")
        axes = {"params.half_spread": values, "params.skew": values}
        cells = make_cells(axes, [path], market()[1], Models(), 0.1, 0.001, "bench")
        prepare(cells, 2)
        taken = [used_by(cells) for _ in range(3)]
    shares = [own / (own + 1.0 - busy) for _, own, busy in taken]
    best = shares.index(max(shares))
    wall_s, own, busy = taken[best]
    return [
        (
            f"sweep, {len(cells)} runs, the best of {len(taken)}",
            f"{shares[best]:.0%} of the time that the rest of the machine left ({own:.0%} of {os.cpu_count()} cores for "
            f"{wall_s:.1f} s, idle {1 - busy:.0%}); median {statistics.median(shares):.0%}",
            "≥ 90%",
            shares[best] >= 0.9,
        )
    ]


def used_by(cells: list[Cell]) -> tuple[float, float, float]:
    """Run cells; returns seconds, the share of the cores that this program and its processes had, and that all had."""
    before, start, machine = os.times(), time.perf_counter(), cores_busy()
    for _ in run_cells(cells, None):
        pass
    wall_s, after = time.perf_counter() - start, os.times()
    busy, whole = (now - then for now, then in zip(cores_busy(), machine, strict=True))
    used = sum(after[i] - before[i] for i in range(4))
    return wall_s, used / wall_s / (os.cpu_count() or 1), busy / max(whole, 1)


def cores_busy() -> tuple[int, int]:
    """Ticks that all cores together were busy, and that passed (proc(5), /proc/stat)."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
