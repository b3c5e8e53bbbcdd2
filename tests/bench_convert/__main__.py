"""Run hftbacktest's converter and this one side by side and print every ratio beside its goal."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench_convert.inputs import build

WORKER = Path(__file__).with_name("worker.py")
SMALL_ROWS = 400_000
LARGE = 4
"""How much longer the long input is."""


def run(who: str, how: str, repeats: int, out: Path, files: list[Path], **environment: str) -> dict[str, Any]:
    """Measure in a fresh process; `wall` is its whole life."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(WORKER), who, how, str(repeats), str(out), *map(str, files)],
        # Users have their packages' bytecode on disk; without it every start would read all sources again.
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{who} {how} failed:\n{done.stderr}")
    return {**json.loads(done.stdout.splitlines()[-1]), "wall": time.perf_counter() - begin}


def savez_size(npz: Path, folder: Path) -> int:
    """The size of the same array as numpy saves it."""
    program = "import numpy as np, sys; np.savez_compressed(sys.argv[2], data=np.load(sys.argv[1])['data'])"
    subprocess.run([sys.executable, "-c", program, str(npz), str(folder / "savez.npz")], check=True)
    return (folder / "savez.npz").stat().st_size


def main() -> None:
    """Build inputs, measure, print."""
    parser = argparse.ArgumentParser(prog="make bench-convert")
    parser.add_argument("--rows", type=int, default=5_240_000, help="rows of the input (5,240,000)")
    parser.add_argument("--repeats", type=int, default=3, help="warm runs, of which the best counts (3)")
    parser.add_argument("--skip-large", action="store_true", help="leave out the input that is four times as long")
    parser.add_argument("--skip-size", action="store_true", help="do not compare file sizes")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-convert-"))
    try:
        measure(asked, folder)
    finally:
        shutil.rmtree(folder)


def memory(line: Callable[..., None], name: str, peer: dict[str, Any], ours: dict[str, Any]) -> None:
    """Add the row of the most memory either had."""
    shown = [f"{who['peak'] / 1e6:,.0f} MB" for who in (peer, ours)]
    line(name, *shown, f"{peer['peak'] / ours['peak']:.1f}x", "≤ 300 MB", ours["peak"] <= 300e6)


def measure(asked: argparse.Namespace, folder: Path) -> None:
    """Measure everything and print the table."""
    console = Console(width=118)
    trades, depth, what, rows = build(folder, asked.rows)
    small_trades, small_depth, _, small_rows = build(folder, min(asked.rows, SMALL_ROWS))
    files, small, out = [trades, depth], [small_trades, small_depth], folder / "out.npz"
    size = sum(path.stat().st_size for path in files)
    console.print(
        f"{what}: {rows:,} rows, {size / 1e6:.1f} MB gz; {os.cpu_count()} cores; best of {asked.repeats} warm"
    )
    table = Table("", "hftbacktest", "this", "ratio", "goal", "", title="conversion")

    def line(name: str, peer: str, ours: str, ratio: str, goal: str, met: bool | None) -> None:
        table.add_row(name, peer, ours, ratio, goal, "" if met is None else "met" if met else "MISSED")

    def add(name: str, peer: float, ours: float, goal: float | None) -> None:
        ratio = peer / ours
        shown = f"≥ {goal:g}x" if goal is not None else ""
        line(name, f"{peer:,.2f} s", f"{ours:,.2f} s", f"{ratio:.1f}x", shown, None if goal is None else ratio >= goal)

    floor = run("floor", "", 1, out, files)["seconds"]
    warm = asked.repeats + 1
    run("peer", "arrays", 1, out, small)
    run("ours", "npz", 1, out, small)
    peer = run("peer", "arrays", warm, out, files)
    fitted = run("peer", "arrays", warm, out, files, BENCH_BUFFER_ROWS=str(2 * rows + 1000))
    ours = run("ours", "arrays", warm, out, files)
    add("warm, arrays only", peer["seconds"], ours["seconds"], 10)
    add("  the peer's buffer made to fit", fitted["seconds"], ours["seconds"], None)
    over = ours["seconds"] / floor
    line("  over inflating alone", f"{floor:.2f} s", f"{ours['seconds']:.2f} s", f"{over:.1f}x", "≤ 1.5x", over <= 1.5)
    peer_npz = run("peer", "npz", 2, out, files)
    for compress, goal in (("fast", 15), ("default", 15)):
        ours_npz = run("ours", "npz", warm, out, files, BENCH_COMPRESS=compress)
        add(f"warm, npz ({compress})", peer_npz["seconds"], ours_npz["seconds"], goal)
    fresh_peer = run("peer", "npz", 1, out, files)
    for compress in ("fast", "default"):
        fresh = run("ours", "npz", 1, out, files, BENCH_COMPRESS=compress)
        add(f"fresh process, npz ({compress})", fresh_peer["wall"], fresh["wall"], 5)
    memory(line, "peak memory", fresh_peer, fresh)
    cold = {}
    for who in ("peer", "ours"):
        cache = folder / f"cache_{who}"
        cold[who] = run(who, "npz", 1, out, small, NUMBA_CACHE_DIR=str(cache))["wall"]
    add(f"fresh process, empty numba cache, {small_rows:,} rows", cold["peer"], cold["ours"], 1)
    if not asked.skip_large:
        *long, _, long_rows = build(folder, LARGE * asked.rows)
        long_files = [long[0], long[1]]
        long_peer = run("peer", "npz", 1, out, long_files)
        for compress in ("fast", "default"):
            long_ours = run("ours", "npz", 1, out, long_files, BENCH_COMPRESS=compress)
            add(f"{long_rows:,} rows, npz ({compress})", long_peer["seconds"], long_ours["seconds"], 12)
        memory(line, "  peak memory", long_peer, long_ours)
        out.unlink()
    if not asked.skip_size:
        run("ours", "npz", 1, out, small)
        numpy_size = savez_size(out, folder)
        for compress, goal in (("fast", 1.35), ("default", 1.10), ("small", 0.97)):
            run("ours", "npz", 1, out, small, BENCH_COMPRESS=compress)
            size = out.stat().st_size
            ratio = size / numpy_size
            shown = [f"{value / 1e6:.2f} MB" for value in (numpy_size, size)]
            line(f"size, {compress}, of numpy's", *shown, f"{ratio:.3f}x", f"≤ {goal:g}x", ratio <= goal)
    console.print(table)
    million = ours["rows"] / ours["seconds"] / 1e6
    console.print(
        f"{ours['rows']:,} events out, {million:.1f} M events/s warm, equal rows: {peer['rows'] == ours['rows']}"
    )


if __name__ == "__main__":
    main()
