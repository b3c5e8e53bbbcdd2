"""Inputs of a wanted length: the real capture as Tardis CSV, or the generated sample, repeated in time."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from data_convert.tardis.sample import write_sample

ROOT = Path(__file__).parents[2]
GAP_US = 1_000_000


def originals(folder: Path) -> tuple[Path, Path, str]:
    """The trades and depth file to repeat, and what they are."""
    for candidate in (os.environ.get("MARKETLINK_SHARED"), ROOT.parent / "shared" / "data"):
        named = Path(candidate) / "tardis" if candidate else None
        if named and named.is_dir():
            stem = "binance-futures_{}_2024-08-08_BTCUSDT.csv.gz"
            return named / stem.format("trades"), named / stem.format("incremental_book_L2"), "real BTCUSDT capture"
    return (*write_sample(folder / "sample", force=True), "generated sample (no real data on this machine)")


def build(folder: Path, rows: int) -> tuple[Path, Path, str, int]:
    """Write both files with about `rows` rows together; return them, what they are, and their true length."""
    trades, depth, what = originals(folder)
    tables = [gzip.decompress(path.read_bytes()).decode().splitlines() for path in (trades, depth)]
    split = [[line.split(",", 4) for line in table[1:]] for table in tables]
    times = [int(parts[i]) for table in split for parts in table for i in (2, 3)]
    span = max(times) - min(times) + GAP_US
    each = sum(map(len, split))
    copies = max(1, round(rows / each))
    made = []
    for name, table, parts in zip(("trades", "depth"), tables, split, strict=True):
        path = folder / f"{name}_{rows}.csv.gz"
        first = [
            (f"{exchange},{symbol},", int(exch), int(local), rest) for exchange, symbol, exch, local, rest in parts
        ]
        # Only the first copy opens with a snapshot: a day has one.
        later = [row for row in first if not row[3].startswith("true")]
        with gzip.open(path, "wb", compresslevel=6) as out:
            out.write(f"{table[0]}\n".encode())
            for k in range(copies):
                shift = k * span
                text = [
                    f"{whose}{exch + shift},{local + shift},{rest}\n"
                    for whose, exch, local, rest in (later if k else first)
                ]
                out.write("".join(text).encode())
        made.append(path)
    return made[0], made[1], what, copies * each
