"""Two sides measured in turns, so that whatever else the machine does hits both: ratios are of pairs, not of bests."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Side:
    """What is run: who, how, on which files, how often in one process; `wall` counts the whole process."""

    who: str
    how: str
    files: Sequence[Path]
    repeats: int = 2
    wall: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the most of some figures."""

    least: float
    middle: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of figures."""
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Measured:
    """Both sides' seconds, their ratio in every pair, and the most memory and rows of the second."""

    first: Spread
    second: Spread
    ratio: Spread
    peaks: tuple[float, float]
    rows: tuple[int, int]


def run(side: Side, out: Path, cores: int) -> dict[str, Any]:
    """Measure once, in a fresh process."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(WORKER), side.who, side.how, str(side.repeats), str(out), *map(str, side.files)],
        # Users have their packages' bytecode on disk; without it every start would read all sources again.
        env={
            **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            "BENCH_CORES": str(cores),
            **side.environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{side.who} {side.how} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if side.wall:
        found["seconds"] = time.perf_counter() - begin
    return found


def in_turns(first: Side, second: Side, out: Path, cores: int, rounds: int) -> Measured:
    """Measure both sides in turns; ratios are the first's seconds over the second's."""
    pairs = [(run(first, out, cores), run(second, out, cores)) for _ in range(rounds)]
    seconds = [[pair[i]["seconds"] for pair in pairs] for i in (0, 1)]
    peaks = [max(pair[i]["peak"] for pair in pairs) for i in (0, 1)]
    return Measured(
        Spread.of(seconds[0]),
        Spread.of(seconds[1]),
        Spread.of([a / b for a, b in zip(*seconds, strict=True)]),
        (peaks[0], peaks[1]),
        (pairs[-1][0]["rows"], pairs[-1][1]["rows"]),
    )
