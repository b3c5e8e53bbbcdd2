"""`python -m tests.obi_mm.bench`: what the strategy adds to the engine's own loop, a decision's time, a sweep's use of the cores."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from obi_mm import engine
from obi_mm.backtest import Day, Engine, Models, day_of, run_backtest
from obi_mm.config import Config, change_config, parse_config
from obi_mm.rows import ClearsSpelledOut
from obi_mm.strategy import Strategy
from obi_mm.sweep import make_cells, run_cells

from tests.obi_mm.golden_market import GOLDEN_CONFIG, golden_market

ROUNDS = 5


def best_of(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()  # of this process only, whoever else is on the machine
        work()
        times.append(time.process_time() - start)
    return min(times)


def bare(day: Day, config: Config, models: Models, step_ns: int) -> None:
    runner = Engine([day], config, 0.1, 0.001, models)
    runner.elapse(0)
    engine.run_bare(runner.address, runner.roi, step_ns, day.last_ns - 1)
    runner.close()


def overhead(day: Day, base: Config) -> None:
    print(
        "| update interval | depth | bare loop, CPU s | dry strategy | adds | with orders |\n|---|---|---|---|---|---|"
    )
    for label, update_ns in (("10 s", 10_000_000_000), ("100 ms", 100_000_000)):
        for depth, book in ((0.00002, "hashmap"), (0.001, "hashmap"), (0.001, "roi"), (0.025, "roi")):
            changes = {
                "params.update_interval_ns": update_ns,
                "params.volatility_interval_ns": 6 * update_ns,
                "params.looking_depth": depth,
                "global.roi_lb": 40_000.0,
                "global.roi_ub": 60_000.0,
            }
            config = change_config(base, changes, "bench")
            models = Models(book=book, record_ns=max(update_ns, 1_000_000_000))
            loop = best_of(lambda c=config, m=models, update_ns=update_ns: bare(day, c, m, update_ns))  # type: ignore[misc]
            dry = best_of(lambda c=config, m=models: run_backtest([day], c, 0.1, 0.001, m, dry=True))  # type: ignore[misc]
            full = best_of(lambda c=config, m=models: run_backtest([day], c, 0.1, 0.001, m))  # type: ignore[misc]
            print(
                f"| {label} | {depth} {book} | {loop:.4f} | {dry:.4f} | {dry / loop - 1:+.1%} | {full:.4f} |",
                flush=True,
            )


def decision_time(config: Config) -> None:
    strategy = Strategy(config, 0.1, 0.001)
    ticks, ones = np.arange(1000), np.ones(1000)
    times = []
    for number in range(20_000):
        start = time.perf_counter_ns()
        bids, asks = strategy.sums(500_000 - ticks, ones, 500_001 + ticks, ones)
        strategy.decide((number + 1) * 10_000_000_000, 500_000, 500_001, bids, asks)
        times.append(time.perf_counter_ns() - start)
    median, high = np.percentile(times[1000:], (50, 99)) / 1e3
    print(f"\na decision over a book of 1,000 levels a side, from Python: p50 {median:.1f} µs, p99 {high:.1f} µs")


def sweep(config: Config) -> None:
    import data_convert as dc

    values = [1e-6 * k for k in range(1, 9)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "golden.npz"
        dc.save(golden_market(), path, compress="none")
        cells = make_cells(
            {"params.half_spread": values, "params.skew": values}, [path], config, Models(), 0.1, 0.001, "b"
        )
        rows = run_cells(cells, None)
        next(rows)  # loads and compiles
        before, start = os.times(), time.perf_counter()
        count = sum(1 for _ in rows)
        wall, after = time.perf_counter() - start, os.times()
    used = sum(after[i] - before[i] for i in range(4))
    cores = os.cpu_count() or 1
    print(
        f"\n{count} runs after the first: {wall:.1f} s, {count / wall:.1f} a second, {used / wall / cores:.0%} of {cores} cores"
    )


def main() -> None:
    config = parse_config(GOLDEN_CONFIG, "golden")
    day = day_of(golden_market(), ClearsSpelledOut(0.1, 0.001), "local", "golden")
    overhead(day, config)
    decision_time(config)
    sweep(config)


if __name__ == "__main__":
    main()
