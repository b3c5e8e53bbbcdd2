"""A long day through `data-convert tardis`: `python -m tests.bench_convert.long --rows 100_000_000 --out DIR`.

Writes depth and trades as Tardis would (at 100 million rows more than 4 GiB of text, and of records), converts them in a
process of its own, whose memory is watched, and reads the result once more, in blocks, to compare counts, order and exact sums with what
was generated. Files are removed unless --keep is given.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from data_convert.events import (
    BUY,
    DEPTH,
    DEPTH_CLEAR,
    DEPTH_SNAPSHOT,
    EVENT_DTYPE,
    EXCH,
    KIND_MASK,
    LOCAL,
    SELL,
    TRADE,
)
from isal import igzip

GOAL_BYTES = 300e6
BASE_US = 1_700_000_000_000_000
BLOCK_ROWS = 1 << 17
TRADES = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
DEPTHS = b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
OPENING = 25  # levels a side of the snapshot at the begin
PER_TRADE = 5  # rows of both files for every trade
STEP_US = 1_000
FIRST_TICK, TICKS = 500_000, 2_000  # prices 50000.0 to 50199.9
LOTS = 9_999
MOST_LATENCY_US = 5_000  # rows overtake each other on the way


@dataclass
class Sums:
    """Rows, ticks, lots and times of rows by (kind, side)."""

    of: dict[tuple[int, int], Counter[str]] = field(default_factory=dict)

    def add(self, kind: int, side: int, **arrays: Any) -> None:
        """Add columns of integers."""
        held = self.of.setdefault((kind, side), Counter())
        for name, values in arrays.items():
            held[name] += int(values.sum())
            held["rows"] += len(values) if name == "ticks" else 0


def row_block(first: int, count: int, apart: int = 1) -> dict[str, Any]:
    """Integers of rows so many steps apart: time, latency, price and quantity depend on the row's number alone."""
    at = np.arange(first, first + count, dtype=np.int64)
    return {
        "exch_us": at * STEP_US * apart,
        "local_us": at * STEP_US * apart + 50 + at * 7_919 % MOST_LATENCY_US,
        "ticks": FIRST_TICK + at * 104_729 % TICKS,
        "lots": 1 + at * 1_299_709 % LOTS,
    }


def digits(values: Any, count: int, point: int = 0) -> Any:
    """The decimal digits of integers as bytes, (n, count), with a point before the last `point` digits."""
    out = np.empty((len(values), count + bool(point)), np.uint8)
    left = values.copy()
    place = out.shape[1]
    for digit in range(count):
        place -= 1
        if point and digit == point:
            out[:, place] = ord(".")
            place -= 1
        left, last = np.divmod(left, 10)
        out[:, place] = last + ord("0")
    return out


def text_of(rows: dict[str, Any], middle: bytes, number: Any = None) -> bytes:
    """Rows as lines; `middle` stands between times and price, `number` before it where given."""

    def fixed(text: bytes) -> Any:
        return np.broadcast_to(np.frombuffer(text, np.uint8), (len(rows["ticks"]), len(text)))

    parts = [fixed(b"binance-futures,BTCUSDT,"), digits(BASE_US + rows["exch_us"], 16), fixed(b",")]
    parts += [digits(BASE_US + rows["local_us"], 16), fixed(b",")]
    parts += [] if number is None else [digits(number, 9)]
    parts += [fixed(middle), digits(rows["ticks"], 6, 1), fixed(b","), digits(rows["lots"], 4, 3), fixed(b"\n")]
    return np.concatenate(parts, axis=1).tobytes()


def generate(folder: Path, rows: int) -> tuple[list[Path], Sums, int]:
    """Write both files with `rows` rows together; return them, the sums of what they say, and the bytes of text."""
    sums, size = Sums(), 0
    trades, depth = folder / "trades.csv.gz", folder / "depth.csv.gz"
    n_trades = rows // PER_TRADE
    with igzip.open(trades, "wb", compresslevel=1) as out:
        size += out.write(TRADES)
        for number, (first, count) in enumerate(blocks(n_trades)):
            side, name = (BUY, b",buy,") if number % 2 else (SELL, b",sell,")
            block = row_block(first, count, PER_TRADE - 1)
            size += out.write(text_of(block, name, np.arange(first, first + count)))
            sums.add(TRADE, side, **block)
    with igzip.open(depth, "wb", compresslevel=1) as out:
        size += out.write(DEPTHS)
        opening = row_block(0, OPENING)
        opening["exch_us"], opening["local_us"] = np.zeros(OPENING, np.int64), np.full(OPENING, 40)
        for side, name, edge in ((BUY, b"true,bid,", min), (SELL, b"true,ask,", max)):
            size += out.write(text_of(opening, name))
            sums.add(DEPTH_SNAPSHOT, side, **opening)
            clear = {key: values[:1] for key, values in opening.items()}
            clear["ticks"], clear["lots"] = np.array([edge(opening["ticks"])]), np.array([0])
            sums.add(DEPTH_CLEAR, side, **clear)
        for number, (first, count) in enumerate(blocks(rows - n_trades - 2 * OPENING)):
            side, name = (BUY, b"false,bid,") if number % 2 else (SELL, b"false,ask,")
            block = row_block(first, count)
            size += out.write(text_of(block, name))
            sums.add(DEPTH, side, **block)
    return [trades, depth], sums, size


def blocks(rows: int) -> Iterator[tuple[int, int]]:
    """First row and length of every block."""
    for first in range(0, rows, BLOCK_ROWS):
        yield first, min(BLOCK_ROWS, rows - first)


def watched(arguments: list[str]) -> tuple[float, float, int]:
    """Run the command; return its seconds, CPU seconds and most resident bytes (mapped files with them)."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    program = [sys.executable, "-m", "data_convert", *arguments]
    peak = 0
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        try:
            while child.poll() is None:
                status = Path(f"/proc/{child.pid}/status").read_text()
                found = [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")]
                # It only grows; the first one read may still be that of this process, of which the child is a copy.
                peak = found[0] if found else peak
                time.sleep(0.02)
        except BaseException:
            child.kill()
            raise
        errors = child.stderr.read() if child.stderr else ""
    if child.returncode:
        raise SystemExit(f"data-convert {' '.join(arguments)} failed:\n{errors}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu, peak


def read_blocks(path: Path) -> Iterator[Any]:
    """The records of an `.npz` in blocks; zipfile checks the CRC on the way."""
    with zipfile.ZipFile(path) as archive, archive.open("data.npy") as member:
        assert np.lib.format.read_magic(member) == (1, 0)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        assert dtype == EVENT_DTYPE
        left = shape[0]
        while left:
            block = np.frombuffer(member.read(min(left, BLOCK_ROWS) * dtype.itemsize), dtype)
            left -= len(block)
            yield block
        assert not member.read(1), "more records than the header says"


def look_through(path: Path) -> tuple[int, dict[str, Sums], list[str]]:
    """Return rows, the sums of what either clock sees, and what is out of order or no number of ticks and lots."""
    rows, seen, faults = 0, {"exchange": Sums(), "local": Sums()}, []
    newest = {"exchange": 0, "local": 0}
    for block in read_blocks(path):
        ticks, lots = np.rint(block["px"] * 10).astype(np.int64), np.rint(block["qty"] * 1000).astype(np.int64)
        if np.any(ticks / 10 != block["px"]) or np.any(lots / 1000 != block["qty"]):
            faults.append(f"a price or quantity in rows {rows} to {rows + len(block)} is not the nearest float")
        ev = block["ev"].astype(np.int64)
        for clock, flag, name in (("exchange", EXCH, "exch_ts"), ("local", LOCAL, "local_ts")):
            own = (ev & flag) != 0
            times = np.append(newest[clock], block[name][own])
            if np.any(times[1:] < times[:-1]):
                faults.append(f"{clock} time goes back in rows {rows} to {rows + len(block)}")
            newest[clock] = int(times[-1])
            for kind in np.unique(ev & KIND_MASK).tolist():
                for side in (BUY, SELL):
                    marked = own & (ev & (KIND_MASK | side) == kind | side)
                    seen[clock].add(
                        kind,
                        side,
                        exch_us=block["exch_ts"][marked] // 1000 - BASE_US,
                        local_us=block["local_ts"][marked] // 1000 - BASE_US,
                        ticks=ticks[marked],
                        lots=lots[marked],
                    )
        rows += len(block)
    return rows, seen, faults


def differences(expected: Sums, seen: dict[str, Sums]) -> list[str]:
    """Say where the sums of a clock are not those expected."""
    wrong = [
        f"{clock}: kind {kind}, side {side:#x}: {dict(found.of.get((kind, side), {}))}, not {dict(sums)}"
        for clock, found in seen.items()
        for (kind, side), sums in expected.of.items()
        if found.of.get((kind, side)) != sums
    ]
    more = [
        f"{clock}: {sums['rows']} rows of kind {kind}, side {side:#x}, that nobody wrote"
        for clock, found in seen.items()
        for (kind, side), sums in found.of.items()
        if sums["rows"] and (kind, side) not in expected.of
    ]
    return wrong + more


def measure(rows: int, folder: Path, compress: str) -> int:
    """Generate, convert, look through; print figures; return the exit code."""
    begin = time.perf_counter()
    files, expected, text_bytes = generate(folder, rows)
    gz_bytes = sum(path.stat().st_size for path in files)
    print(f"{rows:,} rows, {text_bytes:,} bytes of text, {gz_bytes:,} gz; made in {time.perf_counter() - begin:.1f} s")
    out = folder / "long.npz"
    seconds, cpu, peak = watched(
        ["tardis", *map(str, files), "-o", str(out), "--force", "--compress", compress, "--snapshot-mode", "process"]
    )
    print(f"converted in {seconds:.1f} s ({cpu:.1f} s of CPU): {rows / seconds / 1e6:.2f} M rows/s")
    begin = time.perf_counter()
    written, seen, faults = look_through(out)
    faults += differences(expected, seen)
    records = written * EVENT_DTYPE.itemsize
    print(
        f"{written:,} records, {records:,} bytes, {out.stat().st_size:,} as npz; read in {time.perf_counter() - begin:.1f} s"
    )
    print("\n".join(faults) or "rows, both orders and all sums are as generated")
    met = peak <= GOAL_BYTES
    print(f"peak memory {peak / 1e6:,.0f} MB, goal at most {GOAL_BYTES / 1e6:,.0f} MB: {'met' if met else 'MISSED'}")
    return int(bool(faults) or not met)


def main() -> None:
    """Run as asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_convert.long")
    parser.add_argument("--rows", type=int, default=100_000_000, help="rows of both files (100,000,000)")
    parser.add_argument("--out", type=Path, required=True, help="directory for the files, made where it is missing")
    parser.add_argument("--compress", default="default", help="as of data-convert tardis (default)")
    parser.add_argument("--keep", action="store_true", help="leave the files there")
    asked = parser.parse_args()
    folder = asked.out / "long"
    folder.mkdir(parents=True)
    try:
        code = measure(asked.rows, folder, asked.compress)
    finally:
        if not asked.keep:
            shutil.rmtree(folder)
    sys.exit(code)


if __name__ == "__main__":
    main()
