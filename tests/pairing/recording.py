"""The book and the trades in a collector's files, ours or the source's, read with nothing but their own lines."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson


@dataclass
class Recorded:
    """What is in the files so far: price to quantity of both sides, in floats as written."""

    lines: int = 0
    trades: int = 0
    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)


def whole_lines(path: Path) -> Iterator[bytes]:
    """Every whole line of a file that may be written to meanwhile."""
    return whole_lines_of(path.read_bytes(), gzipped=path.suffix == ".gz")


def whole_lines_of(data: bytes, gzipped: bool = True) -> Iterator[bytes]:
    """Every whole line of a file's bytes; an unfinished gzip member gives what it has."""
    if not gzipped:
        yield from data[: data.rfind(b"\n") + 1].splitlines()
        return
    while data:
        member = zlib.decompressobj(31)
        try:
            text = member.decompress(data)
        except zlib.error:
            return
        yield from text[: text.rfind(b"\n") + 1].splitlines()
        if not member.eof:
            return
        data = member.unused_data


def read_recording(folder: Path, symbol: str, skip: int = 0) -> Recorded:
    """Rebuild the book at the end; `skip` lines belong to an earlier run of a recorder that writes no clears."""
    found = Recorded()
    for path in sorted((*folder.glob(f"{symbol}_*.gz"), *folder.glob(f"{symbol}_*.jsonl"))):
        for raw in whole_lines(path):
            found.lines += 1
            if found.lines <= skip:
                continue
            try:
                line = orjson.loads(raw.partition(b" ")[2])
            except orjson.JSONDecodeError:
                if path.suffix == ".gz":
                    raise
                continue  # the source's collector, killed within a line, goes on right behind what it had written
            _take(found, line)
    return found


def _take(found: Recorded, line: dict[str, Any]) -> None:
    event = line.get("e")
    if event == "trade":
        found.trades += 1
    elif event in ("depthClear", "gap"):  # ours writes no depth behind a gap before the next whole book
        found.bids.clear()
        found.asks.clear()
    if event not in ("depthUpdate", "depthSnapshot", "depthClear"):
        return
    for levels, key in ((found.bids, "b"), (found.asks, "a")):
        for price, qty in line.get(key, ()):
            # The source multiplies ticks out: 61799.700000000004 deletes 61799.7.
            at = round(float(price), 8)
            if float(qty):
                levels[at] = float(qty)
            else:
                levels.pop(at, None)
