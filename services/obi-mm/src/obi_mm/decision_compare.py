"""Parts of a decision log, and where two logs differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from obi_mm.decision_rows import row_of
from obi_mm.decisions import DecisionLog
from obi_mm.errors import LogError


def of_symbol(log: DecisionLog, symbol: str) -> DecisionLog:
    """Return one symbol's part of a log that has several, any other log as it is; raises LogError where it has no such symbol."""
    names = [instrument.symbol for instrument in log.header.instruments]
    if len(names) < 2:
        return log
    if symbol not in names:
        raise LogError("log", f"has no {symbol!r}, but {', '.join(names)}")
    number = names.index(symbol)
    return replace(part_of(log, log.decisions["symbol"] == number), events=log.events[log.events["symbol"] == number])


def between(log: DecisionLog, first_ns: int, last_ns: int) -> DecisionLog:
    """Return the part of a log from one time to another, both included."""
    times = log.decisions["time_ns"]
    return part_of(log, (times >= first_ns) & (times <= last_ns))


def part_of(log: DecisionLog, keep: np.ndarray[Any, np.dtype[np.bool_]]) -> DecisionLog:
    """Return the decisions where `keep`, shape (n,), is true, with their actions."""
    counts = np.diff(log.starts)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts[keep], dtype=np.int64)))
    return DecisionLog(
        log.header, log.decisions[keep], log.actions[np.repeat(keep, counts)], starts, log.torn_bytes, log.events
    )


def settled_ns(log: DecisionLog) -> int | None:
    """Return from when on a log's factors are those of any run that began earlier; None if it never gets there.

    Windows hold only what came after the beginning, so it is when both are full; and one return more, because the first
    one may have begun in the middle of its interval. Raises LogError where the header has no windows.
    """
    try:
        params = log.header.config["params"]
        window, returns = int(params["window"]), int(params["volatility_window"])
        interval_ns = int(params["volatility_interval_ns"])
    except (KeyError, TypeError, ValueError) as error:
        raise LogError("log", f"has no windows in its header ({error})") from error
    full = np.flatnonzero((log.decisions["samples"] >= window) & (log.decisions["returns"] >= returns))
    return int(log.decisions["time_ns"][full[0]]) + interval_ns if len(full) else None


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision in which two logs differ: `fields` by name with both values; a missing side has none."""

    time_ns: int
    symbol: str
    fields: Mapping[str, tuple[object, object]]


def compare(left: DecisionLog, right: DecisionLog, tolerance: float = 0.0) -> Iterator[Difference]:
    """Yield where two logs differ, in order of time; numbers may differ by `tolerance`, relatively.

    Decisions are matched by time and symbol, by time alone where either log has one symbol only. Action ids are compared
    by their distance from each log's first, because a live bot begins where no id was ever used.
    """
    named = len(left.header.instruments) > 1 and len(right.header.instruments) > 1
    mine, yours = _by_key(left, named), _by_key(right, named)
    bases = [int(log.actions["order_id"].min()) if len(log.actions) else 0 for log in (left, right)]
    for key in sorted(mine.keys() | yours.keys()):
        time_ns, symbol, _ = key
        if key not in mine or key not in yours:
            yield Difference(time_ns, symbol, {"decision": (key in mine, key in yours)})
            continue
        rows = [row_of(left, mine[key]), row_of(right, yours[key])]
        for row, base in zip(rows, bases, strict=True):
            for action in row["actions"]:  # type: ignore[attr-defined]
                action["id"] -= base
        fields = {
            name: (rows[0][name], rows[1][name])
            for name in rows[0]
            if name not in (("time",) if named else ("time", "symbol"))
            and not _same(rows[0][name], rows[1][name], tolerance)
        }
        if fields:
            yield Difference(time_ns, symbol, fields)


def _by_key(log: DecisionLog, named: bool) -> dict[tuple[int, str, int], int]:
    """Number decisions by time and symbol, and by their turn where there are several."""
    found: dict[tuple[int, str, int], int] = {}
    for number in range(len(log.decisions)):
        symbol = log.header.instruments[int(log.decisions["symbol"][number])].symbol if named else ""
        turn = 0
        while (key := (int(log.decisions["time_ns"][number]), symbol, turn)) in found:
            turn += 1
        found[key] = number
    return found


def _same(left: object, right: object, tolerance: float) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or abs(left - right) <= tolerance * max(abs(left), abs(right))
    return left == right
