"""A straightforward reader of a recording, as anyone would write it first: orjson for every line, a tuple for every row."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
from isal import igzip

Row = tuple[int, int, float, float]
BID, ASK, TRADE, CLEAR = range(4)


def bybit(frame: dict[str, Any]) -> Iterator[Row]:
    """Yield (kind, exchange ns, price, quantity) of a frame of Bybit."""
    data = frame["data"]
    if frame["topic"].startswith("orderbook"):
        for kind, side in ((BID, data["b"]), (ASK, data["a"])):
            for price, quantity in side:
                yield kind, frame["cts"] * 1_000_000, float(price), float(quantity)
    else:
        for trade in data:
            yield TRADE, trade["T"] * 1_000_000, float(trade["p"]), float(trade["v"])


def hyperliquid(frame: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of a frame of Hyperliquid."""
    channel, data = frame["channel"], frame["data"]
    if channel == "trades":
        for trade in data:
            yield TRADE, trade["time"] * 1_000_000, float(trade["px"]), float(trade["sz"])
        return
    sides = data["levels"] if channel == "l2Book" else [[quote] for quote in data["bbo"]]
    for kind, side in zip((BID, ASK), sides, strict=True):
        for level in side:
            yield kind, data["time"] * 1_000_000, float(level["px"]), float(level["sz"])


def link(line: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of a connector's line."""
    word = line["e"]
    if word in ("depthUpdate", "depthSnapshot"):
        for kind, side in ((BID, line["b"]), (ASK, line["a"])):
            for price, quantity in side:
                yield kind, line["ns"], float(price), float(quantity)
    elif word == "trade":
        yield TRADE, line["ns"], float(line["p"]), float(line["q"])
    elif word == "depthClear":
        yield CLEAR, line["ns"], 0.0, 0.0


READERS: dict[str, Callable[[dict[str, Any]], Iterator[Row]]] = {
    "bybit": bybit,
    "hyperliquid": hyperliquid,
    "link": link,
}


def read(source: str, path: str) -> int:
    """Read a recording to an array; no books are fused and no clocks put in order. Returns the number of rows."""
    rows: list[tuple[int, ...] | tuple[float, ...]] = []
    rows_of = READERS[source]
    with igzip.open(path) as file:
        for line in file:
            stamp, _, payload = line.partition(b" ")
            local_ns = int(stamp)
            rows += [(local_ns, *row) for row in rows_of(orjson.loads(payload))]
    dtype = [("local", "i8"), ("kind", "i8"), ("exch", "i8"), ("px", "f8"), ("qty", "f8")]
    return len(np.array(rows, dtype))


if __name__ == "__main__":
    print(read(sys.argv[1], sys.argv[2]))
