"""A made-up minute in Tardis's layout, always the same: 10,000 trades, a snapshot, 50,000 updates.

Its event arrays are known: 73,601 rows with snapshots (73,602 by process), 73,400 without (tests/data_convert/test_tardis_sample.py).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data_convert.errors import OutputError
from data_convert.files.writer import check_target, whole_file

TRADES: Final = "binance-futures_trades_2023-11-14_BTCUSDT.csv.gz"
DEPTH: Final = "binance-futures_incremental_book_L2_2023-11-14_BTCUSDT.csv.gz"

_START_US: Final = 1_700_000_000_000_000
_ROW: Final = "binance-futures,BTCUSDT,{},{},{},{},{},{}"


def trades() -> Iterator[str]:
    """Yield the lines of the trades file."""
    yield "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    for i in range(10_000):
        at = _START_US + 100 * i
        side, price, amount = "sell" if i % 2 else "buy", 50_000 + 0.5 * (i % 100), 0.001 + 0.001 * (i % 10)
        yield _ROW.format(at, at + 50 + i % 100, f"trade{i}", side, f"{price:.2f}", f"{amount:.6f}")


def depth() -> Iterator[str]:
    """Yield the lines of the incremental_book_L2 file."""
    yield "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
    for i in range(100):
        for side, price in (("bid", 50_000 - 0.5 * i), ("ask", 50_000.5 + 0.5 * i)):
            yield _ROW.format(_START_US, _START_US + 50, "true", side, f"{price:.2f}", f"{1 + 0.1 * i:.3f}")
    for i in range(50_000):
        at = _START_US + 1000 + 50 * i
        step = 0.5 * (i % 50)
        side, price = ("ask", 50_000.5 + step) if i % 2 else ("bid", 50_000 - step)
        yield _ROW.format(at, at + 30 + i % 50, "false", side, f"{price:.2f}", f"{0.5 * (i % 10):.3f}")


def write_sample(directory: Path, force: bool = False) -> tuple[Path, Path]:
    """Write both files into `directory`, made if it does not exist; raises OutputError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(directory, f"cannot be made ({error.strerror})", "name a directory") from error
    paths = directory / TRADES, directory / DEPTH
    for path in paths:
        check_target(path, force, ".gz")
    for path, lines in zip(paths, (trades(), depth()), strict=True):
        with whole_file(path, force) as file:
            file.write(gzip.compress(("\n".join(lines) + "\n").encode(), 6, mtime=0))
    return paths
