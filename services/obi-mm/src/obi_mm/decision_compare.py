"""Parts of a decision log, and where two logs differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from obi_mm.decision_rows import row_of
from obi_mm.decisions import DecisionLog
from obi_mm.errors import LogError
from obi_mm.layout import Log
from obi_mm.models import symbol_of


def of_symbol(log: DecisionLog, symbol: str) -> DecisionLog:
    """Return one symbol's part of a log that has several, any other log as it is; raises LogError where it has no such symbol."""
    names = [instrument.symbol for instrument in log.header.instruments]
    if len(names) < 2:
        return log
    if symbol not in names:
        raise LogError("log", f"has no {symbol!r}, but {', '.join(names)}")
    number = names.index(symbol)
    resumed = {name: at_ns for name, at_ns in (log.header.more.get("resumed") or {}).items() if name == symbol}
    return replace(
        part_of(log, log.decisions["symbol"] == number),
        header=replace(log.header, more={**log.header.more, "resumed": resumed}),
        events=log.events[log.events["symbol"] == number],
    )


def of_one_symbol(logs: Sequence[DecisionLog], symbol: str) -> list[DecisionLog]:
    """Return both logs' parts of one symbol: the one asked for, or, of a log with several against one with one, that one's.

    A log of one symbol may be named after its file. Raises LogError where it is not clear what is to be compared with what.
    """
    names = [[instrument.symbol for instrument in log.header.instruments] for log in logs]
    several = [one for one in names if len(one) > 1]
    alone = [one[0] for one in names if len(one) == 1]
    if not several or (len(several) == len(names) and not symbol):
        return list(logs)
    known = {name for one in several for name in one}
    stated = [name if name in known else symbol_of(name) for name in alone]
    for name, true in zip(alone, stated, strict=True):
        if symbol and true in known and true != symbol:
            raise LogError("log", f"is of {name!r}, not of {symbol!r}")
        if not symbol and true not in known:
            raise LogError(
                "log",
                f"with {', '.join(several[0])} has no {name!r}: say with --symbol which of them it is compared with",
            )
    return [of_symbol(log, symbol or stated[0]) for log in logs]


def between(log: DecisionLog, first_ns: int, last_ns: int) -> DecisionLog:
    """Return the part of a log from one time to another, both included."""
    times = log.decisions["time_ns"]
    return part_of(log, (times >= first_ns) & (times <= last_ns))


def part_of(log: DecisionLog, keep: np.ndarray[Any, np.dtype[np.bool_]]) -> DecisionLog:
    """Return the decisions where `keep`, shape (n,), is true, with their actions."""
    counts = np.diff(log.starts)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts[keep], dtype=np.int64)))
    return DecisionLog(
        log.header,
        log.decisions[keep],
        log.actions[np.repeat(keep, counts)],
        starts,
        log.torn_bytes,
        log.events,
        log.states,
    )


def settled_ns(log: DecisionLog) -> int | None:
    """Return from when on a log's factors are those of any run that began earlier; None if it never gets there.

    Windows hold only what came after the beginning, so it is when both are full; and one return more, because the first
    one may have begun in the middle of its interval. A log that went on from a kept state begins with windows that hold a gap: there it
    is when its own samples and returns fill them. Raises LogError where the header has no windows.
    """
    window, returns, interval_ns, longest_gap = windows_of(log)
    decisions = log.decisions
    if not log.header.more.get("resumed"):
        full = np.flatnonzero((decisions["samples"] >= window) & (decisions["returns"] >= returns))
        return int(decisions["time_ns"][full[0]]) + interval_ns if len(full) else None
    return refilled_ns(decisions, window, returns, interval_ns, longest_gap)


def refilled_ns(decisions: Log, window: int, returns: int, interval_ns: int, longest_gap: int) -> int | None:
    """Return when both windows hold only what came since the first of these decisions, and one return more; None if never."""
    sampled = decisions["time_ns"][decisions["sampled"] == 1]
    points = np.unique(sampled // interval_ns)
    made = 1 + np.flatnonzero(np.diff(points) <= longest_gap)
    if len(sampled) < window or len(made) < returns + 1:
        return None
    return max(int(sampled[window - 1]), int(points[made[returns]]) * interval_ns) + interval_ns


def windows_of(log: DecisionLog) -> tuple[int, int, int, int]:
    """Return a log's windows: samples, returns, the returns' interval in ns, and the longest gap; raises LogError where it has none."""
    try:
        params = log.header.config["params"]
        return (
            int(params["window"]),
            int(params["volatility_window"]),
            int(params["volatility_interval_ns"]),
            int(params.get("longest_gap", 1)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LogError("log", f"has no windows in its header ({error})") from error


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
