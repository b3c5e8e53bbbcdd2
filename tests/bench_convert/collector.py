"""The collector's recordings: the real capture, or one made here, through hftbacktest's converter and this one."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench_convert.inputs import ROOT

CAPTURE = "usdm_btcusdt_20240808.gz"
MESSAGES = 40_000
_FIRST_NS = 1_700_000_000_000_000_000

Run = Callable[..., dict[str, Any]]
"""`run(who, how, repeats, out, files, **environment)` measures in a fresh process."""


def recording(folder: Path) -> tuple[Path, str]:
    """Return the recording to convert, and what it is."""
    for candidate in (os.environ.get("MARKETLINK_SHARED"), ROOT.parent / "shared" / "data"):
        named = Path(candidate) / "captures" / CAPTURE if candidate else None
        if named and named.is_file():
            return named, "real BTCUSDT recording"
    return generated(folder / CAPTURE), "generated recording"


def generated(path: Path) -> Path:
    """Write a recording of USD-M futures in the exchange's own form: one snapshot, updates, trades, best quotes."""
    chance, last = random.Random(1), 1000

    def levels(side: int, count: int) -> list[list[str]]:
        return [[f"{60000 + side * (i + 1) / 10:.2f}", f"{chance.randrange(9999) / 1000:.3f}"] for i in range(count)]

    values: list[object] = [{"lastUpdateId": last, "E": 1_700_000_000_000, "T": 1_700_000_000_000,
                             "bids": levels(-1, 1000), "asks": levels(1, 1000)}]  # fmt: skip
    for i in range(MESSAGES):
        at = {"E": 1_700_000_000_001 + i, "T": 1_700_000_000_000 + i}
        price = f"{60000 + chance.randrange(-9, 9) / 10:.2f}"
        if i % 4 == 0:
            data = {"e": "depthUpdate", **at, "s": "BTCUSDT", "U": last + 1, "u": last + 9, "pu": last,
                    "b": levels(-1, chance.randrange(60)), "a": levels(1, chance.randrange(60))}  # fmt: skip
            last += 9
        elif i % 4 == 1:
            data = {"e": "trade", **at, "s": "BTCUSDT", "t": i, "p": price, "q": "0.010", "X": "MARKET", "m": i % 8 > 4}
        else:
            data = {"e": "bookTicker", "u": last, "s": "BTCUSDT", "b": price, "B": "1.0", "a": price, "A": "2.0", **at}
        streams = {"depthUpdate": "depth@0ms"}
        values.append({"stream": f"btcusdt@{streams.get(str(data['e']), data['e'])}", "data": data})
    with gzip.open(path, "wb", compresslevel=6) as out:
        for i, value in enumerate(values):
            out.write(f"{_FIRST_NS + 2_000_000 + i * 1_000_000} {json.dumps(value, separators=(',', ':'))}\n".encode())
    return path


def measure(run: Run, add: Callable[[str, float, float, float | None], None], folder: Path, repeats: int) -> None:
    """Add the rows of this input to the table: warm in one process, and fresh with nothing compiled."""
    path, what = recording(folder)
    out = folder / "collector.npz"
    warm = {who: run(who, "collector", repeats + 1, out, [path]) for who in ("peer", "ours")}
    add(f"collector JSON, warm, arrays only ({what})", warm["peer"]["seconds"], warm["ours"]["seconds"], 12)
    cold = {}
    for who in ("peer", "ours"):
        cache = folder / f"collector_cache_{who}"
        cold[who] = run(who, "collector", 1, out, [path], NUMBA_CACHE_DIR=str(cache))["wall"]
    add("  fresh process, empty numba cache", cold["peer"], cold["ours"], None)
