"""The collector's recording: the real capture, or one made here."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

from tests.bench_convert.inputs import ROOT

CAPTURE = "usdm_btcusdt_20240808.gz"
MESSAGES = 40_000
_FIRST_NS = 1_700_000_000_000_000_000


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
