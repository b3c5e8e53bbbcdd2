"""Run hftbacktest's converter, plain loops and this converter in turns and print every ratio beside its goal."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench_convert import collector, recordings
from tests.bench_convert.inputs import build
from tests.bench_convert.rounds import Measured, Side, in_turns, run

SMALL_ROWS = 20_000
LARGE = 4
"""How much longer the long input is."""
MOST_BYTES = 300e6
COLD_S = 2.0


def savez_size(npz: Path, folder: Path) -> int:
    """The size of the same array as numpy saves it."""
    program = "import numpy as np, sys; np.savez_compressed(sys.argv[2], data=np.load(sys.argv[1])['data'])"
    subprocess.run([sys.executable, "-c", program, str(npz), str(folder / "savez.npz")], check=True)
    return (folder / "savez.npz").stat().st_size


class Bench:
    """The table, and what every measurement has in common."""

    def __init__(self, folder: Path, cores: int, rounds: int) -> None:
        self.folder, self.cores, self.rounds = folder, cores, rounds
        self.out = folder / "out.npz"
        self.table = Table(
            "", "other", "this", "ratio: least, middle, most", "goal", "", "memory", title=f"{cores} processor(s)"
        )

    def line(self, name: str, first: Side, second: Side, goal: float | None, most: float | None = None) -> Measured:
        """Measure two sides in turns and add the row: their ratio is to be at least `goal`.

        `most`: the inverse is shown, and to be at most that.
        """
        found = in_turns(first, second, self.out, self.cores, self.rounds)
        low, middle, high = found.ratio.least, found.ratio.middle, found.ratio.most
        if most is not None:
            low, middle, high = 1 / high, 1 / middle, 1 / low
        shown = "" if goal is None and most is None else f"≤ {most:g}x" if most is not None else f"≥ {goal:g}x"
        met = None if not shown else middle <= most if most is not None else middle >= (goal or 0)
        self.add(
            name,
            f"{found.first.middle:,.2f} s",
            f"{found.second.middle:,.2f} s",
            f"{low:.2f} {middle:.2f} {high:.2f}",
            shown,
            met,
            found.peaks[1],
        )
        return found

    def add(
        self, name: str, first: str, second: str, ratio: str, goal: str, met: bool | None, peak: float | None = None
    ) -> None:
        """Add a row."""
        verdict = "" if met is None else "met" if met else "MISSED"
        self.table.add_row(name, first, second, ratio, goal, verdict, f"{peak / 1e6:,.0f} MB" if peak else "")

    def flat(self, name: str, peak: float) -> None:
        """Add a row of memory that must not grow."""
        self.add(name, "", f"{peak / 1e6:,.0f} MB", "", f"≤ {MOST_BYTES / 1e6:,.0f} MB", peak <= MOST_BYTES)

    def tardis(self, files: list[Path], warm: int) -> None:
        """Arrays and files of a day, over inflating alone and over the peer."""
        ours = Side("ours", "arrays", files, warm)
        most = 1.1 if self.cores == 1 else 1.0
        self.line("arrays, over inflating alone", Side("floor", "", files, warm), ours, None, most)
        self.line("arrays", Side("peer", "arrays", files), ours, None)
        for compress, goal in (("fast", 10), ("default", 7)):
            own = Side("ours", "npz", files, warm, environment={"BENCH_COMPRESS": compress})
            found = self.line(f"npz ({compress})", Side("peer", "npz", files, 2), own, goal)
        self.flat("  memory", found.peaks[1])
        for compress in ("fast", "default"):
            own = Side("ours", "npz", files, 1, True, {"BENCH_COMPRESS": compress})
            self.line(f"npz ({compress}), a process of its own", Side("peer", "npz", files, 1, True), own, None)

    def long(self, files: list[Path], rows: int) -> None:
        """Files of a long day."""
        for compress, goal in (("fast", 14), ("default", 8)):
            own = Side("ours", "npz", files, 1, environment={"BENCH_COMPRESS": compress})
            found = self.line(f"{rows:,} rows, npz ({compress})", Side("peer", "npz", files, 1), own, goal)
        self.flat("  memory", found.peaks[1])

    def recorded(self, steps: int, warm: int) -> None:
        """Recordings: the collector's beside the peer, the others beside plain loops."""
        path, what = collector.recording(self.folder)
        ours = Side("ours", "collector", [path], warm)
        self.line(f"collector JSON ({what})", Side("peer", "collector", [path]), ours, 15)
        for source in recordings.SOURCES:
            path = self.folder / f"{source}_btcusdt_20231114.gz"
            if not path.exists():
                recordings.write(path, source, steps)
            name = f"{source}, beside orjson line by line"
            found = self.line(name, Side("loop", source, [path]), Side("ours", source, [path], warm), 10)
            self.flat("  memory", found.peaks[1])

    def cold(self, small: list[Path], files: list[Path]) -> None:
        """First conversions, nothing compiled yet: of little, and of a day beside the same when all is."""
        caches = iter(range(1 << 30))

        def empty() -> dict[str, str]:
            return {"NUMBA_CACHE_DIR": str(self.folder / f"cache_{self.cores}_{next(caches)}")}

        seconds = sorted(
            run(Side("ours", "npz", small, 1, True, empty()), self.out, self.cores)["seconds"]
            for _ in range(self.rounds)
        )
        middle = seconds[len(seconds) // 2]
        shown = f"{seconds[0]:.2f} {middle:.2f} {seconds[-1]:.2f}"
        self.add("nothing compiled, a small file", "", f"{middle:.2f} s", shown, f"≤ {COLD_S:g} s", middle <= COLD_S)
        warm = Side("ours", "npz", files, 1, True)
        pairs = [
            run(Side("ours", "npz", files, 1, True, empty()), self.out, self.cores)["seconds"]
            / run(warm, self.out, self.cores)["seconds"]
            for _ in range(self.rounds)
        ]
        pairs.sort()
        middle = pairs[len(pairs) // 2]
        shown = f"{pairs[0]:.2f} {middle:.2f} {pairs[-1]:.2f}"
        self.add("nothing compiled, the whole day, over warm", "", "", shown, "≤ 1.5x", middle <= 1.5)

    def sizes(self, files: list[Path]) -> None:
        """Sizes beside numpy's."""
        run(Side("ours", "npz", files, 1), self.out, self.cores)
        numpy_size = savez_size(self.out, self.folder)
        for compress, goal in (("fast", 1.35), ("default", 1.10), ("small", 0.97)):
            run(Side("ours", "npz", files, 1, environment={"BENCH_COMPRESS": compress}), self.out, self.cores)
            size = self.out.stat().st_size
            ratio = size / numpy_size
            shown = [f"{value / 1e6:.2f} MB" for value in (numpy_size, size)]
            self.add(f"size ({compress}) of numpy's", *shown, f"{ratio:.3f}", f"≤ {goal:g}x", ratio <= goal)


def main() -> None:
    """Build inputs, measure, print."""
    parser = argparse.ArgumentParser(prog="make bench-convert")
    parser.add_argument("--rows", type=int, default=5_240_000, help="rows of the input (5,240,000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every measurement (3)")
    parser.add_argument(
        "--warm", type=int, default=4, help="conversions a process, the best behind the first counts (4)"
    )
    parser.add_argument("--steps", type=int, default=recordings.STEPS, help="steps of the books that are recorded")
    parser.add_argument(
        "--cores", type=int, nargs="*", default=[1, 2], help="processors to be used, one after the other"
    )
    parser.add_argument("--only", nargs="*", help="of tardis, long, recorded, cold, sizes (all)")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-convert-"))
    try:
        measure(asked, folder)
    finally:
        shutil.rmtree(folder)


def measure(asked: argparse.Namespace, folder: Path) -> None:
    """Measure everything asked for and print a table for every number of processors."""
    console = Console(width=150)
    trades, depth, what, rows = build(folder, asked.rows)
    small = list(build(folder, min(asked.rows, SMALL_ROWS))[:2])
    files = [trades, depth]
    size = sum(path.stat().st_size for path in files)
    there = len(os.sched_getaffinity(0))
    console.print(f"{what}: {rows:,} rows, {size / 1e6:.1f} MB gz; {there} processors; {asked.rounds} rounds in turns")
    large = None if asked.only and "long" not in asked.only else build(folder, LARGE * asked.rows)
    for cores in [cores for cores in asked.cores if cores <= there]:
        bench = Bench(folder, cores, asked.rounds)
        parts: dict[str, Callable[[], None]] = {
            "tardis": lambda: bench.tardis(files, asked.warm),  # noqa: B023 - called before the next one is made
            "long": lambda: bench.long([large[0], large[1]], large[3]) if large else None,  # noqa: B023
            "recorded": lambda: bench.recorded(asked.steps, asked.warm),  # noqa: B023
            "cold": lambda: bench.cold(small, files),  # noqa: B023
            "sizes": lambda: bench.sizes(files),  # noqa: B023
        }
        for name, part in parts.items():
            if not asked.only or name in asked.only:
                part()
        console.print(bench.table)


if __name__ == "__main__":
    main()
